"""The k-core against one made by leaving out one user or item at a time."""

import numpy as np
import polars as pl
import pytest

from mmrec.data.interactions.k_core import k_core


def table(pairs: list[tuple[str, str]]) -> pl.DataFrame:
    return pl.DataFrame(pairs, schema=["user_id", "item_id"], orient="row").with_row_index("timestamp")


def one_by_one(pairs: list[tuple[str, str]], least: tuple[int, int]) -> list[tuple[str, str]]:
    while True:
        for side in (0, 1):
            for name in {pair[side] for pair in pairs}:
                if len({pair[1 - side] for pair in pairs if pair[side] == name}) < least[side]:
                    pairs = [pair for pair in pairs if pair[side] != name]
                    break
            else:
                continue
            break
        else:
            return pairs


@pytest.mark.parametrize("least", [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4), (1, 3), (4, 2)])
@pytest.mark.parametrize("seed", range(5))
def test_against_one_by_one(least: tuple[int, int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = [(f"u{a}", f"i{b}") for a, b in zip(rng.integers(0, 30, 120) ** 2 // 30, rng.integers(0, 30, 120) ** 2 // 30, strict=True)]
    found = k_core(table(pairs), *least)
    assert found.select("user_id", "item_id").rows() == one_by_one(pairs, least)
    assert found["timestamp"].is_sorted()


def test_the_same_pair_twice_counts_once() -> None:
    pairs = [("a", "x"), ("a", "x"), ("b", "x"), ("a", "y"), ("b", "y")]
    assert k_core(table(pairs), 2, 2).height == 5
    assert k_core(table([("a", "x"), ("a", "x")]), 2, 2).is_empty()


def test_a_chain_falls_to_the_last() -> None:
    pairs = [(f"u{n}", f"i{m}") for n in range(50) for m in (n, n + 1)]
    assert k_core(table(pairs), 2, 2).is_empty()
