"""The fusion model of clicks: biases plus the product of a user's vector with the fused vector of an item."""

from collections.abc import Callable, Collection
from functools import partial

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mmrec.data.batches.interaction_batches import InteractionBatch
from mmrec.models.click.predictor import ClickFactors, ClickRecommender, clicked_of, labelled_rows
from mmrec.models.fold_in import mean_for_new
from mmrec.models.multimodal.fusion import DEFAULT_FUSION, DEFAULT_KG_ENCODER
from mmrec.models.multimodal.item_evidence import MakesFusion, item_evidence, visible_without
from mmrec.nn.backbones.backbone import Backbone, embedding_table
from mmrec.nn.backbones.item_table import ItemTable
from mmrec.nn.table_rows import ITEMS, USERS
from mmrec.types import DatasetSpec

REGULARIZATION = ("modality", "feature", "vector", "length")
"""The fractions hidden in training of tokens, of the numbers of frozen features, and of the numbers of user and item vectors; and the
weight of the squared lengths of the vectors and biases that predict the rows of a batch."""
_REGULARIZATION = {"modality": 0.05, "feature": 0.05, "vector": 0.0, "length": 0.008}
_BACKBONE = partial(ItemTable, init_scale=0.1)
_INIT_SCALE = 0.1


class ClickFusion(ClickRecommender):
    """Predicts the log odds of a click `μ + b_u + b_i + p_u·v_i + e(position)`, where v_i is fused from all evidence of an item.

    `v_i` is the vector of `FusionRecommender`: an attention over the modality tokens of the item, so that a new item has a place. `b_i` is
    the sum of a free bias and of a linear function of `v_i`, which estimates that of new items. `e` is learned for every position, so that
    items that stood higher do not seem better than they are; scores leave it out, see `mmrec.nn.heads.click`.

    The score is mixed with that of `linear`, a model of clicks that is fitted before, with a weight that validation chooses.

    Users and items without training impressions have no free vectors and biases: they are the average user, and what their content says.

    Args:
        spec: the training data, with labels.
        embedding_dim: the size of vectors and tokens.
        fusion: creates the fusion from `n_modalities` and `embedding_dim`; or the model whose item vectors are shared (`item_evidence`).
        backbone: creates the collaborative token from `spec` and `embedding_dim`. None: no such token.
        kg_encoder: creates the encoder from `graph` and `embedding_dim`. None: no entity token.
        linear: the fitted model of clicks, for the mixture.
        regularization: by the names in `REGULARIZATION`.
    """

    parts_taken = ("fusion", "backbone", "kg_encoder", "linear")
    seen_users: Bool[Tensor, " n_users"]
    seen_items: Bool[Tensor, " n_items"]

    table_rows = {"users.weight": (USERS,), "of_users.weight": (USERS,), "of_items.weight": (ITEMS,)}  # noqa: RUF012

    def __init__(
        self,
        spec: DatasetSpec,
        embedding_dim: int = 32,
        fusion: MakesFusion = DEFAULT_FUSION,
        backbone: Callable[..., Backbone] | None = _BACKBONE,
        kg_encoder: Callable[..., nn.Module] | None = DEFAULT_KG_ENCODER,
        linear: ClickFactors | None = None,
        regularization: dict[str, float] = _REGULARIZATION,
    ) -> None:
        if set(regularization) != set(REGULARIZATION):
            raise ValueError(f"regularization: expected {', '.join(REGULARIZATION)}, found {', '.join(regularization) or 'nothing'}")
        super().__init__(spec, linear)
        if embedding_dim < 1:
            raise ValueError(f"embedding_dim: expected at least 1, found {embedding_dim}")
        self.vector_dropout, self.length_weight = regularization["vector"], regularization["length"]
        self.evidence = item_evidence(spec, embedding_dim, fusion, backbone, kg_encoder, regularization)
        self.users = embedding_table(spec.n_users, embedding_dim, _INIT_SCALE)
        self.of_users, self.of_items = nn.Embedding(spec.n_users, 1), nn.Embedding(spec.n_items, 1)
        self.bias_of_content = nn.Linear(embedding_dim, 1, bias=False)
        for zero in (self.of_users, self.of_items, self.bias_of_content):
            nn.init.zeros_(zero.weight)
        rows = labelled_rows(spec.train)
        self.mean = nn.Parameter(torch.logit(clicked_of(rows).float().mean()))
        for name, idx, n in (("users", rows.user_idx, spec.n_users), ("items", rows.item_idx, spec.n_items)):
            self.register_buffer(f"seen_{name}", torch.bincount(idx, minlength=n) > 0, persistent=False)

    def score_clicks(self, batch: InteractionBatch, generator: torch.Generator) -> tuple[Float[Tensor, " n"], Float[Tensor, ""]]:
        fused = self.evidence.encode(self.evidence.draw_visible(generator)).items
        users, items = self.users(batch.user_idx), F.embedding(batch.item_idx, fused)
        of_users, of_items = self.of_users(batch.user_idx), self.of_items(batch.item_idx)
        product = (F.dropout(users, self.vector_dropout) * F.dropout(items, self.vector_dropout)).sum(dim=1)
        scores = self.mean + (of_users + of_items + self.bias_of_content(items))[:, 0] + product
        sizes = [part.square().sum(dim=1).mean() for part in (users, items, of_users, of_items)]
        return scores, self.length_weight * torch.stack(sizes).sum()

    @torch.no_grad()
    def vectors(self, hidden: Collection[str] = ()) -> tuple[Float[Tensor, "n_users dim"], Float[Tensor, "n_items dim"]]:
        was_training = self.training
        self.eval()
        visible = visible_without(self.evidence, hidden)
        fused = self.evidence.encode(visible).items
        self.train(was_training)
        of_items = self.of_items.weight * self.seen_items[:, None] + self.bias_of_content(fused)
        users = torch.cat([self.users.weight, self.mean + self.of_users.weight, torch.ones_like(self.of_users.weight)], dim=1)
        return mean_for_new(users, self.seen_users), torch.cat([fused, torch.ones_like(of_items), of_items], dim=1)
