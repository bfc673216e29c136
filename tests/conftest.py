"""Shared by all tests: one torch thread, and every jaxtyping signature of mmrec checked at run time."""

from jaxtyping import install_import_hook

with install_import_hook("mmrec", "beartype.beartype"):
    import mmrec  # noqa: F401

import torch

torch.set_num_threads(1)
