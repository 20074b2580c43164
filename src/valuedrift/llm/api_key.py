"""The API key: read from the environment, and removed from everything that a server sends back."""

from __future__ import annotations

import base64
import json
import os
import re
from urllib.parse import quote

from valuedrift.errors import ConfigError

_NO_KEY = "none"  # local servers need no key, but the official client requires one
_KEY_LIKE = r"(?i)(bearer\s+|\bsk-)[^\s\"'\\,}]+"


def read_key(variable: str) -> str:
    """Return the key in an environment variable, or "none" if the variable isn't set.

    Raises ConfigError if the value can't be a key; the error doesn't show the value.
    """
    key = os.environ.get(variable, "").strip() or _NO_KEY
    if not re.fullmatch(r"[\x21-\x7e]+", key):
        raise ConfigError("key_variable", variable, "a variable with a key of ASCII letters, digits and punctuation")
    return key


def hide_keys(text: str) -> str:
    """Remove all that looks like a key from an error's text: servers quote parts of a key that they refuse."""
    return re.sub(_KEY_LIKE, "[key]", text)


class Redaction:
    """Removes the key from a server's responses, in every form in which they may quote it."""

    def __init__(self, key: str) -> None:
        forms = {key, json.dumps(key)[1:-1], quote(key, safe=""), base64.b64encode(key.encode()).decode()}
        self._forms = [form.encode() for form in forms] if key != _NO_KEY else []

    def __call__(self, content: bytes) -> bytes:
        for form in self._forms:
            content = content.replace(form, b"[key]")
        return content

    def error(self, content: bytes) -> bytes:
        """Remove also all that looks like a key."""
        return re.sub(_KEY_LIKE.encode(), b"[key]", self(content))
