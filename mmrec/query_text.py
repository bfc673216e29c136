"""The form in which the text of a search query is kept."""

from mmrec.errors import ConfigError

MAX_CHARACTERS = 1000
"""The longest query that is accepted."""
_SHOWN = 40


def query_text(text: str) -> str:
    """Return a query in lower case with single spaces, which is how equal queries are recognised.

    Raises:
        ConfigError: the query is blank, or longer than `MAX_CHARACTERS`.

    >>> query_text(" Red  boots")
    'red boots'
    """
    plain = " ".join(text.lower().split())
    if not plain:
        raise ConfigError("query: expected some words, found none")
    if len(plain) > MAX_CHARACTERS:
        raise ConfigError(f"query: {describe_overlong(plain)}")
    return plain


def describe_overlong(value: object) -> str:
    """Return the reason why a query is refused for its length."""
    text = str(value)
    return f"expected at most {MAX_CHARACTERS:,} characters, found {len(text):,}: `{text[:_SHOWN]}…`"
