"""Signing keys: Ed25519, one private file each under KEYS_DIR, the public halves in the warehouse.

Owns which key signs, how one follows another, and what is said when a file is lost. A key is made silently only while
nothing was ever signed; afterwards a missing file is an error, because a new key would look like a forger's.
"""

import base64
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from psycopg import Connection
from psycopg.rows import dict_row

from publishing.errors import PublishingError
from warehouse.business_date import arrival
from warehouse.settings import get_settings

PUBLIC_FILE = "public-keys.json"


@dataclass(frozen=True)
class SigningKey:
    """A private key and the id that its signatures carry."""

    key_id: str
    private: Ed25519PrivateKey

    def sign(self, content: bytes) -> str:
        """Return the base64 Ed25519 signature of ``content``."""
        return base64.b64encode(self.private.sign(content)).decode()


def canonical(document: Any) -> bytes:
    """Return the canonical JSON (RFC 8785) of ``document``: the bytes that are signed.

    >>> canonical({"b": 1, "a": "甲"}).decode()
    '{"a":"甲","b":1}'
    """
    return rfc8785.dumps(document)


def is_signed_by(public_key: str, content: bytes, signature: str) -> bool:
    """Say whether ``signature`` (base64) of ``content`` is by the key whose public half (base64, 32 bytes) is given."""
    try:
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public_key, validate=True))
        key.verify(base64.b64decode(signature, validate=True), content)
    except (InvalidSignature, ValueError):
        return False
    return True


def key_id_of(public_key: str) -> str:
    """Return the id of a public key: the first 32 hex digits of its SHA-256."""
    return hashlib.sha256(base64.b64decode(public_key)).hexdigest()[:32]


def folder() -> Path:
    """Return the folder of the key files."""
    found = get_settings().keys_dir
    assert found is not None
    return found


def current(connection: Connection) -> SigningKey:
    """Return the key that signs now; the first one is made here, when nothing was ever signed.

    Raises PublishingError when the file of the registered key is missing or holds another key.
    """
    registered = registered_keys(connection)
    if not registered:
        return create(connection)
    newest = registered[-1]["key_id"]
    path = folder() / f"{newest}.pem"
    if not path.exists():
        raise PublishingError(
            f"the signing key {newest} is registered, and its file {path} is missing: put it back from your backup. "
            "If it is lost for good: `property-credit signing-keys rotate --lost --reason ...` starts a new key, which "
            "every receiver must get anew and by another way, because nothing ties it to the old one. "
            "Nothing was published or signed"
        )
    key = _read(path)
    if key.key_id != newest:
        raise PublishingError(f"{path} holds the key {key.key_id}, not {newest}: put the right file back")
    write_public_file(registered)
    return key


def create(connection: Connection) -> SigningKey:
    """Register the first key; a file that lies in the folder already is taken. PublishingError when there is one."""
    if registered_keys(connection):
        raise PublishingError(
            "there is a signing key already: `property-credit signing-keys rotate` follows it by another"
        )
    files = sorted(path for path in folder().glob("*.pem") if not path.name.endswith(".public.pem"))
    if len(files) > 1:
        raise PublishingError(
            f"{folder()} holds {len(files)} private keys and none is registered: leave the one to use"
        )
    key = _read(files[0]) if files else _make()
    _register(connection, key, previous=None, reason="first key")
    return key


def rotate(connection: Connection, *, reason: str, is_lost: bool = False) -> SigningKey:
    """Let a new key follow the one that signs now; both sign the step, so that either leads to the other.

    With ``is_lost`` the old file is not needed and nothing ties the keys together. Raises PublishingError when there
    is no key yet, or the old file is missing.
    """
    registered = registered_keys(connection)
    if not registered:
        raise PublishingError("there is no signing key yet: the first publication makes it")
    previous = None if is_lost else current(connection)
    key = _make()
    _register(connection, key, previous=previous, reason=reason, follows=registered[-1]["key_id"])
    return key


def registered_keys(connection: Connection) -> list[dict[str, Any]]:
    """Return the public keys, first to newest."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "select key_id, public_key, previous_key_id, previous_signature, signature, reason "
            "from publishing.signing_keys"
        ).fetchall()
    follower = {row["previous_key_id"]: row for row in rows}
    found, key_id = [], None
    while key_id in follower:
        found.append(follower[key_id])
        key_id = found[-1]["key_id"]
    return found


def statement(key: Mapping[str, Any]) -> bytes:
    """Return the bytes that a key and the one before it sign when one follows the other."""
    return canonical(
        {
            "format": "property-credit-key/1",
            "key_id": key["key_id"],
            "public_key": key["public_key"],
            "previous_key_id": key["previous_key_id"],
        }
    )


def trusted(known: Iterable[str], keys: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return {key id: public key} of what can be trusted: ``known`` public keys, and those tied to them on both sides.

    Args:
        known: public keys (base64) that the reader has from elsewhere.
        keys: public keys with their rotation statements, as published; what does not verify is ignored.
    """
    found = {key_id_of(one): one for one in known}
    steps = [dict(key) for key in keys if key.get("previous_key_id") and key.get("previous_signature")]
    by_id = {
        str(key["key_id"]): str(key["public_key"]) for key in keys if key_id_of(str(key["public_key"])) == key["key_id"]
    }
    for _ in steps:
        for step in steps:
            old, new = step["previous_key_id"], step["key_id"]
            if (old in found) == (new in found) or old not in by_id or new not in by_id:
                continue
            said = statement(step)
            if is_signed_by(by_id[old], said, step["previous_signature"]) and is_signed_by(
                by_id[new], said, step["signature"]
            ):
                found = {old: by_id[old], new: by_id[new], **found}
    return found


def write_public_file(keys: list[dict[str, Any]]) -> None:
    """Write the public keys beside the private ones, for receivers on this machine and for `verify`."""
    content = json.dumps({"keys": keys}, ensure_ascii=False, indent=1) + "\n"
    path = folder() / PUBLIC_FILE
    if not path.exists() or path.read_text(encoding="utf-8") != content:
        partial = path.with_suffix(".partial")
        partial.write_text(content, encoding="utf-8")
        partial.rename(path)


def _public(key: Ed25519PrivateKey) -> str:
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return base64.b64encode(raw).decode()


def _read(path: Path) -> SigningKey:
    try:
        private = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise PublishingError(
            f"the signing key {path} cannot be read: {error}; put it back from your backup"
        ) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise PublishingError(f"{path} is no Ed25519 key")
    return SigningKey(key_id_of(_public(private)), private)


def _make() -> SigningKey:
    """Make a key and write its file, readable by its owner only, before anything knows of it."""
    private = Ed25519PrivateKey.generate()
    key = SigningKey(key_id_of(_public(private)), private)
    folder().mkdir(parents=True, exist_ok=True, mode=0o700)
    content = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    descriptor = os.open(folder() / f"{key.key_id}.pem", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    return key


def _register(
    connection: Connection, key: SigningKey, *, previous: SigningKey | None, reason: str, follows: str | None = None
) -> None:
    row = {"key_id": key.key_id, "public_key": _public(key.private), "previous_key_id": follows}
    said = statement(row)
    connection.execute(
        "insert into publishing.signing_keys "
        "(key_id, public_key, previous_key_id, previous_signature, signature, reason, recorded_at) "
        "values (%s, %s, %s, %s, %s, %s, %s)",
        (*row.values(), previous.sign(said) if previous else None, key.sign(said), reason, arrival()),
    )
    write_public_file(registered_keys(connection))
