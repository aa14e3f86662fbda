"""The bytes of a delivered grade: one body, one text, one hash, wherever it is computed."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def canonical_bytes(body: Mapping[str, Any]) -> bytes:
    """Return ``body`` as UTF-8 JSON with sorted keys and no spaces: equal bodies are equal bytes.

    >>> canonical_bytes({"b": 1, "a": "甲"}).decode()
    '{"a":"甲","b":1}'
    """
    return json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def sha256(content: bytes) -> str:
    """Return the SHA-256 of ``content`` as 64 lower-case hex digits."""
    return hashlib.sha256(content).hexdigest()
