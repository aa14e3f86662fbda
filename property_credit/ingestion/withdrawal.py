"""A load taken back: append-only, known from a night on, so that every earlier night is rebuilt with it.

Owns what ends with a load: all versions that its delivery brought, also by later readings and releases, and the rows of
it that still wait. Deliveries that had repeated its rows, which were left out as duplicates, are due to be read again
(``deliveries.due``).
"""

import getpass
import hashlib
from dataclasses import replace
from datetime import date

from property_credit.ingestion import batches, feeds, held, waiting
from property_credit.ingestion.batches import BatchReport
from property_credit.ingestion.contract import IngestionError
from property_credit.warehouse.connection import connect

LOAD = """
select batches.feed, batches.delivery_id, batches.batch_id
from ops.batches
where (batches.batch_id = %(name)s or batches.delivery_id = %(name)s) and batches.status = 'loaded'
order by batches.kind in ('load', 'reading') desc, batches.received_at desc limit 1
"""
STANDING = """
select batches.batch_id from ops.batches
where batches.delivery_id = %s and batches.status = 'loaded' and batches.kind in ('load', 'reading')
  and not exists (select from ops.batches as later where later.replaces_batch_id = batches.batch_id
    and later.status = 'loaded')
"""


def withdraw(name: str, *, why: str, by: str | None, business_date: date) -> BatchReport:
    """Take back the delivery of batch (or delivery) ``name`` from the night of ``business_date`` on.

    The report's ``rows_withdrawn`` counts the versions that no longer count, ``rows_waiting`` the rows that no longer
    wait. IngestionError without a reason, when there is no such load, or when it was taken back already.
    """
    if not why.strip():
        raise IngestionError("say why: it stands beside the load for good")
    with connect("pc_ingestion") as connection, connection.cursor() as cursor:
        row = cursor.execute(LOAD, {"name": name}).fetchone()
        if row is None:
            raise IngestionError(f"there is no loaded batch {name}; `property-credit batches list` shows them")
        feed, delivery_id, _batch_id = feeds.get(row[0]), row[1], row[2]
        cursor.execute("select pg_advisory_xact_lock(hashtext('ingestion of ' || %s))", (feed.name,))
        standing = cursor.execute(STANDING, (delivery_id,)).fetchone()
        if standing is None:
            raise IngestionError(f"the load of {name} was taken back already")
        identity = waiting.identity_of(cursor, feed, standing[0])
        named = hashlib.sha256(f"withdrawal\n{delivery_id}\n{standing[0]}".encode()).hexdigest()
        identity = replace(identity, kind="withdrawal", batch_id="b" + named[:16], replaces=standing[0])
        stats = batches.statistics_of(identity, business_date)
        received_at = batches.stamp(connection)
        stats.rows_withdrawn = held.withdraw(cursor, feed, delivery_id, identity.batch_id, business_date, received_at)
        ended = waiting.end_of_delivery(cursor, feed, delivery_id)
        stats.decision = {"why": why.strip(), "by": by or getpass.getuser()}
        cursor.execute(batches.REGISTER, (batches.line(identity, stats, received_at=received_at),))
    return BatchReport(
        batch_id=identity.batch_id,
        delivery_id=delivery_id,
        feed=feed.name,
        profile=identity.profile,
        source_file=identity.source_file,
        status="loaded",
        kind="withdrawal",
        rows_withdrawn=stats.rows_withdrawn,
        rows_waiting=ended,
        message=why.strip(),
    )
