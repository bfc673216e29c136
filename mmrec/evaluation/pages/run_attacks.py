"""The part of a run's report about accuracy under attack, with and without a defence."""

from typing import Any, NamedTuple


class AttackRow(NamedTuple):
    """A metric of one run."""

    metric: str
    run: str
    clean: float
    attacked: float
    fall: str
    """As a share of the clean value."""


class AttackView(NamedTuple):
    """The table of one kind of attack."""

    title: str
    settings: str
    rows: list[AttackRow]


_TITLES = {"pgd": "Changed pixels", "words": "Spelling errors"}
_ROLES = {"run": "without the defence", "defended": "with the defence"}


def attack_views(found: dict[str, Any] | None) -> list[AttackView]:
    """The tables of attack.json; none for a run that was not attacked.

    Args:
        found: the content of the file.
    """
    return [
        AttackView(_TITLES.get(kind, kind), f"{one['attack']}: {one['settings']}", _rows(one["metrics"], one["runs"]))
        for kind, one in (found or {}).items()
    ]


def _rows(metrics: list[str], runs: dict[str, Any]) -> list[AttackRow]:
    rows = []
    for metric in metrics:
        for name, one in runs.items():
            clean, attacked = float(one["clean"][metric]), float(one["attacked"][metric])
            role = f"{one['folder']}, {_ROLES.get(name, name)}" if len(runs) > 1 else str(one["folder"])
            fall = f"{1 - attacked / clean:+.1%}" if clean else "undefined"
            rows.append(AttackRow(metric.removeprefix("test/"), role, clean, attacked, fall))
    return rows
