"""The lead of items by a fusion model as a differentiable function of its inputs: the modalities, or the items of the history."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from mmrec.data.interactions.histories import Histories
from mmrec.errors import ConfigError
from mmrec.explain.evidence import lead_of
from mmrec.models.fold_in import sums_of_items
from mmrec.models.multimodal.fusion import FusionRecommender
from mmrec.models.multimodal.linear_part import join_predicted
from mmrec.models.multimodal.users.user_history import EqualHistory
from mmrec.models.recommender import Parts, Recommender
from mmrec.models.unit_deviation import unit_deviation
from mmrec.types import COLLABORATIVE

Sums = Callable[[Float[Tensor, "n_items dim"]], Float[Tensor, "n_users dim"]]
"""The sum of the vectors of each user's items."""


class ScaledInputs:
    """A fusion model whose inputs are multiplied by numbers from 0 to 1.

    Scales of 1 give the scores of the model. A scale of 0 replaces the tokens of a modality by zeros, the usual baseline of integrated
    gradients, whereas `freeze(hidden=…)` masks them. The scale of `collaborative` also multiplies what else the model has learned from
    interactions: biases, the linear part and the trend. What the linear part predicts for new items from their content is not scaled.

    Args:
        model: a trained model.

    Raises:
        ConfigError: the model is not a fusion, weights histories by age, adapts users, or uses texts about users.
    """

    def __init__(self, model: Recommender) -> None:
        if not isinstance(model, FusionRecommender):
            raise ConfigError(f"integrated gradients: expected a run of model=fusion, found {type(model).__name__}")
        if model.user_modalities or not isinstance(model.history, EqualHistory):
            raise ConfigError("integrated gradients: expected model=fusion without texts about users, with time=none and few_shot=none")
        self.model = model.eval()
        with torch.no_grad():
            self.tokens = model.tokens()

        self._whole: list[_View] | None = None

    def lead_by_modality(
        self, scales: Float[Tensor, " modalities"], histories: Histories, row: Int64[Tensor, " n"], item_idx: Int64[Tensor, " n"]
    ) -> Float[Tensor, " n"]:
        """Return the lead of items.

        Args:
            scales: those of the model's modalities, in order.
            histories: the histories of the users.
            row: the history of each pair.
            item_idx: the item of each pair.
        """
        owned = histories.matrix(len(self.tokens))
        return lead_of(self._scores(self._views(scales), scales, lambda items: sums_of_items(owned, items)), row, item_idx)

    def lead_by_item(
        self, weights: Float[Tensor, " n"], history: Int64[Tensor, " n"], item_idx: Int64[Tensor, " m"]
    ) -> Float[Tensor, " m"]:
        """Return the lead of items for a user who is represented by a weighted sum of items.

        Args:
            weights: the weight of each item of the history.
            history: the items of the history.
            item_idx: the items that are scored.
        """
        ones = torch.ones(self.tokens.shape[1])
        if self._whole is None:
            with torch.no_grad():
                self._whole = self._views(ones)
        scores = self._scores(self._whole, ones, lambda items: weights[None] @ items[history])
        return lead_of(scores, torch.zeros_like(item_idx), item_idx)

    def _scores(self, views: list["_View"], scales: Float[Tensor, " modalities"], sums: Sums) -> Float[Tensor, "n_users n_items"]:
        """The scores of users who are represented by sums of items."""
        model = self.model
        kept = torch.where(self._is_content(), 0.0, scales).sum() if COLLABORATIVE in model.modalities else torch.ones(())
        linear = join_predicted(model.linear_items, model.linear_predicted, model.known_items)
        liked = [F.pad(F.normalize(sums(one.vectors), dim=1), (0, 1), value=1.0) for one in views]
        parts = Parts(
            torch.cat([unit_deviation(one.items)(users) for one, users in zip(views, liked, strict=True)], dim=1),
            torch.cat([one.items * one.is_scored[:, None] for one in views], dim=1),
            linear.users(sums(model.linear_of_items)),
            linear.items * torch.where(model.known_items, kept, 1.0)[:, None],
            model.trend * kept,
            torch.ones(len(liked[0]), dtype=torch.bool),
            model.known_items,
            torch.zeros(len(self.tokens), 0),
        )
        scorer = parts.mix(model.weights)
        return scorer.users @ scorer.items.T

    def _views(self, scales: Float[Tensor, " modalities"]) -> list["_View"]:
        """The items by the open tokens; or the known ones, and the new ones by content alone."""
        model, known, content = self.model, self.model.known_items, self._is_content()
        if model.sees_new_by_content and (model.present & content)[~known].any():
            return [self._view(scales, model.open[0], known), self._view(scales, model.open[1] & content, ~known)]
        return [self._view(scales, model.open[(~known).long()], torch.ones_like(known))]

    def _view(
        self, scales: Float[Tensor, " modalities"], visible: Bool[Tensor, "*n_items modalities"], is_scored: Bool[Tensor, " n_items"]
    ) -> "_View":
        model, tokens, present = self.model, self.tokens * scales[:, None], self.model.present & visible
        with _differentiable_attention():
            vectors, _ = model.fusion(tokens, present)
        bias = model.content_bias(vectors).squeeze(1)
        if model.bias is not None:
            vectors = vectors + tokens[:, 0] * present[:, :1]
            bias = bias + model.bias * scales[0] * present[:, 0]
        return _View(vectors, torch.cat([F.normalize(vectors, dim=1), bias[:, None]], dim=1), is_scored)

    def _is_content(self) -> Bool[Tensor, " modalities"]:
        return torch.tensor([name != COLLABORATIVE for name in self.model.modalities])


@contextmanager
def _differentiable_attention() -> Iterator[None]:
    """Compute attention by kernels that have derivatives in forward mode, too, which the fastest ones lack."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


class _View(NamedTuple):
    """Items as represented by a part of the evidence."""

    vectors: Float[Tensor, "n_items dim"]
    items: Float[Tensor, "n_items dim_plus_1"]
    """Unit vectors, with the bias."""
    is_scored: Bool[Tensor, " n_items"]
