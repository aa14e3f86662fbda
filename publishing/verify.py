"""Check a published file offline: its signatures, its entries and its place in the log, with a public key only.

Owns what "verified" means. Opens no connection and reads no warehouse: whoever distrusts us can run it elsewhere.
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from publishing import log, merkle, signing


class UnreadableError(Exception):
    """A file is not what it should be; the message says which and why."""


class VerificationError(Exception):
    """The file was tampered with, or was not signed by the key; the message says what does not fit."""


@dataclass(frozen=True)
class Verified:
    """What was proved, in Chinese and English, and by which key."""

    kind: str
    said_zh: str
    said_en: str
    key_id: str
    root: str


def verify_file(path: Path, public_key: Path) -> Verified:
    """Check a list, an inclusion proof or a consistency proof.

    Args:
        path: what `/v1/lists/…` or `/v1/log/…` answered, saved as it came.
        public_key: PEM, 32 bytes in base64, or the answer of `/v1/public-keys`. Every key in it is trusted.

    Raises UnreadableError when a file cannot be read, VerificationError when something does not fit.
    """
    content, known = _json(path), read_public_keys(public_key)
    try:
        keys = signing.trusted(known, content.get("keys", []))
        if "document" in content:
            return _list(content, keys)
        if content.get("format") == log.INCLUSION_FORMAT:
            return _inclusion(content, keys)
        if content.get("format") == log.CONSISTENCY_FORMAT:
            return _consistency(content, keys)
    except merkle.ProofError as error:
        raise VerificationError(str(error)) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableError(f"{path}: it is not as published: {type(error).__name__}: {error}") from error
    raise UnreadableError(f"{path}: neither a published list nor a proof of the log")


def read_public_keys(path: Path) -> list[str]:
    """Return the public keys (base64) of a file; UnreadableError when there is none."""
    try:
        text = path.read_text(encoding="utf-8").strip()
        if text.startswith("-----BEGIN"):
            key = serialization.load_pem_public_key(text.encode())
            if not isinstance(key, Ed25519PublicKey):
                raise ValueError("it is no Ed25519 key")
            raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            return [base64.b64encode(raw).decode()]
        if text.startswith("{"):
            found = [str(key["public_key"]) for key in json.loads(text)["keys"]]
        else:
            found = [text]
        for one in found:
            Ed25519PublicKey.from_public_bytes(base64.b64decode(one, validate=True))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnreadableError(f"{path}: no public key can be read from it: {error}") from error
    return found


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UnreadableError(f"{path}: it cannot be read as JSON: {error}") from error
    if not isinstance(found, dict):
        raise UnreadableError(f"{path}: it is not a JSON object")
    return found


def _signed(document: Any, signature: dict[str, str], keys: dict[str, str], what: str) -> bytes:
    content = signing.canonical(document)
    key_id = signature["key_id"]
    if key_id not in keys:
        raise VerificationError(
            f"{what} is signed by key {key_id}, and nothing ties it to the public key given ({', '.join(keys)})"
        )
    if not signing.is_signed_by(keys[key_id], content, signature["value"]):
        raise VerificationError(f"{what} was changed after it was signed: the signature of key {key_id} does not fit")
    return content


def _head(found: dict[str, Any], keys: dict[str, str]) -> dict[str, Any]:
    _signed(found["head"], found["signature"], keys, f"the tree head {found['head']['list_id']}")
    return dict(found["head"])


def _list(content: dict[str, Any], keys: dict[str, str]) -> Verified:
    document = content["document"]
    signed = _signed(document, content["signature"], keys, f"the list {document['list_id']}")
    head, tree = _head(content["tree_head"], keys), document["tree"]
    if head["document_sha256"] != hashlib.sha256(signed).hexdigest():
        raise VerificationError("the tree head belongs to another document")
    leaves = [merkle.leaf_hash(signing.canonical(entry)) for entry in document["entries"]]
    root = merkle.root_of(tree["frontier"], tree["first_leaf"], leaves)
    if root != tree["root"] or root != head["root"] or head["tree_size"] != tree["first_leaf"] + len(leaves):
        raise VerificationError(f"the entries do not give the root {head['root']} of the log")
    count = len(leaves)
    return Verified(
        "list",
        f"名单 {document['list_id']}（{document['as_of']} 起，{count} 条）签名有效，各条均在公开日志内",
        f"list {document['list_id']} (from {document['as_of']}, {count} entries): signed, all in the log",
        content["signature"]["key_id"],
        root,
    )


def _inclusion(content: dict[str, Any], keys: dict[str, str]) -> Verified:
    head, entry = _head(content["tree_head"], keys), content["entry"]
    merkle.check_inclusion(
        signing.canonical(entry),
        content["proof"],
        leaf_index=content["leaf_index"],
        tree_size=head["tree_size"],
        root=head["root"],
    )
    grade = entry["grade"] or entry["status_code"]
    return Verified(
        "inclusion",
        f"{entry['uscc']} 第 {entry['version_no']} 版（{grade}，{entry['valid_from']} 起）在公开日志内",
        f"{entry['uscc']} version {entry['version_no']} ({grade} from {entry['valid_from']}) is in the log",
        content["tree_head"]["signature"]["key_id"],
        head["root"],
    )


def _consistency(content: dict[str, Any], keys: dict[str, str]) -> Verified:
    first, second = _head(content["first_head"], keys), _head(content["second_head"], keys)
    sizes = (first["tree_size"], second["tree_size"])
    merkle.check_consistency(content["proof"], first=(sizes[0], first["root"]), second=(sizes[1], second["root"]))
    return Verified(
        "consistency",
        f"日志由 {sizes[0]} 条增至 {sizes[1]} 条，原有各条未变",
        f"the log grew from {sizes[0]} to {sizes[1]} leaves and changed none",
        content["second_head"]["signature"]["key_id"],
        second["root"],
    )
