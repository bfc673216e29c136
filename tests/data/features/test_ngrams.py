"""mmrec.data.features.ngrams: hashes that are the same everywhere, shared by misspelled words."""

import zlib

from mmrec.data.features.ngrams import ngram_hashes, ngram_rows


def test_the_ngrams_of_a_word_by_hand() -> None:
    grams = ("<re", "red", "ed>", "<red", "red>", "<red>")
    assert set(ngram_hashes("Red")) == {zlib.crc32(gram.encode()) for gram in grams}


def test_rows_keep_the_order_of_texts_and_empty_ones() -> None:
    rows = ngram_rows(["red", "", "red boots"])
    assert rows.degree.tolist()[:2] == [6, 0]
    assert set(rows.indices[:6].tolist()) <= set(rows.indices[6:].tolist())
    assert len(ngram_rows([]).indices) == 0
