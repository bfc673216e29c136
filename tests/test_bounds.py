"""mmrec.bounds: every number that the configuration has is held to a range before anything is read."""

import math
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from mmrec.bounds import Bounds, bounds_of, out_of_bounds
from mmrec.files.limits import Limits

CONF = Path(__file__).resolve().parent.parent / "conf"
CHECKED_ELSEWHERE = {"n_trials", "version_base", *(one.name for one in fields(Limits))}


def numbers(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], float]]:
    """The numeric leaves of a node with their keys; those of a list under its key."""
    if isinstance(node, dict):
        for name, child in node.items():
            yield from numbers(child, (*path, str(name)))
    elif isinstance(node, list):
        for child in node:
            yield from numbers(child, path)
    elif (isinstance(node, int | float) and not isinstance(node, bool)) or node == "${seed}":
        yield path, 0 if node == "${seed}" else node


SETTINGS = sorted({found for file in sorted(CONF.rglob("*.yaml")) for found in numbers(yaml.safe_load(file.read_text()))})


def test_there_are_many() -> None:
    assert len({path for path, _ in SETTINGS}) > 80


@pytest.mark.parametrize(("path", "value"), SETTINGS, ids=lambda one: ".".join(one) if isinstance(one, tuple) else str(one))
def test_every_number_of_the_configuration_has_bounds(path: tuple[str, ...], value: float) -> None:
    if path[-1] in CHECKED_ELSEWHERE:
        return
    bounds = bounds_of(path)
    assert bounds is not None and value in bounds
    for absurd in (math.nan, math.inf, -math.inf):
        assert absurd not in bounds
    assert bounds == Bounds() or -(10**9) not in bounds


@pytest.mark.parametrize(
    ("bounds", "inside", "outside", "said"),
    [
        (Bounds(), [-1.5, 0], [math.nan, math.inf], "a finite number"),
        (Bounds(1), [1, 7], [0, -1, math.inf], "at least 1"),
        (Bounds(0, without=(0,)), [1e-9], [0, -1], "above 0"),
        (Bounds(0, 1, without=(1,)), [0, 0.99], [1, -0.1], "at least 0 and below 1"),
        (Bounds(1, also=-1), [-1, 1], [0, -2], "at least 1, or -1"),
        (Bounds(0, 2**32 - 1), [0, 2**32 - 1], [2**32], "at least 0 and at most 4294967295"),
    ],
)
def test_bounds_hold_what_they_say(bounds: Bounds, inside: list[float], outside: list[float], said: str) -> None:
    assert all(value in bounds for value in inside) and not any(value in bounds for value in outside) and str(bounds) == said


def test_lists_nested_keys_and_longer_names_are_told_with_their_key() -> None:
    node = {"task": {"ks": [10, 0]}, "model": {"dropout": {"history": 1.5}}, "features": {"n_workers": 0}, "data_module": {"n_workers": 0}}
    assert list(out_of_bounds(node)) == [
        ("task.ks", "expected at least 1, found 0"),
        ("model.dropout.history", "expected at least 0 and below 1, found 1.5"),
        ("features.n_workers", "expected at least 1, found 0"),
    ]
