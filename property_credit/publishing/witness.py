"""A witness of the log: keeps the last checkpoint it saw, and cosigns a new one that only adds to it.

Owns what a witness checks, and how its cosignature comes back to the log. A witness needs a state file and a key, no
warehouse. Two checkpoints of one size with two roots are a split view: it says so, keeps both and signs nothing.
"""

import json
import time
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from psycopg import Connection

from property_credit.publishing import merkle, notes, roots, signing
from property_credit.publishing.errors import PublishingError
from property_credit.publishing.verify import Known, UnreadableError, VerificationError
from property_credit.warehouse.business_date import arrival


def read_private_key(path: Path, passphrase: str | None) -> Ed25519PrivateKey:
    """Return a witness's private key; UnreadableError when the file holds none or the passphrase is wrong."""
    try:
        content = path.read_bytes()
        secret = passphrase.encode() if passphrase and b"ENCRYPTED" in content else None
        private = serialization.load_pem_private_key(content, password=secret)
    except (OSError, ValueError, TypeError) as error:
        raise UnreadableError(f"{path}: no private key can be read from it: {error}") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise UnreadableError(f"{path} is no Ed25519 key")
    return private


def cosign(
    note: str, known: Known, *, name: str, private: Ed25519PrivateKey, state: Path, proof: dict[str, Any] | None
) -> str:
    """Return the cosignature line of a checkpoint that goes on from the kept one, and keep it.

    Args:
        note: the checkpoint, as `/v1/log/checkpoint` answered it.
        known: the log's public keys and root documents, held by the witness.
        name: the witness's name, as the log's root document has it.
        private: its key.
        state: file of the last checkpoint; missing: this one is the first.
        proof: what `/v1/log/consistency?first=<kept>&second=<new>` answered; None: the size did not change.

    Raises VerificationError when a signature does not hold, the log does not go on from what was seen, or views split.
    """
    try:
        checkpoint = notes.read(note)
        notes.check_log(checkpoint, roots.trust_in(known.public_keys, known.roots).signing.values())
        if state.exists():
            _check_goes_on(notes.read(state.read_text(encoding="utf-8")), checkpoint, proof, state)
    except (notes.NoteError, merkle.ProofError) as error:
        raise VerificationError(str(error)) from error
    partial = state.with_name(state.name + ".partial")
    partial.write_text(note, encoding="utf-8")
    partial.rename(state)  # what was seen is kept before it is vouched for
    return notes.cosign(checkpoint, name, private, int(time.time()))


def _check_goes_on(before: notes.Checkpoint, now: notes.Checkpoint, proof: dict[str, Any] | None, state: Path) -> None:
    if now.origin != before.origin:
        raise VerificationError(f"this is the log {now.origin}, and the kept one is {before.origin}")
    if now.size < before.size:
        raise VerificationError(f"the checkpoint of {now.size} leaves is older than the kept one of {before.size}")
    if now.size == before.size and now.root != before.root:
        other = state.with_name(f"{state.name}.split-view-{now.root[:12]}")
        other.write_text(now.text + "\n" + "".join(f"{line}\n" for line in now.lines), encoding="utf-8")
        raise VerificationError(
            f"SPLIT VIEW 分叉: at {now.size} leaves the log showed root {before.root} before and shows {now.root} now; "
            f"both are kept ({state}, {other}): tell the other witnesses and the regulator"
        )
    if now.size > before.size:
        if before.size == 0:
            return
        if proof is None:
            raise VerificationError(
                f"the log grew from {before.size} to {now.size}: give --proof with what "
                f"/v1/log/consistency?first={before.size}&second={now.size} answers"
            )
        merkle.check_consistency(
            proof["proof"] if "proof" in proof else proof,
            first=(before.size, before.root),
            second=(now.size, now.root),
        )


def add_cosignature(connection: Connection, line: str) -> tuple[int, str]:
    """Keep a witness's cosignature beside the checkpoint that it is of; return the checkpoint's size and the witness.

    Raises PublishingError when the newest root document names no such witness or the line is of none of our heads.
    """
    documents = signing.root_documents(connection)
    witnesses = roots.trust_of(documents[-1]["root"]).witnesses if documents else {}
    rows = connection.execute(
        "select head_index, checkpoint from publishing.lists where checkpoint is not null order by head_index desc"
    ).fetchall()
    for head_index, note in rows:
        checkpoint = notes.read(note + line.strip() + "\n")
        for name in notes.cosigners(checkpoint, witnesses):
            connection.execute(
                "insert into publishing.cosignatures (head_index, witness, line, recorded_at) values (%s, %s, %s, %s) "
                "on conflict (head_index, witness) do nothing",
                (head_index, name, line.strip(), arrival()),
            )
            return checkpoint.size, name
    raise PublishingError(
        f"this is no cosignature of one of our checkpoints by {', '.join(witnesses) or 'a witness (none is named)'}: "
        "`property-credit signing-keys root --witness NAME=PUBLIC` names the witnesses"
    )


def read_proof(path: Path) -> dict[str, Any]:
    """Return a consistency proof, as the API answered it; UnreadableError when the file holds none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or "proof" not in content:
            raise ValueError("it holds no proof")
    except (OSError, ValueError) as error:
        raise UnreadableError(f"{path}: it cannot be read: {error}") from error
    return content
