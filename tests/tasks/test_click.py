"""mmrec.tasks.click: metrics by hand, their direction, what validation chooses, and refusals."""

from typing import Any

import pytest
import torch

from mmrec.data.batches.batch_factory import BatchSettings, Place, SplitPart
from mmrec.errors import ConfigError, DataError
from mmrec.models.click.click_fusion import ClickFusion
from mmrec.models.click.factorization_machine import LogisticRegression
from mmrec.models.click.predictor import ClickScorer
from mmrec.models.popularity.popularity import Popularity
from mmrec.models.recommender import FrozenScorer
from mmrec.nn.heads.click import Calibration, ClickHead
from mmrec.tasks.click import ClickTask
from mmrec.tasks.task import check_columns, declared_metrics
from mmrec.types import Interactions
from tests.models.click.shop import N_ITEMS, N_USERS, fitted, impressions, spec, truth

NAN = float("nan")


def part(*rows: tuple[int, int, float]) -> SplitPart:
    user, item, label = (torch.tensor(column) for column in zip(*rows, strict=True))
    return SplitPart(Interactions(user, item, label=label), 3, 3)


def scorer_of(scores: list[list[float]]) -> ClickScorer:
    items = torch.eye(3)
    return ClickScorer(FrozenScorer(torch.tensor(scores), items, items[:, :0]), ClickHead(torch.tensor([1, 2])))


def task(model: Any = None) -> ClickTask:
    return ClickTask(LogisticRegression() if model is None else model)


def test_metrics_are_over_all_rows_and_of_each_user() -> None:
    rows = task().evaluation_set((), part((0, 0, 1.0), (0, 1, 0.0), (0, 2, 1.0), (1, 0, 0.0), (1, 1, NAN), (2, 0, 1.0)))
    found = task().measure(scorer_of([[2.0, 1.0, 0.0], [9.0, 0.0, 0.0], [3.0, 0.0, 0.0]]), rows)
    assert found.per_user["user_idx"].to_list() == [0, 1, 2]
    assert found.per_user["user_auc"].to_list() == found.per_user["auc"].to_list() == [0.5, None, None]
    values = found.pooled.values()
    assert values["auc"] == pytest.approx(2 / 6)  # of 3 clicked and 2 others; 9 is above all, 1 is below 2 and 3
    losses = [torch.tensor(x).sigmoid().log().neg().item() for x in (2.0, -1.0, 0.0, -9.0, 3.0)]
    assert values["log_loss"] == pytest.approx(sum(losses) / 5, abs=1e-6)
    assert found.per_user["log_loss"].to_list() == pytest.approx([sum(losses[:3]) / 3, losses[3], losses[4]], abs=1e-6)
    probabilities, happened = found.pooled.events(found.pooled.columns)
    assert probabilities[3] == pytest.approx(torch.tensor(9.0).sigmoid().item()) and happened.tolist() == [True, False, True, False, True]


def test_the_position_of_a_row_and_the_calibration_count() -> None:
    head = ClickHead(torch.tensor([1, 2]))
    with torch.no_grad():
        head.effects.fill_(-4.0)
    scorer = ClickScorer(FrozenScorer(torch.zeros(1, 1), torch.ones(2, 1), torch.zeros(2, 0)), head).with_calibration(Calibration(2.0, 1.0))
    rows = Interactions(torch.tensor([0, 0]), torch.tensor([0, 1]), label=torch.tensor([1.0, 0.0]), position=torch.tensor([1, 2]))
    held_out = task().evaluation_set((), SplitPart(rows, 1, 2))
    found = task().measure(scorer, held_out).pooled
    assert found.columns[:, 0].tolist() == [1.0, -1.0] and found.values()["auc"] == 1.0


def test_directions_and_the_selecting_metric() -> None:
    declared = declared_metrics(ClickTask, {})
    assert declared.default == "val/auc" and declared.lower_is_better == ["log_loss", "calibration_error"]


def test_rows_of_one_label_have_an_auc_of_chance() -> None:
    rows = task().evaluation_set((), part((0, 0, 1.0), (1, 0, 0.0)))
    pooled = task().measure(scorer_of([[2.0, 0.0, 0.0]] * 3), rows).pooled
    assert pooled.of(torch.tensor([True, False])).values()["auc"] == 0.5


def test_rows_without_a_label_are_not_trained_on() -> None:
    train = part((0, 0, 1.0), (1, 1, NAN), (2, 2, 0.0))
    batches = list(task().train_batches(train, BatchSettings("interactions", 8, 1, False, 0), Place()))
    assert sorted(batches[0].user_idx.tolist()) == [0, 2]


def test_a_held_out_part_of_one_label_is_refused() -> None:
    with pytest.raises(DataError, match="expected rows of label 1 and of label 0 in every part, found 1 and 0 of 2 held-out rows"):
        task().evaluation_set((), part((0, 0, 1.0), (1, 1, NAN)))


def test_a_column_that_is_missing_is_named_with_those_that_there_are() -> None:
    with pytest.raises(DataError, match=r"needs a column `label`, the interactions have `user_id`, `clicked`; .*data\.columns\.label="):
        check_columns(ClickTask, ["user_id", "clicked", "__file_row__"])


def test_what_does_not_predict_clicks_is_refused() -> None:
    rows = task().evaluation_set((), part((0, 0, 1.0), (1, 0, 0.0)))
    with pytest.raises(ConfigError, match=r"expected a model that predicts clicks, such as model=click_fusion, found Popularity"):
        task().measure(Popularity().fit(spec()), rows)


def test_validation_chooses_the_weight_of_the_fitted_model_and_the_calibration() -> None:
    """The fitted model knows twice the truth, and the untrained one nothing."""
    oracle = fitted(2 * truth(), torch.eye(N_ITEMS))
    model = ClickFusion(spec(), embedding_dim=8, linear=oracle)
    click_task = task(model)
    rows = click_task.evaluation_set((), SplitPart(impressions(4000, 3), N_USERS, N_ITEMS))
    validated = click_task.validate(rows)
    assert validated.means["auc"] > 0.8 and float(model.weight_of_fitted) == 0.0
    assert set(validated.means) == {"auc", "user_auc", "log_loss", "calibration_error"}
    validated.adopt()
    assert float(model.weight_of_fitted) > 0.2  # beside the truth, the few untrained numbers hardly count
    truth_alone = click_task.settled(model.mixed(*model.vectors(), 1.0), rows)
    assert validated.means["log_loss"] <= click_task.measure(truth_alone, rows).pooled.values()["log_loss"]
    again = click_task.measure(model.freeze(), rows)
    assert again.pooled.values() == pytest.approx({name: validated.means[name] for name in again.pooled.values()})
    assert again.per_user["user_auc"].mean() == pytest.approx(validated.means["user_auc"])


def test_the_calibration_of_a_baseline_is_chosen_on_validation() -> None:
    rows = task().evaluation_set((), SplitPart(impressions(4000, 3), N_USERS, N_ITEMS))
    model = LogisticRegression(n_epochs=2, n_components=0).fit(spec()).with_calibration(Calibration(0.1, 3.0))
    before = task().measure(model, rows).pooled.values()
    after = task().measure(task().settled(model, rows), rows).pooled.values()
    assert after["log_loss"] < before["log_loss"] - 0.05 and after["auc"] == pytest.approx(before["auc"])
    assert after["calibration_error"] < 0.05
