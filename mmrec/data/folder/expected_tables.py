"""The tables of a dataset folder with their columns."""

from mmrec.data.tables.columns import Column
from mmrec.types import (
    DATATYPE,
    ENTITY,
    EVENT,
    HEAD,
    ITEM_ID,
    LABEL,
    POSITION,
    PROPENSITY,
    QUERY,
    RATING,
    RELATION,
    SPLIT,
    TAIL,
    TIMESTAMP,
    USER_ID,
)

TABLES = {
    "interactions": (
        Column(USER_ID, "id"),
        Column(ITEM_ID, "id"),
        Column(TIMESTAMP, "seconds", optional=True),
        Column(RATING, "number", optional=True),
        Column(EVENT, "text", optional=True),
        Column(LABEL, "binary", optional=True),
        Column(POSITION, "whole", optional=True),
        Column(PROPENSITY, "share", optional=True),
        Column(SPLIT, "text", optional=True),
    ),
    "items": (Column(ITEM_ID, "id"),),
    "triples": (
        Column(HEAD, "id"),
        Column(RELATION, "id"),
        Column(TAIL, "id"),
        Column(DATATYPE, "text", optional=True),
        Column(TIMESTAMP, "seconds", optional=True, nullable=True),
    ),
    "item_entities": (Column(ITEM_ID, "id"), Column(ENTITY, "id")),
    "users": (Column(USER_ID, "id"),),
    "queries": (
        Column(QUERY, "text"),
        Column(ITEM_ID, "id"),
        Column(USER_ID, "id", optional=True, nullable=True),
        Column(TIMESTAMP, "seconds", optional=True),
        Column(LABEL, "binary", optional=True),
    ),
}
JOINED = ((USER_ID,), (ITEM_ID,), (HEAD, TAIL, ENTITY))
"""Groups of columns that hold the same ids."""
KEYS = {"items": ITEM_ID, "item_entities": ITEM_ID, "users": USER_ID}
"""The columns whose values must be unique."""
WITH_OTHERS = ("items", "users", "queries")
"""The tables of which all further columns are kept."""
