"""The command `mmrec key file=keys.jsonl name=shop scopes=[read,write]`: make an API key of a service."""

from omegaconf import DictConfig

from mmrec.api.console import console_output
from mmrec.config.check import check
from mmrec.files.locate import user_path
from mmrec.schemas import KeyConfig
from mmrec.serving.security.api_keys import make_key
from mmrec.terminal import say


@console_output()
def key(cfg: DictConfig) -> str:
    """Add a key to a file, which has its hash only, and print the key, which is shown this once.

    Raises:
        ConfigError: a scope does not exist, or the name is taken.
        DataError: the file is no file of keys.
        StorageError: the file cannot be written.
    """
    check(cfg, KeyConfig)
    path = user_path(cfg.file)
    made = make_key(path, cfg.name, list(cfg.scopes))
    say(f"{path} has the hash of the key of `{cfg.name}`; to revoke it, delete its line. The key is shown only here:")
    say(made, stderr=False)
    return made
