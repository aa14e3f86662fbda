"""What one tick of the 码上办 clocks costs over a million open complaints, and whether closed ones cost anything.

Open complaints are spread over a day, as they come in: in five minutes 1/288 of them reaches each of the three limits,
and a batch brings new, answered and solved ones. A tick is run and rolled back, so every round finds the same state.
The floor is what no tick can do without, on the same tables in the same round: find the due rows by their index and
write as many escalations and notices. Then closed complaints are added, with their versions in raw and what was
escalated of them, and the rounds are run again.

    python -m benchmarks.tick --open 1000000 --closed 5000000 --rounds 7 --out benchmarks/results/tick.json
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path
from typing import Any

AS_OF = "2026-10-31T08:05:00+08:00"
OPEN = """
insert into supervision.open_complaints (complaint_id, community_id, region_code, category_code, channel_code,
  is_withdrawn, submitted_at, responded_at, next_at)
select 'O' || n, 'C' || n %% 20000, (150202 + n %% 6)::text, 'lift', 'mashangban', false, submitted_at,
  case when n %% 4 = 0 then submitted_at + interval '1 hour' end,
  case when age > interval '24 hours' then 'infinity'::timestamptz
    when age > interval '12 hours' then submitted_at + interval '24 hours'
    when age > interval '2 hours' then submitted_at + interval '12 hours'
    else submitted_at + interval '2 hours' end
from (
  select n, %(as_of)s::timestamptz - age as submitted_at, age - interval '5 minutes' as age
  from (select n, n * (interval '30 hours' / %(count)s) as age from generate_series(1, %(count)s) as n) as aged
) as spread
"""
ESCALATED = """
insert into supervision.escalations (escalation_id, complaint_id, kind_code, level_code, community_id, region_code,
  office_region_code, category_code, submitted_at, limit_minutes, due_at, raised_at, is_told, revision_no,
  business_date, closed_at, close_reason_code)
select complaint_id || '/' || kind_code, complaint_id, kind_code, level_code, community_id, region_code, region_code,
  category_code, submitted_at, minutes, submitted_at + make_interval(mins => minutes),
  submitted_at + make_interval(mins => minutes), true, 1, '2026-10-30', closed_at, reason
from ({source}) as complaints
cross join (values ('response', 'district', 120), ('handling', 'city', 720), ('resolution', 'region', 1440))
  as kinds (kind_code, level_code, minutes)
where {condition}
"""
RAISED_BEFORE = ESCALATED.format(
    source="select *, null::timestamptz as closed_at, null as reason from supervision.open_complaints",
    condition="submitted_at + make_interval(mins => minutes) < %(as_of)s::timestamptz - interval '5 minutes' "
    "and (kind_code <> 'response' or responded_at is null)",
)
RAW = """
insert into raw.complaints (complaint_id, channel_code, community_id, region_code, category_code, status_code,
  submitted_at, responded_at, resolved_at, batch_id, row_number, known_on, received_at, row_hash)
select {name}, 'mashangban', 'C' || n %% 20000, (150202 + n %% 6)::text, 'lift', {status}, {submitted},
  {responded}, {resolved}, {batch}, n, {known_on}, {arrived}, n
from generate_series(1, %(count)s) as n
"""
CLOSED = RAW.format(
    name="'X' || n",
    status="'resolved'",
    submitted="timestamptz '2026-10-01' - n * interval '10 seconds'",
    responded="timestamptz '2026-10-01' - n * interval '10 seconds' + interval '1 hour'",
    resolved="timestamptz '2026-10-01' - n * interval '10 seconds' + interval '30 hours'",
    batch="'closed ' || n / 50000",
    known_on="date '2026-10-02'",
    arrived="timestamptz '2026-10-02' + n / 50000 * interval '1 minute'",
)
CLOSED_ESCALATED = ESCALATED.format(
    source="select 'X' || n as complaint_id, 'C' || n %% 20000 as community_id, "
    "(150202 + n %% 6)::text as region_code, 'lift' as category_code, "
    "timestamptz '2026-10-01' - n * interval '10 seconds' as submitted_at, "
    "timestamptz '2026-10-02' as closed_at, 'solved' as reason from generate_series(1, %(closed)s) as n",
    condition="kind_code = 'resolution' and %(as_of)s::timestamptz is not null",
)
# of the new batch: half are new, a third of open ones is answered, the rest is solved
BATCH = RAW.format(
    name="case when n %% 2 = 0 then 'N' || n else 'O' || n * %(step)s end",
    status="'responded'",
    submitted="timestamptz '2026-10-31T08:04+08:00' - n %% 2 * n * %(step)s * (interval '30 hours' / %(open)s)",
    responded="case when n %% 2 = 1 then timestamptz '2026-10-31T08:03+08:00' end",
    resolved="case when n %% 6 = 1 then timestamptz '2026-10-31T08:04+08:00' end",
    batch="'new'",
    known_on="date '2026-10-31'",
    arrived="timestamptz '2026-10-31T08:05+08:00'",
)
WRITTEN = {
    "escalations": "select * from supervision.escalations where raised_at = %s",
    "notices": "select * from supervision.notices where raised_at = %s",
}
FLOOR_READ = "select complaint_id from supervision.open_complaints where next_at <= %s"


def build(connection: Any, *, open_count: int, new_count: int) -> None:
    """Fill the tables with open complaints, what was raised of them before, and a batch that no tick has read."""
    from property_credit.warehouse.business_date import arrival

    given = {"as_of": AS_OF, "count": open_count}
    connection.execute(OPEN, given)
    connection.execute(RAISED_BEFORE, given)
    connection.execute(BATCH, {"count": new_count, "open": open_count, "step": open_count // new_count})
    connection.execute(
        "insert into ops.batches (batch_id, feed, source_profile, source_file, archive_path, content_sha256, "
        "content_bytes, business_date, received_at, status, rows_in, rows_accepted, rows_rejected, rows_duplicate) "
        "values ('new', 'complaints', 'mashangban_api', '', '', '', 0, '2026-10-31', '2026-10-31T08:05+08:00', "
        "'loaded', %s, %s, 0, 0)",
        (new_count, new_count),
    )
    from psycopg.types.json import Jsonb

    from property_credit.supervision.limits import load

    connection.execute(
        "insert into supervision.ticks (as_of, business_date, limits, batch_count, changed_count, looked_at_count, "
        "raised_count, told_count, closed_count, reopened_count, open_count, recorded_at) "
        "values ('2026-10-31T08:00+08:00', '2026-10-31', %s, 0, 0, 0, 0, 0, 0, 0, 0, %s)",
        (Jsonb(load().model_dump(mode="json")), arrival()),
    )


def settle(connection: Any) -> None:
    """Vacuum and analyze what was written, as a server does on its own in time."""
    for name in ("supervision.open_complaints", "supervision.escalations", "supervision.notices", "raw.complaints"):
        connection.execute(f"vacuum analyze {name}")  # names of this file
    connection.execute("checkpoint")


def processor_seconds(process: int) -> float:
    """Return the seconds that a process has kept a core busy: what else the machine does hardly changes them."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(") ")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def measure(rounds: int) -> tuple[list[float], list[float], list[float], Any]:
    """Return seconds of ticks, of the server's core and of floors, round by round, and what a tick did."""
    from property_credit.supervision.limits import load
    from property_credit.supervision.tick import _tick
    from property_credit.warehouse.connection import connect

    as_of, limits = datetime.fromisoformat(AS_OF), load()
    ticks, busy, floors, report = [], [], [], None
    with connect("pc_supervision") as connection:
        server = connection.info.backend_pid
        for number in range(rounds + 1):
            started, used = time.perf_counter(), processor_seconds(server)
            report = _tick(connection, as_of, limits)
            ticks.append(time.perf_counter() - started)
            busy.append(processor_seconds(server) - used)
            rows = {name: connection.execute(query, (as_of,)).fetchall() for name, query in WRITTEN.items()}
            connection.rollback()
            started = time.perf_counter()
            connection.execute(FLOOR_READ, (as_of,)).fetchall()
            for name, written in rows.items():
                with connection.cursor() as cursor, cursor.copy(f"copy supervision.{name} from stdin") as copy:
                    for row in written:
                        copy.write_row([json.dumps(value) if isinstance(value, dict) else value for value in row])
            floors.append(time.perf_counter() - started)
            connection.rollback()
            if number == 0:  # the first finds nothing in memory
                for timings in (ticks, busy, floors):
                    timings.clear()
    return ticks, busy, floors, report


def main() -> int:
    """Run, print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--open", type=int, default=1_000_000)
    parser.add_argument("--closed", type=int, default=5_000_000)
    parser.add_argument("--new", type=int, default=6_000, help="rows of the batch that the tick reads")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="property-credit-bench-") as folder:
        Path(folder).chmod(0o755)
        os.environ["DATA_DIR"] = folder
        from property_credit.warehouse import embedded
        from property_credit.warehouse.connection import connect
        from property_credit.warehouse.migrate import migrate

        migrate()
        try:
            with connect(autocommit=True) as connection:
                build(connection, open_count=chosen.open, new_count=chosen.new)
                settle(connection)
                without, busy_without, floors, report = measure(chosen.rounds)
                given = {"closed": chosen.closed, "as_of": AS_OF}
                connection.execute(CLOSED, {"count": chosen.closed})
                connection.execute(CLOSED_ESCALATED, given)
                settle(connection)
            with_closed, busy_with, more_floors, _ = measure(chosen.rounds)
        finally:
            embedded.stop(Path(folder))
    seconds, floor = statistics.median(with_closed), statistics.median(floors + more_floors)
    result = {
        "name": "tick",
        "what": "one tick over open complaints, as a ratio to finding the due rows and writing what it writes",
        "ratio": round(statistics.median(a / b for a, b in zip(with_closed, more_floors, strict=True)), 2),
        "open": chosen.open,
        "closed": chosen.closed,
        "looked_at": report.looked_at_count,
        "raised": report.raised_count,
        "closed_by_the_tick": report.closed_count,
        "seconds_without_closed": round(statistics.median(without), 3),
        "seconds_with_closed": round(seconds, 3),
        "slowest_seconds": round(max(with_closed), 3),
        "server_seconds_without_closed": round(statistics.median(busy_without), 3),
        "server_seconds_with_closed": round(statistics.median(busy_with), 3),
        "floor_seconds": round(floor, 3),
        "with_closed_to_without": round(seconds / statistics.median(without), 2),
    }
    text = json.dumps(result, indent=2)
    sys.stdout.write(text + "\n")
    if chosen.out:
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        chosen.out.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
