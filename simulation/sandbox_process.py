"""Start the tendering sandbox as its own process, find one that runs, and stop what was started.

The running sandbox writes its address to DATA_DIR/sandbox/address; whoever needs it reads it there.
"""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from property_credit.publishing.errors import PublishingError
from property_credit.publishing.sending import sandbox_address
from property_credit.warehouse.settings import get_settings

START_TIMEOUT_SECONDS = 60  # imports take 1 s alone and several on a busy machine


def folder(data_dir: Path) -> Path:
    """Return the sandbox's folder: its store, its address and its log."""
    return data_dir / "sandbox"


def is_running(data_dir: Path) -> bool:
    """Say whether a sandbox with this folder's store answers at its address."""
    url = sandbox_address(data_dir)
    if url is None:
        return False
    try:
        answer = httpx.get(f"{url}/healthz", timeout=5, trust_env=False)
        return bool(answer.json()["store"] == str(folder(data_dir) / "received.sqlite"))
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return False


@contextlib.contextmanager
def running(data_dir: Path, *, port: int = 0) -> Iterator[str]:
    """Give the address of a running sandbox of ``data_dir``; one that was started here is stopped at the end.

    Args:
        data_dir: below it lies the sandbox's store; it is made if missing.
        port: where to listen; 0 takes a free one.

    Raises:
        PublishingError: when it does not start; the message ends with its log.
    """
    if is_running(data_dir):
        yield str(sandbox_address(data_dir))
        return
    process = start(data_dir, port=port)
    try:
        yield str(sandbox_address(data_dir))
    finally:
        process.terminate()
        process.wait(timeout=30)


def start(data_dir: Path, *, port: int = 0) -> subprocess.Popen[bytes]:
    """Start a sandbox process and return it once it answers; PublishingError when it does not."""
    folder(data_dir).mkdir(parents=True, exist_ok=True)
    (folder(data_dir) / "address").unlink(missing_ok=True)
    log_path = folder(data_dir) / "sandbox.log"
    root = str(Path(__file__).resolve().parent.parent)
    with open(log_path, "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "simulation.sandbox", "--port", str(port)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=root,
            env={**os.environ, "DATA_DIR": str(data_dir), "KEYS_DIR": str(get_settings().keys_dir)},
        )
    deadline = time.monotonic() + START_TIMEOUT_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        if is_running(data_dir):
            return process
        time.sleep(0.05)
    process.kill()
    process.wait()
    tail = "\n".join(log_path.read_text(errors="replace").splitlines()[-8:])
    raise PublishingError(f"the tendering sandbox does not start; last lines of {log_path}:\n{tail}")
