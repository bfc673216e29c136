"""How much of the gap to a model that knows the true probabilities of clicks a run on the generated shop has closed.

    python scripts/click_oracle.py runs/…            # runs of `mmrec train task=click data=demo_shop`, one line each

The share that is closed is that of the way from logistic regression to the true probabilities, in the AUC over all test rows of the run's
split. Beside it stand the calibration errors, the best baseline, and what a model can reach from the training part: one that knows the
true factors of every item and the effects of positions, and only learns the tastes of the users from their clicks (the mode of the
posterior, with the true mean and covariance of tastes).
"""

import argparse
from pathlib import Path
from typing import Any

import mmrec._torchvision  # noqa: F401  before all that may reach torchvision

import polars as pl
import torch
from jaxtyping import Float, Int64
from rich.console import Console
from rich.table import Table
from torch import Tensor

from mmrec.config.check import check
from mmrec.config.saved import saved_config
from mmrec.config.settings import evidence_settings
from mmrec.data.interactions.index import indices_of
from mmrec.data.sources.demo_shop.dataset import load_truth, load_truth_info
from mmrec.errors import DataError, MmrecError
from mmrec.experiment.run_folder.find import find_run
from mmrec.files.storage import read_json
from mmrec.metrics.click import click_auc, ece_equal_mass, log_loss
from mmrec.schemas import TrainConfig, register_schemas
from mmrec.types import ITEM_ID, LABEL, POSITION, USER_ID

FROM = "logistic_regression"
ERRORS = ("calibration error", "of the oracle", "log loss", "of the oracle")
COLUMNS = ("run", "model", FROM, "best other baseline", "known items", "oracle", "closed", *ERRORS)
_NEWTON_STEPS = 12


def oracle(run_dir: Path) -> dict[str, float]:
    """AUC, log loss and calibration error of the true probabilities on the test part of a run, and the AUC of known items."""
    saved = saved_config(run_dir)
    check(saved, TrainConfig)
    dataset = evidence_settings(saved).dataset()
    if dataset.impressions is None:
        raise DataError(f"{run_dir}: expected a run of task=click on the generated shop, its data have no impressions")
    truth, info = load_truth(dataset), load_truth_info(dataset)
    shown = dataset.impressions.with_columns(probability=pl.Series(truth["impression_probability"].numpy()))
    train, test = (
        pl.read_parquet(run_dir / "split" / f"{part}.parquet", glob=False).join(shown.drop(LABEL), on=[USER_ID, ITEM_ID], how="left")
        for part in ("train", "test")
    )
    probability, clicked = torch.from_numpy(test["probability"].to_numpy(writable=True)), torch.from_numpy((test[LABEL] > 0).to_numpy())
    return {
        "auc": click_auc(probability, clicked),
        "log_loss": log_loss(probability.logit(), clicked),
        "calibration_error": ece_equal_mass(probability, clicked, n_bins=10),
        "known_items": click_auc(_known_items(train.filter(pl.col("probability").is_not_null()), test, truth, info), clicked),
    }


def _known_items(train: pl.DataFrame, test: pl.DataFrame, truth: dict[str, Tensor], info: dict[str, Any]) -> Float[Tensor, " n_test"]:
    """The log odds of the test rows by true factors of items and tastes that are learned from the training rows."""
    constants = info["constants"]
    factors = torch.cat([share**0.5 * truth[f"factor_{part}"].double() for part, share in info["shares"].items()], dim=1)
    factors = constants["click_sharpness"] * factors
    last = torch.cat([truth[f"taste_{part}"][-1].double() for part in info["shares"]], dim=1)
    mean, precision = last.mean(dim=0), torch.linalg.inv(last.T.cov() + 1e-6 * torch.eye(last.shape[1]).double())

    def rows(table: pl.DataFrame) -> tuple[Int64[Tensor, " n"], Int64[Tensor, " n"], Float[Tensor, " n"]]:
        user, item = indices_of(table[USER_ID], info["user_ids"]), indices_of(table[ITEM_ID], info["item_ids"])
        effect = truth["position_effect"].double()[torch.tensor(table[POSITION].to_list()).long() - 1]
        return user, item, constants["click_bias"] + effect

    user, item, offset = rows(train)
    clicked = torch.tensor((train[LABEL] > 0).to_list()).double()
    tastes = mean.repeat(len(last), 1)
    for of_user in range(len(last)):
        mine = (user == of_user).nonzero()[:, 0]
        features = factors[item[mine]]
        for _ in range(_NEWTON_STEPS):
            likely = (features @ tastes[of_user] + offset[mine]).sigmoid()
            gradient = features.T @ (clicked[mine] - likely) - precision @ (tastes[of_user] - mean)
            curvature = features.T @ (features * (likely * (1 - likely))[:, None]) + precision
            tastes[of_user] += torch.linalg.solve(curvature, gradient)
    user, item, offset = rows(test)
    return (tastes[user] * factors[item]).sum(dim=1) + offset


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
    shown = [f"{truth['known_items']:.4f}", f"{truth['auc']:.4f}", f"{closed:.1%}"]
    for metric in ("calibration_error", "log_loss"):
        shown += [f"{models[ours][f'test/{metric}']:.4f}", f"{truth[metric]:.4f}"]
    return str(run_dir), f"{aucs[ours]:.4f}", f"{aucs[FROM]:.4f}", f"{others[best]:.4f} ({best})" if best else "none", *shown


if __name__ == "__main__":
    main()
