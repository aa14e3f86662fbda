"""Rows a second of every feed: a region's files through the whole loader, each feed against a floor in the same run.

Files: ``psql \\copy`` of what the feed accepted into a table like raw's, with its indexes. A workbook of 200,000 rows:
fastexcel's bare reading of it. The complaints API: draining the same server page by page without keeping anything; to
pull and to load what was pulled are also told apart, since a pull holds no lock while a server answers.
Offices' files are small: what a delivery costs however small it is (its hash, its archived copy, a transaction, the
gate's look at earlier batches) weighs more there than its rows do.

    python -m benchmarks.ingest_feeds --preset city --out benchmarks/results/ingest_feeds.json
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from benchmarks import ingest_csv

DAY = date(2026, 10, 31)
DATABASE = "bench_feeds"
SEED = 20261031


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds ``work`` took and its result."""
    started = time.perf_counter()
    result = work()
    return time.perf_counter() - started, result


def prepare(folder: Path, preset: str) -> None:
    """Make the region's deliveries in ``folder`` and an empty warehouse for them."""
    import psycopg

    from property_credit.warehouse import connection
    from property_credit.warehouse.migrate import migrate
    from property_credit.warehouse.settings import get_settings
    from simulation.region import simulate

    with psycopg.connect(**connection.parameters(database="postgres"), autocommit=True) as opened:
        opened.execute(f"drop database if exists {DATABASE} with (force)")
    os.environ |= {
        "WAREHOUSE_DATABASE": DATABASE,
        "LANDING_DIR": str(folder / "landing"),
        "ARCHIVE_DIR": str(folder / "archive"),
    }
    get_settings.cache_clear()
    migrate()
    simulate(preset=preset, seed=SEED, out=folder, through=DAY, nights=0, dirt=True)


def load_feed(feed: str, folder: Path) -> dict[str, Any] | None:
    """Load a feed's files and copy what was accepted by psql; None when the region has no file of it."""
    from property_credit.ingestion.load import no_check
    from property_credit.ingestion.night import ingest_feed

    seconds, reports = timed(lambda: ingest_feed(feed, DAY, check=no_check))
    loaded = [report for report in reports if report.status == "loaded"]
    if not loaded:
        return None
    rows = sum(report.rows_in for report in loaded)
    floor = copy_by_psql(feed, [report.batch_id for report in loaded], folder)
    return {
        "feed": feed,
        "files": len(loaded),
        "rows": rows,
        "rows_per_second": round(rows / seconds),
        "seconds": seconds,
        "floor_seconds": floor,
        "ratio": floor / seconds,
    }


def copy_by_psql(feed: str, batch_ids: list[str], folder: Path) -> float:
    """Return the seconds ``psql \\copy`` takes for the accepted rows of these batches."""
    import psycopg
    from psycopg import sql

    from property_credit.warehouse import connection, embedded

    path = folder / f"{feed}.csv"
    source, target = sql.Identifier("raw", feed), sql.Identifier("public", f"floor_{feed}")
    with psycopg.connect(**connection.parameters(), autocommit=True) as opened, path.open("wb") as file:
        opened.execute(sql.SQL("create table {} (like {} including indexes)").format(target, source))
        chosen = sql.SQL("copy (select * from {} where batch_id = any({})) to stdout with (format csv)")
        with opened.cursor().copy(chosen.format(source, sql.Literal(batch_ids))) as copy:
            for piece in copy:
                file.write(piece)
    command = f"\\copy public.floor_{feed} from '{path}' with (format csv)"
    program = [str(embedded.binaries() / "psql"), "-q", "-X", "-v", "ON_ERROR_STOP=1", "-c", command, connection.url()]
    seconds, _finished = timed(lambda: subprocess.run(program, check=True))
    path.unlink()
    return seconds


def pull_api(url: str) -> dict[str, Any]:
    """Drain the complaints API at ``url``, then pull it through the loader."""
    import httpx

    from property_credit.ingestion import api_reader
    from property_credit.ingestion import profile as profiles
    from property_credit.ingestion.load import no_check
    from property_credit.ingestion.night import pull_feed

    profile = next(one for one in profiles.load_all() if one.format == "json_api" and one.feed == "complaints")

    def drain() -> int:
        cursor, pages = None, 0
        with httpx.Client(base_url=url, timeout=30) as client:
            while True:
                query: dict[str, Any] = {
                    profile.page_size_param: profile.page_size,
                    profile.until_param: DAY.isoformat(),
                }
                answer = client.get(profile.path, params=query | ({profile.cursor_param: cursor} if cursor else {}))
                page = answer.raise_for_status().json()
                pages += 1
                if not page[profile.records] or page[profile.next] in (None, cursor):
                    return pages
                cursor = page[profile.next]

    timed(drain)  # imports, and the server's files in memory
    floor, pages = timed(drain)
    pulling, _pages = timed(lambda: sum(1 for _ in api_reader.pull(profile, cursor=None, until=DAY)))
    seconds, reports = timed(lambda: pull_feed("complaints", DAY, check=no_check))
    rows = sum(report.rows_in for report in reports if report.status == "loaded")
    return {
        "feed": "complaints (API)",
        "files": pages,
        "rows": rows,
        "rows_per_second": round(rows / seconds),
        "seconds": seconds,
        "floor_seconds": floor,
        "ratio": floor / seconds,
        "pull_ratio": floor / pulling,
        "loaded_rows_per_second": round(rows / (seconds - pulling)),
    }


def load_workbook(rows: int, folder: Path) -> dict[str, Any]:
    """Load a workbook of complaints, and only read it."""
    import fastexcel
    import polars
    import xlsxwriter

    from property_credit.ingestion.load import ingest_file

    os.environ["ARCHIVE_DIR"] = str(folder / "archive")
    ingest_csv.prepare()
    ingest_csv.fresh_database(has_floor_index=False)
    source, _clean, refused = ingest_csv.write_files(rows, folder)
    frame = polars.read_csv(source.read_bytes().decode("gb18030").encode(), infer_schema=False)
    path, profile = folder / "complaints.xlsx", folder / "workbook.yml"
    with xlsxwriter.Workbook(path, {"constant_memory": True}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, frame.columns)
        for number, row in enumerate(frame.iter_rows(), start=1):
            for place, value in enumerate(row):
                if value is not None:
                    sheet.write_string(number, place, value)
    text = (Path(ingest_csv.ROOT) / "benchmarks/complaints_profile.yml").read_text(encoding="utf-8")
    text = text.replace("format: csv", "format: xlsx").replace("encoding: gb18030\n", "").replace("*.csv", "*.xlsx")
    profile.write_text(text, encoding="utf-8")
    floor, _frame = timed(
        lambda: fastexcel.read_excel(path).load_sheet(0, header_row=None, dtypes="string").to_polars()
    )
    seconds, report = timed(lambda: ingest_file(feed="complaints", profile=str(profile), path=path, business_date=DAY))
    if report.status != "loaded" or report.rows_rejected != refused:
        raise SystemExit(f"the workbook went wrong: {report.status} {report.message}, {report.rows_rejected} refused")
    return {
        "feed": "complaints (.xlsx)",
        "files": 1,
        "rows": rows,
        "rows_per_second": round(rows / seconds),
        "seconds": seconds,
        "floor_seconds": floor,
        "ratio": floor / seconds,
    }


def main() -> None:
    """Load everything once and write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="city")
    parser.add_argument("--workbook-rows", type=int, default=200_000)
    parser.add_argument("--out", type=Path, default=ingest_csv.ROOT / "benchmarks/results/ingest_feeds.json")
    chosen = parser.parse_args()
    from property_credit.ingestion import feeds
    from property_credit.warehouse.settings import get_settings
    from simulation.complaints_api import running

    with tempfile.TemporaryDirectory(dir=get_settings().data_dir) as name:
        folder = Path(name)
        prepare(folder, chosen.preset)
        results = []
        with running(folder / "complaints_api") as url:
            os.environ["COMPLAINTS_API_URL"] = url
            get_settings.cache_clear()
            for feed in feeds.NAMES:
                if feed == "complaints":
                    results.append(pull_api(url))
                if one := load_feed(feed, folder):
                    results.append(one)
        files = [one for one in results if "(" not in one["feed"]]
        results.append(load_workbook(chosen.workbook_rows, folder))
    for one in results:
        counts = f"{one['files']:>6} files or pages {one['rows']:>9,} rows {one['rows_per_second']:>9,} rows/s"
        print(f"{one['feed']:<24} {counts}  {one['ratio']:.2f} of its floor")
        if "pull_ratio" in one:
            loaded = f"loading alone {one['loaded_rows_per_second']:,} rows/s"
            print(f"{'':<24} pulling alone {one['pull_ratio']:.2f} of draining the server, {loaded}")
    result = {
        "name": "ingest_feeds",
        "what": f"all files of the sample {chosen.preset} through the loader, against psql \\copy of their rows",
        "ratio": sum(one["floor_seconds"] for one in files) / sum(one["seconds"] for one in files),
        "floor": "psql \\copy of the accepted rows; .xlsx: fastexcel alone; API: draining the server",
        "feeds": results,
    }
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
