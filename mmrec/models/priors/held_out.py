"""Choosing the settings of a linear model on training interactions, where the validation part asks for items that it knows nothing of."""

from collections.abc import Sequence
from copy import copy
from typing import Any

import torch

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.types import DatasetSpec

_SHARE = 0.1


def fit_apart(prior: Any, spec: DatasetSpec, valid: EvaluationSet, k: int) -> Any:
    """What a linear model or a trend finds in all training interactions, once a tenth of them has chosen its settings.

    Validation on new items would choose by which few items it happens to hold out.
    """
    prior.fit(*hold_out(spec), k)
    return with_choices(prior).fit(spec, valid, k)


def hold_out(spec: DatasetSpec) -> tuple[DatasetSpec, EvaluationSet]:
    """Nine tenths of the training interactions as data of their own, and the others to be found; always the same ones."""
    order = torch.randperm(len(spec.train), generator=torch.Generator().manual_seed(0))
    n_held = round(_SHARE * len(order))
    kept, held = (spec.train.take(rows.sort().values) for rows in (order[n_held:], order[:n_held]))
    seen, found = (InteractionMatrix.from_pairs(one.user_idx, one.item_idx, spec.n_users, spec.n_items) for one in (kept, held))
    return DatasetSpec(spec.n_users, spec.n_items, kept), EvaluationSet.build(seen, found)


def with_choices(prior: Any) -> Any:
    """A fitted model, not fitted, that has nothing left to choose: of each of its lists the value that was chosen."""
    model = getattr(prior, "best", prior)
    fixed = copy(model)
    for name, value in getattr(model, "chosen", {}).items():
        if isinstance(getattr(model, name, None), Sequence):
            setattr(fixed, name, [value])
    return fixed
