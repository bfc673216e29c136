"""Prepare a transformers model for training by one of the methods of `Tuning`: what is trained, and what is frozen."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import nn

from mmrec.errors import ConfigError, nearest
from mmrec.nn.adapters.bottleneck import BottleneckAdapter
from mmrec.nn.adapters.layers import Layers
from mmrec.nn.adapters.low_rank import add_low_rank
from mmrec.nn.adapters.prefix import LayerPrefix
from mmrec.nn.adapters.tuning import ADALORA, ADAPTERS, FULL, LAST_N, LORA, PREFIX, Tuning

_ATTENTION = ("query", "value", "q_proj", "v_proj", "q_lin", "v_lin", "q", "v", "Wqkv")
"""The maps to queries and values in BERT, LLaMA, DistilBERT, MPNet and ModernBERT."""
_OUTPUTS = ("output.dense", "o_proj", "down_proj", "out_lin", "lin2", "attn.o", "Wo")
"""The last maps of both sublayers in the same families."""


class Adapted(NamedTuple):
    """A model prepared for training."""

    model: nn.Module
    prefixes: nn.ModuleDict
    """By layer index; empty unless the method is `prefix`."""
    first: int | None
    """The lowest layer whose output can change, on whose input the layers below can be cached; None: even the embeddings change."""
    layers: Layers
    n_total: int
    """The number of weights of the original model."""


def adapt(model: nn.Module, tuning: Tuning) -> Adapted:
    """Add what a method trains to a transformers model, and freeze everything else.

    Raises:
        ConfigError: a setting does not fit the model.
        MissingExtra: the method needs peft, which is not installed.
    """
    layers, n_total = Layers(model), sum(one.numel() for one in model.parameters())
    if tuning.method == FULL:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(not _is_unused(name))
        return Adapted(model, nn.ModuleDict(), None, layers, n_total)
    first = layers.first_of_top(tuning.n_layers)
    model.requires_grad_(False)
    prefixes = nn.ModuleDict()
    if tuning.method == LAST_N:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(_is_above(layers, name, first))
    elif tuning.method in (LORA, ADALORA):
        model = add_low_rank(model, tuning, _chosen(model, layers, first, tuning.modules, _ATTENTION))
    elif tuning.method == ADAPTERS:
        for name in _chosen(model, layers, first, tuning.modules, _OUTPUTS):
            parent, _, leaf = name.rpartition(".")
            linear = model.get_submodule(name)
            setattr(model.get_submodule(parent), leaf, BottleneckAdapter(linear, tuning.width))
    elif tuning.method == PREFIX:
        dim = model.config.hidden_size  # type: ignore[union-attr]
        prefixes = nn.ModuleDict({str(at): LayerPrefix(tuning.n_tokens, dim) for at in range(first, len(layers))})  # type: ignore[arg-type]
    return Adapted(model, prefixes, first, layers, n_total)


def _is_unused(parameter: str) -> bool:
    """Whether a parameter belongs to the pooler of BERT, whose output mmrec does not use."""
    return parameter.startswith("pooler.")


def _is_above(layers: Layers, parameter: str, first: int) -> bool:
    """Whether a parameter belongs to a layer from `first` on, or to what follows the layers."""
    index = layers.index_of(parameter)
    return index >= first if index is not None else "norm" in parameter.lower() and "embed" not in parameter


def _chosen(model: nn.Module, layers: Layers, first: int, asked: Sequence[str] | None, usual: Sequence[str]) -> list[str]:
    """The full names of linear maps in the tuned layers with these last parts. Raises ConfigError for an unknown one, or without any."""
    names = [
        name
        for name, part in model.named_modules()
        if isinstance(part, nn.Linear) and (index := layers.index_of(name)) is not None and index >= first
    ]
    endings = usual if asked is None else asked
    for ending in asked or ():
        if not any(_ends(name, ending) for name in names):
            leaves = sorted({name.rpartition(".")[2] for name in names} | {".".join(name.split(".")[-2:]) for name in names})
            raise ConfigError(f"tune.modules: no linear map of a tuned layer is called `{ending}`; {nearest(ending, leaves)}")
    chosen = [name for name in names if any(_ends(name, ending) for ending in endings)]
    if not chosen:
        leaves = sorted({name.rpartition(".")[2] for name in names})
        raise ConfigError(f"tune.modules: {type(model).__name__} is of an unknown family: choose among {', '.join(leaves)}")
    return chosen


def _ends(name: str, ending: str) -> bool:
    return f".{name}".endswith(f".{ending}")
