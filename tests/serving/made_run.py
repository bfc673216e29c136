"""A run folder made by hand: three users, four items with two-dimensional vectors, and no data to restore the model from."""

import json
from pathlib import Path

import polars as pl
import torch
from safetensors.torch import save_file

import mmrec
from mmrec.serving.model.open_model import open_model
from mmrec.serving.model.served import ServedModel

USERS = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5]])
ITEMS = torch.tensor([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [3.0, 3.0]])


def write_run(folder: Path, users: torch.Tensor = USERS) -> Path:
    """User 1 had z and x, user 2 had z, user 3 nothing."""
    (folder / "split").mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"model": "ours", "name": folder.name}))
    (folder / "metrics.json").write_text(json.dumps({"models": {"ours": {"test/ndcg@10": 0.5}}}))
    save_file({"users": users, "items": ITEMS}, folder / "vectors.safetensors")
    pl.DataFrame({"user_id": ["1", "2", "3"]}).write_parquet(folder / "users.parquet")
    pl.DataFrame({"item_id": ["w", "x", "y", "z"], "title": ["W", "X", "Y", "Z"]}).write_parquet(folder / "items.parquet")
    for part, row in {"train": ("1", "z"), "valid": ("1", "x"), "test": ("2", "z")}.items():
        pl.DataFrame([row], schema=["user_id", "item_id"], orient="row").write_parquet(folder / "split" / f"{part}.parquet")
    return folder


def served(folder: Path) -> ServedModel:
    """The model of a run folder, without its data."""
    return open_model(mmrec.open_run(folder), restore=False)
