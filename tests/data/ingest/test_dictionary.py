"""Texts in pieces as numbers, and as ranks that are in text order."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from mmrec.data.ingest.dictionary import DictionaryEncoder, TextOrder


@given(st.lists(st.lists(st.text(max_size=20), max_size=8), max_size=5))
def test_numbers_and_ranks_stand_for_the_texts(pieces: list[list[str]]) -> None:
    encoder = DictionaryEncoder()
    numbers = [encoder.encode(pl.Series("item_id", piece, dtype=pl.String)) for piece in pieces]
    every = [text for piece in pieces for text in piece]
    assert encoder.texts.to_list() == list(dict.fromkeys(every))
    order = TextOrder(encoder.texts)
    for piece, found in zip(pieces, numbers, strict=True):
        ranks = order.ranks(found)
        assert ranks.name == "item_id"
        assert order.texts(ranks).to_list() == piece
        assert order.texts(ranks.sort()).to_list() == pl.Series(piece, dtype=pl.String).sort().to_list()
