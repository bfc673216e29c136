"""All models of ratings: they beat the mean, come back from their state, and answer for new users and items."""

from functools import cache

import pytest
import torch

from mmrec.data.interactions.histories import Histories
from mmrec.errors import DataError
from mmrec.models.rating.bayesian_mf import BayesianMF
from mmrec.models.rating.biased_mf import BiasedMF
from mmrec.models.rating.mean_rating import MeanRating
from mmrec.models.rating.predictor import RatingFactors
from mmrec.models.rating.ridge_fold_in import RidgeFoldIn
from mmrec.models.rating.self_trained_ratings import SelfTrainedRatings
from mmrec.models.rating.svd_plus_plus import SVDPlusPlus
from mmrec.models.recommender import LackingData
from mmrec.testing.discovery import find_models
from mmrec.types import DatasetSpec, Interactions
from tests.models.rating.shop import N_ITEMS, N_USERS, held_out, spec, truth

MODELS: dict[type[RatingFactors], dict[str, object]] = {
    MeanRating: {},
    BiasedMF: {"embedding_dim": 4, "regularization": 1.0},
    SVDPlusPlus: {"embedding_dim": 4, "n_epochs": 30, "batch_size": 100, "learning_rate": 0.02, "regularization": 0.02},
    BayesianMF: {"embedding_dim": 4, "n_samples": 30, "n_burn_in": 20, "rank": 16},
    RidgeFoldIn: {"n_components": 4},
    SelfTrainedRatings: {"of": "biased_mf", "threshold": 0.3},
}
WITHOUT_COLOURS = (MeanRating, SelfTrainedRatings)
"""The latter as the default regularization of `biased_mf` is too strong for so few ratings."""


@cache
def fitted(model: type[RatingFactors]) -> RatingFactors:
    return model(**MODELS[model]).fit(spec())


def rmse(model: RatingFactors) -> float:
    predicted = model.head.expected(model.score_users(torch.arange(N_USERS)))
    return float((predicted - truth())[held_out()].square().mean().sqrt())


def test_every_model_of_ratings_is_tested() -> None:
    assert {one for one in find_models() if issubclass(one, RatingFactors)} == set(MODELS)


@pytest.mark.parametrize("model", MODELS)
def test_it_predicts_ratings_that_it_has_not_seen(model: type[RatingFactors]) -> None:
    """The colours make a difference of two levels, which the means alone cannot tell."""
    of_means, of_all = rmse(fitted(MeanRating)), float(truth()[held_out()].std())
    assert of_means < 0.95 * of_all
    assert rmse(fitted(model)) < 0.75 * of_means or model in WITHOUT_COLOURS


@pytest.mark.parametrize("model", MODELS)
def test_pairs_users_and_vectors_agree_and_the_state_restores_it(model: type[RatingFactors]) -> None:
    one, pairs = fitted(model), (torch.tensor([0, 3, N_USERS - 1]), torch.tensor([5, N_ITEMS - 1, 2]))
    scores, vectors = one.score_users(torch.arange(N_USERS)), one.vectors()
    torch.testing.assert_close(one.score_pairs(*pairs), scores[pairs])
    torch.testing.assert_close(vectors.users @ vectors.items.T, scores)
    again = model(**MODELS[model])
    again.load_state_dict(one.state_dict())
    assert torch.equal(again.score_users(torch.arange(N_USERS)), scores)
    assert torch.equal(again.head.above(scores[0]), one.head.above(scores[0]))


@pytest.mark.parametrize("model", MODELS)
def test_equal_seeds_give_equal_bytes_and_the_global_generator_stays(model: type[RatingFactors]) -> None:
    before = torch.get_rng_state()
    again = model(**MODELS[model]).fit(spec())
    assert torch.equal(again.users, fitted(model).users) and torch.equal(again.items, fitted(model).items)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("model", MODELS)
def test_new_users_items_and_histories_get_plausible_ratings(model: type[RatingFactors]) -> None:
    scores = fitted(model).score_users(torch.arange(N_USERS))
    assert scores.isfinite().all()
    assert 1 < scores[-1, :-1].mean() < 5 and 1 < scores[:-1, -1].mean() < 5
    assert fitted(model).score_histories(Histories.from_lists([[0, 1], []])).isfinite().all()


@pytest.mark.parametrize("model", [BayesianMF, RidgeFoldIn])
def test_content_tells_of_a_new_item(model: type[RatingFactors]) -> None:
    """The last item is new, and of the colour of odd users."""
    scores = fitted(model).score_users(torch.arange(N_USERS - 1))[:, -1]
    assert scores[1::2].mean() > scores[::2].mean() + 0.5


@pytest.mark.parametrize("rating", [None, torch.full((2,), torch.nan)])
def test_data_without_ratings_are_refused(rating: torch.Tensor | None) -> None:
    rows = Interactions(torch.tensor([0, 1]), torch.tensor([0, 1]), rating=rating)
    with pytest.raises(LackingData, match="the training part has no ratings"):
        MeanRating().fit(DatasetSpec(2, 2, rows))


def test_rows_without_a_rating_are_left_out() -> None:
    rows = Interactions(torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]), rating=torch.tensor([1.0, 5.0, torch.nan]))
    assert MeanRating("global").fit(DatasetSpec(2, 2, rows)).score_users(torch.tensor([1])).tolist() == [[3.0, 3.0]]


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: MeanRating("users"), "of: expected global, user, item, user_and_item, found users"),
        (lambda: BiasedMF(embedding_dim=0), "embedding_dim, regularization"),
        (lambda: BayesianMF(n_samples=0), "n_samples"),
        (lambda: SVDPlusPlus(regularization=-1.0), "regularization"),
        (lambda: RidgeFoldIn(n_components=0), "n_components"),
    ],
)
def test_values_out_of_range_are_refused(make: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()  # type: ignore[operator]


def test_a_single_rating_is_no_scale() -> None:
    rows = Interactions(torch.tensor([0, 1]), torch.tensor([0, 1]), rating=torch.tensor([4.0, 4.0]))
    with pytest.raises(DataError, match="from 2 to 100 different ratings"):
        _ = MeanRating().fit(DatasetSpec(2, 2, rows)).head
