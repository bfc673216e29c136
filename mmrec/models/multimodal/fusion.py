"""The fusion recommender: evidence becomes modality tokens, which are fused into one vector per item; users are sums of their items."""

from collections.abc import Callable, Collection, Mapping
from functools import partial
from types import MappingProxyType
from typing import NamedTuple, cast

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.data.interactions.histories import Histories
from mmrec.errors import ConfigError
from mmrec.models.fold_in import FoldInByRegression, mean_for_new, sums_of_items
from mmrec.models.multimodal.item_bias import scaled_log_popularity
from mmrec.models.multimodal.linear_part import join_predicted
from mmrec.models.multimodal.users.decayed_history import DecayedHistory
from mmrec.models.multimodal.users.history_scores import score_with_history as score_with_history
from mmrec.models.multimodal.users.user_history import EqualHistory, UserHistory, known_users
from mmrec.models.multimodal.users.user_part import UserPart
from mmrec.models.priors.linear import LinearFactors
from mmrec.models.priors.new_items import Predicted
from mmrec.models.recommender import OPTIONAL, Closed, FrozenScorer, MixedRecommender, Parts, TrainScores, Weights
from mmrec.models.time.interest_decay import Decay
from mmrec.models.unit_deviation import unit_deviation
from mmrec.nn.backbones.backbone import Backbone
from mmrec.nn.backbones.lightgcn import LightGCN
from mmrec.nn.encoders.knowledge import CompGCNEncoder
from mmrec.nn.encoders.tuned import TunedEncoder
from mmrec.nn.fusion.attention import AttentionFusion
from mmrec.nn.fusion.fusion import Fusion
from mmrec.nn.item_features import standardize
from mmrec.nn.look_up import rows_of
from mmrec.nn.table_rows import ITEMS
from mmrec.types import COLLABORATIVE, IMAGE, KG, TEXT, USER_TEXT, DatasetSpec

DROPOUT = ("modality", "feature", "history", "collaborative")
"""What is hidden in training: fractions of tokens, of the numbers of frozen features, and of a user's history; and the fraction of steps
in which all collaborative tokens are hidden (None: chosen by the fraction of new items)."""
_SHARES: dict[str, float | None] = {"modality": 0.2, "feature": 0.2, "history": 0.5, "collaborative": None}
_SHARE_OF_NEW, _COLLABORATIVE_DROPOUT = 0.1, 0.5
"""The fraction of new items from which on collaborative tokens are hidden, and in how many steps; below, it would harm known items more."""
DEFAULT_FUSION = partial(AttentionFusion, n_layers=1, n_heads=4, dropout=0.0)
_BACKBONE = partial(LightGCN, n_layers=2, init_scale=0.1)
DEFAULT_KG_ENCODER = partial(CompGCNEncoder, n_layers=1, dropout=0.1)


class Encoded(NamedTuple):
    """The vectors and biases of all items, or of selected ones, and the mass of each modality in each item."""

    items: Float[Tensor, "n_items dim"]
    bias: Float[Tensor, " n_items"]
    attention: Float[Tensor, "n_items modalities"]


class FusionRecommender(MixedRecommender):
    """Multimodal recommender: fused item vectors, users as sums of their items, mixed with a linear model and a popularity trend.

    The fused score is `cos(h, i) + b_i`. `i` is fused from the item's modality tokens. `h = Σ_j i_j / √n` over the user's n training items
    represents the user in terms of all modalities; users have no free vectors, which would overfit with few interactions each. `b_i` is the
    sum of a free bias, initialised with popularity and used for items with a collaborative vector, and of a linear function of the fused
    vector, which estimates the popularity of new items from content.

    In training, the scored item is left out of the history (as in FISM, Kabbur et al. 2013, eq. 6, since every positive would otherwise
    contain itself), and a fraction of the history is dropped (`dropout.history`, as in denoising autoencoders, Wu et al. 2016).

    The tokens of an item are, in order: its collaborative vector (present if it has training interactions), a linear projection of each
    frozen feature (present if the item has the modality), and the vector of its entity (present if it is aligned). The collaborative token
    is added to the output of the fusion, so that the fusion learns a residual from content. A new item lacks the first token. Therefore
    tokens are hidden at random in training (`dropout.modality`, as in DropoutNet, Volkovs et al. 2017). If at least a tenth of the items
    are new, all collaborative tokens are hidden in half of the steps (`dropout.collaborative`), because new items are compared with the
    content of the user's items.

    The collaborative vectors are initialised from `linear`. After training, scores are a mixture of the fused scores, the linear scores and
    `trend`, the recent popularity, with weights chosen on the validation part (`Weights`). Users without training interactions are
    represented by the average user.

    With texts about users (`spec.user_texts`), a linear projection of the user's text is added to `h`; an item is predicted from the text
    that does not name it. Of users given by histories, the projection is predicted by ridge regression.

    New items are represented by content alone, and are compared with users represented by the content of their items. Their linear vectors
    are predicted from content by ridge regression (`mmrec.models.priors.new_items`).

    A training step fuses only the items in its batch (`TrainBatch.distinct`), whereas graph propagation includes all nodes. Modalities that
    reduce the validation metric are closed: their tokens are left out for known items, or for new items and the users compared with them.
    Without a backbone (the ablation `no_collaborative`), interactions determine the user's history, but items are represented by content
    only.

    Args:
        spec: the training data.
        embedding_dim: the size of tokens and vectors.
        fusion: creates the fusion from `n_modalities` and `embedding_dim`.
        backbone: creates the backbone from `spec` and `embedding_dim`. None: no collaborative token.
        kg_encoder: creates the encoder from `graph` and `embedding_dim`. None: no entity token.
        linear: the fitted linear model, for initialisation and the mixture.
        trend: the recent popularity of items.
        dropout: the fractions hidden in training, by the names in `DROPOUT`.
    """

    is_history_based = True
    ranks_new_items = True
    user_texts = OPTIONAL
    tuned_modalities = (TEXT, IMAGE)
    parts_taken = ("fusion", "backbone", "kg_encoder", "linear", "trend", "time", "few_shot")
    table_rows = {"bias": (ITEMS,)}  # noqa: RUF012
    later_state = {"open": True, "mixture_of_new": 0.0, "sees_new_by_content": False}  # noqa: RUF012
    linear_users: Float[Tensor, "n_users rank"]
    linear_items: Float[Tensor, "n_items rank"]
    linear_of_items: Float[Tensor, "n_items rank"]
    linear_predicted: Float[Tensor, "n_items rank_or_0"]
    trend: Float[Tensor, " n_items"]
    mixture: Float[Tensor, " n_weights"]
    mixture_of_new: Float[Tensor, ""]
    open: Bool[Tensor, "2 modalities"]
    sees_new_by_content: Bool[Tensor, ""]
    item_entity: Int64[Tensor, " n_items"]
    encode_all: Callable[[Tensor], Encoded] | None = None
    """Encodes all items by the tokens that are visible, instead of `encode`."""
    present: Bool[Tensor, "n_items modalities"]

    def __init__(
        self,
        spec: DatasetSpec,
        embedding_dim: int = 64,
        fusion: Callable[..., Fusion] = DEFAULT_FUSION,
        backbone: Callable[..., Backbone] | None = _BACKBONE,
        kg_encoder: Callable[..., nn.Module] | None = DEFAULT_KG_ENCODER,
        linear: LinearFactors | None = None,
        trend: Tensor | None = None,
        dropout: dict[str, float | None] = _SHARES,
    ) -> None:
        super().__init__(spec)
        if embedding_dim < 1:
            raise ValueError(f"embedding_dim: expected at least 1, found {embedding_dim}")
        dropout = {"collaborative": 0.0, **dropout}  # missing in earlier configurations
        if set(dropout) != set(DROPOUT):
            raise ValueError(f"dropout: expected {', '.join(DROPOUT)}, found {', '.join(dropout) or 'nothing'}")
        self.embedding_dim = embedding_dim
        is_for_new = float((~self.known_items).float().mean()) >= _SHARE_OF_NEW
        self.collaborative_dropout = _share(dropout, "collaborative", _COLLABORATIVE_DROPOUT if is_for_new else 0.0)
        self.modality_dropout, feature, self.history_dropout = (_share(dropout, name) for name in DROPOUT[:3])
        self.backbone = backbone(spec=spec, embedding_dim=embedding_dim) if backbone else None
        if self.backbone and linear is not None:
            self.backbone.start_from(linear.users, linear.items)
        self.kg_encoder = kg_encoder(graph=spec.graph, embedding_dim=embedding_dim) if kg_encoder and spec.graph else None
        self.projections = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Dropout(feature), nn.Linear(features.values.shape[1], embedding_dim))
                for name, features in spec.features.items()
            }
        )
        self.user_part = None if spec.user_texts is None else UserPart(spec, spec.user_texts, embedding_dim, feature)
        self.user_modalities = () if spec.user_texts is None else (USER_TEXT,)
        self.history: UserHistory = EqualHistory(spec)
        self.bias = nn.Parameter(scaled_log_popularity(spec)) if backbone else None
        self.content_bias = nn.Linear(embedding_dim, 1, bias=False)
        nn.init.zeros_(self.content_bias.weight)
        none = torch.zeros(spec.n_items, 0)
        users, items, of_items = linear or LinearFactors(torch.zeros(spec.n_users, 0), none, none)
        for name, vectors in (("users", users), ("items", items), ("of_items", of_items)):
            self.register_buffer(f"linear_{name}", vectors, persistent=False)
        self.predicted = Predicted(spec, items)
        self.register_buffer("linear_predicted", self.predicted.without(()), persistent=False)
        self.register_buffer("trend", torch.zeros(spec.n_items) if trend is None else trend, persistent=False)
        self.register_buffer("mixture", torch.tensor(Weights()[:-1]))
        self.register_buffer("mixture_of_new", torch.tensor(Weights().linear_of_new))
        self.modalities = self._register_evidence(spec)
        self.register_buffer("open", torch.ones(2, len(self.modalities), dtype=torch.bool))
        self.register_buffer("sees_new_by_content", torch.tensor(True))
        self.fusion = fusion(n_modalities=len(self.modalities), embedding_dim=embedding_dim)
        self.encoders = nn.ModuleDict()

    def tune_encoders(self, encoders: Mapping[str, TunedEncoder]) -> None:
        """Use the vectors of these encoders, trained with the model, instead of the frozen features of their modalities."""
        self.encoders = nn.ModuleDict(encoders)

    def weigh_history(self, spec: DatasetSpec, decay: Decay) -> None:
        """Weight the items of histories by age, instead of equally."""
        self.history = DecayedHistory(spec, decay)

    def freeze_at(self, at_s: int) -> FrozenScorer:
        """As `freeze`, for requests at a time in seconds UTC: later interactions are left out, ages are relative to it.

        Raises ConfigError if histories have no ages, or no interaction is from before this time.
        """
        if not isinstance(self.history, DecayedHistory):
            raise ConfigError("at: the model was trained with time=none, so its scores do not depend on the time; train with time=decay")
        with self.history.request_at(at_s):
            return self.freeze()

    def _register_evidence(self, spec: DatasetSpec) -> tuple[str, ...]:
        """Register features, entities and presence as buffers outside of checkpoints, and return the names of the tokens in order."""
        present: dict[str, Tensor] = {}
        if self.backbone:
            present[COLLABORATIVE] = self.known_items
        for name, features in spec.features.items():
            self.register_buffer(f"features_{name}", standardize(features.values, features.present), persistent=False)
            present[name] = features.present
        if self.kg_encoder and spec.graph:
            self.register_buffer("item_entity", spec.graph.item_entity.clamp(min=0), persistent=False)
            present[KG] = spec.graph.item_entity >= 0
        if not present:
            raise ValueError("no evidence is left: an item needs at least one of collaborative, text, image, kg")
        self.register_buffer("present", torch.stack(list(present.values()), dim=1), persistent=False)
        return tuple(present)

    def tokens(
        self, item_idx: Int64[Tensor, " n"] | None = None, encoded: Mapping[str, Tensor] = MappingProxyType({})
    ) -> Float[Tensor, "n modalities dim"]:
        """The tokens of the given items, or of all, in the order of `modalities`; absent tokens have arbitrary values.

        In training, `encoded` has the vectors of the items by encoders that are trained.
        """
        tokens = [rows_of(self.backbone.items(), item_idx)] if self.backbone else []
        for name, projection in self.projections.items():
            tokens.append(projection(encoded[name] if name in encoded else self._features(name, item_idx)))
        if self.kg_encoder:
            tokens.append(rows_of(self.kg_encoder(), rows_of(self.item_entity, item_idx)))
        return torch.stack([token.float() for token in tokens], dim=1)

    def _features(self, name: str, item_idx: Int64[Tensor, " n"] | None) -> Float[Tensor, "n dim"]:
        if name not in self.encoders:
            return rows_of(getattr(self, f"features_{name}"), item_idx)
        return rows_of(cast("TunedEncoder", self.encoders[name]).catalogue()[: len(self.known_items)], item_idx)

    def _train_encoders(self, batch: TrainBatch, generator: torch.Generator) -> dict[str, Tensor]:
        """The vectors of the items of a batch, or of those that the generator selects, and of the texts about its users."""
        found = {}
        for name, encoder in cast("dict[str, TunedEncoder]", dict(self.encoders.items())).items():
            if name == TEXT and self.user_part is not None and encoder.n_catalogue > len(self.known_items):
                vectors = self.user_part.vectors
                rows = vectors.folds(batch.user_idx).flatten()
                found[name], found[USER_TEXT] = vectors.encode(encoder, batch.distinct, rows, self.known_items, generator)
            else:
                found[name] = encoder(batch.distinct, self.known_items, generator)
        return found

    def encode(
        self,
        visible: Bool[Tensor, "n_items modalities"] | None = None,
        item_idx: Int64[Tensor, " n"] | None = None,
        encoded: Mapping[str, Tensor] = MappingProxyType({}),
    ) -> Encoded:
        """Encode the given distinct items, or the whole catalogue, from their present tokens, restricted to `visible` ones if given."""
        tokens = self.tokens(item_idx, encoded)
        present = rows_of(self.present if visible is None else self.present & visible, item_idx)
        items, attention = self.fusion(tokens, present)
        bias = self.content_bias(items).squeeze(1)
        if self.bias is not None:  # there is a backbone token
            items = items + tokens[:, 0] * present[:, :1]
            bias = bias + rows_of(self.bias, item_idx) * present[:, 0]
        return Encoded(items, bias, attention)

    def draw_visible(self, generator: torch.Generator) -> Bool[Tensor, "n_items modalities"]:
        """Sample the tokens visible in a training step: each stays with probability 1 - `modality_dropout`, or all if none would stay.

        In a fraction `collaborative_dropout` of steps, the collaborative tokens of all items with content are hidden. Sampled for the whole
        catalogue on the CPU, and therefore equal on every device and in every process.
        """
        present = self.present
        if self.collaborative_dropout > 0 and float(torch.rand((), generator=generator)) < self.collaborative_dropout:
            content = present & self._is_content()
            present = torch.where(content.any(dim=1, keepdim=True), content, present)
        noise = torch.rand(present.shape, generator=generator, pin_memory=present.is_cuda)
        kept = present & (noise.to(present.device, non_blocking=True) >= self.modality_dropout)
        return torch.where(kept.any(dim=1, keepdim=True), kept, present)

    def _is_content(self) -> Bool[Tensor, " modalities"]:
        return torch.tensor([name != COLLABORATIVE for name in self.modalities], device=self.present.device)

    def score_batch(self, batch: TrainBatch, generator: torch.Generator) -> TrainScores:
        visible, trained = self.draw_visible(generator), self._train_encoders(batch, generator)
        encoded = self.encode(visible, batch.distinct, trained)
        positive, negative, row, user = self.history.score(encoded.items, encoded.bias.float(), batch, self.history_dropout)
        if self.user_part is not None:
            of_positive, of_negative = self.user_part.scores(batch, encoded.items, trained.get(USER_TEXT))
            positive, negative = positive + of_positive, negative + (of_negative if user is None else of_negative[user])
        return TrainScores(positive, negative, positive.new_zeros(()), row, user)

    @property
    def weights(self) -> Weights:
        return Weights(*self.mixture.tolist())._replace(linear_of_new=self.mixture_of_new.item())

    @weights.setter
    def weights(self, weights: Weights) -> None:
        self.mixture.copy_(torch.tensor(weights[:-1]))
        self.mixture_of_new.fill_(weights.linear_of_new)

    @property
    def closable(self) -> tuple[Closed, ...]:
        """Each modality of known items, and each content modality of new items."""
        kinds = ((False, self.known_items), (True, ~self.known_items))
        has = {of_new: self.present[of_kind].any(dim=0).tolist() for of_new, of_kind in kinds}
        return tuple(Closed(self.modalities[at], of_new) for of_new, there in has.items() for at, any_has in enumerate(there) if any_has)

    @property
    def closed(self) -> frozenset[Closed]:
        return frozenset(Closed(self.modalities[column], bool(row)) for row, column in (~self.open).nonzero().tolist())

    @closed.setter
    def closed(self, closed: frozenset[Closed]) -> None:
        self.open.copy_(self._open_without(closed))

    def _open_without(self, closed: frozenset[Closed]) -> Bool[Tensor, "2 modalities"]:
        is_open = [[Closed(name, of_new) not in closed for name in self.modalities] for of_new in (False, True)]
        return torch.tensor(is_open, device=self.open.device)

    def freeze(self, hidden: Collection[str] = ()) -> FrozenScorer:
        return self.parts(hidden).mix(self.weights)

    @torch.no_grad()
    def parts(self, hidden: Collection[str] = (), closed: frozenset[Closed] | None = None) -> Parts:
        """Without the tokens of modalities in `hidden`; if the collaborative one is hidden, so are linear scores and trend."""
        self.eval()
        is_open = self.open if closed is None else self._open_without(closed)
        visible = is_open & torch.tensor([name not in hidden for name in self.modalities], device=self.present.device)
        views = self._views(visible, None if USER_TEXT in hidden else self._told())
        kept, owned = float(COLLABORATIVE not in hidden), self.history.owned()
        linear = join_predicted(self.linear_items, self._predicted(hidden), self.known_items)

        def fold_in(histories: Histories) -> tuple[Tensor, Tensor]:
            owned = histories.matrix(len(self.known_items))
            fused = torch.cat([view.fold_in(histories) for view in views], dim=1)
            return fused, linear.users(sums_of_items(owned, self.linear_of_items))

        return Parts(
            torch.cat([view.users for view in views], dim=1),
            torch.cat([view.items for view in views], dim=1),
            linear.users(self.linear_users if owned is None else sums_of_items(owned, self.linear_of_items)),
            linear.items * kept,
            self.trend * kept,
            known_users(self.history, self.known_users),
            self.known_items,
            torch.stack([view.attention for view in views]).sum(dim=0),
            fold_in,
        )

    def _told(self) -> Float[Tensor, "n_users dim"] | None:
        """What the texts about users add to their vectors."""
        if self.user_part is None:
            return None
        encoder, n_items = cast("TunedEncoder | None", dict(self.encoders.items()).get(TEXT)), len(self.known_items)
        is_tuned = encoder is not None and encoder.n_catalogue > n_items
        return self.user_part.of_users(encoder.catalogue()[n_items:] if encoder is not None and is_tuned else None)

    def _views(self, visible: Bool[Tensor, "2 modalities"], told: Float[Tensor, "n_users dim"] | None) -> list["_View"]:
        """One view of all items with all visible tokens; or one of known items, and one of new items by content alone."""
        is_content = self._is_content()
        has_content = (self.present & is_content)[~self.known_items].any()
        if not (self.sees_new_by_content and has_content):
            return [self._view(visible[(~self.known_items).long()], torch.ones_like(self.known_items), told)]
        return [self._view(visible[0], self.known_items, told), self._view(visible[1] & is_content, ~self.known_items, told)]

    def _view(
        self, visible: Bool[Tensor, "*n_items modalities"], scored: Bool[Tensor, " n_items"], told: Float[Tensor, "n_users dim"] | None
    ) -> "_View":
        """Users and items represented by visible tokens; items that are not `scored` get zero vectors."""
        encoded = (self.encode_all or self.encode)(visible.expand_as(self.present))
        vectors = encoded.items.float()
        known = known_users(self.history, self.known_users)
        with torch.autocast(vectors.device.type, enabled=False):  # CSR products have no bfloat16 kernel on the CPU
            liked = mean_for_new(self.history.users(vectors), known)
        items, average = torch.cat([F.normalize(vectors, dim=1), encoded.bias.float()[:, None]], dim=1), liked[known].mean(dim=0)
        predict = None if told is None else FoldInByRegression(told, vectors, self.train_interactions)
        scale = unit_deviation(items)

        def to_score(liked: Tensor) -> Tensor:
            """Append a 1 for the items' bias to user vectors, and scale them to unit deviation of their scores."""
            return scale(F.pad(liked, (0, 1), value=1.0))

        def fold_in(histories: Histories) -> Tensor:
            theirs = torch.where(histories.n_events[:, None] > 0, self.history.of(histories, vectors), average)
            return to_score(theirs if predict is None else theirs + predict(histories))

        of_scored, liked = scored[:, None].float(), liked if told is None else liked + told
        return _View(to_score(liked), items * of_scored, encoded.attention.float() * of_scored, fold_in)

    def _predicted(self, hidden: Collection[str]) -> Float[Tensor, "n_items rank_or_0"]:
        if all(name == COLLABORATIVE for name in hidden):
            return self.linear_predicted
        return self.predicted.without(hidden).to(self.linear_items.device)


def _share(dropout: dict[str, float | None], name: str, if_none: float | None = None) -> float:
    """A fraction hidden in training. Raises ValueError if it is out of range."""
    share = if_none if dropout[name] is None else dropout[name]
    if share is None or not 0 <= share < 1:
        raise ValueError(f"dropout.{name}: expected a share from 0 up to, not including, 1, found {dropout[name]}")
    return share


class _View(NamedTuple):
    """Users and items as represented by a part of the evidence."""

    users: Float[Tensor, "n_users dim_plus_1"]
    items: Float[Tensor, "n_items dim_plus_1"]
    attention: Float[Tensor, "n_items modalities"]
    fold_in: Callable[[Histories], Tensor]
