"""mmrec.models.priors.ials."""

import pytest
import torch

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.histories import Histories
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.closed_form.ials import IALS
from mmrec.models.fold_in import sums_of_items
from mmrec.models.priors.ials import IALSFactors
from mmrec.models.priors.linear import LinearFactors, ndcg
from mmrec.types import DatasetSpec, Interactions

N_USERS, N_ITEMS, N_KINDS = 90, 60, 6


@pytest.fixture(scope="module")
def data() -> tuple[DatasetSpec, EvaluationSet]:
    """Users who have 7 of the 10 items of their kind, and in the validation part one more of it."""
    generator = torch.Generator().manual_seed(3)
    places = torch.stack([torch.randperm(10, generator=generator)[:8] for _ in range(N_USERS)])
    items = places * N_KINDS + (torch.arange(N_USERS) % N_KINDS)[:, None]
    users = torch.arange(N_USERS).repeat_interleave(7)
    spec = DatasetSpec(N_USERS, N_ITEMS, Interactions(users, items[:, :7].flatten()))
    seen = InteractionMatrix.from_pairs(users, items[:, :7].flatten(), N_USERS, N_ITEMS)
    return spec, EvaluationSet.build(seen, InteractionMatrix.from_pairs(torch.arange(N_USERS), items[:, 7], N_USERS, N_ITEMS))


def test_it_ranks_what_users_of_one_kind_have(data: tuple[DatasetSpec, EvaluationSet]) -> None:
    factors = IALSFactors([3.0], [3.0], [N_KINDS]).fit(*data, 5)
    assert ndcg(factors, data[1], 5) > 0.5  # three items of a user's kind are left


def test_a_users_vector_is_the_sum_of_their_items(data: tuple[DatasetSpec, EvaluationSet]) -> None:
    factors = IALSFactors([3.0], [3.0], [4]).fit(*data, 5)
    sums = sums_of_items(Histories.from_events(data[0].train, N_USERS).matrix(N_ITEMS), factors.of_items)
    torch.testing.assert_close(sums, factors.users)


def test_where_users_are_alike_it_is_the_half_step(data: tuple[DatasetSpec, EvaluationSet]) -> None:
    """One user alone: the mean over users is their own."""
    train = Interactions(torch.zeros(3, dtype=torch.int64), torch.arange(3))
    spec, none = DatasetSpec(1, 5, train), InteractionMatrix.from_pairs(torch.tensor([0]), torch.tensor([4]), 1, 5)
    valid = EvaluationSet.build(InteractionMatrix.from_pairs(train.user_idx, train.item_idx, 1, 5), none)
    factors = IALSFactors([4.0], [0.1], [2]).fit(spec, valid, 5)
    model = IALS(2, 0.4, 4.0, n_iterations=10).fit(spec)
    scores = model.score_histories(Histories.from_events(train, 1))[:, :3]
    torch.testing.assert_close((factors.users @ factors.items.T)[:, :3], scores, atol=1e-4, rtol=1e-4)


def test_validation_chooses_and_the_same_seed_gives_the_same_bytes(data: tuple[DatasetSpec, EvaluationSet]) -> None:
    def fitted() -> tuple[LinearFactors, dict[str, float]]:
        model = IALSFactors([1.0, 10.0], [1.0, 10.0], [2, N_KINDS], seed=5)
        return model.fit(*data, 5), model.chosen

    (one, chosen), (other, _) = fitted(), fitted()
    assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert set(chosen) >= {"alpha", "regularization", "rank"} and one.items.shape[1] == chosen["rank"]
    settings = [([a], [r], [n]) for a in (1.0, 10.0) for r in (1.0, 10.0) for n in (2, N_KINDS)]
    worst = min(ndcg(IALSFactors(*setting, seed=5).fit(*data, 5), data[1], 5) for setting in settings)
    assert ndcg(one, data[1], 5) > worst


def test_a_list_without_values_is_refused() -> None:
    with pytest.raises(ValueError, match="alpha, regularization, rank: expected lists"):
        IALSFactors([], [1.0], [2])


def test_of_large_data_a_few_iterations_tell_whether_it_is_in_vain(
    data: tuple[DatasetSpec, EvaluationSet], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, valid = data
    model = IALSFactors([3.0], [1.0], [4])
    good = model.fit(spec, valid, 5)
    poor = good._replace(items=torch.zeros_like(good.items))
    assert model.rejection_reason(spec, valid, 5, good) is None
    monkeypatch.setattr("mmrec.models.priors.ials._QUICK", 0)
    monkeypatch.setattr("mmrec.models.priors.ials._HOPEFUL", 10.0)
    assert model.rejection_reason(spec, valid, 5, poor) is None
    assert "after 4 iterations it reaches ndcg@5" in (model.rejection_reason(spec, valid, 5, good) or "")
