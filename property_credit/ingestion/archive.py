"""The archive: every delivery as it came, byte for byte, readable by its owner alone, encrypted where DATA_KEY is set.

Owns how a copy is made, read again and checked. ``ops.deliveries`` is its ledger: what was kept where, with its hash.
A copy appears whole or not at all, holds the very bytes that the ledger's hash is of, and is never written again.
"""

import hashlib
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from property_credit.ingestion.batches import PIECE_BYTES, Identity
from property_credit.ingestion.contract import IngestionError
from property_credit.warehouse import data_key
from property_credit.warehouse.business_date import arrival
from property_credit.warehouse.connection import connect
from property_credit.warehouse.data_key import SUFFIX
from property_credit.warehouse.settings import get_settings

ABANDONED_AFTER_SECONDS = 86_400
ENCRYPTED = f"delivery{SUFFIX}"  # the copy's name then: its own and the suffix may be longer than names can be
CLOCK_SECONDS = 2  # a file that changed so short a time before may change again without its time saying so


@dataclass(frozen=True)
class Problem:
    """A delivery whose copy is not what the ledger says: its id, its place below the archive, and what is wrong."""

    delivery_id: str
    place: str
    why: str


def keep(identity: Identity, source: Path, before: os.stat_result | None = None) -> Path:
    """Keep the delivery and return its place: a copy of a file, or the folder of an API's pages.

    ``before`` is how the file stood before its hash was taken. A copy that is there already is left as it is.
    IngestionError when the file became another one meanwhile: what is kept is what was hashed.
    """
    target = _root() / identity.archive_path
    if _kept(target) is not None:
        return target
    partial = unfinished()
    try:
        if source.is_dir():
            partial.mkdir(mode=0o700)
            _copy_all(sorted(source.iterdir()), partial, identity)
        else:
            _copy_all([source], partial, identity, before)
        _root().mkdir(parents=True, exist_ok=True)
        _root().chmod(0o700)
        target.parent.mkdir(parents=True, exist_ok=True)
        is_file = partial.is_file()
        try:
            partial.rename(target.with_name(ENCRYPTED) if is_file and data_key.identity() else target)
        except OSError:  # a neighbour archived the same pages in between
            if _kept(target) is None:
                raise
    finally:
        _remove(partial)
    return target


def _copy_all(sources: list[Path], partial: Path, identity: Identity, before: os.stat_result | None = None) -> None:
    """Copy files to ``partial``, into it where it is a folder; their content together must be what was hashed."""
    is_hashed = before is None or time.time() - before.st_mtime < CLOCK_SECONDS
    digest = hashlib.sha256() if is_hashed else None
    for source in sources:
        target = partial / (source.name + SUFFIX * bool(data_key.identity())) if partial.is_dir() else partial
        _copy(source, target, digest)
    if digest is not None:
        is_same = digest.hexdigest() == identity.content_sha256
    else:
        assert before is not None  # else it is hashed
        after = sources[0].stat()
        is_same = (after.st_mtime_ns, after.st_size) == (before.st_mtime_ns, before.st_size)
    if not is_same:
        raise IngestionError(f"{identity.source_file}: the file changed while it was kept; deliver it again")


def _copy(source: Path, target: Path, digest: "hashlib._Hash | None") -> None:
    """Copy one file to disk, encrypted where a key is given, and take its hash on the way where ``digest`` is given."""
    own = data_key.identity()
    if own is None and digest is None:
        shutil.copyfile(source, target)
    else:
        with source.open("rb") as stream, target.open("xb") as writer:
            reader: data_key.Reader = _Hashed(stream, digest) if digest is not None else stream
            if own is not None:
                data_key.encrypt(reader, writer)
            else:
                shutil.copyfileobj(reader, writer, PIECE_BYTES)
    target.chmod(0o600)  # whatever the office's file allowed: what is in it is its owner's alone here
    handle = os.open(target, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class _Hashed:
    """A file that is hashed as it is read."""

    def __init__(self, stream: BinaryIO, digest: "hashlib._Hash") -> None:
        self._stream, self._digest = stream, digest

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes."""
        piece = self._stream.read(size)
        self._digest.update(piece)
        return piece


@contextmanager
def opened(kept_at: str | Path) -> Iterator[Path]:
    """Give the plain copy of a delivery (a file, or a folder of pages) while the block reads it.

    What is encrypted is laid out in the archive's corner meanwhile, under its own name, for its owner alone.
    IngestionError when the copy is gone or the key does not open it.
    """
    target = _root() / kept_at
    kept = _kept(target)
    if kept is None:
        raise IngestionError(f"{target.name}: its copy {target} is gone; restore the archive to read it again")
    if kept.is_file() and kept == target:
        yield target
    elif kept.is_dir() and not any(path.suffix == SUFFIX for path in kept.iterdir()):
        yield target
    else:
        with _laid_out(kept, target.name) as plain:
            yield plain


@contextmanager
def decrypted(path: Path) -> Iterator[Path]:
    """Give an encrypted file in plain, under its name without ``.age``, while the block reads it."""
    with _laid_out(path, path.name.removesuffix(SUFFIX)) as plain:
        yield plain


@contextmanager
def _laid_out(kept: Path, name: str) -> Iterator[Path]:
    corner = unfinished()
    corner.mkdir(mode=0o700)
    try:
        plain = corner / name
        if kept.is_file():
            data_key.decrypt(kept, plain)
        else:
            plain.mkdir(mode=0o700)
            for page in sorted(kept.iterdir()):
                data_key.decrypt(page, plain / page.name.removesuffix(SUFFIX))
    except data_key.DataKeyError as error:
        _remove(corner)
        raise IngestionError(str(error)) from error
    try:
        yield plain
    finally:
        _remove(corner)


def encrypt_in_place(path: Path, before: os.stat_result) -> None:
    """Put an encrypted file in the place of a plain one that has been read, unless it changed since ``before``.

    Does nothing without DATA_KEY, or in a folder that is not ours to write.
    """
    if data_key.identity() is None or path.suffix == SUFFIX or path.is_symlink():
        return
    partial = path.with_name(f".{path.name}{SUFFIX}.part")
    try:
        partial.unlink(missing_ok=True)
        _copy(path, partial, None)
        after = path.stat()
        if (after.st_mtime_ns, after.st_size) == (before.st_mtime_ns, before.st_size):
            partial.replace(path.with_name(path.name + SUFFIX))
            path.unlink()
    except OSError:  # not ours to write, or a name that cannot be longer
        return
    finally:
        partial.unlink(missing_ok=True)


def check() -> list[Problem]:
    """Compare every copy with the ledger's hash, and return what does not agree, by place.

    What the rule of retention took away (``ops.archive_removals``) is not missing.
    A copy that the key does not open is named too: whether it is whole is not known then.
    """
    with connect("pc_ingestion") as connection:
        rows = connection.execute(
            "select distinct on (archive_path, content_sha256) delivery_id, archive_path, content_sha256"
            " from ops.deliveries where archive_path not in (select archive_path from ops.archive_removals)"
            " order by archive_path, content_sha256, received_at"
        ).fetchall()
    return [Problem(delivery_id, place, why) for delivery_id, place, digest in rows if (why := _wrong(place, digest))]


def _wrong(place: str, digest: str) -> str:
    """Say what is wrong with a copy; "" when it is what the ledger says."""
    if _kept(_root() / place) is None:
        return "the copy is gone"
    try:
        with opened(place) as plain:
            hashed = hashlib.sha256()
            for path in [plain] if plain.is_file() else sorted(plain.iterdir()):
                with path.open("rb") as stream:
                    while piece := stream.read(PIECE_BYTES):
                        hashed.update(piece)
    except (IngestionError, OSError) as error:
        return str(error)
    return "" if hashed.hexdigest() == digest else "the copy holds other bytes than were delivered"


def remove(kept_at: str) -> None:
    """Take the copy of a delivery away; nothing happens where it is gone."""
    kept = _kept(_root() / kept_at)
    if kept is not None:
        _remove(kept)


def sweep() -> None:
    """Remove what a killed run left half archived, once it is too old to belong to a run under way."""
    limit = arrival().timestamp() - ABANDONED_AFTER_SECONDS
    for path in (_root() / ".partial").glob("*"):
        if path.stat().st_mtime < limit:
            _remove(path)


def unfinished() -> Path:
    """Return a new name in the archive's corner for what is not whole yet."""
    (_root() / ".partial").mkdir(parents=True, exist_ok=True, mode=0o700)
    _root().chmod(0o700)
    return _root() / ".partial" / uuid.uuid4().hex


def _root() -> Path:
    root = get_settings().archive_dir
    assert root is not None  # the settings fill it in
    return root


def _kept(target: Path) -> Path | None:
    """Return where the copy of a delivery lies, plain or encrypted; None when there is none."""
    return next((path for path in (target, target.with_name(ENCRYPTED)) if path.exists()), None)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
