"""Over ten thousand users against definitions in plain Python: ties, few candidates, k beyond the catalogue, grades, duplicates."""

import math
from itertools import product

import torch
from torch import Tensor

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.metrics.auc import auc_of_users
from mmrec.metrics.full_ranking import evaluate_ranking, rank_users
from mmrec.metrics.graded import grade_pairs, graded_ndcg, linear, look_up_grades, pad_grades
from tests.metrics.gains import exponential

N_USERS = 250
KS = (1, 3, 10, 40)
CATALOGUES = (2, 5, 12, 30)
SEEDS = range(18)


def oracle(scores: list[float], seen: set[int], grades: dict[int, float], k: int) -> dict[str, float]:
    """Every metric of one user at one k, as the definitions have it."""
    candidates = sorted((item for item in range(len(scores)) if item not in seen), key=lambda item: (-scores[item], item))
    ranks = [rank for rank, item in enumerate(candidates[:k], start=1) if item in grades]
    possible = min(k, len(grades))
    pairs = [(scores[one], scores[other]) for one in grades for other in candidates if other not in grades]
    wins = sum(1.0 if a > b else 0.5 if a == b else 0.0 for a, b in pairs)

    def dcg(gains: list[float]) -> float:
        return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(gains[:k], start=1))

    def normalised(gain: dict[int, float]) -> float:
        return dcg([gain.get(item, 0.0) for item in candidates]) / dcg(sorted(gain.values(), reverse=True))

    return {
        "recall": len(ranks) / len(grades),
        "precision": len(ranks) / k,
        "hit_rate": float(len(ranks) > 0),
        "mrr": 1 / min(ranks) if ranks else 0.0,
        "map": sum(sum(other <= rank for other in ranks) / rank for rank in ranks) / possible,
        "ndcg": normalised(dict.fromkeys(grades, 1.0)),
        "linear": normalised(grades),
        "exponential": normalised({item: 2**grade - 1 for item, grade in grades.items()}),
        "auc": wins / len(pairs) if pairs else math.nan,
    }


class Table:
    """A scorer that has every score written down."""

    def __init__(self, scores: Tensor) -> None:
        self.scores = scores

    def score_users(self, user_idx: Tensor) -> Tensor:
        return self.scores[user_idx]


def draw(n_items: int, seed: int) -> tuple[Tensor, InteractionMatrix, list[Tensor]]:
    """Scores of 1, 3 or very many values; seen items, for a third of the users nearly all; graded events, some of them twice."""
    generator = torch.Generator().manual_seed(1000 * n_items + seed)
    shape = (N_USERS, n_items)
    scores = torch.randint((1, 3, 10_000)[seed % 3], shape, generator=generator).float()
    share_seen = torch.tensor([0.0, 0.3, 0.9])[torch.randint(3, (N_USERS, 1), generator=generator)]
    seen = torch.rand(shape, generator=generator) < share_seen
    share_positive = torch.tensor([0.05, 0.4, 1.0])[torch.randint(3, (N_USERS, 1), generator=generator)]
    users, items = (~seen & (torch.rand(shape, generator=generator) < share_positive)).nonzero().T
    twice = torch.rand(len(users), generator=generator) < 0.2
    users, items = torch.cat([users, users[twice]]), torch.cat([items, items[twice]])
    order = torch.randperm(len(users), generator=generator)
    grades = torch.randint(1, 6, (len(users),), generator=generator).float()
    return scores, InteractionMatrix.from_pairs(*seen.nonzero().T, *shape), [users[order], items[order], grades]


def measure(scores: Tensor, seen: InteractionMatrix, events: list[Tensor]) -> dict[tuple[str, int], Tensor]:
    """Every metric of the users who have a positive, by mmrec."""
    positives, grades = grade_pairs(*events, *scores.shape)
    data = EvaluationSet.build(seen, positives)
    ranking = rank_users(Table(scores), data.user_idx, seen, max(KS))
    frame = evaluate_ranking(ranking, positives, list(KS))
    values = {(column.split("@")[0], int(column.split("@")[1])): frame[column].to_torch() for column in frame.columns[1:]}
    ranked, ideal = look_up_grades(data.user_idx, ranking.item_idx, positives, grades), pad_grades(data.user_idx, positives, grades)
    areas = auc_of_users(Table(scores), data)
    for k in KS:
        values |= {("linear", k): graded_ndcg(ranked, ideal, k, linear), ("exponential", k): graded_ndcg(ranked, ideal, k, exponential)}
        values |= {("auc", k): areas}
    return values | {("user_idx", 0): frame["user_idx"].to_torch()}


def test_equal_to_the_definitions() -> None:
    n_compared = n_without = n_tied = 0
    for n_items, seed in product(CATALOGUES, SEEDS):
        scores, seen, events = draw(n_items, seed)
        ours = measure(scores, seen, events)
        graded: dict[int, dict[int, float]] = {}
        for user, item, grade in zip(*(column.tolist() for column in events), strict=True):
            graded.setdefault(user, {})[item] = max(grade, graded.get(user, {}).get(item, 0.0))
        users = sorted(graded)
        assert ours.pop(("user_idx", 0)).tolist() == users
        rows, masks = scores.tolist(), [set(seen.rows(torch.tensor([user]))[1].tolist()) for user in users]
        for k in KS:
            expected = [oracle(rows[user], mask, graded[user], k) for user, mask in zip(users, masks, strict=True)]
            for name in expected[0]:
                theirs = torch.tensor([values[name] for values in expected], dtype=torch.float64)
                equal = torch.isclose(ours[name, k], theirs, rtol=0, atol=1e-9, equal_nan=True)
                assert equal.all(), f"{name}@{k} of {n_items} items, seed {seed}: {ours[name, k][~equal][:3]} for {theirs[~equal][:3]}"
        n_compared, n_without = n_compared + len(users), n_without + N_USERS - len(users)
        n_tied += sum(len(set(row)) < n_items for row in rows)
    assert n_compared >= 10_000 and n_without > 1_000 and n_tied > 5_000
