"""Deliveries: what came, when and from whom; and which reading of one is due.

A delivery is a fact of its own (``ops.deliveries``); a batch is a delivery read under a profile and a contract. Owns
when a file that comes is a delivery that is known, one that only repeats what was sent last, or a new one, and when a
known one has to be read again. Reads no file.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, fields, replace
from datetime import date, datetime
from functools import lru_cache
from typing import Any

import psycopg
from psycopg.rows import dict_row

from property_credit.ingestion import feeds
from property_credit.ingestion.batches import Identity
from property_credit.ingestion.contract import Feed, Field, Row
from property_credit.ingestion.lists import DAY
from property_credit.ingestion.profile import Profile
from property_credit.warehouse.connection import connect
from property_credit.warehouse.regions import known_codes

SOME_DAY = date(2026, 1, 1)  # rules are compared as they are written for one and the same day
TIMES_MENDED = "\ntimes of 2026-12"  # deliveries that were read before are read again
WORDS = {"zh", "en", "title_zh", "title_en"}  # what people read of a contract changes no row


@dataclass(frozen=True)
class Standing:
    """What is known of a file that came: the identity to read it as; None: it is not read, for the reason given."""

    identity: Identity | None
    batch_id: str = ""
    why: str = ""
    repeats: str | None = None  # a delivery that this one repeats and that it is recorded beside


def read_under(profile: Profile) -> str:
    """Return the fingerprint of what decides how a row is read: ``profile`` and its feed's contract."""
    plain = profile.model_dump_json(exclude_defaults=True, exclude={"note", "office_zh", "name", "files"})
    reading = TIMES_MENDED if _may_have_misread_times(profile) else ""
    return hashlib.sha256(f"{plain}\n{_contract(feeds.get(profile.feed))}{reading}".encode()).hexdigest()[:16]


def _may_have_misread_times(profile: Profile) -> bool:
    """Say whether times were read by more than one plain format: then 05:24:00 became the next day's 05:00."""
    feed = feeds.get(profile.feed)
    return any(
        feed.field(name).type == "timestamp" and (len(formats) > 1 or formats[0] in ("excel", "chinese"))
        for name, formats in profile.dates.items()
    )


@lru_cache(maxsize=64)
def _contract(feed: Feed) -> str:
    return json.dumps(
        {
            "key": feed.key,
            "fields": [_plain(field) for field in feed.fields],
            "rules": [(rule.code, rule.column, str(rule.is_bad(Row(SOME_DAY)))) for rule in feed.rules],
            **({"regions": known_codes()} if any(field.is_region for field in feed.fields) else {}),
        },
        default=str,
    )


def _plain(field: Field) -> dict[str, Any]:
    """Return what ``field`` says beside the defaults, so that a property no field uses yet changes no fingerprint."""
    return {
        one.name: getattr(field, one.name)
        for one in fields(field)
        if one.name not in WORDS and (one.default is MISSING or getattr(field, one.name) != one.default)
    }


CURRENT = """
select batches.batch_id, batches.source_profile, batches.status, batches.read_under, batches.business_date,
  batches.received_at, batches.rows_rejected > 0 as has_refused
from ops.batches
where batches.delivery_id = %s and batches.kind in ('load', 'reading')
  and not exists (select from ops.batches as later where later.replaces_batch_id = batches.batch_id
    and later.status = 'loaded')
order by batches.status = 'loaded' desc, batches.received_at desc limit 1
"""
WITHDRAWN = "select batch_id from ops.batches where delivery_id = %s and kind = 'withdrawal' and status = 'loaded'"
KNOWN = """
select delivery_id, business_date, received_at, archive_path, repeats_delivery_id from ops.deliveries
where feed = %(feed)s and content_sha256 = %(content)s and (delivery_id = %(delivery_id)s
  or landed_on is null and source_profile = %(profile)s and business_date >= %(landed_on)s)
order by delivery_id = %(delivery_id)s desc, received_at desc limit 1
"""
# the same bytes from the same office, and nothing that changes a row of the feed, now or once it is mended, came since
REPEATED = """
select deliveries.delivery_id, batches.batch_id
from ops.deliveries
join ops.batches on batches.delivery_id = deliveries.delivery_id
where deliveries.feed = %(feed)s and deliveries.content_sha256 = %(content)s
  and (office_zh = %(office_zh)s or office_zh = %(profile)s)
  and batches.status = 'loaded' and batches.kind in ('load', 'reading') and batches.source_profile = %(profile)s
  and coalesce(batches.read_under, %(read_under)s) = %(read_under)s
  and batches.business_date <= %(business_date)s
  and not exists (
    select from ops.batches as since
    where since.feed = %(feed)s and since.received_at > batches.received_at
      and (since.status = 'refused' or since.rows_withdrawn > 0 or since.rows_duplicate < since.rows_in
        or (since.profile_stats ->> 'rows_vanished')::bigint > 0))
order by batches.received_at desc limit 1
"""


RETURNED = """
select exists (
  select from ops.deliveries as before
  join ops.batches as loaded on loaded.delivery_id = before.delivery_id and loaded.status = 'loaded'
  join ops.deliveries as since on since.feed = before.feed and since.content_sha256 <> before.content_sha256
    and since.received_at > before.received_at and since.received_at < %(came_at)s
  join ops.batches as changed on changed.delivery_id = since.delivery_id and changed.status = 'loaded'
    and changed.source_profile = loaded.source_profile
  where before.feed = %(feed)s and before.content_sha256 = %(content)s and before.delivery_id <> %(delivery_id)s
    and before.received_at < %(came_at)s and loaded.source_profile = %(profile)s
    and regexp_replace(before.source_file, %(day)s, '', 'g') = %(series)s
    and regexp_replace(since.source_file, %(day)s, '', 'g') = %(series)s)
"""


def is_returned(cursor: psycopg.Cursor, identity: Identity, received_at: datetime) -> bool:
    """Say whether ``identity`` has the bytes of an earlier delivery of its profile that others came after.

    All are of one series: their names are the same but for the day in them.
    """
    values = {
        "feed": identity.feed,
        "content": identity.content_sha256,
        "delivery_id": identity.delivery_id,
        "profile": identity.profile,
        "came_at": identity.arrived_at or received_at,
        "day": DAY,
        "series": re.sub(DAY, "", identity.source_file),
    }
    return cursor.execute(RETURNED, values).fetchone() == (True,)


def standing(
    connection: psycopg.Connection, identity: Identity, profile: Profile, business_date: date, *, is_asked: bool = True
) -> Standing:
    """Return how the delivery ``identity`` stands and, where it is to be read, as what.

    ``is_asked``: somebody names the file and the profile to read it under. A night is not asked: it leaves a delivery
    that was read under another profile as that profile has it.
    """
    under = read_under(profile)
    values = {
        "feed": identity.feed,
        "content": identity.content_sha256,
        "delivery_id": identity.delivery_id,
        "profile": profile.name,
        "office_zh": identity.office_zh,
        "landed_on": identity.landed_on,
        "business_date": business_date,
        "read_under": under,
    }
    known = connection.execute(KNOWN, values).fetchone()
    identity = replace(identity, read_under=under)
    if known is None:
        repeated = connection.execute(REPEATED, values).fetchone()
        if repeated:
            return Standing(identity, batch_id=repeated[1], repeats=repeated[0])
        return Standing(identity)
    delivery_id, arrived_on, arrived_at, kept_at, repeats = known
    if repeats:
        current = connection.execute(CURRENT, (repeats,)).fetchone()
        return Standing(None, batch_id=current[0] if current else "", why="it repeats what was sent before")
    taken_back = connection.execute(WITHDRAWN, (delivery_id,)).fetchone()
    current = connection.execute(CURRENT, (delivery_id,)).fetchone()
    if taken_back:
        why = f"its load was taken back (batch {taken_back[0]}); deliver it as another file to load it again"
        return Standing(None, batch_id=current[0] if current else "", why=why)
    identity = replace(identity, delivery_id=delivery_id, arrived_on=arrived_on, arrived_at=arrived_at, kept_at=kept_at)
    if current is None:
        return Standing(identity)
    batch_id, read_by, status, before, _known_on, _received_at, has_refused = current
    if status == "refused":
        return Standing(replace(identity, batch_id=batch_id))
    is_other = read_by != profile.name or (before != under if before else is_asked and has_refused)
    if not is_other or (read_by != profile.name and not is_asked):
        return Standing(None, batch_id=batch_id)
    return Standing(reading_of(identity, batch_id))


def reading_of(identity: Identity, replaces: str) -> Identity:
    """Return the identity of another reading of the same delivery, in place of batch ``replaces``."""
    parts = (identity.delivery_id, replaces, identity.read_under, identity.profile)
    named = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return replace(identity, kind="reading", replaces=replaces, batch_id="b" + named[:16])


DUE = """
with current as (
  select deliveries.*, batches.batch_id, batches.read_under, batches.received_at as read_at,
    batches.rows_duplicate, batches.rows_rejected, batches.source_profile as read_by
  from ops.deliveries
  join ops.batches on batches.delivery_id = deliveries.delivery_id
  where deliveries.feed = %(feed)s and batches.status = 'loaded' and batches.kind in ('load', 'reading')
    and not exists (select from ops.batches as later where later.replaces_batch_id = batches.batch_id
      and later.status = 'loaded')
    and deliveries.business_date <= %(business_date)s
    and not exists (select from ops.archive_removals as gone where gone.archive_path = deliveries.archive_path)
)
select delivery_id, source_file, landed_on, content_sha256, content_bytes, office_zh, business_date, received_at,
  archive_path, batch_id
from current
where read_by = %(profile)s
  and (%(first)s::date is null or coalesce(landed_on, business_date) between %(first)s and %(last)s) and (
  read_under <> %(read_under)s
  or %(is_every)s and not batch_id = any(%(made)s)
  or read_under is null and rows_rejected > 0
  -- rows of it may have been left out as equal to versions that were taken back since
  or rows_duplicate > 0 and exists (
    select from ops.batches as gone join ops.deliveries as taken on taken.delivery_id = gone.delivery_id
    where gone.feed = %(feed)s and gone.status = 'loaded' and gone.rows_withdrawn > 0
      and gone.received_at > current.read_at and taken.received_at < current.received_at))
order by received_at, delivery_id
"""


@dataclass(frozen=True)
class Due:
    """A delivery that is to be read again, from the copy in the archive."""

    identity: Identity
    profile: Profile


@dataclass(frozen=True)
class Chosen:
    """Deliveries that a backfill reads: those that landed, or were pulled, on the nights ``first`` to ``last``.

    ``is_every``: also where nothing has changed since they were read, save those whose reading is one of ``made``,
    which the backfill itself has made already.
    """

    first: date
    last: date
    is_every: bool = False
    made: frozenset[str] = frozenset()


def due(
    connection: psycopg.Connection, profiles: Sequence[Profile], business_date: date, *, chosen: Chosen | None = None
) -> list[Due]:
    """Return the deliveries that ``profiles`` (of one feed) would read differently by now, oldest first.

    Their profile or contract has changed since, or versions that they repeated were taken back. ``chosen`` narrows
    them to some nights, or asks for every one of these.
    """
    reads: list[Due] = []
    for profile in profiles:
        under = read_under(profile)
        values = {
            "feed": profile.feed,
            "profile": profile.name,
            "read_under": under,
            "business_date": business_date,
            "first": chosen and chosen.first,
            "last": chosen and chosen.last,
            "is_every": bool(chosen and chosen.is_every),
            "made": sorted(chosen.made) if chosen else [],
        }
        for row in connection.execute(DUE, values).fetchall():
            identity = Identity(
                batch_id="",
                delivery_id=row[0],
                feed=profile.feed,
                profile=profile.name,
                office_zh=row[5],
                source_file=row[1],
                landed_on=row[2] or row[6],
                content_sha256=row[3],
                content_bytes=row[4],
                read_under=under,
                arrived_on=row[6],
                arrived_at=row[7],
                kept_at=row[8],
            )
            reads.append(Due(reading_of(identity, row[9]), profile))
    return sorted(reads, key=lambda one: (one.identity.arrived_at or datetime.max, one.identity.delivery_id))


LISTED = """
select deliveries.delivery_id, deliveries.feed, deliveries.office_zh as office, deliveries.source_file as file,
  deliveries.landed_on, deliveries.business_date as first_night, case
    when deliveries.repeats_delivery_id is not null then 'repeats ' || deliveries.repeats_delivery_id
    when taken.batch_id is not null then 'taken back'
    when current.batch_id is null then 'not read yet'
    when current.status = 'refused' then 'refused'
    when current.rows_in = 0 then 'nothing to report'
    when current.kind = 'reading' then 'loaded, read again'
    else 'loaded' end as became,
  current.batch_id, current.rows_in as rows, current.rows_accepted as accepted, current.rows_rejected as rejected,
  current.rows_duplicate as duplicate, current.rows_waiting as waiting, coalesce(released.rows, 0) as came_back,
  deliveries.resubmits_delivery_id as resubmits
from ops.deliveries
left join lateral (
  select * from ops.batches
  where batches.delivery_id = deliveries.delivery_id and batches.kind in ('load', 'reading')
  order by batches.status = 'loaded' desc, batches.received_at desc limit 1
) as current on true
left join lateral (
  select batch_id from ops.batches
  where batches.delivery_id = deliveries.delivery_id and batches.kind = 'withdrawal' limit 1
) as taken on true
left join lateral (
  select sum(rows_in)::bigint as rows from ops.batches
  where batches.delivery_id = deliveries.delivery_id and batches.kind = 'release'
) as released on true
where (cast(%(feed)s as text) is null or deliveries.feed = %(feed)s)
  and (cast(%(office)s as text) is null or %(office)s in (deliveries.office_zh, deliveries.source_profile))
order by deliveries.received_at desc, deliveries.delivery_id limit %(limit)s
"""


def listed(*, feed: str | None, office: str | None, limit: int) -> list[dict[str, Any]]:
    """Return the newest ``limit`` deliveries, of a feed or an office where given, and what each became."""
    if feed is not None:
        feeds.get(feed)
    with connect("pc_ingestion") as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(LISTED, {"feed": feed, "office": office, "limit": limit}).fetchall()


OFFICES = """
with came as (
  select deliveries.*, deliveries.landed_on - lag(deliveries.landed_on) over (
      partition by deliveries.source_profile order by deliveries.landed_on, deliveries.received_at) as gap_days
  from ops.deliveries where landed_on is not null and business_date <= %(business_date)s
), counted as (
  select source_profile, sum(rows_in) as rows, sum(rows_rejected) as rejected
  from ops.batches where kind in ('load', 'reading') and status = 'loaded' and business_date <= %(business_date)s
    and not exists (select from ops.batches as later where later.replaces_batch_id = batches.batch_id
      and later.status = 'loaded')
  group by 1
)
select came.source_profile as profile, min(came.office_zh) as office, count(*) as deliveries,
  count(came.resubmits_delivery_id) as sent_again, max(came.landed_on) as last_on,
  percentile_disc(0.5) within group (order by came.gap_days) filter (where came.gap_days > 0) as usual_days,
  %(business_date)s::date - max(came.landed_on) as days_since,
  coalesce(%(business_date)s::date - max(came.landed_on) > 2 * percentile_disc(0.5) within group (
      order by came.gap_days) filter (where came.gap_days > 0), false) as is_late,
  coalesce(max(counted.rows), 0)::bigint as rows, coalesce(max(counted.rejected), 0)::bigint as rejected,
  round(100 * max(counted.rejected) / nullif(max(counted.rows), 0), 2) as error_pct
from came left join counted on counted.source_profile = came.source_profile
group by came.source_profile order by is_late desc, error_pct desc nulls last, came.source_profile
"""


def offices(business_date: date) -> list[dict[str, Any]]:
    """Return of each office how punctual it is and what share of its rows is refused, as known on ``business_date``.

    It is late when twice the days have passed that usually lie between two of its deliveries.
    """
    with connect("pc_ingestion") as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(OFFICES, {"business_date": business_date}).fetchall()
