"""The sessions that a service has open: bounded in number, ended when nobody speaks for a while, kept as events when they end."""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, final

from mmrec.errors import MmrecError
from mmrec.serving.answer import Answer, Listed
from mmrec.serving.refusal import INVALID, UNKNOWN_ITEM, UNKNOWN_SESSION, Refused
from mmrec.serving.sessions.session_events import session_events
from mmrec.steering.session import Session

if TYPE_CHECKING:
    from mmrec.rerank.reranker import Reranker
    from mmrec.serving.service import Service

MAX_SESSIONS, IDLE_S = 1_000, 1_800.0
_REASON = "from the session"


@dataclass(frozen=True)
class SessionState:
    """What a session has understood so far."""

    session: str
    """Its id."""
    model: str
    """The version of the model that it has from its beginning to its end."""
    is_understood: bool
    """Whether the last feedback changed anything."""
    answer: str
    """What was understood, or what can be said."""
    critiques: Sequence[str]
    """Those that count, in words."""
    n_turns: int
    expires_in_s: float


@dataclass(frozen=True)
class SessionEnded:
    """What became of a session."""

    session: str
    events: int
    """How many likes and dislikes were stored."""


@dataclass
class _Open:
    """A session in use."""

    session: Session
    model: str
    user_id: str | None
    used: float
    lock: threading.Lock = field(default_factory=threading.Lock)


@final
class OpenSessions:
    """Sessions by id, in the memory of this process. All methods may be called from several threads.

    Args:
        service: what they talk to.
        max_sessions: at most so many are open; a further one ends the one that was used least recently.
        idle_s: a session ends when it was not used for so many seconds.
    """

    def __init__(self, service: "Service", max_sessions: int = MAX_SESSIONS, idle_s: float = IDLE_S) -> None:
        self._service, self._max_sessions, self._idle_s = service, max_sessions, idle_s
        self._open: OrderedDict[str, _Open] = OrderedDict()
        self._changing = threading.Lock()

    def begin(self, user_id: str | None = None, history: Sequence[str] = (), language: str = "en") -> SessionState:
        """Begin a session, see `Service.session`.

        Raises:
            Refused: the history has an unknown item, there is a user too, or there are no answers in the language.
        """
        version = self._service.model.version
        try:
            session = self._service.session(user_id, history, language)
        except Refused:
            raise
        except MmrecError as error:
            raise Refused(INVALID, str(error)) from error
        name, one = secrets.token_urlsafe(16), _Open(session, version, user_id, self._service.clock())
        with self._changing:
            self._open[name] = one
            ended = [self._open.popitem(last=False) for _ in range(len(self._open) - self._max_sessions)]
        self._keep([*ended, *self._expired()])
        return self._state(name, one, True)

    def tell(self, name: str, said: Callable[[Session], object]) -> SessionState:
        """Change a session, and return what it has understood.

        Args:
            name: the session.
            said: changes it; a `DataError` of it means that there is no such item.

        Raises:
            Refused: there is no such session, or the change is invalid; the session is as before.
        """
        one = self._find(name)
        with one.lock:
            turns = one.session.turns
            try:
                said(one.session)
            except Refused:
                raise
            except MmrecError as error:
                raise Refused(UNKNOWN_ITEM if "is not among the items" in str(error) else INVALID, str(error)) from error
            return self._state(name, one, one.session.turns != turns)

    def recommend(self, name: str, k: int, rerank: "Sequence[Reranker]" = ()) -> Answer:
        """Return the list of a session.

        Raises:
            Refused: there is no such session, or the items lack what `rerank` needs.
        """
        one = self._find(name)
        catalogue = self._service.model.catalogue
        with one.lock:
            try:
                found = one.session.recommend(k, list(rerank) or None)
            except Refused:
                raise
            except MmrecError as error:
                raise Refused(INVALID, str(error)) from error
        rows = []
        for rank, item_id, title, score in found.iter_rows():
            image = catalogue.image(catalogue.places[item_id]) if item_id in catalogue.places else None
            rows.append(Listed(item_id, rank, score, title, image))
        return Answer(one.model, rows, "; ".join([_REASON, *one.session.described()]))

    def user_of(self, name: str) -> str | None:
        """Return whose session it is; None: nobody's. Raises Refused if there is no such session."""
        return self._find(name).user_id

    def end(self, name: str) -> SessionEnded:
        """End a session. What a user liked and disliked is stored as events. Raises Refused if there is no such session."""
        self._find(name)
        with self._changing:
            one = self._open.pop(name, None)
        return SessionEnded(name, 0 if one is None else self._keep([(name, one)]))

    def forget(self, user_id: str) -> None:
        """End the sessions of a user; nothing of them is kept."""
        with self._changing:
            for name in [name for name, one in self._open.items() if one.user_id == user_id]:
                del self._open[name]

    def end_expired(self) -> None:
        """End the sessions that nobody has used for long."""
        self._keep(self._expired())

    def end_all(self) -> None:
        """End all sessions, as the service ends."""
        with self._changing:
            ended = list(self._open.items())
            self._open.clear()
        self._keep(ended)

    def __len__(self) -> int:
        return len(self._open)

    def _find(self, name: str) -> _Open:
        self.end_expired()
        with self._changing:
            one = self._open.get(name)
            if one is None:
                raise Refused(UNKNOWN_SESSION, "session: there is no such session, or it has ended; begin another one")
            one.used = self._service.clock()
            self._open.move_to_end(name)
        return one

    def _expired(self) -> list[tuple[str, _Open]]:
        """Take out the sessions that have expired."""
        now, ended = self._service.clock(), []
        with self._changing:
            while self._open and now - next(iter(self._open.values())).used > self._idle_s:
                ended.append(self._open.popitem(last=False))
        return ended

    def _keep(self, ended: Sequence[tuple[str, _Open]]) -> int:
        """Store the events of sessions that have ended, and return how many are new."""
        n_events = 0
        for name, one in ended:
            if one.user_id is None:
                continue
            with one.lock:
                events = session_events(one.session, one.user_id, self._service.clock(), name, one.model)
            n_events += self._service.add_events(events) if events else 0
        return n_events

    def _state(self, name: str, one: _Open, is_understood: bool) -> SessionState:
        session = one.session
        return SessionState(name, one.model, is_understood, session.answer, session.described(), len(session.turns), self._idle_s)
