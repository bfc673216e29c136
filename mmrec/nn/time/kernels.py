"""Kernels of decay: the weight of a past interaction as a function of its age in half-lives.

Every kernel is 1 at age 0 and 1/2 at age 1, so that half-lives of different kernels mean the same. They are computed as logarithms, since
the weights of old interactions may be smaller than the smallest number.
"""

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from mmrec.errors import ConfigError, nearest

Kernel = Callable[[Tensor], Tensor]
_SLOW = 8.0
"""The slow component of the mixture decays this many times more slowly than the fast one."""
_FAST_RATE = 2.4085298
"""The rate r of the fast component, in halvings per half-life of the mixture: `2^-r + 2^(-r / 8) = 1`."""


def exponential(age: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """The logarithm of `2^-age`."""
    return -math.log(2) * age


def hyperbolic(age: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """The logarithm of `1 / (1 + age)`."""
    return -torch.log1p(age)


def power(age: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """The logarithm of `(1 + 3 age)^-1/2`, which decays more slowly than the hyperbolic kernel after the half-life."""
    return -0.5 * torch.log1p(3 * age)


def mixture(age: Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """The logarithm of the mean of two exponential kernels, of which one decays eight times as fast as the other."""
    rate = -math.log(2) * _FAST_RATE * age
    return torch.logaddexp(rate, rate / _SLOW) - math.log(2)


KERNELS: dict[str, Kernel] = {"exponential": exponential, "hyperbolic": hyperbolic, "mixture": mixture, "power": power}
"""By name."""


def kernel_named(name: str) -> Kernel:
    """Return the kernel of this name. Raises ConfigError, naming the nearest one, if there is none."""
    if name not in KERNELS:
        raise ConfigError(f"time.kernel: there is no kernel `{name}`; {nearest(name, KERNELS)}")
    return KERNELS[name]
