"""The 码上办 complaints API as an office would run it: pages of records in the order they changed, with a cursor.

``GET /v1/complaints?updated_since=<cursor>&until=<yyyy-mm-dd>&limit=<n>`` gives ``{"data": […], "next_cursor": …}``.
The cursor is opaque; none or an empty one begins at the beginning; ``next_cursor`` is null when nothing new is left.
A record changed on several days comes once a change. Reads the store that ``simulate`` wrote; keeps no state.
"""

import argparse
import bisect
import contextlib
import json
import mmap
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from starlette.applications import Starlette

HOST = "127.0.0.1"
LARGEST_PAGE = 5000
_ROOT = Path(__file__).resolve().parent.parent
_BLOCK, _NEWLINE = 1 << 24, 10
_STARTED = "complaints API on "


@dataclass(frozen=True)
class Store:
    """Records as lines of JSON files in the order of change, read where they lie.

    ``starts`` says how many records come before each file, ``offsets`` where every line of each file begins and the
    last one ends, ``ends`` how many records there are up to each day's end. Eight bytes a record are held in memory.
    """

    files: list[mmap.mmap | bytes]
    starts: list[int]
    offsets: list[np.ndarray]
    ends: list[tuple[str, int]]

    def __len__(self) -> int:
        """Return how many records there are."""
        return self.ends[-1][1] if self.ends else 0

    def end(self, until: str) -> int:
        """Return how many records had changed by the end of ``until`` (yyyy-mm-dd)."""
        return max((count for day, count in self.ends if day <= until), default=0)

    def lines(self, start: int, stop: int) -> list[bytes]:
        """Return the records from number ``start`` up to but not with ``stop``."""
        chunk: list[bytes] = []
        number = bisect.bisect_right(self.starts, start) - 1
        for file, first, offsets in zip(self.files[number:], self.starts[number:], self.offsets[number:], strict=True):
            if first >= stop:
                break
            low, high = max(start - first, 0), min(stop - first, len(offsets) - 1)
            chunk += bytes(file[int(offsets[low]) : int(offsets[high])]).splitlines()
        return chunk


def read_store(folder: Path) -> Store:
    """Open <yyyymmdd>[_<part>].jsonl files; FileNotFoundError when there is no such folder."""
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: no store of complaints; make one with `property-credit simulate`")
    files: list[mmap.mmap | bytes] = []
    starts, offsets, ends, count = [], [], [], 0
    for path in sorted(folder.glob("*.jsonl")):
        with path.open("rb") as opened:
            file = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) if path.stat().st_size else b""
        files.append(file)
        starts.append(count)
        offsets.append(_line_offsets(file))
        count += len(offsets[-1]) - 1
        ends.append((f"{path.stem[:4]}-{path.stem[4:6]}-{path.stem[6:8]}", count))
    return Store(files, starts, offsets, ends)


def _line_offsets(file: mmap.mmap | bytes) -> np.ndarray:
    """Return where every line begins, and where the last one ends; a block at a time."""
    breaks = [np.zeros(1, dtype=np.int64)]
    for start in range(0, len(file), _BLOCK):
        block = np.frombuffer(file[start : start + _BLOCK], dtype=np.uint8)
        breaks.append(np.flatnonzero(block == _NEWLINE) + start + 1)
    return np.concatenate(breaks)


def build_app(folder: Path) -> "Starlette":
    """Return the ASGI application over the store in ``folder``."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
    from starlette.routing import Route

    store = read_store(folder)

    def problem(detail: str) -> JSONResponse:
        return JSONResponse({"title": "参数错误", "status": 400, "detail": detail}, 400)

    def complaints(request: Request) -> Response:
        query = request.query_params
        cursor, until, limit = query.get("updated_since", ""), query.get("until", ""), query.get("limit", "500")
        start = cursor.removeprefix("c") or "0"
        if not start.isdecimal() or (cursor and not cursor.startswith("c")):
            return problem(f"updated_since 无效: {cursor!r} is no cursor of this API")
        if not limit.isdecimal() or not 1 <= int(limit) <= LARGEST_PAGE:
            return problem(f"limit 无效: {limit!r} is not 1 to {LARGEST_PAGE}")
        try:
            end = store.end(date.fromisoformat(until).isoformat()) if until else len(store)
        except ValueError:
            return problem(f"until 无效: {until!r} is not a date like 2026-10-31")
        page = store.lines(int(start), min(end, int(start) + int(limit)))
        cursor_after = json.dumps(f"c{int(start) + len(page):010d}" if page else None)
        body = b'{"data":[' + b",".join(page) + b'],"next_cursor":' + cursor_after.encode() + b"}"
        return Response(body, media_type="application/json")

    def healthz(request: Request) -> JSONResponse:
        return JSONResponse({"status": "ok", "records": len(store)})

    return Starlette(routes=[Route("/v1/complaints", complaints), Route("/healthz", healthz)])


def serve(store: Path, port: int) -> None:
    """Serve the store on 127.0.0.1:``port`` (0: any free one, printed) until interrupted."""
    import socket

    import uvicorn

    app = build_app(store)
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(128)
        print(f"{_STARTED}http://{HOST}:{listener.getsockname()[1]}", flush=True)
        config = uvicorn.Config(app, log_level="warning", access_log=False)
        uvicorn.Server(config).run(sockets=[listener])


@contextlib.contextmanager
def running(store: Path, port: int = 0) -> Iterator[str]:
    """Serve the store from a process of its own while the block runs; gives the base address.

    Raises RuntimeError with the server's own message when it does not start.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", "simulation.complaints_api", "--store", str(store), "--port", str(port)],
        cwd=_ROOT,
        env={**os.environ, "PYTHONPATH": str(_ROOT)},
        stdout=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line.startswith(_STARTED):
            raise RuntimeError(f"the complaints API over {store} did not start (exit code {process.wait()})")
        yield line.removeprefix(_STARTED).strip()
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()  # type: ignore[union-attr]


def main() -> int:
    """Serve a store from the command line; 2 when there is none."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--port", type=int, default=8500)
    chosen = parser.parse_args()
    try:
        serve(chosen.store, chosen.port)
    except (FileNotFoundError, OSError) as error:
        print(f"complaints API: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
