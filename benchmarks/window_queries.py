"""The 24-month windows three ways: out of the stored sums, made anew in PostgreSQL, and by DuckDB from Parquet files.

Every way gives the same rows, which is checked; what is timed is making them and adding them up, not handing them to
Python, which is the same for all and takes a third of the whole. DuckDB is a yardstick of what columns can do, and no
part of the house.
"""

import io
import statistics
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, LiteralString

from property_credit.warehouse.connection import connect

ROUNDS = 5
# firm × month: complaints that were not withdrawn, countable ones, and those of them in time, by each of the clocks
STORED: LiteralString = """
    select manager_key, month_on, sum(complaint_count)::bigint, sum(resolved_within_24h_count)::bigint,
      sum(countable_count)::bigint, sum(countable_responded_count)::bigint, sum(countable_handled_count)::bigint,
      sum(countable_resolved_count)::bigint
    from intermediate.int_complaint_months__summed where month_on >= %(first)s group by 1, 2
"""
ANEW: LiteralString = """
    select coalesce(uscc, 'none'), {month}, count(*), count(*) filter (where resolution_minutes <= 1440),
      count(*) filter (where is_countable), count(*) filter (where is_countable and response_minutes <= 120),
      count(*) filter (where is_countable and handling_minutes <= 720),
      count(*) filter (where is_countable and score_resolution_minutes <= 1440)
    from {facts} where status_code <> 'withdrawn' and submitted_on >= {first} group by 1, 2
"""

ADDED_UP: LiteralString = """
    select count(*), sum(c1), sum(c2), sum(c3), sum(c4), sum(c5), sum(c6)
    from ({rows}) as windows(manager_key, month_on, c1, c2, c3, c4, c5, c6)
"""


def measure(folder: Path, night: date) -> dict[str, Any]:
    """Return seconds (medians) of the three ways for the warehouse in use; raise when their rows differ."""
    import duckdb

    first = date(night.year - 2, night.month, 1) if night.month == 12 else date(night.year - 2, night.month + 1, 1)
    file = folder / f"fct_complaints-{time.time_ns()}.parquet"
    write_parquet(file)
    with duckdb.connect() as columns, connect() as rows:
        columns.execute("set threads = 2")
        rows.execute("set max_parallel_workers_per_gather = 2")
        from_files = ANEW.format(
            month="cast(date_trunc('month', submitted_on) as date)",
            facts=f"read_parquet('{file}')",
            first=f"date '{first}'",
        )
        in_postgres = ANEW.format(
            month="date_trunc('month', submitted_on::timestamp)::date",
            facts="intermediate.int_complaints__attributed",
            first=f"date '{first}'",
        )
        queries = {"stored_sums": STORED, "anew_in_postgresql": in_postgres, "duckdb_from_files": from_files}
        ask: dict[str, Callable[[str], list[Any]]] = {
            "stored_sums": lambda query: rows.execute(query, {"first": first}).fetchall(),
            "anew_in_postgresql": lambda query: rows.execute(query).fetchall(),
            "duckdb_from_files": lambda query: columns.execute(query).fetchall(),
        }
        timings = {name: sorted(ask[name](query)) for name, query in queries.items()}  # warms the caches too
        if not timings["stored_sums"] == timings["anew_in_postgresql"] == timings["duckdb_from_files"]:
            raise RuntimeError("the windows differ between the stored sums, PostgreSQL and DuckDB")
        seconds: dict[str, list[float]] = {name: [] for name in queries}
        for _ in range(ROUNDS):
            for name, query in queries.items():
                started = time.perf_counter()
                ask[name](ADDED_UP.format(rows=query))
                seconds[name].append(time.perf_counter() - started)
    file.unlink()
    medians = {name: round(statistics.median(taken), 4) for name, taken in seconds.items()}
    return {
        "rows": len(timings["stored_sums"]),
        "seconds": medians,
        "stored_sums_of_duckdb": round(medians["stored_sums"] / medians["duckdb_from_files"], 2),
        "anew_of_duckdb": round(medians["anew_in_postgresql"] / medians["duckdb_from_files"], 2),
    }


def write_parquet(file: Path) -> None:
    """Write the columns of fct_complaints that the windows need, every row of them, as a Parquet file."""
    import polars

    clocks = ("response_minutes", "handling_minutes", "resolution_minutes", "score_resolution_minutes")
    copied = io.BytesIO()
    with (
        connect() as connection,
        connection.cursor().copy(
            "copy (select uscc, status_code, submitted_on, is_countable::integer, response_minutes, handling_minutes,"
            " resolution_minutes, score_resolution_minutes from marts.fct_complaints) to stdout (format csv, header)"
        ) as blocks,
    ):
        for block in blocks:
            copied.write(block)
    copied.seek(0)
    types = {
        "uscc": polars.String,
        "status_code": polars.String,
        "submitted_on": polars.Date,
        "is_countable": polars.Int8,
    }
    frame = polars.read_csv(copied, schema_overrides={**types, **dict.fromkeys(clocks, polars.Float64)})
    frame.with_columns(polars.col("is_countable").cast(polars.Boolean)).write_parquet(file)
