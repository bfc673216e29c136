"""Prepare an image encoder of open_clip for training by one of the methods of `Tuning`: what is trained, and what is frozen."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from mmrec.errors import ConfigError, nearest
from mmrec.nn.adapters.attention import keep_frozen_weights
from mmrec.nn.adapters.bottleneck import BottleneckAdapter
from mmrec.nn.adapters.low_rank import add_low_rank
from mmrec.nn.adapters.picture_layers import PictureLayers
from mmrec.nn.adapters.prefix import LayerPrefix
from mmrec.nn.adapters.tuning import ADALORA, ADAPTERS, FULL, LAST_N, LORA, PREFIX, Tuning

_QUERIES_AND_VALUES = ("qkv", "q_proj", "v_proj", "q", "v")
_FEED_FORWARD = ("c_fc", "c_proj", "fc1", "fc2")
_SUBLAYERS = ("ls_1", "ls_2")
"""What follows the attention and the feed-forward part in a block of open_clip, before the residual connections."""


class AdaptedPictures(NamedTuple):
    """An image encoder prepared for training."""

    model: nn.Module
    prefixes: nn.ModuleDict
    """By layer index; empty unless the method is `prefix`."""
    layers: PictureLayers
    n_total: int
    """The number of weights of the original model."""


def adapt_pictures(model: nn.Module, tuning: Tuning, size: int) -> AdaptedPictures:
    """Add what a method trains to an image encoder, and freeze everything else.

    Args:
        model: maps normalised pictures `(batch, 3, size, size)` to vectors.
        tuning: the method.
        size: of the pictures.

    Raises:
        ConfigError: a setting does not fit the model, or has no effect on its vectors.
        MissingExtra: the method needs peft, which is not installed.
    """
    layers, n_total = PictureLayers(model), sum(one.numel() for one in model.parameters())
    first, prefixes = layers.first_of_top(None if tuning.method == FULL else tuning.n_layers), nn.ModuleDict()
    model.requires_grad_(tuning.method == FULL)
    if tuning.method == LAST_N:
        for name, parameter in model.named_parameters():
            index = layers.index_of(name)
            parameter.requires_grad_(layers.is_head(name) if index is None else index >= first)
    elif tuning.method in (LORA, ADALORA):
        model = add_low_rank(model, tuning, _chosen(model, layers, first, tuning))
        keep_frozen_weights(model)
    elif tuning.method == ADAPTERS:
        _add_bottlenecks(model, layers, first, tuning)
    elif tuning.method == PREFIX:
        prefixes = _add_prefixes(model, layers, first, tuning)
    _check_effect(nn.ModuleDict({"model": model, "prefixes": prefixes}), tuning, size)
    return AdaptedPictures(model, prefixes, layers, n_total)


def _chosen(model: nn.Module, layers: PictureLayers, first: int, tuning: Tuning) -> list[str]:
    """The full names of the modules that get low-rank updates. Raises ConfigError for unknown ones, or without any."""
    kinds: tuple[type[nn.Module], ...] = (nn.Linear,) if tuning.method == ADALORA else (nn.Linear, nn.Conv2d, nn.MultiheadAttention)
    inside = {
        f"{name}.{part}": name
        for name, module in model.named_modules()
        if isinstance(module, nn.MultiheadAttention)
        for part in ("out_proj", "in_proj_weight", "in_proj")
    }
    names = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, kinds) and name not in inside and (index := layers.index_of(name)) is not None and index >= first
    }
    asked = tuning.modules
    for ending in asked or ():
        if not any(_ends(name, ending) for name in names):
            if owner := next((name for part, name in inside.items() if _ends(part, ending)), None):
                leaf, use = owner.rpartition(".")[2], "lora" if tuning.method == ADALORA else f"`{owner.rpartition('.')[2]}`"
                raise ConfigError(
                    f"tune.image_modules: an update of `{ending}` alone would have no effect, because the attention `{leaf}` uses its "
                    f"weights without calling it; take {use}, which updates its in_proj"
                )
            known = sorted({name.rpartition(".")[2] for name in names} | {".".join(name.split(".")[-2:]) for name in names})
            raise ConfigError(f"tune.image_modules: no map of a tuned layer is called `{ending}`; {nearest(ending, known)}")
    if asked is not None:
        return [name for name in names if any(_ends(name, ending) for ending in asked)]
    if chosen := _usual(names):
        return chosen
    raise ConfigError(
        f"tune.image: {tuning.method} changes linear maps, and {type(model).__name__} has none in these layers; take lora, last_n or full"
    )


def _usual(names: dict[str, nn.Module]) -> list[str]:
    """Attention, else maps to queries and values, else feed-forward maps, else convolutions."""

    def of(endings: Sequence[str]) -> list[str]:
        return [name for name in names if any(_ends(name, ending) for ending in endings)]

    attention = [name for name, module in names.items() if isinstance(module, nn.MultiheadAttention)]
    convolutions = [name for name, module in names.items() if isinstance(module, nn.Conv2d) and module.groups == 1]
    return attention or of(_QUERIES_AND_VALUES) or of(_FEED_FORWARD) or convolutions


def _add_bottlenecks(model: nn.Module, layers: PictureLayers, first: int, tuning: Tuning) -> None:
    """Place bottleneck adapters after both sublayers of the tuned blocks."""
    if tuning.modules is not None:
        raise ConfigError("tune.image_modules: adapters follow both sublayers of a block, no single modules; leave it null")
    for name in layers.names[first:]:
        block = _block(model, name, tuning)
        for part in _SUBLAYERS:
            setattr(block, part, BottleneckAdapter(getattr(block, part), tuning.width, block.ln_1.weight.shape[0]))


def _add_prefixes(model: nn.Module, layers: PictureLayers, first: int, tuning: Tuning) -> nn.ModuleDict:
    """Let the patches of each tuned block attend to trained vectors, which are appended before the block and removed after the last."""
    prefixes = nn.ModuleDict()
    for at, name in enumerate(layers.names[first:], first):
        block = _block(model, name, tuning)
        prefix = LayerPrefix(tuning.n_tokens, block.ln_1.weight.shape[0])
        block.register_forward_pre_hook(partial(_append, prefix, at == first))
        if at == len(layers) - 1:
            block.register_forward_hook(partial(_remove, tuning.n_tokens))
        prefixes[str(at)] = prefix
    return prefixes


def _append(prefix: LayerPrefix, is_first: bool, block: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    states, vectors = inputs[0], prefix.vectors
    kept = states if is_first else states[:, : -len(vectors)]
    return torch.cat([kept, vectors.to(states.dtype).expand(len(states), -1, -1)], dim=1), *inputs[1:]


def _remove(n_tokens: int, block: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> Tensor:
    return output[:, :-n_tokens]


def _block(model: nn.Module, name: str, tuning: Tuning) -> Any:
    """A block of a vision transformer of open_clip. Raises ConfigError if it is something else."""
    block = model.get_submodule(name)
    if not all(hasattr(block, part) for part in ("ln_1", "attn", *_SUBLAYERS)):
        kind = type(model).__name__
        raise ConfigError(f"tune.image: {tuning.method} is for vision transformers of open_clip, not for {kind}; take lora, last_n or full")
    return block


def _check_effect(parts: nn.ModuleDict, tuning: Tuning, size: int) -> None:
    """Raise ConfigError if an added weight does not change the vectors: some modules use weights of others without calling them."""
    if tuning.method in (LAST_N, FULL):
        return
    trained = {name: one for name, one in parts.named_parameters() if one.requires_grad}
    pictures = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    was_training = parts["model"].training
    vectors = parts["model"].eval()(pictures)
    parts["model"].train(was_training)
    found = torch.autograd.grad(vectors.float().square().sum(), list(trained.values()), allow_unused=True)
    idle = [name for name, gradient in zip(trained, found, strict=True) if gradient is None]
    if idle:
        name = idle[0].removeprefix("model.base_model.model.").partition(".lora_")[0]
        raise ConfigError(f"tune.image_modules: an update of `{name}` has no effect on the vectors of pictures; choose another module")


def _ends(name: str, ending: str) -> bool:
    return f".{name}".endswith(f".{ending}")
