"""The settings of the streams of a board: one for each dataset, model and seed."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from mmrec.config.hydra.compose import compose_overrides
from mmrec.config.hydra.from_overrides import train_settings_of, update_settings_of
from mmrec.config.hydra.quoting import quoted
from mmrec.config.values import plain
from mmrec.errors import ConfigError
from mmrec.experiment.settings import TrainSettings
from mmrec.experiment.updating.settings import UpdateSettings
from mmrec.experiment.updating.stream import StreamSettings
from mmrec.types import Dataset


def stream_settings(cfg: DictConfig, folder: Path) -> Iterator[tuple[str, StreamSettings]]:
    """Yield the name and the settings of every stream of a board.

    Raises:
        ConfigError: the board, or the configuration of a training or an update, is invalid.
    """
    board = plain(cfg)["board"]
    if not re.fullmatch(r"ndcg@\d+", board["metric"]):
        raise ConfigError(f"board.metric: a stream measures ndcg at a cutoff, such as ndcg@20, found `{board['metric']}`")
    places = [f"paths.cache={quoted(str(cfg.paths.cache))}", *_trust(list(cfg.trusted_packages))]
    for data, of_data in board["data"].items():
        for model, of_model in board["models"].items():
            for seed in board["seeds"]:
                words = [*board["overrides"], *of_model, f"seed={seed}", "n_seeds=1", "baselines=none", *places]
                name = f"{data} {model} seed {seed}"
                yield name, _one(board, folder / data / model / str(seed), list(of_data), words, [*board["updates"], *places], seed)


def _trust(packages: list[str]) -> list[str]:
    return [f"trusted_packages=[{','.join(packages)}]"] if packages else []


def _one(board: dict[str, Any], folder: Path, of_data: list[str], words: list[str], updates: Sequence[str], seed: int) -> StreamSettings:
    beside = [word for word in of_data if not re.match(r"data[.=]", word)]

    def dataset() -> Dataset:
        from mmrec.config.settings import evidence_settings

        return evidence_settings(compose_overrides("train", [*of_data, *words]).cfg).dataset()

    def trained(data: Path, split: str, run_dir: Path) -> TrainSettings:
        of_folder = ["data=folder", f"data.path={quoted(str(data))}", f"split={split}", f"run_dir={quoted(str(run_dir))}"]
        return train_settings_of([*beside, *words, *of_folder])

    def following(run: Path, data: Path, out: Path) -> UpdateSettings:
        return update_settings_of([f"run={quoted(str(run))}", f"data.path={quoted(str(data))}", f"out={quoted(str(out))}", *updates])

    def again(run: Path, run_dir: Path) -> TrainSettings:
        return trained(next(path.parent for path in (run / "data").glob("*/mmrec.yaml")), "given", run_dir)

    return StreamSettings(
        folder=folder,
        dataset=dataset,
        n_slices=board["slices"],
        first=lambda data, run_dir: trained(data, board["splits"][0], run_dir),
        next=following,
        again=again,
        k=int(board["metric"].partition("@")[2]),
        seed=seed,
    )
