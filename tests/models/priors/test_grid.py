"""Choosing from grids that grow at their ends."""

import pytest

from mmrec.models.priors.grid import Choices, beyond, describe_choices


@pytest.mark.parametrize(("best", "expected"), [(4.0, 4.0), (32.0, 32.0), (0.25, 0.25)])
def test_a_grid_is_continued_where_its_end_is_best(best: float, expected: float) -> None:
    choices = Choices()
    assert choices.take("width", [2.0, 4.0, 8.0], lambda one: -abs(one - best)) == expected
    assert choices.plain() == {"width": expected}


def test_what_rises_for_ever_ends_on_an_edge_and_says_so() -> None:
    choices = Choices()
    assert choices.take("width", [1.0, 2.0], lambda one: one) == 2.0**9
    assert choices.plain()["on_edge"] == ["width"]
    assert describe_choices(choices.plain()) == "width 512; on an edge: width"


def test_a_bound_is_no_edge_and_a_single_value_is_not_measured() -> None:
    choices = Choices()
    assert choices.take("width", [1, 2], lambda one: one, high=5) == 5
    assert choices.take("height", [3.0], lambda one: 1 / 0) == 3.0
    assert choices.plain() == {"width": 5, "height": 3.0}


def test_of_equals_the_first_is_taken() -> None:
    assert Choices().take("width", [1.0, 2.0, 3.0], lambda one: 0.0) == 1.0


def test_values_beyond_an_end_go_on_as_those_before() -> None:
    assert beyond([0.0, 0.5], 0, -1.0, 9.0) == -0.5
    assert beyond([0.0, 0.5], 0, 0.0, 9.0) is None
    assert beyond([1.0, 3.0], -1, 0.0, 100.0) == 9.0
    assert beyond([16, 24], 0, 1, 99) == 11


def test_evidence_that_a_mixture_does_without_is_said() -> None:
    assert describe_choices({"linear": 0.5, "closed": ["kg of new items"]}) == "linear 0.5; does without kg of new items"
