"""The parameters of a model by role, and with which rates the optimizer learns each role."""

from typing import Any, cast

from torch import nn

from mmrec.errors import nearest
from mmrec.nn.encoders.pretrained import PretrainedEncoder

TABLES, NETWORKS, ENCODERS = "tables", "networks", "encoders"
ROLES = (TABLES, NETWORKS, ENCODERS)
OPTIONS = ("lr", "weight_decay")
Rates = dict[str, dict[str, float]]


def sort_parameters(module: nn.Module) -> dict[str, list[nn.Parameter]]:
    """Return the parameters of a module by role, each once.

    `encoders` are those of a `PretrainedEncoder`, `tables` are the weights of every other `nn.Embedding`, `networks` are all the rest.
    """
    parts = [part for part in module.modules() if isinstance(part, PretrainedEncoder)]
    encoders = list({id(parameter): parameter for part in parts for parameter in part.parameters()}.values())
    taken = {id(parameter) for parameter in encoders}
    embeddings = (cast("nn.Parameter", part.weight) for part in module.modules() if isinstance(part, nn.Embedding))
    tables = [weight for weight in embeddings if id(weight) not in taken]
    taken |= {id(weight) for weight in tables}
    networks = [parameter for parameter in module.parameters() if id(parameter) not in taken]
    return {TABLES: tables, NETWORKS: networks, ENCODERS: encoders}


def parameter_groups(module: nn.Module, rates: Rates) -> list[dict[str, Any]]:
    """Return the groups that an optimizer takes: tables, networks and, where there are any, encoders.

    Args:
        module: a model, or the task that holds it.
        rates: by role, `lr` and `weight_decay`; what is left out is the optimizer's own.
    """
    groups = [{"params": parameters, **rates.get(role, {})} for role, parameters in sort_parameters(module).items()]
    return groups if groups[-1]["params"] else groups[:-1]


def check_rates(rates: Rates, key: str) -> None:
    """Raise ValueError, naming the key, for a role or an option that there is not, and for a negative value."""
    for role, options in rates.items():
        if role not in ROLES:
            raise ValueError(f"{key}.{role}: there is no such role; {nearest(role, ROLES)}")
        if not isinstance(options, dict):
            raise ValueError(f"{key}.{role}: expected {' and '.join(OPTIONS)}, such as {{lr: 0.001}}, came `{options}`")
        for name, value in options.items():
            if name not in OPTIONS:
                raise ValueError(f"{key}.{role}.{name}: there is no such option; {nearest(name, OPTIONS)}")
            if not isinstance(value, int | float) or value < 0:
                raise ValueError(f"{key}.{role}.{name}: expected a number of at least 0, came `{value}`")
