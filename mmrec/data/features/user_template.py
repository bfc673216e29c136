"""Describe a user in words by a sandboxed Jinja template over the titles of their history, their ratings and their profile."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, nodes
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment

from mmrec.errors import ConfigError, nearest

ENGLISH = """\
{%- if liked %}liked {{ liked | join('; ') }}. {% endif -%}
{%- if disliked %}disliked {{ disliked | join('; ') }}. {% endif -%}
{%- for name, value in profile %}{{ name }} {{ value }}. {% endfor -%}"""
"""As conf/user_text/english.yaml."""
HISTORY = ("titles", "liked", "disliked", "history", "profile", "user")
"""What every template may use, besides the columns of the users."""
_OF_ITEM = ("title", "rating")
_FILTERS = ("band", "default", "first", "int", "join", "last", "length", "lower", "round", "title", "trim", "upper")
_ALLOWED = (
    *(nodes.Template, nodes.Output, nodes.TemplateData, nodes.Const, nodes.Name, nodes.If, nodes.For, nodes.Filter, nodes.Test),
    *(nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.CondExpr, nodes.Getattr, nodes.Getitem, nodes.Slice),
    *(nodes.Concat, nodes.Add, nodes.Sub, nodes.Neg, nodes.List, nodes.Tuple, nodes.Keyword),
)
"""The parts of a template. There are no calls, assignments, macros or products, so that its work is bounded by the size of a history."""
_MAX_CHARACTERS, _MAX_DEPTH = 10_000, 3
"""The length of a template, and the depth to which loops, or filters, may be nested."""


class UserTemplate:
    """A template that describes a user in words, as input of a text encoder.

    It is a [Jinja](https://jinja.palletsprojects.com) template, restricted to texts, conditions, loops over the names below, and simple
    filters. It may use `titles`, those of the user's items, newest last; `liked` and `disliked`, the titles by rating, where without
    ratings all are liked; `history`, the items with their `title` and `rating`; every column of the users by its name, or as
    `user['the name']`; and `profile`, the pairs of names and values of all columns. Values that are missing are none. The filter `band`
    gives the range of a number: `{{ age | band(10, 5) }}` is 25-34 at 30.

    Args:
        template: the template.
        max_items: the number of newest items of a user that it may use.
        liked_from: the lowest rating of items that are liked. None: all are.
        disliked_to: the highest rating of items that are disliked. None: none are.
        n_folds: the number of parts into which each user's items are divided for training: an item is predicted from the text without its
            part, since it would otherwise be named in the input.

    Raises:
        ConfigError: the template is invalid, or uses what is not allowed.
    """

    def __init__(
        self,
        template: str = ENGLISH,
        max_items: int = 20,
        liked_from: float | None = 4.0,
        disliked_to: float | None = 2.0,
        n_folds: int = 2,
    ) -> None:
        if len(template) > _MAX_CHARACTERS:
            raise ConfigError(f"user_text.template: expected at most {_MAX_CHARACTERS:,} characters, found {len(template):,}")
        for name, value in (("max_items", max_items), ("n_folds", n_folds)):
            if value < 1:
                raise ConfigError(f"user_text.{name}: expected at least 1, found {value}")
        self.template, self.max_items, self.n_folds = template, max_items, n_folds
        self.liked_from, self.disliked_to = liked_from, disliked_to
        environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, finalize=_shown)  # a text, no page
        environment.filters["band"] = _band
        try:
            parsed = environment.parse(template)
            _check(parsed)
            self.names = frozenset(find_undeclared_variables(parsed))
            self._compiled = environment.from_string(template)
        except TemplateSyntaxError as error:
            raise ConfigError(f"user_text.template: line {error.lineno}: {error.message}") from error

    def check_columns(self, columns: Sequence[str]) -> None:
        """Raise ConfigError if the template uses a name that is no column of the users."""
        known = (*HISTORY, *columns)
        for name in sorted(self.names):
            if name not in known:
                raise ConfigError(f"user_text.template: there is no `{name}` among the columns of the users; {nearest(name, known)}")

    def render(self, titles: Sequence[str], ratings: Sequence[float | None], profile: Mapping[str, Any]) -> str | None:
        """The text of a user, in one line; None if it is blank, or if nothing is known of the user.

        Args:
            titles: the titles of the user's items, newest last.
            ratings: their ratings.
            profile: the user's columns.

        Raises:
            ConfigError: the template uses an unknown name, or combines values that it cannot.
        """
        known = [(name, value) for name, value in profile.items() if value is not None]
        if not titles and not known:
            return None
        titles, ratings = titles[-self.max_items :], ratings[-self.max_items :]
        pairs = list(zip(titles, ratings, strict=True))
        values = {
            "titles": list(titles),
            "liked": [title for title, rating in pairs if rating is None or self.liked_from is None or rating >= self.liked_from],
            "disliked": [
                title for title, rating in pairs if rating is not None and self.disliked_to is not None and rating <= self.disliked_to
            ],
            "history": [dict(zip(_OF_ITEM, pair, strict=True)) for pair in pairs],
            "profile": known,
            "user": dict(profile),
        }
        try:
            text = self._compiled.render(dict(profile) | values)
        except (TemplateError, ArithmeticError, TypeError, ValueError) as error:
            raise ConfigError(f"user_text.template: {_explain(error, profile)}") from error
        return " ".join(text.split()) or None


def _explain(error: Exception, profile: Mapping[str, Any]) -> str:
    """The message of an error in a template, with the nearest valid name if it is about a name."""
    lacking = re.search(r"has no (?:attribute|element) '?(\w+)'?", str(error))
    return f"{error}; {nearest(lacking[1], (*_OF_ITEM, *profile))}" if lacking else str(error)


def _check(template: nodes.Template) -> None:
    """Raise ConfigError for what a template must not contain."""
    for kind in (nodes.For, nodes.Filter):
        if (depth := _depth(template, kind)) > _MAX_DEPTH:
            what = "loops" if kind is nodes.For else "filters"
            raise ConfigError(f"user_text.template: expected {what} nested at most {_MAX_DEPTH} deep, found {depth}")
    for node in _all(template):
        where = f"user_text.template: line {node.lineno}"
        if isinstance(node, nodes.Call):
            raise ConfigError(f"{where}: calls such as `range(…)` are not allowed; loops go over {', '.join(HISTORY[:-1])}")
        if not isinstance(node, _ALLOWED):
            raise ConfigError(f"{where}: `{type(node).__name__.lower()}` is not allowed; use texts, conditions, loops and filters")
        if isinstance(node, nodes.Filter) and node.name not in _FILTERS:
            raise ConfigError(f"{where}: there is no filter `{node.name}`; {nearest(node.name, _FILTERS)}")
        name = node.attr if isinstance(node, nodes.Getattr) else getattr(getattr(node, "arg", None), "value", "")
        if str(name).startswith("_"):
            raise ConfigError(f"{where}: attributes such as `{name}` are not allowed")


def _all(node: nodes.Node) -> list[nodes.Node]:
    return [node, *(one for child in node.iter_child_nodes() for one in _all(child))]


def _depth(node: nodes.Node, kind: type[nodes.Node]) -> int:
    """How deep nodes of a kind are nested."""
    return isinstance(node, kind) + max((_depth(child, kind) for child in node.iter_child_nodes()), default=0)


def _shown(value: Any) -> Any:
    """Numbers without superfluous digits, and nothing for missing values."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return "" if value is None else value


def _band(value: float | None, width: int, start: int = 0) -> str | None:
    """The range of whole numbers with `width` members that contains a value, where one range begins at `start`."""
    if value is None:
        return None
    low = int((value - start) // width) * width + start
    return f"{low}-{low + width - 1}"
