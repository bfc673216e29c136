"""Convert a composed configuration to typed settings: validation before any data are read, and construction of objects.

Apart from `mmrec.schemas` and the entry points, this is the only package that uses a DictConfig; no other part of mmrec takes a
configuration.
"""

from mmrec.config.build import build, target
from mmrec.config.check import check
from mmrec.config.values import flat, plain, read_model

__all__ = ["build", "check", "flat", "plain", "read_model", "target"]
