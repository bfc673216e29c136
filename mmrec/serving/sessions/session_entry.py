"""The entries of a session: what was said and which lists were shown, in a form that every process can repeat."""

import json
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import final

from mmrec.errors import MmrecError
from mmrec.serving.events.stored_session import StoredTurn
from mmrec.serving.sessions.reranking import parse_rerankers
from mmrec.steering.session import MAX_TURNS, Session, Turn

LIKE, DISLIKE, CRITIQUE, PICTURE, UNDO, LIST = "like", "dislike", "critique", "picture", "undo", "list"
_ADDED, _UNDONE = "added", "undone"


@final
@dataclass(frozen=True)
class SessionEntry:
    """One thing that was said, or a list that was shown, to which words like `like 2` refer.

    Args:
        kind: `like`, `dislike`, `critique`, `picture`, `undo` or `list`.
        text: the item, or the words of a critique.
        picture: the bytes of a picture.
        k: the length of a list.
        rerank: the methods of a list.
        effect: `added` if it added a turn to the session, `undone` if it took one back.
        rated: the item that was understood, and `like` or `dislike`; None: the turn is about no single item.
    """

    kind: str
    text: str = ""
    picture: bytes | None = None
    k: int = 0
    rerank: Sequence[str] = ()
    effect: str = ""
    rated: tuple[str, str] | None = None

    def apply(self, session: Session) -> None:
        """Say it in a session.

        Raises:
            MmrecError: it cannot be said, as of an item that is not there.
        """
        match self.kind:
            case "like":
                session.like(self.text)
            case "dislike":
                session.dislike(self.text)
            case "undo":
                session.undo()
            case "list":
                session.recommend(self.k, list(parse_rerankers(self.rerank)) or None)
            case _:
                session.critique(self.text, self.picture)

    def understood(self, before: Sequence[Turn], after: Sequence[Turn]) -> "SessionEntry":
        """Return the entry with its effect.

        Args:
            before: the turns of the session before it was said.
            after: those after it, the same object if nothing was understood.
        """
        if before is after:
            return self
        if len(after) < len(before):
            return replace(self, effect=_UNDONE)
        last = after[-1]
        return replace(self, effect=_ADDED, rated=None if last.item_id is None else (last.item_id, last.kind))

    def to_turn(self) -> StoredTurn:
        """Convert to what a store keeps."""
        said = [self.kind, self.text, self.k, list(self.rerank), self.effect, self.rated]
        return StoredTurn(secrets.token_hex(8), json.dumps(said), self.picture)

    @staticmethod
    def from_turn(turn: StoredTurn) -> "SessionEntry":
        """Convert from what a store keeps."""
        kind, text, k, rerank, effect, rated = json.loads(turn.said)
        return SessionEntry(kind, text, turn.picture, k, tuple(rerank), effect, None if rated is None else (rated[0], rated[1]))


def ratings_of(entries: Iterable[SessionEntry]) -> list[tuple[str, str]]:
    """Return the items that are liked or disliked at the end and were not taken back, and `like` or `dislike`, oldest first."""
    turns: list[tuple[str, str] | None] = []
    for one in entries:
        if one.effect == _ADDED:
            turns = [*turns, one.rated][-MAX_TURNS:]
        elif one.effect == _UNDONE and turns:
            turns.pop()
    return [one for one in turns if one is not None]


def replay(session: Session, entries: Sequence[SessionEntry]) -> None:
    """Say entries again that were understood before, in a session that has those before them.

    Words that were about an item are about the same item again, whatever the lists are now. What cannot be said again, because an item is
    gone, is left out.
    """
    for one, following in zip(entries, [*entries[1:], None], strict=True):
        if one.kind == LIST and following is not None and following.kind == LIST:
            continue
        before = session.turns
        _say_again(session, one)
        now = one.understood(before, session.turns)
        if one.rated is not None and now.rated != one.rated:
            if now.effect == _ADDED:
                session.undo()
            _say_again(session, SessionEntry(one.rated[1], one.rated[0]))


def _say_again(session: Session, entry: SessionEntry) -> None:
    try:
        entry.apply(session)
    except MmrecError:
        return
