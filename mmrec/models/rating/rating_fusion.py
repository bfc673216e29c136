"""The fusion model of ratings: biases plus the product of a user's vector with the fused vector of an item."""

from collections.abc import Callable, Collection
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from mmrec.data.batches.interaction_batches import InteractionBatch
from mmrec.models.fold_in import mean_for_new
from mmrec.models.multimodal.fusion import DEFAULT_FUSION, DEFAULT_KG_ENCODER
from mmrec.models.multimodal.item_evidence import MakesFusion, item_evidence, visible_without
from mmrec.models.rating.predictor import RatingFactors, RatingRecommender, rated_rows, rated_values
from mmrec.nn.backbones.backbone import Backbone, embedding_table
from mmrec.nn.backbones.item_table import ItemTable
from mmrec.nn.heads.rating import HEADS
from mmrec.nn.table_rows import ITEMS, USERS
from mmrec.types import DatasetSpec

REGULARIZATION = ("modality", "feature", "vector", "length")
"""The fractions hidden in training of tokens, of the numbers of frozen features, and of the numbers of user and item vectors; and the
weight of the squared lengths of the vectors and biases that predict the rows of a batch."""
_REGULARIZATION = {"modality": 0.2, "feature": 0.2, "vector": 0.3, "length": 0.02}
_BACKBONE = partial(ItemTable, init_scale=0.1)
_INIT_SCALE, _PRIOR_COUNT, _FIRST_SHARE = 0.05, 3.0, 0.3


class Sides(NamedTuple):
    """What users and items are made from: vectors, biases, and sums over their training ratings."""

    fused: Float[Tensor, "n_items dim"]
    of_users: Float[Tensor, " n_users"]
    """The biases of users."""
    of_items: Float[Tensor, " n_items"]
    """The biases of items."""
    given: Float[Tensor, "n_users dims"]
    """The sums of `e y` and of `z` over the items of each user, side by side."""
    received: Float[Tensor, "n_items dim"]
    """The sums of `e x` over the users of each item."""


class RatingFusion(RatingRecommender):
    """Predicts `μ + b_u + b_i + h_u·v_i`, where v_i is fused from all evidence of an item.

        v_i = fused(i) + s₁ Σ_{u ∈ R(i)} e_ui x_u / √(|R(i)| + 3)
        h_u = p_u + s₂ Σ_{i ∈ R(u)} e_ui y_i / √(|R(u)| + 3) + s₃ Σ_{i ∈ R(u)} z_i / √(|R(u)| + 3)

    `fused(i)` is the vector of `FusionRecommender`: an attention over the modality tokens of the item, so that a new item has a place.
    `e_ui = r_ui - μ - b_u - b_i` are the ratings without biases: the second terms place users and items by how they rate and are rated (as
    the asymmetric model and SVD++ of Koren 2008, §4, on both sides). The rating that is predicted in training is left out of the sums, as
    it will be unknown. `b_i` is the sum of a free bias and of a linear function of `fused(i)`, which estimates that of new items.

    The score is mixed with that of `linear`, a model of ratings that is fitted before, with a weight that validation chooses.

    Users and items without training ratings have no free vectors and biases: they are the average user, and what their content says.

    Args:
        spec: the training data, with ratings.
        embedding_dim: the size of vectors and tokens.
        head: `gaussian`, trained by the squared error, or `ordinal`, by the log loss.
        fusion: creates the fusion from `n_modalities` and `embedding_dim`; or the model whose item vectors are shared (`item_evidence`).
        backbone: creates the collaborative token from `spec` and `embedding_dim`. None: no such token.
        kg_encoder: creates the encoder from `graph` and `embedding_dim`. None: no entity token.
        linear: the fitted model of ratings, for the mixture.
        regularization: by the names in `REGULARIZATION`.
    """

    parts_taken = ("fusion", "backbone", "kg_encoder", "linear")
    user_idx: Int64[Tensor, " n"]
    item_idx: Int64[Tensor, " n"]
    ratings: Float[Tensor, " n"]
    n_of_users: Float[Tensor, " n_users"]
    n_of_items: Float[Tensor, " n_items"]

    table_rows = {  # noqa: RUF012
        **dict.fromkeys(("users.weight", "raters.weight", "of_users.weight"), (USERS,)),
        **dict.fromkeys(("rated.weight", "owned.weight", "of_items.weight"), (ITEMS,)),
    }

    def __init__(
        self,
        spec: DatasetSpec,
        embedding_dim: int = 32,
        head: str = "gaussian",
        fusion: MakesFusion = DEFAULT_FUSION,
        backbone: Callable[..., Backbone] | None = _BACKBONE,
        kg_encoder: Callable[..., nn.Module] | None = DEFAULT_KG_ENCODER,
        linear: RatingFactors | None = None,
        regularization: dict[str, float] = _REGULARIZATION,
    ) -> None:
        if head not in HEADS:
            raise ValueError(f"head: expected {' or '.join(HEADS)}, found {head}")
        if set(regularization) != set(REGULARIZATION):
            raise ValueError(f"regularization: expected {', '.join(REGULARIZATION)}, found {', '.join(regularization) or 'nothing'}")
        super().__init__(spec, HEADS[head], linear)
        if embedding_dim < 1:
            raise ValueError(f"embedding_dim: expected at least 1, found {embedding_dim}")
        self.vector_dropout, self.length_weight = regularization["vector"], regularization["length"]
        self.evidence = item_evidence(spec, embedding_dim, fusion, backbone, kg_encoder, regularization)
        self.users, self.raters = (embedding_table(spec.n_users, embedding_dim, _INIT_SCALE) for _ in range(2))
        self.rated, self.owned = (embedding_table(spec.n_items, embedding_dim, _INIT_SCALE) for _ in range(2))
        self.of_users, self.of_items = nn.Embedding(spec.n_users, 1), nn.Embedding(spec.n_items, 1)
        self.bias_of_content = nn.Linear(embedding_dim, 1, bias=False)
        for zero in (self.of_users, self.of_items, self.bias_of_content):
            nn.init.zeros_(zero.weight)
        self.shares = nn.Parameter(torch.full((3,), _FIRST_SHARE))
        self._register_ratings(spec)

    def _register_ratings(self, spec: DatasetSpec) -> None:
        rows = rated_rows(spec.train)
        ratings = rated_values(rows)
        self.mean = nn.Parameter(ratings.mean())
        kept = {"user_idx": rows.user_idx, "item_idx": rows.item_idx, "ratings": ratings}
        for name, idx, n in (("users", rows.user_idx, spec.n_users), ("items", rows.item_idx, spec.n_items)):
            kept[f"n_of_{name}"] = torch.bincount(idx, minlength=n).float()
        for name, values in kept.items():
            self.register_buffer(name, values, persistent=False)

    def sides(self, visible: Bool[Tensor, "n_items modalities"]) -> Sides:
        """Compute what all users and items are made from, with the visible tokens of items."""
        fused = self.evidence.encode(visible).items
        of_users = self.of_users.weight[:, 0] * (self.n_of_users > 0)
        of_items = (self.of_items.weight * (self.n_of_items > 0)[:, None] + self.bias_of_content(fused))[:, 0]
        left = (self.ratings - self.mean - of_users[self.user_idx] - of_items[self.item_idx])[:, None]
        given, received = self._messages(self.user_idx, self.item_idx, left)
        given, received = (
            part.new_zeros(len(side), part.shape[1]).index_add(0, idx, part)
            for part, side, idx in ((given, of_users, self.user_idx), (received, of_items, self.item_idx))
        )
        return Sides(fused, of_users, of_items, given, received)

    def _messages(
        self, user_idx: Int64[Tensor, " n"], item_idx: Int64[Tensor, " n"], left: Float[Tensor, "n 1"]
    ) -> tuple[Float[Tensor, "n dims"], Float[Tensor, "n dim"]]:
        """What each rating adds to the sums of its user and of its item."""
        return torch.cat([left * self.rated(item_idx), self.owned(item_idx)], dim=1), left * self.raters(user_idx)

    def _users(self, free: Tensor, given: Float[Tensor, "n dims"], counts: Float[Tensor, " n"]) -> Float[Tensor, "n dim"]:
        by_ratings, by_items = (given / (counts + _PRIOR_COUNT).sqrt()[:, None]).chunk(2, dim=1)
        return free + self.shares[1] * by_ratings + self.shares[2] * by_items

    def _items(self, fused: Tensor, received: Float[Tensor, "n dim"], counts: Float[Tensor, " n"]) -> Float[Tensor, "n dim"]:
        return fused + self.shares[0] * received / (counts + _PRIOR_COUNT).sqrt()[:, None]

    def score_ratings(self, batch: InteractionBatch, generator: torch.Generator) -> tuple[Float[Tensor, " n"], Float[Tensor, ""]]:
        assert batch.rating is not None  # the task has checked it
        user_idx, item_idx = batch.user_idx, batch.item_idx
        sides = self.sides(self.evidence.draw_visible(generator))
        base = self.mean + sides.of_users[user_idx] + sides.of_items[item_idx]
        own_given, own_received = self._messages(user_idx, item_idx, (batch.rating - base)[:, None])
        users = self._users(self.users(user_idx), sides.given[user_idx] - own_given, self.n_of_users[user_idx] - 1)
        items = self._items(sides.fused[item_idx], sides.received[item_idx] - own_received, self.n_of_items[item_idx] - 1)
        product = (F.dropout(users, self.vector_dropout) * F.dropout(items, self.vector_dropout)).sum(dim=1)
        return base + product, self.length_weight * self._size(user_idx, item_idx, items)

    def _size(self, user_idx: Int64[Tensor, " n"], item_idx: Int64[Tensor, " n"], items: Float[Tensor, "n dim"]) -> Float[Tensor, ""]:
        """The mean squared length of what predicts the rows of a batch."""
        parts = [items, *(table(user_idx) for table in (self.users, self.raters, self.of_users))]
        parts += [table(item_idx) for table in (self.rated, self.owned, self.of_items)]
        return torch.stack([part.square().sum(dim=1).mean() for part in parts]).sum()

    @torch.no_grad()
    def vectors(self, hidden: Collection[str] = ()) -> tuple[Float[Tensor, "n_users dim"], Float[Tensor, "n_items dim"]]:
        was_training = self.training
        self.eval()
        visible = visible_without(self.evidence, hidden)
        sides = self.sides(visible)
        self.train(was_training)
        users = self._users(self.users.weight * (self.n_of_users > 0)[:, None], sides.given, self.n_of_users)
        items = self._items(sides.fused, sides.received, self.n_of_items)
        users = torch.cat([users, (self.mean + sides.of_users)[:, None], torch.ones_like(sides.of_users)[:, None]], dim=1)
        items = torch.cat([items, torch.ones_like(sides.of_items)[:, None], sides.of_items[:, None]], dim=1)
        return mean_for_new(users, self.n_of_users > 0), items
