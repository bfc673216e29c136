"""What mmrec needs of Hydra that Hydra has no public name for, all of it here.

`Callbacks` is a field of the public `HydraContext`, which launchers are made with. The parser of Hydra's command line says which of the
words are options of its own: a copy of it here would miss what a later Hydra adds, such as another way to name a folder of configurations.
Its completion says what an override may go on with.
"""

from hydra._internal.callbacks import Callbacks
from hydra._internal.core_plugins.bash_completion import BashCompletion
from hydra._internal.utils import get_args_parser
from hydra.core.config_loader import ConfigLoader

__all__ = ["Callbacks", "complete_line", "get_args_parser"]


def complete_line(loader: ConfigLoader, config_name: str, line: str) -> list[str]:
    """Return what the last word of a line of overrides may be completed to."""
    return list(BashCompletion(loader)._query(config_name=config_name, line=line))
