"""mmrec.models.search.bm25: by hand, and equal for queries of the data and typed ones."""

import math

import pytest
import torch

from mmrec.models.recommender import LackingData
from mmrec.models.search.bm25 import BM25, WordIndex
from tests.models.search.shop import N_ITEMS, QUERIES, kind_of, search_spec


def test_by_hand() -> None:
    """Three texts of 2, 1 and 1 words; `red` is in two of them: ln(1 + 1.5 / 2.5) times tf / (tf + k1 (1 - b + b length / mean))."""
    scores = WordIndex(["Red, red boots", "red", "hat"], k1=1.2, b=0.5).score(["RED", "boots hat", "unknown", ""])
    idf = math.log(1 + 1.5 / 2.5)
    lengths = [3, 1, 1]
    expected = [idf * tf / (tf + 1.2 * (0.5 + 0.5 * n / (5 / 3))) for tf, n in zip([2, 1, 0], lengths, strict=True)]
    torch.testing.assert_close(scores[0], torch.tensor(expected), atol=1e-5, rtol=1e-4)
    assert scores[1, 0] > 0 and scores[1, 1] == 0 and scores[1, 2] > 0
    assert (scores[2:] == 0).all()


def test_no_words_at_all_score_nothing() -> None:
    assert (WordIndex(["", ""]).score(["red"]) == 0).all()


def test_a_fitted_model_and_its_state_answer_alike() -> None:
    model = BM25(k1=0.9, b=0.2).fit(search_spec())
    scores = model.score_users(torch.arange(len(QUERIES)))
    lamps = [item for item in range(1, N_ITEMS) if kind_of(item) == 0]
    assert (scores[0, lamps] > 0).all() and int((scores[0] > 0).sum()) == len(lamps)
    assert (scores[QUERIES.index("lanp")] == 0).all()
    again = BM25()
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.score_users(torch.arange(len(QUERIES))), scores)
    assert torch.equal(again.score_queries(list(QUERIES), torch.zeros(len(QUERIES), 0)), scores)


def test_data_without_queries_or_texts_are_refused() -> None:
    spec = search_spec()
    with pytest.raises(LackingData, match="there are no queries, only interactions"):
        BM25().fit(type(spec)(spec.n_users, spec.n_items, spec.train))
    with pytest.raises(LackingData, match="no item has a text"):
        BM25().fit(search_spec(with_texts=False))


@pytest.mark.parametrize("wrong", [{"k1": -1.0}, {"b": 1.5}])
def test_constants_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="k1 and b: expected at least 0, and a number from 0 to 1"):
        BM25(**wrong)
