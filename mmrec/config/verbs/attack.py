"""The attack of `mmrec evaluate attack=…`, and the settings of the runs that it is measured on."""

from typing import TYPE_CHECKING

from omegaconf import DictConfig

from mmrec.config.build import build
from mmrec.config.values import merged
from mmrec.errors import ConfigError

if TYPE_CHECKING:
    from mmrec.experiment.attacks.measure import Attack


def attack_of(cfg: DictConfig) -> "Attack | None":
    """The configured attack; None if there is none. Raises ConfigError for another object, or a defended run without an attack."""
    if not cfg.get("attack"):
        if cfg.get("defended") is not None:
            raise ConfigError("defended: expected an attack to defend against, found none; choose attack=pgd or attack=words")
        return None
    from mmrec.nn.attacks.misspelling import WordAttack
    from mmrec.nn.attacks.projected_gradient import PictureAttack

    made = build(cfg, "attack")
    if not isinstance(made, PictureAttack | WordAttack):
        raise ConfigError(f"attack._target_: expected a PictureAttack or a WordAttack, found `{cfg.attack._target_}`")
    return made


def attacked_runs(cfg: DictConfig) -> dict[str, DictConfig]:
    """The configuration of `mmrec evaluate` for each run to attack, by its name in the table."""
    found = {"run": cfg}
    return found if cfg.defended is None else {"run": cfg, "defended": merged(cfg, {"run": cfg.defended})}
