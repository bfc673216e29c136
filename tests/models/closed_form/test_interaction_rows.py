"""mmrec.models.closed_form.interaction_rows: dense rows and the item Gram matrix, against a dense matrix."""

import pytest
import torch

from mmrec.data.interactions.matrix import InteractionMatrix
from mmrec.models.closed_form.interaction_rows import (
    dense_rows,
    interaction_matrix,
    item_gram,
    popular_for_new,
    put_last,
    sparse_matrix,
    sparse_rows,
)
from mmrec.types import DatasetSpec, Interactions

X = (torch.rand(11, 6, generator=torch.Generator().manual_seed(0)) < 0.4).float()
X[3] = 0
TRAIN = InteractionMatrix.from_pairs(*X.nonzero().unbind(1), 11, 6)


def test_rows_of_any_users() -> None:
    users = torch.tensor([10, 3, 0, 10])
    assert torch.equal(dense_rows(TRAIN, users), X[users])
    assert torch.equal(torch.from_numpy(sparse_rows(TRAIN, users).toarray()), X[users])


@pytest.mark.parametrize("block", [1, 4, 11, 4096])
def test_gram_whatever_the_blocks(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmrec.models.closed_form.interaction_rows._GRAM_ROWS", block)
    assert torch.equal(item_gram(TRAIN), X.T @ X)


def test_matrices_of_a_spec() -> None:
    train = interaction_matrix(DatasetSpec(11, 6, Interactions(*X.nonzero().unbind(1))))
    assert torch.equal(train.keys(), TRAIN.keys())
    assert torch.equal(torch.from_numpy(sparse_matrix(train).toarray()), X)


def test_what_is_unknown_is_put_last() -> None:
    scores = torch.tensor([[0.0, 3.0, -4.0], [5.0, 1.0, 2.0]])
    assert put_last(scores, torch.tensor([True, False, False])).tolist() == [[-5.0, 3.0, -4.0], [0.0, 1.0, 2.0]]
    for all_or_none in (True, False):
        assert torch.equal(put_last(scores, torch.full((3,), all_or_none)), scores)


def test_new_users_get_what_is_popular() -> None:
    scores = popular_for_new(torch.full((3, 6), 0.5), torch.tensor([True, False, True]), TRAIN)
    assert torch.equal(scores[[0, 2]], X.sum(dim=0).repeat(2, 1)) and torch.equal(scores[1], torch.full((6,), 0.5))
