"""A dialogue session as event stores keep it: what it began with, and everything that was said since then, in order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class StoredTurn:
    """One entry of a session.

    Args:
        token: a random text by which a store recognizes an entry that is sent to it again.
        said: the entry as text.
        picture: the bytes of a picture that belongs to it; None: there is none.
    """

    token: str
    said: str
    picture: bytes | None = None


@final
@dataclass(frozen=True)
class StoredSession:
    """A session, or its latest entries.

    Args:
        session_id: a text that is different for every session.
        user_id: whose it is; None: nobody's.
        model: the version of the model that it began with.
        beginning: what else it began with, as text.
        used: when it was used last, in seconds since 1970, UTC.
        n_turns: how many entries it has.
        turns: the entries that were asked for, oldest first.
    """

    session_id: str
    user_id: str | None
    model: str
    beginning: str
    used: float
    n_turns: int = 0
    turns: Sequence[StoredTurn] = ()
