"""Construct the object that a node of a configuration names."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from mmrec.argument_errors import is_argument_error, name_key_in_errors
from mmrec.config.allowlist import allowed_prefixes, resolve


def target(cfg: DictConfig, key: str) -> Any:
    """The object that the `_target_` at `key` names, not called. Raises ConfigError if it is not allowed."""
    return name_key_in_errors(key, partial(resolve, OmegaConf.select(cfg, key)["_target_"], allowed_prefixes(cfg)))


def build(cfg: DictConfig, key: str, **arguments: Any) -> Any:
    """Construct the object of the node at `key` with its values and `arguments`; a partial if the node says so.

    Raises ConfigError, naming the key, if a constructor rejects a value; so does the partial when it is called.
    """
    node = OmegaConf.select(cfg, key)
    made = name_key_in_errors(key, partial(_bare, partial(instantiate, node, _convert_="all", **arguments)))
    if not node.get("_partial_"):
        return made
    plain = partial(made.func, *made.args, **made.keywords)  # avoids Hydra's checks at every call, e.g. of a loss in every step
    call = partial(_call, key, plain)
    vars(call)["__signature__"] = inspect.signature(plain)  # the remaining parameters
    return call


def _bare(make: Callable[[], Any]) -> Any:
    """Call `make`, and raise the original exception about an invalid value rather than Hydra's wrapper."""
    try:
        return make()
    except InstantiationException as error:
        cause = error.__cause__
        if cause is not None and is_argument_error(cause):
            raise cause from None
        raise


def _call(key: str, make: Callable[..., Any], /, *values: Any, **arguments: Any) -> Any:
    return name_key_in_errors(key, partial(make, *values, **arguments))
