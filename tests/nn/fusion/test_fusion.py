"""mmrec.nn.fusion: one contract for every fusion, held with all parameters random; and what is particular to each."""

import itertools
import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from mmrec.nn.fusion.attention import AttentionFusion
from mmrec.nn.fusion.concat import ConcatFusion
from mmrec.nn.fusion.fusion import Fusion, masked_softmax, uniform_mass
from mmrec.nn.fusion.gated import GatedFusion
from mmrec.nn.fusion.mean import MeanFusion

N_MODALITIES, DIM = 4, 8
FUSIONS: dict[str, Callable[..., Fusion]] = {
    "attention": partial(AttentionFusion, n_layers=2, n_heads=2, dropout=0.1),
    "concat": partial(ConcatFusion, hidden_dim=16, dropout=0.1),
    "gated": GatedFusion,
    "mean": MeanFusion,
}
PRESENT = torch.tensor(list(itertools.product([False, True], repeat=N_MODALITIES)))  # every mask there is; the first has nothing
every_fusion = pytest.mark.parametrize("name", FUSIONS)


def make_fusion(name: str) -> Fusion:
    """In evaluation, and with random parameters: a zero one would keep any promise."""
    torch.manual_seed(0)
    fusion = FUSIONS[name](n_modalities=N_MODALITIES, embedding_dim=DIM).eval()
    for parameter in fusion.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return fusion


def draw_tokens(seed: int = 1) -> Tensor:
    return torch.randn(len(PRESENT), N_MODALITIES, DIM, generator=torch.Generator().manual_seed(seed))


@every_fusion
@pytest.mark.parametrize("value", [5.0, 1e30, math.inf, math.nan])
def test_the_value_of_an_absent_token_changes_nothing(name: str, value: float) -> None:
    fusion, tokens = make_fusion(name), draw_tokens()
    other = torch.where(PRESENT[..., None], tokens, value).requires_grad_()
    items, mass = fusion(other, PRESENT)
    expected_items, expected_mass = fusion(tokens, PRESENT)
    assert torch.equal(items, expected_items)
    assert torch.equal(mass, expected_mass)
    items.square().sum().backward()
    assert not other.grad[~PRESENT].any()
    assert other.grad[PRESENT].any(dim=1).all()


@every_fusion
def test_items_are_independent(name: str) -> None:
    """One at a time, and in any order, they are what they are together."""
    fusion, tokens = make_fusion(name), draw_tokens()
    together = fusion(tokens, PRESENT)
    alone = [fusion(tokens[i : i + 1], PRESENT[i : i + 1]) for i in range(len(PRESENT))]
    order = torch.randperm(len(PRESENT), generator=torch.Generator().manual_seed(2))
    permuted = fusion(tokens[order], PRESENT[order])
    for part, expected in enumerate(together):
        torch.testing.assert_close(torch.cat([one[part] for one in alone]), expected, atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(permuted[part], expected[order], atol=1e-6, rtol=1e-5)


@every_fusion
def test_mass_is_of_present_tokens_and_sums_to_one_or_zero(name: str) -> None:
    mass = make_fusion(name)(draw_tokens(), PRESENT)[1]
    assert (mass[PRESENT] > 0).all()
    assert not mass[~PRESENT].any()
    torch.testing.assert_close(mass.sum(dim=1), PRESENT.any(dim=1).float())


@every_fusion
def test_an_item_without_any_token_is_finite_and_harmless(name: str) -> None:
    fusion = make_fusion(name).train()
    tokens = draw_tokens().requires_grad_()
    items, mass = fusion(tokens, torch.zeros_like(PRESENT))
    (items.sum() + mass.sum()).backward()
    assert items.isfinite().all()
    assert not mass.any()
    assert not tokens.grad.any()
    assert all(p.grad is None or p.grad.isfinite().all() for p in fusion.parameters())


@every_fusion
def test_every_present_token_counts(name: str) -> None:
    """A change of any one present token moves its item, and no other."""
    fusion, tokens = make_fusion(name), draw_tokens()
    before = fusion(tokens, PRESENT)[0]
    for modality in range(N_MODALITIES):
        changed = tokens.clone()
        changed[:, modality] = -changed[:, modality].flip(1)
        moved = ((fusion(changed, PRESENT)[0] - before).abs() > 1e-4).any(dim=1)
        assert torch.equal(moved, PRESENT[:, modality])


@every_fusion
def test_every_parameter_gets_a_gradient(name: str) -> None:
    """The bias of attention's last norm excepted: it moves all logits of an item alike."""
    fusion = make_fusion(name)
    items, _ = fusion(draw_tokens(), PRESENT)
    if list(fusion.parameters()):
        items.square().sum().backward()
    unmoved = {key for key, p in fusion.named_parameters() if p.grad is None or p.grad.abs().max() < 1e-4}
    assert unmoved <= {"norm.bias"}


def test_untrained_attention_is_the_plain_mean() -> None:
    fusion = FUSIONS["attention"](n_modalities=N_MODALITIES, embedding_dim=DIM).eval()
    tokens = draw_tokens()
    items, mass = fusion(tokens, PRESENT)
    expected_items, expected_mass = MeanFusion(N_MODALITIES, DIM)(tokens, PRESENT)
    torch.testing.assert_close(items, expected_items)
    torch.testing.assert_close(mass, expected_mass)


def test_attention_equals_its_formula() -> None:
    """Item by item over its present tokens alone: h += MHA(LN h) and h += W2 gelu(W1 LN h) a layer, then the query's pooling."""
    fusion, tokens = make_fusion("attention"), draw_tokens()
    items, mass = fusion(tokens, PRESENT)
    for i, present in enumerate(PRESENT):
        if not present.any():
            continue
        h = tokens[i, present] + fusion.modality_embedding[present]
        for block in fusion.encoder.layers:
            h = h + attend(block, block.norm1(h))
            h = h + block.linear2(torch.nn.functional.gelu(block.linear1(block.norm2(h))))
        weights = (fusion.norm(h) @ fusion.query / math.sqrt(DIM)).softmax(dim=0)
        torch.testing.assert_close(mass[i, present], weights, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(items[i], weights @ h, atol=1e-5, rtol=1e-4)


def attend(block: torch.nn.TransformerEncoderLayer, x: Tensor) -> Tensor:
    """Two heads of softmax(q kᵀ / √d) v, side by side."""
    attention = block.self_attn
    q, k, v = (x @ attention.in_proj_weight.T + attention.in_proj_bias).chunk(3, dim=1)
    heads = zip(*(part.chunk(2, dim=1) for part in (q, k, v)), strict=True)
    return attention.out_proj(torch.cat([(a @ b.T / math.sqrt(DIM / 2)).softmax(dim=1) @ c for a, b, c in heads], dim=1))


def test_attention_tells_modalities_apart() -> None:
    """The same two tokens the other way round are another item, which a set of tokens without modality embeddings would not be."""
    fusion, tokens = make_fusion("attention"), draw_tokens()
    swapped = tokens[:, [1, 0, 2, 3]]
    assert not torch.allclose(fusion(tokens, PRESENT)[0][-1], fusion(swapped, PRESENT)[0][-1], atol=1e-3)


def test_heads_must_divide_the_dimension() -> None:
    with pytest.raises(ValueError, match="multiple of n_heads, got 8 and 3"):
        AttentionFusion(N_MODALITIES, DIM, n_layers=1, n_heads=3, dropout=0.0)


def test_mean_by_hand() -> None:
    tokens = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [99.0, 99.0]]])
    items, mass = MeanFusion(3, 2)(tokens, torch.tensor([[True, True, False]]))
    assert items.tolist() == [[2.0, 4.0]]
    assert mass.tolist() == [[0.5, 0.5, 0.0]]


def test_gated_by_hand() -> None:
    """Logits 1·ln 2 + 0 and 0 + ln 2, equal, until the bias of the second is zero: then 2 to 1."""
    fusion = GatedFusion(2, 2)
    tokens, present = torch.tensor([[[math.log(2), 0.0], [0.0, 3.0]]]), torch.tensor([[True, True]])
    with torch.no_grad():
        fusion.gate[0, 0] = 1.0
        torch.testing.assert_close(fusion(tokens, present)[1], torch.tensor([[2 / 3, 1 / 3]]))
        fusion.bias[1] = math.log(2)
        items, mass = fusion(tokens, present)
    torch.testing.assert_close(mass, torch.tensor([[0.5, 0.5]]))
    torch.testing.assert_close(items, torch.tensor([[math.log(2) / 2, 1.5]]))


def test_untrained_gates_are_the_plain_mean() -> None:
    tokens = draw_tokens()
    torch.testing.assert_close(GatedFusion(N_MODALITIES, DIM)(tokens, PRESENT)[0], MeanFusion(N_MODALITIES, DIM)(tokens, PRESENT)[0])


def test_concat_knows_an_absent_token_from_a_zero_one() -> None:
    fusion = make_fusion("concat")
    zeros = torch.zeros(1, N_MODALITIES, DIM)
    there, absent = fusion(zeros, PRESENT[-1:])[0], fusion(zeros, PRESENT[-2:-1])[0]
    assert not torch.allclose(there, absent, atol=1e-3)


def test_masks_by_hand() -> None:
    present = torch.tensor([[True, True, False], [False, False, False]])
    logits = torch.tensor([[0.0, math.log(3), 50.0], [1.0, 2.0, 3.0]])
    torch.testing.assert_close(masked_softmax(logits, present), torch.tensor([[0.25, 0.75, 0.0], [0.0, 0.0, 0.0]]))
    assert uniform_mass(present).tolist() == [[0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]
