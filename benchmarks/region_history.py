"""A region's raw tables at any size and length of history, multiplied in SQL from a small simulated one.

``multiply`` copies the region beside itself (more enterprises, communities and events) and back in time (more months);
``ordinary_night`` adds one day of new rows and corrections of the last 90 days. Only for benchmarks: the copies have
identifiers with suffixes, which no office would send.
"""

from datetime import date
from typing import LiteralString

from psycopg import sql

from property_credit.warehouse.business_date import arrival
from property_credit.warehouse.connection import connect

MONTHS = 24  # of the simulated region
ENTITIES = {"uscc", "community_id", "staff_id", "lift_id", "rater_code", "account_no"}
EVENTS = {
    "contract_id", "complaint_id", "repeat_of_id", "inspection_id", "entry_id", "voucher_no", "vote_id",
    "disclosure_id", "record_id", "survey_id", "objection_id", "target_id", "mediation_id", "rating_id",
    "assessment_id", "handover_id", "report_id",
}  # fmt: skip
REGISTERS = ("enterprises", "communities", "personnel")  # registers have one row a thing, however long the history
HAPPENED: dict[str, LiteralString] = {
    "complaints": "(submitted_at at time zone 'Asia/Shanghai')::date",
    "inspections": "inspected_on",
    "funds": "booked_on",
    "disclosures": "published_on",
}
KEYS = {
    "complaints": "complaint_id", "inspections": "inspection_id", "funds": "entry_id", "disclosures": "disclosure_id",
}  # fmt: skip
CORRECTED: dict[str, LiteralString] = {  # a column and what a correction makes of it
    "complaints": "case callback_result_code when 'satisfied' then 'unsatisfied' else 'satisfied' end",
    "inspections": "inspected_on + 20",
    "funds": "not is_emergency",
    "disclosures": "is_verified is not true",
}
CHANGED = {
    "complaints": "callback_result_code", "inspections": "rectified_on", "funds": "is_emergency",
    "disclosures": "is_verified",
}  # fmt: skip

# rows of the last days, a share of them that their keys choose: others every night
CHOSEN: LiteralString = (
    "{happened} > {night} - {back} and {happened} < {night}"
    " and hashtext({key} || {number}) & 2147483647 < {share} * 214748"
)


def multiply(*, copies: int, months: int) -> dict[str, int]:
    """Make ``copies`` of the region in raw, each ``months`` (a multiple of 24) long; return the rows of each feed."""
    from property_credit.ingestion.feeds import NAMES

    multiplied = {}
    with connect() as connection:
        for feed in NAMES:
            columns = connection.execute(
                "select column_name, data_type from information_schema.columns"
                " where table_schema = 'raw' and table_name = %s order by ordinal_position",
                (feed,),
            ).fetchall()
            lengths = 1 if feed in REGISTERS else months // MONTHS
            connection.execute(sql.SQL("create temporary table base as select * from {}").format(_raw(feed)))
            for copy in range(copies):
                for length in range(lengths):
                    if copy or length:
                        connection.execute(_copied(feed, columns, copy, length))
            connection.execute("drop table base")
            connection.execute(sql.SQL("analyze {}").format(_raw(feed)))
            counted = connection.execute(sql.SQL("select count(*) from {}").format(_raw(feed))).fetchone()
            multiplied[feed] = counted[0] if counted else 0
            connection.execute(
                "update ops.batches set rows_in = %(rows)s, rows_accepted = %(rows)s, rows_rejected = 0,"
                " rows_duplicate = 0 where feed = %(feed)s and status = 'loaded'",
                {"rows": multiplied[feed], "feed": feed},
            )
    return multiplied


def _raw(feed: str) -> sql.Identifier:
    return sql.Identifier("raw", feed)


def _copied(feed: str, columns: list[tuple[str, str]], copy: int, length: int) -> sql.Composed:
    """Return the statement that inserts the base rows as copy number ``copy``, ``length`` times 24 months earlier."""
    beside = f"-{copy}" if copy else ""
    earlier = f"{beside}~{length}" if length else beside
    shift = sql.SQL(" - interval {}").format(sql.Literal(f"{MONTHS * length} months"))
    wanted = []
    for name, kind in columns:
        value: sql.Composable = sql.Identifier(name)
        if name in ENTITIES:
            value = sql.SQL("{} || {}").format(value, sql.Literal(beside))
        elif name in EVENTS:
            # of an inspection's line the inspection comes first: <inspection_id>/<line_code>
            value = sql.SQL("regexp_replace({}, '^([^/]+)', {})").format(value, sql.Literal("\\1" + earlier))
        elif name == "ended_on" and feed == "contracts" and length:  # one that goes on goes over to the next copy
            value = sql.SQL("(coalesce(ended_on, known_on){})::date").format(shift)
        elif kind == "date" and name != "known_on" and length:
            value = sql.SQL("({}{})::date").format(value, shift)
        elif kind.startswith("timestamp") and name != "received_at" and length:
            value = sql.SQL("{}{}").format(value, shift)
        wanted.append(value)
    return sql.SQL("insert into {} ({}) select {} from base").format(
        _raw(feed), sql.SQL(", ").join(sql.Identifier(name) for name, _ in columns), sql.SQL(", ").join(wanted)
    )


def ordinary_night(night: date, *, number: int, corrected: float = 0.005) -> int:
    """Add a day of new rows (as many as a day of the last month has) and corrections of the last 90 days; return all.

    ``corrected``: share of the rows of those 90 days that get another version.
    """
    total, arrived = 0, arrival()
    with connect() as connection:
        for feed, happened in HAPPENED.items():
            columns = [
                name
                for (name,) in connection.execute(
                    "select column_name from information_schema.columns where table_schema = 'raw' and table_name = %s"
                    " order by ordinal_position",
                    (feed,),
                )
            ]
            batch_id = f"n{number:04d}{feed}"
            known: dict[str, sql.Composable] = {"batch_id": sql.Literal(batch_id), "known_on": sql.Literal(night)}
            known |= {"received_at": sql.Literal(arrived), "row_hash": sql.SQL("row_hash + {}").format(number)}
            dates = {
                name: sql.SQL("{0} + ({1} - {2})").format(sql.Identifier(name), sql.Literal(night), sql.SQL(happened))
                for name in columns
                if name.endswith("_on") and name != "known_on"
            }
            dates |= {
                name: sql.SQL("{0} + ({1} - {2}) * interval '1 day'").format(
                    sql.Identifier(name), sql.Literal(night), sql.SQL(happened)
                )
                for name in columns
                if name.endswith("_at") and name not in ("received_at", "updated_at")
            }
            key = sql.Identifier(KEYS[feed])
            renamed = {KEYS[feed]: sql.SQL("{} || {}").format(key, sql.Literal(f"+{number}"))}
            fixed = {CHANGED[feed]: sql.SQL(CORRECTED[feed])}
            count = 0
            for back, share, changes in (
                (30, 1 / 30, {**known, **dates, **renamed}),
                (90, corrected, {**known, **fixed}),
            ):
                where = sql.SQL(CHOSEN).format(
                    happened=sql.SQL(happened),
                    night=sql.Literal(night),
                    back=back,
                    key=key,
                    number=sql.Literal(f"/{number}"),
                    share=round(share * 10_000),
                )
                count += connection.execute(
                    sql.SQL("insert into {raw} ({names}) select {values} from {raw} where {where}").format(
                        raw=_raw(feed),
                        names=sql.SQL(", ").join(map(sql.Identifier, columns)),
                        values=sql.SQL(", ").join(changes.get(name, sql.Identifier(name)) for name in columns),
                        where=where,
                    )
                ).rowcount
            connection.execute(
                "select ops.register_batch(%s, %s, 'night', 'night.csv', 'x', 'x', 1, %s, %s,"
                " 'loaded', null, %s, %s, 0, 0, 0, %s, '{}')",
                (batch_id, feed, night, arrived, count, count, night),
            )
            connection.execute("select ops.analyze_feed(%s)", (feed,))
            total += count
    return total
