"""mmrec.metrics.full_ranking: equal to a plain-Python oracle, exact among ties, blind to what is seen, and at chance for a constant."""

import math
from pathlib import Path

import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.index import Index
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.metrics import full_ranking
from mmrec.metrics.full_ranking import Ranking, evaluate_ranking, ndcg_by_item, rank_and_evaluate, rank_users, top_k
from mmrec.types import Dataset

Pairs = set[tuple[int, int]]


class Table:
    """A scorer that has every score written down."""

    def __init__(self, scores: Tensor) -> None:
        self.scores = scores

    def score_users(self, user_idx: Tensor) -> Tensor:
        return self.scores[user_idx]


def matrix(pairs: Pairs, n_users: int, n_items: int) -> InteractionMatrix:
    users, items = torch.tensor(sorted(pairs), dtype=torch.int64).reshape(-1, 2).unbind(1)
    return InteractionMatrix.from_pairs(users, items, n_users, n_items)


def oracle_list(scores: list[float], seen: set[int]) -> list[int]:
    """Unseen items, best first, equal ones by index."""
    return sorted((item for item in range(len(scores)) if item not in seen), key=lambda item: (-scores[item], item))


def oracle_metrics(ranked: list[int], positives: set[int], k: int) -> dict[str, float]:
    """Every metric from their definitions."""
    ranks = [rank for rank, item in enumerate(ranked[:k], start=1) if item in positives]
    possible = min(k, len(positives))
    dcg, ideal = (sum(1 / math.log2(rank + 1) for rank in found) for found in (ranks, range(1, possible + 1)))
    precisions = [sum(other <= rank for other in ranks) / rank for rank in ranks]
    return {
        f"recall@{k}": len(ranks) / len(positives),
        f"precision@{k}": len(ranks) / k,
        f"ndcg@{k}": dcg / ideal,
        f"hit_rate@{k}": float(bool(ranks)),
        f"mrr@{k}": 1 / ranks[0] if ranks else 0.0,
        f"map@{k}": sum(precisions) / possible,
    }


def draw_case(seed: int, values: int) -> tuple[Tensor, Pairs, Pairs]:
    """Scores of few or many values, seen pairs, and positives among the unseen; some users have no positive."""
    generator = torch.Generator().manual_seed(seed)
    n_users, n_items = torch.randint(1, 5, (1,), generator=generator).item(), torch.randint(2, 14, (1,), generator=generator).item()
    scores = torch.randint(values, (n_users, n_items), generator=generator).float() - values // 2
    kind = torch.rand(n_users, n_items, generator=generator)
    seen, positives = ({tuple(pair) for pair in where.nonzero().tolist()} for where in (kind < 0.3, kind > 0.8))
    return scores, seen, positives


def evaluation_set(seen: Pairs, positives: Pairs, shape: torch.Size) -> EvaluationSet:
    return EvaluationSet.build(matrix(seen, *shape), matrix(positives, *shape))


def test_equal_to_the_oracle_on_random_cases_with_ties() -> None:
    n_compared = 0
    for seed in range(300):
        scores, seen, positives = draw_case(seed, values=(3, 1000, 1)[seed % 3])
        frame = rank_and_evaluate(Table(scores), evaluation_set(seen, positives, scores.shape), ks=[1, 3, 20])
        assert frame["user_idx"].to_list() == sorted({user for user, _ in positives})
        for row in frame.iter_rows(named=True):
            user = row.pop("user_idx")
            ranked = oracle_list(scores[user].tolist(), {item for u, item in seen if u == user})
            found = {item for u, item in positives if u == user}
            assert row == pytest.approx(
                oracle_metrics(ranked, found, 1) | oracle_metrics(ranked, found, 3) | oracle_metrics(ranked, found, 20)
            )
            n_compared += 1
    assert n_compared > 400


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from([-math.inf, -1.0, -0.0, 0.0, 2.0]), min_size=9, max_size=9), min_size=1, max_size=4),
    st.integers(1, 9),
)
def test_top_k_is_a_full_stable_sort(rows: list[list[float]], k: int) -> None:
    scores = torch.tensor(rows)
    values, items = top_k(scores.clone(), k)
    expected = scores.sort(dim=1, descending=True, stable=True)
    assert torch.equal(items, expected.indices[:, :k])
    assert torch.equal(values, expected.values[:, :k])


@pytest.mark.parametrize("n_values", [2, 30, 10**6])
@pytest.mark.parametrize(("n", "k"), [(400, 1), (401, 3), (999, 20), (1000, 62), (337, 336)])
def test_top_k_of_rows_long_enough_for_groups(n: int, k: int, n_values: int) -> None:
    """Rows with equals, with hardly anything but -inf, and with NaN, which counts as -inf."""
    drawn = torch.Generator().manual_seed(n + n_values)
    scores = torch.randint(n_values, (40, n), generator=drawn) - n_values / 2
    scores[torch.rand(40, n, generator=drawn) < torch.arange(40)[:, None] / 40] = -torch.inf
    asked = scores.clone()
    asked[::3][torch.rand(14, n, generator=drawn) < 0.01] = torch.nan
    expected = asked.nan_to_num(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf).sort(dim=1, descending=True, stable=True)
    values, items = top_k(asked, k)
    assert torch.equal(items, expected.indices[:, :k])
    assert torch.equal(values, expected.values[:, :k])


def test_top_k_among_thousands_of_equals() -> None:
    """Large enough for the parallel and the radix paths of torch.topk, which keep no order among equals."""
    scores = torch.randint(3, (2, 20_000), generator=torch.Generator().manual_seed(0)).float()
    expected = scores.sort(dim=1, descending=True, stable=True).indices
    assert torch.equal(top_k(scores, 100)[1], expected[:, :100])
    assert top_k(torch.zeros(1, 20_000), 50)[1].tolist() == [list(range(50))]


@pytest.mark.parametrize("seed", range(20))
def test_seen_items_are_never_recommended_and_all_others_are(seed: int) -> None:
    scores, seen, _ = draw_case(seed, values=2)
    ranking = rank_users(Table(scores), torch.arange(len(scores)), matrix(seen, *scores.shape), k=scores.shape[1])
    for user, items in enumerate(ranking.item_idx.tolist()):
        unseen = set(range(scores.shape[1])) - {item for u, item in seen if u == user}
        assert set(items) - {-1} == unseen
        assert items.count(-1) == scores.shape[1] - len(unseen)
        assert -1 not in items[: len(unseen)]
    assert (ranking.scores[ranking.item_idx < 0] == -math.inf).all()


def test_nan_ranks_last() -> None:
    """Behind every number, minus infinity excepted, and it is never a hit: a model that broke cannot score."""
    scores = torch.tensor([[math.nan, -5.0, math.inf, math.nan, -1e30]])
    ranking = rank_users(Table(scores), torch.tensor([0]), matrix(set(), 1, 5), k=5)
    assert ranking.item_idx.tolist() == [[2, 1, 4, -1, -1]]
    assert rank_and_evaluate(Table(scores), evaluation_set(set(), {(0, 0)}, scores.shape), ks=[5])["hit_rate@5"].to_list() == [0.0]


def test_a_constant_scorer_ranks_at_chance_under_a_permuted_index() -> None:
    """The ten positives stand first in the file: by file order a constant would find all of them, by chance it finds 10 of 50."""
    items = [f"i{n:02d}" for n in range(50)]
    interactions = pl.DataFrame({"user_id": ["u"] * 50, "item_id": items})
    dataset = Dataset("d", Path(), interactions, pl.DataFrame({"item_id": items}), text_columns=())
    recalls = []
    for seed in range(200):
        positives = {(0, item) for item in Index.build(dataset, seed).item_idx(items[:10]).tolist()}
        recalls.append(rank_and_evaluate(Table(torch.zeros(1, 50)), evaluation_set(set(), positives, (1, 50)), ks=[10])["recall@10"][0])
    assert sum(recalls) / 200 == pytest.approx(0.2, abs=0.04)  # five standard errors


@pytest.mark.parametrize("seed", range(20))
def test_permuting_items_changes_nothing_without_ties(seed: int) -> None:
    _, seen, positives = (case := draw_case(seed, values=2))
    n_users, n_items = case[0].shape
    generator = torch.Generator().manual_seed(seed)
    scores = torch.stack([torch.randperm(n_items, generator=generator).float() for _ in range(n_users)])
    order = torch.randperm(n_items, generator=generator)
    place = {old: new for new, old in enumerate(order.tolist())}
    moved = [{(user, place[item]) for user, item in pairs} for pairs in (seen, positives)]
    before = rank_and_evaluate(Table(scores), evaluation_set(seen, positives, scores.shape), ks=[1, 3])
    after = rank_and_evaluate(Table(scores[:, order]), evaluation_set(*moved, scores.shape), ks=[1, 3])
    assert before.equals(after)


def test_chunks_of_users_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    scores, seen, _ = draw_case(4, values=3)
    users = torch.arange(len(scores)).flip(0)
    whole = rank_users(Table(scores), users, matrix(seen, *scores.shape), k=3)
    monkeypatch.setattr(full_ranking, "_CHUNK_BYTES", 1)
    by_one = rank_users(Table(scores), users, matrix(seen, *scores.shape), k=3)
    assert len(users) > 1
    assert all(torch.equal(a, b) for a, b in zip(whole, by_one, strict=True))


def test_the_scorers_own_scores_are_left_as_they_are() -> None:
    scores = torch.tensor([[1.0, math.nan, 3.0]])
    rank_users(Table(scores.expand(2, 3)), torch.tensor([0, 1]), matrix({(0, 2)}, 2, 3), k=2)
    assert scores[0, 2] == 3.0
    assert scores[0, 1].isnan()


def test_k_beyond_the_catalogue_lists_the_catalogue() -> None:
    ranking = rank_users(Table(torch.tensor([[1.0, 2.0]])), torch.tensor([0]), matrix(set(), 1, 2), k=100)
    assert ranking.item_idx.tolist() == [[1, 0]]
    frame = evaluate_ranking(ranking, matrix({(0, 0)}, 1, 2), ks=[100])
    assert frame["mrr@100"].to_list() == [0.5]


def test_no_users_give_an_empty_table() -> None:
    frame = rank_and_evaluate(Table(torch.zeros(2, 3)), evaluation_set({(0, 1)}, set(), (2, 3)), ks=[2])
    assert len(frame) == 0
    assert "ndcg@2" in frame.columns


def test_an_empty_place_is_no_hit_of_the_user_before() -> None:
    """Place -1 of user 1 has the key of user 0's last item."""
    ranking = Ranking(torch.tensor([1]), torch.tensor([[0, -1]]), torch.tensor([[1.0, -math.inf]]))
    frame = evaluate_ranking(ranking, matrix({(0, 2), (1, 1)}, 2, 3), ks=[2])
    assert frame["recall@2"].to_list() == [0.0]


def test_what_items_add_to_ndcg_is_all_of_it() -> None:
    """User 0 has item 2 at the second place and item 9 nowhere; user 1 has items 2 and 3 at the first two."""
    ranking = Ranking(torch.tensor([0, 1]), torch.tensor([[5, 2, 4], [2, 3, -1]]), torch.zeros(2, 3))
    positives = matrix({(0, 2), (0, 9), (1, 2), (1, 3)}, 2, 10)
    added = ndcg_by_item(ranking, positives, 3)
    second, best = 1 / math.log2(3), 1 + 1 / math.log2(3)
    assert added.nonzero().flatten().tolist() == [2, 3]
    assert added[2].item() == pytest.approx(second / best + 1 / best) and added[3].item() == pytest.approx(second / best)
    assert added.sum().item() == pytest.approx(evaluate_ranking(ranking, positives, [3])["ndcg@3"].sum())
