"""Translate the arguments of `mmrec tune`, which is `mmrec train` with a search for settings, to overrides."""

from collections.abc import Sequence

from mmrec.errors import ConfigError, nearest

_BUDGETS = {"budget_minutes": "tune.minutes", "budget_fits": "tune.fits"}
_PRUNER = "tune.pruner=median"
_WITHOUT = ("resume", "--help", "-h", "--cfg", "-c", "--info")
"""Arguments with which no budget is needed: that of a resumed run is in its configuration."""


def expand_budget(words: Sequence[str]) -> list[str]:
    """Replace `budget_minutes=30` and `budget_fits=20` by the keys of the search, which stops hopeless trials unless told otherwise.

    Raises:
        ConfigError: there is no budget, or it has another name.
    """
    found = []
    for word in words:
        key, equals, value = word.partition("=")
        if key.startswith("budget") and key not in _BUDGETS:
            raise ConfigError(f"{key}: there is no such budget; {nearest(key, _BUDGETS)}")
        found.append(f"{_BUDGETS[key]}={value}" if key in _BUDGETS and equals else word)
    keys = [word.partition("=")[0].lstrip("+") for word in found]
    if set(keys) & set(_WITHOUT):
        return found
    if not set(keys) & set(_BUDGETS.values()):
        raise ConfigError("tune: expected a budget, budget_minutes=30 or budget_fits=20, found none")
    return found if "tune.pruner" in keys else [*found, _PRUNER]
