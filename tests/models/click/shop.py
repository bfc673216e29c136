"""Impressions that follow a rule: users like items of their colour, better items and the first positions."""

from functools import cache

import torch

from mmrec.models.click.bayesian_logistic_mf import BayesianLogisticMF
from mmrec.testing.checkerboard import colours, entities_of_colours
from mmrec.types import TEXT, DatasetSpec, Interactions

N_USERS, N_ITEMS, N_POSITIONS = 40, 30, 3
EFFECTS = torch.tensor([0.0, -1.0, -2.0])


@cache
def truth() -> torch.Tensor:
    """The log odds of a click on every item at the first position: higher for items of the user's colour."""
    draw = torch.Generator().manual_seed(0)
    user, item = torch.arange(N_USERS), torch.arange(N_ITEMS)
    same = (user[:, None] % 2 == item % 2).float()
    return 4.0 * same - 2.0 + 0.5 * torch.randn(N_ITEMS, generator=draw)


def impressions(n: int, seed: int) -> Interactions:
    """Draw impressions of known users and items; items of an even index stand higher."""
    draw = torch.Generator().manual_seed(seed)
    user_idx, item_idx = torch.randint(0, N_USERS - 1, (n,), generator=draw), torch.randint(0, N_ITEMS - 1, (n,), generator=draw)
    noise = torch.rand(n, generator=draw)
    position = ((1.5 * noise + 0.5 * (item_idx % 4 < 2)) * N_POSITIONS / 2).long().clamp(max=N_POSITIONS - 1)
    probability = (truth()[user_idx, item_idx] + EFFECTS[position]).sigmoid()
    label = (torch.rand(n, generator=draw) < probability).float()
    return Interactions(user_idx, item_idx, label=label, position=position + 1)


def fitted(users: torch.Tensor, items: torch.Tensor) -> BayesianLogisticMF:
    """A fitted model with these matrices."""
    model = BayesianLogisticMF(embedding_dim=2, n_samples=1, n_burn_in=0, n_components=0).fit(spec())
    model.remember(users=users, items=items)
    return model


@cache
def spec() -> DatasetSpec:
    """Impressions without the last user and the last item; text and graph show the colours."""
    return DatasetSpec(N_USERS, N_ITEMS, impressions(6000, 1), {TEXT: colours(N_ITEMS)}, entities_of_colours(N_ITEMS))
