"""RatingFusion: it predicts ratings of known and new items, a rating never predicts itself, and it mixes with a fitted model."""

from functools import cache
from typing import Any

import pytest
import torch

from mmrec.data.batches.batch_factory import Place
from mmrec.data.batches.interaction_batches import InteractionBatches
from mmrec.models.rating.mean_rating import MeanRating
from mmrec.models.rating.rating_fusion import RatingFusion
from tests.models.rating.shop import N_ITEMS, N_USERS, held_out, spec, truth

PLAIN = {"modality": 0.0, "feature": 0.0, "vector": 0.0, "length": 0.0}


def untrained(**arguments: Any) -> RatingFusion:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return RatingFusion(spec(), embedding_dim=8, **arguments)


@cache
def trained(head: str) -> RatingFusion:
    model = untrained(head=head, regularization={"modality": 0.1, "feature": 0.0, "vector": 0.1, "length": 0.005})
    optimizer, epoch = torch.optim.Adam(model.parameters(), lr=0.02), 0
    batches = InteractionBatches(spec().train, 150, 0, Place(lambda: epoch))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        for epoch in range(25):
            for batch in batches:
                scores, extra = model.score_ratings(batch, torch.Generator().manual_seed(epoch))
                optimizer.zero_grad()
                (model.head.loss(scores, batch.rating) + extra).backward()
                optimizer.step()
    return model


@pytest.mark.parametrize("head", ["gaussian", "ordinal"])
def test_it_predicts_better_than_means(head: str) -> None:
    scorer, means = trained(head).freeze(), MeanRating().fit(spec())
    users = torch.arange(N_USERS)
    predicted = [one.head.expected(one.score_users(users)).detach() for one in (scorer, means)]
    errors = [float((one - truth())[held_out()].square().mean().sqrt()) for one in predicted]
    assert errors[0] < 0.75 * errors[1]


def test_content_tells_of_a_new_item_and_a_new_user_is_the_average_one() -> None:
    scores = trained("gaussian").freeze().score_users(torch.arange(N_USERS))
    assert scores[1:-1:2, -1].mean() > scores[:-1:2, -1].mean() + 0.5
    torch.testing.assert_close(scores[-1], scores[:-1].mean(dim=0), atol=1e-4, rtol=1e-4)


def test_a_rating_does_not_predict_itself() -> None:
    """The score of a row does not change with its own rating, only with those of other rows."""
    model = untrained(regularization=PLAIN).eval()
    batch = next(iter(InteractionBatches(spec().train, 1, 0, Place())))
    model.of_users.weight.data.normal_()

    def scores() -> torch.Tensor:
        return model.score_ratings(batch, torch.Generator().manual_seed(0))[0].detach()

    before = scores()
    rows = spec().train
    mine = torch.isin(rows.user_idx * N_ITEMS + rows.item_idx, batch.user_idx * N_ITEMS + batch.item_idx)
    model.ratings = model.ratings + 3.0 * mine
    batch = batch._replace(rating=batch.rating + 3.0)
    torch.testing.assert_close(scores(), before, atol=1e-4, rtol=1e-4)
    model.ratings = model.ratings + 3.0 * ~mine
    assert (scores() - before).abs().max() > 0.01


def test_it_is_mixed_with_a_fitted_model_by_a_weight_in_the_state() -> None:
    fitted, users = MeanRating().fit(spec()), torch.arange(N_USERS)
    model = untrained(linear=fitted)
    own = model.freeze().score_users(users)
    model.weight_of_fitted.fill_(0.25)
    torch.testing.assert_close(model.freeze().score_users(users), 0.75 * own + 0.25 * fitted.score_users(users), atol=1e-4, rtol=1e-4)
    again = untrained(linear=fitted)
    again.load_state_dict(model.state_dict())
    assert float(again.weight_of_fitted) == 0.25


def test_a_modality_can_be_hidden() -> None:
    scorer, without = trained("gaussian").freeze(), trained("gaussian").freeze(("text",))
    assert not torch.equal(scorer.score_users(torch.arange(3)), without.score_users(torch.arange(3)))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"head": "normal"}, "head: expected gaussian or ordinal"),
        ({"regularization": {"vector": 0.1}}, "expected modality"),
    ],
)
def test_values_out_of_range_are_refused(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        untrained(**arguments)
