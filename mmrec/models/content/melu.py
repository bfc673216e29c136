"""MeLU: a network on profile and content whose layers are adapted to each user by gradient steps on the user's items."""

from collections.abc import Collection

import polars as pl
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from mmrec.data.batches.given_items import draw_given
from mmrec.data.batches.train_batches import TrainBatch
from mmrec.data.interactions.histories import Histories
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.losses import sampled_softmax
from mmrec.models.closed_form.interaction_rows import popular_for_new, put_last
from mmrec.models.content.content_matrix import read_content
from mmrec.models.content.item_content import ItemContent
from mmrec.models.recommender import GradientRecommender, TrainedScorer, TrainScores
from mmrec.nn.look_up import rows_of
from mmrec.types import ITEM_ID, USER_ID, DatasetSpec

_MOST_VALUES = 50
_CHUNK = 32
"""Users scored at a time, as each has a network of their own."""


class MeLU(GradientRecommender):
    """Scores `f(profile of the user, item)` by a network whose layers make gradient steps on the user's own items (Lee et al. 2019).

    The vector of a user is a sum over the values of the profile's columns, that of an item the sum of its content and, unlike in the paper,
    of a free vector. The layers are adapted by a softmax over a pool of items, as there are no ratings, and the outer loss is that of the
    user's other items; the vectors are only trained by the outer loss. In training, up to `max_given` items of a user are given.

    Args:
        spec: the training data, with content.
        embedding_dim: the size of the vectors of users and items.
        hidden_dim: the size of the two hidden layers.
        n_steps: gradient steps for a user.
        inner_lr: their size.
        max_given: the largest number of given items in training.
        n_negatives: the number of items in the pool.
    """

    profile: Float[Tensor, "n_users n_values"]
    pool: Int64[Tensor, " n_negatives"]

    def __init__(
        self,
        spec: DatasetSpec,
        embedding_dim: int = 32,
        hidden_dim: int = 64,
        n_steps: int = 1,
        inner_lr: float = 0.1,
        max_given: int = 5,
        n_negatives: int = 128,
    ) -> None:
        super().__init__(spec)
        if min(embedding_dim, hidden_dim, max_given, n_negatives) < 1 or n_steps < 0 or inner_lr <= 0:
            raise ValueError("embedding_dim, hidden_dim, max_given, n_negatives, n_steps, inner_lr: expected positive numbers")
        self.n_steps, self.inner_lr, self.max_given, self.n_negatives = n_steps, inner_lr, max_given, n_negatives
        self.register_buffer("profile", one_hot(spec.user_table, spec.n_users), persistent=False)
        self.of_profile = nn.Linear(self.profile.shape[1], embedding_dim)
        self.content = ItemContent(read_content(spec), embedding_dim)
        self.free = nn.Parameter(0.1 * torch.randn(spec.n_items, embedding_dim))
        sizes = 2 * embedding_dim, hidden_dim
        self.layers = nn.Sequential(nn.Linear(*sizes), nn.ReLU(), nn.Linear(hidden_dim, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, 1))
        candidates = self.known_items.nonzero().flatten()
        self.register_buffer("pool", candidates[torch.randperm(len(candidates), generator=torch.Generator().manual_seed(0))[:n_negatives]])

    def items(self) -> Float[Tensor, "n_items dim"]:
        """The vectors of all items."""
        of_content: Tensor = self.content()
        return of_content + self.free

    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        items, users = self.items(), self.of_profile(self.profile[batch.user_idx])
        given = draw_given(batch, self.max_given)
        is_given, query = given.is_given, given.is_query
        support = batch.item_idx.new_zeros(len(users), self.max_given)
        support[batch.row[is_given], given.place[is_given]] = batch.item_idx[is_given]
        filled = torch.arange(self.max_given) < given.counts[:, None]
        pool = rows_of(items, batch.negatives.flatten()[: self.n_negatives])
        layers = self._adapted(users, rows_of(items, support), filled, pool)
        negatives, row = rows_of(items, batch.negatives), batch.row[query]
        negative = vmap(self._score, in_dims=(0, 0, None if negatives.ndim == 2 else 0))(layers, users, negatives)
        most = 1 + int(given.place.max()) if len(given.place) else 1
        wanted = items.new_zeros(len(users), most, items.shape[1]).index_put((batch.row, given.place), rows_of(items, batch.item_idx))
        positive = vmap(self._score)(layers, users, wanted)[row, given.place[query]]
        share = len(row) / max(1, len(query))  # processes are weighted by all positives
        loss = sampled_softmax(positive, row, negative, batch.valid, 1.0) * share
        return TrainScores(items.new_zeros(0), items.new_zeros(batch.valid.shape), loss)

    def _adapted(
        self,
        users: Float[Tensor, "n dim"],
        support: Float[Tensor, "n most dim"],
        is_given: Bool[Tensor, "n most"],
        pool: Float[Tensor, "n_negatives dim"],
    ) -> dict[str, Tensor]:
        """The layers of each user after the steps."""
        layers = {name: one.expand(len(users), *one.shape) for name, one in self.layers.named_parameters()}
        steps = vmap(grad(self._loss), in_dims=(0, 0, 0, 0, None))
        for _ in range(self.n_steps):
            found = steps(layers, users, support, is_given, pool)
            layers = {name: one - self.inner_lr * found[name] for name, one in layers.items()}
        return layers

    def _loss(
        self, layers: dict[str, Tensor], user: Tensor, support: Float[Tensor, "most dim"], is_given: Tensor, pool: Tensor
    ) -> Float[Tensor, ""]:
        scores = self._score(layers, user, torch.cat([support, pool]))
        given = (scores[: len(support)] * is_given).sum() / is_given.sum().clamp(min=1)
        return torch.logsumexp(scores[len(support) :], dim=0) - given

    def _score(self, layers: dict[str, Tensor], user: Float[Tensor, " dim"], items: Float[Tensor, "n dim"]) -> Float[Tensor, " n"]:
        scores: Tensor = functional_call(self.layers, layers, (torch.cat([user.expand(len(items), -1), items], dim=1),))
        return scores[:, 0]

    @torch.no_grad()
    def freeze(self, hidden: Collection[str] = ()) -> "MeLUScorer":
        self.eval()
        return MeLUScorer(self, InteractionMatrix.from_pairs(*self._pairs(), len(self.known_users), len(self.known_items)))

    def _pairs(self) -> tuple[Int64[Tensor, " n"], Int64[Tensor, " n"]]:
        return self.train_interactions.user_idx, self.train_interactions.item_idx

    @torch.no_grad()
    def scores(self, owned: InteractionMatrix, user_idx: Tensor, profile: Float[Tensor, "n n_values"]) -> Float[Tensor, "n n_items"]:
        """The scores of all items for users of `owned` with these profiles."""
        items, found = self.items(), []
        for some, theirs in zip(user_idx.split(_CHUNK), profile.split(_CHUNK), strict=True) if len(user_idx) else ():
            row, item = owned.rows(some)
            counts = row.bincount(minlength=len(some))
            place = torch.arange(len(row)) - (counts.cumsum(0) - counts)[row]
            support = items.new_zeros(len(some), max(1, int(counts.max())), items.shape[1])
            support[row, place] = items[item]
            is_given, users = torch.arange(support.shape[1]) < counts[:, None], self.of_profile(theirs)
            layers = self._adapted(users, support, is_given, items[self.pool])
            found.append(vmap(self._score, in_dims=(0, 0, None))(layers, users, items))
        return torch.cat(found) if found else items.new_zeros(0, len(items))


class MeLUScorer(TrainedScorer):
    """A trained `MeLU`: users without items get popular items, and items without training interactions are ranked last."""

    def __init__(self, model: MeLU, train: InteractionMatrix) -> None:
        self.model, self.train = model, train

    def score_users(self, user_idx: Int64[Tensor, " batch"]) -> Float[Tensor, "batch n_items"]:
        return self._score(self.train, user_idx, self.model.profile[user_idx])

    def score_histories(self, histories: Histories) -> Float[Tensor, "n_users n_items"]:
        profile = self.model.profile.mean(dim=0).expand(len(histories), -1)
        return self._score(histories.matrix(self.train.n_items), torch.arange(len(histories)), profile)

    def vectors(self) -> None:
        return None

    def _score(self, owned: InteractionMatrix, user_idx: Tensor, profile: Tensor) -> Float[Tensor, "batch n_items"]:
        scores = put_last(self.model.scores(owned, user_idx, profile), self.train.item_degree == 0)
        return popular_for_new(scores, owned.degree[user_idx] == 0, self.train)


def one_hot(table: pl.DataFrame | None, n: int) -> Float[Tensor, "n n_values"]:
    """The values of the columns with 2 to 50 different ones, one column each, with a last column of ones."""
    columns = [torch.ones(n, 1)]
    for name in [] if table is None else [name for name in table.columns if name not in (USER_ID, ITEM_ID)]:
        values = table[name].cast(pl.String, strict=False)  # type: ignore[index]
        if 2 <= values.n_unique() <= _MOST_VALUES:
            columns.insert(-1, torch.from_numpy(values.to_dummies().cast(pl.Float32).to_numpy(writable=True)))
    return torch.cat(columns, dim=1)
