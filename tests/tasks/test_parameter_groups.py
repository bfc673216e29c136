"""Parameters by role, each in one group, and the rates that each role gets."""

import pytest
import torch
from torch import nn

from mmrec.nn.encoders.pretrained import PretrainedEncoder
from mmrec.tasks.parameter_groups import check_rates, parameter_groups, sort_parameters


class Encoder(PretrainedEncoder):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.layer = nn.Embedding(5, 2), nn.Linear(2, 2)


def make_model(with_encoder: bool) -> nn.Module:
    parts = {"users": nn.Embedding(3, 2), "head": nn.Linear(2, 1)} | ({"text": Encoder()} if with_encoder else {})
    return nn.ModuleDict(parts)


def test_every_parameter_has_one_role() -> None:
    model = make_model(True)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    roles = {role: [names[id(parameter)] for parameter in parameters] for role, parameters in sort_parameters(model).items()}
    assert roles == {
        "tables": ["users.weight"],
        "networks": ["head.weight", "head.bias"],
        "encoders": ["text.words.weight", "text.layer.weight", "text.layer.bias"],
    }


def test_roles_have_rates_of_their_own_and_else_the_optimizers() -> None:
    groups = parameter_groups(make_model(True), {"tables": {"lr": 0.5, "weight_decay": 0.0}, "encoders": {"lr": 1e-5}})
    optimizer = torch.optim.AdamW(groups, lr=0.1, weight_decay=0.3)
    assert [(group["lr"], group["weight_decay"]) for group in optimizer.param_groups] == [(0.5, 0.0), (0.1, 0.3), (1e-5, 0.3)]


def test_there_is_no_group_of_encoders_without_any() -> None:
    assert [len(group["params"]) for group in parameter_groups(make_model(False), {})] == [1, 2]


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ({"table": {}}, "groups.table: there is no such role; did you mean `tables`"),
        ({"tables": {"rate": 1.0}}, "groups.tables.rate: there is no such option"),
        ({"networks": {"lr": -1.0}}, "groups.networks.lr: expected a number of at least 0, found `-1.0`"),
    ],
)
def test_what_is_wrong_is_named(rates: dict, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        check_rates(rates, "groups")
