"""Kernels of decay: 1 for what is new, 1/2 at the half-life, and less and less after it."""

import pytest
import torch

from mmrec.errors import ConfigError
from mmrec.nn.time.kernels import KERNELS, kernel_named


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_is_one_at_first_and_a_half_at_the_half_life(name: str) -> None:
    found = kernel_named(name)(torch.tensor([0.0, 1.0], dtype=torch.float64)).exp()
    torch.testing.assert_close(found, torch.tensor([1.0, 0.5], dtype=torch.float64), atol=1e-7, rtol=0)


@pytest.mark.parametrize("name", KERNELS)
def test_a_kernel_falls_and_has_a_logarithm_however_old_the_interaction_is(name: str) -> None:
    found = kernel_named(name)(torch.tensor([0.0, 0.1, 1.0, 10.0, 1e6], dtype=torch.float64))
    assert found.isfinite().all()
    assert (found.diff() < 0).all()


def test_kernels_differ_in_how_long_they_remember() -> None:
    far = torch.tensor(20.0)
    order = sorted(KERNELS, key=lambda name: float(KERNELS[name](far)))
    assert order == ["exponential", "mixture", "hyperbolic", "power"]


def test_an_unknown_kernel_is_told_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"time\.kernel.*`exponental`; did you mean `exponential`\?"):
        kernel_named("exponental")
