"""mmrec.data.interactions.matrix: for any events, the same as a plain Python set of pairs."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrec.data.interactions.matrix import InteractionMatrix, is_member

N_USERS, N_ITEMS = 5, 7
PAIRS = st.lists(st.tuples(st.integers(0, N_USERS - 1), st.integers(0, N_ITEMS - 1)), max_size=40)
Pairs = list[tuple[int, int]]


def make_matrix(pairs: Pairs) -> InteractionMatrix:
    users, items = torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).unbind(1)
    return InteractionMatrix.from_pairs(users, items, N_USERS, N_ITEMS)


def to_pairs(matrix: InteractionMatrix) -> Pairs:
    position, items = matrix.rows(torch.arange(matrix.n_users))
    return list(zip(position.tolist(), items.tolist(), strict=True))


@settings(max_examples=60, deadline=None)
@given(PAIRS)
def test_round_trip(pairs: Pairs) -> None:
    matrix, distinct = make_matrix(pairs), sorted(set(pairs))
    assert to_pairs(matrix) == distinct
    assert (matrix.n_users, matrix.n_items) == (N_USERS, N_ITEMS)
    assert matrix.keys().tolist() == [user * N_ITEMS + item for user, item in distinct]
    assert matrix.degree.tolist() == [sum(u == user for u, _ in distinct) for user in range(N_USERS)]
    assert matrix.item_degree.tolist() == [sum(i == item for _, i in distinct) for item in range(N_ITEMS)]


@settings(max_examples=60, deadline=None)
@given(PAIRS, st.lists(st.integers(0, N_USERS - 1), max_size=8))
def test_rows_of_any_users_in_any_order_and_twice(pairs: Pairs, users: list[int]) -> None:
    position, items = make_matrix(pairs).rows(torch.tensor(users, dtype=torch.int64))
    expected = [(place, item) for place, user in enumerate(users) for item in sorted({i for u, i in pairs if u == user})]
    assert list(zip(position.tolist(), items.tolist(), strict=True)) == expected


@settings(max_examples=60, deadline=None)
@given(PAIRS, PAIRS)
def test_union(left: Pairs, right: Pairs) -> None:
    assert to_pairs(make_matrix(left).union(make_matrix(right))) == sorted(set(left) | set(right))


@settings(max_examples=60, deadline=None)
@given(PAIRS)
def test_membership(pairs: Pairs) -> None:
    keys = torch.arange(-1, N_USERS * N_ITEMS + 2).reshape(-1, 2)
    found = is_member(make_matrix(pairs).keys(), keys)
    assert found.shape == keys.shape
    assert set(keys[found].tolist()) == {user * N_ITEMS + item for user, item in pairs}
    far = 10**9  # too high for a table
    assert is_member(torch.tensor([5, far]), torch.tensor([0, 5, far - 1, far, far + 1])).tolist() == [False, True, False, True, False]


def test_by_hand() -> None:
    matrix = make_matrix([(2, 5), (0, 3), (2, 1), (0, 3)])
    assert matrix.indptr.tolist() == [0, 1, 1, 3, 3, 3]
    assert matrix.indices.tolist() == [3, 1, 5]


def test_the_entries_of_some_items() -> None:
    matrix = make_matrix([(2, 5), (0, 3), (2, 1), (4, 5)])
    inside = torch.zeros(N_ITEMS, dtype=torch.bool)
    inside[5] = True
    part = matrix.of_items(inside)
    assert (part.n_users, part.n_items) == (matrix.n_users, matrix.n_items)
    assert part.keys().tolist() == [2 * N_ITEMS + 5, 4 * N_ITEMS + 5]


def test_keys_do_not_overflow_where_ids_are_many() -> None:
    """A key of 10⁶ users by 10¹² items needs 60 bits."""
    matrix = InteractionMatrix.from_pairs(torch.tensor([10**6 - 1]), torch.tensor([10**12 - 1]), 10**6, 10**12)
    assert matrix.keys().tolist() == [10**18 - 1]


def test_moves_to_a_device_and_cannot_be_changed() -> None:
    matrix = make_matrix([(1, 2)])
    assert matrix.to(torch.device("meta")).indices.device.type == "meta"
    with pytest.raises(AttributeError):
        matrix.n_items = 3
