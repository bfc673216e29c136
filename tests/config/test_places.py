"""The configuration of a run, used again: where it goes on, which places it may name, and that it opens from any folder."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from omegaconf import DictConfig, OmegaConf

import mmrec.experiment.train
from mmrec.cli.evaluate import evaluate
from mmrec.cli.train import train
from mmrec.config.places import open_config
from mmrec.errors import ConfigError, DataError, MissingFile, Terminated
from mmrec.experiment.run_folder.origin import is_made_here

Compose = Callable[..., DictConfig]
BARE = ["linear=none", "trend=none", "evidence.text=false", "evidence.image=false", "evidence.kg=false", "baselines=none"]


@pytest.fixture(scope="module")
def home(shop_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the run was started."""
    folder = tmp_path_factory.mktemp("home")
    shutil.copytree(shop_folder, folder / "shop")
    return folder


@pytest.fixture(scope="module")
def run(home: Path, compose: Compose, shop_overrides: list[str]) -> Path:
    """A run that was given relative paths."""
    words = [word for word in shop_overrides if not word.startswith("data.path=")]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        assert train(compose(*words, *BARE, "trainer.max_epochs=1", "data.path=shop/", "run_dir=runs/one")) == Path("runs/one")
    return home / "runs" / "one"


@pytest.fixture
def copied(run: Path, tmp_path: Path) -> Path:
    return shutil.copytree(run, tmp_path / "copied")


def change(folder: Path, **values: object) -> Path:
    """The run with other values at the top of its configuration: one that nobody made here."""
    saved = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump(saved | values))
    return folder


def relative(folder: Path) -> Path:
    """As runs were kept before: with the words of the command line."""
    saved = yaml.safe_load((folder / "config.yaml").read_text())
    encoder = {"_target_": "mmrec.nn.encoders.text.minilm", "cache": "cache", "max_length": 256}
    return change(folder, data=saved["data"] | {"path": "shop"}, encoders=saved["encoders"] | {"text": encoder}, run_dir="runs/one")


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_a_run_given_relative_paths_is_evaluated_from_anywhere(
    run: Path, home: Path, compose: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = OmegaConf.load(run / "config.yaml")
    assert (saved.data.path, saved.run_dir, saved.logger.csv.save_dir) == (f"{home}/shop", str(run), f"{run}/logs")
    monkeypatch.chdir(tmp_path)
    assert evaluate(compose(f"run={run}", name="evaluate"))


def test_a_resumed_copy_goes_on_in_its_own_folder(run: Path, copied: Path, compose: Compose) -> None:
    before = contents(run)
    overrides = [f"resume={copied}", "trainer.max_epochs=2"]
    assert train(compose(*overrides), overrides) == copied
    assert contents(run) == before
    saved = OmegaConf.load(copied / "config.yaml")
    assert (saved.run_dir, saved.logger.csv.save_dir) == (str(copied), f"{copied}/logs")
    assert is_made_here(copied) and list((copied / "logs" / "csv").glob("seed_2026-*"))


def test_a_run_from_elsewhere_needs_its_data_named_or_all_its_places_confirmed(
    copied: Path, home: Path, compose: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    relative(copied)
    monkeypatch.chdir(home)
    with pytest.raises(ConfigError, match=r"^run: .* was not made here, .*: data\.path=shop; set your own, .*trust_run=true"):
        evaluate(compose(f"run={copied}", name="evaluate"))
    with pytest.raises(ConfigError, match="was not made here"):
        train(compose(f"resume={copied}"), [f"resume={copied}"])
    named = evaluate(compose(f"run={copied}", f"data.path={home}/shop", name="evaluate"))
    assert named == evaluate(compose(f"run={copied}", "trust_run=true", name="evaluate"))
    assert not is_made_here(copied)


def test_what_a_run_says_of_trust_does_not_count(copied: Path, compose: Compose) -> None:
    change(relative(copied), trust_run=True)
    with pytest.raises(ConfigError, match="was not made here"):
        open_config(copied, compose(f"run={copied}", name="evaluate"), [])


def test_caches_store_and_loggers_are_those_of_the_caller(copied: Path, compose: Compose, tmp_path: Path) -> None:
    saved = yaml.safe_load((copied / "config.yaml").read_text())
    theirs = str(tmp_path / "victim")
    data = saved["data"] | {"quarantine": theirs}
    encoder = {"_target_": "mmrec.nn.encoders.text.minilm", "cache": theirs, "max_length": 256}
    features = saved["features"] | {"store": theirs}
    logger = {"x": {"_target_": "lightning.pytorch.loggers.CSVLogger", "save_dir": theirs}}
    paths = {"cache": theirs, "runs": theirs}
    change(copied, data=data, encoders=saved["encoders"] | {"text": encoder}, features=features, logger=logger, paths=paths, run_dir=theirs)
    caller = compose(f"resume={copied}", f"paths.cache={tmp_path}/mine")
    opened = open_config(copied, caller, ["data.path"])
    assert "victim" not in OmegaConf.to_yaml(opened)
    assert opened.data.quarantine == f"{tmp_path}/mine/quarantine" and opened.logger.csv.save_dir == f"{copied}/logs"


@pytest.mark.parametrize("target", ["/etc", "../../outside"])
def test_links_out_of_a_run_are_refused(target: str, copied: Path, compose: Compose) -> None:
    (copied / "logs" / "more").symlink_to(target)
    for act in (lambda: evaluate(compose(f"run={copied}", name="evaluate")), lambda: train(compose(f"resume={copied}"), [])):
        with pytest.raises(DataError, match="is a link to outside of the run folder"):
            act()


def test_a_run_killed_before_its_last_file_is_not_finished(run: Path, copied: Path, compose: Compose) -> None:
    (copied / "run.json").unlink()
    with pytest.raises(MissingFile, match=r"has no finished run \(no run\.json\)"):
        evaluate(compose(f"run={copied}", name="evaluate"))
    train(compose(f"resume={copied}"), [f"resume={copied}"])
    assert (copied / "run.json").is_file()


def test_ctrl_c_while_measuring_names_how_to_go_on(copied: Path, compose: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(mmrec.experiment.train, "measure", interrupt)
    with pytest.raises(Terminated) as end:
        train(compose(f"resume={copied}"), [f"resume={copied}"])
    assert end.value.code == 130 and str(end.value) == f"interrupted; `mmrec train resume={copied}` continues from here"
