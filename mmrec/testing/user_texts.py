"""Texts about users for synthetic data: the vector of a text is the mean of those of the items that it names."""

from dataclasses import replace

import torch

from mmrec.types import TEXT, DatasetSpec, Features, UserTexts


def with_user_texts(spec: DatasetSpec, n_folds: int = 2) -> DatasetSpec:
    """Add texts about users, with folds that alternate over each user's items."""
    items = spec.features[TEXT]
    pairs = torch.unique(spec.train.user_idx * spec.n_items + spec.train.item_idx)
    user, item = pairs // spec.n_items, pairs % spec.n_items
    counts = torch.bincount(user, minlength=spec.n_users)
    fold = (torch.arange(len(pairs)) - (counts.cumsum(0) - counts)[user]) % n_folds
    rows = []
    for without in range(-1, n_folds):
        kept = (fold != without) & items.present[item]
        sums = torch.zeros(spec.n_users, items.values.shape[1] + 1)
        rows.append(sums.index_add_(0, user[kept], torch.nn.functional.pad(items.values[item[kept]], (0, 1), value=1.0)))
    named = torch.cat(rows)
    present = named[:, -1] > 0
    features = Features(named[:, :-1] / named[:, -1:].clamp(min=1), present, "means of items")
    return replace(spec, user_texts=UserTexts(features, n_folds, pairs, fold))
