"""Tables and statements of dialogue sessions in SQL databases."""

from collections.abc import Callable, Sequence

from mmrec.serving.events.event_store import check_session_room
from mmrec.serving.events.stored_session import StoredSession, StoredTurn
from mmrec.serving.events.transaction import Row, Transaction

Read = Callable[[str, Sequence[object]], list[Row]]
_SESSION = "SELECT user_id, sealed, model, beginning, used, n_turns FROM mmrec_sessions WHERE session_id = ?"
_TURNS = "SELECT token, said, picture FROM mmrec_session_turns WHERE session_id = ? AND number >= ? AND number < ? ORDER BY number"
_NEXT_TURN = "UPDATE mmrec_sessions SET n_turns = n_turns + 1, used = ? WHERE session_id = ? AND n_turns = ? RETURNING n_turns"
_TO_END = (
    "SELECT session_id FROM mmrec_sessions WHERE used < ? UNION"
    " SELECT session_id FROM (SELECT session_id FROM mmrec_sessions ORDER BY used DESC, session_id LIMIT 1000000 OFFSET ?) AS rest"
)


def session_tables(text: str, content: str) -> list[str]:
    """Return the statements that create the tables of sessions, which stores of earlier versions lack.

    Args:
        text: the type of text that is compared by code points, in the database's dialect.
        content: the type of bytes.
    """
    sessions = f"session_id {text} PRIMARY KEY, user_id {text}, sealed {text}, model {text} NOT NULL, beginning {text} NOT NULL"
    turns = f"session_id {text} NOT NULL, number BIGINT NOT NULL, token {text} NOT NULL, said {text} NOT NULL, picture {content}"
    return [
        f"CREATE TABLE IF NOT EXISTS mmrec_sessions ({sessions}, used DOUBLE PRECISION NOT NULL, n_turns BIGINT NOT NULL)",
        "CREATE INDEX IF NOT EXISTS mmrec_sessions_by_use ON mmrec_sessions (used)",
        "CREATE INDEX IF NOT EXISTS mmrec_sessions_of_user ON mmrec_sessions (user_id)",
        f"CREATE TABLE IF NOT EXISTS mmrec_session_turns ({turns}, n_bytes BIGINT NOT NULL, PRIMARY KEY (session_id, number))",
    ]


def begin_session(transaction: Transaction, session: StoredSession, stored_user: str | None, sealed: str | None) -> None:
    """Insert a session.

    Args:
        transaction: in which to do so.
        session: the session, without entries.
        stored_user: whose it is, as events have it.
        sealed: the id of the user, as `sealed_text` writes it; None: it is `stored_user`.
    """
    row = (session.session_id, stored_user, sealed, session.model, session.beginning, float(session.used), 0)
    transaction.change("INSERT INTO mmrec_sessions VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", [row])


def read_session(read: Read, session_id: str, after: int) -> tuple[StoredSession, str | None] | None:
    """Return a session with the user as events have it and its entries but the first `after`, and its sealed user.

    Args:
        read: runs a statement.
        session_id: the session.
        after: how many entries to leave out.
    """
    rows = read(_SESSION, (session_id,))
    if not rows:
        return None
    ((user_id, sealed, model, beginning, used, n_turns),) = rows
    found = read(_TURNS, (session_id, after, n_turns)) if n_turns > after else []
    if len(found) != max(0, n_turns - after):  # it has ended meanwhile
        return None
    turns = [StoredTurn(token, said, None if picture is None else bytes(picture)) for token, said, picture in found]
    return StoredSession(session_id, user_id, model, beginning, used, n_turns, turns), sealed


def add_turn(transaction: Transaction, session_id: str, number: int, turn: StoredTurn, used: float) -> bool:
    """Insert an entry if the session has `number` of them; return whether it is there now."""
    if not transaction.rows(_NEXT_TURN, (float(used), session_id, number)):
        rows = transaction.rows("SELECT token FROM mmrec_session_turns WHERE session_id = ? AND number = ?", (session_id, number))
        return rows == [(turn.token,)]
    n_bytes = 0 if turn.picture is None else len(turn.picture)
    row = (session_id, number, turn.token, turn.said, turn.picture, n_bytes)
    transaction.change("INSERT INTO mmrec_session_turns VALUES (?, ?, ?, ?, ?, ?)", [row])
    if n_bytes:
        ((total,),) = transaction.rows("SELECT SUM(n_bytes) FROM mmrec_session_turns")
        check_session_room(int(total))
    return True


def remove_session(transaction: Transaction, session: StoredSession) -> bool:
    """Remove a session that is as it was read; return whether it was."""
    removed = transaction.change(
        "DELETE FROM mmrec_sessions WHERE session_id = ? AND n_turns = ? AND used = ?",
        [(session.session_id, session.n_turns, session.used)],
    )
    if removed:
        transaction.change("DELETE FROM mmrec_session_turns WHERE session_id = ?", [(session.session_id,)])
    return bool(removed)


def remove_sessions_of(transaction: Transaction, stored_user: str) -> None:
    """Remove all sessions of a user, as events have it."""
    for (session_id,) in transaction.rows("DELETE FROM mmrec_sessions WHERE user_id = ? RETURNING session_id", (stored_user,)):
        transaction.change("DELETE FROM mmrec_session_turns WHERE session_id = ?", [(session_id,)])


def sessions_to_end(read: Read, used_before: float, max_sessions: int) -> list[str]:
    """Return sessions that were not used since a moment, and the least recently used ones of more than `max_sessions`."""
    return [session_id for (session_id,) in read(_TO_END, (used_before, max_sessions))]
