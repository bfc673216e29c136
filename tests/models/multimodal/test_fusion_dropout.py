"""What the fused recommender hides in training: which tokens, how many, and in which steps."""

import pytest
import torch

from mmrec.models.multimodal.fusion import FusionRecommender
from mmrec.types import DatasetSpec, Features, Interactions
from tests.models.multimodal.test_fusion import DIM, FUSIONS, PRESENT, make_model, make_spec


def test_every_draw_leaves_every_item_a_token_and_shows_none_it_lacks() -> None:
    model = make_model("mean").eval()
    generator = torch.Generator().manual_seed(0)
    for _ in range(50):
        seen = model.encode(model.draw_visible(generator)).attention > 0
        assert seen.any(dim=1).all()
        assert not (seen & ~PRESENT).any()


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_share_of_visible_tokens(share: float) -> None:
    """Of an item's n tokens 1 - share, and where all would be hidden, which has the probability share^n, all of them."""
    model = make_model("mean")
    model.modality_dropout = share
    generator = torch.Generator().manual_seed(0)
    visible = torch.stack([model.draw_visible(generator) for _ in range(2000)]).float().mean(dim=0).sum(dim=1)
    n = PRESENT.sum(dim=1)
    torch.testing.assert_close(visible / n, 1 - share + share**n, atol=0.03, rtol=0)
    first, again = (model.draw_visible(torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(first, again)


@pytest.mark.parametrize(("share", "expected"), [(0.0, {0.0}), (0.5, {0.0, 1.0}), (0.999, {1.0})])
def test_in_a_share_of_steps_no_item_shows_its_collaborative_vector_but_those_that_show_nothing_else(
    share: float, expected: set[float]
) -> None:
    model = make_model("mean")
    model.modality_dropout, model.collaborative_dropout = 0.0, share
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([model.draw_visible(generator) for _ in range(40)])
    has_content = PRESENT[:, 1:].any(dim=1) & PRESENT[:, 0]
    hidden = (~drawn[:, has_content, 0]).float().mean(dim=1)
    assert set(hidden.tolist()) == expected and abs(hidden.mean() - share) < 0.25
    assert drawn[:, PRESENT[:, 0] & ~has_content, 0].all() and torch.equal(drawn[..., 1:], PRESENT[:, 1:].expand_as(drawn[..., 1:]))


@pytest.mark.parametrize(("n_new", "share"), [(3, 0.0), (4, 0.5)])
def test_where_a_tenth_of_the_items_are_new_collaborative_tokens_are_hidden_in_half_of_the_steps(n_new: int, share: float) -> None:
    train = Interactions(torch.arange(40) % 4, torch.arange(40) % (40 - n_new))
    features = {"text": Features(torch.randn(40, 6), torch.ones(40, dtype=torch.bool))}
    by_default = FusionRecommender(DatasetSpec(4, 40, train, features), DIM)
    assert by_default.collaborative_dropout == share
    shares = {"modality": 0.2, "feature": 0.2, "history": 0.5}  # as configurations of before have it
    assert FusionRecommender(DatasetSpec(4, 40, train, features), DIM, dropout=shares).collaborative_dropout == 0.0


@pytest.mark.parametrize(
    ("dropout", "said"),
    [
        ({"modality": 0.1}, "expected modality, feature, history, collaborative"),
        ({"modality": 1.0, "feature": 0.0, "history": 0.0}, "dropout.modality"),
    ],
)
def test_a_wrong_dropout_is_named(dropout: dict[str, float], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        FusionRecommender(make_spec(), DIM, FUSIONS["mean"], None, None, None, None, dropout)
