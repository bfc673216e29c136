"""What the methods of an update add to the loss: nothing, a divergence that is zero at first, or a penalty on what mattered."""

from collections.abc import Callable

import pytest
import torch

from mmrec.tasks.updating.distillation import Distillation, divergence
from mmrec.tasks.updating.elastic_weights import ElasticWeights
from mmrec.tasks.updating.replay import FineTuning, Replay


def test_equal_scores_do_not_diverge_and_others_do() -> None:
    scores, valid = torch.randn(3, 5, generator=torch.Generator().manual_seed(0)), torch.ones(3, 5, dtype=torch.bool)
    assert divergence(scores, scores, valid, 2.0).item() == pytest.approx(0.0, abs=1e-6)
    assert divergence(scores, -scores, valid, 2.0) > 0.1


def test_items_that_are_not_valid_do_not_count() -> None:
    before, now = torch.tensor([[1.0, 2.0, 50.0]]), torch.tensor([[1.0, 2.0, -50.0]])
    assert divergence(before, now, torch.tensor([[True, True, False]]), 1.0).item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Replay(-1.0), "exemplars: expected at least 0"),
        (lambda: Distillation(temperature=0.0), "weight and temperature"),
        (lambda: ElasticWeights(n_batches=0), "weight and n_batches"),
    ],
)
def test_arguments_out_of_range_are_refused(make: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


def test_fine_tuning_replays_nobody() -> None:
    assert FineTuning().exemplars == 0.0 and Replay().exemplars == 1.0
