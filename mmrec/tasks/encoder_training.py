"""What tuned encoders need from a training loop: learning rates by layer, warmup, frozen epochs, and the rank schedule of AdaLoRA."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import mmrec._torchvision  # noqa: F401  first: the imports below may reach torchvision

import torch
from lightning.pytorch import Trainer
from torch import nn

from mmrec.errors import ConfigError
from mmrec.nn.encoders.tuned import TunedEncoder

PEAK, WARMUP, DELAY = "peak_lr", "warmup_steps", "frozen_epochs"
"""Options of a parameter group: the learning rate after warmup, the length of the warmup, and the epochs before it."""


def tuned_encoders(module: nn.Module) -> Iterator[tuple[str, TunedEncoder]]:
    """The tuned encoders in a module with their names."""
    return ((name, part) for name, part in module.named_modules() if isinstance(part, TunedEncoder))


def encoder_groups(encoder: TunedEncoder, rates: Mapping[str, float]) -> list[dict[str, Any]]:
    """The parameter groups of an encoder: one per layer if learning rates differ by layer, else one.

    Args:
        encoder: the encoder, whose plan has the learning rate of the top layer, the decay per layer below, and the warmup.
        rates: `lr` and `weight_decay`, where they take the place of those in the plan.
    """
    plan, by_depth = encoder.training_plan, dict[int, list[nn.Parameter]]()
    for name, parameter in encoder.network.trained().items():
        depth = encoder.network.depth_of(name) if plan.layer_decay < 1 else 0
        by_depth.setdefault(depth, []).append(parameter)
    peak = rates.get("lr", encoder.network.tuning.default_lr if plan.lr is None else plan.lr)
    common = {"weight_decay": rates.get("weight_decay", plan.weight_decay), WARMUP: plan.warmup_steps, DELAY: plan.frozen_epochs}
    return [
        {"params": parameters, "lr": peak * plan.layer_decay**depth, PEAK: peak * plan.layer_decay**depth, **common}
        for depth, parameters in sorted(by_depth.items())
    ]


def hold_encoders(model: nn.Module, epoch: int) -> None:
    """Exclude encoders from training during their first epochs."""
    for _, encoder in tuned_encoders(model):
        encoder.is_held.fill_(epoch < encoder.training_plan.frozen_epochs)


def warm_up(optimizer: torch.optim.Optimizer, trainer: Trainer) -> None:
    """Set the learning rates of encoders for the next optimizer step: linear from 0 over `warmup_steps`, then constant."""
    for group in optimizer.param_groups:
        if PEAK in group:
            step = trainer.global_step - group[DELAY] * _steps_per_epoch(trainer)
            group["lr"] = group[PEAK] * min(1.0, max(0, step + 1) / max(1, group[WARMUP]))


def start_ranks(model: nn.Module, trainer: Trainer) -> None:
    """Tell AdaLoRA how many optimizer steps it has, without those of frozen epochs. Raises ConfigError if there is no limit."""
    for _, encoder in tuned_encoders(model):
        if encoder.network.ranks is not None:
            delay, n_steps = encoder.training_plan.frozen_epochs * _steps_per_epoch(trainer), trainer.estimated_stepping_batches
            if math.isinf(n_steps):
                raise ConfigError("trainer.max_epochs: tune.text=adalora reduces ranks over a known number of steps; set a limit of epochs")
            encoder.network.ranks.start(max(1, int(n_steps) - delay))


def allocate_ranks(model: nn.Module, trainer: Trainer) -> None:
    """Let AdaLoRA reallocate ranks after an optimizer step, with the gradients of the step."""
    for _, encoder in tuned_encoders(model):
        if encoder.network.ranks is not None and all(one.grad is not None for one in encoder.network.trained().values()):
            encoder.network.ranks.step(trainer.global_step - encoder.training_plan.frozen_epochs * _steps_per_epoch(trainer))


def rank_states(model: nn.Module) -> dict[str, Any]:
    """The states of all rank schedules by the name of the encoder, for a checkpoint."""
    return {name: encoder.network.ranks.state() for name, encoder in tuned_encoders(model) if encoder.network.ranks is not None}


def restore_ranks(model: nn.Module, states: Mapping[str, Any], device: torch.device) -> None:
    """Continue the rank schedules from a checkpoint."""
    for name, encoder in tuned_encoders(model):
        if encoder.network.ranks is not None and name in states:
            encoder.network.ranks.restore(states[name], device)


def _steps_per_epoch(trainer: Trainer) -> int:
    return math.ceil(trainer.num_training_batches / trainer.accumulate_grad_batches)
