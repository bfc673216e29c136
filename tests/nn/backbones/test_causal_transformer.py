"""mmrec.nn.backbones.causal_transformer: positions know their past and nothing else, in its order."""

import pytest
import torch

from mmrec.nn.backbones.causal_transformer import CausalTransformer

HISTORY = torch.tensor([[3, 1, 4, 0, 2], [2, 2, 0, 1, 3]])


def make(dropout: float = 0.0) -> CausalTransformer:
    torch.manual_seed(0)
    return CausalTransformer(n_items=5, embedding_dim=8, n_layers=2, n_heads=2, dropout=dropout, max_length=6)


def test_what_comes_later_is_not_seen() -> None:
    model = make()
    before, changed = model(HISTORY), HISTORY.clone()
    changed[:, 3] = (changed[:, 3] + 1) % 5
    after = model(changed)
    assert torch.equal(before[:, :3], after[:, :3])
    assert ((before - after)[:, 3:].abs().amax(dim=2) > 1e-3).all()


def test_padding_on_the_right_changes_nothing() -> None:
    model = make()
    assert torch.allclose(model(HISTORY[:, :2]), model(HISTORY)[:, :2], atol=1e-6)


def test_the_order_of_the_past_counts() -> None:
    """The last item stays, the two before it change places: without positions attention would give the same."""
    model = make()
    ends = model(torch.tensor([[0, 1, 2], [1, 0, 2]]))[:, -1]
    assert (ends[0] - ends[1]).abs().max() > 1e-4


def test_dropout_is_of_training_only() -> None:
    model = make(dropout=0.5)
    assert not torch.equal(model(HISTORY), model(HISTORY))
    model.eval()
    assert torch.equal(model(HISTORY), model(HISTORY))


def test_heads_divide_the_dimension() -> None:
    with pytest.raises(ValueError, match=r"n_heads: expected a divisor of embedding_dim \(8\), found 3"):
        CausalTransformer(5, 8, 1, 3, 0.0, 6)
