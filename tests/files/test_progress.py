"""mmrec.files.progress: whoever asks is told how far the work is, and nobody else is."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from mmrec.files.progress import BYTES, open_progress, progress, progress_told

Told = list[tuple[str, str, int, int | None]]


def hook_into(told: Told) -> Callable:
    @contextmanager
    def hook(label: str, unit: str) -> Iterator[Callable[[int, int | None], None]]:
        yield lambda done, total: told.append((label, unit, done, total))

    return hook


def test_every_piece_is_told_of() -> None:
    told: Told = []
    with progress_told(hook_into(told)):
        assert list(progress("ab", "reading", 2)) == ["a", "b"]
    assert told == [("reading", "pieces", done, 2) for done in range(3)]


def test_work_tells_for_itself_how_far_it_is() -> None:
    told: Told = []
    with progress_told(hook_into(told)), open_progress("x.zip", BYTES) as update:
        update(7, None)
    assert told == [("x.zip", "bytes", 7, None)]


def test_nobody_is_told_before_or_after_or_of_nothing() -> None:
    told: Told = []
    assert list(progress("ab", "reading")) == ["a", "b"]
    with progress_told(hook_into(told)):
        assert list(progress("", "reading", 0)) == []
    assert list(progress("ab", "reading")) == ["a", "b"] and told == []


def test_the_one_who_asked_before_is_told_again_whatever_happens() -> None:
    first, second = Told(), Told()
    with progress_told(hook_into(first)):
        with pytest.raises(KeyError), progress_told(hook_into(second)):
            raise KeyError
        list(progress("a", "reading", 1))
    assert not second and len(first) == 2
