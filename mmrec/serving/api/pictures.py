"""Pictures in requests and answers."""

import base64
import binascii
import io
from typing import Any

from fastapi import Request
from PIL import Image
from starlette.exceptions import HTTPException

from mmrec.data.pictures.decode import decode_picture
from mmrec.serving.refusal import INVALID, Refused

MEDIA_TYPES = ("image/jpeg", "image/png", "image/webp", "image/gif", "image/bmp", "application/octet-stream")
MAX_BYTES = 16 * 2**20
PICTURE: dict[str, Any] = {
    "required": True,
    "description": f"A picture of at most {MAX_BYTES // 2**20} MiB.",
    "content": {one: {"schema": {"type": "string", "format": "binary", "maxLength": MAX_BYTES}} for one in MEDIA_TYPES},
}
_SHOWN_PIXELS, _QUALITY = 512, 85


async def picture_of(request: Request) -> bytes:
    """Return the picture that is the body of a request.

    Raises:
        HTTPException: 415 for another type of content, 413 for one that is too large.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in MEDIA_TYPES:
        raise HTTPException(415, f"expected {', '.join(MEDIA_TYPES)}")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise HTTPException(413, f"expected at most {MAX_BYTES:,} bytes")
    if not body:
        raise Refused(INVALID, "expected a picture, found an empty body")
    return bytes(body)


def picture_from_base64(text: str | None) -> bytes | None:
    """Decode the bytes of a picture in JSON. Raises Refused if it is no base64."""
    if text is None:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(INVALID, "picture: expected base64") from error


def shown_picture(raw: bytes) -> bytes:
    """Decode an untrusted picture in the sandbox, and encode it as a JPEG of at most 512 pixels a side, without metadata.

    Raises:
        Refused: it cannot be decoded.
    """
    picture = check_picture(raw)
    picture.thumbnail((_SHOWN_PIXELS, _SHOWN_PIXELS))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()


def check_picture(raw: bytes) -> Image.Image:
    """Decode an untrusted picture in the sandbox. Raises Refused if it cannot be decoded."""
    try:
        return decode_picture(raw)
    except ValueError as error:
        raise Refused(INVALID, f"picture: {error}") from error
