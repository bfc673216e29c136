"""Logistic regression, factorisation machines and DeepFM on the fields of an impression."""

from typing import final

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from mmrec.models.click.field_model import FieldModel, Fields, FieldSizes, Parameters

_INIT_SCALE = 0.05


@final
class LogisticRegression(FieldModel):
    """Predicts the log odds of a click by a sum of weights: of the user, the item, the components of its content, and the position.

    Args:
        regularization, learning_rate, n_epochs, batch_size, n_components, seed: see `FieldModel`.
    """

    def __init__(
        self,
        regularization: float = 0.001,
        learning_rate: float = 0.01,
        n_epochs: int = 10,
        batch_size: int = 8192,
        n_components: int = 32,
        seed: int = 0,
    ) -> None:
        super().__init__(regularization, learning_rate, n_epochs, batch_size, n_components, seed)

    def initial(self, sizes: FieldSizes) -> Parameters:
        return _initial_weights(sizes)

    def forward_fields(self, parameters: Parameters, fields: Fields) -> tuple[Float[Tensor, " n"], Float[Tensor, ""]]:
        return _weighted_sum(parameters, fields)


@final
class FactorizationMachine(FieldModel):
    """Adds to the logistic regression the inner products of all pairs of fields: user, item, content and position (Rendle 2010).

    The vector of the content is a linear function of its components.

    Args:
        embedding_dim: the size of the vectors.
        regularization, learning_rate, n_epochs, batch_size, n_components, seed: see `FieldModel`.
    """

    def __init__(
        self,
        embedding_dim: int = 16,
        regularization: float = 0.003,
        learning_rate: float = 0.01,
        n_epochs: int = 10,
        batch_size: int = 8192,
        n_components: int = 32,
        seed: int = 0,
    ) -> None:
        super().__init__(regularization, learning_rate, n_epochs, batch_size, n_components, seed)
        if embedding_dim < 1:
            raise ValueError(f"embedding_dim: expected at least 1, found {embedding_dim}")
        self.embedding_dim = embedding_dim

    def initial(self, sizes: FieldSizes) -> Parameters:
        return _initial_weights(sizes) | _initial_vectors(sizes, self.embedding_dim)

    def forward_fields(self, parameters: Parameters, fields: Fields) -> tuple[Float[Tensor, " n"], Float[Tensor, ""]]:
        linear, size = _weighted_sum(parameters, fields)
        vectors = _vectors(parameters, fields)
        return linear + _products(vectors), size + _size_of(vectors)


@final
class DeepFM(FieldModel):
    """Adds to the factorisation machine a network over the same vectors of the fields, side by side (Guo et al. 2017).

    Args:
        embedding_dim: the size of the vectors.
        hidden_dim: the size of the two hidden layers.
        regularization, learning_rate, n_epochs, batch_size, n_components, seed: see `FieldModel`.
    """

    def __init__(
        self,
        embedding_dim: int = 16,
        hidden_dim: int = 64,
        regularization: float = 0.003,
        learning_rate: float = 0.005,
        n_epochs: int = 10,
        batch_size: int = 8192,
        n_components: int = 32,
        seed: int = 0,
    ) -> None:
        super().__init__(regularization, learning_rate, n_epochs, batch_size, n_components, seed)
        if embedding_dim < 1 or hidden_dim < 1:
            raise ValueError(f"embedding_dim, hidden_dim: expected at least 1, found {embedding_dim} and {hidden_dim}")
        self.embedding_dim, self.hidden_dim = embedding_dim, hidden_dim

    def initial(self, sizes: FieldSizes) -> Parameters:
        parameters = _initial_weights(sizes) | _initial_vectors(sizes, self.embedding_dim)
        for layer, (width, out) in enumerate(((4 * self.embedding_dim, self.hidden_dim), (self.hidden_dim, self.hidden_dim))):
            parameters[f"layer_{layer}"] = torch.randn(width, out) * (2 / width) ** 0.5
            parameters[f"shift_{layer}"] = torch.zeros(out)
        return parameters | {"output": torch.randn(self.hidden_dim) * self.hidden_dim**-0.5}

    def forward_fields(self, parameters: Parameters, fields: Fields) -> tuple[Float[Tensor, " n"], Float[Tensor, ""]]:
        linear, size = _weighted_sum(parameters, fields)
        vectors = _vectors(parameters, fields)
        hidden = vectors.flatten(1)
        for layer in range(2):
            hidden = F.relu(hidden @ parameters[f"layer_{layer}"] + parameters[f"shift_{layer}"])
        return linear + _products(vectors) + hidden @ parameters["output"], size + _size_of(vectors)


def _initial_weights(sizes: FieldSizes) -> Parameters:
    return {"mean": torch.zeros(())} | {f"{name}_weights": torch.zeros(size) for name, size in sizes._asdict().items()}


def _initial_vectors(sizes: FieldSizes, dim: int) -> Parameters:
    return {f"{name}_vectors": _INIT_SCALE * torch.randn(size, dim) for name, size in sizes._asdict().items()}


def _weighted_sum(parameters: Parameters, fields: Fields) -> tuple[Float[Tensor, " n"], Float[Tensor, ""]]:
    tables = (("user_weights", fields.user_idx), ("item_weights", fields.item_idx), ("place_weights", fields.place))
    weights = [parameters[name].index_select(0, idx) for name, idx in tables]
    total = parameters["mean"] + torch.stack(weights).sum(dim=0) + fields.content @ parameters["content_weights"]
    return total, torch.stack([part.square().mean() for part in weights]).sum()


def _vectors(parameters: Parameters, fields: Fields) -> Float[Tensor, "n 4 dim"]:
    tables = (("user_vectors", fields.user_idx), ("item_vectors", fields.item_idx), ("place_vectors", fields.place))
    vectors = [F.embedding(idx, parameters[name]) for name, idx in tables]
    return torch.stack([*vectors, fields.content @ parameters["content_vectors"]], dim=1)


def _products(vectors: Float[Tensor, "n n_fields dim"]) -> Float[Tensor, " n"]:
    """Return the sum of the inner products of all pairs of fields."""
    return 0.5 * (vectors.sum(dim=1).square() - vectors.square().sum(dim=1)).sum(dim=1)


def _size_of(vectors: Float[Tensor, "n n_fields dim"]) -> Float[Tensor, ""]:
    return vectors.square().sum(dim=(1, 2)).mean()
