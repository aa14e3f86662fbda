"""What was decided of keys that collide: a correction is accepted, or refused, under a document.

``accept`` lets the values that came last stand, ``refuse`` those that stood first; the other side's rows are given up
(``quarantine.dropped_rows``), with who, why and the document, and refused when they come again. Both are loads of their
own, known from their night on.
"""

import getpass
from datetime import date

import psycopg
from psycopg import sql

from property_credit.ingestion import feeds, keys, waiting
from property_credit.ingestion.batches import BatchReport
from property_credit.ingestion.contract import Feed, IngestionError
from property_credit.warehouse.connection import connect

CHOSEN = """
select {values} from {waiting} as w where {is_key}
order by coalesce(w.arrived_at, w.received_at) {way}, w.received_at {way}, w.row_number {way} limit 1
"""
REMEMBER = """
insert into quarantine.decided_keys (feed, key, kind, values_hash, why, decided_on, decided_at)
select distinct {feed}, {key}, 'given_up', {hash}, %(why)s, %(business_date)s::date, now()
from {waiting} as w where {is_key} and not ({stands})
"""
GIVE_UP = """
with gone as (
  delete from {waiting} as w where {is_key} returning batch_id, row_number, waiting_code
)
insert into quarantine.dropped_rows (feed, batch_id, row_number, reason_code, dropped_by, why, dropped_on, dropped_at)
select {feed}, batch_id, row_number, waiting_code, %(by)s, %(why)s, %(business_date)s, clock_timestamp() from gone
"""


def decide(
    key: str,
    *,
    is_accepted: bool,
    document: str,
    why: str,
    business_date: date,
    feed: str | None = None,
    by: str | None = None,
) -> list[BatchReport]:
    """Decide a key that collides; return the loads of the rows that stand from ``business_date`` on.

    Args:
        key: as the office writes it; parts of a key of several fields joined by "/".
        is_accepted: True: what came last is a correction; False: what stood first stands.
        document: the document that the decision rests on.
        why: the reason in words; it stands beside the rows for good.
        business_date: the night from which it counts.
        feed: whose key, where several feeds have it.
        by: a person's name, by default the user of this machine.

    Raises:
        IngestionError: nothing of the key waits for a decision, several feeds have it, or a reason is missing.
    """
    if not why.strip() or not document.strip():
        raise IngestionError("say which document decides it and why: both stand beside the rows for good")
    values = {
        "key": key.strip(),
        "business_date": business_date,
        "by": by or getpass.getuser(),
        "why": f"{document.strip()}: {why.strip()}",
    }
    with connect("pc_ingestion") as connection, connection.cursor() as cursor:
        contract = _feed_of(cursor, feed, values)
        cursor.execute("select pg_advisory_xact_lock(hashtext('ingestion of ' || %s))", (contract.name,))
        table = sql.Identifier("quarantine", f"waiting_{contract.name}")
        is_key = _is_key(contract)
        parts = {
            "waiting": table,
            "is_key": is_key,
            "feed": sql.Literal(contract.name),
            "values": sql.SQL(", ").join(_value(contract, field) for field in contract.immutable),
            "way": sql.SQL("desc" if is_accepted else "asc"),
        }
        chosen = cursor.execute(sql.SQL(CHOSEN).format(**parts), values).fetchone()
        assert chosen is not None  # `_feed_of` has seen one
        stands = sql.SQL(" and ").join(
            [
                is_key,
                *(
                    sql.SQL("{} is not distinct from {}").format(_value(contract, field), sql.Literal(value))
                    for field, value in zip(contract.immutable, chosen, strict=True)
                ),
            ]
        )
        origins = cursor.execute(
            sql.SQL("select batch_id from {} as w where {} group by 1 order by min(received_at), 1").format(
                table, stands
            ),
            values,
        ).fetchall()
        reports = [
            waiting.release_batch(cursor, contract, origin, stands, values, is_decided=True) for (origin,) in origins
        ]
        parts |= {"stands": stands, "key": keys.key_text(contract, "w"), "hash": keys.values_hash(contract, "w")}
        cursor.execute(sql.SQL(REMEMBER).format(**parts), values)
        cursor.execute(sql.SQL(GIVE_UP).format(**parts), values)
    return [report for report in reports if report]


def _feed_of(cursor: psycopg.Cursor, feed: str | None, values: dict[str, object]) -> Feed:
    contracts = [feeds.get(name) for name in ([feed] if feed else feeds.NAMES)]
    having = []
    for contract in contracts:
        query = sql.SQL("select exists (select from {} as w where {})").format(
            sql.Identifier("quarantine", f"waiting_{contract.name}"), _is_key(contract)
        )
        row = cursor.execute(query, values).fetchone()
        if contract.immutable and row and row[0]:
            having.append(contract)
    if not having:
        raise IngestionError(f"nothing of key {values['key']} waits for a decision; `quarantine list` shows what does")
    if len(having) > 1:
        raise IngestionError(f"feeds {', '.join(one.name for one in having)} have this key: name one with --feed")
    return having[0]


def _is_key(feed: Feed) -> sql.Composed:
    parts = sql.SQL(", ").join(sql.Identifier("w", name) for name in feed.key)
    return sql.SQL("w.waiting_code = {} and concat_ws('/', {}) = %(key)s").format(sql.Literal(keys.CODE), parts)


def _value(feed: Feed, field: str) -> sql.Composed:
    column = sql.SQL("{}").format(sql.Identifier("w", field))
    return keys.COARSE.format(column) if feed.field(field).type == "timestamp" else column
