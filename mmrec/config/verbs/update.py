"""The settings of `mmrec update`: those of the run, with its choices fixed, and those of the update."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from mmrec.config.build import build
from mmrec.config.check import check
from mmrec.config.places import move_paths, open_config
from mmrec.config.settings import evidence_settings, training_settings
from mmrec.config.values import merged, plain
from mmrec.experiment.run_folder.find import convert_file_errors, find_run
from mmrec.experiment.settings import EvaluateSettings, TrainSettings
from mmrec.experiment.updating.settings import HeldOutShares, UpdateSettings
from mmrec.files.storage import check_writable, read_json
from mmrec.schemas import TrainConfig
from mmrec.types import Dataset

_CSV = "lightning.pytorch.loggers.CSVLogger"


def update_settings(cfg: DictConfig, new: Dataset | None = None) -> UpdateSettings:
    """Return the settings of `mmrec update`, with new data from the configuration or those given.

    The updated run has the configuration of the run, but with the hyperparameters that validation chose for `linear`, with its own copy of
    the data, divided as they are, and without baselines.

    Raises:
        MissingFile: there is no finished run.
        ConfigError: a value is invalid.
    """
    run_dir = find_run(cfg.run)
    saved = merged(open_config(run_dir, cfg, ()), {"trusted_packages": cfg.trusted_packages})
    check(saved, TrainConfig)
    out = Path(cfg.out).expanduser().absolute()
    check_writable(out.parent, "out")
    with convert_file_errors(run_dir):
        chosen = read_json(run_dir / "run.json").get("chosen", {}).get(str(saved.seed), {})
    return UpdateSettings(
        parent=EvaluateSettings(run_dir, evidence_settings(saved), partial(training_settings, saved, is_saved=True)),
        out=out,
        new_data=partial(build, cfg, "data") if new is None else lambda: new,
        run=partial(_settings_of_run, _updated(saved, cfg, chosen), out, {"max_epochs": cfg.max_epochs, "patience": cfg.patience}),
        method=build(cfg, "update"),
        described=_described(cfg),
        shares=HeldOutShares(cfg.valid_ratio, cfg.test_ratio),
        allow_older=cfg.allow_older,
    )


def _described(cfg: DictConfig) -> dict[str, Any]:
    values: dict[str, Any] = plain(cfg)["update"]
    name = values.pop("_target_").rpartition(".")[2]
    described: dict[str, Any] = {"name": name} | values
    return described | {key: cfg[key] for key in ("max_epochs", "patience", "valid_ratio", "test_ratio")}


def _updated(saved: DictConfig, cfg: DictConfig, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of the updated run, but for its folder and its data."""
    values = plain(saved)
    if values.get("linear") and isinstance(chosen.get("linear"), dict):  # its search takes long; that of the trend does not
        values["linear"] = _fixed(values["linear"], chosen["linear"])
    values["data"] = {"_target_": "mmrec.data.folder.read.read_folder", "limits": plain(cfg)["data"]["limits"]}
    values["split"] = {"_target_": "mmrec.data.interactions.split.given", "_partial_": True, "seed": saved.seed}
    values["logger"] = {name: node for name, node in values["logger"].items() if node.get("_target_") == _CSV}
    values["tune"] = values.get("tune", {}) | {"minutes": None}
    return values | {"baselines": {}, "train_share": 1.0, "tuned_in": None}


def _fixed(node: dict[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The node of a linear model whose lists have the chosen value only."""
    models = node.get("models")
    if isinstance(models, dict) and chosen.get("model") in models:
        node = models[chosen["model"]]
    return {key: [chosen[key]] if key in chosen and isinstance(value, list) else value for key, value in node.items()}


def _settings_of_run(
    values: dict[str, Any], out: Path, limits: Mapping[str, int], folder: Path, data: str, keys: Mapping[str, Any]
) -> TrainSettings:
    """The settings of the updated run while it is written to `folder`, and the configuration that it has in its place."""
    moved = move_paths(values, values["run_dir"], str(folder)) | {"run_dir": str(folder)}
    moved["data"] |= {"path": str(folder / "data" / data), **keys}
    cfg = OmegaConf.create(moved)
    check(cfg, TrainConfig)
    config = OmegaConf.to_yaml(OmegaConf.create(move_paths(moved, str(folder), str(out))))
    cfg = merged(cfg, {"trainer": {"max_epochs": limits["max_epochs"]}, "selection": {"patience": limits["patience"]}})
    seeds = range(cfg.seed, cfg.seed + cfg.n_seeds)
    training = partial(training_settings, cfg, is_saved=True)
    return TrainSettings(folder, evidence_settings(cfg), seeds, training, auc=cfg.evaluation.auc, config=config)
