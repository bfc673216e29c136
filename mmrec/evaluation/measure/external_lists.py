"""Evaluate the lists of other systems under our protocol: read, cleaned with counts, and ranked as our own scores are."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.index import Index
from mmrec.data.tables.columns import Column, read_table
from mmrec.data.tables.formats import open_table
from mmrec.data.tables.problems import Problems
from mmrec.errors import DataError, nearest
from mmrec.metrics.full_ranking import Ranking
from mmrec.types import ITEM_ID, ITEM_IDX, USER_ID, USER_IDX

SCORE, RANK, SEED = "score", "rank", "seed"
_KEYS = [USER_IDX, ITEM_IDX]
_NAMED = 3


@dataclass(frozen=True)
class Cleaning:
    """The numbers of removed rows by reason, and of users with incomplete lists."""

    rows: int
    rows_of_unknown_users: int
    rows_of_unknown_items: int
    """Rows of known users with unknown items."""
    rows_of_users_without_positives: int
    """Rows of users without positives in the test part, who are not evaluated."""
    repeated_rows: int
    """Rows that repeat a (user, item) pair, of which the best is kept."""
    seen_rows: int
    """Rows with items that the user has in training or validation, which are filtered."""
    test_users: int
    users_without_a_list: int
    """Test users without any remaining item, whose metrics are zero."""
    users_with_short_lists: int
    """Test users with fewer items than the largest cutoff."""
    unknown_users: tuple[str, ...]
    """The first few of them."""
    unknown_items: tuple[str, ...]
    """The first few of them."""


def read_predictions(path: Path) -> pl.DataFrame:
    """Read `user_id, item_id, score` from a CSV, TSV, JSONL or Parquet file; a `rank` (1 is best) may replace the score.

    If both exist, the score is used. A column `seed` distinguishes the lists of several trainings, as in recommendations.parquet, and is
    kept.

    Raises:
        MissingFile: the file does not exist.
        DataError: a column is missing, or a value has the wrong type.
    """
    table = open_table(path)
    order = SCORE if SCORE in table.columns else RANK
    if order not in table.columns:
        listed = ", ".join(f"`{name}`" for name in table.columns)
        raise DataError(f"{path}: expected a column `{SCORE}` or `{RANK}`, found {listed}; {nearest(SCORE, table.columns)}")
    problems = Problems()
    numbers = [order, *(name for name in table.columns if name == SEED)]
    columns = [Column(USER_ID, "id"), Column(ITEM_ID, "id"), *(Column(name, "number") for name in numbers)]
    found = read_table(table, columns, problems).frame
    problems.raise_any()
    for name in numbers:
        if found[name].null_count():
            raise DataError(f"{table.place(int(found[name].is_null().arg_true()[0]))}:{name}: expected a number, found nothing")
    return found.select(USER_ID, ITEM_ID, *numbers[1:], score=pl.col(order) if order == SCORE else -pl.col(order))


def by_seed(predictions: pl.DataFrame) -> dict[int | None, pl.DataFrame]:
    """The lists of each seed, in the order of the file; all of them under None if there is no seed."""
    if SEED not in predictions.columns or predictions.is_empty():
        return {None: predictions.drop(SEED, strict=False)}
    parts = predictions.partition_by(SEED, maintain_order=True, include_key=False, as_dict=True)
    return {int(seed): part for (seed,), part in parts.items()}


def rank_predictions(predictions: pl.DataFrame, index: Index, data: EvaluationSet, length: int, k: int) -> tuple[Ranking, Cleaning]:
    """The best `length` items of every test user, ranked as by `rank_users`: without seen items, ties by item_idx.

    Args:
        predictions: `user_id, item_id, score`, from `read_predictions`.
        index: the mapping of ids to indices.
        data: the evaluation set.
        length: of the lists; missing positions have item_idx -1.
        k: the length below which a list counts as short.

    Raises:
        DataError: no row has a known user and a known item.
    """
    users = _positions(index.user_ids, USER_ID, USER_IDX)
    items = _positions(index.item_ids, ITEM_ID, ITEM_IDX)
    rows = predictions.join(users, on=USER_ID, how="left", maintain_order="left").join(items, on=ITEM_ID, how="left", maintain_order="left")
    of_users, known = rows.drop_nulls(USER_IDX), rows.drop_nulls(_KEYS)
    if known.is_empty():
        raise _nothing_known(predictions, index)
    tested = known.join(_frame(data.user_idx), on=USER_IDX, how="semi")
    once = tested.sort(SCORE, descending=True).unique(_KEYS, keep="first")
    left = once.join(_pairs(data), on=_KEYS, how="anti").sort([USER_IDX, SCORE, ITEM_IDX], descending=[False, True, False])
    lengths = left.group_by(USER_IDX).len()["len"]
    return _ranking(left, data, length), Cleaning(
        rows=len(rows),
        rows_of_unknown_users=len(rows) - len(of_users),
        rows_of_unknown_items=len(of_users) - len(known),
        rows_of_users_without_positives=len(known) - len(tested),
        repeated_rows=len(tested) - len(once),
        seen_rows=len(once) - len(left),
        test_users=len(data.user_idx),
        users_without_a_list=len(data.user_idx) - len(lengths),
        users_with_short_lists=int((lengths < k).sum()),
        unknown_users=_first(rows.filter(pl.col(USER_IDX).is_null())[USER_ID]),
        unknown_items=_first(rows.filter(pl.col(ITEM_IDX).is_null())[ITEM_ID]),
    )


def describe_cleaning(cleaning: Cleaning, k: int) -> list[str]:
    """A line for each kind of irregularity that occurred."""
    unknown = {"users": cleaning.unknown_users, "items": cleaning.unknown_items}
    named = {kind: f" ({', '.join(f'`{name}`' for name in names)}, …)" for kind, names in unknown.items()}
    n_users = f"of {cleaning.test_users:,} test users"
    lines = {
        f"rows of users that are not in the run, left out{named['users']}": cleaning.rows_of_unknown_users,
        f"rows of items that are not in the run, left out{named['items']}": cleaning.rows_of_unknown_items,
        "rows of users without test interactions, left out": cleaning.rows_of_users_without_positives,
        "repeated rows, the best of each pair kept": cleaning.repeated_rows,
        "rows of items with training or validation interactions of the user, filtered": cleaning.seen_rows,
        f"{n_users} have no list and count with zero": cleaning.users_without_a_list,
        f"{n_users} have a list shorter than {k}": cleaning.users_with_short_lists,
    }
    return [f"{count:,} {line}" for line, count in lines.items() if count]


def _ranking(rows: pl.DataFrame, data: EvaluationSet, length: int) -> Ranking:
    """Arrange rows, sorted by user and position, as one list per test user."""
    placed = rows.with_columns(place=pl.int_range(pl.len()).over(USER_IDX)).filter(pl.col("place") < length)
    of_user = torch.searchsorted(data.user_idx, _tensor(placed[USER_IDX]))
    place = _tensor(placed["place"])
    items = torch.full((len(data.user_idx), length), -1)
    scores = torch.full((len(data.user_idx), length), -torch.inf)
    items[of_user, place] = _tensor(placed[ITEM_IDX])
    scores[of_user, place] = _tensor(placed[SCORE]).float()
    return Ranking(data.user_idx, items, scores)


def _nothing_known(predictions: pl.DataFrame, index: Index) -> DataError:
    if predictions.is_empty():
        return DataError("predictions: expected at least one row, found none")
    for name, ids in ((USER_ID, index.user_ids), (ITEM_ID, index.item_ids)):
        if not predictions[name].is_in(ids.implode()).any():
            first = predictions[name][0]
            return DataError(f"predictions: the run knows none of the {name}s, such as `{first}`; {nearest(first, ids)}")
    return DataError("predictions: no row has a user and an item of the run")


def _positions(ids: pl.Series, name: str, position: str) -> pl.DataFrame:
    return pl.DataFrame({name: ids, position: pl.int_range(len(ids), eager=True)})


def _pairs(data: EvaluationSet) -> pl.DataFrame:
    keys = data.seen.keys()
    return pl.DataFrame({USER_IDX: (keys // data.seen.n_items).numpy(), ITEM_IDX: (keys % data.seen.n_items).numpy()})


def _frame(user_idx: torch.Tensor) -> pl.DataFrame:
    return pl.DataFrame({USER_IDX: user_idx.numpy()})


def _first(names: pl.Series) -> tuple[str, ...]:
    return tuple(names.unique(maintain_order=True).head(_NAMED))


def _tensor(column: pl.Series) -> torch.Tensor:
    return torch.from_numpy(column.to_numpy(writable=True))
