"""Auxiliary losses of the fusion model, which are added to that of the task: link prediction and contrast between modalities.

Both read what the model computes in a training step anyway: the embeddings of entities, and the tokens of the items of the step.
"""

from dataclasses import dataclass
from itertools import combinations
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mmrec.errors import ConfigError
from mmrec.losses import contrastive_loss
from mmrec.models.multimodal.fusion import FusionRecommender
from mmrec.models.recommender import Recommender
from mmrec.nn.link_prediction import link_prediction_loss, sample_triples
from mmrec.types import Graph


@dataclass(frozen=True)
class Auxiliary:
    """The weights and sizes of auxiliary losses.

    Args:
        link_prediction: the weight of `mmrec.nn.link_prediction`; 0 leaves it out.
        contrast: the weight of the contrast between modalities; 0 leaves it out.
        n_triples: triples of the graph in a step.
        n_negatives: corrupted tails of each triple.
        n_items: items that are contrasted in a step, at most.
        temperature: of the contrast.

    Raises:
        ConfigError: an argument is out of range.
    """

    link_prediction: float = 0.0
    contrast: float = 0.0
    n_triples: int = 1024
    n_negatives: int = 32
    n_items: int = 512
    temperature: float = 0.1

    def __post_init__(self) -> None:
        for name in ("link_prediction", "contrast"):
            if (value := getattr(self, name)) < 0:
                raise ConfigError(f"auxiliary.{name}: expected a weight of at least 0, found {value}")
        for name, least in (("n_triples", 1), ("n_negatives", 1), ("n_items", 2)):
            if (value := getattr(self, name)) < least:
                raise ConfigError(f"auxiliary.{name}: expected at least {least}, found {value}")
        if self.temperature <= 0:
            raise ConfigError(f"auxiliary.temperature: expected more than 0, found {self.temperature}")

    @property
    def names(self) -> tuple[str, ...]:
        """The losses with a weight."""
        return tuple(name for name in ("link_prediction", "contrast") if getattr(self, name))


class AuxiliaryLoss(NamedTuple):
    """One loss of a training step."""

    name: str
    value: Float[Tensor, ""]
    weight: float


class AuxiliaryLosses(nn.Module):
    """The auxiliary losses of a model; without parameters.

    Args:
        settings: weights and sizes.
        model: what it computes in a training step is read by forward hooks.
        graph: the knowledge graph.

    Raises:
        ConfigError: the model is no `FusionRecommender`, or lacks what a loss needs.
    """

    def __init__(self, settings: Auxiliary, model: Recommender, graph: Graph | None) -> None:
        super().__init__()
        self.settings, self.graph = settings, graph
        self._entities: tuple[Tensor, Tensor] | None = None
        self._tokens: tuple[Tensor, Tensor] | None = None
        if not isinstance(model, FusionRecommender):
            key = f"auxiliary.{settings.names[0]}"
            raise ConfigError(f"{key}: {type(model).__name__} has no auxiliary losses, only model=fusion has; set it to 0")
        if settings.link_prediction:
            if graph is None or model.kg_encoder is None or not len(graph.edge_type):
                raise ConfigError("auxiliary.link_prediction: the model has no knowledge graph whose links could be predicted; set it to 0")
            if not hasattr(model.kg_encoder, "relation_embeddings"):
                kind = type(model.kg_encoder).__name__
                raise ConfigError(f"auxiliary.link_prediction: {kind} has no embeddings of relations; choose another kg_encoder")
            model.kg_encoder.register_forward_hook(self._see_entities)
        if settings.contrast:
            if len(model.modalities) < 2:
                raise ConfigError("auxiliary.contrast: expected at least two modalities to contrast, found one; set it to 0")
            model.fusion.register_forward_hook(self._see_tokens)

    def __getstate__(self) -> dict[str, Any]:
        """Without what a step has computed."""
        return self.__dict__ | {"_entities": None, "_tokens": None}

    def of_step(self, generator: torch.Generator) -> list[AuxiliaryLoss]:
        """The losses of the training step whose task loss has just been computed.

        Args:
            generator: selects triples and items.
        """
        found = []
        if self._entities is not None and self.graph is not None:
            triples, negatives = sample_triples(self.graph, self.settings.n_triples, self.settings.n_negatives, generator)
            entities, relations = self._entities
            on = entities.device
            value = link_prediction_loss(entities.float(), relations.float(), triples.to(on), negatives.to(on))
            found.append(AuxiliaryLoss("link_prediction", value, self.settings.link_prediction))
        if self._tokens is not None:
            tokens, present = self._tokens
            chosen = torch.randperm(len(tokens), generator=generator)[: self.settings.n_items].to(tokens.device)
            value = modality_contrast(tokens[chosen].float(), present[chosen], self.settings.temperature)
            found.append(AuxiliaryLoss("contrast", value, self.settings.contrast))
        self._entities = self._tokens = None
        return found

    def _see_entities(self, module: Any, inputs: Any, output: Tensor) -> None:
        if torch.is_grad_enabled():
            self._entities = output, module.relation_embeddings

    def _see_tokens(self, module: nn.Module, inputs: tuple[Tensor, Tensor], output: Any) -> None:
        if torch.is_grad_enabled():
            self._tokens = inputs


def modality_contrast(
    tokens: Float[Tensor, "n modalities dim"], present: Bool[Tensor, "n modalities"], temperature: float
) -> Float[Tensor, ""]:
    """The mean of symmetric InfoNCE over all pairs of modalities: tokens of the same item against those of other items.

    Each pair is contrasted among the items that have both (as text and image in Radford et al. 2021); pairs that fewer than two items have
    are left out.
    """
    units, losses = F.normalize(tokens, dim=2), [tokens.new_zeros(())]
    for one, other in combinations(range(tokens.shape[1]), 2):
        both = present[:, one] & present[:, other]
        if int(both.sum()) > 1:
            losses.append(contrastive_loss(units[both, one], units[both, other], 1 / temperature))
    return torch.stack(losses).sum() / max(1, len(losses) - 1)


def add_auxiliary(model: Recommender, settings: Auxiliary | None, graph: Graph | None) -> None:
    """Let a new model compute the auxiliary losses that have a weight. Raises ConfigError as `AuxiliaryLosses` does."""
    if settings is not None and settings.names:
        model.add_module("auxiliary", AuxiliaryLosses(settings, model, graph))


def auxiliary_of_step(model: nn.Module, generator: torch.Generator) -> list[AuxiliaryLoss]:
    """The auxiliary losses of a model in the current training step; none for most models."""
    auxiliary = getattr(model, "auxiliary", None)
    return auxiliary.of_step(generator) if isinstance(auxiliary, AuxiliaryLosses) else []
