"""How much of the gap to a model that knows the true probabilities of clicks a run on the generated shop has closed.

    python scripts/click_oracle.py runs/…            # runs of `mmrec train task=click data=demo_shop`, one line each

The share that is closed is that of the way from logistic regression to the true probabilities, in the AUC over all test rows of the run's
split. Beside it stand the calibration errors, and the best baseline.
"""

import argparse
from pathlib import Path

import mmrec._torchvision  # noqa: F401  before all that may reach torchvision

import polars as pl
import torch
from omegaconf import OmegaConf
from rich.console import Console
from rich.table import Table

from mmrec.config.check import check
from mmrec.config.settings import evidence_settings
from mmrec.data.sources.demo_shop.dataset import load_truth
from mmrec.errors import DataError, MmrecError
from mmrec.experiment.run_folder.find import find_run
from mmrec.files.storage import read_json
from mmrec.metrics.click import click_auc, ece_equal_mass, log_loss
from mmrec.schemas import TrainConfig, register_schemas
from mmrec.types import ITEM_ID, LABEL, USER_ID

FROM = "logistic_regression"
ERRORS = ("calibration error", "of the oracle", "log loss", "of the oracle")
COLUMNS = ("run", "model", FROM, "best other baseline", "oracle", "closed", *ERRORS)


def oracle(run_dir: Path) -> dict[str, float]:
    """AUC, log loss and calibration error of the true probabilities on the test part of a run."""
    saved = OmegaConf.load(run_dir / "config.yaml")
    check(saved, TrainConfig)
    dataset = evidence_settings(saved).dataset()
    if dataset.impressions is None:
        raise DataError(f"{run_dir}: expected a run of task=click on the generated shop, its data have no impressions")
    shown = dataset.impressions.with_columns(probability=pl.Series(load_truth(dataset)["impression_probability"].numpy()))
    test = pl.read_parquet(run_dir / "split" / "test.parquet", glob=False).join(shown.drop(LABEL), on=[USER_ID, ITEM_ID], how="left")
    probability, clicked = torch.from_numpy(test["probability"].to_numpy(writable=True)), torch.from_numpy((test[LABEL] > 0).to_numpy())
    return {
        "auc": click_auc(probability, clicked),
        "log_loss": log_loss(probability.logit(), clicked),
        "calibration_error": ece_equal_mass(probability, clicked, n_bins=10),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", help="run folders")
    register_schemas()
    table = Table(*COLUMNS, title="auc, closed from logistic regression to the truth")
    try:
        for name in parser.parse_args().runs:
            table.add_row(*_row(find_run(name)))
    except MmrecError as error:
        parser.error(str(error))
    Console().print(table)


def _row(run_dir: Path) -> tuple[str, ...]:
    models, ours = read_json(run_dir / "metrics.json")["models"], read_json(run_dir / "run.json")["model"]
    if FROM not in models:
        raise DataError(f"{run_dir}: expected the baseline {FROM}, found {', '.join(models)}")
    aucs = {name: values["test/auc"] for name, values in models.items()}
    others = {name: value for name, value in aucs.items() if name not in (ours, FROM)}
    best, truth = max(others, key=others.__getitem__, default=""), oracle(run_dir)
    closed = (aucs[ours] - aucs[FROM]) / (truth["auc"] - aucs[FROM])
    shown = [f"{truth['auc']:.4f}", f"{closed:.1%}"]
    for metric in ("calibration_error", "log_loss"):
        shown += [f"{models[ours][f'test/{metric}']:.4f}", f"{truth[metric]:.4f}"]
    return str(run_dir), f"{aucs[ours]:.4f}", f"{aucs[FROM]:.4f}", f"{others[best]:.4f} ({best})" if best else "none", *shown


if __name__ == "__main__":
    main()
