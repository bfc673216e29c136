"""All uses of private names of Hydra.

`Callbacks` is a field of the public `HydraContext`, with which launchers are created. The argument parser separates Hydra's options from
overrides; a copy of it would lack options of later versions. `BashCompletion` completes overrides.
"""

from hydra._internal.callbacks import Callbacks
from hydra._internal.core_plugins.bash_completion import BashCompletion
from hydra._internal.utils import get_args_parser
from hydra.core.config_loader import ConfigLoader

__all__ = ["Callbacks", "complete_line", "get_args_parser"]


def complete_line(loader: ConfigLoader, config_name: str, line: str) -> list[str]:
    """Return the completions of the last word of a line of overrides."""
    return list(BashCompletion(loader)._query(config_name=config_name, line=line))
