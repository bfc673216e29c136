"""A finished run: what it measured, and what its model recommends, finds alike and scores."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, final

import polars as pl
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmrec.data.interactions.histories import Histories
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.data.tables.id_codes import positions
from mmrec.errors import ConfigError, DataError, nearest
from mmrec.experiment.run.metrics import metrics_table
from mmrec.experiment.run.scorers import RunScorers, SavedSettings
from mmrec.experiment.run.similarity import similar_items
from mmrec.experiment.run_folder.files import PARTS, RATING_HEAD, read_entry, read_table
from mmrec.experiment.run_folder.found import find_run, read_as_run
from mmrec.files.storage import read_json
from mmrec.metrics.full_ranking import top_k
from mmrec.nn.heads.rating import head_from
from mmrec.types import ITEM_ID, USER_ID

Ids = str | int | Sequence[str] | Sequence[int] | pl.Series
"""One id, or several."""
_MAX_SCORES = 2**24
"""User-item pairs that are scored at once."""


@final
class Run:
    """What a run folder can do; `mmrec.train` and `mmrec.open_run` return one.

    Ids are those of the data, as text; numbers are taken for their decimal text. Tables are read, and the model is opened, when they are
    first needed.

    Args:
        folder: a finished run.
        saved: makes the model of a run again from what its folder says.
    """

    def __init__(self, folder: str | Path, saved: SavedSettings) -> None:
        self.folder = find_run(folder)
        self._saved = saved

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    def _repr_html_(self) -> str:
        from mmrec.experiment.run.notebook import run_html  # only a notebook asks for it

        return run_html(self.folder, self.model, self.metrics)

    @cached_property
    def model(self) -> str:
        """What the trained model is called among the `metrics`."""
        about: str = read_entry(self.folder / "run.json", read_json(self.folder / "run.json"), ("model",), str)
        return about

    @cached_property
    def metrics(self) -> pl.DataFrame:
        """`model, metric, mean, low, high`: means over seeds with their 95% bootstrap interval over users, the trained model first.

        Metrics of the test part are called `test/…`, those of the validation part, which have no interval, `val/…`.
        """
        with read_as_run(self.folder):
            return metrics_table(read_json(self.folder / "metrics.json"))

    @cached_property
    def users(self) -> pl.DataFrame:
        """The users of the run, `user_id` and what slices are made of, in the order of the model."""
        return read_table(self.folder / "users.parquet", USER_ID)

    @cached_property
    def items(self) -> pl.DataFrame:
        """The items of the run, `item_id` and their title, in the order of the model."""
        return read_table(self.folder / "items.parquet", ITEM_ID)

    def recommend(
        self,
        user_ids: Ids | None = None,
        k: int = 10,
        exclude_seen: bool = True,
        candidates: Ids | None = None,
        histories: Sequence[Sequence[str]] | None = None,
    ) -> pl.DataFrame:
        """Return the best items for users: `user_id, rank, item_id, score`, best first; equal scores in the order of the run's items.

        Args:
            user_ids: users of the run; None for all of them. With `histories`, what their users are to be called.
            k: at most so many items a user.
            exclude_seen: whether to leave out what the run knows that a user had, the test part included, or what is in their history.
            candidates: the items to choose from; None for all of them.
            histories: the items of users whom the run has never seen, oldest first. Without `user_ids` they are called by their position,
                `"0"`, `"1"`, …

        Raises:
            DataError: for a user or an item that the run does not know.
            ConfigError: for a `k` below 1, and for `histories` if the model scores users of its training alone.
        """
        if k < 1:
            raise ConfigError(f"k: expected at least 1, came {k}")
        inside = None if candidates is None else self._mask(self._item_idx(candidates, "candidates"))
        if histories is not None:
            return self._recommend_to_histories(histories, user_ids, k, exclude_seen, inside)
        names = self.users[USER_ID] if user_ids is None else as_ids(user_ids)
        user_idx, seen, scorer = self._user_idx(names), self._seen if exclude_seen else None, self._scorers.of_users()
        tables = []
        for rows in self._batches(len(names)):
            scores = scorer.score_users(user_idx[rows])
            tables.append(self._best(names[rows.tolist()], scores, None if seen is None else seen.rows(user_idx[rows]), inside, k))
        return pl.concat(tables)

    def similar(self, item_ids: Ids, k: int = 10) -> pl.DataFrame:
        """Return the items that are most like some items to the model: `item_id, rank, neighbour_id, score`, best first.

        The score is the correlation, over the users of the run, of the scores that the model gives the two items: 1 where it likes both for
        the same users.

        Args:
            item_ids: items of the run.
            k: at most so many neighbours an item.

        Raises:
            DataError: for an item that the run does not know.
            ConfigError: for a `k` below 1.
        """
        if k < 1:
            raise ConfigError(f"k: expected at least 1, came {k}")
        names = as_ids(item_ids)
        asked = self._item_idx(names, "item_ids")
        tables = [empty_table(ITEM_ID, "neighbour_id")]
        for rows in self._batches(len(names)):
            scores = similar_items(self._scorers.of_users(), asked[rows], len(self.users), _MAX_SCORES)
            scores[torch.arange(len(rows)), asked[rows]] = -torch.inf
            tables.append(self._table(names[rows.tolist()], scores, k).rename({ITEM_ID: "neighbour_id", USER_ID: ITEM_ID}))
        return pl.concat(tables)

    def score(self, user_ids: Ids, item_ids: Ids) -> pl.DataFrame:
        """Return the scores of all pairs of some users and some items: `user_id, item_id, score`, user after user.

        Args:
            user_ids: users of the run.
            item_ids: items of the run.

        Raises:
            DataError: for a user or an item that the run does not know.
        """
        users, items = as_ids(user_ids), as_ids(item_ids)
        user_idx, item_idx, scorer = self._user_idx(users), self._item_idx(items, "item_ids"), self._scorers.of_users()
        scores = [scorer.score_users(user_idx[rows])[:, item_idx] for rows in self._batches(len(users))]
        return pl.DataFrame(
            {
                USER_ID: users.gather([row for row in range(len(users)) for _ in range(len(items))]),
                ITEM_ID: pl.concat([items] * len(users)) if len(users) else items.clear(),
                "score": torch.cat([*scores, torch.zeros(0, len(items))]).flatten().numpy(),
            }
        )

    def rate(self, user_ids: Ids, item_ids: Ids) -> pl.DataFrame:
        """Return the predicted ratings of all pairs of some users and some items: `user_id, item_id, rating, deviation`, user after user.

        `rating` is the mean of the predicted distribution, inside the scale of the training part, and `deviation` its standard deviation.

        Args:
            user_ids: users of the run.
            item_ids: items of the run.

        Raises:
            DataError: for a user or an item that the run does not know.
            ConfigError: if the run was not trained with `task=rating`.
        """
        path = self.folder / RATING_HEAD
        if not path.is_file():
            raise ConfigError(f"{self.folder}: its model does not predict ratings; `mmrec train task=rating` trains one that does")
        head = head_from(read_json(path))
        scored = self.score(user_ids, item_ids)
        scores = torch.from_numpy(scored["score"].to_numpy(writable=True))
        with torch.no_grad():
            found = {"rating": head.expected(scores).numpy(), "deviation": head.deviation(scores).numpy()}
        return scored.drop("score").with_columns(**found)

    def _recommend_to_histories(
        self, histories: Sequence[Sequence[str]], user_ids: Ids | None, k: int, exclude_seen: bool, inside: Bool[Tensor, " n_items"] | None
    ) -> pl.DataFrame:
        names = pl.Series(USER_ID, [str(n) for n in range(len(histories))], pl.String) if user_ids is None else as_ids(user_ids)
        if len(names) != len(histories):
            raise ConfigError(f"user_ids: expected a name for each of {len(histories):,} histories, came {len(names):,}")
        if any(isinstance(one, str) for one in histories):
            raise ConfigError('histories: expected a list of items for each user, [["sku-1", "sku-9"]], came a list of texts')
        owned = [self._item_idx(one, "histories").tolist() for one in histories]
        tables, scorer = [empty_table(USER_ID, ITEM_ID)], self._scorers.of_histories()
        for rows in self._batches(len(names)):
            given = Histories.from_lists([owned[row] for row in rows.tolist()])
            seen = given.matrix(len(self.items)).rows(torch.arange(len(rows))) if exclude_seen else None
            tables.append(self._best(names[rows.tolist()], scorer.score_histories(given), seen, inside, k))
        return pl.concat(tables)

    def _best(
        self,
        names: pl.Series,
        scores: Float[Tensor, "batch n_items"],
        seen: tuple[Tensor, Tensor] | None,
        inside: Bool[Tensor, " n_items"] | None,
        k: int,
    ) -> pl.DataFrame:
        """The best of what was not seen and is inside."""
        if seen is not None:
            scores[seen] = -torch.inf
        if inside is not None:
            scores[:, ~inside] = -torch.inf
        return self._table(names, scores, k)

    def _table(self, names: pl.Series, scores: Float[Tensor, "batch n_items"], k: int) -> pl.DataFrame:
        """The k best items of each row, those without a score left out; rows are called by `names`."""
        values, items = top_k(scores, min(k, scores.shape[1]))
        row, place = (values > -torch.inf).nonzero().unbind(1)
        return pl.DataFrame(
            {
                USER_ID: names.gather(row.numpy()),
                "rank": (place + 1).numpy(),
                ITEM_ID: self.items[ITEM_ID].gather(items[row, place].numpy()),
                "score": values[row, place].numpy(),
            }
        )

    @cached_property
    def _scorers(self) -> RunScorers:
        return RunScorers(self.folder, self._saved, len(self.users), len(self.items))

    @cached_property
    def _seen(self) -> InteractionMatrix:
        """What the run knows that its users had."""
        parts = pl.concat(
            [read_table(self.folder / "split" / f"{part}.parquet", USER_ID, ITEM_ID).select(USER_ID, ITEM_ID) for part in PARTS]
        )
        pairs = (self._user_idx(parts[USER_ID]), self._item_idx(parts[ITEM_ID], "split"))
        return InteractionMatrix.from_pairs(*pairs, len(self.users), len(self.items))

    def _batches(self, n: int) -> Iterator[Int64[Tensor, " batch"]]:
        yield from torch.arange(n).split(max(1, _MAX_SCORES // max(1, len(self.items))))

    def _user_idx(self, ids: pl.Series) -> Int64[Tensor, " n"]:
        return _found(ids, self.users[USER_ID], "user")

    def _item_idx(self, ids: Any, key: str) -> Int64[Tensor, " n"]:
        return _found(as_ids(ids), self.items[ITEM_ID], key)

    def _mask(self, item_idx: Int64[Tensor, " n"]) -> Bool[Tensor, " n_items"]:
        inside = torch.zeros(len(self.items), dtype=torch.bool)
        inside[item_idx] = True
        return inside


def as_ids(ids: Any) -> pl.Series:
    """Return one id or several as a series of texts."""
    if isinstance(ids, pl.Series):
        return ids.cast(pl.String)
    one = [ids] if isinstance(ids, str | int) else ids
    return pl.Series([str(name) for name in one], dtype=pl.String)


def empty_table(first: str, last: str) -> pl.DataFrame:
    """Return a table of ranks without rows."""
    return pl.DataFrame(schema={first: pl.String, "rank": pl.Int64, last: pl.String, "score": pl.Float32})


def _found(ids: pl.Series, known: pl.Series, key: str) -> Int64[Tensor, " n"]:
    """The places of ids among the known. Raises DataError for one that is not there."""
    places = positions(ids, known)
    if places.null_count():
        unknown = ids.filter(places.is_null())
        more = f" (nor {len(unknown) - 1:,} more)" if len(unknown) > 1 else ""
        raise DataError(f"{key}: the run knows no `{unknown[0]}`{more}; {nearest(str(unknown[0]), known)}")
    return torch.from_numpy(places.cast(pl.Int64).to_numpy(writable=True))
