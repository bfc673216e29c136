"""mmrec.models.search.ngram_space: a misspelled word is near the right one, rare n-grams weigh more."""

import torch

from mmrec.data.features.ngrams import ngram_rows
from mmrec.models.search.ngram_space import N_DIMS, bucket, ngram_vectors, rarity


def vectors_of(texts: list[str], weights: torch.Tensor) -> torch.Tensor:
    grams = ngram_rows(texts)
    return ngram_vectors(*grams.rows(torch.arange(len(texts))), len(texts), weights)


def test_a_misspelled_word_is_nearest_to_the_right_one() -> None:
    texts = ["leather boots", "lether boots", "wooden table", ""]
    vectors = vectors_of(texts, torch.ones(2**15))
    assert vectors.shape == (4, N_DIMS)
    alike = vectors @ vectors.T
    assert alike[0, 1] > 0.5 > 0.2 > alike[0, 2].abs()
    torch.testing.assert_close(alike.diagonal(), torch.tensor([1.0, 1.0, 1.0, 0.0]))


def test_rare_ngrams_weigh_more() -> None:
    weights = rarity(ngram_rows(["red boots", "red hat", "red"]))
    red, hat = (weights[bucket(ngram_rows([word]).indices)].mean() for word in ("red", "hat"))
    assert hat > red > 0
