"""Tuned encoders in a training loop: their own learning rates by layer, warmup, and epochs in which they are held."""

from unittest.mock import NonCallableMagicMock

import pytest
import torch
from lightning import Trainer
from torch import nn

from mmrec.nn.adapters.tuning import EncoderTraining, Tuning
from mmrec.nn.encoders.hidden_states import TokenRows
from mmrec.nn.encoders.tuned import TunedEncoder
from mmrec.nn.encoders.tuned_network import TunedNetwork
from mmrec.tasks.encoder_training import hold_encoders, warm_up
from mmrec.tasks.parameter_groups import parameter_groups
from mmrec.types import Features
from tests.nn.encoders.tiny_transformers import make_network


def model_with(method: str, **plan: float) -> nn.ModuleDict:
    network = TunedNetwork(make_network(), Tuning(method, n_layers=2))
    rows = TokenRows(torch.zeros(2, 16), torch.tensor([0, 1, 2]), torch.arange(2), torch.ones(2, dtype=torch.bool), "")
    encoder = TunedEncoder(network, rows, Features(torch.randn(2, 16), rows.present), EncoderTraining(**plan))  # type: ignore[arg-type]
    return nn.ModuleDict({"text": encoder, "users": nn.Embedding(3, 2), "head": nn.Linear(2, 1)})


def test_learning_rates_decay_by_layer_and_frozen_weights_are_in_no_group() -> None:
    model = model_with("last_n", lr=0.1, layer_decay=0.5, weight_decay=0.02)
    groups = parameter_groups(model, {"tables": {"lr": 1.0}})
    assert [(group.get("lr"), group.get("weight_decay")) for group in groups] == [(1.0, None), (None, None), (0.1, 0.02), (0.05, 0.02)]
    grouped = [id(one) for group in groups for one in group["params"]]
    assert len(grouped) == len(set(grouped)) == sum(one.requires_grad for one in model.parameters())


@pytest.mark.parametrize(("method", "expected"), [("prefix", 1e-3), ("adapters", 1e-3), ("last_n", 5e-5), ("full", 5e-5)])
def test_default_learning_rates_are_lower_for_pretrained_weights_and_a_task_may_say_otherwise(method: str, expected: float) -> None:
    assert parameter_groups(model_with(method), {})[-1]["lr"] == expected
    assert parameter_groups(model_with(method), {"encoders": {"lr": 0.3}})[-1]["lr"] == 0.3


def test_warmup_begins_when_the_encoder_is_first_trained() -> None:
    model = model_with("prefix", lr=0.8, warmup_steps=4, frozen_epochs=1)
    optimizer = torch.optim.AdamW(parameter_groups(model, {}), lr=0.1)
    rates = []
    for step in range(10):  # epochs of three optimizer steps, of two batches each
        position = {"global_step": step, "num_training_batches": 6, "accumulate_grad_batches": 2}
        warm_up(optimizer, NonCallableMagicMock(Trainer, **position))
        rates.append((optimizer.param_groups[0]["lr"], optimizer.param_groups[-1]["lr"]))
    assert [other for other, _ in rates] == [0.1] * 10
    assert [rate for _, rate in rates] == pytest.approx([0, 0, 0, 0.2, 0.4, 0.6, 0.8, 0.8, 0.8, 0.8])


def test_an_encoder_is_held_in_its_first_epochs() -> None:
    model = model_with("prefix", frozen_epochs=2)
    held = []
    for epoch in range(4):
        hold_encoders(model, epoch)
        held.append(bool(model["text"].is_held))
    assert held == [True, True, False, False]
