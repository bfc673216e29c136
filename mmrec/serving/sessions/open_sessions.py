"""The sessions of a service: kept in the store of events, so that every process can go on with them; kept as events when they end."""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from mmrec.errors import MmrecError, StorageError
from mmrec.serving.answer import Answer, Listed
from mmrec.serving.events.stored_session import StoredSession
from mmrec.serving.model.served import ServedModel
from mmrec.serving.refusal import INVALID, SESSION_FULL, SESSION_GONE, UNKNOWN_ITEM, UNKNOWN_SESSION, Refused
from mmrec.serving.sessions.reranking import parse_rerankers
from mmrec.serving.sessions.session_entry import LIST, SessionEntry, ratings_of, replay
from mmrec.serving.sessions.session_events import rating_events
from mmrec.serving.sessions.session_start import SessionStart
from mmrec.steering.session import Session

if TYPE_CHECKING:
    from mmrec.serving.service import Service

MAX_SESSIONS, IDLE_S = 1_000, 1_800.0
MAX_ENTRIES = 1_000
"""How much may be said in a session, lists between it included."""
_MAX_KEPT, _N_LOCKS, _TRIES = 256, 64, 50
_USES = 120
"""When a session is only read, its use is noted so many times within the time after which it ends."""
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
class _Kept:
    """A session as this process has it."""

    session: Session
    model: ServedModel
    user_id: str | None
    used: float
    n_entries: int = 0
    """Those that it has heard."""
    listed: tuple[int, tuple[str, ...]] | None = None
    """The list that was shown since the last turn: its length and methods."""


@final
class OpenSessions:
    """Sessions by id, in the store of the service. Several processes may have one store, and all methods be called from several threads.

    A process keeps sessions that it has used lately; others, and what was said to another process, it repeats from the store.

    Args:
        service: what they talk to.
        max_sessions: at most so many are open in the store; a further one ends the one that was used least recently.
        idle_s: a session ends when it was not used for so many seconds.
    """

    def __init__(self, service: "Service", max_sessions: int = MAX_SESSIONS, idle_s: float = IDLE_S) -> None:
        self._service, self._store, self._max_sessions, self._idle_s = service, service.store, max_sessions, idle_s
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._changing = threading.Lock()
        self._locks = [threading.Lock() for _ in range(_N_LOCKS)]

    def begin(self, user_id: str | None = None, history: Sequence[str] = (), language: str = "en") -> SessionState:
        """Begin a session, see `Service.session`.

        Raises:
            Refused: the history has an unknown item, there is a user too, or there are no answers in the language.
        """
        model, now = self._service.model, self._service.clock()
        was_forgotten = user_id is not None and self._store.is_forgotten(user_id)
        try:
            start = self._service.session_start(model, user_id, history, language)
            session = self._service.open_session(start, model)
        except Refused:
            raise
        except MmrecError as error:
            raise Refused(INVALID, str(error)) from error
        stored = StoredSession(secrets.token_urlsafe(16), user_id, model.version, start.to_text(), now)
        self._store.begin_session(stored)
        if user_id is not None and not was_forgotten and self._store.is_forgotten(user_id):  # meanwhile: what was read must not stay
            self._store.end_session(stored, [])
            return self.begin(user_id, history, language)
        self._keep(stored.session_id, _Kept(session, model, user_id, now))
        self.end_expired()
        return self._state(stored, session, True)

    def tell(self, name: str, said: SessionEntry) -> SessionState:
        """Change a session, and return what it has understood.

        Args:
            name: the session.
            said: what is said.

        Raises:
            Refused: there is no such session, its model is gone, it is full, or the change is invalid; the session is as before.
            StoreFull: the store has no room for the picture; the session is as before.
        """
        for _ in range(_TRIES):
            with self._opened(name) as (stored, kept):
                if kept.n_entries >= MAX_ENTRIES:
                    raise Refused(SESSION_FULL, f"session: expected at most {MAX_ENTRIES:,} turns and lists; begin another one")
                session, before = kept.session, kept.session.turns
                try:
                    said.apply(session)
                except MmrecError as error:
                    self._drop(name)  # it may have computed a list, to which words refer
                    if isinstance(error, Refused):
                        raise
                    raise Refused(UNKNOWN_ITEM if "is not among the items" in str(error) else INVALID, str(error)) from error
                if self._add(name, kept, said.understood(before, session.turns)):
                    return self._state(stored, session, session.turns is not before)
        raise StorageError(f"session: other processes changed it {_TRIES} times meanwhile")

    def recommend(self, name: str, k: int, rerank: Sequence[str] = ()) -> Answer:
        """Return the list of a session.

        Args:
            name: the session.
            k: the length of the list.
            rerank: methods, as `parse_rerankers` takes them.

        Raises:
            Refused: there is no such session, its model is gone, or the items lack what `rerank` needs.
        """
        methods = list(parse_rerankers(rerank))
        with self._opened(name) as (stored, kept):
            try:
                found = kept.session.recommend(k, methods or None)
            except Refused:
                raise
            except MmrecError as error:
                raise Refused(INVALID, str(error)) from error
            described, listed = kept.session.described(), (k, tuple(rerank))
            if listed != kept.listed and kept.n_entries < MAX_ENTRIES:
                self._add(name, kept, SessionEntry(LIST, k=k, rerank=tuple(rerank)))
                kept.listed = listed
            elif (now := self._service.clock()) - stored.used > self._idle_s / _USES:
                self._store.use_session(name, now)
        catalogue, rows = kept.model.catalogue, []
        for rank, item_id, title, score in found.iter_rows():
            image = catalogue.image(catalogue.places[item_id]) if item_id in catalogue.places else None
            rows.append(Listed(item_id, rank, score, title, image))
        return Answer(stored.model, rows, "; ".join([_REASON, *described]))

    def user_of(self, name: str) -> str | None:
        """Return whose session it is; None: nobody's. Raises Refused if there is no such session."""
        return self._find(name, MAX_ENTRIES).user_id

    def end(self, name: str) -> SessionEnded:
        """End a session. What a user liked and disliked is stored as events. Raises Refused if there is no such session."""
        for _ in range(_TRIES):
            n_events = self._end(self._find(name))
            if n_events is not None:
                return SessionEnded(name, n_events)
        raise StorageError(f"session: other processes changed it {_TRIES} times meanwhile")

    def forget(self, user_id: str) -> None:
        """Drop what this process has of the sessions of a user. The store removes them as it forgets the user."""
        with self._changing:
            for name in [name for name, one in self._kept.items() if one.user_id == user_id]:
                del self._kept[name]

    def end_expired(self) -> None:
        """End the sessions that nobody has used for long, in whichever process, and those that are too many."""
        now = self._service.clock()
        for name in self._store.sessions_to_end(now - self._idle_s * (1 + 1 / _USES), self._max_sessions):
            if (stored := self._store.session(name)) is not None:
                self._end(stored)
        with self._changing:
            for name in [name for name, one in self._kept.items() if now - one.used > self._idle_s]:
                del self._kept[name]

    def __len__(self) -> int:
        return len(self._store.sessions_to_end(0.0, 0))

    @contextmanager
    def _opened(self, name: str) -> Iterator[tuple[StoredSession, _Kept]]:
        """A session with all that was said in it, which no other thread of this process uses meanwhile.

        Raises:
            Refused: there is no such session, or its model is gone.
        """
        with self._locks[hash(name) % _N_LOCKS]:
            kept = self._kept.get(name)
            stored = self._find(name, 0 if kept is None else kept.n_entries)
            model = self._service.model_of(stored.model)
            if model is None:
                self._drop(name)
                detail = "it began with another one than the two that were served last; begin another session"
                raise Refused(SESSION_GONE, f"session: the model {stored.model} is not at hand any more: {detail}")
            if kept is None or kept.model is not model:  # items were put or removed since then
                stored = stored if kept is None else self._find(name)
                start = SessionStart.from_text(stored.beginning, stored.user_id)
                kept = _Kept(self._service.open_session(start, model), model, stored.user_id, stored.used)
            entries = [SessionEntry.from_turn(one) for one in stored.turns]
            if entries:
                self._drop(name)  # until all of them are heard
                replay(kept.session, entries)
                kept.n_entries, last = kept.n_entries + len(entries), entries[-1]
                kept.listed = (last.k, tuple(last.rerank)) if last.kind == LIST else None
            kept.used = self._service.clock()
            self._keep(name, kept)
            yield stored, kept

    def _add(self, name: str, kept: _Kept, entry: SessionEntry) -> bool:
        """Store an entry that a session has heard already; if it is not stored, this process does not keep the session."""
        try:
            is_added = self._store.add_turn(name, kept.n_entries, entry.to_turn(), self._service.clock())
        except BaseException:
            self._drop(name)
            raise
        if not is_added:
            self._drop(name)
            return False
        kept.n_entries += 1
        kept.listed = None
        return True

    def _find(self, name: str, after: int = 0) -> StoredSession:
        """A session that has not expired, with its entries but the first `after`."""
        found = self._store.session(name, after)
        if found is None or self._service.clock() - found.used > self._idle_s * (1 + 1 / _USES):
            self._drop(name)
            raise Refused(UNKNOWN_SESSION, "session: there is no such session, or it has ended; begin another one")
        return found

    def _end(self, stored: StoredSession) -> int | None:
        """End a session as it was read, and return how many events are new; None if it was used meanwhile."""
        ratings = ratings_of(SessionEntry.from_turn(one) for one in stored.turns)
        now, events = self._service.clock(), []
        if stored.user_id is not None:
            events = rating_events(ratings, stored.user_id, now, stored.session_id, stored.model)
        n_events = self._store.end_session(stored, events)
        if n_events is not None:
            self._drop(stored.session_id)
        return n_events

    def _keep(self, name: str, kept: _Kept) -> None:
        with self._changing:
            self._kept[name] = kept
            self._kept.move_to_end(name)
            while len(self._kept) > _MAX_KEPT:
                self._kept.popitem(last=False)

    def _drop(self, name: str) -> None:
        with self._changing:
            self._kept.pop(name, None)

    def _state(self, stored: StoredSession, session: Session, is_understood: bool) -> SessionState:
        answer, n_turns = session.answer, len(session.turns)
        return SessionState(stored.session_id, stored.model, is_understood, answer, session.described(), n_turns, self._idle_s)
