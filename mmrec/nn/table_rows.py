"""What the rows of a module's tables stand for: users, items, entities or relations, with which the tables grow.

A module says so in a class attribute, by the name of a parameter or buffer:

    table_rows = {"embedding.weight": (USERS, ITEMS)}          first a row for each user, then one for each item
    table_rows = {"relations": (RELATIONS, RELATIONS, 1)}      one for each relation, again one for each, and a row of its own
"""

from torch import nn

USERS, ITEMS, ENTITIES, RELATIONS = "users", "items", "entities", "relations"
Rows = tuple[str | int, ...]
"""Consecutive blocks of rows: one row for each of a kind, or a number of rows that does not change."""


def rows_of_tables(module: nn.Module) -> dict[str, Rows]:
    """Return the rows of all tables of a module and its parts, by their names in the `state_dict`."""
    names = module.state_dict().keys()
    return {
        f"{prefix}.{name}" if prefix else name: rows
        for prefix, part in module.named_modules()
        for name, rows in getattr(part, "table_rows", {}).items()
        if (f"{prefix}.{name}" if prefix else name) in names
    }
