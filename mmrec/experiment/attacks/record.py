"""Write the metrics of runs under attack to the folder of the first one, from which its report shows them."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmrec.errors import ConfigError
from mmrec.evaluation.pages.run_page import write_report
from mmrec.experiment.attacks.measure import Attack, AttackedRun
from mmrec.experiment.run_folder.files import read_entry
from mmrec.files.storage import read_json, write_json
from mmrec.nn.attacks.projected_gradient import PictureAttack

ATTACK = "attack.json"


def write_attack(attack: Attack, runs: Mapping[str, AttackedRun]) -> dict[str, Any]:
    """Write `attack.json`, which has one entry for each kind of attack, and return the entry of this one with the path of the file.

    The report of the first run, if it has one, is written again.

    Args:
        attack: the settings.
        runs: the measured runs by name, first the one in whose folder the file is.
    """
    first = next(iter(runs.values()))
    path, kind = first.run_dir / ATTACK, "pgd" if isinstance(attack, PictureAttack) else "words"
    entry: dict[str, Any] = {
        "attack": kind,
        "settings": ", ".join(f"{name}={value}" for name, value in asdict(attack).items() if value is not None),
        "metrics": shown_metrics(runs.values()),
        "runs": {name: {"folder": one.run_dir.name, **one.result._asdict()} for name, one in runs.items()},
    }
    entries = read_json(path) if path.is_file() else {}
    write_json(path, entries | {kind: entry})
    if (first.run_dir / "report.html").is_file():
        write_report(first.run_dir, first.dataset)
    return entry | {"path": str(path)}


def check_comparable(run_dirs: Sequence[Path]) -> None:
    """Raise ConfigError if runs are measured on different test parts."""
    paths = [one / "run.json" for one in run_dirs]
    if len({read_entry(path, read_json(path), ("split", "hash"), str) for path in paths}) > 1:
        raise ConfigError("defended: expected a run with the data and the split of `run`, found another test part; train it with these")


def shown_metrics(runs: Collection[AttackedRun]) -> list[str]:
    """The metrics that tables show, which all runs have."""
    k = min(one.k for one in runs)
    names = [f"test/{metric}@{k}" for metric in ("ndcg", "recall", "attacked_items")]
    return [name for name in names if all(name in one.result.clean for one in runs)]
