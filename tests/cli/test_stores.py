"""Pictures from a store and features shared in one, from the command line: the same evidence, and each mistake one message."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import fsspec
import polars as pl
import pytest
import torch
from omegaconf import DictConfig

from mmrec.cli import main as cli
from mmrec.cli.data.check import check_command
from mmrec.config.settings import evidence_settings
from mmrec.data.discover.describe import describe
from mmrec.data.folder.read import read_folder
from mmrec.errors import ConfigError
from mmrec.experiment.evidence import load_evidence
from mmrec.types import IMAGE, Features


@pytest.fixture
def moved(shop_folder: Path, tmp_path: Path) -> Iterator[Path]:
    """The shop without its pictures: those are at memory://bucket/pictures."""
    folder, memory = tmp_path / "shop", fsspec.filesystem("memory")
    folder.mkdir()
    for path in shop_folder.iterdir():
        if path.suffix == ".jpg":
            memory.pipe_file(f"/bucket/pictures/{path.name}", path.read_bytes())
        else:
            shutil.copy(path, folder)
    yield folder
    memory.store.clear()


@pytest.fixture
def features(compose: Callable[..., DictConfig], shop_overrides: list[str], tmp_path: Path) -> Callable[..., Features]:
    """The features of the pictures, with an empty cache."""

    def load(*overrides: str, cache: str) -> Features:
        cfg = compose(*shop_overrides, "evidence.text=false", *overrides, f"paths.cache={tmp_path / cache}")
        return load_evidence(evidence_settings(cfg)).features[IMAGE]

    return load


def test_the_same_evidence_from_store_and_folder(moved: Path, features: Callable[..., Features]) -> None:
    here = features(cache="a")
    there = features(f"data.path={moved}", "data.pictures=memory://bucket/pictures", "features.store=memory://bucket/features", cache="b")
    shared = features("features.store=memory://bucket/features", cache="c")
    for found in (there, shared):
        assert torch.equal(here.values, found.values) and torch.equal(here.present, found.present) and here.present.sum() == 36
    assert len(fsspec.filesystem("memory").glob("/bucket/features/*/*")) == 2


def test_pictures_called_by_id_in_a_store(moved: Path) -> None:
    pl.read_csv(moved / "items.csv").drop("image").write_csv(moved / "items.csv")
    arguments = {"pictures": "memory://bucket/pictures"}
    dataset = read_folder(str(moved), image_column="{item_id}.*", **arguments)
    assert dataset.items["image"].head(10).to_list() == [None if n == 8 else f"i{n}.jpg" for n in range(10)]
    with pytest.raises(ConfigError, match=r"data.image_column: memory://bucket/pictures lists no picture called `x/\{item_id\}.png`"):
        read_folder(str(moved), image_column="x/{item_id}.png", **arguments)
    with pytest.raises(ConfigError, match=r"data.pictures: no pictures are assigned to items; set data.image_column=photo"):
        read_folder(str(moved), **arguments)


def test_check_and_describe_look_into_the_store(moved: Path, compose: Callable[..., DictConfig]) -> None:
    fsspec.filesystem("memory").pipe_file("/bucket/pictures/i1.jpg", b"no picture")
    fsspec.filesystem("memory").rm("/bucket/pictures/i2.jpg")
    fsspec.filesystem("memory").pipe_file("/bucket/secret.jpg", b"S")
    items = pl.read_csv(moved / "items.csv").with_columns(image=pl.col("image").replace("i3.jpg", "../secret.jpg"))
    items.write_csv(moved / "items.csv")
    cfg = compose("data=folder", f"data.path={moved}", "data.pictures=memory://bucket/pictures", name="check")
    found = check_command(cfg)["pictures"]["first"]
    assert [(one["code"], one["place"]) for one in found] == [
        ("missing-picture", "item `i2`"),
        ("missing-picture", "item `i3`"),
        ("unreadable-picture", "item `i1`"),
    ]
    assert "i2.jpg: there is no such file" in found[0]["reason"] and "../secret.jpg: lies outside of the store" in found[1]["reason"]
    dataset = read_folder(str(moved), pictures="memory://bucket/pictures")
    assert next(one for one in describe(dataset, 0).coverage if one.modality == IMAGE).n_items == 34


@pytest.mark.parametrize("key", ["data.pictures", "features.store"])
@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("memry://x", "there is no protocol `memry`"),
        ("tosfs://bucket/x", "what reads `tosfs://bucket/x` is not installed: "),
        ("http://127.0.0.1:9/x", "http://127.0.0.1:9/x does not answer as expected: "),
        ("zip://x::file:///none.zip", "`zip://x::file:///none.zip` is not there"),
    ],
)
def test_a_mistake_is_one_message_and_exit_code_2(
    key: str,
    url: str,
    said: str,
    shop_overrides: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["mmrec", "train", *shop_overrides, f"{key}={url}", f"paths.runs={tmp_path}"])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    errors = [line for line in capsys.readouterr().err.splitlines() if line.startswith("mmrec: ")]
    assert stopped.value.code == 2 and len(errors) == 1 and errors[0].startswith(f"mmrec: {key}: {said}")


def test_files_that_travel_with_the_data_name_no_store(moved: Path) -> None:
    for key in ("pictures", "allow_hosts"):
        (moved / "mmrec.yaml").write_text(f"{key}: memory://bucket/pictures\n")
        with pytest.raises(ConfigError, match=rf"mmrec.yaml:1: {key}: cannot be set here, .* set it as data.{key}=…"):
            read_folder(str(moved))
    (moved / "mmrec.yaml").write_text("features: {store: 'memory://bucket/features'}\n")
    with pytest.raises(ConfigError, match=r"data.features.store: expected a file that ends in .npy"):
        read_folder(str(moved))
