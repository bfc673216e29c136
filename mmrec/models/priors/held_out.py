"""Choose the hyperparameters of linear models on held-out training interactions, for splits whose validation part has new items."""

from collections.abc import Sequence
from copy import copy
from typing import Any

import torch

from mmrec.data.batches.evaluation_set import EvaluationSet
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.types import DatasetSpec

_SHARE = 0.1


def fit_with_holdout(prior: Any, spec: DatasetSpec, valid: EvaluationSet, k: int) -> Any:
    """Fit a linear model or a trend on all training interactions, with hyperparameters chosen on a tenth of them.

    A validation part of new items would choose them by the few items that happen to be held out.
    """
    prior.fit(*hold_out(spec), k)
    return with_choices(prior).fit(spec, valid, k)


def hold_out(spec: DatasetSpec) -> tuple[DatasetSpec, EvaluationSet]:
    """Split the training interactions into nine tenths as training data and one tenth to evaluate on, always in the same way."""
    order = torch.randperm(len(spec.train), generator=torch.Generator().manual_seed(0))
    n_held = round(_SHARE * len(order))
    kept, held = (spec.train.take(rows.sort().values) for rows in (order[n_held:], order[:n_held]))
    seen, found = (InteractionMatrix.from_pairs(one.user_idx, one.item_idx, spec.n_users, spec.n_items) for one in (kept, held))
    return DatasetSpec(spec.n_users, spec.n_items, kept), EvaluationSet.build(seen, found)


def with_choices(prior: Any) -> Any:
    """An unfitted copy of a fitted model whose hyperparameter lists contain the chosen value only."""
    model = getattr(prior, "best", prior)
    fixed = copy(model)
    for name, value in getattr(model, "chosen", {}).items():
        if isinstance(getattr(model, name, None), Sequence):
            setattr(fixed, name, [value])
    return fixed
