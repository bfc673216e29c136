"""Logistic regression, factorisation machines and DeepFM: what each can learn, new users and items, and refusals."""

import pytest
import torch

from mmrec.data.interactions.histories import Histories
from mmrec.errors import ConfigError
from mmrec.metrics.click import click_auc
from mmrec.models.click.factorization_machine import DeepFM, FactorizationMachine, LogisticRegression
from mmrec.models.click.field_model import FieldModel
from mmrec.models.click.predictor import LackingData, clicked_of
from mmrec.nn.heads.click import Calibration
from mmrec.types import DatasetSpec, Interactions
from tests.models.click.shop import N_ITEMS, N_USERS, impressions, spec

HELD_OUT = impressions(4000, 2)
QUICK = {"learning_rate": 0.05, "n_epochs": 10, "batch_size": 512, "n_components": 2}


def fitted(kind: type[FieldModel], **more: object) -> FieldModel:
    return kind(**QUICK | more).fit(spec())


def auc_of(model: FieldModel) -> float:
    return click_auc(model.logits(HELD_OUT), clicked_of(HELD_OUT))


@pytest.mark.parametrize("kind", [FactorizationMachine, DeepFM])
def test_pairs_of_fields_tell_whose_colour_an_item_has(kind: type[FieldModel]) -> None:
    linear, model = fitted(LogisticRegression), fitted(kind)
    assert auc_of(linear) < 0.72 < 0.85 < auc_of(model)


def test_the_position_counts_and_scores_are_those_of_the_first() -> None:
    model = fitted(FactorizationMachine, n_epochs=60, regularization=0.0)  # without pairs of users and items effects are smaller
    rows = Interactions(torch.zeros(4).long(), torch.arange(4), position=torch.tensor([1, 1, 1, 3]))
    first = model.score_users(torch.tensor([0]))[0, :4]
    assert torch.allclose(model.logits(rows)[:3], first[:3], atol=1e-5)
    assert float(first[3] - model.logits(rows)[3]) == pytest.approx(2.0, abs=0.4)  # the effect of the third position


def test_equal_seeds_give_equal_models_and_leave_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    first, second, other = fitted(DeepFM), fitted(DeepFM), fitted(DeepFM, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.logits(HELD_OUT), second.logits(HELD_OUT)) and not torch.equal(first.logits(HELD_OUT), other.logits(HELD_OUT))


@pytest.mark.parametrize("kind", [LogisticRegression, FactorizationMachine, DeepFM])
def test_a_state_restores_the_model_without_data(kind: type[FieldModel]) -> None:
    model = fitted(kind, n_epochs=1).with_calibration(Calibration(2.0, 0.5))
    again = kind(**QUICK)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.logits(HELD_OUT), model.logits(HELD_OUT))
    assert again.head.calibration == Calibration(2.0, 0.5)
    assert torch.equal(again.score_users(torch.tensor([3, 1])), model.score_users(torch.tensor([3, 1])))


def test_users_and_items_without_impressions_are_finite_and_have_no_weights_of_their_own() -> None:
    model = fitted(FactorizationMachine, n_components=0)
    scores = model.score_users(torch.tensor([N_USERS - 1]))
    assert scores.isfinite().all()
    assert not model.user_vectors[N_USERS - 1].any() and not model.item_vectors[N_ITEMS - 1].any() and not model.item_weights[-1]


def test_rows_without_a_position_are_scored() -> None:
    model = fitted(LogisticRegression, n_epochs=1)
    assert model.logits(Interactions(torch.tensor([0]), torch.tensor([1]))).isfinite().all()
    plain = DatasetSpec(N_USERS, N_ITEMS, Interactions(HELD_OUT.user_idx, HELD_OUT.item_idx, label=HELD_OUT.label))
    assert LogisticRegression(**QUICK).fit(plain).logits(HELD_OUT).isfinite().all()


def test_labels_of_one_kind_and_histories_are_refused() -> None:
    ones = Interactions(torch.tensor([0, 1]), torch.tensor([0, 1]), label=torch.ones(2))
    with pytest.raises(LackingData, match="does not have both labels"):
        LogisticRegression().fit(DatasetSpec(2, 2, ones))
    with pytest.raises(ConfigError, match="only scores users of its training data"):
        fitted(LogisticRegression, n_epochs=1).score_histories(Histories.from_lists([[0]]))
    with pytest.raises(ValueError, match="embedding_dim"):
        DeepFM(embedding_dim=0)
