"""mmrec.models.search.search_model and the baselines: packed texts, known words, popular matches, and the frozen encoder."""

import pytest
import torch

from mmrec.data.interactions.histories import Histories
from mmrec.errors import ConfigError
from mmrec.models.recommender import LackingData
from mmrec.models.search.popular_matches import PopularMatches
from mmrec.models.search.search_model import pack_texts, unpack_texts
from mmrec.models.search.text_similarity import TextSimilarity
from tests.models.search.shop import N_ITEMS, QUERIES, kind_of, search_spec, vector_of


@pytest.mark.parametrize("texts", [(), ("",), ("a", "", "größe 🙂", "b")])
def test_texts_are_packed_and_unpacked(texts: tuple[str, ...]) -> None:
    assert unpack_texts(*pack_texts(texts)) == texts


def test_words_are_known_but_for_spelling_errors() -> None:
    model = PopularMatches().fit(search_spec())
    assert [model.knows(text) for text in ("lamp", "lampp", "green lamps", "blue", "xqzvwk", "green")] == [
        True,
        True,
        True,
        True,
        False,
        False,
    ]


def test_popular_items_among_those_with_a_word() -> None:
    scores = PopularMatches().fit(search_spec()).score_users(torch.tensor([QUERIES.index("chair")]))[0]
    chairs = torch.tensor([kind_of(item) == 1 for item in range(N_ITEMS)])
    assert scores[chairs].min() > scores[~chairs].max()
    assert (scores > 0).all()  # all of them have interactions


def test_the_frozen_encoder_finds_texts_and_puts_items_without_one_last() -> None:
    model = TextSimilarity().fit(search_spec())
    scores = model.score_queries(["lamp"], vector_of("lamp")[None])[0]
    lamps = [item for item in range(1, N_ITEMS) if kind_of(item) == 0]
    assert set(scores.argsort(descending=True)[: len(lamps)].tolist()) == set(lamps)
    assert scores.argmin() == 0
    with pytest.raises(LackingData, match="no vectors of the text encoder"):
        TextSimilarity().fit(search_spec(with_texts=False))


def test_histories_are_no_queries() -> None:
    with pytest.raises(ConfigError, match="answers search queries, and cannot score histories"):
        PopularMatches().fit(search_spec()).score_histories(Histories.from_lists([[0]]))
