"""MAML: gradient steps on a user's few items, from a start and with step sizes that are learned over many users."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from mmrec.nn.few_shot.adaptation import Adaptation

_STARTS = ("history", "learned")
_USER, _LAST = "user", "last.weight"
_CHUNK = 1024
"""Users adapted at a time, which limits memory."""
_TEMPERATURE = 0.15
"""t at the start."""


class Maml(Adaptation):
    """Model-agnostic meta-learning (Finn et al. 2017) of the user part: the user's vector and, optionally, the last layer.

    A user's parameters start from values shared by all users and make `n_steps` gradient steps on the loss of their given items, a softmax
    over the `n_negatives` items of a pool, `-w·v̄ / t + ln Σ_j exp(w·v_j / t)` with `w = u + Wᵀu`. The outer loss, that of the task, is of
    the user's other items; its gradient passes through the steps (second order), or takes the gradients of the steps as constants (first
    order). The step sizes of both parameters are learned, one for each step (as in MAML++, Antoniou et al. 2019). Since scores are linear
    in the items' vectors, the adapted `w` is the user's vector.

    Args:
        embedding_dim, max_given, n_negatives: see `Adaptation`.
        n_steps: gradient steps. 0: none, so that with `start=history` the user is the mean of their items.
        first_order: whether the gradients of the steps are constants in the outer loss (first-order MAML).
        start: the vector before the first step: `history`, the mean of the user's items plus a learned vector; or `learned`, that vector.
        last_layer: whether the last layer W is adapted as well; it starts from zero and is learned.
        inner_lr: the initial step size.

    Raises:
        ValueError: a name or number is invalid.
    """

    def __init__(
        self,
        embedding_dim: int,
        max_given: int = 5,
        n_negatives: int = 512,
        n_steps: int = 2,
        first_order: bool = False,
        start: str = _STARTS[0],
        last_layer: bool = False,
        inner_lr: float = 0.05,
    ) -> None:
        super().__init__(embedding_dim, max_given, n_negatives)
        if start not in _STARTS:
            raise ValueError(f"start: expected {' or '.join(_STARTS)}, found {start}")
        if n_steps < 0 or inner_lr <= 0:
            raise ValueError(f"n_steps, inner_lr: expected at least 0 and more than 0, found {n_steps} and {inner_lr}")
        self.n_steps, self.first_order, self.start, self.last_layer = n_steps, first_order, start, last_layer
        self.head = UserHead(embedding_dim)
        if not last_layer:
            self.head.last.weight.requires_grad_(False)
        adapted = (_USER, _LAST) if last_layer else (_USER,)
        self.inner_lr = inner_lr  # what is learned is relative to the start, to which weight decay draws
        self.log_lr = nn.ParameterDict({name.replace(".", "_"): nn.Parameter(torch.zeros(n_steps)) for name in adapted})
        self.log_temperature = nn.Parameter(torch.zeros(()), requires_grad=n_steps > 0 and not first_order)

    def forward(self, support: Float[Tensor, "n dim"], pool: Float[Tensor, "n_negatives dim"]) -> Float[Tensor, "n dim"]:
        parts = [self._adapt(some, pool) for some in support.split(_CHUNK)]
        return F.normalize(torch.cat(parts) if parts else support, dim=1)

    def _adapt(self, support: Float[Tensor, "n dim"], pool: Float[Tensor, "n_negatives dim"]) -> Float[Tensor, "n dim"]:
        """The adapted `Wᵀu` of some users."""
        begin = F.normalize(support, dim=1) if self.start == _STARTS[0] else torch.zeros_like(support)
        shared = self.head.last.weight
        user, layers = begin + self.head.user, shared.expand(len(support), *shared.shape)
        steps = vmap(grad(self._loss, argnums=(0, 1) if self.last_layer else 0), in_dims=(0, 0, 0, None))
        for step in range(self.n_steps):
            found = steps(user, layers, support, pool)
            of_user, of_layers = found if self.last_layer else (found, None)
            if self.first_order:
                of_user, of_layers = of_user.detach(), None if of_layers is None else of_layers.detach()
            user = user - self.inner_lr * self.log_lr[_USER][step].exp() * of_user
            if of_layers is not None:
                layers = layers - self.inner_lr * self.log_lr[_LAST.replace(".", "_")][step].exp() * of_layers
        return user + torch.einsum("nij,ni->nj", layers, user)

    def _loss(
        self, user: Float[Tensor, " dim"], layer: Float[Tensor, "dim dim"], support: Float[Tensor, " dim"], pool: Float[Tensor, "n dim"]
    ) -> Float[Tensor, ""]:
        """The loss of one user's given items, whose mean vector is `support`."""
        scores: Tensor = functional_call(self.head, {_USER: user, _LAST: layer}, (torch.cat([support[None], pool]),)) / (
            _TEMPERATURE * self.log_temperature.exp()
        )
        return torch.logsumexp(scores[1:], dim=0) - scores[0]


class UserHead(nn.Module):
    """The user part of the scores: `u·(v + W v)` for the vectors v of items.

    Args:
        embedding_dim: the size of vectors.
    """

    def __init__(self, embedding_dim: int) -> None:
        super().__init__()
        self.user = nn.Parameter(torch.zeros(embedding_dim))
        self.last = nn.Linear(embedding_dim, embedding_dim, bias=False)
        nn.init.zeros_(self.last.weight)

    def forward(self, items: Float[Tensor, "n dim"]) -> Float[Tensor, " n"]:
        """The scores of items."""
        scores: Tensor = (items + self.last(items)) @ self.user
        return scores
