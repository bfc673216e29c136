"""A finished run, with its metrics, and with recommendations, similar items and scores of its model."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import polars as pl
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from mmrec.data.interactions.histories import Histories
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.errors import ConfigError
from mmrec.experiment.run.heads import folder_predicting, with_click_probabilities, with_ratings
from mmrec.experiment.run.ids import Ids, as_ids, mask_of, names_of_histories, positions_of
from mmrec.experiment.run.item_content import RunContent
from mmrec.experiment.run.request_time import At, seconds_of
from mmrec.experiment.run.scorers import RunScorers, SavedSettings
from mmrec.experiment.run.similarity import similar_items
from mmrec.experiment.run.tables import empty_table, masked, metrics_table, pairs_table, ranked_table, read_interactions
from mmrec.experiment.run_folder.files import CLICK_HEAD, PARTS, RATING_HEAD, read_entry, read_table
from mmrec.experiment.run_folder.find import convert_file_errors, find_run
from mmrec.files.storage import read_json
from mmrec.metrics.full_ranking import top_k
from mmrec.rerank.chain import Reranking, rerank_scores, rows_of_users
from mmrec.types import ITEM_ID, QUERY, USER_ID

if TYPE_CHECKING:
    from mmrec.experiment.run.explain import RunExplainer
    from mmrec.experiment.run.search import RunSearch
    from mmrec.explain.explanation import Explanation
    from mmrec.steering.session import Session
    from mmrec.types import Dataset

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
        at: At | None = None,
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
            at: the time of the request, such as `"2001-03-01"`, for a run with `time=decay`: interests have their weights at that time, and
                interactions of the training part after it are left out. None: the end of the training part. Restores the model.

        Returns:
            A table `user_id, rank, item_id, score`, best first; ties are in the order of the run's items. Scores are those of the model.

        Raises:
            DataError: a user or item is not in the run.
            ConfigError: `k` is below 1, the model cannot score `histories`, the items lack what `rerank` needs, or `at` is not a date or
                the scores do not depend on it.
        """
        if k < 1:
            raise ConfigError(f"k: expected at least 1, found {k}")
        inside = None if candidates is None else mask_of(self._item_idx(candidates, "candidates"), len(self.items))
        if histories is not None:
            if at is not None:
                raise ConfigError("at: histories have no times, so they are those of now; leave it out")
            return self._recommend_to_histories(histories, names_of_histories(histories, user_ids), k, exclude_seen, inside, rerank)
        names = self.users[USER_ID] if user_ids is None else as_ids(user_ids)
        at_s = None if at is None else seconds_of(at)
        # before the users are looked up, since it says which table of the run is damaged
        seen = (self._seen if at_s is None else self.interactions(*PARTS, until=at_s)) if exclude_seen else None
        user_idx, scorer = self._user_idx(names), self.scorers.of_users() if at_s is None else self.scorers.at(at_s)
        tables = []
        for rows in self._batches(len(names)):
            scores = scorer.score_users(user_idx[rows])
            scores = masked(scores, None if seen is None else seen.rows(user_idx[rows]), inside)
            history = rows_of_users(self.train, user_idx[rows]) if rerank else None
            tables.append(self._best(names[rows.tolist()], scores, k, rerank, history))
        return pl.concat(tables)

    def interests(self, user_id: str | int, at: Sequence[At] | None = None) -> pl.DataFrame:
        """Compute how much each past item counts in a user's interests over time, in a run with `time=decay` or `time=long_short`.

        Args:
            user_id: a user with training interactions.
            at: the times; None: 24 evenly spaced times from the user's first interaction to the end of the training part.

        Returns:
            A table `at, item_id, age_days, weight`, oldest item first, where the weights at each time have the sum 1. Items after that time
            are left out.

        Raises:
            ConfigError: the run was trained with `time=none`, or a time is not a date.
            DataError: the user has no training interactions.
        """
        from mmrec.experiment.run.interests import interests_of

        return interests_of(self.folder, str(user_id), at)

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
        return pairs_table(users, items, torch.cat([*scores, torch.zeros(0, len(items))]))

    def explain(self, user_id: str | int, item_id: str | int | None = None, k: int = 10, language: str = "en") -> "list[Explanation]":
        """Explain why an item, or each of the k best ones, is recommended to a user.

        The model and all that it was trained on are restored at the first call, which takes as long as the preparation of a training.

        Args:
            user_id: a user of the run.
            item_id: an item that the user has not had; None for the k best ones.
            k: the length of the list that items are in or would drop out of.
            language: of the sentences, `en` or `zh`.

        Returns:
            For each item, its evidence (Shapley values), the part of the history it depends on, paths in the graph, and sentences.

        Raises:
            DataError: the user or item is not in the run, or its data have changed.
            ConfigError: the user has had the item, or there are no templates in the language.
        """
        if k < 1:
            raise ConfigError(f"k: expected at least 1, found {k}")
        user_idx = int(self._user_idx(as_ids(user_id)))
        item_idx = None if item_id is None else self._item_idx(as_ids(item_id), "item").tolist()
        return self._explainer.explain(str(user_id), user_idx, item_idx, k, language)

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
        run = Run(folder_predicting(RATING_HEAD, self.folder), self._saved)
        return with_ratings(run.score(user_ids, item_ids), run.folder)

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
        run = Run(folder_predicting(CLICK_HEAD, self.folder), self._saved)
        return with_click_probabilities(run.score(user_ids, item_ids), run.folder)

    def search(
        self, query: str | Sequence[str] | None = None, k: int = 10, image: str | Path | None = None, user: str | int | None = None
    ) -> pl.DataFrame:
        """Find the top-k items for search queries, or the items that look most like a picture.

        Args:
            query: one or several queries.
            k: the maximal number of items per query.
            image: instead of `query`, the file of a picture.
            user: who asks, if the run was trained to know it (`task_data.search.personal=true`).

        Returns:
            A table `query, rank, item_id, score`, best first; ties are in the order of the run's items.

        Raises:
            ConfigError: the run has no search head or no pictures; a query is blank, too long or has no known word; the file is no picture.
        """
        if k < 1:
            raise ConfigError(f"k: expected at least 1, found {k}")
        if (query is None) == (image is None):
            raise ConfigError("search: expected a query or a picture")
        names = as_ids(str(image) if query is None else query)
        asked = None if user is None else str(user)
        scores = self.searcher.score_texts(names.to_list(), asked) if image is None else self.searcher.score_picture(image)
        return self._best(names, scores, k).rename({USER_ID: QUERY})

    def update(self, data: "Dataset | str | Path", out: str | Path, **settings: Any) -> "Run":
        """Continue the run with new interactions, items, users and triples, and return the updated run.

        Args:
            data: a dataset, or a folder of one.
            out: the folder of the updated run, which must not exist.
            settings: as for `mmrec update`: `update="distill"`, `max_epochs=3`, `allow_older=True`, …

        Raises:
            MmrecError: a value is invalid, `out` exists, the data do not fit those of the run, or a file of the run is damaged.
        """
        return Run(self._saved.update(self.folder, data, out, settings), self._saved, self._serve)

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

    def session(self, user_id: str | int | None = None, history: Sequence[str] | None = None, language: str = "en") -> "Session":
        """Begin a dialogue that steers the list: `run.session("42").dislike("sku-1").critique("cheaper").recommend()`.

        Args:
            user_id: a user of the run; None: somebody of whom only the history, if any, is known.
            history: the items of somebody outside the run, oldest first.
            language: of the answers, `en` or `zh`.

        Raises:
            MmrecError: the user or an item is not in the run, both a user and a history are given, or the language has no answers.
        """
        self._user_idx(as_ids([] if user_id is None else user_id))
        began: Session = self._dialogues.session(None if user_id is None else str(user_id), history or (), language)
        return began

    def _recommend_to_histories(
        self, histories: Sequence[Sequence[str]], names: pl.Series, k: int, exclude_seen: bool, inside: Any, rerank: Reranking | None
    ) -> pl.DataFrame:
        owned = [self._item_idx(one, "histories").tolist() for one in histories]
        tables, scorer = [empty_table(USER_ID, ITEM_ID)], self.scorers.of_histories()
        for rows in self._batches(len(names)):
            given = Histories.from_lists([owned[row] for row in rows.tolist()])
            history = given.matrix(len(self.items))
            scores = masked(scorer.score_histories(given), history.rows(torch.arange(len(rows))) if exclude_seen else None, inside)
            tables.append(self._best(names[rows.tolist()], scores, k, rerank, history))
        return pl.concat(tables)

    def _best(
        self, names: pl.Series, scores: Float[Tensor, "batch n_items"], k: int, rerank: Any = None, history: Any = None
    ) -> pl.DataFrame:
        """The table of the k best items of each row; with `rerank`, chosen among the best ones, given the histories of the rows."""
        k = min(k, scores.shape[1])
        if not rerank or history is None:
            values, items = top_k(scores, k)
        else:
            values, items = rerank_scores(rerank, scores, history, self.content, k)
        return ranked_table(names, self.items[ITEM_ID], values, items)

    @cached_property
    def searcher(self) -> "RunSearch":
        """What `search` answers with. Raises ConfigError if the run was not trained with `task=search`."""
        from mmrec.experiment.run.search import RunSearch  # imports bm25s and the models of search

        with convert_file_errors(self.folder):
            return RunSearch(self.folder, self._saved, len(self.items))

    @cached_property
    def _explainer(self) -> "RunExplainer":
        from mmrec.experiment.run.explain import RunExplainer  # imports lightning

        self.scorers.of_users()  # raises if the model does not rank
        return RunExplainer(self.scorers.restored(), self.items, self._seen)

    @cached_property
    def _dialogues(self) -> Any:
        return self.service(index="exact")

    @cached_property
    def scorers(self) -> RunScorers:
        """The scorers of the run: of its users, and of histories."""
        return RunScorers(self.folder, self._saved, len(self.users), len(self.items))

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

    def interactions(self, *parts: str, until: int | None = None) -> InteractionMatrix:
        """The interactions of some parts of the split, `train`, `valid`, `test`, optionally only those until a time in seconds UTC."""
        return read_interactions(self.folder / "split", parts, until, self.users[USER_ID], self.items[ITEM_ID])

    def _batches(self, n: int) -> Iterator[Int64[Tensor, " batch"]]:
        yield from torch.arange(n).split(max(1, _MAX_SCORES // max(1, len(self.items))))

    def _user_idx(self, ids: pl.Series) -> Int64[Tensor, " n"]:
        return positions_of(ids, self.users[USER_ID], "user")

    def _item_idx(self, ids: Any, key: str) -> Int64[Tensor, " n"]:
        return positions_of(as_ids(ids), self.items[ITEM_ID], key)
