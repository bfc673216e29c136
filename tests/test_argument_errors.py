"""mmrec.argument_errors: what is refused is a message under its key; other errors stay what they are."""

from collections.abc import Callable

import pytest

from mmrec.argument_errors import name_key_in_errors
from mmrec.errors import ConfigError, DataError


def raising(error: Exception) -> Callable[[], object]:
    def make() -> object:
        raise error

    return make


def test_what_is_made_is_given() -> None:
    assert name_key_in_errors("model", lambda: 3) == 3


@pytest.mark.parametrize("error", [ValueError("too large"), TypeError("too large"), ImportError("too large")])
def test_a_refusal_names_the_key(error: Exception) -> None:
    with pytest.raises(ConfigError, match=r"^model\.n_layers: too large$"):
        name_key_in_errors("model.n_layers", raising(error))


@pytest.mark.parametrize("error", [DataError("row 3"), RuntimeError("out of memory"), OSError("no space")])
def test_any_other_error_is_raised_as_it_is(error: Exception) -> None:
    with pytest.raises(type(error)) as raised:
        name_key_in_errors("model", raising(error))
    assert raised.value is error
