"""The command `mmrec update run=… data.path=… out=…`: continue a finished run with new data, as a new run."""

from pathlib import Path

from omegaconf import DictConfig

from mmrec.api.console import console_output
from mmrec.config.check import check
from mmrec.config.verbs.update import update_settings
from mmrec.evaluation.compare.against_baselines import headlines
from mmrec.evaluation.pages.terminal import console_table
from mmrec.experiment.updating.update import update as run
from mmrec.files.storage import read_json
from mmrec.schemas import UpdateConfig
from mmrec.terminal import say, show


@console_output()
def update(cfg: DictConfig) -> Path:
    """Update a run, print its metrics beside those without the update, and return the folder of the updated run.

    Raises:
        ConfigError: a value is invalid, or `out` exists.
        DataError: the new data do not fit those of the run, or a file of the run is damaged.
    """
    check(cfg, UpdateConfig)
    folder = run(update_settings(cfg))
    metrics = read_json(folder / "metrics.json")
    names = (name for name in next(iter(metrics["models"].values())) if name.startswith("test/"))
    show(console_table(metrics, headlines(name.removeprefix("test/") for name in names)))
    say(f"report: {folder / 'report.html'}")
    return folder
