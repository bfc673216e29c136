"""Copy a module without its tensors."""

from copy import copy
from typing import TypeVar

from torch import nn

M = TypeVar("M", bound=nn.Module)


def shallow_copy(module: M) -> M:
    """Return a copy that shares the parameters, buffers and modules, each of which can be replaced in it alone."""
    made = copy(module)
    made.__dict__ |= {name: dict(module.__dict__[name]) for name in ("_parameters", "_buffers", "_modules")}
    return made
