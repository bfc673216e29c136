"""Two trainings of the default model with one configuration leave the same files: on data of many components, with two threads."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from omegaconf import DictConfig

from mmrec.cli.train import train

N_COMPONENTS, N_USERS, N_ITEMS, N_EVENTS = 120, 6, 4, 3
TIMED = {"config.yaml", "run.json", "report.html", "seconds.json"}
"""These name the folder, or say how long something took."""


def write_components(folder: Path) -> None:
    """In each component 6 users have 3 of 4 items, over a year."""
    rng = np.random.default_rng(0)
    rows = [
        (f"u{user}", f"i{user // N_USERS * N_ITEMS + item}", 1_600_000_000 + int(rng.integers(0, 365 * 86_400)))
        for user in range(N_COMPONENTS * N_USERS)
        for item in rng.permutation(N_ITEMS)[:N_EVENTS]
    ]
    pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row").write_csv(folder / "interactions.csv")


@pytest.mark.usefixtures("two_threads")
def test_the_default_model_its_linear_part_and_its_baselines_repeat(compose: Callable[..., DictConfig], tmp_path: Path) -> None:
    """Checkpoints, metrics and lists, byte for byte; each run makes its own searches, as their caches are apart."""
    write_components(tmp_path)
    words = ["data=folder", f"data.path={tmp_path}", "trainer.max_epochs=2", "trainer.enable_progress_bar=false", "~logger.tensorboard"]
    words += [
        "baselines.ials.n_trials=3",
        "baselines.ials.first=[]",
        "baselines.ials.space.embedding_dim=[4, 8]",
        "baselines.item_knn.n_trials=4",
    ]
    words += [f"linear.models.{name}.rank=[8, 16]" for name in ("spectral", "ials", "time_ease")]
    words += ["baselines.recent_popularity.n_trials=3"]
    found = []
    for name in ("one", "two"):
        run = train(compose(*words, f"run_dir={tmp_path / name}", f"paths.cache={tmp_path / f'cache_{name}'}"))
        found.append({str(path.relative_to(run)): path.read_bytes() for path in sorted(run.rglob("*")) if path.is_file()})
    one, two = found
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name] and Path(name).name not in TIMED] == []
    assert {"metrics.json", "recommendations.parquet", "vectors.safetensors", "curves.parquet", "per_user.parquet"} <= one.keys()
    assert any(name.startswith("checkpoints/") and name.endswith(".safetensors") for name in one)
