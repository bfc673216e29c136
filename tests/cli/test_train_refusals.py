"""What a run refuses before it begins: to choose by what validation does not measure, numbers that cannot be,
folders that cannot be written or hold something else."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import DictConfig

from mmrec.cli.train import train
from mmrec.errors import ConfigError, DataError, MissingFile, StorageError

Compose = Callable[..., DictConfig]


@pytest.mark.parametrize("metric", ["test/ndcg@20", "val/ndcg@5", "ndcg@20", "val/loss"])
def test_only_a_validation_metric_may_choose(metric: str, compose: Compose, shop_overrides: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"^selection\.metric: .* is not computed on the validation part"):
        train(compose(*shop_overrides, f"selection.metric={metric}"))


def test_a_finished_run_is_not_overwritten(tmp_path: Path, compose: Compose, shop_overrides: list[str]) -> None:
    for name in ("metrics.json", "run.json"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(ConfigError, match=r"^run_dir: .* holds a finished run"):
        train(compose(*shop_overrides, f"run_dir={tmp_path}"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["metrics.json", "run.json"]


@pytest.mark.parametrize(
    "override",
    [
        "seed=-1",
        "data_module.n_workers=-1",
        "loss.temperature=-1",
        "loss.temperature=nan",
        "selection.patience=-1",
        "trainer.max_epochs=0",
        "optimizer.lr=-1",
        "model.dropout.history=1.0",
        "linear.models.spectral.rank=[0]",
        "baselines.ials.space.alpha=[-1.0,10.0,linear]",
        "graph.min_degree=-1",
        "checkpoint.every_n_steps=0",
        "filter.min_rating=inf",
    ],
)
def test_a_number_out_of_its_bounds_is_refused_with_its_key_before_data_are_read(override: str, compose: Compose) -> None:
    key = override.partition("=")[0]
    with pytest.raises(ConfigError, match=rf"^{re.escape(key)}: expected .*, found "):
        train(compose("data=folder", "data.path=/is/not/there", override))


def test_ratios_that_leave_nothing_to_train_on_are_refused_before_data_are_read(compose: Compose) -> None:
    with pytest.raises(ConfigError, match=r"^split.valid_ratio \+ split.test_ratio"):
        train(compose("data=folder", "data.path=/is/not/there", "split.valid_ratio=0.5", "split.test_ratio=0.5"))


@pytest.mark.parametrize("override", ["data.text_columns=[title,item_id]", "data.text_columns=[title,title]", "data.image_column=item_id"])
def test_columns_that_are_no_evidence_are_refused_before_training(override: str, compose: Compose, shop_overrides: list[str]) -> None:
    key = override.partition("=")[0]
    with pytest.raises(ConfigError, match=rf"^{key}: `(item_id` contains the ids|title` is repeated)"):
        train(compose(*shop_overrides, override))


def test_the_data_folder_is_no_run_folder(compose: Compose, shop_overrides: list[str], shop_folder: Path) -> None:
    before = sorted(shop_folder.iterdir())
    with pytest.raises(ConfigError, match=r"^run_dir: .* is the folder of data\.path, which a run would overwrite"):
        train(compose(*shop_overrides, f"run_dir={shop_folder}/../{shop_folder.name}"))
    assert sorted(shop_folder.iterdir()) == before


@pytest.mark.parametrize("key", ["paths.runs", "run_dir"])
@pytest.mark.parametrize("place", ["/proc/nope", "{shop}/items.csv", "{shop}/items.csv/below"])
def test_a_run_folder_that_cannot_be_written_is_refused_before_data_are_read(
    key: str, place: str, compose: Compose, shop_folder: Path
) -> None:
    place = place.format(shop=shop_folder)
    with pytest.raises(StorageError, match=rf"^{key}: {place}.* cannot be written"):
        train(compose("data=folder", "data.path=/is/not/there", f"{key}={place}"))


def test_one_item_is_nothing_to_rank(tmp_path: Path, compose: Compose) -> None:
    (tmp_path / "interactions.csv").write_text("user_id,item_id\n" + "".join(f"u{user},lamp\n" for user in range(20)))
    with pytest.raises(DataError, match="expected at least two items, found 1, so there is nothing to rank"):
        train(compose("data=folder", f"data.path={tmp_path}", f"paths.runs={tmp_path}/runs"))


def test_a_folder_without_a_run_cannot_be_resumed(tmp_path: Path, compose: Compose) -> None:
    with pytest.raises(MissingFile, match=r"^resume: expected the configuration of a run at "):
        train(compose(f"resume={tmp_path}"), [f"resume={tmp_path}"])
