"""The events that a session leaves: the likes and dislikes that were not taken back."""

from collections.abc import Sequence

from mmrec.serving.events.event import Event
from mmrec.steering.session import Session


def session_events(session: Session, user_id: str, timestamp: float, session_id: str, model: str | None = None) -> list[Event]:
    """Return the likes and dislikes of a session as events, see `rating_events`."""
    ratings = [(turn.item_id, turn.kind) for turn in session.turns if turn.item_id is not None]
    return rating_events(ratings, user_id, timestamp, session_id, model)


def rating_events(
    ratings: Sequence[tuple[str, str]], user_id: str, timestamp: float, session_id: str, model: str | None = None
) -> list[Event]:
    """Return likes and dislikes as events, oldest first.

    Critiques change a session's lists only: they say nothing of a single item.

    Args:
        ratings: items, and `like` or `dislike`.
        user_id: whose session it is.
        timestamp: its end, in seconds since 1970, UTC.
        session_id: a text that is different for every session; events have ids with it, so that storing them again has no effect.
        model: the version of the model.
    """
    return [
        Event(f"{session_id}-{number}", user_id, item_id, timestamp, kind, model=model) for number, (item_id, kind) in enumerate(ratings)
    ]
