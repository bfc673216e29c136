"""What a resumed run may change takes effect and is recorded; what it may not is refused by name, and nothing of the run is touched."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from mmrec.cli.main import main
from mmrec.cli.train import train
from mmrec.config.changes import asked_changes
from mmrec.config.hydra.overrides import split_resume_overrides
from mmrec.errors import ConfigError, DataError
from mmrec.experiment.run_folder.origin import remember_run
from mmrec.files.checkpoint import read_checkpoint
from mmrec.tasks.checkpoints import checkpoints_in

Compose = Callable[..., DictConfig]
pytestmark = pytest.mark.slow
SMALL = ["evidence.text=false", "evidence.image=false", "evidence.kg=false", "linear=none", "trend=none", "model.embedding_dim=4"]
MINE = (
    "{mine: {_target_: mmrec.models.closed_form.ease.EASE, _partial_: true, space: {regularization: [10.0, 100.0, 1000.0]}, n_trials: 1}}"
)


@pytest.fixture(scope="module")
def finished(compose: Compose, shop_overrides: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two epochs, with a baseline that the default configuration has not."""
    folder = tmp_path_factory.mktemp("changes") / "run"
    common = [*shop_overrides, *SMALL, "selection.patience=99", "baselines=none", f"+baselines={MINE}"]
    return train(compose(*common, f"run_dir={folder}"), ())


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of it that is at home where it lies."""
    folder = Path(shutil.copytree(finished, tmp_path / "run"))
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace(str(finished), str(folder)))
    remember_run(folder)
    return folder


def read(run: Path, name: str) -> dict | list:
    return json.loads((run / name).read_text(encoding="utf-8"))


def weights(run: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(checkpoints_in(run / "checkpoints" / "seed_2026")[-1])["state_dict"]


def as_command(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["mmrec", "train", *words])
    main()


def test_a_new_rate_is_that_of_the_steps_to_come_and_recorded_with_the_first_of_them(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = weights(run)
    as_command(monkeypatch, f"resume={run}", "trainer.max_epochs=4", "optimizer.lr=0.0", "task.embedding_lr=0")
    assert "resume: trainer.max_epochs 2 -> 4, optimizer.lr 0.01 -> 0.0, task.embedding_lr 0.05 -> 0" in capsys.readouterr().err
    after = weights(run)
    assert sorted(pl.read_parquet(run / "curves.parquet").filter(metric="train/loss")["epoch"]) == [0, 1, 2, 3]
    assert all(torch.equal(before[name], after[name]) for name in before)  # a rate of zero moves nothing
    config, (entry,) = OmegaConf.load(run / "config.yaml"), read(run, "changes.json")
    assert (config.trainer.max_epochs, config.optimizer.lr, config.task.embedding_lr) == (4, 0.0, 0)
    assert entry["since"] == {"2026": {"epoch": 2, "step": 8}}
    assert entry["keys"]["optimizer.lr"] == {"before": 0.01, "after": 0.0} and len(entry["keys"]) == 3


def test_changes_add_up(run: Path, compose: Compose) -> None:
    for epochs in (3, 3, 4):
        overrides = [f"resume={run}", f"trainer.max_epochs={epochs}"]
        train(compose(*overrides), overrides)
    entries = read(run, "changes.json")
    assert [entry["keys"] for entry in entries] == [{"trainer.max_epochs": {"before": n, "after": n + 1}} for n in (2, 3)]
    assert [entry["since"]["2026"]["epoch"] for entry in entries] == [2, 3]


def test_from_python_what_was_composed_counts(run: Path, compose: Compose) -> None:
    train(compose(f"resume={run}", "trainer.max_epochs=3"))
    assert OmegaConf.load(run / "config.yaml").trainer.max_epochs == 3 == len(pl.read_parquet(run / "curves.parquet")["epoch"].unique())
    with pytest.raises(ConfigError, match=r"^seed: cannot be changed in a resumed run"):
        train(compose(f"resume={run}", "seed=7"))
    with pytest.raises(ConfigError, match=r"^~optimizer\.weight_decay: keys of a resumed run cannot be removed"):
        train(compose(f"resume={run}", "~optimizer.weight_decay"))


def test_from_python_the_overrides_that_the_run_began_with_change_nothing(run: Path, compose: Compose, shop_overrides: list[str]) -> None:
    train(
        compose(*shop_overrides, *SMALL, "selection.patience=99", "baselines=none", f"+baselines={MINE}", f"run_dir={run}", f"resume={run}")
    )
    assert not (run / "changes.json").exists()


def test_a_key_that_only_the_run_has_can_be_changed_on_the_command_line(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(run, "metrics.json")["tuned"]["mine"]["n_trials"] == 1
    as_command(monkeypatch, f"resume={run}", "baselines.mine.n_trials=3")
    assert read(run, "metrics.json")["tuned"]["mine"]["n_trials"] == 3
    assert OmegaConf.load(run / "config.yaml").baselines.mine.n_trials == 3


def test_a_trained_run_can_be_measured_otherwise_and_get_another_seed(run: Path, compose: Compose) -> None:
    overrides = [f"resume={run}", "evaluation.auc=false", "n_seeds=2"]
    train(compose(*overrides), overrides)
    assert read(run, "run.json")["seeds"] == [2026, 2027] and "test/auc" not in read(run, "metrics.json")["models"]["fusion"]
    assert read(run, "changes.json")[0]["since"] == {"2026": {"epoch": 2, "step": 8}, "2027": {"epoch": 0, "step": 0}}


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            ["optimizer.lr=0.5"],
            "optimizer.lr: the training has ended after 2 epochs, so this would have no effect; raise trainer.max_epochs",
        ),
        (["loss.temperature=0.5", "evaluation.auc=false"], "loss.temperature: the training has ended"),
        (["trainer.max_epochs=1"], "trainer.max_epochs: the run has already trained 2 epochs; expected at least as many, found 1"),
        (["trainer.max_epochs=4", "seed=7"], "seed: cannot be changed in a resumed run"),
        (["data_module.batch_size=4"], "data_module.batch_size: cannot be changed in a resumed run"),
        (["split.test_ratio=0.3"], "split.test_ratio: cannot be changed in a resumed run"),
        (["model.embedding_dim=8"], "model.embedding_dim: cannot be changed in a resumed run"),
        (["selection.metric=val/ndcg@10"], "selection.metric: cannot be changed in a resumed run"),
        (["task.ks=[5]"], "task.ks: cannot be changed in a resumed run"),
        (["run_dir=/elsewhere"], "run_dir: cannot be changed in a resumed run"),
        (["fusion=gated"], "fusion: choices of a resumed run cannot be changed"),
        (["optimizer._target_=torch.optim.SGD"], "optimizer._target_: choices of a resumed run cannot be changed"),
        (["baselines.ease.n_trials=2"], "baselines.ease.n_trials: the run has no `baselines.ease`; choose from `mine`"),
        (["trainer.max_epochs=4", "optimizer.rate=1"], "optimizer.rate: AdamW takes no `rate`"),
        (["trainer.max_epochs=many"], "trainer.max_epochs: expected a whole number, found `many`"),
        (["selection.patienc=4"], "selection.patienc: there is no such key; did you mean `patience`?"),
        (["sed=4"], "sed: there is no such key; did you mean `seed`?"),
        (["~baselines"], "~baselines: keys of a resumed run cannot be removed or swept"),
        (["trainer.max_epochs=3,4"], "trainer.max_epochs=3,4: keys of a resumed run cannot be removed or swept"),
    ],
)
def test_what_may_not_change_is_refused_by_name(
    overrides: list[str], said: str, run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(SystemExit) as end:
        as_command(monkeypatch, f"resume={run}", *overrides)
    assert end.value.code == 2 and f"mmrec: {said}" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_run_that_ended_early_trains_on_with_more_patience_alone(compose: Compose, shop_overrides: list[str], tmp_path: Path) -> None:
    still = ["optimizer.lr=0", "task.embedding_lr=0", "selection.patience=1", "baselines=none", "trainer.max_epochs=9"]
    run = train(compose(*shop_overrides, *SMALL, *still, f"run_dir={tmp_path / 'run'}"), ())
    with pytest.raises(ConfigError, match=r"^trainer\.max_epochs: the training has ended after 2 epochs, .*; raise selection\.patience"):
        train(compose(f"resume={run}"), ["trainer.max_epochs=20"])
    train(compose(f"resume={run}"), ["selection.patience=3"])
    assert pl.read_parquet(run / "curves.parquet")["epoch"].max() == 3


def test_a_run_that_was_stopped_can_be_ended_where_it_stands(run: Path, compose: Compose) -> None:
    config = OmegaConf.load(run / "config.yaml")
    config.trainer.max_epochs = 50
    OmegaConf.save(config, run / "config.yaml")
    remember_run(run)
    train(compose(f"resume={run}"), ["trainer.max_epochs=2"])
    assert read(run, "changes.json")[0]["keys"] == {"trainer.max_epochs": {"before": 50, "after": 2}}


def test_a_list_of_changes_that_is_none_is_a_message(run: Path, compose: Compose) -> None:
    (run / "changes.json").write_text("{}")
    with pytest.raises(DataError, match=r"changes\.json: expected a list of changes, found dict"):
        train(compose(f"resume={run}"), ["trainer.max_epochs=3"])


def test_values_are_read_as_hydra_reads_them() -> None:
    asked = asked_changes(["resume=x", "a.b='x y'", "++c=[1,2]", "d=null", "e=1e-3", "hydra.verbose=true"])
    assert asked == {"a.b": "x y", "c": [1, 2], "d": None, "e": 0.001}


def test_words_are_composed_by_hydra_unless_they_are_of_a_run() -> None:
    words = ["--cfg", "job", "resume=runs/x", "optimizer.lr=1", "hydra.verbose=true", "~baselines"]
    assert split_resume_overrides(words) == (["--cfg", "job", "resume=runs/x", "hydra.verbose=true"], ["optimizer.lr=1", "~baselines"])
    for others in (["seed=1"], ["resume=null", "seed=1"], ["-m", "resume=runs/x,runs/y", "seed=1"]):
        assert split_resume_overrides(others) == (others, [])
