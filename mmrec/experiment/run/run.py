"""A finished run, with its metrics, and with recommendations, similar items and scores of its model."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import polars as pl
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from mmrec.data.interactions.histories import Histories
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.data.tables.id_codes import positions
from mmrec.errors import ConfigError, DataError, nearest
from mmrec.experiment.run.item_content import RunContent
from mmrec.experiment.run.metrics import metrics_table
from mmrec.experiment.run.scorers import RunScorers, SavedSettings
from mmrec.experiment.run.similarity import similar_items
from mmrec.experiment.run_folder.files import CLICK_HEAD, PARTS, RATING_HEAD, read_entry, read_table
from mmrec.experiment.run_folder.find import convert_file_errors, find_run
from mmrec.files.storage import read_json
from mmrec.metrics.full_ranking import top_k
from mmrec.models.recommender import TrainedScorer
from mmrec.nn.heads.click import click_head_from
from mmrec.nn.heads.rating import head_from
from mmrec.rerank.chain import Reranking, rerank_scores, rows_of_users
from mmrec.types import ITEM_ID, QUERY, USER_ID

if TYPE_CHECKING:
    from mmrec.experiment.run.search import RunSearch

Ids = str | int | Sequence[str] | Sequence[int] | pl.Series
"""One or several ids."""
_MAX_SCORES = 2**24
"""The maximal number of user-item pairs scored at once."""


@final
class Run:
    """A finished run, as returned by `mmrec.train` and `mmrec.open_run`.

    Ids are those of the data as text; integers are converted to their decimal text. Tables and the model are loaded on first use.

    Args:
        folder: the folder of a finished run.
        saved: the settings that restore the model of the run.
        serve: makes the service of a run, see `service`.
    """

    def __init__(self, folder: str | Path, saved: SavedSettings, serve: Callable[..., Any] | None = None) -> None:
        self.folder = find_run(folder)
        self._saved, self._serve = saved, serve

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    def _repr_html_(self) -> str:
        from mmrec.experiment.run.notebook import run_html  # only needed in notebooks

        return run_html(self.folder, self.model, self.metrics)

    @cached_property
    def model(self) -> str:
        """The name of the trained model in `metrics`."""
        about: str = read_entry(self.folder / "run.json", read_json(self.folder / "run.json"), ("model",), str)
        return about

    @cached_property
    def metrics(self) -> pl.DataFrame:
        """A table `model, metric, mean, low, high`: means over seeds with 95% bootstrap intervals over users, the trained model first.

        Metrics of the test part are named `test/…`; those of the validation part, which have no intervals, `val/…`.
        """
        with convert_file_errors(self.folder):
            return metrics_table(read_json(self.folder / "metrics.json"))

    @cached_property
    def users(self) -> pl.DataFrame:
        """The users of the run in the order of the model: `user_id`, and the columns for slices."""
        return read_table(self.folder / "users.parquet", USER_ID)

    @cached_property
    def items(self) -> pl.DataFrame:
        """The items of the run in the order of the model: `item_id`, and the title."""
        return read_table(self.folder / "items.parquet", ITEM_ID)

    def recommend(
        self,
        user_ids: Ids | None = None,
        k: int = 10,
        exclude_seen: bool = True,
        candidates: Ids | None = None,
        histories: Sequence[Sequence[str]] | None = None,
        rerank: Reranking | None = None,
    ) -> pl.DataFrame:
        """Recommend the top-k items for users.

        Args:
            user_ids: users of the run; None for all users. With `histories`, the names of their users.
            k: the maximal number of items per user.
            exclude_seen: whether to exclude the user's items in all parts of the run, including test, or in the given history.
            candidates: the items to rank; None for all items.
            histories: the items of users outside the run, oldest first. Without `user_ids`, their users are named by position, `"0"`,
                `"1"`, …
            rerank: a method of `mmrec.rerank` that chooses among the best items, such as `mmrec.rerank.DPP(trade_off=0.3)`, or several
                of which each takes the list of the one before. The history of a user is that of the training part, or the given one.

        Returns:
            A table `user_id, rank, item_id, score`, best first; ties are in the order of the run's items. Scores are those of the model.

        Raises:
            DataError: a user or item is not in the run.
            ConfigError: `k` is below 1, the model cannot score `histories`, or the items lack what `rerank` needs.
        """
        if k < 1:
            raise ConfigError(f"k: expected at least 1, found {k}")
        inside = None if candidates is None else self._mask(self._item_idx(candidates, "candidates"))
        if histories is not None:
            return self._recommend_to_histories(histories, user_ids, k, exclude_seen, inside, rerank)
        names = self.users[USER_ID] if user_ids is None else as_ids(user_ids)
        seen = self._seen if exclude_seen else None  # before the users are looked up, since it says which table of the run is damaged
        user_idx, scorer = self._user_idx(names), self.scorers.of_users()
        tables = []
        for rows in self._batches(len(names)):
            scores = scorer.score_users(user_idx[rows])
            scores = _masked(scores, None if seen is None else seen.rows(user_idx[rows]), inside)
            history = rows_of_users(self.train, user_idx[rows]) if rerank else None
            tables.append(self._best(names[rows.tolist()], scores, k, rerank, history))
        return pl.concat(tables)

    def similar(self, item_ids: Ids, k: int = 10) -> pl.DataFrame:
        """Find the items that are most similar to some items according to the model.

        The similarity of two items is the correlation of their scores over the users of the run.

        Args:
            item_ids: items of the run.
            k: the maximal number of neighbours per item.

        Returns:
            A table `item_id, rank, neighbour_id, score`, most similar first.

        Raises:
            DataError: an item is not in the run.
            ConfigError: `k` is below 1.
        """
        if k < 1:
            raise ConfigError(f"k: expected at least 1, found {k}")
        names = as_ids(item_ids)
        asked = self._item_idx(names, "item_ids")
        tables = [empty_table(ITEM_ID, "neighbour_id")]
        for rows in self._batches(len(names)):
            scores = similar_items(self.scorers.of_users(), asked[rows], len(self.users), _MAX_SCORES)
            scores[torch.arange(len(rows)), asked[rows]] = -torch.inf
            tables.append(self._best(names[rows.tolist()], scores, k).rename({ITEM_ID: "neighbour_id", USER_ID: ITEM_ID}))
        return pl.concat(tables)

    def score(self, user_ids: Ids, item_ids: Ids) -> pl.DataFrame:
        """Compute the scores of all pairs of some users and some items.

        Args:
            user_ids: users of the run.
            item_ids: items of the run.

        Returns:
            A table `user_id, item_id, score`, sorted by the given users, then items.

        Raises:
            DataError: a user or item is not in the run.
        """
        users, items = as_ids(user_ids), as_ids(item_ids)
        user_idx, item_idx, scorer = self._user_idx(users), self._item_idx(items, "item_ids"), self.scorers.of_users()
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

    def click_probability(self, user_ids: Ids, item_ids: Ids) -> pl.DataFrame:
        """Return the predicted probabilities of clicks for all pairs of some users and items: `user_id, item_id, probability`.

        They are those of items shown at the first position of the training data, user after user.

        Args:
            user_ids: users of the run.
            item_ids: items of the run.

        Raises:
            DataError: for a user or an item that the run does not know.
            ConfigError: if the run was not trained with `task=click`.
        """
        path = self.folder / CLICK_HEAD
        if not path.is_file():
            raise ConfigError(f"{self.folder}: its model does not predict clicks; `mmrec train task=click` trains one that does")
        head = click_head_from(read_json(path))
        scored = self.score(user_ids, item_ids)
        with torch.no_grad():
            found = head.calibrated(torch.from_numpy(scored["score"].to_numpy(writable=True))).sigmoid()
        return scored.drop("score").with_columns(probability=found.numpy())

    def search(self, query: str | Sequence[str] | None = None, k: int = 10, image: str | Path | None = None) -> pl.DataFrame:
        """Find the top-k items for search queries, or the items that look most like a picture.

        Args:
            query: one or several queries.
            k: the maximal number of items per query.
            image: instead of `query`, the file of a picture.

        Returns:
            A table `query, rank, item_id, score`, best first; ties are in the order of the run's items.

        Raises:
            ConfigError: the run was not trained with `task=search`, or has no pictures; or a query is blank, too long, or has no known
                word; or the file is not a picture.
        """
        if k < 1:
            raise ConfigError(f"k: expected at least 1, found {k}")
        if (query is None) == (image is None):
            raise ConfigError("search: expected a query or a picture")
        names = as_ids(str(image) if query is None else query)
        scores = self._search.score_texts(names.to_list()) if image is None else self._search.score_picture(image)
        return self._best(names, scores, k).rename({USER_ID: QUERY})

    def service(self, store: str | None = None, index: str = "auto", user_key: bytes | None = None) -> Any:
        """Return an `mmrec.serving.Service`: what `mmrec serve` answers with, without a network.

        Args:
            store: where events are kept, such as `sqlite:///events.db`; None: in memory.
            index: `exact`, `usearch`, or `auto`: by the number of items.
            user_key: where given, user ids are stored as hashes with this key.
        """
        if self._serve is None:
            raise ConfigError("this run was opened without what serves it; open it with `mmrec.open_run`")
        return self._serve(self, store=store, index=index, user_key=user_key)

    def _recommend_to_histories(
        self,
        histories: Sequence[Sequence[str]],
        user_ids: Ids | None,
        k: int,
        exclude_seen: bool,
        inside: Bool[Tensor, " n_items"] | None,
        rerank: Reranking | None,
    ) -> pl.DataFrame:
        names = pl.Series(USER_ID, [str(n) for n in range(len(histories))], pl.String) if user_ids is None else as_ids(user_ids)
        if len(names) != len(histories):
            raise ConfigError(f"user_ids: expected a name for each of {len(histories):,} histories, found {len(names):,}")
        if any(isinstance(one, str) for one in histories):
            raise ConfigError('histories: expected a list of items for each user, [["sku-1", "sku-9"]], found a list of texts')
        owned = [self._item_idx(one, "histories").tolist() for one in histories]
        tables, scorer = [empty_table(USER_ID, ITEM_ID)], self.scorers.of_histories()
        for rows in self._batches(len(names)):
            given = Histories.from_lists([owned[row] for row in rows.tolist()])
            history = given.matrix(len(self.items))
            scores = _masked(scorer.score_histories(given), history.rows(torch.arange(len(rows))) if exclude_seen else None, inside)
            tables.append(self._best(names[rows.tolist()], scores, k, rerank, history))
        return pl.concat(tables)

    def _best(
        self,
        names: pl.Series,
        scores: Float[Tensor, "batch n_items"],
        k: int,
        rerank: Reranking | None = None,
        history: InteractionMatrix | None = None,
    ) -> pl.DataFrame:
        """The k best items of each row, without items of score -inf; `names` are the names of the rows.

        With `rerank`, chosen among the best ones, given what the rows had before.
        """
        k = min(k, scores.shape[1])
        if not rerank or history is None:
            values, items = top_k(scores, k)
        else:
            values, items = rerank_scores(rerank, scores, history, self.content, k)
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
    def _search(self) -> "RunSearch":
        from mmrec.experiment.run.search import RunSearch  # imports bm25s and the models of search

        with convert_file_errors(self.folder):
            return RunSearch(self.folder, self._saved, len(self.items))

    @cached_property
    def scorers(self) -> RunScorers:
        """The scorers of the run: of its users, and of histories."""
        return RunScorers(self.folder, self._saved, len(self.users), len(self.items))

    @property
    def scorer(self) -> TrainedScorer:
        """The scorer of the users of the run."""
        return self.scorers.of_users()

    @cached_property
    def content(self) -> RunContent:
        """Vectors and categories of the items, which methods of `mmrec.rerank` use; read from the data of the run when needed."""
        return RunContent(self.folder, self._saved, self.scorers, self.items[ITEM_ID])

    @cached_property
    def train(self) -> InteractionMatrix:
        """The interactions of the training part."""
        return self.interactions("train")

    @cached_property
    def _seen(self) -> InteractionMatrix:
        return self.interactions(*PARTS)

    def interactions(self, *parts: str) -> InteractionMatrix:
        """The interactions of some parts of the split: `train`, `valid`, `test`."""
        tables = [read_table(self.folder / "split" / f"{part}.parquet", USER_ID, ITEM_ID).select(USER_ID, ITEM_ID) for part in parts]
        rows = pl.concat(tables)
        users = _found(rows[USER_ID], self.users[USER_ID], f"{self.folder / 'split'} has other users than users.parquet")
        items = _found(rows[ITEM_ID], self.items[ITEM_ID], f"{self.folder / 'split'} has other items than items.parquet")
        return InteractionMatrix.from_pairs(users, items, len(self.users), len(self.items))

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


def _masked(
    scores: Float[Tensor, "batch n_items"], seen: tuple[Tensor, Tensor] | None, inside: Bool[Tensor, " n_items"] | None
) -> Float[Tensor, "batch n_items"]:
    """The scores with -inf for items that are seen or not among the candidates `inside`, in place."""
    if seen is not None:
        scores[seen] = -torch.inf
    if inside is not None:
        scores[:, ~inside] = -torch.inf
    return scores


def as_ids(ids: Any) -> pl.Series:
    """Convert one or several ids to a series of texts."""
    if isinstance(ids, pl.Series):
        return ids.cast(pl.String)
    one = [ids] if isinstance(ids, str | int) else ids
    return pl.Series([str(name) for name in one], dtype=pl.String)


def empty_table(first: str, last: str) -> pl.DataFrame:
    """Return a table of ranked items without rows."""
    return pl.DataFrame(schema={first: pl.String, "rank": pl.Int64, last: pl.String, "score": pl.Float32})


def _found(ids: pl.Series, known: pl.Series, key: str) -> Int64[Tensor, " n"]:
    """The positions of ids among the known ones. Raises DataError for unknown ids."""
    places = positions(ids, known)
    if places.null_count():
        unknown = ids.filter(places.is_null())
        more = f" (and {len(unknown) - 1:,} more)" if len(unknown) > 1 else ""
        raise DataError(f"{key}: `{unknown[0]}`{more} is not in the run; {nearest(str(unknown[0]), known)}")
    return torch.from_numpy(places.cast(pl.Int64).to_numpy(writable=True))
