"""mmrec.models.popularity.random: uniform, of a user and a seed, whatever the batches."""

import torch

from mmrec.models.popularity.random import Random
from mmrec.types import DatasetSpec, Interactions

SPEC = DatasetSpec(50, 400, Interactions(torch.tensor([0]), torch.tensor([0])))


def test_of_a_user_whatever_the_batch() -> None:
    all_users = Random(seed=3).fit(SPEC).score_users(torch.arange(50))
    assert torch.equal(Random(seed=3).fit(SPEC).score_users(torch.tensor([7, 2])), all_users[[7, 2]])
    assert Random(seed=3).fit(SPEC).score_users(torch.empty(0, dtype=torch.int64)).shape == (0, 400)


def test_users_and_seeds_differ_and_the_numbers_are_uniform() -> None:
    scores = Random(seed=3).fit(SPEC).score_users(torch.arange(50))
    assert len(scores.unique(dim=0)) == 50 and not torch.equal(scores, Random(seed=4).fit(SPEC).score_users(torch.arange(50)))
    assert scores.min() >= 0 and scores.max() < 1
    torch.testing.assert_close(
        scores.flatten().quantile(torch.tensor([0.25, 0.5, 0.75])), torch.tensor([0.25, 0.5, 0.75]), atol=0.02, rtol=0
    )
