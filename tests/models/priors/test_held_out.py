"""mmrec.models.priors.held_out: settings chosen on training interactions, and the fit on all of them."""

import torch

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.priors.held_out import fit_with_holdout, hold_out, with_choices
from mmrec.models.priors.ials import IALSFactors
from mmrec.models.priors.linear import BestLinear
from mmrec.models.priors.spectral import SpectralFactors
from mmrec.types import DatasetSpec, Interactions

N_USERS, N_ITEMS, N_KINDS = 90, 62, 6


def data() -> tuple[DatasetSpec, EvaluationSet]:
    """Users who have 7 of the 10 items of their kind; in the validation part they have one of two new items."""
    generator = torch.Generator().manual_seed(3)
    places = torch.stack([torch.randperm(10, generator=generator)[:7] for _ in range(N_USERS)])
    items = places * N_KINDS + (torch.arange(N_USERS) % N_KINDS)[:, None]
    train = Interactions(torch.arange(N_USERS).repeat_interleave(7), items.flatten())
    seen = InteractionMatrix.from_pairs(train.user_idx, train.item_idx, N_USERS, N_ITEMS)
    new = InteractionMatrix.from_pairs(torch.arange(N_USERS), 60 + torch.arange(N_USERS) % 2, N_USERS, N_ITEMS)
    return DatasetSpec(N_USERS, N_ITEMS, train), EvaluationSet.build(seen, new)


def test_a_tenth_of_the_interactions_is_held_out_each_once() -> None:
    spec, _ = data()
    part, held = hold_out(spec)
    pairs = torch.cat([part.train.user_idx * N_ITEMS + part.train.item_idx, held.positives.keys()])
    assert len(held.positives.indices) == round(0.1 * len(spec.train)) and len(pairs) == len(spec.train)
    assert torch.equal(pairs.sort().values, (spec.train.user_idx * N_ITEMS + spec.train.item_idx).sort().values)
    assert torch.equal(held.seen.keys(), (part.train.user_idx * N_ITEMS + part.train.item_idx).sort().values)


def test_what_new_items_cannot_tell_is_chosen_on_known_ones_and_fitted_to_all_interactions() -> None:
    """Six kinds of items need six dimensions; with one, some kinds cannot be told apart."""
    spec, valid = data()
    prior = IALSFactors([3.0], [3.0], [1, N_KINDS])
    factors = fit_with_holdout(prior, spec, valid, 5)
    assert prior.chosen["rank"] >= N_KINDS
    expected = IALSFactors([3.0], [3.0], [prior.chosen["rank"]]).fit(spec, valid, 5)
    assert all(torch.equal(one, other) for one, other in zip(factors, expected, strict=True))


def test_of_several_models_the_best_one_is_fitted_again() -> None:
    spec, valid = data()
    prior = BestLinear(
        {"spectral": lambda: SpectralFactors([1], [1.0], [0.5], smoothing=[1.0]), "ials": lambda: IALSFactors(rank=[N_KINDS])}
    )
    factors = fit_with_holdout(prior, spec, valid, 5)
    assert prior.chosen["model"] == "ials" and isinstance(with_choices(prior), IALSFactors)
    assert torch.equal(factors.items, with_choices(prior).fit(spec, valid, 5).items)
