"""Events become interactions: an impression has what it led to, and nothing is counted twice."""

import polars as pl

from mmrec.serving.events.event import Event
from mmrec.serving.events.interactions import events_to_interactions
from mmrec.serving.events.memory_store import MemoryEventStore


def interactions(*events: Event) -> pl.DataFrame:
    store = MemoryEventStore()
    store.append(events)
    return events_to_interactions(store.export())


def shown(event_id: str, item: str, timestamp: float, position: int = 1, user: str = "ann") -> Event:
    return Event(event_id, user, item, timestamp, "impression", position, 0.5)


def test_an_impression_has_the_label_of_what_it_led_to() -> None:
    found = interactions(
        shown("1", "a", 10.5, 1),
        shown("2", "b", 10.5, 2),
        shown("3", "c", 10.5, 3),
        shown("4", "a", 11.0, 1, user="bob"),
        Event("5", "ann", "a", 12.9),
        Event("6", "ann", "a", 13.0, "purchase"),
        Event("7", "ann", "b", 14.0, "dislike"),
        Event("8", "ann", "d", 15.7),
    )
    assert found.rows() == [
        ("ann", "a", 10, "purchase", 1, 1, 0.5),
        ("ann", "b", 10, "dislike", 0, 2, 0.5),
        ("ann", "c", 10, "impression", 0, 3, 0.5),
        ("bob", "a", 11, "impression", 0, 1, 0.5),
        ("ann", "d", 15, "click", 1, None, None),
    ]
    assert found.columns == ["user_id", "item_id", "timestamp", "event", "label", "position", "propensity"]


def test_the_latest_impression_before_a_click_is_its_cause_within_a_day() -> None:
    day = 86_400.0
    found = interactions(
        shown("1", "a", 0.0, 1),
        shown("2", "a", 5.0, 2),
        Event("3", "ann", "a", 6.0),
        Event("4", "ann", "a", 6.0 + day),
        shown("5", "a", 1e6, 3),
    )
    assert found.select("timestamp", "label", "position").rows() == [(0, 0, 1), (5, 1, 2), (86_406, 1, None), (1_000_000, 0, 3)]


def test_without_impressions_there_are_neither_positions_nor_propensities() -> None:
    found = interactions(Event("1", "ann", "a", 1.0), Event("2", "bob", "a", 2.0, "dislike"))
    assert found.rows() == [("ann", "a", 1, "click", 1), ("bob", "a", 2, "dislike", 0)]
    assert interactions().columns == ["user_id", "item_id", "timestamp", "event", "label"]
