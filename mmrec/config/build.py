"""From a node of a configuration to the object that it names."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from mmrec.config.allowlist import allowed_prefixes, resolve
from mmrec.refusals import is_refusal, refine


def target(cfg: DictConfig, key: str) -> Any:
    """What the node at `key` names as its `_target_`, uncalled. Raises ConfigError where a configuration may not build it."""
    return refine(key, partial(resolve, OmegaConf.select(cfg, key)["_target_"], allowed_prefixes(cfg)))


def build(cfg: DictConfig, key: str, **arguments: Any) -> Any:
    """The object that the node at `key` names, called with its values and `arguments`; a partial where the node says so.

    Raises ConfigError, naming the key, where a constructor refuses a value; so does the partial when it is called.
    """
    node = OmegaConf.select(cfg, key)
    made = refine(key, partial(_bare, partial(instantiate, node, _convert_="all", **arguments)))
    if not node.get("_partial_"):
        return made
    plain = partial(made.func, *made.args, **made.keywords)  # Hydra's own checks at every call what `check` has: a loss is called a step
    call = partial(_call, key, plain)
    vars(call)["__signature__"] = inspect.signature(plain)  # what it still takes
    return call


def _bare(make: Callable[[], Any]) -> Any:
    """What `make` gives; a refusal is raised as it was before Hydra wrapped it."""
    try:
        return make()
    except InstantiationException as error:
        cause = error.__cause__
        if cause is not None and is_refusal(cause):
            raise cause from None
        raise


def _call(key: str, make: Callable[..., Any], /, *values: Any, **arguments: Any) -> Any:
    return refine(key, partial(make, *values, **arguments))
