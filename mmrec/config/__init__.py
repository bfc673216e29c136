"""From a composed configuration to typed settings: the check before anything is read, and the building of objects.

Beside `mmrec.schemas` and the entry points this is the only place that sees a DictConfig. Nothing else in mmrec takes a configuration.
"""

from mmrec.config.build import build, target
from mmrec.config.check import check
from mmrec.config.values import flat, plain, read_model

__all__ = ["build", "check", "flat", "plain", "read_model", "target"]
