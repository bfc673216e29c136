"""mmrec.experiment.run_folder.models: fitted models, written and made again."""

from pathlib import Path
from types import SimpleNamespace
from unittest.mock import create_autospec

import pytest
import torch

from mmrec.errors import DamagedCheckpoint
from mmrec.experiment.run_folder.models import load_model, write_fitted
from mmrec.experiment.settings import TrainingSettings
from mmrec.models.closed_form.ease import EASE
from mmrec.types import DatasetSpec, Interactions

TRAIN = Interactions(torch.tensor([0, 0, 1, 1, 2]), torch.tensor([0, 1, 1, 2, 0]))
SPEC = DatasetSpec(3, 3, TRAIN)


def settings() -> TrainingSettings:
    """The two parts of a training's settings that are read."""
    parts = {"model": SimpleNamespace(kind=EASE), "candidate": SimpleNamespace(make=EASE)}
    of_ease: TrainingSettings = create_autospec(TrainingSettings, instance=True, **parts)
    return of_ease


def test_a_fitted_model_comes_back_with_its_settings_and_scores(tmp_path: Path) -> None:
    model, users = EASE(2.0).fit(SPEC), torch.arange(3)
    write_fitted(tmp_path, model, {"regularization": 2.0})
    again = load_model(settings(), SPEC, {}, tmp_path)
    assert isinstance(again, EASE) and again.regularization == 2.0
    assert torch.equal(again.score_users(users), model.score_users(users))


def test_a_model_that_another_version_fitted_is_refused_in_a_sentence(tmp_path: Path) -> None:
    model = EASE(2.0).fit(SPEC)
    del model.weights
    model.remember(spectrum=torch.ones(3))
    write_fitted(tmp_path, model, {"regularization": 2.0})
    with pytest.raises(
        DamagedCheckpoint, match=r"fitted: expected `weights`, found none; it was fitted by another version of mmrec, train again"
    ):
        load_model(settings(), SPEC, {}, tmp_path)
