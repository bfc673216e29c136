"""The layers of a transformers model, and ways to enter and leave it between them."""

from typing import Any

import torch
from torch import Tensor, nn

from mmrec.errors import ConfigError


class Layers:
    """The stack of layers of a transformers model, from the bottom to the top.

    Every model of transformers keeps them in one `nn.ModuleList`, whatever its name, and calls each with the hidden states first.

    Args:
        model: the model.

    Raises:
        ConfigError: the model has no such list.
    """

    def __init__(self, model: nn.Module) -> None:
        n_layers = getattr(getattr(model, "config", None), "num_hidden_layers", None)
        found = [(name, part) for name, part in model.named_modules() if isinstance(part, nn.ModuleList) and len(part) == n_layers]
        if not found:
            raise ConfigError(f"tune.text: expected a model with a list of {n_layers} layers, found none in {type(model).__name__}")
        self.name, self.stack = found[0]

    def __len__(self) -> int:
        return len(self.stack)

    def first_of_top(self, n_layers: int | None) -> int:
        """The index of the lowest one of the `n_layers` top layers, or 0 for None. Raises ConfigError if there are fewer layers."""
        if n_layers is not None and n_layers > len(self):
            raise ConfigError(f"tune.n_layers: the encoder has {len(self)} layers, found {n_layers}; null stands for all")
        return 0 if n_layers is None else len(self) - n_layers

    def index_of(self, parameter: str) -> int | None:
        """The layer of a parameter of the model by its name; None outside of the layers."""
        if f"{self.name}." not in parameter:
            return None
        return int(parameter.partition(f"{self.name}.")[2].partition(".")[0])

    def drop_below(self, first: int) -> None:
        """Replace the layers below `first` by ones that return their input, which frees their weights."""
        for at in range(first):
            self.stack[at] = _Skipped(getattr(self.stack[at], "attention_type", None))


class _Skipped(nn.Module):
    """A layer that returns its input. Some models read `attention_type` of each layer."""

    def __init__(self, attention_type: str | None) -> None:
        super().__init__()
        self.attention_type = attention_type

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return hidden_states


class Entrance:
    """Replaces the hidden states at the input of a layer. Register `__call__` as its forward pre-hook.

    Attributes:
        states: what to enter with in the next call; None: what the layers below gave.
    """

    def __init__(self) -> None:
        self.states: Tensor | None = None

    def __call__(self, layer: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        return None if self.states is None else (self.states, *inputs[1:])


class _Reached(Exception):
    """Ends a forward pass at the input of a layer."""

    def __init__(self, states: Tensor) -> None:
        super().__init__()
        self.states = states


def _leave(layer: nn.Module, inputs: tuple[Any, ...]) -> None:
    raise _Reached(inputs[0])


@torch.no_grad()
def states_before(model: nn.Module, layer: nn.Module, **inputs: Tensor) -> Tensor:
    """The hidden states at the input of a layer, without running it or the layers above.

    Args:
        model: a transformers model.
        layer: one of its layers.
        inputs: the arguments of the model's forward.

    Returns:
        The states `(batch, tokens, dim)`.
    """
    handle = layer.register_forward_pre_hook(_leave)
    try:
        model(**inputs)
    except _Reached as reached:
        return reached.states
    finally:
        handle.remove()
    raise ValueError("expected a layer that the model runs")
