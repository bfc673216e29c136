"""The weights of a user's past items over time, in a run whose users' interests decay."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import torch
from torch import Tensor

from mmrec.data.interactions.sessions import DAY_S, find_sessions
from mmrec.errors import DataError, nearest
from mmrec.experiment.run.request_time import At, seconds_of
from mmrec.experiment.run_folder.files import read_table
from mmrec.experiment.run_folder.interest_decay import HALF_LIFE, INTEREST_DECAY, INTERESTS, SavedDecay, read_interest_decay
from mmrec.files.storage import write_parquet
from mmrec.types import ITEM_ID, TIMESTAMP, USER_ID

_N_MOMENTS, _N_EXAMPLES = 24, 3


def interests_of(run_dir: Path, user_id: str, at: Sequence[At] | None = None) -> pl.DataFrame:
    """Compute the weights of a user's items at some times, see `Run.interests`.

    Raises:
        ConfigError: the run was trained without decay, or a time is not a date.
        DataError: the user has no training interactions.
    """
    return _interests(read_interest_decay(run_dir), _read_train(run_dir), user_id, at)


def _read_train(run_dir: Path) -> pl.DataFrame:
    return read_table(run_dir / "split" / "train.parquet", USER_ID, ITEM_ID, TIMESTAMP)


def _interests(saved: SavedDecay, train: pl.DataFrame, user_id: str, at: Sequence[At] | None = None) -> pl.DataFrame:
    rows = train.filter(pl.col(USER_ID) == user_id).sort(TIMESTAMP, ITEM_ID)
    if rows.is_empty():
        raise DataError(f"user_id: `{user_id}` has no interactions in the training part; {nearest(user_id, train[USER_ID].unique())}")
    times = torch.from_numpy(rows[TIMESTAMP].to_numpy(writable=True))
    start = find_sessions(torch.zeros_like(times), times, saved.session_gap_hours).start
    half_life = _half_lives(saved, rows)
    moments = _moments(int(start[0]), saved.end_s) if at is None else [seconds_of(one) for one in at]
    tables = [empty_interests()]
    for moment in moments:
        age = (moment - start).double() / DAY_S
        there = times <= moment
        if there.any():
            shares = _shares(saved, age[there], half_life[there])
            tables.append(
                pl.DataFrame(
                    {
                        "at": pl.Series([datetime.fromtimestamp(moment, UTC)] * int(there.sum()), dtype=pl.Datetime("us", "UTC")),
                        ITEM_ID: rows[ITEM_ID].filter(pl.Series(there.tolist())),
                        "age_days": age[there].numpy(),
                        "weight": shares.numpy(),
                    }
                )
            )
    return pl.concat(tables)


def write_example_interests(run_dir: Path) -> None:
    """Write `interests.parquet`, the interests over time of some users with interactions on many days; nothing for a run without decay."""
    if not (run_dir / INTEREST_DECAY).is_file():
        return
    saved, train = read_interest_decay(run_dir), _read_train(run_dir)
    days = train.group_by(USER_ID).agg((pl.col(TIMESTAMP) // DAY_S).n_unique().alias("days"))
    users = days.sort("days", USER_ID, descending=[True, False])[USER_ID].head(_N_EXAMPLES)
    tables = [_interests(saved, train, user).select(pl.lit(user).alias(USER_ID), pl.all()) for user in users]
    write_parquet(run_dir / INTERESTS, pl.concat(tables))


def empty_interests() -> pl.DataFrame:
    """Return a table of interests without rows."""
    return pl.DataFrame(schema={"at": pl.Datetime("us", "UTC"), ITEM_ID: pl.String, "age_days": pl.Float64, "weight": pl.Float64})


def _shares(saved: SavedDecay, age: Tensor, half_life: Tensor) -> Tensor:
    recent = saved.kernel(age / half_life).softmax(dim=0)
    if saved.gate is None:
        return recent
    level, slope = saved.gate
    pause = float((age / half_life).min())
    gate = 1 / (1 + math.exp(-(level - slope * math.log1p(pause))))
    return gate * recent + (1 - gate) / len(recent)


def _half_lives(saved: SavedDecay, rows: pl.DataFrame) -> Tensor:
    """The half-life of each row in days."""
    key = USER_ID if USER_ID in saved.half_lives.columns else ITEM_ID
    known = saved.half_lives.with_columns(pl.col(HALF_LIFE).fill_null(math.inf))
    joined = rows.join(known, on=key, how="left", maintain_order="left")[HALF_LIFE].fill_null(saved.overall)
    return torch.from_numpy(joined.to_numpy(writable=True))


def _moments(first: int, last: int) -> list[int]:
    return [round(first + (last - first) * share / (_N_MOMENTS - 1)) for share in range(_N_MOMENTS)]
