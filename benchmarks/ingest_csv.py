"""How fast complaints become validated rows, as a ratio to bare ``psql \\copy`` of the same rows in the same run.

Writes its own GB18030 files: one with about 1 % bad rows (for the loader) and its clean twin (psql stops at the first
bad value). Rounds are paired and interleaved, the order turns each round; the ratio is taken pair by pair. The
loader's time is the whole of ``ingest_file``: hashing, archiving with fsync, checking, raw, quarantine, commit.
The floor's table has the file's 16 columns, typed, and the same index on the key as raw has.

    python -m benchmarks.ingest_csv --rows 5000000 --rounds 5 --out benchmarks/results/ingest_csv.json
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks.memory import peak_mib

ROOT = Path(__file__).resolve().parent.parent
CHUNK = 100_000
SEED = 20261031
BUSINESS_DATE = date(2026, 10, 31)
COMMUNITIES = 2_000
TEMPLATE, WORKING = "bench_template", "bench"
HEADER = (
    "诉求编号,受理渠道,小区编码,区划代码,诉求类别,责任方,办理状态,提交时间,响应时间,办理时间,解决时间,是否查实,"
    "诉求人,联系电话,标题,内容\n"
)
FLOOR = """
create table public.floor (complaint_id text, channel text, community_id text, region_code text, category text,
  responsible_party text, status text, submitted_at timestamptz, responded_at timestamptz, handled_at timestamptz,
  resolved_at timestamptz, is_confirmed text, reporter_name text, reporter_phone text, title text, content text)
"""


def write_files(rows: int, folder: Path) -> tuple[Path, Path, int]:
    """Write the dirty file and its clean twin; return both paths and how many rows must be refused."""
    import numpy
    import polars

    random = numpy.random.default_rng(SEED)
    dirty_path, clean_path = folder / "complaints_dirty.csv", folder / "complaints_clean.csv"
    sentences = [
        f"小区{i}号楼住户反映{what}，多次联系物业未得到处理，请尽快核实。"
        for i in range(40)
        for what in (
            "暖气不热，室内温度只有十五度",
            "屋顶漏水",
            "电梯停运三天",
            '单元门损坏，门牌写着"请随手关门"',
            "垃圾清运不及时,气味很大",
        )
    ]
    titles = ["暖气不热", "屋顶漏水严重", "电梯困人", "车位被占", "保洁不到位", "收费不透明"]
    refused = 0
    with dirty_path.open("wb") as dirty_file, clean_path.open("wb") as clean_file:
        for file in (dirty_file, clean_file):
            file.write(HEADER.encode("gb18030"))
        for start in range(0, rows, CHUNK):
            count = min(CHUNK, rows - start)
            seconds = 1_700_000_000 + random.integers(0, 90_000_000, count)

            def at(values: "numpy.ndarray") -> "polars.Series":
                return polars.Series(values * 1_000_000).cast(polars.Datetime("us")).dt.strftime("%Y-%m-%d %H:%M:%S")

            def pick(words: list[str], count: int = count) -> "polars.Series":
                return polars.Series(words).gather(random.integers(0, len(words), count))

            number = numpy.arange(start, start + count)
            frame = polars.DataFrame(
                {
                    "id": polars.Series(number).cast(polars.String).str.zfill(9).str.replace("^", "BT2026"),
                    "channel": pick(["码上办", "12345热线", "来信来访"]),
                    "community": polars.Series(random.integers(0, COMMUNITIES, count))
                    .cast(polars.String)
                    .str.zfill(6)
                    .str.replace("^", "C150203"),
                    "region": pick(["150202", "150203", "150204", "150205"]),
                    "category": pick(["供暖", "漏水渗水", "环境卫生", "电梯", "停车", "物业收费"]),
                    "party": pick(["物业企业", "专营单位", "待认定"]),
                    "status": pick(["已响应", "已解决", "已办结"]),
                    "submitted": at(seconds),
                    "responded": at(seconds + random.integers(60, 20_000, count)),
                    "handled": at(seconds + random.integers(20_000, 40_000, count)),
                    "resolved": at(seconds + random.integers(40_000, 90_000, count)),
                    "confirmed": pick(["是", "否"]),
                    "name": polars.Series(random.integers(0, 9_999, count))
                    .cast(polars.String)
                    .str.replace("^", "业主"),
                    "phone": polars.Series(random.integers(0, 10**8, count))
                    .cast(polars.String)
                    .str.zfill(8)
                    .str.replace("^", "000-"),
                    "title": pick(titles),
                    "content": pick(sentences),
                }
            )
            clean_file.write(frame.write_csv(include_header=False).encode("gb18030"))
            kind = random.integers(0, 1_000, count)
            wrong = {
                "channel": "未知渠道",
                "community": "C999",
                "category": "",
                "submitted": "2026-02-30 10:00:00",
                "handled": "昨天",
                "confirmed": "也许",
                "region": "15020",
                "status": "x",
                "resolved": "2020-01-01 00:00:00",
                "responded": "2020-01-01 00:00:00",
            }
            for place, (name, value) in enumerate(wrong.items()):
                frame = frame.with_columns(
                    polars.when(polars.Series(kind == place))
                    .then(polars.lit(value))
                    .otherwise(polars.col(name))
                    .alias(name)
                )
            refused += int((kind < len(wrong)).sum())
            dirty_file.write(frame.write_csv(include_header=False).encode("gb18030"))
    return dirty_path, clean_path, refused


def prepare() -> None:
    """Make the template database: migrated, with the communities that complaints refer to."""
    import psycopg

    from property_credit.warehouse import connection
    from property_credit.warehouse.migrate import migrate
    from property_credit.warehouse.settings import get_settings

    with psycopg.connect(**connection.parameters(database="postgres"), autocommit=True) as opened:
        for name in (WORKING, TEMPLATE):
            opened.execute(f"drop database if exists {name} with (force)")
    os.environ["WAREHOUSE_DATABASE"] = TEMPLATE
    get_settings.cache_clear()
    migrate()
    with psycopg.connect(**connection.parameters(), autocommit=True) as opened:
        opened.execute(
            "insert into raw.communities (community_id, community_name, region_code, community_type_code,"
            " household_count, has_lift, batch_id, row_number, known_on, received_at, row_hash)"
            " select 'C150203' || lpad(n::text, 6, '0'), 'n', '150203', 'old', 1, false, 'b', n, '2026-01-01', now(), n"
            " from generate_series(0, %s) n",
            (COMMUNITIES - 1,),
        )
        opened.execute(FLOOR)
    os.environ["WAREHOUSE_DATABASE"] = WORKING
    get_settings.cache_clear()


def fresh_database(*, has_floor_index: bool) -> None:
    """Copy the template, so that each run starts from the same empty tables."""
    import psycopg

    from property_credit.warehouse import connection

    with psycopg.connect(**connection.parameters(database="postgres"), autocommit=True) as opened:
        opened.execute(f"drop database if exists {WORKING} with (force)")
        opened.execute(f"create database {WORKING} template {TEMPLATE}")
        opened.execute("checkpoint")
    if has_floor_index:
        with psycopg.connect(**connection.parameters(), autocommit=True) as opened:
            opened.execute("create index floor_key on public.floor (complaint_id)")


def run_psql(path: Path) -> float:
    """Return the seconds of one ``psql \\copy``."""
    from property_credit.warehouse import connection, embedded

    command = f"\\copy public.floor from '{path}' with (format csv, header, encoding 'GB18030')"
    started = time.perf_counter()
    subprocess.run(
        [str(embedded.binaries() / "psql"), "-q", "-X", "-v", "ON_ERROR_STOP=1", "-c", command, connection.url()],
        check=True,
    )
    return time.perf_counter() - started


def run_loader(path: Path) -> dict[str, float]:
    """Return the seconds, peak memory and counts of one load in a process of its own."""
    started = time.perf_counter()
    finished = subprocess.run(
        [sys.executable, "-m", "benchmarks.ingest_csv", "--load", str(path)],
        check=True,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    return {**json.loads(finished.stdout), "seconds_with_start": time.perf_counter() - started}


def load(path: Path) -> None:
    """Load one file and print what it took (the child process of ``run_loader``)."""
    import resource

    from property_credit.ingestion.load import ingest_file

    started = time.perf_counter()
    report = ingest_file(
        feed="complaints",
        profile=str(ROOT / "benchmarks/complaints_profile.yml"),
        path=path,
        business_date=BUSINESS_DATE,
    )
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(
        json.dumps(
            {
                "status": report.status,
                "message": report.message,
                "seconds": time.perf_counter() - started,
                "rows_in": report.rows_in,
                "rows_rejected": report.rows_rejected,
                "rows_waiting": report.rows_waiting,
                "rows_duplicate": report.rows_duplicate,
                "peak_mib": peak_mib(),
                "cpu_seconds": usage.ru_utime + usage.ru_stime,
            }
        )
    )


def main() -> None:
    """Run the rounds and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks/results/ingest_csv.json")
    parser.add_argument("--no-floor-index", action="store_true", help="psql's table without an index on the key")
    parser.add_argument("--load", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.load:
        load(chosen.load)
        return
    prepare()
    from property_credit.warehouse.settings import get_settings

    archive = get_settings().data_dir / "bench-archive"
    os.environ["ARCHIVE_DIR"] = str(archive)
    with tempfile.TemporaryDirectory(dir=get_settings().data_dir) as folder:
        dirty, clean, refused = write_files(chosen.rows, Path(folder))
        small, _clean, _refused = None, None, None
        if chosen.rows >= 1_000_000:
            (Path(folder) / "small").mkdir()
            small, _clean, _refused = write_files(chosen.rows // 5, Path(folder) / "small")
        rounds = []
        for number in range(chosen.rounds):
            pair: dict[str, Any] = {}
            for who in ("psql", "loader") if number % 2 else ("loader", "psql"):
                fresh_database(has_floor_index=not chosen.no_floor_index)
                if who == "psql":
                    pair["psql_seconds"] = run_psql(clean)
                else:
                    pair |= run_loader(dirty)
                    remove(archive)
            if pair["status"] != "loaded" or pair["rows_rejected"] + pair["rows_waiting"] != refused:
                raise SystemExit(f"the load went wrong: {pair}, {refused} rows should have been refused")
            pair["ratio"] = pair["psql_seconds"] / pair["seconds"]
            rounds.append(pair)
            print(json.dumps(pair), flush=True)
        fifth = None
        if small:
            fresh_database(has_floor_index=False)
            fifth = run_loader(small)["peak_mib"]
            remove(archive)
        result = {
            "name": "ingest_csv",
            "what": "GB18030 CSV -> row rules -> raw + quarantine, against psql \\copy (1: as fast; more is faster)",
            "ratio": statistics.median(pair["ratio"] for pair in rounds),
            "floor": "psql \\copy of the clean twin into a typed table"
            + ("" if chosen.no_floor_index else " with the same index on the key"),
            "rows": chosen.rows,
            "file_mib": dirty.stat().st_size >> 20,
            "seconds": statistics.median(pair["seconds"] for pair in rounds),
            "floor_seconds": statistics.median(pair["psql_seconds"] for pair in rounds),
            "peak_mib": max(pair["peak_mib"] for pair in rounds),
            "peak_mib_of_a_fifth": fifth,
            "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()},
            "rounds": rounds,
        }
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(
        f"ratio {result['ratio']:.2f}, {result['seconds']:.1f} s against {result['floor_seconds']:.1f} s, "
        f"peak {result['peak_mib']:.0f} MiB -> {chosen.out}"
    )


def remove(folder: Path) -> None:
    """Take the archive of a run away."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
