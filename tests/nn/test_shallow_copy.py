"""mmrec.nn.shallow_copy: tensors are shared until one is replaced."""

import torch
from torch import nn

from mmrec.nn.shallow_copy import shallow_copy


def test_what_is_replaced_in_the_copy_stays_in_the_module() -> None:
    module = nn.BatchNorm1d(3)
    module.inner = nn.Linear(3, 3)
    made = shallow_copy(module)
    assert made.weight is module.weight and made.inner is module.inner and made.running_mean is module.running_mean
    made.weight, made.running_mean, made.inner = nn.Parameter(torch.zeros(2)), torch.ones(2), nn.Identity()
    assert len(module.weight) == 3 and len(module.running_mean) == 3 and isinstance(module.inner, nn.Linear)
    assert set(made.state_dict()) == {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}
