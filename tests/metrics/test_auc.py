"""mmrec.metrics.auc: hand-worked values, all pairs counted one by one, chance, and chunks."""

import math

import pytest
import torch
from torch import Tensor

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.metrics import auc as module
from mmrec.metrics.auc import auc, auc_of_users


class Table:
    """A scorer that has every score written down."""

    def __init__(self, scores: Tensor) -> None:
        self.scores = scores

    def score_users(self, user_idx: Tensor) -> Tensor:
        return self.scores[user_idx]


def draw(seed: int, n_users: int = 40, n_items: int = 15) -> tuple[Tensor, Tensor, Tensor]:
    """Scores with ties, infinities and NaN; positives; candidates, of which some users have few."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.tensor([-math.inf, -1.0, 0.0, 0.5, 2.0, math.inf, math.nan])
    scores = values[torch.randint(len(values), (n_users, n_items), generator=generator)]
    positives = torch.rand(n_users, n_items, generator=generator) < 0.3
    candidates = torch.rand(n_users, n_items, generator=generator) < torch.rand(n_users, 1, generator=generator)
    return scores, positives, candidates


def test_by_hand() -> None:
    scores = torch.tensor([[4.0, 3.0, 2.0, 1.0]]).expand(4, 4)
    positives = torch.tensor([[1, 0, 0, 0], [0, 0, 0, 1], [0, 1, 0, 1], [1, 1, 1, 1]]).bool()
    everything = torch.ones(4, 4, dtype=torch.bool)
    assert auc(scores, positives, everything)[:3].tolist() == [1.0, 0.0, 0.25]
    assert auc(scores, positives, everything)[3].isnan()


@pytest.mark.parametrize("few", [0, 3, 32])
@pytest.mark.parametrize("seed", range(10))
def test_equal_to_all_pairs_counted(seed: int, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With as many positives as are counted one by one, with more, and both."""
    monkeypatch.setattr(module, "_FEW", few)
    scores, positives, candidates = draw(seed)
    ours = auc(scores, positives, candidates)
    ordered = scores.nan_to_num(nan=-math.inf, posinf=math.inf, neginf=-math.inf)
    for user, values in enumerate(ordered.tolist()):
        won = [
            1.0 if values[i] > values[j] else 0.5 if values[i] == values[j] else 0.0
            for i in (positives & candidates)[user].nonzero().flatten().tolist()
            for j in (~positives & candidates)[user].nonzero().flatten().tolist()
        ]
        assert ours[user].item() == pytest.approx(sum(won) / len(won) if won else math.nan, abs=1e-12, nan_ok=True)


def test_a_constant_scorer_is_at_one_half_exactly() -> None:
    _, positives, candidates = draw(0)
    values = auc(torch.zeros(positives.shape), positives, candidates)
    assert set(values[~values.isnan()].tolist()) == {0.5}


def test_permuting_items_changes_nothing() -> None:
    scores, positives, candidates = draw(1)
    order = torch.randperm(scores.shape[1], generator=torch.Generator().manual_seed(0))
    moved = auc(scores[:, order], positives[:, order], candidates[:, order])
    torch.testing.assert_close(moved, auc(scores, positives, candidates), equal_nan=True)


def test_a_scorer_is_measured_on_unseen_items_and_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, positives, candidates = draw(2)
    positives &= candidates
    seen, held_out = (InteractionMatrix.from_pairs(*mask.nonzero().T, *scores.shape) for mask in (~candidates, positives))
    data = EvaluationSet.build(seen, held_out)
    whole = auc_of_users(Table(scores), data)
    torch.testing.assert_close(whole, auc(scores, positives, candidates)[data.user_idx], equal_nan=True)
    monkeypatch.setattr(module, "_CHUNK_BYTES", 1)
    torch.testing.assert_close(auc_of_users(Table(scores), data), whole, equal_nan=True)


def test_a_transposed_matrix_is_the_same_matrix() -> None:
    scores, positives, candidates = draw(3)
    turned = auc(scores.T.contiguous().T, positives, candidates.T.contiguous().T)
    torch.testing.assert_close(turned, auc(scores, positives, candidates), equal_nan=True)


def test_no_users_no_values() -> None:
    nothing = InteractionMatrix.from_pairs(*torch.empty(2, 0, dtype=torch.int64), n_users=2, n_items=3)
    assert auc_of_users(Table(torch.zeros(2, 3)), EvaluationSet.build(nothing, nothing)).shape == (0,)
