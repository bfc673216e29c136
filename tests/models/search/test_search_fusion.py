"""mmrec.models.search.search_fusion: frozen scores are the trained ones, it learns what no text says, and hides what it is told to."""

import pytest
import torch

from mmrec.data.batches.search_batches import SearchBatches
from mmrec.data.batches.train_batches import TrainBatches
from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.losses import sampled_softmax
from mmrec.models.recommender import LackingData
from mmrec.models.search.fused_search import FusedSearch
from mmrec.models.search.search_fusion import SearchFusion
from mmrec.types import DatasetSpec
from tests.models.search.shop import N_ITEMS, QUERIES, clicked, colour_of, search_spec, vector_of

SPEC = search_spec()


def batches(spec: DatasetSpec, model: SearchFusion, size: int = 4) -> SearchBatches:
    positives = InteractionMatrix.from_pairs(spec.train.user_idx, spec.train.item_idx, spec.n_users, spec.n_items)
    return SearchBatches(TrainBatches(positives, size, N_ITEMS, True, seed=0), model.hard_negatives)


@pytest.fixture(scope="module")
def trained() -> SearchFusion:
    torch.manual_seed(0)
    model = SearchFusion(SPEC, embedding_dim=8)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    made = batches(SPEC, model)
    for epoch in range(40):
        made.epoch = lambda epoch=epoch: epoch
        for step, batch in enumerate(made.batches(range(len(made)))):
            scores = model.score_batch(batch, torch.Generator().manual_seed(step))
            loss = sampled_softmax(scores.positive, batch.row, scores.negative, batch.valid, temperature=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model


def test_scores_in_training_are_those_of_the_frozen_model() -> None:
    torch.manual_seed(1)
    model = SearchFusion(SPEC, embedding_dim=8, hidden={"modality": 0.0, "feature": 0.0, "query": 0.0}).eval()
    batch = next(batches(SPEC, model).batches(range(1)))
    scores = model.score_batch(batch, torch.Generator())
    frozen = model.freeze().score_users(batch.user_idx)
    torch.testing.assert_close(scores.negative, frozen[:, batch.negatives], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(scores.positive, frozen[batch.row, batch.item_idx], atol=1e-4, rtol=1e-4)


def test_it_learns_colours_that_no_text_names(trained: SearchFusion) -> None:
    scores = trained.freeze().score_queries(["blue", "red"], torch.stack([vector_of("blue"), vector_of("red")]))
    half = N_ITEMS // 2
    for row, colour in ((0, 1), (1, 0)):
        best = scores[row].topk(half).indices.tolist()
        assert sum(colour_of(item) == colour for item in best) >= 0.8 * half


def test_misspelled_words_are_understood(trained: SearchFusion) -> None:
    """The encoder knows neither of the misspelled words, so that their n-grams make the difference."""
    scores = trained.freeze().score_queries(["bluee chair", "redd chair"], vector_of("chair").repeat(2, 1))
    blue, red = (scores[:, clicked(f"{colour} chair")].mean(dim=1) for colour in ("blue", "red"))
    leaning = blue - red
    assert leaning[0] > leaning[1] + 0.03


def test_the_state_of_the_frozen_model_answers_alone(trained: SearchFusion) -> None:
    frozen = trained.freeze()
    again = FusedSearch()
    for name, tensor in frozen.state_dict().items():
        again.register_buffer(name, tensor)
    rows = torch.arange(len(QUERIES))
    assert torch.equal(again.score_users(rows), frozen.score_users(rows))


def test_hidden_texts_are_read_nowhere(trained: SearchFusion) -> None:
    frozen = trained.freeze(hidden=["text"])
    assert not any(frozen.item_texts) and frozen.item_text.shape[1] == 0
    assert (frozen.score_words(["lamp"]) == 0).all()


def test_hard_negatives_are_what_bm25_finds_first() -> None:
    model = SearchFusion(SPEC, embedding_dim=8)
    assert all(item in clicked("lamp") for item in model.hard_negatives[0].tolist())
    without = search_spec(with_texts=False)
    assert SearchFusion(without, embedding_dim=8).hard_negatives.shape == (len(QUERIES), 0)


def test_refusals() -> None:
    with pytest.raises(LackingData, match="there are no queries"):
        SearchFusion(DatasetSpec(SPEC.n_users, SPEC.n_items, SPEC.train))
    with pytest.raises(ValueError, match=r"hidden\.query: expected a share"):
        SearchFusion(SPEC, hidden={"modality": 0.0, "feature": 0.0, "query": 1.0})
    with pytest.raises(ValueError, match="hidden: expected modality, feature, query, found query"):
        SearchFusion(SPEC, hidden={"query": 0.0})
