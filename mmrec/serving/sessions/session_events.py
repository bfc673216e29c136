"""The events that a session leaves: the likes and dislikes that were not taken back."""

from mmrec.serving.events.event import Event
from mmrec.steering.session import Session


def session_events(session: Session, user_id: str, timestamp: float, session_id: str, model: str | None = None) -> list[Event]:
    """Return the likes and dislikes of a session as events, oldest first.

    Critiques change a session's lists only: they say nothing of a single item.

    Args:
        session: the session.
        user_id: whose it is.
        timestamp: its end, in seconds since 1970, UTC.
        session_id: a text that is different for every session; events have ids with it, so that storing them again has no effect.
        model: the version of the model.
    """
    rated = [turn for turn in session.turns if turn.item_id is not None]
    return [
        Event(f"{session_id}-{number}", user_id, turn.item_id, timestamp, turn.kind, model=model)
        for number, turn in enumerate(rated)
        if turn.item_id is not None
    ]
