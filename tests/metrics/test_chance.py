"""What says nothing scores at chance: a constant, any scorer once test labels are shuffled; users without positives are no case.

Chance of a user with P positives among n candidates: recall k / n, precision P / n, nDCG the mean gain P / n at every rank, AUC one half.
"""

import pytest
import torch
from torch import Tensor

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.metrics.auc import auc_of_users
from mmrec.metrics.full_ranking import rank_and_evaluate
from mmrec.metrics.ranking import ndcg

N_USERS, N_ITEMS, K = 3000, 40, 10


class Table:
    """A scorer that has every score written down."""

    def __init__(self, scores: Tensor) -> None:
        self.scores = scores

    def score_users(self, user_idx: Tensor) -> Tensor:
        return self.scores[user_idx]


def draw(generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Seen items and positives of each user, in the order of a file: the first items are by far the most popular; a few users have none."""
    popularity = torch.linspace(0.6, 0.0, N_ITEMS)
    seen = torch.rand(N_USERS, N_ITEMS, generator=generator) < 0.2
    positives = (torch.rand(N_USERS, N_ITEMS, generator=generator) < popularity) & ~seen
    positives[::50] = False
    return seen, positives


def build(seen: Tensor, positives: Tensor) -> EvaluationSet:
    return EvaluationSet.build(*(InteractionMatrix.from_pairs(*mask.nonzero().T, *mask.shape) for mask in (seen, positives)))


def chance(seen: Tensor, positives: Tensor) -> dict[str, float]:
    """The mean over the users who have a positive."""
    has = positives.any(dim=1)
    n_candidates, n_positives = (~seen[has]).sum(dim=1).double(), positives[has].sum(dim=1)
    all_hits = ndcg(torch.ones(int(has.sum()), K, dtype=torch.bool), n_positives, K)  # DCG of a hit at every rank over the ideal
    values = {"recall": K / n_candidates, "precision": n_positives / n_candidates, "ndcg": all_hits * n_positives / n_candidates}
    return {f"{name}@{K}": value.mean().item() for name, value in values.items()}


def permuted(masks: tuple[Tensor, Tensor], generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """The catalogue in a random order, as `mmrec.data.interactions.index.Index` numbers it."""
    order = torch.randperm(N_ITEMS, generator=generator)
    return tuple(mask[:, order] for mask in masks)


def shuffled(seen: Tensor, positives: Tensor, generator: torch.Generator) -> Tensor:
    """As many positives a user as before, anywhere among the unseen."""
    place = torch.rand(seen.shape, generator=generator).masked_fill(seen, 2).argsort(dim=1).argsort(dim=1)
    return place < positives.sum(dim=1, keepdim=True)


def test_a_constant_scorer_is_at_chance_in_every_metric() -> None:
    """By the order of the file it would be far above."""
    generator = torch.Generator().manual_seed(0)
    drawn = draw(generator)
    constant, expected = Table(torch.zeros(N_USERS, N_ITEMS)), chance(*drawn)
    by_file = rank_and_evaluate(constant, build(*drawn), [K])
    frames = [rank_and_evaluate(constant, build(*permuted(drawn, generator)), [K]) for _ in range(40)]
    for name, value in expected.items():
        means = torch.tensor([frame[name].mean() for frame in frames])
        assert means.mean().item() == pytest.approx(value, abs=5 * means.std().item() / len(frames) ** 0.5)
        assert by_file[name].mean() > 1.5 * value
    assert set(auc_of_users(constant, build(*drawn)).tolist()) == {0.5}


def test_shuffled_labels_bring_a_good_scorer_to_chance() -> None:
    generator = torch.Generator().manual_seed(1)
    seen, positives = draw(generator)
    scorer = Table(positives.float() + torch.rand(positives.shape, generator=generator))
    expected, labels = chance(seen, positives), shuffled(seen, positives, generator)
    good, blind = (rank_and_evaluate(scorer, build(seen, labels_), [K]) for labels_ in (positives, labels))
    for name, value in expected.items():
        assert blind[name].mean() == pytest.approx(value, abs=5 * blind[name].std() / len(blind) ** 0.5)
        assert good[name].mean() > 2 * value or good[name].mean() > 0.95
    areas = [auc_of_users(scorer, build(seen, labels_)) for labels_ in (positives, labels)]
    assert areas[0].nanmean() == 1 and areas[1].nanmean().item() == pytest.approx(0.5, abs=0.02)


def test_users_without_positives_are_left_out_and_counted() -> None:
    seen, positives = draw(torch.Generator().manual_seed(2))
    frame = rank_and_evaluate(Table(torch.zeros(N_USERS, N_ITEMS)), build(seen, positives), [K])
    without = (~positives.any(dim=1)).nonzero().flatten().tolist()
    assert len(without) >= N_USERS // 50
    assert len(frame) == N_USERS - len(without) and not set(without) & set(frame["user_idx"].to_list())
