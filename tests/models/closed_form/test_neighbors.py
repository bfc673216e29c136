"""mmrec.models.closed_form.neighbors: equal to the dense product, whatever the blocks; memory does not grow with the product."""

import tracemalloc

import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from mmrec.models.closed_form.item_knn import ItemKNN, weigh_terms
from mmrec.models.closed_form.neighbors import nearest, without_diagonal
from mmrec.types import DatasetSpec, Interactions

RNG = np.random.default_rng(0)
LEFT, RIGHT = (RNG.random(shape) * (RNG.random(shape) < 0.3) for shape in ((9, 7), (7, 9)))
LEFT[4] = 0


@pytest.mark.parametrize("terms", [1, 10, 2**23])
@pytest.mark.parametrize("n", [1, 3, 20])
def test_equal_to_the_dense_product(n: int, terms: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmrec.models.closed_form.neighbors._BLOCK_TERMS", terms)
    dense = LEFT @ RIGHT
    np.fill_diagonal(dense, 0)
    for row in dense:
        row[np.argsort(-row)[n:]] = 0
    found = nearest(csr_array(LEFT), csr_array(RIGHT), n, without_diagonal)
    np.testing.assert_allclose(found.toarray(), dense)
    assert found.nnz == np.count_nonzero(dense)


def test_memory_is_linear_in_what_is_kept() -> None:
    """A matrix of 20,000 items squared would be 1.6 GB."""
    users, items = (torch.randint(n, (40_000,), generator=torch.Generator().manual_seed(n)) for n in (10_000, 20_000))
    spec = DatasetSpec(10_000, 20_000, Interactions(users, items))
    tracemalloc.start()
    model = ItemKNN(20).fit(spec)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert model.score_users(torch.arange(3)).shape == (3, 20_000) and peak < 50e6


def test_weights_of_terms_by_hand() -> None:
    """Term 0 is in both documents, term 1 in one: ln 1 and ln 2. The lengths are 2 and 1, the mean 1.5."""
    documents = csr_array(np.array([[1.0, 1.0], [1.0, 0.0]], dtype=np.float32))
    assert weigh_terms(documents, "none") is documents
    np.testing.assert_allclose(weigh_terms(documents, "tfidf").toarray(), [[0, np.log(2)], [0, 0]], rtol=1e-6)
    saturation = 2.2 / (1.2 * (0.25 + 0.75 * 2 / 1.5) + 1)
    np.testing.assert_allclose(weigh_terms(documents, "bm25").toarray(), [[0, np.log(2) * saturation], [0, 0]], rtol=1e-6)
