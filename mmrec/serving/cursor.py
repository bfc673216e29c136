"""Cursors: where a list ended, as an opaque text that says which model made it."""

import base64
import binascii
import json

from mmrec.serving.answer import MAX_OFFSET
from mmrec.serving.refusal import EXPIRED, INVALID, Refused


def make_cursor(version: str, offset: int) -> str:
    """Return a cursor for the items from `offset` on."""
    return base64.urlsafe_b64encode(json.dumps([version, offset]).encode()).decode().rstrip("=")


def read_cursor(cursor: str | None, version: str) -> int:
    """Return the offset of a cursor; 0 if there is none.

    Raises:
        Refused: it is none of ours, or another model made it.
    """
    if cursor is None:
        return 0
    try:
        made_by, offset = json.loads(base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4)))
    except (ValueError, TypeError, binascii.Error, RecursionError):
        made_by, offset = None, None
    if not isinstance(made_by, str) or type(offset) is not int or not 0 < offset <= MAX_OFFSET:
        raise Refused(INVALID, "cursor: expected one that an answer contained")
    if made_by != version:
        raise Refused(EXPIRED, f"cursor: it continues a list of model {made_by}, which is not in use any more; start again without it")
    return offset
