"""Convert a composed configuration to typed settings: validation before any data are read, and construction of objects.

Apart from `mmrec.schemas` and the entry points, this is the only package that uses a DictConfig; no other part of mmrec takes a
configuration.
"""

from typing import TYPE_CHECKING

from mmrec.lazy_names import lazy_names

if TYPE_CHECKING:
    from mmrec.config.settings import evaluate_settings as evaluate_settings
    from mmrec.config.settings import saved_training as saved_training
    from mmrec.config.settings import train_settings as train_settings

__getattr__, __dir__, __all__ = lazy_names(__name__, {".settings": "evaluate_settings saved_training train_settings"})
