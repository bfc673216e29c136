"""Translate the arguments of `mmrec search`, a query among overrides, to overrides."""

import re
from collections.abc import Sequence

from mmrec.config.hydra.quoting import quoted
from mmrec.query_text import query_text

_OVERRIDE = re.compile(r"(-|\+{0,2}~?[\w./@]+=)")
_QUERY = "query="


def expand_query(words: Sequence[str]) -> list[str]:
    """Return the words with the query, which is all words that are no overrides, as `query='…'`.

    Raises:
        ConfigError: the query is blank or too long, which is found out before Hydra parses it.

    >>> expand_query(["run=runs/a", "red leather boots", "k=3"])
    ['run=runs/a', 'k=3', "query='red leather boots'"]
    """
    asked = [word for word in words if not _OVERRIDE.match(word) or word.startswith(_QUERY)]
    others = [word for word in words if word not in asked]
    return [*others, _QUERY + quoted(query_text(" ".join(word.removeprefix(_QUERY) for word in asked)))] if asked else others
