"""Peers of `bench_training.py`: each trains in a process of its own, of another interpreter, on the rows that our model trains on."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import numpy as np
import polars as pl
import torch
from omegaconf import DictConfig

from mmrec.types import IMAGE, TEXT, DatasetSpec, Features, Interactions

NEVER = 10**6  # epochs


class Seconds(NamedTuple):
    """Of all threads of a process, and on the clock."""

    cpu: float
    wall: float

    def __add__(self, other: "Seconds") -> "Seconds":  # type: ignore[override]
        return Seconds(self.cpu + other.cpu, self.wall + other.wall)

    def __sub__(self, other: "Seconds") -> "Seconds":
        return Seconds(self.cpu - other.cpu, self.wall - other.wall)


class Peer:
    """A process that answers each word with the seconds that this work took it: `train` is an epoch of training.

    `rankings` are the words for full rankings of the test users, by what tables call them.
    """

    def __init__(self, name: str, command: Sequence[str], rankings: Mapping[str, str] | None = None) -> None:
        self.name, self.rankings = name, rankings or {}
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        self.turn("train")  # warm up
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.stdin.close()
        self._process.wait()

    def turn(self, word: str) -> Seconds:
        """Lets the peer do this. Raises RuntimeError where it has ended; what it said of that is on stderr."""
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        if not (answer := self._process.stdout.readline()):
            raise RuntimeError(f"{self.name} ended with {self._process.wait()}")
        return Seconds(**json.loads(answer))


def start_recbole(cfg: DictConfig, spec: DatasetSpec, python: str, threads: int) -> Peer:
    """RecBole's LightGCN on the split of a run; `python` is an interpreter that has recbole 1.2.1."""
    folder = Path(cfg.run_dir) / "recbole"
    (folder / "ml").mkdir(parents=True)
    for part in ("train", "valid", "test"):
        table = pl.read_parquet(Path(cfg.run_dir) / "split" / f"{part}.parquet", columns=["user_id", "item_id"], glob=False)
        table.rename("{}:token".format).write_csv(folder / "ml" / f"ml.{part}.inter", separator="\t")
    command = [python, _script("recbole_peer.py"), str(folder), str(threads)]
    return Peer("RecBole", command, {"RecBole": "evaluate", "RecBole, one batch": "evaluate_at_once"})


def start_mmrec_toolbox(cfg: DictConfig, spec: DatasetSpec, python: str, checkout: str, threads: int) -> Peer:
    """The MMRec toolbox's model of the same name, FREEDOM or BM3, of the same sizes, on the training rows and features of `spec`."""
    folder = Path(cfg.run_dir) / "mmrec_toolbox"
    (folder / "data").mkdir(parents=True)
    _write_toolbox_rows(folder / "data" / "data.inter", spec)
    for modality in (TEXT, IMAGE):
        if modality in spec.features:
            np.save(folder / "data" / f"{modality}_feat.npy", _filled(spec.features[modality]), allow_pickle=False)
    (folder / "settings.json").write_text(json.dumps(_toolbox_settings(cfg)))
    name = cfg.model._target_.rpartition(".")[2]
    return Peer("MMRec toolbox", [python, _script("mmrec_toolbox_peer.py"), checkout, str(folder), name, str(threads)])


def _script(name: str) -> str:
    return str(Path(__file__).with_name(name))


def _write_toolbox_rows(path: Path, spec: DatasetSpec) -> None:
    """The training rows, and one for test that names the last user and item: the toolbox has as many as the highest that occurs."""
    train: Interactions = spec.train
    rows = {"userID": train.user_idx.tolist(), "itemID": train.item_idx.tolist(), "x_label": [0] * len(train.user_idx)}
    for name, last in {"userID": spec.n_users - 1, "itemID": spec.n_items - 1, "x_label": 2}.items():
        rows[name].append(last)
    pl.DataFrame(rows).with_columns(rating=1.0, timestamp=0).write_csv(path, separator="\t")


def _filled(features: Features) -> np.ndarray:
    """The features with the mean of all for those of items that have none: the toolbox knows no mask."""
    values, present = features.values, features.present
    return torch.where(present[:, None], values, values[present].mean(dim=0)).float().numpy()


def _toolbox_settings(cfg: DictConfig) -> dict[str, object]:
    """What the toolbox calls the settings of our configuration."""
    model = cfg.model
    of_model = {
        "FREEDOM": lambda: {
            "n_ui_layers": model.n_layers,
            "n_mm_layers": 1,
            "knn_k": model.n_neighbours,
            "mm_image_weight": model.modality_weights.image,
            "dropout": model.edge_dropout,
            "reg_weight": model.content_weight,
        },
        "BM3": lambda: {
            "n_layers": model.n_layers,
            "dropout": model.dropout,
            "cl_weight": model.content_weight,
            "reg_weight": model.regularization,
        },
    }
    return of_model[model._target_.rpartition(".")[2]]() | {
        "embedding_size": model.embedding_dim,
        "feat_embed_dim": model.embedding_dim,
        "train_batch_size": cfg.data_module.batch_size,
        "learner": "adam",
        "learning_rate": cfg.optimizer.lr,
        "weight_decay": cfg.optimizer.weight_decay,
        "seed": cfg.seed,
        "use_gpu": False,
        "epochs": NEVER,
        "eval_step": NEVER,
        "USER_ID_FIELD": "userID",
        "ITEM_ID_FIELD": "itemID",
        "inter_file_name": "data.inter",
        "text_feature_file": "text_feat.npy",
        "vision_feature_file": "image_feat.npy",
    }
