"""Bayesian logistic matrix factorisation: near the truth, with positions and content, and repeatable."""

import pytest
import torch

from mmrec.metrics.click import click_auc
from mmrec.models.click.bayesian_logistic_mf import BayesianLogisticMF
from mmrec.models.click.predictor import clicked_of
from mmrec.nn.heads.click import Calibration
from mmrec.types import DatasetSpec, Interactions
from tests.models.click.shop import EFFECTS, N_ITEMS, N_USERS, impressions, spec, truth

HELD_OUT = impressions(4000, 2)
SIZES = {"embedding_dim": 3, "n_samples": 20, "n_burn_in": 20, "n_components": 2}


@pytest.fixture(scope="module")
def model() -> BayesianLogisticMF:
    return BayesianLogisticMF(**SIZES).fit(spec())


def test_it_comes_near_the_truth_with_the_effects_of_positions(model: BayesianLogisticMF) -> None:
    clicked = clicked_of(HELD_OUT)
    oracle = click_auc(truth()[HELD_OUT.user_idx, HELD_OUT.item_idx] + EFFECTS[HELD_OUT.position - 1], clicked)
    assert click_auc(model.logits(HELD_OUT), clicked) > oracle - 0.015
    assert model.head.effects.tolist() == pytest.approx([-1.0, -2.0], abs=0.35)


def test_scores_are_logits_at_the_first_position(model: BayesianLogisticMF) -> None:
    rows = Interactions(torch.arange(4), torch.arange(4), position=torch.tensor([1, 1, 2, -1]))
    first = model.score_users(torch.arange(4))[torch.arange(4), torch.arange(4)]
    difference = model.logits(rows) - first
    assert difference.tolist() == pytest.approx([0.0, 0.0, model.head.effects.tolist()[0], 0.0], abs=1e-5)


def test_a_new_item_is_predicted_from_content(model: BayesianLogisticMF) -> None:
    new = model.score_users(torch.arange(N_USERS - 1))[:, N_ITEMS - 1]
    same = torch.arange(N_USERS - 1) % 2 == (N_ITEMS - 1) % 2
    assert new[same].mean() > new[~same].mean() + 1


def test_a_state_restores_it_and_seeds_repeat_it(model: BayesianLogisticMF) -> None:
    again = BayesianLogisticMF()
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.logits(HELD_OUT), model.logits(HELD_OUT))
    few = SIZES | {"n_samples": 2, "n_burn_in": 1}
    first, second = (BayesianLogisticMF(**few).fit(spec()).with_calibration(Calibration(2.0, 0.1)) for _ in range(2))
    assert torch.equal(first.users, second.users) and first.head.calibration == pytest.approx((2.0, 0.1))


def test_it_does_without_positions_and_content() -> None:
    rows = Interactions(HELD_OUT.user_idx, HELD_OUT.item_idx, label=HELD_OUT.label)
    plain = BayesianLogisticMF(**SIZES).fit(DatasetSpec(N_USERS, N_ITEMS, rows))
    assert click_auc(plain.logits(HELD_OUT), clicked_of(HELD_OUT)) > 0.8
    with pytest.raises(ValueError, match="n_burn_in"):
        BayesianLogisticMF(n_burn_in=-1)
