"""The linear part: co-occurrence near in time against loops, its weights against EASE, and what validation chooses."""

from functools import partial

import pytest
import torch

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.histories import Histories
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.closed_form.ease import EASE
from mmrec.models.fold_in import sums_of_items
from mmrec.models.priors.linear import LinearFactors, TimeAwareEASE, _mean_places, gram_of, ndcg, time_gram
from mmrec.nn.propagation import csr_matrix
from mmrec.types import DatasetSpec, Interactions

N_USERS, N_ITEMS = 60, 40
fit_ease = partial(TimeAwareEASE, time_span=2.0, max_items=100, seed=0)


def sequences(seed: int = 0) -> Interactions:
    """Everybody walks two places from somewhere on a ring of items, leaves out the third, goes on for two, and starts again elsewhere."""
    generator = torch.Generator().manual_seed(seed)
    starts = torch.randint(N_ITEMS, (N_USERS, 3, 1), generator=generator)
    items = (starts + torch.tensor([0, 1, 3, 4])) % N_ITEMS
    times = torch.arange(12).expand(N_USERS, -1) * 86_400
    return Interactions(torch.arange(N_USERS).repeat_interleave(12), items.flatten(), times.flatten().contiguous())


def matrix(pairs: Interactions) -> InteractionMatrix:
    return InteractionMatrix.from_pairs(pairs.user_idx, pairs.item_idx, N_USERS, N_ITEMS)


@pytest.fixture
def spec() -> DatasetSpec:
    return DatasetSpec(N_USERS, N_ITEMS, sequences())


@pytest.fixture
def valid(spec: DatasetSpec) -> EvaluationSet:
    """The items left out."""
    left_out = (spec.train.item_idx.view(N_USERS, 3, 4)[:, :, 1] + 1) % N_ITEMS
    users = torch.arange(N_USERS).repeat_interleave(3)
    return EvaluationSet.build(matrix(spec.train), InteractionMatrix.from_pairs(users, left_out.flatten(), N_USERS, N_ITEMS))


def test_cooccurrence_in_time_is_that_of_loops() -> None:
    user = torch.tensor([0, 0, 0, 0, 1, 1, 1, 2])
    item = torch.tensor([3, 0, 1, 2, 2, 0, 2, 1])  # user 1 has item 2 twice: it stands at its last time
    time = torch.tensor([1, 5, 5, 9, 4, 7, 8, 3])
    place = torch.tensor([0, 1, 2, -1])  # item 3 is left out, but keeps its place in histories
    places = [{3: 0.0, 0: 1.5, 1: 1.5, 2: 3.0}, {0: 0.0, 2: 1.0}, {1: 0.0}]
    expected = torch.zeros(3, 3)
    for history in places:
        for one in history.keys() - {3}:
            for other in history.keys() - {3}:
                expected[one, other] += torch.exp(torch.tensor(-abs(history[one] - history[other]) / 2.0))
    torch.testing.assert_close(time_gram(Interactions(user, item, time), place, 3, span=2.0), expected)


def test_the_gram_matrix_is_that_of_the_dense_one(spec: DatasetSpec) -> None:
    dense = torch.zeros(N_USERS, N_ITEMS)
    dense[spec.train.user_idx, spec.train.item_idx] = 1.0
    assert torch.equal(gram_of(csr_matrix(*dense.nonzero().T, torch.ones(int(dense.sum())), dense.shape)), dense.T @ dense)


def test_places_far_down_the_rows_are_as_exact_as_the_first() -> None:
    """Millions of interactions come before the two users whose halves matter."""
    n = 2**24
    user = torch.cat([torch.zeros(n, dtype=torch.int64), torch.tensor([1, 1, 1])])
    places = _mean_places(user, torch.cat([torch.arange(n), torch.tensor([5, 5, 7])]))
    assert (places[-3:] - n).tolist() == [0.5, 0.5, 2.0]


def test_without_times_and_at_full_rank_it_is_ease(spec: DatasetSpec, valid: EvaluationSet) -> None:
    factors = fit_ease(regularization=[2.0], time_weight=[0.0], rank=[N_ITEMS]).fit(spec, valid, 5)
    expected = EASE(2.0 * N_USERS**0.5).fit(spec).score_users(torch.arange(N_USERS))
    torch.testing.assert_close(factors.users @ factors.items.T, expected, atol=1e-5, rtol=1e-4)


def test_the_leading_dimensions_are_the_best_approximation(spec: DatasetSpec, valid: EvaluationSet) -> None:
    whole = fit_ease(regularization=[1.0], time_weight=[1.0], rank=[N_ITEMS]).fit(spec, valid, 5)
    few = fit_ease(regularization=[1.0], time_weight=[1.0], rank=[4]).fit(spec, valid, 5)
    left, values, right = torch.linalg.svd(whole.users @ whole.items.T, full_matrices=False)
    torch.testing.assert_close(few.users @ few.items.T, (left[:, :4] * values[:4]) @ right[:4], atol=1e-4, rtol=1e-3)


def test_neighbours_in_time_help_where_order_is_all(spec: DatasetSpec, valid: EvaluationSet) -> None:
    plain, timed = (fit_ease(regularization=[1.0], time_weight=[w], rank=[N_ITEMS]).fit(spec, valid, 5) for w in (0.0, 10.0))
    assert ndcg(timed, valid, 5) > ndcg(plain, valid, 5) + 0.05


def test_validation_takes_the_best_of_each_list(spec: DatasetSpec, valid: EvaluationSet) -> None:
    def measured(regularization: float, weight: float) -> float:
        return ndcg(fit_ease(regularization=[regularization], time_weight=[weight], rank=[N_ITEMS]).fit(spec, valid, 5), valid, 5)

    chosen = fit_ease(regularization=[0.5, 100.0], time_weight=[0.0, 10.0], rank=[2, N_ITEMS]).fit(spec, valid, 5)
    best = max((0.5, 100.0), key=lambda one: measured(one, 10.0))
    assert ndcg(chosen, valid, 5) >= max(measured(best, 0.0), measured(best, 10.0)) - 1e-6  # beyond an end it may be better


def test_items_beyond_the_most_interacted_ones_say_nothing(spec: DatasetSpec, valid: EvaluationSet) -> None:
    factors = TimeAwareEASE([1.0], [1.0], time_span=2.0, rank=[8], max_items=10, seed=0).fit(spec, valid, 5)
    degree = matrix(spec.train).item_degree
    said = factors.items.abs().amax(dim=1) > 0
    assert int(said.sum()) == 10 and degree[said].min() >= degree[~said].max()


def test_a_users_vector_is_the_sum_of_its_items(spec: DatasetSpec, valid: EvaluationSet) -> None:
    factors = fit_ease(regularization=[1.0], time_weight=[1.0], rank=[8]).fit(spec, valid, 5)
    sums = sums_of_items(Histories.from_events(spec.train, spec.n_users).matrix(spec.n_items), factors.of_items)
    torch.testing.assert_close(sums, factors.users, atol=1e-3, rtol=1e-2)


def test_data_without_times_are_enough(valid: EvaluationSet) -> None:
    train = sequences()
    spec = DatasetSpec(N_USERS, N_ITEMS, Interactions(train.user_idx, train.item_idx))
    factors = fit_ease(regularization=[1.0], time_weight=[0.0, 3.0], rank=[8]).fit(spec, valid, 5)
    assert isinstance(factors, LinearFactors) and factors.users.isfinite().all()


@pytest.mark.parametrize(
    "wrong",
    [{"regularization": []}, {"regularization": [0.0]}, {"time_weight": [-1.0]}, {"rank": [0]}, {"time_span": 0.0}, {"max_items": 0}],
)
def test_wrong_settings_are_named(wrong: dict) -> None:
    right = {"regularization": [1.0], "time_weight": [0.0], "rank": [4], "time_span": 2.0, "max_items": 10, "seed": 0}
    with pytest.raises(ValueError, match=next(iter(wrong))):
        TimeAwareEASE(**(right | wrong))
