"""Text that only whoever has a key can read, for the user ids of open sessions in a store that keeps ids as keyed hashes."""

import base64
import hashlib
import hmac


def seal_text(text: str, key: bytes, nonce: str) -> str:
    """Encrypt a text with the keystream HMAC-SHA256(key, nonce, 0), HMAC-SHA256(key, nonce, 1), …

    Args:
        text: the text.
        key: the key, the same for all texts.
        nonce: a random text that is used for one text only.

    Returns:
        Base64. It hides the text, not its length, and does not show whether somebody has changed it.
    """
    return base64.b64encode(_masked(text.encode(), key, nonce)).decode("ascii")


def unseal_text(sealed: str, key: bytes, nonce: str) -> str:
    """Decrypt what `seal_text` returned for the same key and nonce."""
    return _masked(base64.b64decode(sealed), key, nonce).decode()


def _masked(content: bytes, key: bytes, nonce: str) -> bytes:
    blocks = range(-(-len(content) // hashlib.sha256().digest_size))
    stream = b"".join(hmac.new(key, f"mmrec sealed {nonce} {number}".encode(), hashlib.sha256).digest() for number in blocks)
    return bytes(one ^ other for one, other in zip(content, stream, strict=False))
