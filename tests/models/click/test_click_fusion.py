"""mmrec.models.click.click_fusion: learns tastes and positions, new users and items, and its mixture."""

import pytest
import torch

from mmrec.data.batches.interaction_batches import InteractionBatch
from mmrec.metrics.click import click_auc
from mmrec.models.click.click_fusion import ClickFusion
from mmrec.models.click.predictor import clicked_of
from mmrec.tasks.click import ClickTask
from mmrec.types import COLLABORATIVE, TEXT
from tests.models.click.shop import EFFECTS, N_ITEMS, N_USERS, fitted, impressions, spec, truth

HELD_OUT = impressions(4000, 2)


def batch_of(rows: torch.Tensor) -> InteractionBatch:
    train = spec().train.take(rows)
    return InteractionBatch(train.user_idx, train.item_idx, torch.tensor(1.0), label=train.label, position=train.position)


@pytest.fixture(scope="module")
def trained() -> ClickFusion:
    torch.manual_seed(0)
    model = ClickFusion(spec(), embedding_dim=8)
    task, draw = ClickTask(model), torch.Generator().manual_seed(0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(320):
        optimizer.zero_grad()
        task.loss_of(batch_of(torch.randint(0, 6000, (1024,), generator=draw)), draw).backward()
        optimizer.step()
    return model


def test_it_comes_near_the_truth(trained: ClickFusion) -> None:
    clicked = clicked_of(HELD_OUT)
    oracle = click_auc(truth()[HELD_OUT.user_idx, HELD_OUT.item_idx] + EFFECTS[HELD_OUT.position - 1], clicked)
    assert click_auc(trained.freeze().logits(HELD_OUT), clicked) > oracle - 0.02


def test_the_effect_of_positions_is_learned_beside_that_of_items(trained: ClickFusion) -> None:
    assert trained.head.effects.tolist() == pytest.approx([-1.0, -2.0], abs=0.45)
    scorer = trained.freeze()
    first = scorer.score_users(HELD_OUT.user_idx[:5])[torch.arange(5), HELD_OUT.item_idx[:5]]
    assert torch.allclose(scorer.logits(HELD_OUT.take(torch.arange(5))) - first, trained.head.effect(HELD_OUT.position[:5]), atol=1e-5)


def test_a_new_item_is_known_by_its_content_and_a_new_user_is_the_average(trained: ClickFusion) -> None:
    scorer = trained.freeze()
    new = scorer.score_users(torch.arange(N_USERS - 1))[:, N_ITEMS - 1]
    same = torch.arange(N_USERS - 1) % 2 == (N_ITEMS - 1) % 2
    assert new[same].mean() > new[~same].mean() + 1
    users = scorer.vectors().users
    assert torch.allclose(users[N_USERS - 1], users[: N_USERS - 1].mean(dim=0), atol=1e-5)


def test_hidden_modalities_change_the_vectors(trained: ClickFusion) -> None:
    assert trained.evidence.modalities[:2] == (COLLABORATIVE, TEXT)
    assert not torch.equal(trained.freeze().vectors().items, trained.freeze([TEXT]).vectors().items)


def test_the_mixture_is_a_weighted_sum_of_scores() -> None:
    linear = fitted(torch.randn(N_USERS, 3), torch.randn(N_ITEMS, 3))
    model = ClickFusion(spec(), embedding_dim=8, linear=linear)
    own, theirs, mixed = (model.mixed(*model.vectors(), weight).score_users(torch.arange(4)) for weight in (0.0, 1.0, 0.25))
    assert torch.allclose(theirs, linear.score_users(torch.arange(4)), atol=1e-5)
    assert torch.allclose(mixed, 0.75 * own + 0.25 * theirs, atol=1e-5)


def test_wrong_names_are_refused() -> None:
    with pytest.raises(ValueError, match="regularization: expected modality, feature, vector, length, found dropout"):
        ClickFusion(spec(), regularization={"dropout": 0.1})
