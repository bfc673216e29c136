"""Integrated gradients against closed forms and against captum; the scaled model is the model at scales of one."""

import pytest
import torch
from torch import Tensor

from mmrec.data.interactions.histories import Histories
from mmrec.errors import ConfigError
from mmrec.explain.evidence import lead_of
from mmrec.explain.gradients import integrated_gradients
from mmrec.explain.scaled_inputs import ScaledInputs
from mmrec.models.multimodal.fusion import FusionRecommender
from mmrec.models.priors.linear import LinearFactors
from mmrec.models.recommender import Weights
from tests.models.multimodal.test_fusion import N_ITEMS, N_USERS, TRAIN, make_model

ROW, ITEM = torch.arange(N_USERS).repeat_interleave(N_ITEMS), torch.arange(N_ITEMS).repeat(N_USERS)
HISTORIES = Histories.from_events(TRAIN, N_USERS)


@pytest.fixture(scope="module")
def model() -> FusionRecommender:
    """A model of which every part and token counts."""
    generator = torch.Generator().manual_seed(1)
    vectors = torch.randn(2 * N_ITEMS, 3, generator=generator)
    linear = LinearFactors(torch.zeros(N_USERS, 3), vectors[:N_ITEMS], vectors[N_ITEMS:])
    linear = linear._replace(users=HISTORIES.matrix(N_ITEMS).degree.new_zeros(N_USERS, 3).float())
    for user, item in zip(TRAIN.user_idx.tolist(), TRAIN.item_idx.tolist(), strict=True):
        linear.users[user] += linear.of_items[item]
    made = make_model(linear=linear, trend=torch.randn(N_ITEMS, generator=generator))
    with torch.no_grad():
        for values in made.parameters():
            values.add_(0.3 * torch.randn(values.shape, generator=generator))
    made.weights = Weights(linear=0.7, trend=0.3, cold_lift=0.2, linear_of_new=0.5)
    return made


@pytest.mark.parametrize("n_repeats", [1, 3])  # in backward and in forward mode
def test_of_a_product_and_a_square_they_are_what_the_integral_says(n_repeats: int) -> None:
    def value(at: Tensor) -> Tensor:
        return torch.stack([at[0] * at[1], at[2] ** 2 + at[0]]).repeat(n_repeats)

    found = integrated_gradients(value, 3, 4)
    assert torch.allclose(found[:2], torch.tensor([[0.5, 0.5, 0.0], [1.0, 0.0, 1.0]]))
    assert torch.allclose(found.sum(dim=1), value(torch.ones(3)) - value(torch.zeros(3)))
    with pytest.raises(ValueError, match="n_steps: expected at least 1, found 0"):
        integrated_gradients(value, 3, 0)


def test_scales_and_weights_of_one_give_the_lead_by_the_model(model: FusionRecommender) -> None:
    expected = lead_of(model.freeze().score_users(torch.arange(N_USERS)), ROW, ITEM)
    scaled = ScaledInputs(model)
    assert torch.allclose(scaled.lead_by_modality(torch.ones(3), HISTORIES, ROW, ITEM), expected, atol=1e-5)
    for user in range(N_USERS):
        history = HISTORIES.of(torch.tensor([user])).item_idx
        found = scaled.lead_by_item(torch.ones(len(history)), history, torch.arange(N_ITEMS))
        assert torch.allclose(found, expected[user == ROW], atol=1e-5)


def test_without_an_item_the_lead_is_that_of_the_shorter_history(model: FusionRecommender) -> None:
    history, items = torch.tensor([0, 1, 2]), torch.arange(N_ITEMS)
    scores = model.freeze().score_histories(Histories.from_lists([[0, 2]]))
    found = ScaledInputs(model).lead_by_item(torch.tensor([1.0, 0.0, 1.0]), history, items)
    assert torch.allclose(found, lead_of(scores, torch.zeros(N_ITEMS, dtype=torch.int64), items), atol=1e-5)


def test_they_add_up_to_the_change_between_both_ends(model: FusionRecommender) -> None:
    scaled = ScaledInputs(model)

    def value(at: Tensor) -> Tensor:
        return scaled.lead_by_modality(0.1 + 0.9 * at, HISTORIES, ROW, ITEM)  # at zero, all items are alike and have no lead

    found = integrated_gradients(value, 3, 100)
    assert torch.allclose(found.sum(dim=1), value(torch.ones(3)) - value(torch.zeros(3)), atol=0.05)


def test_captum_finds_the_same(model: FusionRecommender) -> None:
    reference = pytest.importorskip("captum.attr").IntegratedGradients
    scaled, n_steps = ScaledInputs(model), 6
    by_modality = integrated_gradients(lambda at: scaled.lead_by_modality(at, HISTORIES, ROW, ITEM), 3, n_steps)
    history = torch.tensor([0, 1, 2])
    by_item = integrated_gradients(lambda at: scaled.lead_by_item(at, history, torch.arange(N_ITEMS)), 3, n_steps)
    for pair in range(0, len(ROW), 7):
        row, item = ROW[pair : pair + 1], ITEM[pair : pair + 1]

        def value(at: Tensor, row: Tensor = row, item: Tensor = item) -> Tensor:
            return torch.cat([scaled.lead_by_modality(one, HISTORIES, row, item) for one in at])

        found = reference(value).attribute(torch.ones(1, 3), n_steps=n_steps, method="riemann_middle")
        assert torch.allclose(by_modality[pair], found[0].float(), atol=1e-4)
    for item in range(N_ITEMS):

        def of_weights(at: Tensor, item: int = item) -> Tensor:
            return torch.cat([scaled.lead_by_item(one, history, torch.tensor([item])) for one in at])

        found = reference(of_weights).attribute(torch.ones(1, 3), n_steps=n_steps, method="riemann_middle")
        assert torch.allclose(by_item[item], found[0].float(), atol=1e-4)


def test_other_models_are_refused() -> None:
    from mmrec.models.popularity.popularity import Popularity

    with pytest.raises(ConfigError, match="integrated gradients: expected a run of model=fusion, found Popularity"):
        ScaledInputs(Popularity())
