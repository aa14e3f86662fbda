"""Checkpoints of the log as C2SP notes: written, signed, cosigned by witnesses and read.

Formats: c2sp.org/signed-note, c2sp.org/tlog-checkpoint and c2sp.org/tlog-cosignature (Ed25519). The text of a
checkpoint is the log's name, its size, its root in base64, and one line of our own: `map ` and the root of the map.

Owns the bytes of a note. Pure: knows no table and no file.
"""

import base64
import binascii
import hashlib
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

LOG, COSIGNATURE = b"\x01", b"\x04"
_MARK = "— "


class NoteError(Exception):
    """A note cannot be read, or a signature on it does not hold; the message says which."""


@dataclass(frozen=True)
class Checkpoint:
    """A head of the log: its name, size (leaves), root and map root (hex; empty: none), and the text that is signed."""

    origin: str
    size: int
    root: str
    map_root: str
    text: str
    lines: tuple[str, ...]  # the signature lines


def key_hash(name: str, kind: bytes, public: bytes) -> bytes:
    """Return the 4 bytes that name a key on a signature line.

    Args:
        name: name of the log or witness.
        kind: LOG or COSIGNATURE.
        public: the Ed25519 public key, 32 bytes.
    """
    return hashlib.sha256(name.encode() + b"\n" + kind + public).digest()[:4]


def text_of(origin: str, size: int, root: str, map_root: str) -> str:
    """Return the text of a checkpoint; ``root`` and ``map_root`` are hex."""
    lines = [origin, str(size), base64.b64encode(bytes.fromhex(root)).decode()]
    lines.append(f"map {base64.b64encode(bytes.fromhex(map_root)).decode()}")
    return "\n".join(lines) + "\n"


def signed(text: str, name: str, private: Ed25519PrivateKey) -> str:
    """Return a checkpoint: the text and the log's signature line."""
    return f"{text}\n{_line(name, key_hash(name, LOG, _raw(private)), private.sign(text.encode()))}\n"


def cosign(checkpoint: Checkpoint, name: str, private: Ed25519PrivateKey, at: int) -> str:
    """Return a witness's signature line: it saw at ``at`` (seconds since 1970) the log grow to this checkpoint."""
    signature = private.sign(_cosigned(checkpoint.text, at))
    return _line(name, key_hash(name, COSIGNATURE, _raw(private)), struct.pack(">Q", at) + signature)


def read(note: str) -> Checkpoint:
    """Return the checkpoint of a note; NoteError when it is none. No signature is checked."""
    text, mark, rest = note.partition("\n\n")
    lines = text.split("\n")
    try:
        if not mark or len(lines) < 3 or not lines[0] or not lines[1].isascii() or not lines[1].isdigit():
            raise ValueError("it has no name, size, root and signature")
        if lines[1] != str(int(lines[1])):
            raise ValueError("its size begins with a zero")
        signatures = tuple(line for line in rest.split("\n") if line)
        if not signatures or not all(line.startswith(_MARK) and line.count(" ") == 2 for line in signatures):
            raise ValueError("its signature lines cannot be read")
        root = _hash_of(lines[2])
        map_root = next((_hash_of(line[4:]) for line in lines[3:] if line.startswith("map ")), "")
    except (ValueError, binascii.Error) as error:
        raise NoteError(f"this is no checkpoint: {error}") from error
    return Checkpoint(lines[0], int(lines[1]), root, map_root, text + "\n", signatures)


def check_log(checkpoint: Checkpoint, public_keys: Iterable[str]) -> str:
    """Return the public key (base64) of those given that signed the checkpoint for the log; NoteError when none did."""
    for public_key in public_keys:
        public = base64.b64decode(public_key)
        for signature in _signatures(checkpoint, checkpoint.origin, key_hash(checkpoint.origin, LOG, public)):
            if _holds(public, checkpoint.text.encode(), signature):
                return public_key
    raise NoteError(f"the checkpoint of {checkpoint.size} leaves is not signed by the log's key")


def cosigners(checkpoint: Checkpoint, witnesses: Mapping[str, str]) -> dict[str, int]:
    """Return {witness: seconds since 1970} of those whose cosignature holds; ``witnesses``: name → public key."""
    names = {}
    for name, public_key in witnesses.items():
        public = base64.b64decode(public_key)
        for signature in _signatures(checkpoint, name, key_hash(name, COSIGNATURE, public)):
            if len(signature) == 72:
                at = struct.unpack(">Q", signature[:8])[0]
                if _holds(public, _cosigned(checkpoint.text, at), signature[8:]):
                    names[name] = at
    return names


def _cosigned(text: str, at: int) -> bytes:
    return f"cosignature/v1\ntime {at}\n{text}".encode()


def _line(name: str, hashed: bytes, signature: bytes) -> str:
    return f"{_MARK}{name} {base64.b64encode(hashed + signature).decode()}"


def _signatures(checkpoint: Checkpoint, name: str, hashed: bytes) -> Iterable[bytes]:
    for line in checkpoint.lines:
        _, given, value = line.split(" ")
        try:
            raw = base64.b64decode(value, validate=True)
        except binascii.Error:
            continue
        if given == name and raw[:4] == hashed:
            yield raw[4:]


def _holds(public: bytes, content: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, content)
    except (InvalidSignature, ValueError):
        return False
    return True


def _hash_of(text: str) -> str:
    digest = base64.b64decode(text, validate=True)
    if len(digest) != hashlib.sha256().digest_size:
        raise ValueError("a root is no SHA-256 hash")
    return digest.hex()


def _raw(private: Ed25519PrivateKey) -> bytes:
    return private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
