"""What mmrec needs of Hydra that Hydra has no public name for, all of it here.

`Callbacks` is a field of the public `HydraContext`, which launchers are made with. The parser of Hydra's command line says which of the
words are options of its own: a copy of it here would miss what a later Hydra adds, such as another way to name a folder of configurations.
"""

from hydra._internal.callbacks import Callbacks
from hydra._internal.utils import get_args_parser

__all__ = ["Callbacks", "get_args_parser"]
