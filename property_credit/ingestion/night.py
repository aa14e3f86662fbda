"""All deliveries of a feed that a night knows of: files that landed by then, and what the offices' APIs hold."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

from property_credit.ingestion import acts, archive, batches, deliveries, feeds, landing, receipts, refusals, waiting
from property_credit.ingestion import profile as profiles
from property_credit.ingestion.batches import BatchReport
from property_credit.ingestion.blocks import Block
from property_credit.ingestion.contract import IngestionError
from property_credit.ingestion.landing import Landed
from property_credit.ingestion.load import Check, file_blocks, ingest_blocks, ingest_file
from property_credit.ingestion.profile import Profile
from property_credit.warehouse.connection import connect
from property_credit.warehouse.data_key import DataKeyError


def ingest_feed(
    feed: str, business_date: date, *, check: Check, sources: Path | None = None, gate: str = ""
) -> list[BatchReport]:
    """Load every delivery of ``feed`` that landed by ``business_date`` and was not loaded yet, oldest first.

    Before them, deliveries that profile or contract would by now read differently are read again, and rows that waited
    for what has come since are loaded. A bad file, profile or API is refused with a message and the others go on; the
    caller reads the reports. A file that was refused before is tried again when code, profile or ``gate`` (which stands
    for ``check``) changed.
    """
    feeds.get(feed)
    archive.sweep()
    landing.shut()
    feed_profiles, reports = _profiles(feed, sources)
    reports += retry_feed(feed, business_date, check=check, sources=sources, gate=gate)
    for delivery in landing.landed(feed_profiles, business_date):
        reports.append(_ingest_delivery(delivery, business_date, check, gate))
    reports += _pull(feed_profiles, business_date, check)
    reports += deliver_acts(feed, business_date, check=check, gate=gate, feed_profiles=feed_profiles)
    if any(report.status == "loaded" for report in reports):
        batches.analyze(feed)
    profile_of = {profile.name: profile for profile in feed_profiles}
    for report in reports:
        if report.profile in profile_of:
            receipts.write(report, profile_of[report.profile], business_date)
    return reports


def registers_of(feed: str) -> list[str]:
    """Return the feeds whose keys rows of ``feed`` refer to."""
    return sorted({field.references for field in feeds.get(feed).fields if field.references})


def referred_to() -> set[str]:
    """Return the feeds that others refer to."""
    return {name for feed in feeds.NAMES for name in registers_of(feed)}


def release_after(feed: str, business_date: date) -> list[BatchReport]:
    """Load the rows of ``feed``, and of the feeds that refer to it, whose reason to wait has ended."""
    waits = [name for name in feeds.NAMES if name == feed or feed in registers_of(name)]
    return [report for name in waits for report in waiting.release(name, business_date)]


def retry_feed(
    feed: str,
    business_date: date,
    *,
    check: Check,
    sources: Path | None = None,
    gate: str = "",
    which: waiting.Which | None = None,
    is_trial: bool = False,
) -> list[BatchReport]:
    """Read deliveries again whose profile or contract has changed, then load the waiting rows whose reason has ended.

    ``which`` narrows the second to some of the rows, and leaves out the first unless it names no reason or one that a
    profile ends; ``is_trial`` reports what would be loaded and leaves nothing.
    """
    feed_profiles, _broken = _profiles(feed, sources)
    reports: list[BatchReport] = []
    if which is None or which.reason in (None, "CODE_UNKNOWN"):
        with connect("pc_ingestion") as lookups:
            again = deliveries.due(lookups, feed_profiles, business_date)
        for one in again:
            if which and which.office and which.office not in (one.profile.name, one.identity.office_zh):
                continue
            if which and which.batch and which.batch not in (one.identity.delivery_id, one.identity.replaces):
                continue
            reports.append(_read_again(one, business_date, check, gate, is_trial=is_trial))
    return reports + waiting.release(feed, business_date, which=which, is_trial=is_trial)


def backfill_feed(
    feed: str,
    business_date: date,
    *,
    check: Check,
    chosen: deliveries.Chosen,
    source: str | None = None,
    sources: Path | None = None,
    gate: str = "",
) -> list[BatchReport]:
    """Load what landed for ``feed`` on the chosen nights and was not loaded, and read those deliveries again.

    Again where profile or contract would by now read them differently, or every one that is ``chosen``. ``source``
    narrows both to one profile. Rows that waited for what comes in are loaded too. Known from ``business_date`` on.
    Run again, it does what is left. IngestionError when the feed has no such profile.
    """
    feed_profiles, reports = _profiles(feed, sources)
    if source is not None:
        feed_profiles = [profile for profile in feed_profiles if profile.name == source]
        reports = [report for report in reports if report.profile == source]
        if not feed_profiles and not reports:
            raise IngestionError(f"feed {feed} has no source profile {source}")
    with connect("pc_ingestion") as lookups:
        again = deliveries.due(lookups, feed_profiles, business_date, chosen=chosen)
    reports += [_read_again(one, business_date, check, gate) for one in again]
    for delivery in landing.landed(feed_profiles, min(business_date, chosen.last)):
        if delivery.landed_on >= chosen.first:
            reports.append(_ingest_delivery(delivery, business_date, check, gate))
    reports = [report for report in reports if report.status != "seen before"]
    reports += release_after(feed, business_date)  # also where a load was killed before it
    if any(report.status == "loaded" for report in reports):
        batches.analyze(feed)
    return reports


def _read_again(
    one: deliveries.Due, business_date: date, check: Check, gate: str, *, is_trial: bool = False
) -> BatchReport:
    """Read a delivery again from its copy in the archive."""
    identity, profile = one.identity, one.profile
    feed, conditions = feeds.get(profile.feed), refusals.conditions(profile, gate)
    if earlier := refusals.earlier(identity, conditions, refusals.at_the_gate(conditions, feed)):
        return earlier
    try:
        with archive.opened(identity.archive_path) as kept:

            def blocks() -> Iterator[Block]:
                if profile.format == "json_api":
                    from property_credit.ingestion import api_reader

                    return api_reader.read(sorted(kept.iterdir()), profile)
                return file_blocks(kept, profile)

            return ingest_blocks(
                feed,
                profile,
                identity,
                blocks,
                business_date=business_date,
                check=check,
                original=kept,
                is_pull=profile.format == "json_api",
                conditions=conditions,
                is_trial=is_trial,
            )
    except IngestionError as error:
        return _refused(feed.name, profile.name, identity.source_file, str(error), identity.batch_id)


def pull_feed(feed: str, business_date: date, *, check: Check, sources: Path | None = None) -> list[BatchReport]:
    """Load what the APIs of ``feed`` changed up to ``business_date`` since they were asked last; files are left."""
    feeds.get(feed)
    archive.sweep()
    feed_profiles, _broken = _profiles(feed, sources)  # a night reports them; a file's profile must not stop a pull
    return _pull(feed_profiles, business_date, check) + deliver_acts(
        feed, business_date, check=check, feed_profiles=feed_profiles
    )


def deliver_acts(
    feed: str, business_date: date, *, check: Check, gate: str = "", feed_profiles: list[Profile] | None = None
) -> list[BatchReport]:
    """Load what people did in the workbench up to ``business_date`` that changes ``feed``, as a delivery of its own."""
    reports = []
    for profile in feed_profiles if feed_profiles is not None else _profiles(feed, None)[0]:
        if profile.format != "workbench":
            continue
        try:
            with acts.delivery(profile, business_date) as path:
                if path is None:
                    continue
                reports.append(
                    ingest_file(
                        feed=feed,
                        profile=profile,
                        path=path,
                        business_date=business_date,
                        check=check,
                        conditions=refusals.conditions(profile, gate),
                        is_asked=False,
                    )
                )
        except IngestionError as error:
            reports.append(_refused(feed, profile.name, "acts", str(error)))
    return reports


def _pull(feed_profiles: list[Profile], business_date: date, check: Check) -> list[BatchReport]:
    return [
        report
        for profile in feed_profiles
        if profile.format == "json_api"
        for report in _ingest_api(profile, business_date, check)
    ]


def _profiles(feed: str, sources: Path | None) -> tuple[list[Profile], list[BatchReport]]:
    """Return the feed's profiles, and a refusal for each that cannot be read."""
    reports: list[BatchReport] = []
    feed_profiles: list[Profile] = []
    for path in sorted((sources or profiles.SOURCES).glob("*.yml")):
        try:
            profile = profiles.load(path)
        except IngestionError as error:
            if re.search(rf"^feed:\s*{feed}\s*$", path.read_text(encoding="utf-8", errors="replace"), re.MULTILINE):
                reports.append(_refused(feed, path.stem, path.name, str(error)))
            continue
        if profile.feed == feed:
            feed_profiles.append(profile)
    return feed_profiles, reports


def _ingest_delivery(delivery: Landed, business_date: date, check: Check, gate: str) -> BatchReport:
    try:
        before = delivery.path.stat()
        with landing.under_readable_name(delivery) as path:
            report = _ingest_readable(replace(delivery, path=path), business_date, check, gate)
        if report.status in ("loaded", "seen before"):
            archive.encrypt_in_place(delivery.path, before)
        return report
    except (IngestionError, DataKeyError, OSError) as error:
        return _refused(delivery.profile.feed, delivery.profile.name, delivery.name, str(error))


def _ingest_readable(delivery: Landed, business_date: date, check: Check, gate: str) -> BatchReport:
    profile, path = delivery.profile, delivery.path
    conditions = refusals.conditions(profile, gate)
    try:
        if not profile.reads(path.name):
            return _refuse_unread(delivery, business_date, refusals.by_name(conditions, path.name))
        return ingest_file(
            feed=profile.feed,
            profile=profile,
            path=path,
            business_date=business_date,
            check=check,
            conditions=conditions,
            landed_on=delivery.landed_on,
            is_asked=False,
        )
    except IngestionError as error:
        return _refused(profile.feed, profile.name, path.name, str(error))


def _refuse_unread(delivery: Landed, business_date: date, conditions: str) -> BatchReport:
    """Record a file that stands in a profile's folder but that the profile does not read."""
    profile, path = delivery.profile, delivery.path
    identity = batches.identify(
        feed=profile.feed,
        profile=profile.name,
        office_zh=profile.office_zh,
        source_file=path.name,
        landed_on=delivery.landed_on,
        pieces=batches.pieces_of(path),
    )
    if earlier := refusals.earlier(identity, conditions):
        return earlier
    expected = ", ".join(profile.files) or "nothing but its API"
    message = f"{path.name}: profile {profile.name} reads {expected}; rename the file or widen `files`"
    archive.keep(identity, path)
    batches.record_refusal(
        identity,
        batches.statistics_of(identity, business_date),
        refusal=message,
        under=conditions,
    )
    return _refused(profile.feed, profile.name, path.name, message, identity.batch_id)


def _ingest_api(profile: Profile, business_date: date, check: Check) -> list[BatchReport]:
    """Pull what changed since the saved cursor; an empty answer is no batch."""
    from property_credit.ingestion import api_reader

    with connect("pc_ingestion") as connection:
        row = connection.execute(
            "select cursor from ops.source_cursors where source_profile = %s", (profile.name,)
        ).fetchone()
    folder, cursor = archive.unfinished(), row[0] if row else None
    folder.mkdir()
    try:
        names: list[str] = []
        cut_off: str | None = None
        for page in api_reader.pull(profile, cursor=cursor, until=business_date):
            names.append(f"page-{len(names) + 1:06d}.json")
            (folder / names[-1]).write_bytes(page.content)
            cursor, cut_off = page.next_cursor or cursor, page.cut_off
        if not names:
            return []
        identity = batches.identify(
            feed=profile.feed,
            profile=profile.name,
            office_zh=profile.office_zh,
            landed_on=business_date,
            source_file=f"{profile.name}-{business_date.isoformat()}",
            pieces=((folder / name).read_bytes() for name in names),
        )
        with connect("pc_ingestion") as lookups:
            stands = deliveries.standing(lookups, identity, profile, business_date, is_asked=False)
        if stands.identity is None:
            return []
        identity = stands.identity
        report = ingest_blocks(
            feeds.get(profile.feed),
            profile,
            identity,
            lambda: api_reader.read([folder / name for name in names], profile),
            business_date=business_date,
            check=check,
            original=folder,
            cursor=cursor or "",
        )
        return [replace(report, message=report.message or cut_off or "")]
    except IngestionError as error:
        return [_refused(profile.feed, profile.name, profile.path, str(error))]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _refused(feed: str, profile: str, source_file: str, message: str, batch_id: str = "") -> BatchReport:
    return BatchReport(
        batch_id=batch_id, feed=feed, profile=profile, source_file=source_file, status="refused", message=message
    )
