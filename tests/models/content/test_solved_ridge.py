"""mmrec.models.content.solved_ridge: predictions of added items equal those of a regression that is solved again."""

import pytest
import torch

from mmrec.models.content import solved_ridge
from mmrec.models.content.content_matrix import WORDS, Content, read_content
from mmrec.models.content.ridge import solve_ridge
from mmrec.models.content.solved_ridge import SolvedRidge
from mmrec.types import DatasetSpec, Features, Interactions, Words

N_KNOWN, N_ITEMS = 20, 23
VALUES = torch.randn(N_ITEMS + 2, 6, generator=torch.Generator().manual_seed(0))
TARGETS = torch.randn(N_ITEMS + 2, 3, generator=torch.Generator().manual_seed(1))


def content(n_items: int, words: list[list[int]], n_words: int, dim: int = 6) -> Content:
    rows = words[:n_items]
    found = Words(
        torch.tensor([0, *map(len, rows)]).cumsum(0), torch.tensor([one for row in rows for one in row], dtype=torch.int64), n_words
    )
    train = Interactions(torch.zeros(N_KNOWN, dtype=torch.int64), torch.arange(N_KNOWN))
    values = VALUES[:n_items, :dim]
    spec = DatasetSpec(1, n_items, train, {"text": Features(values, torch.ones(n_items, dtype=torch.bool))}, words=found)
    return read_content(spec, ["text", WORDS])


def targets(n_items: int) -> torch.Tensor:
    return TARGETS[:n_items] * (torch.arange(n_items) < N_KNOWN)[:, None]


@pytest.mark.parametrize("n_words", [5, 40])  # fewer columns than training items, and more
def test_equal_to_a_regression_that_is_solved_again(n_words: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second added item shares a word with item 3 alone, which becomes a new column; the first does not change other items."""
    words = [[item % n_words, (7 * item + 1) % n_words] for item in range(N_ITEMS + 2)]
    words = [sorted(set(row)) for row in words]
    before = content(N_ITEMS, words, n_words)
    solved = SolvedRidge(before, targets(N_ITEMS), 2.0)
    n_solved = []
    again = solved_ridge._solver
    monkeypatch.setattr(solved_ridge, "_solver", lambda *arguments: n_solved.append(1) or again(*arguments))
    plain = content(N_ITEMS + 1, words, n_words)
    torch.testing.assert_close(solved.predict(plain), solve_ridge(plain, 2.0).predict(targets(N_ITEMS + 1)), atol=1e-5, rtol=1e-4)
    shared = [*words[:3], [*words[3], n_words], *words[4:-1], [*words[-1], n_words]]
    joined = content(N_ITEMS + 2, shared, n_words + 1)
    wanted = solve_ridge(joined, 2.0).predict(targets(N_ITEMS + 2))
    torch.testing.assert_close(solved.predict(joined), wanted, atol=1e-5, rtol=1e-4)
    assert not n_solved and not torch.allclose(wanted[:N_ITEMS], solved.predict(before), atol=1e-3)
    many = [[*row, n_words] if item < 12 else row for item, row in enumerate(words)]
    changed = content(N_ITEMS + 2, many, n_words + 1)
    torch.testing.assert_close(solved.predict(changed), solve_ridge(changed, 2.0).predict(targets(N_ITEMS + 2)), atol=1e-5, rtol=1e-4)
    assert n_solved == [1]
