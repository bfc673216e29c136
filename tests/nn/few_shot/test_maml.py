"""MAML: the steps are those of autograd, the outer gradient passes through them or not, and a few steps fit a user's own taste."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmrec.nn.few_shot.maml import Maml
from mmrec.nn.few_shot.ridge import RidgeAdaptation

GENERATOR = torch.Generator().manual_seed(0)
SUPPORT = 0.5 * F.normalize(torch.randn(3, 6, generator=GENERATOR), dim=1)
POOL = F.normalize(torch.randn(20, 6, generator=GENERATOR), dim=1)


def adapted_by_hand(maml: Maml, support: Tensor) -> Tensor:
    """One user's vector by plain gradient descent on the inner loss."""
    user = F.normalize(support, dim=0) + maml.head.user.detach()
    layer = maml.head.last.weight.detach().clone()
    for step in range(maml.n_steps):
        user, layer = user.detach().requires_grad_(), layer.detach().requires_grad_()
        scores = (torch.cat([support[None], POOL]) @ (torch.eye(6) + layer.T) @ user) / (0.15 * maml.log_temperature.detach().exp())
        of_user, of_layer = torch.autograd.grad(torch.logsumexp(scores[1:], dim=0) - scores[0], [user, layer])
        user = user - 0.05 * maml.log_lr["user"][step].detach().exp() * of_user
        layer = layer - 0.05 * maml.log_lr["last_weight"][step].detach().exp() * of_layer if maml.last_layer else layer
    return F.normalize((torch.eye(6) + layer.detach().T) @ user.detach(), dim=0)


@pytest.mark.parametrize("last_layer", [False, True])
@pytest.mark.parametrize("first_order", [False, True])
def test_the_steps_are_gradient_descent_on_the_given_items(last_layer: bool, first_order: bool) -> None:
    maml = Maml(6, n_steps=3, last_layer=last_layer, first_order=first_order)
    found = maml(SUPPORT, POOL)
    torch.testing.assert_close(found, torch.stack([adapted_by_hand(maml, one) for one in SUPPORT]))
    assert not torch.allclose(found, F.normalize(SUPPORT, dim=1), atol=1e-3)


def test_without_steps_users_are_the_mean_of_their_items() -> None:
    torch.testing.assert_close(Maml(6, n_steps=0)(SUPPORT, POOL), F.normalize(SUPPORT, dim=1))
    assert Maml(6, n_steps=0)(SUPPORT[:0], POOL).shape == (0, 6)


def test_only_the_second_order_differentiates_the_steps() -> None:
    """With the learned start alone, items of the pool count only through the gradients of the steps."""
    for first_order in (False, True):
        pool = POOL.clone().requires_grad_()
        maml = Maml(6, start="learned", first_order=first_order)
        (maml(SUPPORT, pool) @ POOL.T).sum().backward()
        assert (pool.grad is None) is first_order
        assert maml.head.user.grad is not None and maml.log_lr["user"].grad is not None


def test_users_are_adapted_alone_and_under_no_grad() -> None:
    maml = Maml(6, last_layer=True)
    with torch.no_grad():
        alone = torch.cat([maml(one[None], POOL) for one in SUPPORT])
    torch.testing.assert_close(alone, maml(SUPPORT, POOL))


def test_ridge_solves_its_normal_equations() -> None:
    ridge = RidgeAdaptation(6, regularization=0.5)
    gram = POOL.T @ POOL / len(POOL)
    system = gram + 0.5 * gram.diagonal().mean() * torch.eye(6)
    torch.testing.assert_close(ridge(SUPPORT, POOL), F.normalize(SUPPORT @ torch.linalg.inv(system), dim=1))


def test_bad_arguments_are_named() -> None:
    with pytest.raises(ValueError, match="start: expected history or learned, found zero"):
        Maml(6, start="zero")
    with pytest.raises(ValueError, match="n_steps"):
        Maml(6, n_steps=-1)
    with pytest.raises(ValueError, match="max_given"):
        Maml(6, max_given=0)
    with pytest.raises(ValueError, match="regularization"):
        RidgeAdaptation(6, regularization=0.0)
