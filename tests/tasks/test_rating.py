"""mmrec.tasks.rating: errors over all rows by hand, their direction, what validation chooses, and refusals."""

from typing import Any

import pytest
import torch

from mmrec.data.batches.batch_factory import BatchSettings, Place, SplitPart
from mmrec.errors import ConfigError, DataError
from mmrec.models.popularity.popularity import Popularity
from mmrec.models.rating.mean_rating import MeanRating
from mmrec.models.rating.predictor import RatingScorer
from mmrec.models.rating.rating_fusion import RatingFusion
from mmrec.models.recommender import FrozenScorer
from mmrec.nn.heads.rating import GaussianHead
from mmrec.tasks.rating import RatingTask
from mmrec.tasks.task import check_columns, declared_metrics
from mmrec.types import Interactions
from tests.models.rating.shop import N_ITEMS, N_USERS, spec, truth

LEVELS = torch.arange(1.0, 6.0)
SEEN = Interactions(torch.tensor([0, 1]), torch.tensor([0, 1]), rating=torch.tensor([1.0, 5.0]))


def part(*rows: tuple[int, int, float]) -> SplitPart:
    user, item, rating = (torch.tensor(column) for column in zip(*rows, strict=True))
    return SplitPart(Interactions(user, item, rating=rating), 3, 3)


def scorer_of(scores: list[list[float]]) -> RatingScorer:
    items = torch.eye(3)
    return RatingScorer(FrozenScorer(torch.tensor(scores), items, items[:, :0]), GaussianHead(LEVELS))


def task(model: Any = None) -> RatingTask:
    return RatingTask(MeanRating() if model is None else model)


def test_errors_are_over_all_rows_and_of_each_user() -> None:
    rows = task().evaluation_set((SplitPart(SEEN, 3, 3),), part((0, 0, 4.0), (0, 1, 2.0), (1, 2, 5.0), (2, 1, float("nan"))))
    found = task().measure(scorer_of([[3.0, 2.0, 1.0], [1.0, 1.0, 9.0], [1.0, 1.0, 1.0]]), rows)
    assert found.per_user["user_idx"].to_list() == [0, 1]
    assert found.per_user["rmse"].to_list() == pytest.approx([0.5**0.5, 0.0])  # 9 is brought to 5
    assert found.per_user["mae"].to_list() == [0.5, 0.0]
    values = found.pooled.values()
    assert values["rmse"] == pytest.approx((1 / 3) ** 0.5) and values["mae"] == pytest.approx(1 / 3)
    probabilities, happened = found.pooled.events(found.pooled.columns)
    assert len(probabilities) == len(happened) == 3 * 4
    assert int(happened.sum()) == 3 + 1 + 4  # ratings 4, 2 and 5 are above so many levels


def test_all_metrics_are_errors() -> None:
    declared = declared_metrics(RatingTask, {})
    assert declared.default == "val/rmse" and declared.lower_is_better == ["rmse", "mae", "log_loss", "calibration_error"]


def test_rows_without_a_rating_are_not_trained_on() -> None:
    train = part((0, 0, 4.0), (1, 1, float("nan")), (2, 2, 1.0))
    batches = list(task().train_batches(train, BatchSettings("interactions", 8, 1, False, 0), Place()))
    assert sorted(batches[0].user_idx.tolist()) == [0, 2]


def test_ratings_outside_the_scale_of_training_are_refused() -> None:
    with pytest.raises(DataError, match=r"1 held-out ratings are outside the scale of the training part, 1 to 5, such as 7"):
        task().evaluation_set((SplitPart(SEEN, 3, 3),), part((0, 0, 4.0), (1, 2, 7.0)))


def test_a_held_out_part_without_ratings_is_refused() -> None:
    with pytest.raises(DataError, match="no row of a held-out part has a rating"):
        task().evaluation_set((SplitPart(SEEN, 3, 3),), part((0, 0, float("nan"))))


def test_a_column_that_is_missing_is_named_with_those_that_there_are() -> None:
    with pytest.raises(DataError, match=r"needs a column `rating`, the interactions have `user_id`, `stars`; .*data\.columns\.rating="):
        check_columns(RatingTask, ["user_id", "stars", "__file_row__"])


def test_what_does_not_predict_ratings_is_refused() -> None:
    rows = task().evaluation_set((SplitPart(SEEN, 3, 3),), part((0, 0, 4.0)))
    with pytest.raises(ConfigError, match=r"expected a model that predicts ratings, such as model=rating_fusion, found Popularity"):
        task().measure(Popularity().fit(spec()), rows)


def test_validation_chooses_the_weight_of_the_fitted_model_and_the_spread() -> None:
    """The fitted model knows the truth, and the untrained one nothing."""
    oracle = MeanRating().fit(spec())
    oracle.remember(users=truth(), items=torch.eye(N_ITEMS))
    model = RatingFusion(spec(), embedding_dim=8, linear=oracle)
    pairs = torch.randint(0, N_USERS, (200,)), torch.randint(0, N_ITEMS, (200,))
    held_out = SplitPart(Interactions(*pairs, rating=truth()[pairs]), N_USERS, N_ITEMS)
    rating_task = task(model)
    rows = rating_task.evaluation_set((SplitPart(spec().train, N_USERS, N_ITEMS),), held_out)
    validated = rating_task.validate(rows)
    assert validated.means["rmse"] < 1e-3 and float(model.weight_of_fitted) == 0.0
    validated.adopt()
    assert float(model.weight_of_fitted) == 1.0
    assert float(model.head.spread) < 0.2
    assert rating_task.measure(model.freeze(), rows).pooled.values() == pytest.approx(validated.means)


def test_the_spread_of_a_baseline_is_chosen_on_validation() -> None:
    held_out = SplitPart(Interactions(spec().train.user_idx, spec().train.item_idx, rating=spec().train.rating), N_USERS, N_ITEMS)
    rows = task().evaluation_set((SplitPart(spec().train, N_USERS, N_ITEMS),), held_out)
    model = MeanRating().fit(spec())
    model.remember(spread=torch.tensor(9.0))
    before = task().measure(model, rows).pooled.values()
    after = task().measure(task().settled(model, rows), rows).pooled.values()
    assert after["log_loss"] < before["log_loss"] - 0.1 and after["rmse"] == before["rmse"]
    assert float(model.spread) < 2.0
