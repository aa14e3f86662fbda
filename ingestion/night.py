"""All deliveries of a feed that a night knows of: files that landed by then, and what the offices' APIs hold."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ingestion import batches, feeds, refusals
from ingestion import profile as profiles
from ingestion.batches import BatchReport
from ingestion.contract import IngestionError
from ingestion.load import Check, ingest_blocks, ingest_file
from ingestion.profile import Profile
from warehouse.connection import connect
from warehouse.settings import get_settings

UNFINISHED = (".part", ".tmp", ".crdownload", ".filepart")  # an upload that is still under way


@dataclass(frozen=True)
class Delivery:
    """A file in landing/<landed_on>/<profile>/."""

    landed_on: date
    profile: Profile
    path: Path


def ingest_feed(
    feed: str, business_date: date, *, check: Check, sources: Path | None = None, gate: str = ""
) -> list[BatchReport]:
    """Load every delivery of ``feed`` that landed by ``business_date`` and was not loaded yet, oldest first.

    A bad file, profile or API is refused with a message and the others go on; the caller reads the reports. A file
    that was refused before is tried again when code, profile or ``gate`` (which stands for ``check``) changed.
    """
    feeds.get(feed)
    batches.sweep()
    found, reports = _profiles(feed, sources)
    for delivery in deliveries(found, business_date):
        reports.append(_ingest_delivery(delivery, business_date, check, gate))
    reports += _pull(found, business_date, check)
    if any(report.status == "loaded" for report in reports):
        batches.analyze(feed)
    return reports


def pull_feed(feed: str, business_date: date, *, check: Check, sources: Path | None = None) -> list[BatchReport]:
    """Load what the APIs of ``feed`` changed up to ``business_date`` since they were asked last; files are left."""
    feeds.get(feed)
    batches.sweep()
    found, _broken = _profiles(feed, sources)  # a night reports them; a file's profile must not stop a pull
    return _pull(found, business_date, check)


def _pull(found: list[Profile], business_date: date, check: Check) -> list[BatchReport]:
    return [
        report
        for profile in found
        if profile.format == "json_api"
        for report in _ingest_api(profile, business_date, check)
    ]


def _profiles(feed: str, sources: Path | None) -> tuple[list[Profile], list[BatchReport]]:
    """Return the feed's profiles, and a refusal for each that cannot be read."""
    reports: list[BatchReport] = []
    found: list[Profile] = []
    for path in sorted((sources or profiles.SOURCES).glob("*.yml")):
        try:
            profile = profiles.load(path)
        except IngestionError as error:
            if re.search(rf"^feed:\s*{feed}\s*$", path.read_text(encoding="utf-8", errors="replace"), re.MULTILINE):
                reports.append(_refused(feed, path.stem, path.name, str(error)))
            continue
        if profile.feed == feed:
            found.append(profile)
    return found, reports


def deliveries(found: list[Profile], business_date: date) -> Iterator[Delivery]:
    """Yield the files in landing for these profiles, by day, profile and name; hidden and half-made ones are left."""
    landing = get_settings().landing_dir
    assert landing is not None  # the settings fill it in
    days = {}
    for folder in landing.iterdir() if landing.is_dir() else ():
        try:
            day = date.fromisoformat(folder.name)
        except ValueError:
            continue
        if day <= business_date and folder.is_dir():
            days[day] = folder
    for day, folder in sorted(days.items()):
        for profile in found:
            for path in sorted((folder / profile.name).glob("*")):
                if path.is_file() and not path.name.startswith((".", "~$")) and not path.name.endswith(UNFINISHED):
                    yield Delivery(day, profile, path)


def _ingest_delivery(delivery: Delivery, business_date: date, check: Check, gate: str) -> BatchReport:
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
        )
    except IngestionError as error:
        return _refused(profile.feed, profile.name, path.name, str(error))


def _refuse_unread(delivery: Delivery, business_date: date, conditions: str) -> BatchReport:
    """Record a file that stands in a profile's folder but that the profile does not read."""
    profile, path = delivery.profile, delivery.path
    identity = batches.identify(
        feed=profile.feed, profile=profile.name, source_file=path.name, pieces=batches.pieces_of(path)
    )
    if earlier := refusals.earlier(identity, conditions):
        return earlier
    expected = ", ".join(profile.files) or "nothing but its API"
    message = f"{path.name}: profile {profile.name} reads {expected}; rename the file or widen `files`"
    batches.archive(identity, path)
    batches.record_refusal(
        identity,
        batches.statistics_of(identity, business_date),
        refusal=message,
        under=conditions,
    )
    return _refused(profile.feed, profile.name, path.name, message, identity.batch_id)


def _ingest_api(profile: Profile, business_date: date, check: Check) -> list[BatchReport]:
    """Pull what changed since the saved cursor; an empty answer is no batch."""
    from ingestion import api_reader

    with connect("pc_ingestion") as connection:
        row = connection.execute(
            "select cursor from ops.source_cursors where source_profile = %s", (profile.name,)
        ).fetchone()
    folder, cursor = batches.unfinished(), row[0] if row else None
    folder.mkdir()
    try:
        names: list[str] = []
        for page in api_reader.pull(profile, cursor=cursor, until=business_date):
            names.append(f"page-{len(names) + 1:06d}.json")
            (folder / names[-1]).write_bytes(page.content)
            cursor = page.next_cursor or cursor
        if not names:
            return []
        identity = batches.identify(
            feed=profile.feed,
            profile=profile.name,
            source_file=f"{profile.name}-{business_date.isoformat()}",
            pieces=((folder / name).read_bytes() for name in names),
        )
        kept = batches.archive(identity, folder)
        report = ingest_blocks(
            feeds.get(profile.feed),
            profile,
            identity,
            lambda: api_reader.read([kept / name for name in names], profile),
            business_date=business_date,
            check=check,
            original=kept,
            cursor=cursor or "",
        )
        return [report]
    except IngestionError as error:
        return [_refused(profile.feed, profile.name, profile.path, str(error))]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _refused(feed: str, profile: str, source_file: str, message: str, batch_id: str = "") -> BatchReport:
    return BatchReport(
        batch_id=batch_id, feed=feed, profile=profile, source_file=source_file, status="refused", message=message
    )


def unclaimed_folders(business_date: date) -> list[Path]:
    """Return folders in landing that no source profile is named after: nobody reads what is in them."""
    landing = get_settings().landing_dir
    assert landing is not None  # the settings fill it in
    known = {path.stem for path in profiles.SOURCES.glob("*.yml")}
    return sorted(
        folder
        for day in (landing.iterdir() if landing.is_dir() else ())
        if re.fullmatch(r"\d{4}-\d\d-\d\d", day.name) and day.name <= business_date.isoformat() and day.is_dir()
        for folder in day.iterdir()
        if folder.is_dir() and folder.name not in known
    )
