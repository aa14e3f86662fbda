"""How fast a country's quarterly list is made, and how fast a reader checks it: ratios to writing and hashing alone.

Made is what a night makes of the standing grades: canonical entries, the log's leaves, the signed document, JSON Lines,
CSV and Parquet, and the manifest of their hashes. The floor is polars writing the three files of a frame that is there,
each hashed once. Checked is the command of the docs, `verify manifest.json` with all three files, start of the process
included; its floor is `openssl dgst` over the files. Processor time; storing in the database is not in it. Exit code 1:
more than 5 s to make, or more than 1 s to check.

    python -m benchmarks.bulk_list --enterprises 200000 --rounds 5 --out benchmarks/results/bulk_list.json
"""

import argparse
import base64
import contextlib
import hashlib
import io
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

MOST_TO_MAKE, MOST_TO_CHECK = 5.0, 1.0  # seconds
ABOUT = {"kind": "quarter", "list_id": "2026-Q4", "publication_id": 1, "business_date": "2026-09-30"}
ABOUT |= {"as_of": "2026-10-01", "method_version": "2026.1"}
GRADES = ("AA", "A", "B")


def rows_of(count: int) -> list[dict[str, Any]]:
    """Return ``count`` invented grade versions as the database gives them."""
    return [
        {
            "uscc": f"91150200MA{number:07d}X",
            "enterprise_name": f"测试第{number}号物业服务有限公司",
            "grade": GRADES[number % 3],
            "status_code": "rated",
            "method_version": "2026.1",
            "valid_from": date(2026, 10, 1),
            "version_no": number % 7 + 1,
            "is_correction": number % 11 == 0,
            "reasons": ["V1", "C2"] if number % 5 == 0 else [],
        }
        for number in range(count)
    ]


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """Return the processor time, children included, and the time by the clock that ``work`` took."""

    def used() -> float:
        both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return sum(one.ru_utime + one.ru_stime for one in both)

    processor, clock = used(), time.perf_counter()
    work()
    return used() - processor, time.perf_counter() - clock


def run(folder: Path, *, enterprises: int, rounds: int) -> dict[str, Any]:
    """Make and check a list of ``enterprises`` in turns with the floors."""
    import polars as pl
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from property_credit.publishing import log, merkle, roots

    rows, private = rows_of(enterprises), Ed25519PrivateKey.generate()
    public = base64.b64encode(private.public_key().public_bytes_raw()).decode()

    def signed(content: bytes) -> dict[str, str]:
        value = base64.b64encode(private.sign(content)).decode()
        return {"algorithm": "Ed25519", "key_id": roots.key_id_of(public), "value": value}

    kept: list[log.Made] = []

    def make() -> None:
        made = log.make(ABOUT, rows, merkle.PublishedTree())
        signed(made.document)
        kept[:] = [made]

    make()
    (made,) = kept
    assert made.manifest is not None
    head = {"list_id": "2026-Q4", "tree_size": enterprises, "root": "", "as_of": "2026-10-01", "published_at": ""}
    head |= {"manifest_sha256": hashlib.sha256(made.manifest).hexdigest()}
    tree_head = {"head": head, "signature": signed(roots.canonical(head))}
    content = {"manifest": json.loads(made.manifest), "tree_head": tree_head, "keys": [], "roots": []}
    (folder / "manifest.json").write_text(json.dumps(content), encoding="utf-8")
    (folder / "public.b64").write_text(public, encoding="utf-8")
    for one in made.files:
        (folder / one.name).write_bytes(one.content)
    files = [str(folder / one.name) for one in made.files]
    frame = pl.read_ndjson(io.BytesIO(made.files[0].content))
    flat = frame.with_columns(pl.col("reasons").list.join(";"))

    def write() -> None:
        for name, table in (("ndjson", frame), ("csv", flat), ("parquet", flat)):
            written = io.BytesIO()
            getattr(table, f"write_{name}")(written)
            hashlib.sha256(written.getvalue()).hexdigest()

    def check() -> None:
        command = [str(Path(sys.executable).with_name("property-credit")), "verify", str(folder / "manifest.json")]
        command += ["--public-key", str(folder / "public.b64")]
        for path in files:
            command += ["--data", path]
        subprocess.run(command, check=True, capture_output=True)

    def hash_alone() -> None:
        subprocess.run(["openssl", "dgst", "-sha256", *files], check=True, capture_output=True)

    took: dict[str, list[tuple[float, float]]] = {"make": [], "write": [], "check": [], "hash": []}
    for _ in range(rounds):
        for name, work in (("make", make), ("write", write), ("check", check), ("hash", hash_alone)):
            took[name].append(seconds(work))
    middle = {name: statistics.median(processor for processor, _ in values) for name, values in took.items()}
    clock = {name: statistics.median(by_clock for _, by_clock in values) for name, values in took.items()}
    return {
        "name": "bulk_list",
        "what": f"a list of {enterprises:,} as document and files, against polars writing and hashing the files alone",
        "floor": "polars: JSON Lines, CSV, Parquet of a frame that is there, and SHA-256 of each",
        "ratio": round(middle["make"] / middle["write"], 2),
        "check_ratio": round(middle["check"] / middle["hash"], 2),
        "make_seconds": round(middle["make"], 2),
        "make_seconds_by_clock": round(clock["make"], 2),
        "check_seconds": round(middle["check"], 2),
        "check_seconds_by_clock": round(clock["check"], 2),
        "bytes": {one.name: len(one.content) for one in made.files},
        "rounds": rounds,
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()},
    }


def main() -> None:
    """Run the benchmark; exit 1 when it takes longer than it may."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--enterprises", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with contextlib.chdir(Path(__file__).parent.parent), tempfile.TemporaryDirectory() as folder:
        result = run(Path(folder), enterprises=arguments.enterprises, rounds=arguments.rounds)
    print(json.dumps(result, ensure_ascii=False, indent=2))
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(result, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    sys.exit(1 if result["make_seconds"] > MOST_TO_MAKE or result["check_seconds"] > MOST_TO_CHECK else 0)


if __name__ == "__main__":
    main()
