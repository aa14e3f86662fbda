"""Workbooks are read in a process of their own, which is used again and may die: that refuses the file, nothing else.

Owns the way between the two processes (lengths, JSON and Arrow, nothing that runs code) and the limits on resident
memory and on time without a block. Run as a module it is the reader's side.
"""

import atexit
import io
import json
import os
import select
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import polars

from property_credit.ingestion.blocks import Block
from property_credit.ingestion.contract import IngestionError
from property_credit.ingestion.profile import Profile

MEMORY_BYTES = 3 << 30  # resident; a full sheet of 16 columns takes 2 GiB
SECONDS = 600.0  # without a block
KEPT_BYTES = 512 << 20  # a reader that holds more after a file is not used again
TICK_SECONDS = 0.05
PREFIX = struct.Struct("!II")  # bytes of JSON, bytes of Arrow
ROW = "\x02row"


class _Reader:
    """The other process, from here."""

    def __init__(self) -> None:
        paths = os.pathsep.join(path for path in ("", *sys.path) if path)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "property_credit.ingestion.reader_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # a panic's trace may quote a cell
            env={**os.environ, "PYTHONPATH": paths},
        )
        self.owner = os.getpid()

    def ask(self, path: Path, profile: Profile) -> None:
        settings = profile.model_dump_json(exclude_unset=True)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"path": str(path), "profile": settings}).encode() + b"\n")
        self._process.stdin.flush()

    def answer(self, name: str) -> tuple[dict[str, Any], bytes]:
        deadline = time.monotonic() + SECONDS
        sizes = PREFIX.unpack(self._read(PREFIX.size, name, deadline))
        return json.loads(self._read(sizes[0], name, deadline)), self._read(sizes[1], name, deadline)

    def _read(self, size: int, name: str, deadline: float) -> bytes:
        assert self._process.stdout is not None
        pieces, left = [], size
        handle = self._process.stdout.fileno()
        while left:
            if not select.select([handle], [], [], TICK_SECONDS)[0]:
                if self.resident() > MEMORY_BYTES:
                    raise IngestionError(
                        f"{name}: reading it takes more than {MEMORY_BYTES >> 20} MiB of memory: "
                        "save the table into a new workbook, or ask the office for a CSV"
                    )
                if time.monotonic() > deadline:
                    raise IngestionError(f"{name}: reading it takes more than {SECONDS:.0f} s without a row")
                continue
            piece = os.read(handle, min(left, 1 << 20))
            if not piece:
                raise IngestionError(
                    f"{name}: the reader stopped over it (exit {self._process.wait()}): "
                    "save the table into a new workbook, or ask the office for a CSV"
                )
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)

    def resident(self) -> int:
        try:
            pages = Path(f"/proc/{self._process.pid}/statm").read_text().split()[1]
        except (OSError, IndexError):
            return 0
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def is_usable(self) -> bool:
        return self.owner == os.getpid() and self._process.poll() is None and self.resident() < KEPT_BYTES

    def stop(self) -> None:
        if self.owner != os.getpid():
            return
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass


_idle: list[_Reader] = []
_lock = threading.Lock()


def read(path: Path, profile: Profile) -> Iterator[Block]:
    """Yield the blocks of a workbook; IngestionError when it cannot be read, or when reading it kills the reader."""
    reader = _take()
    is_done = False
    try:
        reader.ask(path, profile)
        while True:
            message, content = reader.answer(path.name)
            if "error" in message:
                is_done = True
                raise IngestionError(message["error"])
            if message.get("end"):
                is_done = True
                return
            yield _block(message, content)
    finally:
        if is_done and reader.is_usable():
            with _lock:
                _idle.append(reader)
        else:
            reader.stop()


def _take() -> _Reader:
    with _lock:
        while _idle:
            reader = _idle.pop()
            if reader.is_usable():
                return reader
            reader.stop()
    return _Reader()


@atexit.register
def stop() -> None:
    """Stop the readers that wait for work."""
    with _lock:
        while _idle:
            _idle.pop().stop()


def _block(message: dict[str, Any], content: bytes) -> Block:
    whole = polars.read_ipc_stream(io.BytesIO(content))
    masks = {(code, column): whole[f"\x02{place}"].to_numpy() for place, (code, column) in enumerate(message["flags"])}
    frame = whole.select(name for name in whole.columns if not name.startswith("\x02"))
    return Block(
        frame=frame,
        row_numbers=whole[ROW].to_numpy(),
        payloads=lambda places: ["\t".join(cell or "" for cell in frame.row(place)) for place in places],
        flags=masks,
        skipped=message["skipped"],
    )


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more: the reader's side."""
    from property_credit.ingestion import xlsx_reader

    def send(message: dict[str, Any], content: bytes = b"") -> None:
        head = json.dumps(message).encode()
        answers.write(PREFIX.pack(len(head), len(content)) + head)
        answers.write(content)
        answers.flush()

    for line in requests:
        request = json.loads(line)
        path, profile = Path(request["path"]), Profile.model_validate_json(request["profile"])
        try:
            for block in xlsx_reader.read_here(path, profile):
                columns = {f"\x02{place}": mask for place, mask in enumerate(block.flags.values())}
                whole = block.frame.with_columns(polars.Series(ROW, block.row_numbers), **columns)
                content = io.BytesIO()
                whole.write_ipc_stream(content)
                send({"flags": list(block.flags), "skipped": block.skipped}, content.getvalue())
            send({"end": True})
        except IngestionError as error:
            send({"error": str(error)})
        except BaseException as error:  # a library's panic is no Exception
            if isinstance(error, BrokenPipeError):
                return
            send({"error": f"{path.name}: cannot be read: {type(error).__name__}; save it into a new workbook"})


if __name__ == "__main__":
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    _serve(sys.stdin.buffer, answers)
