"""The spectral linear model: against a dense decomposition, at the edges, and what validation chooses."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.histories import Histories
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.fold_in import sums_of_items
from mmrec.models.priors.linear import BestLinear, LinearFactors, ndcg
from mmrec.models.priors.spectral import SpectralFactors, leading, normalized
from mmrec.types import DatasetSpec, Interactions

N_USERS, N_ITEMS, N_BLOCKS = 60, 40, 5


def blocks(seed: int = 0) -> tuple[Interactions, InteractionMatrix]:
    """Everybody has four of the eight items of their block, the third item twice; and a fifth that is left out."""
    generator = torch.Generator().manual_seed(seed)
    size = N_ITEMS // N_BLOCKS
    items = torch.stack([torch.randperm(size, generator=generator)[:5] for _ in range(N_USERS)])
    items += (torch.arange(N_USERS) % N_BLOCKS * size)[:, None]
    had = torch.cat([items[:, :4], items[:, 2:3]], dim=1)
    users = torch.arange(N_USERS)
    left_out = InteractionMatrix.from_pairs(users, items[:, 4], N_USERS, N_ITEMS)
    return Interactions(users.repeat_interleave(5), had.flatten()), left_out


@pytest.fixture
def spec() -> DatasetSpec:
    return DatasetSpec(N_USERS, N_ITEMS, blocks()[0])


@pytest.fixture
def valid(spec: DatasetSpec) -> EvaluationSet:
    return EvaluationSet.build(InteractionMatrix.from_pairs(spec.train.user_idx, spec.train.item_idx, N_USERS, N_ITEMS), blocks()[1])


def dense(spec: DatasetSpec) -> torch.Tensor:
    matrix = torch.zeros(spec.n_users, spec.n_items, dtype=torch.float64)
    matrix[spec.train.user_idx, spec.train.item_idx] = 1.0
    return matrix


def product(factors: LinearFactors) -> torch.Tensor:
    return (factors.users @ factors.items.T).double()


@pytest.mark.parametrize("rank", [3, 5, N_ITEMS])
@pytest.mark.parametrize(("value_power", "degree_power"), [(0.0, 0.25), (1.0, 0.5)])
def test_the_scores_are_those_of_the_dense_decomposition(
    spec: DatasetSpec, valid: EvaluationSet, rank: int, value_power: float, degree_power: float
) -> None:
    matrix = dense(spec)
    degree = matrix.sum(dim=0)
    normal = matrix / matrix.sum(dim=1, keepdim=True).sqrt() / degree.clamp(min=1).sqrt()
    left, values, right = torch.linalg.svd(normal, full_matrices=False)
    kept = min(rank, int((values > 1e-9).sum()))
    if rank == 3:  # five equal blocks have five equal first values, of which any three may be taken
        assert values[:5].std() < 1e-6 and SpectralFactors([3], [1.0], [0.0], seed=0, smoothing=[0.0]).fit(spec, valid, 5).users.shape == (
            N_USERS,
            3,
        )
        return
    expected = (left[:, :kept] * values[:kept] ** value_power) @ right[:kept] * degree**degree_power
    found = SpectralFactors([rank], [value_power], [degree_power], seed=0, smoothing=[0.0]).fit(spec, valid, 5)
    torch.testing.assert_close(product(found), expected, atol=1e-5, rtol=1e-4)


def test_at_full_rank_it_is_the_matrix(spec: DatasetSpec, valid: EvaluationSet) -> None:
    matrix = dense(spec)
    factors = SpectralFactors([N_ITEMS], [1.0], [0.5], seed=0, smoothing=[0.0]).fit(spec, valid, 5)
    torch.testing.assert_close(product(factors), matrix / matrix.sum(dim=1, keepdim=True).sqrt(), atol=1e-5, rtol=1e-4)


def test_few_dimensions_find_the_blocks_and_many_learn_by_heart(spec: DatasetSpec, valid: EvaluationSet) -> None:
    few, many = (SpectralFactors([rank], [1.0], [0.5], seed=0, smoothing=[0.0]).fit(spec, valid, 5) for rank in (N_BLOCKS, N_ITEMS))
    assert ndcg(few, valid, 5) > ndcg(many, valid, 5) + 0.05
    chosen = SpectralFactors([N_ITEMS, N_BLOCKS], [0.0, 1.0], [0.5, 0.0], seed=0, smoothing=[0.0]).fit(spec, valid, 5)
    assert chosen.users.shape[1] == N_BLOCKS and ndcg(chosen, valid, 5) >= ndcg(few, valid, 5)


def test_the_same_seed_gives_the_same_vectors(spec: DatasetSpec, valid: EvaluationSet) -> None:
    one, other = (SpectralFactors([8], [1.0], [0.5], seed=3, smoothing=[0.0]).fit(spec, valid, 5) for _ in range(2))
    assert torch.equal(one.users, other.users) and torch.equal(one.items, other.items)


def test_strangers_and_new_items_have_zero_vectors(valid: EvaluationSet) -> None:
    train = blocks()[0]
    known = (train.user_idx > 0) & (train.item_idx != int(train.item_idx[-1]))
    spec = DatasetSpec(N_USERS, N_ITEMS, Interactions(train.user_idx[known], train.item_idx[known]))
    factors = SpectralFactors([4], [0.0], [0.5], seed=0, smoothing=[0.0]).fit(spec, valid, 5)
    assert factors.users[0].abs().max() < 1e-6 and factors.items[train.item_idx[-1]].abs().max() < 1e-6
    assert factors.users.isfinite().all() and factors.items.isfinite().all()


def test_one_item_is_enough() -> None:
    spec = DatasetSpec(2, 1, Interactions(torch.tensor([0]), torch.tensor([0])))
    seen, found = (InteractionMatrix.from_pairs(torch.tensor([user]), torch.tensor([0]), 2, 1) for user in (0, 1))
    factors = SpectralFactors([16, 32], [0.0, 1.0], [0.5], seed=0, smoothing=[0.0]).fit(spec, EvaluationSet.build(seen, found), 5)
    assert product(factors).shape == (2, 1)


@pytest.mark.parametrize("wrong", [{"rank": []}, {"rank": [0]}, {"value_power": []}, {"degree_power": []}])
def test_wrong_settings_are_named(wrong: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SpectralFactors(**({"rank": [4], "value_power": [0.0], "degree_power": [0.5], "seed": 0} | wrong))


class Given:
    """A linear model that has its factors written down."""

    def __init__(self, factors: LinearFactors) -> None:
        self.factors = factors

    def fit(self, spec: DatasetSpec, valid: EvaluationSet, k: int) -> LinearFactors:
        return self.factors


def test_the_best_of_several_is_taken_and_of_equals_the_first(spec: DatasetSpec, valid: EvaluationSet) -> None:
    right = SpectralFactors([N_BLOCKS], [1.0], [0.5], seed=0, smoothing=[0.0]).fit(spec, valid, 5)
    wrong = LinearFactors(right.users, -right.items, right.of_items)
    same = LinearFactors(2 * right.users, right.items, right.of_items)
    for order in ({"a": wrong, "b": right, "c": same}, {"a": right, "b": same, "c": wrong}):
        models = {name: lambda factors=factors: Given(factors) for name, factors in order.items()}
        assert BestLinear(models).fit(spec, valid, 5) is right
    with pytest.raises(ValueError, match="models"):
        BestLinear({})


@pytest.mark.parametrize("value_power", [0.0, 1.0])
def test_a_users_vector_is_up_to_its_length_the_sum_of_its_items(spec: DatasetSpec, valid: EvaluationSet, value_power: float) -> None:
    factors = SpectralFactors([4], [value_power], [0.5], seed=0, smoothing=[0.0]).fit(spec, valid, 5)
    sums = sums_of_items(Histories.from_events(spec.train, spec.n_users).matrix(spec.n_items), factors.of_items)
    torch.testing.assert_close(F.normalize(sums), F.normalize(factors.users), atol=1e-4, rtol=1e-3)


N_COMPONENTS = 120


def components() -> tuple[DatasetSpec, EvaluationSet]:
    """One community of 200 users and 100 items, and beside it 119 pairs of users who share two items of their own."""
    generator = torch.Generator().manual_seed(0)
    users = torch.arange(200).repeat_interleave(10)
    items = torch.stack([torch.randperm(100, generator=generator)[:11] for _ in range(200)])
    small = torch.arange(2 * (N_COMPONENTS - 1))
    few_users = torch.cat([200 + small, 200 + (small ^ 1)])
    all_users, all_items = torch.cat([users, few_users]), torch.cat([items[:, :10].flatten(), 100 + torch.cat([small, small])])
    spec = DatasetSpec(200 + len(small), 100 + len(small), Interactions(all_users, all_items))
    seen = InteractionMatrix.from_pairs(all_users, all_items, spec.n_users, spec.n_items)
    left_out = InteractionMatrix.from_pairs(torch.arange(200), items[:, 10], spec.n_users, spec.n_items)
    return spec, EvaluationSet.build(seen, left_out)


@pytest.mark.parametrize("exact", [0, 2**20])
def test_many_components_give_the_same_bytes_twice(exact: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmrec.models.priors.spectral._EXACT", exact)
    for smoothing in (0.0, 1.0):
        one, other = (leading(normalized(components()[0], smoothing), 32, seed=1) for _ in range(2))
        assert all(a.tobytes() == b.tobytes() for a, b in zip(one, other, strict=True))


def test_of_large_matrices_the_values_are_found_by_iteration(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the first vector, whose value alone lies apart from the next."""
    matrix = normalized(components()[0], 1.0)
    exact = leading(matrix, 8, seed=1)
    monkeypatch.setattr("mmrec.models.priors.spectral._EXACT", 0)
    for one in (matrix, matrix.T.tocsr()):
        found = leading(one, 8, seed=2)
        np.testing.assert_allclose(found.values, exact.values, rtol=0.01)
        assert abs((found.right if one is matrix else found.left)[:, 0] @ exact.right[:, 0]) > 0.999


def test_smoothed_degrees_leave_the_leading_vectors_to_the_many() -> None:
    """The participation ratio is how many users a vector is spread over."""
    spec, valid = components()
    plain, smooth = (1 / (leading(normalized(spec, one), 8, seed=0).left ** 4).sum(axis=0) for one in (0.0, 1.0))
    assert smooth.min() > 20 and (plain > 20).sum() < len(plain)
    model = SpectralFactors([8, 16], [1.0], [0.5], seed=0)
    model.fit(spec, valid, 5)
    assert set(model.chosen) >= {"smoothing", "rank", "value_power", "degree_power"}
