"""mmrec.baselines.baseline: dense rows and the item Gram matrix, against a dense matrix."""

import pytest
import torch

from mmrec.baselines.baseline import Baseline, dense_rows, item_gram
from mmrec.data.csr import InteractionMatrix

X = (torch.rand(11, 6, generator=torch.Generator().manual_seed(0)) < 0.4).float()
X[3] = 0
TRAIN = InteractionMatrix.from_pairs(*X.nonzero().unbind(1), 11, 6)


def test_rows_of_any_users() -> None:
    users = torch.tensor([10, 3, 0, 10])
    assert torch.equal(dense_rows(TRAIN, users), X[users])


@pytest.mark.parametrize("block", [1, 4, 11, 4096])
def test_gram_whatever_the_blocks(block: int) -> None:
    assert torch.equal(item_gram(TRAIN, block), X.T @ X)


def test_a_baseline_must_fit_and_score() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Baseline()
