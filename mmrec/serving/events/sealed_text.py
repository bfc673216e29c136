"""Text that only whoever has a key can read, for the user ids of open sessions in a store that keeps ids as keyed hashes."""

import base64
import hashlib
import hmac
from typing import Any

from mmrec.extras import needs


def seal_text(text: str, key: bytes) -> str:
    """Encrypt a text, by Fernet of the package `cryptography`, with a key derived from `key`; each time differently.

    Raises:
        MissingExtra: where the package is not installed.
    """
    sealed: bytes = _cipher(key).encrypt(text.encode())
    return sealed.decode("ascii")


def unseal_text(sealed: str, key: bytes) -> str:
    """Decrypt what `seal_text` returned for the same key. Raises MissingExtra where `cryptography` is not installed."""
    opened: bytes = _cipher(key).decrypt(sealed)
    return opened.decode()


def _cipher(key: bytes) -> Any:
    with needs("serve", "a session of a store with keyed hashes of user ids"):
        from cryptography.fernet import Fernet
    derived = hmac.new(key, b"mmrec session user ids", hashlib.sha256).digest()
    return Fernet(base64.urlsafe_b64encode(derived))
