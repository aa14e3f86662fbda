"""Signing keys: Ed25519, one private file each under KEYS_DIR, the public halves in the warehouse.

Owns which key signs, how one follows another, and what is said when a file is lost. A key is made silently only while
nothing was ever signed; afterwards a missing file is an error, because a new key would look like a forger's. Private
files are encrypted when KEYS_PASSPHRASE is set. Every change of keys is a root document (``publishing.roots``), signed
by the holders' root keys, which belong on media of their own (KEYS_DIR/root holds the first one until it is moved).
"""

import base64
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from property_credit.publishing import roots
from property_credit.publishing.errors import PublishingError
from property_credit.publishing.roots import canonical, key_id_of, statement
from property_credit.warehouse.business_date import arrival
from property_credit.warehouse.settings import get_settings

PUBLIC_FILE, ROOT_FOLDER = "public-keys.json", "root"
PUBLISH_LOCK = 20260501  # publications and changes of keys, one at a time

Ask = Callable[[Path], str]  # the passphrase of a holder's file, from its holder


@dataclass(frozen=True)
class SigningKey:
    """A private key and the id that its signatures carry."""

    key_id: str
    private: Ed25519PrivateKey

    def sign(self, content: bytes) -> str:
        """Return the base64 Ed25519 signature of ``content``."""
        return base64.b64encode(self.private.sign(content)).decode()


def folder() -> Path:
    """Return the folder of the key files."""
    configured = get_settings().keys_dir
    assert configured is not None
    return configured


def current(connection: Connection) -> SigningKey:
    """Return the key that signs now; the first one is made here, when nothing was ever signed.

    Raises PublishingError when the file of the registered key is missing or holds another key.
    """
    registered = registered_keys(connection)
    if not registered:
        return create(connection)
    if not root_documents(connection):
        _append_root(connection, _first_root(connection, registered[-1]), signing_key=_read_newest(registered))
    key = _read_newest(registered)
    write_public_file(connection)
    return key


def _read_newest(registered: list[dict[str, Any]]) -> SigningKey:
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
    return key


def create(connection: Connection) -> SigningKey:
    """Register the first key; a file that lies in the folder already is taken. PublishingError when there is one."""
    if registered_keys(connection):
        raise PublishingError("a signing key exists; use `property-credit signing-keys rotate` to replace it")
    files = sorted(path for path in folder().glob("*.pem") if not path.name.endswith(".public.pem"))
    if len(files) > 1:
        raise PublishingError(
            f"{folder()} holds {len(files)} private keys and none is registered: leave the one to use"
        )
    key = _read(files[0]) if files else _make()
    _register(connection, key, previous=None, reason="first key")
    _append_root(connection, _first_root(connection, registered_keys(connection)[-1]), signing_key=key)
    write_public_file(connection)
    return key


def rotate(
    connection: Connection,
    *,
    reason: str,
    is_lost: bool = False,
    revoked_on: date | None = None,
    root_keys: Sequence[Path] = (),
    ask: Ask | None = None,
) -> SigningKey:
    """Let a new key follow the one that signs now, by a root document that closes the heads of the old one.

    An ordinary step is signed by the old key too, so that who holds only that one can follow. With ``is_lost`` the old
    file is not needed, and with ``revoked_on`` it is not asked: then only the holders' signatures tie the keys.

    Args:
        connection: of role pc_publishing.
        reason: why, for people; it is published with the key.
        is_lost: the old file is gone.
        revoked_on: day on which the old key was stolen; its signatures count only for the heads published until now.
        root_keys: private files of the holders; empty: those in KEYS_DIR/root.
        ask: returns the passphrase of a holder's file that KEYS_PASSPHRASE does not open; None: there is nobody to ask.

    Raises PublishingError when there is no key yet, the old file is missing or the threshold of holders is not met.
    """
    connection.execute("select pg_advisory_xact_lock(%s)", (PUBLISH_LOCK,))
    registered = registered_keys(connection)
    if not registered:
        raise PublishingError("there is no signing key yet: the first publication makes it")
    before = registered[-1]
    if not root_documents(connection):
        _append_root(connection, _first_root(connection, before), signing_key=None)
    root = newest_root(connection)
    holders = _holders(root_keys, ask)
    _check_threshold(root, holders)
    previous = None if is_lost or revoked_on else current(connection)
    key = _make()
    _register(connection, key, previous=previous, reason=reason, follows=before["key_id"])
    past = {
        "key_id": before["key_id"],
        "public_key": before["public_key"],
        **_closed_heads(connection),
        "revoked_on": revoked_on and revoked_on.isoformat(),
        "reason": reason,
    }
    following = {
        **root,
        "signing": {"key_id": key.key_id, "public_key": _public(key.private)},
        "past": [*root["past"], past],
    }
    _append_root(connection, _next(root, following), signing_key=key, holders=holders)
    write_public_file(connection)
    return key


def change_root(
    connection: Connection,
    *,
    threshold: int,
    holders: Sequence[tuple[str, str]],
    witness_threshold: int | None = None,
    witnesses: Sequence[tuple[str, str]] | None = None,
    root_keys: Sequence[Path] = (),
    ask: Ask | None = None,
) -> dict[str, Any]:
    """Publish the next root document with other holders or witnesses, signed by thresholds of both; return it.

    Args:
        connection: of role pc_publishing.
        threshold: how many holders must sign from now on.
        holders: (name, public key in base64) of each holder; empty: they stay.
        witness_threshold: how many witnesses a checkpoint needs; None: as before.
        witnesses: (name, public key in base64) of each witness; None: they stay.
        root_keys: private files of the old and the new holders that sign; those in KEYS_DIR/root sign as well.
        ask: as for ``rotate``.

    Raises PublishingError when thresholds are not met or cannot be.
    """
    connection.execute("select pg_advisory_xact_lock(%s)", (PUBLISH_LOCK,))
    key = current(connection)
    root = newest_root(connection)
    following = {**root, "root": {"threshold": threshold, "keys": root["root"]["keys"]}}
    if holders:
        following["root"]["keys"] = [
            {"key_id": _checked_id(public), "public_key": public, "holder": name} for name, public in holders
        ]
    if witnesses is not None:
        following["witnesses"] = {
            "threshold": witness_threshold or 0,
            "keys": [{"name": name, "public_key": public} for name, public in witnesses if _checked_id(public)],
        }
    elif witness_threshold is not None:
        following["witnesses"] = {**root["witnesses"], "threshold": witness_threshold}
    for what, least in (("root", 1), ("witnesses", 0)):
        if not least <= following[what]["threshold"] <= len(following[what]["keys"]):
            raise PublishingError(f"{what}: a threshold lies between {least} and the number of keys")
    known = _holders([*root_keys, *_own_root_files()], ask)
    _check_threshold(root, known)
    _check_threshold(following, known)
    document = _next(root, following)
    _append_root(connection, document, signing_key=key, holders=known)
    write_public_file(connection)
    return document


def make_root_key(path: Path) -> str:
    """Make a holder's root key in a new file and return its public half in base64. PublishingError when it exists."""
    private = Ed25519PrivateKey.generate()
    _write(path, private)
    return _public(private)


def make_test_keys(home: Path) -> None:
    """Make keys that sign nothing real: a sender's, with its public half in a file for receivers, and a stranger's."""
    public = make_root_key(home / "sender.pem")
    make_root_key(home / "stranger.pem")
    keys = [{"key_id": key_id_of(public), "public_key": public, "status": "signing"}]
    (home / PUBLIC_FILE).write_text(json.dumps({"keys": keys}, indent=1) + "\n", encoding="utf-8")


def read_file(path: Path) -> SigningKey:
    """Return the key of a private file. PublishingError when it cannot be read."""
    return _read(path)


def root_documents(connection: Connection) -> list[dict[str, Any]]:
    """Return the signed root documents, first to newest."""
    return [
        {"root": json.loads(document), "signatures": signatures}
        for document, signatures in connection.execute(
            "select document, signatures from publishing.roots order by version"
        )
    ]


def newest_root(connection: Connection) -> dict[str, Any]:
    """Return the newest root document."""
    return dict(root_documents(connection)[-1]["root"])


def _first_root(connection: Connection, key: Mapping[str, Any]) -> dict[str, Any]:
    """Return the first root document: one holder, whose key is made in KEYS_DIR/root, and the keys so far."""
    files = _own_root_files()
    if files:
        public = _public(_read(files[0]).private)
    else:
        private = Ed25519PrivateKey.generate()
        public = _public(private)
        _write(folder() / ROOT_FOLDER / f"{key_id_of(public)}.pem", private)
    past = []
    for before in registered_keys(connection)[:-1]:
        closed = _closed_heads(connection, before["key_id"])
        past.append(
            {**{name: before[name] for name in ("key_id", "public_key", "reason")}, **closed, "revoked_on": None}
        )
    return {
        "format": roots.FORMAT,
        "version": 1,
        "previous_sha256": None,
        "root": {"threshold": 1, "keys": [{"key_id": key_id_of(public), "public_key": public, "holder": "first"}]},
        "signing": {"key_id": key["key_id"], "public_key": key["public_key"]},
        "past": past,
        "witnesses": {"threshold": 0, "keys": []},
    }


def _closed_heads(connection: Connection, key_id: str | None = None) -> dict[str, Any]:
    """Return number and root of all heads so far; with ``key_id`` of those up to the last that this key signed."""
    rows = connection.execute("select key_id, head from publishing.lists order by head_index").fetchall()
    last = max((place for place, row in enumerate(rows) if row[0] == key_id), default=-1) if key_id else len(rows) - 1
    heads = [str(row[1]).encode() for row in rows[: last + 1]]
    return {"heads": len(heads), "heads_root": roots.heads_tree(heads).root().hex()}


def _next(root: Mapping[str, Any], following: Mapping[str, Any]) -> dict[str, Any]:
    return {**following, "version": root["version"] + 1, "previous_sha256": roots.digest(root)}


def _holders(paths: Sequence[Path], ask: Ask | None = None) -> list[SigningKey]:
    return [_read(path, ask) for path in (paths or _own_root_files())]


def _own_root_files() -> list[Path]:
    return sorted((folder() / ROOT_FOLDER).glob("*.pem"))


def _check_threshold(root: Mapping[str, Any], holders: Sequence[SigningKey]) -> None:
    named = {one["key_id"]: one["holder"] for one in root["root"]["keys"]}
    have = {key.key_id for key in holders} & named.keys()
    if len(have) < root["root"]["threshold"]:
        raise PublishingError(
            f"{root['root']['threshold']} of the holders {', '.join(named.values())} must sign, and {len(have)} of "
            f"their private keys are here: give each with --root-key FILE, or lay them into {folder() / ROOT_FOLDER}"
        )


def _checked_id(public_key: str) -> str:
    try:
        if len(base64.b64decode(public_key, validate=True)) != 32:
            raise ValueError
    except ValueError:
        raise PublishingError(f"{public_key!r} is no Ed25519 public key in base64 (32 bytes)") from None
    return key_id_of(public_key)


def _append_root(
    connection: Connection,
    document: dict[str, Any],
    *,
    signing_key: SigningKey | None,
    holders: Sequence[SigningKey] | None = None,
) -> None:
    content = canonical(document)
    signing_by = [*(_holders([]) if holders is None else holders), *([signing_key] if signing_key else [])]
    signatures = [{"key_id": key.key_id, "value": key.sign(content)} for key in signing_by]
    connection.execute(
        "insert into publishing.roots (version, document, signatures, recorded_at) values (%s, %s, %s, %s)",
        (document["version"], content.decode(), Jsonb(signatures), arrival()),
    )


def registered_keys(connection: Connection) -> list[dict[str, Any]]:
    """Return the public keys, first to newest."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "select key_id, public_key, previous_key_id, previous_signature, signature, reason "
            "from publishing.signing_keys"
        ).fetchall()
    follower = {row["previous_key_id"]: row for row in rows}
    keys, key_id = [], None
    while key_id in follower:
        keys.append(follower[key_id])
        key_id = keys[-1]["key_id"]
    return keys


def with_status(keys: Sequence[Mapping[str, Any]], root: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Return public keys with what a root document says of each: signing, past or revoked (None: no document yet)."""
    past = {one["key_id"]: one for one in root["past"]} if root else {}
    described = []
    for key in keys:
        ended = past.get(key["key_id"])
        status = "signing" if not ended else "revoked" if ended["revoked_on"] else "past"
        described.append({**key, "status": status, "revoked_on": ended["revoked_on"] if ended else None})
    return described


def public_document(connection: Connection) -> dict[str, Any]:
    """Return what `/v1/public-keys` answers: every public key with its status, and the root documents."""
    documents = root_documents(connection)
    keys = with_status(registered_keys(connection), documents[-1]["root"] if documents else None)
    return {"keys": keys, "roots": documents}


def write_public_file(connection: Connection) -> None:
    """Write the public keys beside the private ones, for receivers on this machine and for `verify`."""
    content = json.dumps(public_document(connection), ensure_ascii=False, indent=1) + "\n"
    path = folder() / PUBLIC_FILE
    if not path.exists() or path.read_text(encoding="utf-8") != content:
        partial = path.with_suffix(".partial")
        partial.write_text(content, encoding="utf-8")
        partial.rename(path)


def encrypt_files() -> list[Path]:
    """Encrypt the private files under KEYS_DIR that are not yet, with KEYS_PASSPHRASE; return them.

    Raises PublishingError when no passphrase is set or a file cannot be read.
    """
    if _passphrase() is None:
        raise PublishingError("set KEYS_PASSPHRASE (from a secret store, not a file beside the keys) first")
    done = []
    for path in sorted([*folder().glob("*.pem"), *_own_root_files()]):
        if b"ENCRYPTED" not in path.read_bytes():
            private = _read(path).private
            partial = path.with_suffix(".partial")
            partial.unlink(missing_ok=True)
            _write(partial, private)
            partial.rename(path)
            done.append(path)
    return done


def _public(key: Ed25519PrivateKey) -> str:
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return base64.b64encode(raw).decode()


def _passphrase() -> bytes | None:
    passphrase = get_settings().keys_passphrase
    return passphrase.get_secret_value().encode() if passphrase else None


def _read(path: Path, ask: Ask | None = None) -> SigningKey:
    try:
        content = path.read_bytes()
        secret = _passphrase() if b"ENCRYPTED" in content else None
        if b"ENCRYPTED" in content and ask and not _opens(content, secret):
            secret = ask(path).encode()
        if b"ENCRYPTED" in content and secret is None:
            raise PublishingError(f"the key {path} is encrypted: set KEYS_PASSPHRASE")
        private = serialization.load_pem_private_key(content, password=secret)
    except (OSError, ValueError, TypeError) as error:
        raise PublishingError(
            f"the signing key {path} cannot be read: {error}; put it back from your backup, or mend KEYS_PASSPHRASE"
        ) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise PublishingError(f"{path} is no Ed25519 key")
    return SigningKey(key_id_of(_public(private)), private)


def _opens(content: bytes, secret: bytes | None) -> bool:
    try:
        serialization.load_pem_private_key(content, password=secret)
    except (ValueError, TypeError):
        return False
    return True


def _make() -> SigningKey:
    """Make a key and write its file, readable by its owner only, before anything knows of it."""
    private = Ed25519PrivateKey.generate()
    key = SigningKey(key_id_of(_public(private)), private)
    _write(folder() / f"{key.key_id}.pem", private)
    return key


def _write(path: Path, private: Ed25519PrivateKey) -> None:
    secret = _passphrase()
    content = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(secret) if secret else serialization.NoEncryption(),
    )
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise PublishingError(f"{path} exists already: a private key is never overwritten") from None
    with os.fdopen(descriptor, "wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())


def _register(
    connection: Connection, key: SigningKey, *, previous: SigningKey | None, reason: str, follows: str | None = None
) -> None:
    row = {"key_id": key.key_id, "public_key": _public(key.private), "previous_key_id": follows}
    signed = statement(row)
    connection.execute(
        "insert into publishing.signing_keys "
        "(key_id, public_key, previous_key_id, previous_signature, signature, reason, recorded_at) "
        "values (%s, %s, %s, %s, %s, %s, %s)",
        (*row.values(), previous.sign(signed) if previous else None, key.sign(signed), reason, arrival()),
    )
