"""MultiFusion: one vector of every item, fused from all evidence, and a head for each of several tasks."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, cast

from torch import Tensor, nn

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.errors import ConfigError, nearest
from mmrec.models.click.click_fusion import ClickFusion
from mmrec.models.multimodal.fusion import DEFAULT_FUSION, DEFAULT_KG_ENCODER, FusionRecommender
from mmrec.models.priors.linear import LinearFactors
from mmrec.models.rating.rating_fusion import RatingFusion
from mmrec.models.recommender import GradientRecommender, TrainedScorer, TrainScores
from mmrec.models.search.search_fusion import SearchFusion, spec_of_people
from mmrec.models.sequence.sequence_fusion import SequenceFusion
from mmrec.nn.backbones.backbone import Backbone
from mmrec.nn.backbones.lightgcn import LightGCN
from mmrec.nn.fusion.fusion import Fusion
from mmrec.types import DatasetSpec

SEVERAL = "what several tasks measure"
"""As `Recommender.predicts`."""
RANKING, SEARCH, RATING, CLICK, NEXT_ITEM = "ranking", "search", "rating", "click", "next_item"
NAMES = (RANKING, SEARCH, RATING, CLICK, NEXT_ITEM)
"""The tasks that have a head."""
ITEMS = "items"
_KINDS: Mapping[str, type[GradientRecommender]] = {
    SEARCH: SearchFusion,
    RATING: RatingFusion,
    CLICK: ClickFusion,
    NEXT_ITEM: SequenceFusion,
}
HEADS: dict[str, dict[str, Any]] = {
    ITEMS: {"modality": 0.2, "feature": 0.2, "history": 0.5, "collaborative": None},
    SEARCH: {"query": 0.2},
    RATING: {"head": "gaussian", "vector": 0.3, "length": 0.02},
    CLICK: {"vector": 0.0, "length": 0.008},
    NEXT_ITEM: {"objective": "softmax"},
}
"""What the heads take beside the items, see `MultiFusion`."""
_BACKBONE = partial(LightGCN, n_layers=2, init_scale=0.1)


class MultiFusion(GradientRecommender):
    """Fuses the evidence of items once for several tasks, as `FusionRecommender` does, and has a head for each of them.

    The heads are those of the models of the single tasks: a user's history with a linear model and a trend for `ranking`; queries for
    `search` (`SearchFusion`); vectors and biases of users for `rating` and `click` (`RatingFusion`, `ClickFusion`); and a transformer over
    the history for `next_item` (`SequenceFusion`). All of them read the same item vectors.

    Args:
        spec: the training data of the first task, with those of all in `spec.tasks`, by name; without these, it is `ranking` alone.
        embedding_dim: the size of vectors and tokens.
        fusion: creates the fusion from `n_modalities` and `embedding_dim`.
        backbone: creates the collaborative token. None: no such token.
        kg_encoder: creates the encoder from `graph` and `embedding_dim`. None: no entity token.
        linear: the fitted linear model, for initialisation and the mixture of `ranking`.
        trend: the recent popularity of items, for `ranking`.
        heads: `items` has what is hidden of items in training, as `FusionRecommender.dropout`; and each task what its head takes: `query`,
            the fraction of queries that is hidden; `vector` and `length`, the regularization of ratings or clicks, and `head`, the
            distribution of ratings; `objective` and `transformer` of the next item.

    Raises:
        LackingData: the data lack what a head needs.
    """

    predicts: ClassVar[str] = SEVERAL
    is_history_based = True
    parts_taken = ("fusion", "backbone", "kg_encoder", "linear", "trend")

    def __init__(
        self,
        spec: DatasetSpec,
        embedding_dim: int = 64,
        fusion: Callable[..., Fusion] = DEFAULT_FUSION,
        backbone: Callable[..., Backbone] | None = _BACKBONE,
        kg_encoder: Callable[..., nn.Module] | None = DEFAULT_KG_ENCODER,
        linear: LinearFactors | None = None,
        trend: Tensor | None = None,
        heads: dict[str, dict[str, Any]] = HEADS,
    ) -> None:
        super().__init__(spec)
        specs = spec.tasks or {RANKING: spec}
        self.names = tuple(specs)
        for name in (*self.names, *heads):
            if name not in (*NAMES, ITEMS):
                raise ConfigError(f"model.heads.{name}: there is no such task; {nearest(name, NAMES)}")
        given = {name: heads.get(name, HEADS.get(name, {})) for name in (ITEMS, *self.names)}
        people = spec if self.lead != SEARCH else spec_of_people(spec)
        self.evidence = FusionRecommender(people, embedding_dim, fusion, backbone, kg_encoder, linear, trend, given[ITEMS])
        self.modalities = self.evidence.modalities
        others = {name: self._make_head(name, specs[name], embedding_dim, given[name]) for name in self.names if name != RANKING}
        self.heads = nn.ModuleDict(others)
        self.register_state_dict_post_hook(_drop_repeated)
        self.register_load_state_dict_pre_hook(_repeat)

    def _make_head(self, name: str, spec: DatasetSpec, embedding_dim: int, given: dict[str, Any]) -> GradientRecommender:
        """Return the model of a single task with the shared items."""
        hidden = {"modality": 0.0, "feature": 0.0}  # those of the shared items count
        inside: dict[str, Any] = {"embedding_dim": embedding_dim, "fusion": self.evidence}
        if name == SEARCH:
            inside["hidden"] = hidden | given
        elif name == NEXT_ITEM:
            inside |= {"dropout": hidden} | given
        else:
            own = {key: given[key] for key in ("vector", "length")}
            inside |= {"regularization": hidden | own} | {key: value for key, value in given.items() if key not in own}
        make: Callable[..., GradientRecommender] = _KINDS[name]
        return make(spec, **inside)

    @property
    def lead(self) -> str:
        """The task whose users the model recommends to: the first that is not search, if there is one."""
        return next((name for name in self.names if name != SEARCH), SEARCH)

    @property
    def present(self) -> Tensor:
        """Which tokens each item has, in the order of `modalities`."""
        return self.evidence.present

    def head(self, name: str) -> GradientRecommender:
        """Return the model that answers one task, whose items are shared."""
        return self.evidence if name == RANKING else cast("GradientRecommender", self.heads[name])

    def score_batch(self, batch: TrainBatch, generator: Any) -> TrainScores:
        raise TypeError("MultiFusion learns several tasks at once, each from batches of its own; use task=multi")

    def freeze(self, hidden: Collection[str] = ()) -> TrainedScorer:
        return self.head(self.lead).freeze(hidden)


_SHARED = "evidence."


def _drop_repeated(model: nn.Module, state: dict[str, Any], prefix: str, _: dict[str, Any]) -> None:
    """Leave the shared items, which are a part of every head, in the state once."""
    for name in [name for name in state if _is_repeated(name, prefix)]:
        del state[name]


def _repeat(model: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """Add the shared items for every head again, so that none of them is missing."""
    shared = {name: value for name, value in state.items() if name.startswith(prefix + _SHARED)}
    for head in cast("MultiFusion", model).heads:
        state |= {f"{prefix}heads.{head}.{name.removeprefix(prefix)}": value for name, value in shared.items()}


def _is_repeated(name: str, prefix: str) -> bool:
    inside = name.removeprefix(f"{prefix}heads.")
    return inside != name and inside.partition(".")[2].startswith(_SHARED)


def spec_with_tasks(specs: Mapping[str, DatasetSpec]) -> DatasetSpec:
    """Return the specification for `MultiFusion` of the tasks with these, of which the first that is not search leads."""
    lead = next((name for name in specs if name != SEARCH), SEARCH)
    return replace(specs[lead], tasks=dict(specs))
