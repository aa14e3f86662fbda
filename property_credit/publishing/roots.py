"""Root documents: which key signs, which signed before and how far, who may change that. As TUF's root metadata.

A root document names the holders' root keys with their threshold, the key that signs publications, and every key that
signed before with the heads that are its own: how many heads there were and the root of the Merkle tree over them. A
signature by an earlier key counts only for a head in that tree: whoever stole the key can sign, and not put a head
into a tree that is closed. The next document is signed by thresholds of the holders of the old and of the new one.

Owns the document, its succession and what a reader may trust. Pure: knows no table and no file.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from property_credit.publishing import merkle

FORMAT = "property-credit-root/1"


def canonical(document: Any) -> bytes:
    """Return the canonical JSON (RFC 8785) of ``document``: the bytes that are signed.

    >>> canonical({"b": 1, "a": "甲"}).decode()
    '{"a":"甲","b":1}'
    """
    if _is_plain(document):
        return _PLAIN(document).encode()
    return rfc8785.dumps(document)


# the standard library's encoder, in C, writes the same bytes for what our documents hold
_PLAIN = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), check_circular=False).encode
_LARGEST = 2**53 - 1


def _is_plain(value: Any) -> bool:
    """Return whether a value is of text, whole numbers, true, false and null, by keys that sort alike everywhere."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is int:
        return -_LARGEST <= value <= _LARGEST
    if kind is dict:
        return all(type(key) is str and key.isascii() for key in value) and all(map(_is_plain, value.values()))
    return kind is list and all(map(_is_plain, value))


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


@dataclass(frozen=True)
class Past:
    """A key that signed before: only heads of the tree over the first ``heads`` heads count."""

    public_key: str
    heads: int
    heads_root: str
    revoked_on: str | None


@dataclass(frozen=True)
class Trust:
    """What a reader may trust: keys that sign now (id → public key), keys that signed before, and the witnesses."""

    signing: dict[str, str] = field(default_factory=dict)
    past: dict[str, Past] = field(default_factory=dict)
    witnesses: dict[str, str] = field(default_factory=dict)  # name → public key
    witness_threshold: int = 0
    is_of_root: bool = False  # the reader holds a root document, not a bare key

    def describe(self) -> str:
        """Return the ids of the keys that sign now, for a message."""
        return ", ".join(self.signing)


def digest(root: Mapping[str, Any]) -> str:
    """Return the SHA-256 of a root document's canonical bytes."""
    return hashlib.sha256(canonical(root)).hexdigest()


def signers(root: Mapping[str, Any], signed: Mapping[str, Any]) -> int:
    """Return how many of the holders that ``root`` names signed the document of ``signed``, each counted once."""
    content = canonical(signed["root"])
    keys = {key_id_of(one["public_key"]): one["public_key"] for one in root["root"]["keys"]}
    return len(
        {
            one["key_id"]
            for one in signed["signatures"]
            if one["key_id"] in keys and is_signed_by(keys[one["key_id"]], content, one["value"])
        }
    )


def problem_with(signed: Mapping[str, Any], before: Mapping[str, Any] | None) -> str | None:
    """Say why a signed root document does not follow ``before`` (None: the first one), or None when it does."""
    root = signed["root"]
    if root["format"] != FORMAT:
        return f"root {root['version']} has another format"
    if root["root"]["threshold"] < 1 or signers(root, signed) < root["root"]["threshold"]:
        return f"root {root['version']} is not signed by the threshold of its own holders"
    if before is None:
        return None if root["version"] == 1 and root["previous_sha256"] is None else "the first root is version 1"
    if root["version"] != before["version"] + 1 or root["previous_sha256"] != digest(before):
        return f"root {root['version']} does not follow root {before['version']}"
    if signers(before, signed) < before["root"]["threshold"]:
        return f"root {root['version']} is not signed by the threshold of the holders of root {before['version']}"
    return None


def newest(held: Sequence[Mapping[str, Any]], offered: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the newest root document that follows what the reader holds; None when it holds none.

    Args:
        held: signed root documents that the reader has by a way it trusts; the newest of them counts.
        offered: signed root documents that came with a file; those that do not follow are left aside.
    """
    if not held:
        return None
    latest: Mapping[str, Any] = max((one["root"] for one in held), key=lambda root: int(root["version"]))
    for one in sorted(offered, key=lambda one: int(one["root"]["version"])):
        if one["root"]["version"] == latest["version"] + 1 and problem_with(one, latest) is None:
            latest = one["root"]
    return latest


def trust_of(root: Mapping[str, Any], *, is_of_root: bool = True) -> Trust:
    """Return what a root document that is trusted lets a reader trust."""
    signing = root["signing"]["public_key"]
    return Trust(
        signing={key_id_of(signing): signing},
        past={
            key_id_of(one["public_key"]): Past(one["public_key"], one["heads"], one["heads_root"], one["revoked_on"])
            for one in root["past"]
        },
        witnesses={one["name"]: one["public_key"] for one in root["witnesses"]["keys"]},
        witness_threshold=root["witnesses"]["threshold"],
        is_of_root=is_of_root,
    )


def trust_in(
    known: Iterable[str],
    held: Sequence[Mapping[str, Any]],
    *,
    offered: Sequence[Mapping[str, Any]] = (),
    keys: Sequence[Mapping[str, Any]] = (),
) -> Trust:
    """Return what a reader trusts of a file.

    Args:
        known: public keys (base64) that the reader has from elsewhere.
        held: signed root documents that it has from elsewhere; they go before ``known``.
        offered: signed root documents that the file brings.
        keys: public keys with their rotation statements that the file brings (format 1).

    A bare key is followed to the keys that it handed over to, never back: the key before may be stolen, and says of
    itself what it likes. A root document signed by the bare key brings back the heads of the keys before it.
    """
    root = newest(held, offered)
    if root is not None:
        return trust_of(root)
    signing = forward({key_id_of(one): one for one in known}, keys)
    for one in sorted(offered, key=lambda one: -int(one["root"]["version"])):
        public = one["root"]["signing"]["public_key"]
        key_id = key_id_of(public)
        if key_id in signing and any(
            sent["key_id"] == key_id and is_signed_by(public, canonical(one["root"]), sent["value"])
            for sent in one["signatures"]
        ):
            trust = trust_of(one["root"], is_of_root=False)
            past = {name: kept for name, kept in trust.past.items() if name not in signing or kept.revoked_on}
            signing = {name: kept for name, kept in signing.items() if name not in past}
            return Trust({**signing, key_id: public}, past, trust.witnesses, trust.witness_threshold)
    return Trust(signing)


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


def forward(known: Mapping[str, str], keys: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return {key id: public key} of ``known`` keys and of those that they handed over to, by statements of both."""
    trusted = dict(known)
    steps = [dict(key) for key in keys if key.get("previous_key_id") and key.get("previous_signature")]
    for _ in steps:
        for step in steps:
            old, new, public = step["previous_key_id"], step["key_id"], str(step["public_key"])
            if old in trusted and new not in trusted and key_id_of(public) == new:
                signed = statement(step)
                if is_signed_by(trusted[old], signed, step["previous_signature"]) and is_signed_by(
                    public, signed, step["signature"]
                ):
                    trusted[new] = public
    return trusted


def heads_tree(heads: Iterable[bytes]) -> merkle.PublishedTree:
    """Return the tree over heads, given as their canonical bytes in the order they were published."""
    return merkle.PublishedTree(merkle.leaf_hash(head) for head in heads)
