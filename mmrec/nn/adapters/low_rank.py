"""LoRA (Hu et al. 2022) and AdaLoRA (Zhang et al. 2023) through peft, which the extra `adapters` installs."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from mmrec.errors import ConfigError
from mmrec.extras import needs
from mmrec.nn.adapters.tuning import ADALORA, Tuning

_INIT_RANK = 1.5
"""The initial rank of AdaLoRA as a multiple of the final average (Zhang et al. 2023, section 4)."""
_INITIAL, _FINAL = 0.1, 0.3
"""The fractions of the steps before AdaLoRA begins to reduce ranks, and after it has finished."""
_SMOOTHED = ("ipt", "exp_avg_ipt", "exp_avg_unc")


def add_low_rank(model: nn.Module, tuning: Tuning, modules: Sequence[str]) -> nn.Module:
    """Wrap a model as a `peft.PeftModel` with low-rank updates, and freeze its own weights.

    Args:
        model: a text or image encoder.
        tuning: with the method `lora` or `adalora`.
        modules: the full names of the modules to update: linear maps and, for `lora`, convolutions and `nn.MultiheadAttention`.

    Raises:
        ConfigError: the rank exceeds the width of a module.
        MissingExtra: peft is not installed.
    """
    rank = round(_INIT_RANK * tuning.rank) if tuning.method == ADALORA else tuning.rank
    for name in modules:
        most = _width(model.get_submodule(name))
        if most is not None and rank > most:
            raise ConfigError(f"tune.rank: {name} has a width of {most}, which a rank of {rank} exceeds; expected a smaller rank")
    with needs("adapters", f"{tuning.key}={tuning.method}", f"{tuning.key}=adapters, prefix, last_n and full need no further package"):
        import peft
    common: dict[str, Any] = {"target_modules": list(modules), "lora_alpha": tuning.alpha, "bias": "none"}
    if tuning.method == ADALORA:  # the steps are set when training starts
        config: Any = peft.AdaLoraConfig(init_r=rank, target_r=tuning.rank, total_step=1, orth_reg_weight=0.0, **common)
    else:
        config = peft.LoraConfig(r=rank, **common)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".is_gradient_checkpointing. is deprecated", category=FutureWarning)  # peft asks for it
        wrapped: nn.Module = peft.PeftModel(model, config)
    return wrapped


def _width(module: nn.Module) -> int | None:
    """The largest rank of an update."""
    if isinstance(module, nn.Linear):
        return min(module.in_features, module.out_features)
    if isinstance(module, nn.Conv2d):
        return min(module.in_channels, module.out_channels)
    return module.embed_dim if isinstance(module, nn.MultiheadAttention) else None


class RankSchedule:
    """The rank schedule of AdaLoRA, to be called after every optimizer step while gradients are present.

    Args:
        model: a `peft.PeftModel` with an AdaLoRA adapter.
    """

    def __init__(self, model: nn.Module) -> None:
        self.tuner: Any = model.base_model
        self.config: Any = model.peft_config["default"]  # type: ignore[index]  # attributes of peft are untyped

    def start(self, n_steps: int) -> None:
        """Set the number of optimizer steps of the whole training, of which ranks are reduced in the middle 60%."""
        self.config.total_step = n_steps
        self.config.tinit, self.config.tfinal = int(_INITIAL * n_steps), int(_FINAL * n_steps)

    def step(self, n_steps_done: int) -> None:
        """Update the importance of the ranks, and mask those beyond the budget."""
        self.tuner.update_and_allocate(n_steps_done)

    def state(self) -> dict[str, Any]:
        """The smoothed importances, and the final ranks once they are fixed, for a checkpoint."""
        allocator = self.tuner.rankallocator
        return {name: dict(getattr(allocator, name)) for name in _SMOOTHED} | {"rank_pattern": self.config.rank_pattern}

    def restore(self, state: Mapping[str, Any], device: Any) -> None:
        """Continue from a `state`."""
        for name in _SMOOTHED:
            values: Mapping[str, Tensor] = state[name]
            setattr(self.tuner.rankallocator, name, {key: value.to(device) for key, value in values.items()})
        self.config.rank_pattern = state["rank_pattern"]
