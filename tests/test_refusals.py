"""mmrec.refusals: what is refused is a message under its key; other errors stay what they are."""

from collections.abc import Callable

import pytest

from mmrec.errors import ConfigError, DataError
from mmrec.refusals import refine


def raising(error: Exception) -> Callable[[], object]:
    def make() -> object:
        raise error

    return make


def test_what_is_made_is_given() -> None:
    assert refine("model", lambda: 3) == 3


@pytest.mark.parametrize("error", [ValueError("too large"), TypeError("too large"), ImportError("too large")])
def test_a_refusal_names_the_key(error: Exception) -> None:
    with pytest.raises(ConfigError, match=r"^model\.n_layers: too large$"):
        refine("model.n_layers", raising(error))


@pytest.mark.parametrize("error", [DataError("row 3"), RuntimeError("out of memory"), OSError("no space")])
def test_any_other_error_is_raised_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        refine("model", raising(error))
    assert raised.value is error
