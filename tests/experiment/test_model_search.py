"""mmrec.experiment.model_search: the best of the trials is trained, named in the run folder, and not searched again when it is resumed."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

import mmrec.experiment.model_search as module
from mmrec.config.settings import evaluate_settings, train_settings
from mmrec.errors import ConfigError, Terminated
from mmrec.experiment.evaluate import evaluate
from mmrec.experiment.train import train

Compose = Callable[..., DictConfig]
ONLY = ["~tune.space.model", "~tune.space.loss", "~tune.space.optimizer", "baselines=none", "evidence.image=false", "trainer.max_epochs=1"]
"""A search over one setting alone, which ends when all of its values were tried."""


@pytest.fixture
def overrides(shop_overrides: list[str], tmp_path: Path) -> list[str]:
    """Learning rates of which one learns nothing."""
    return [*shop_overrides, *ONLY, "tune.minutes=30", "tune.space.task.embedding_lr=[0.0,0.05,0.1]", f"run_dir={tmp_path / 'run'}"]


def trials_of(run_dir: Path) -> dict[str, Any]:
    return json.loads((run_dir / "trials.json").read_text(encoding="utf-8"))


def test_the_best_of_the_trials_is_trained_and_named(compose: Compose, overrides: list[str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    run_dir = train(train_settings(compose(*overrides, "evaluation.report=true")))
    kept = trials_of(run_dir)
    tried = {one["setting"]["task.embedding_lr"]: one["value"] for one in kept["trials"]}
    assert next(iter(tried)) == pytest.approx(0.05) and sorted(tried) == [0.0, 0.05, 0.1]  # what the configuration says comes first
    best = max(tried, key=lambda value: tried[value])
    assert OmegaConf.load(run_dir / "config.yaml").task.embedding_lr == best
    chosen = json.loads((run_dir / "run.json").read_text(encoding="utf-8"))["chosen"]["2026"]["settings"]
    assert chosen == kept["chosen"] and chosen["task.embedding_lr"] == best and chosen["n_trials"] == 3
    assert chosen.get("on_edge", []) == (["task.embedding_lr"] if best in (0.0, 0.1) else [])
    assert "task.embedding_lr" in (run_dir / "report.html").read_text(encoding="utf-8")
    lines = [line for line in caplog.messages if line.startswith("trial ")]
    assert len(lines) == 3 and all("best so far" in line and "of 30 minutes" in line for line in lines)
    logged = json.loads((run_dir / "checkpoints" / "seed_2026" / "best.json").read_text(encoding="utf-8"))
    assert logged["value"] == pytest.approx(tried[best])  # the training is that of the trial
    assert not (run_dir / "trial").exists()
    again = compose(f"run={run_dir}", next(one for one in overrides if one.startswith("paths.cache")), name="evaluate")
    assert not evaluate(evaluate_settings(again)).differing


def test_a_search_that_was_stopped_goes_on(compose: Compose, overrides: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[float] = []
    fit = module.fit

    def counted(settings: Any, task: Any, *rest: Any) -> float:
        trained.append(task.embedding_lr)
        if len(trained) == 2:
            raise Terminated(15)
        return fit(settings, task, *rest)

    monkeypatch.setattr(module, "fit", counted)
    settings = train_settings(compose(*overrides))
    with pytest.raises(Terminated, match="resume="):
        train(settings)
    assert len(trials_of(settings.run_dir)["trials"]) == 1
    run_dir = train(train_settings(compose(f"resume={settings.run_dir}"), []))
    assert len(trained) == 4 and trained[1] == trained[2]  # the one that was cut short is begun again
    assert len(trials_of(run_dir)["trials"]) == 3 and "chosen" in trials_of(run_dir)


def test_a_search_that_is_over_is_not_begun_again(compose: Compose, overrides: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import mmrec.experiment.train as training

    settings = train_settings(compose(*overrides))
    with monkeypatch.context() as patch:
        patch.setattr(training, "_train_and_measure", lambda *_: (_ for _ in ()).throw(Terminated(15)))
        with pytest.raises(Terminated):
            train(settings)
    chosen = trials_of(settings.run_dir)["chosen"]
    monkeypatch.setattr(module, "fit", lambda *_: pytest.fail("it searched again"))
    run_dir = train(train_settings(compose(f"resume={settings.run_dir}"), []))
    found = json.loads((run_dir / "run.json").read_text(encoding="utf-8"))["chosen"]["2026"]["settings"]
    assert found == chosen and OmegaConf.load(run_dir / "config.yaml").task.embedding_lr == chosen["task.embedding_lr"]


def test_settings_that_cannot_be_trained_are_left_out(compose: Compose, shop_overrides: list[str], tmp_path: Path) -> None:
    """16 dimensions cannot be divided among 3 heads."""
    own = [*shop_overrides, *ONLY, "~tune.space.task", "tune.minutes=30", f"run_dir={tmp_path / 'run'}"]
    run_dir = train(train_settings(compose(*own, "fusion.n_heads=2", "+tune.space.fusion.n_heads=[2,3]")))
    first, second = trials_of(run_dir)["trials"]
    assert first["value"] > 0 and second["value"] is None and second["refused"]
    with pytest.raises(ConfigError, match=r"tune\.space: no setting could be trained; the first one: .*n_heads"):
        train(train_settings(compose(*own[:-1], f"run_dir={tmp_path / 'other'}", "+tune.space.fusion.n_heads=[3]")))
