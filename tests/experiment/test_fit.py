"""The trainer of a configuration: early stopping and the choice of the best epoch follow the direction of the metric."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from lightning.pytorch.callbacks import EarlyStopping, RichProgressBar, Timer
from omegaconf import DictConfig

from mmrec.config.settings import training_settings
from mmrec.experiment.fit import _EpochLines, make_trainer
from mmrec.tasks.checkpoints import CheckpointKeeper


@pytest.mark.parametrize(("lower", "mode", "sign"), [(set(), "max", 1), ({"ndcg"}, "min", -1)])
def test_what_is_better_is_said_by_the_metric(
    lower: set[str], mode: str, sign: int, compose: Callable[..., DictConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mmrec.metrics.direction.LOWER_IS_BETTER", lower)
    trainer = make_trainer(training_settings(compose("trainer=debug", f"run_dir={tmp_path}"), 1), tmp_path)
    stopping, keeper = (next(one for one in trainer.callbacks if isinstance(one, kind)) for kind in (EarlyStopping, CheckpointKeeper))
    assert (stopping.monitor, stopping.mode) == ("val/ndcg@20", mode)
    assert (keeper.metric, keeper.sign) == ("val/ndcg@20", sign)


def test_a_trial_ends_in_time_and_tells_nothing_of_its_epochs(compose: Callable[..., DictConfig], tmp_path: Path) -> None:
    training = training_settings(compose("trainer=debug", f"run_dir={tmp_path}"), 1)
    whole = make_trainer(training, tmp_path).callbacks
    assert any(isinstance(one, _EpochLines | RichProgressBar) for one in whole) and not any(isinstance(one, Timer) for one in whole)
    trial = make_trainer(replace(training, trial_seconds=90.0), tmp_path).callbacks
    assert [one.time_remaining() for one in trial if isinstance(one, Timer)] == [90.0]
    assert not any(isinstance(one, _EpochLines | RichProgressBar) for one in trial)
