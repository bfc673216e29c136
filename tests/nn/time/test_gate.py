"""The gate between long-term and short-term interests."""

import torch

from mmrec.nn.time.gate import InterestGate


def test_short_term_interests_count_less_after_a_longer_pause() -> None:
    share = InterestGate().share(torch.tensor([0.0, 1.0, 10.0, 1000.0]))
    assert (share.diff() < 0).all()
    assert ((share > 0) & (share < 1)).all()


def test_the_mixture_is_between_both_interests_and_teaches_the_gate() -> None:
    gate = InterestGate()
    lasting, recent = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    mixed = gate(lasting, recent, torch.tensor([2.0]))
    torch.testing.assert_close(mixed.norm(dim=1), torch.ones(1))
    share = gate.share(torch.tensor([2.0]))
    torch.testing.assert_close(mixed[0, 1] / mixed[0, 0], (share / (1 - share))[0])
    mixed[0, 1].backward()
    assert gate.level.grad > 0 > gate.slope.grad
