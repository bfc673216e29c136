"""Events as interactions to train on: impressions with what they led to."""

import polars as pl

from mmrec.serving.events.event import DISLIKE, IMPRESSION
from mmrec.types import EVENT, ITEM_ID, LABEL, POSITION, PROPENSITY, TIMESTAMP, USER_ID

ATTRIBUTION_S = 86_400.0
COLUMNS = (USER_ID, ITEM_ID, TIMESTAMP, EVENT, LABEL, POSITION, PROPENSITY)
_PAIR = [USER_ID, ITEM_ID]


def events_to_interactions(events: pl.DataFrame, attribution_s: float = ATTRIBUTION_S) -> pl.DataFrame:
    """Return the interactions of events, as a dataset folder has them.

    What a user did with an item within `attribution_s` seconds after it was shown is one row with that impression: it has the impression's
    time, position and propensity, and the last such event. Impressions that led to nothing, and dislikes, have label 0, all others 1.

    Args:
        events: as `EventStore.export` returns them.
        attribution_s: how long after an impression an event is taken to be its consequence.

    Returns:
        `user_id, item_id, timestamp (whole seconds), event, label`, and `position, propensity` where any event has them; by time.
    """
    events = events.with_row_index("row").sort(TIMESTAMP, maintain_order=True)
    shown = events.filter(pl.col(EVENT) == IMPRESSION)
    done = events.filter(pl.col(EVENT) != IMPRESSION)
    keys = shown.select(*_PAIR, TIMESTAMP, pl.col("row").alias("impression"))
    done = done.join_asof(keys, on=TIMESTAMP, by=_PAIR, strategy="backward", tolerance=attribution_s, check_sortedness=False)
    led_to = done.drop_nulls("impression").group_by("impression", maintain_order=True).agg(pl.col(EVENT).last().alias("led_to"))
    shown = shown.join(led_to, left_on="row", right_on="impression", how="left").with_columns(pl.coalesce("led_to", EVENT).alias(EVENT))
    rows = pl.concat([shown.drop("led_to"), done.filter(pl.col("impression").is_null()).drop("impression")]).sort(TIMESTAMP, "row")
    found = rows.with_columns(
        pl.col(TIMESTAMP).floor().cast(pl.Int64), pl.col(EVENT).is_in([IMPRESSION, DISLIKE]).not_().cast(pl.Int64).alias(LABEL)
    )
    return found.select(name for name in COLUMNS if name not in (POSITION, PROPENSITY) or found[name].count())
