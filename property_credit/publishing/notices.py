"""Queue what supervision tells for the recipient of its level and region, each notice once.

Owns which recipient a notice goes to. Must not decide what is told (``supervision``) nor send anything
(``publishing.relay``).

A notice goes to one recipient: of those whose level and region take it, the one of the nearest region, and there the
one that names its level. The built-in recipient ``supervision`` takes what no other does. What was never tried follows
the recipients when they change.
"""

from dataclasses import dataclass

from psycopg import Connection

from property_credit.publishing.relay import RELAY_LOCK
from property_credit.warehouse.connection import connect

_QUEUE = """
with next as (
  select waiting.waiting_id from publishing.waiting_notices as waiting
  join supervision.notices on notices.notice_id = waiting.notice_id
  where publishing.recipient_of(notices.level_code, notices.region_code) is not null
  order by waiting.waiting_id limit %s
), gone as (
  delete from publishing.waiting_notices using next
  where waiting_notices.waiting_id = next.waiting_id returning waiting_notices.waiting_id, notice_id
)
insert into publishing.outbox (idempotency_key, subscriber, subject_id, uscc, notice_id, body)
select recipient.subscriber || '/' || notices.notice_id, recipient.subscriber, notices.subject_id, notices.uscc,
  notices.notice_id, jsonb_build_object('notice_id', notices.notice_id, 'kind_code', notices.kind_code,
    'subject_id', notices.subject_id, 'level_code', notices.level_code, 'region_code', notices.region_code,
    'uscc', notices.uscc, 'business_date', notices.business_date, 'raised_at', notices.raised_at,
    'body', notices.body)
from gone
join supervision.notices on notices.notice_id = gone.notice_id
cross join lateral publishing.recipient_of(notices.level_code, notices.region_code) as recipient (subscriber)
order by gone.waiting_id
on conflict (notice_id) where replays is null do nothing
"""
_MISPLACED = """
select row.subscriber, array_agg(row.outbox_id) from publishing.outbox as row
join supervision.notices on notices.notice_id = row.notice_id
join publishing.subscribers as holder on holder.subscriber = row.subscriber
where row.status = 'pending' and row.replays is null and (row.attempt_count = 0 or not holder.is_active)
  and row.subscriber <> publishing.recipient_of(notices.level_code, notices.region_code)
  and not exists (select from publishing.receipts where receipts.idempotency_key = row.idempotency_key)
group by row.subscriber order by row.subscriber
"""
_MOVE = """
update publishing.outbox as row set
  subscriber = publishing.recipient_of(notices.level_code, notices.region_code),
  idempotency_key = publishing.recipient_of(notices.level_code, notices.region_code) || '/' || row.notice_id,
  attempt_count = 0, last_error = null
from supervision.notices
where notices.notice_id = row.notice_id and row.outbox_id = any (%s) and row.status = 'pending'
"""
_AT_ONCE = 10_000


@dataclass(frozen=True)
class QueueReport:
    """Notices queued now, moved to another recipient, and left waiting because nobody takes them."""

    queued_count: int
    moved_count: int
    unclaimed_count: int


def queue_notices() -> QueueReport:
    """Give every new notice its place in the outbox; the same notice never gets a second one."""
    queued = 0
    with connect("pc_publishing", autocommit=True) as connection:
        while count := connection.execute(_QUEUE, (_AT_ONCE,)).rowcount:
            queued += count
        moved = _follow_recipients(connection)
        left = connection.execute("select count(*) from publishing.waiting_notices").fetchone()
    return QueueReport(queued, moved, left[0] if left else 0)


def _follow_recipients(connection: Connection) -> int:
    """Move what was never tried (or whose recipient was removed) unless its relay works at this moment."""
    moved = 0
    for subscriber, rows in connection.execute(_MISPLACED).fetchall():
        with connection.transaction():
            lock = "select pg_try_advisory_xact_lock(%s, hashtext(%s))"
            is_free = connection.execute(lock, (RELAY_LOCK, subscriber)).fetchone()
            if is_free and is_free[0]:
                moved += connection.execute(_MOVE, (rows,)).rowcount
    return moved
