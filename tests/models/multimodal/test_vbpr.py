"""VBPR: scores by hand, cold items ranked by what they show, absent features that say nothing, what is regularised."""

import pytest
import torch
from torch import Tensor

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.models.multimodal.vbpr import VBPR
from mmrec.types import DatasetSpec, Features, Interactions

TRAIN = Interactions(torch.tensor([0, 1, 1]), torch.tensor([0, 1, 0]))  # user 2 and items 2 and 3 are new
TEXT, IMAGE = torch.tensor([[1.0, 2.0], [0.0, 1.0], [3.0, 0.0], [7.0, 7.0]]), torch.tensor([[2.0], [9.0], [1.0], [9.0]])
HAS_TEXT, HAS_IMAGE = torch.tensor([True, True, True, False]), torch.tensor([True, False, True, False])


def make_model(text: Tensor = TEXT, image: Tensor = IMAGE, regularization: float = 0.0) -> VBPR:
    """One collaborative factor, one factor of content, and weights that can be counted with."""
    features = {"text": Features(text, HAS_TEXT), "image": Features(image, HAS_IMAGE)}
    model = VBPR(DatasetSpec(3, 4, TRAIN, features), embedding_dim=1, content_dim=1, init_scale=0.1, regularization=regularization)
    with torch.no_grad():
        model.users.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, -1.0], [8.0, 8.0]]))  # γ_u, θ_u
        model.items.weight.copy_(torch.tensor([[1.0, 0.5], [2.0, 0.25], [5.0, 5.0], [5.0, 5.0]]))  # γ_i, β_i
        model.projections["text"].weight.copy_(torch.tensor([[1.0, -1.0], [0.0, 0.1]]))  # E, β'
        model.projections["image"].weight.copy_(torch.tensor([[0.5], [0.2]]))
    return model


def make_batch() -> TrainBatch:
    negatives = torch.tensor([[1], [2]])
    return TrainBatch(
        torch.tensor([0, 1]), torch.arange(2), torch.tensor([0, 1]), negatives, negatives >= 0, torch.zeros(2), torch.tensor(1.0)
    )


# E f and β'·f: item 0 has -1 + 1 and 0.2 + 0.4, item 1 (no picture) -1 and 0.1, item 2 3 + 0.5 and 0.2, item 3 nothing.
SCORES = torch.tensor(
    [
        [0.5 + 0.6 + 1 * 1 + 2 * 0, 0.25 + 0.1 + 1 * 2 + 2 * -1, 0.2 + 2 * 3.5, 0.0],
        [0.5 + 0.6 + 3 * 1 - 1 * 0, 0.25 + 0.1 + 3 * 2 - 1 * -1, 0.2 - 1 * 3.5, 0.0],
    ]
)


def test_scores_by_hand_and_new_items_by_what_they_show() -> None:
    model = make_model()
    frozen = model.freeze()
    torch.testing.assert_close(frozen.score_users(torch.tensor([0, 1])), SCORES)
    torch.testing.assert_close(frozen.users[2], frozen.users[:2].mean(dim=0))
    assert frozen.attention.shape == (4, 0) and model.modalities == ()
    scores = model.score_batch(make_batch(), torch.Generator())
    torch.testing.assert_close(scores.positive, SCORES[[0, 1], [0, 1]])
    new = 5.0 + 0.2 + 3 * 5 - 1 * 3.5  # in training, too, an item has a bias and a factor; only ranking leaves out what was not trained
    torch.testing.assert_close(scores.negative[:, 0], torch.tensor([float(SCORES[0, 1]), new]))


def test_absent_features_mean_nothing() -> None:
    frozen = make_model().freeze()
    other = make_model(torch.where(HAS_TEXT[:, None], TEXT, 99.0), torch.where(HAS_IMAGE[:, None], IMAGE, -99.0)).freeze()
    assert torch.equal(frozen.items, other.items)


def test_what_items_show_is_not_regularised() -> None:
    """½ λ (‖u‖² + ‖i‖² + ‖j‖²) a positive: (1 + 4) + (9 + 1), then (1 + ¼) + (4 + 1/16), then (4 + 1/16) + (25 + 25)."""
    scores = make_model(regularization=0.1).score_batch(make_batch(), torch.Generator())
    assert scores.extra.item() == pytest.approx(0.1 * 0.5 * (15 + 5.3125 + 54.0625) / 2)
    scores.extra.backward()


def test_without_features_it_is_refused() -> None:
    with pytest.raises(ValueError, match="vbpr needs items with text"):
        VBPR(DatasetSpec(3, 4, TRAIN), embedding_dim=1, content_dim=1, init_scale=0.1, regularization=0.0)
