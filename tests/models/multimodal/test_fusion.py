"""The fused recommender: which tokens an item has, what hiding them may do, how frozen features are scaled, and where gradients go."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrec.data.batches.train_batches import TrainBatch
from mmrec.data.interactions.histories import Histories
from mmrec.losses import sampled_softmax
from mmrec.models.fold_in import sums_of_items
from mmrec.models.multimodal.fusion import FusionRecommender
from mmrec.models.priors.linear import LinearFactors
from mmrec.models.recommender import Closed, Weights
from mmrec.types import DatasetSpec, Features, Graph, Interactions
from tests.parts import BACKBONES, FUSIONS

N_USERS, N_ITEMS, DIM, COLD = 4, 5, 8, 4
TRAIN = Interactions(torch.tensor([0, 0, 1, 2, 3, 3]), torch.tensor([0, 1, 1, 2, 3, 0]))  # item 4 is cold
TEXT_PRESENT, IN_GRAPH = torch.tensor([True, True, False, True, True]), torch.tensor([0, 1, 2, -1, -1])
# Columns: collaborative, text, kg.
PRESENT = torch.stack([torch.arange(N_ITEMS) != COLD, TEXT_PRESENT, IN_GRAPH >= 0], dim=1)


class EntityTable(nn.Module):
    """The least that can stand for a graph encoder: a free vector an entity."""

    def __init__(self, graph: Graph, embedding_dim: int) -> None:
        super().__init__()
        self.entities = nn.Parameter(torch.randn(graph.n_entities, embedding_dim))

    def forward(self) -> Tensor:
        return self.entities


def make_spec(text: Tensor | None = None, graph: bool = True) -> DatasetSpec:
    values = torch.randn(N_ITEMS, 6, generator=torch.Generator().manual_seed(0)) * 3 + 5 if text is None else text
    features = {"text": Features(torch.where(TEXT_PRESENT[:, None], values, 0.0), TEXT_PRESENT)}
    edges = torch.tensor([[0, 1, 2], [3, 3, 4]])
    return DatasetSpec(
        N_USERS, N_ITEMS, TRAIN, features, Graph(edges, torch.zeros(3, dtype=torch.int64), 5, 1, IN_GRAPH) if graph else None
    )


def make_model(
    fusion: str = "attention",
    backbone: str | None = "lightgcn",
    spec: DatasetSpec | None = None,
    linear: LinearFactors | None = None,
    trend: Tensor | None = None,
) -> FusionRecommender:
    torch.manual_seed(0)
    return FusionRecommender(
        spec or make_spec(),
        embedding_dim=DIM,
        fusion=FUSIONS[fusion],
        backbone=BACKBONES[backbone] if backbone else None,
        kg_encoder=EntityTable,
        linear=linear,
        trend=trend,
        dropout={"modality": 0.3, "feature": 0.5, "history": 0.5},
    )


def test_tokens_are_there_where_the_evidence_is() -> None:
    model = make_model("mean")
    assert model.modalities == ("collaborative", "text", "kg")
    assert torch.equal(model.present, PRESENT)
    torch.testing.assert_close(model.encode().attention, PRESENT / PRESENT.sum(dim=1, keepdim=True))


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_cold_item_has_no_collaborative_token(fusion: str, backbone: str) -> None:
    """Its free vector may be anything: nothing changes; a warm item's moves that item."""
    model = make_model(fusion, backbone).eval()
    before = model.encode().items
    table = model.backbone.table.weight if backbone == "item_table" else model.backbone.embedding.weight[N_USERS:]
    with torch.no_grad():
        table[COLD] += 100.0
        torch.testing.assert_close(model.encode().items, before)
        table[0] += 100.0
        assert not torch.allclose(model.encode().items[0], before[0])
    assert model.encode().attention[COLD, 0] == 0


def test_an_item_outside_the_graph_borrows_no_entity() -> None:
    """Entity 0 stands in for the missing one, masked."""
    model = make_model("mean").eval()
    before = model.encode().items
    with torch.no_grad():
        model.kg_encoder.entities[0] += 100.0
    moved = (model.encode().items - before).abs().amax(dim=1) > 1e-3
    assert moved.nonzero().flatten().tolist() == [0]


def test_what_is_not_visible_counts_as_absent() -> None:
    model = make_model("mean").eval()
    visible = torch.ones(N_ITEMS, 3, dtype=torch.bool)
    visible[0, 0] = visible[2, 2] = visible[COLD, 1] = False  # the cold item has but its text
    encoded = model.encode(visible)
    torch.testing.assert_close(encoded.attention[0], torch.tensor([0.0, 0.5, 0.5]))
    torch.testing.assert_close(encoded.attention[2], torch.tensor([1.0, 0.0, 0.0]))
    torch.testing.assert_close(encoded.attention[COLD], torch.zeros(3))
    assert encoded.items.isfinite().all()


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("backbone", [*BACKBONES, None])
@pytest.mark.parametrize("shared", [True, False])
def test_a_step_that_fuses_the_items_of_its_batch_alone_learns_what_one_that_fuses_all_does(
    fusion: str, backbone: str | None, shared: bool
) -> None:
    """Scores and gradients, with tokens hidden; features and the history are not dropped here, as they may be otherwise for each item."""
    model = make_model(fusion, backbone)
    model.projections["text"][0].p = 0.0
    generator = torch.Generator().manual_seed(3)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3, generator=generator)
    negatives = torch.tensor([2, COLD]) if shared else torch.tensor([[2], [COLD]])
    batch = TrainBatch(
        torch.tensor([3, 1]),
        torch.tensor([0, 0, 1]),
        torch.tensor([3, 2, 3]),
        negatives,
        torch.ones(2, negatives.shape[-1], dtype=torch.bool),
        torch.tensor([0.7, 0.2, 0.9]),
        torch.tensor(1.0),
        torch.tensor([2, 3, COLD]),
    )

    def learned(batch: TrainBatch) -> tuple[Tensor, ...]:
        scores = model.score_batch(batch, torch.Generator().manual_seed(5))
        loss = sampled_softmax(scores.positive, batch.row, scores.negative, batch.valid, temperature=0.5)
        gradients = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True, materialize_grads=True)
        return scores.positive, scores.negative, *gradients

    for few, all_items in zip(learned(batch), learned(batch._replace(distinct=None)), strict=True):
        torch.testing.assert_close(few, all_items, atol=1e-6, rtol=1e-5)


def test_a_step_fuses_no_item_that_its_batch_lacks() -> None:
    model = make_model("mean")
    assert model.encode(item_idx=torch.tensor([1, 3])).items.shape == (2, DIM)
    model.features_text[2] = torch.nan
    assert model.encode(item_idx=torch.tensor([1, 3])).items.isfinite().all()


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_hidden_modality_changes_the_items_that_have_it_and_no_other(fusion: str) -> None:
    model = make_model(fusion)
    for m, name in enumerate(model.modalities):
        moved = (model.freeze(hidden=[name]).items - model.freeze().items).abs().amax(dim=1) > 1e-5
        assert moved.tolist() == PRESENT[:, m].tolist(), name
    assert model.freeze(hidden=model.modalities).items.isfinite().all()


@pytest.mark.parametrize("fusion", FUSIONS)
def test_frozen_scores_are_cosines_in_deviations_without_dropout(fusion: str) -> None:
    model = make_model(fusion).train()
    scorer = model.freeze()
    model.eval()
    encoded = model.encode()
    scores = scorer.score_users(torch.tensor([3, 1]))
    assert scores.shape == (2, N_ITEMS)
    assert not scores.requires_grad
    history = {3: (encoded.items[3] + encoded.items[0]) / 2**0.5, 1: encoded.items[1]}
    for row, user in enumerate([3, 1]):
        by_hand = torch.cosine_similarity(history[user][None], encoded.items) + encoded.bias
        known = torch.arange(N_ITEMS) != COLD
        torch.testing.assert_close(scores[row, known], (by_hand / by_hand.std())[known], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(scorer.attention, encoded.attention)


def test_without_a_backbone_items_are_content_and_popularity_says_nothing() -> None:
    model = make_model(backbone=None)
    assert model.modalities == ("text", "kg")
    assert torch.equal(model.present, PRESENT[:, 1:])
    assert model.bias is None
    assert model.freeze().score_users(torch.arange(N_USERS)).shape == (N_USERS, N_ITEMS)


def test_what_everybody_likes_is_the_items_own_with_its_collaborative_token_and_what_content_says() -> None:
    model = make_model().eval()
    popular = 0.15 * torch.tensor([2.0, 2.0, 1.0, 1.0]).log1p()
    own = torch.cat([popular - popular.mean(), torch.zeros(1)])  # the cold item has none
    torch.testing.assert_close(model.encode().bias, own)  # at first content says nothing
    with torch.no_grad():
        model.content_bias.weight.normal_(generator=torch.Generator().manual_seed(0))
    content = model.encode().items - model.tokens()[:, 0] * PRESENT[:, :1]  # what fusion made
    torch.testing.assert_close(model.encode().bias, own + content @ model.content_bias.weight[0])
    hidden = PRESENT & torch.tensor([False, True, True])
    torch.testing.assert_close(model.encode(hidden).bias, model.encode(hidden).items @ model.content_bias.weight[0])


def test_without_a_graph_the_graph_encoder_is_not_built() -> None:
    model = make_model(spec=make_spec(graph=False))
    assert model.kg_encoder is None
    assert model.modalities == ("collaborative", "text")


def test_without_any_evidence_there_is_no_model() -> None:
    with pytest.raises(ValueError, match="no evidence is left"):
        make_model(backbone=None, spec=DatasetSpec(N_USERS, N_ITEMS, TRAIN))


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("backbone", [*BACKBONES, None])
def test_gradients_reach_every_part(fusion: str, backbone: str | None) -> None:
    """Not at the first step, where attention starts as a plain mean, but at the next.

    The bias of attention's last norm is excepted: it moves all logits of an item alike.
    """
    model = make_model(fusion, backbone)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    weight = torch.randn(N_USERS, N_ITEMS, generator=torch.Generator().manual_seed(1))
    for _ in range(2):
        optimizer.step()
        optimizer.zero_grad()
        (
            model.history.shares.matrix @ model.encode().items @ (model.encode().items + model.encode().bias[:, None]).T * weight
        ).sum().backward()
    unreached = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()}
    assert unreached <= {"fusion.norm.bias"}


def test_frozen_features_are_centred_and_of_unit_variance_on_average() -> None:
    features = make_model().features_text
    known = features[TEXT_PRESENT]
    torch.testing.assert_close(known.mean(dim=0), torch.zeros(6), atol=1e-6, rtol=0)
    assert known.var(dim=0, correction=0).mean().item() == pytest.approx(1.0, abs=1e-5)
    assert not features[~TEXT_PRESENT].any()


def test_the_scale_of_an_encoder_is_no_matter_but_its_proportions_are() -> None:
    values = torch.randn(N_ITEMS, 6, generator=torch.Generator().manual_seed(0))
    plain, moved = (make_model(spec=make_spec(text=v)).features_text for v in (values, values * 40 - 7))
    torch.testing.assert_close(moved, plain, atol=1e-5, rtol=1e-4)
    variance = plain[TEXT_PRESENT].var(dim=0) / values[TEXT_PRESENT].var(dim=0)
    torch.testing.assert_close(variance, variance[0].expand(6))


@pytest.mark.parametrize("present", [torch.zeros(N_ITEMS, dtype=torch.bool), torch.arange(N_ITEMS) == 1])
def test_a_modality_that_nobody_or_one_item_has_is_finite(present: Tensor) -> None:
    features = {"text": Features(present[:, None] * torch.ones(N_ITEMS, 6), present)}
    model = make_model(spec=DatasetSpec(N_USERS, N_ITEMS, TRAIN, features))
    assert torch.equal(model.present[:, 1], present)
    assert model.freeze().items.isfinite().all()


def test_a_checkpoint_holds_what_was_learned_and_no_evidence() -> None:
    model, twin = make_model(), make_model()
    for parameter in model.parameters():
        nn.init.normal_(parameter)
    state = model.state_dict()
    assert set(state) == {name for name, _ in model.named_parameters()} | {"mixture", "mixture_of_new", "open", "sees_new_by_content"}
    twin.load_state_dict(state)
    for one, other in zip((twin.freeze().users, twin.freeze().items), (model.freeze().users, model.freeze().items), strict=True):
        torch.testing.assert_close(one, other)


def test_a_checkpoint_of_before_scores_as_it_did_then() -> None:
    model, twin = make_model(), make_model()
    model.weights = Weights(linear=0.5, cold_lift=2.0)
    later = ("open", "mixture_of_new", "sees_new_by_content")
    twin.load_state_dict({name: value for name, value in model.state_dict().items() if name not in later})
    assert twin.weights == model.weights and twin.closed == frozenset() and not twin.sees_new_by_content
    assert twin.freeze().items.shape[1] == model.freeze().items.shape[1] - DIM - 1  # a single view of all items


def test_closed_evidence_says_nothing_of_the_items_of_its_kind() -> None:
    model = make_model()
    of_text = frozenset({Closed("text", False), Closed("text", True)})
    assert of_text < set(model.closable) and Closed("collaborative", True) not in model.closable
    users, warm, plain = torch.arange(N_USERS), torch.arange(N_ITEMS) != COLD, model.freeze().score_users(torch.arange(N_USERS))
    model.closed = of_text
    torch.testing.assert_close(model.freeze().score_users(users), model.freeze(hidden=["text"]).score_users(users))
    model.closed = of_text - {Closed("text", False)}
    scores = model.freeze().score_users(users)
    torch.testing.assert_close(scores[:, warm], plain[:, warm])
    assert not torch.allclose(scores[:, COLD], plain[:, COLD])
    torch.testing.assert_close(model.parts(closed=frozenset()).mix(model.weights).score_users(users), plain)


def test_new_items_are_matched_to_the_content_of_what_a_user_had() -> None:
    """Their scores are those of a catalogue whose known items show no more than their content."""
    model = make_model().eval()
    users, is_content = torch.arange(N_USERS), torch.tensor([name != "collaborative" for name in model.modalities])
    encoded = model.encode(is_content.expand_as(model.present))
    theirs = functional.normalize(model.history.shares.matrix @ encoded.items, dim=1)
    expected = theirs @ functional.normalize(encoded.items, dim=1).T + encoded.bias
    expected = expected / expected.std(dim=1, keepdim=True)
    torch.testing.assert_close(model.freeze().score_users(users)[:, COLD], expected[:, COLD], atol=1e-5, rtol=1e-4)


def test_a_cold_item_is_lifted_by_deviations_of_each_users_scores_and_no_other_is() -> None:
    model = make_model()
    plain = model.freeze().score_users(torch.arange(N_USERS))
    model.weights = Weights(cold_lift=2.0)
    lifted = model.freeze().score_users(torch.arange(N_USERS))
    warm = torch.arange(N_ITEMS) != COLD
    torch.testing.assert_close(lifted[:, warm], plain[:, warm])
    torch.testing.assert_close(lifted[:, COLD], plain[:, COLD] + 2, atol=1e-5, rtol=1e-4)


def test_a_user_nobody_has_seen_is_the_average_one() -> None:
    stranger = DatasetSpec(N_USERS + 1, N_ITEMS, TRAIN, make_spec().features)
    model = make_model(spec=stranger).eval()
    encoded, known = model.encode(), model.freeze().users[:, :DIM]
    directions = functional.normalize(model.history.shares.matrix @ encoded.items)
    torch.testing.assert_close(functional.normalize(known[:N_USERS]), directions[:N_USERS])
    torch.testing.assert_close(functional.normalize(known[N_USERS], dim=0), functional.normalize(directions[:N_USERS].mean(dim=0), dim=0))


def test_scores_are_mixed_of_fused_linear_and_recent_ones() -> None:
    stranger = DatasetSpec(N_USERS + 1, N_ITEMS, TRAIN, make_spec().features)
    linear = LinearFactors(torch.randn(N_USERS + 1, 3), torch.randn(N_ITEMS, 3), torch.zeros(N_ITEMS, 3))
    model = make_model(spec=stranger, linear=linear, trend=torch.randn(N_ITEMS))
    users = torch.arange(N_USERS + 1)
    fused = model.freeze().score_users(users)
    model.weights = Weights(linear=0.5, trend=2.0, trend_for_new=3.0, linear_of_new=0.25)
    known, predicted = (linear.users @ items.T for items in (linear.items, model.linear_predicted))
    trend = torch.where(users[:, None] < N_USERS, 2.0, 3.0) * model.trend
    scaled = [inner / inner.std(dim=1, keepdim=True) for inner in (known, predicted)]
    expected = fused + torch.where(model.known_items, 0.5 * scaled[0], 0.25 * scaled[1]) + trend
    torch.testing.assert_close(model.freeze().score_users(users), expected, atol=1e-5, rtol=1e-4)
    without, model.weights = model.freeze(hidden=["collaborative"]).score_users(users), Weights()
    torch.testing.assert_close(without, model.freeze(hidden=["collaborative"]).score_users(users))  # only the fused one is left


def test_a_history_is_scored_as_the_user_who_has_it() -> None:
    """By the fused, the linear and the recent part; and one without items as a user without interactions."""
    stranger = DatasetSpec(N_USERS + 1, N_ITEMS, TRAIN, make_spec().features)
    of_items = torch.randn(N_ITEMS, 3)
    histories = Histories.from_events(TRAIN, N_USERS + 1)
    users = sums_of_items(histories.matrix(N_ITEMS), of_items) * (1 + torch.arange(N_USERS + 1)[:, None])  # their lengths are of no account
    model = make_model(spec=stranger, linear=LinearFactors(users, torch.randn(N_ITEMS, 3), of_items), trend=torch.randn(N_ITEMS))
    model.weights = Weights(linear=0.5, trend=2.0, trend_for_new=3.0)
    for hidden in ((), ["text"], ["collaborative"]):
        scorer = model.freeze(hidden=hidden)
        torch.testing.assert_close(scorer.score_histories(histories), scorer.score_users(torch.arange(N_USERS + 1)), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("backbone", BACKBONES)
def test_collaborative_vectors_start_from_the_linear_ones(backbone: str) -> None:
    linear = LinearFactors(torch.randn(N_USERS, 3), 7 * torch.randn(N_ITEMS, 3), torch.zeros(N_ITEMS, 3))
    drawn, model = make_model(backbone=backbone), make_model(backbone=backbone, linear=linear)
    if backbone == "lightgcn":
        tables = [model.backbone.embedding.weight.split([N_USERS, N_ITEMS]), drawn.backbone.embedding.weight.split([N_USERS, N_ITEMS])]
    else:
        tables = [(one.backbone.table.weight,) for one in (model, drawn)]
    for started, random, vectors in zip(*tables, linear[2 - len(tables[0]) : 2], strict=True):
        torch.testing.assert_close(started[:, :3], vectors * 0.1 / vectors.std())
        assert torch.equal(started[:, 3:], random[:, 3:])
