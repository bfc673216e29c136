"""Group the parameters of a model by role, with separate optimizer settings for each role."""

from collections.abc import Collection
from typing import Any, cast

from torch import nn

from mmrec.errors import nearest
from mmrec.nn.encoders.pretrained import PretrainedEncoder
from mmrec.tasks.encoder_training import encoder_groups, tuned_encoders

TABLES, NETWORKS, ENCODERS = "tables", "networks", "encoders"
ROLES = (TABLES, NETWORKS, ENCODERS)
OPTIONS = ("lr", "weight_decay")
Rates = dict[str, dict[str, float]]


def sort_parameters(module: nn.Module) -> dict[str, list[nn.Parameter]]:
    """Return the parameters of a module by role, each once.

    `encoders` are the parameters of each `PretrainedEncoder`, `tables` the weights of all other `nn.Embedding`, and `networks` all others.
    Parameters that are not trained have no role.
    """
    parts = [part for part in module.modules() if isinstance(part, PretrainedEncoder)]
    encoders = list({id(parameter): parameter for part in parts for parameter in part.parameters()}.values())
    taken = {id(parameter) for parameter in encoders}
    embeddings = (cast("nn.Parameter", part.weight) for part in module.modules() if isinstance(part, nn.Embedding))
    tables = [weight for weight in embeddings if id(weight) not in taken]
    taken |= {id(weight) for weight in tables}
    networks = [parameter for parameter in module.parameters() if id(parameter) not in taken]
    roles = {TABLES: tables, NETWORKS: networks, ENCODERS: encoders}
    return {role: [one for one in parameters if one.requires_grad] for role, parameters in roles.items()}


def parameter_groups(module: nn.Module, rates: Rates, without: Collection[nn.Parameter] = ()) -> list[dict[str, Any]]:
    """Return the parameter groups for an optimizer: tables, networks and, if there are any, encoders.

    A `TunedEncoder` has groups of its own, see `mmrec.tasks.encoder_training.encoder_groups`.

    Args:
        module: a model, or the task that contains it.
        rates: `lr` and `weight_decay` by role; missing values are the optimizer's defaults.
        without: parameters to leave out.
    """
    of_encoders = rates.get(ENCODERS, {})
    tuned = [group for _, encoder in tuned_encoders(module) for group in encoder_groups(encoder, of_encoders)]
    apart, others = {id(parameter) for group in tuned for parameter in group["params"]}, {id(parameter) for parameter in without}
    roles = {role: [one for one in found if id(one) not in others] for role, found in sort_parameters(module).items()}
    roles[ENCODERS] = [one for one in roles[ENCODERS] if id(one) not in apart]
    groups = [{"params": parameters, **rates.get(role, {})} for role, parameters in roles.items()]
    return (groups if groups[-1]["params"] else groups[:-1]) + tuned


def check_rates(rates: Rates, key: str) -> None:
    """Raise ValueError, naming the key, for an unknown role or option, or a negative value."""
    for role, options in rates.items():
        if role not in ROLES:
            raise ValueError(f"{key}.{role}: there is no such role; {nearest(role, ROLES)}")
        if not isinstance(options, dict):
            raise ValueError(f"{key}.{role}: expected {' and '.join(OPTIONS)}, such as {{lr: 0.001}}, found `{options}`")
        for name, value in options.items():
            if name not in OPTIONS:
                raise ValueError(f"{key}.{role}.{name}: there is no such option; {nearest(name, OPTIONS)}")
            if not isinstance(value, int | float) or value < 0:
                raise ValueError(f"{key}.{role}.{name}: expected a number of at least 0, found `{value}`")
