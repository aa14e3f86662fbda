"""A backfill: what offices sent is read again, or loaded late, as one reviewed file says.

It is tried in a copy of the warehouse first (``night.backfill_trial``), whose report a reviewer reads. A swap then does
the same in production: the same loads, by batch ids that are known beforehand, and the night that stands again, on the
paths of every night. What is published stays; grades that come out otherwise are new versions. Owns the file and the
swap.
"""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from property_credit.ingestion import feeds
from property_credit.ingestion.batches import BatchReport
from property_credit.ingestion.deliveries import Chosen
from property_credit.ingestion.feeds import EVENTS, REGISTERS
from property_credit.night.fingerprints import files, fingerprint
from property_credit.night.grading_tasks import newest_run
from property_credit.night.recording import recorded
from property_credit.warehouse.connection import connect
from property_credit.warehouse.locks import holding
from property_credit.warehouse.marts import sound_marts, standing
from property_credit.warehouse.transformation import code_hash

NAME = re.compile(r"\d{4}-\d{2}-\d{2}-[a-z0-9]+(-[a-z0-9]+)*\.yml")
DAG = "backfill"
KEPT = (
    "batch_id", "feed", "profile", "source_file", "status", "kind", "rows_in", "rows_accepted", "rows_new",
    "rows_newer", "rows_older", "rows_rejected", "rows_waiting", "rows_duplicate", "rows_withdrawn", "message",
)  # fmt: skip


class BackfillError(Exception):
    """A backfill cannot be tried or swapped in; the message says why and what to do."""


class Nights(BaseModel):
    """The nights, both included, on which the deliveries landed or were pulled."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    first: date
    last: date

    @model_validator(mode="after")
    def _in_order(self) -> "Nights":
        if self.first > self.last:
            raise ValueError("first comes after last")
        return self


class Backfill(BaseModel):
    """What a backfill's file says. ``read_again``: every delivery of these nights, also where nothing has changed."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    nights: Nights
    feeds: tuple[str, ...] = Field(min_length=1)
    source: str | None = None
    read_again: bool = False
    reason: str = Field(min_length=10)
    reviewer: str = ""

    @model_validator(mode="after")
    def _known_feeds(self) -> "Backfill":
        unknown = sorted(set(self.feeds) - set(feeds.NAMES))
        if unknown:
            raise ValueError(f"there is no feed {', '.join(unknown)}; `property-credit feeds` lists them")
        if self.source and len(self.feeds) > 1:
            raise ValueError("a source belongs to one feed: name that one")
        return self

    def in_order(self) -> list[str]:
        """Return the feeds as a night loads them: registers before what refers to them."""
        return [feed for feed in (*REGISTERS, *EVENTS) if feed in self.feeds]

    def sha(self) -> str:
        """Return what a review is of: everything but the reviewer."""
        return fingerprint(self.model_dump(exclude={"reviewer"}))


@dataclass(frozen=True)
class Report:
    """What a trial showed: ``copied_at`` is the instant that was copied, ``run_id`` the run the night would get."""

    name: str
    sha: str
    code: str
    night: date
    copied_at: datetime
    batches: list[dict[str, Any]] = field(default_factory=list)
    tables: list[dict[str, Any]] = field(default_factory=list)
    run_id: str | None = None
    grades: dict[str, dict[str, int]] = field(default_factory=dict)
    moved: list[dict[str, Any]] = field(default_factory=list)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    lists: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    @property
    def batch_ids(self) -> frozenset[str]:
        """The loads and readings that the swap will make, by the ids that their content gives them."""
        own = ("load", "reading")  # rows that waited come in when they can, by whom does not matter
        return frozenset(one["batch_id"] for one in self.batches if one["status"] == "loaded" and one["kind"] in own)


def read(file: Path) -> Backfill:
    """Return what a backfill's file says; BackfillError when it cannot be read or its name is no backfill's."""
    if not NAME.fullmatch(file.name):
        raise BackfillError(f"{file.name}: a backfill is called <yyyy-mm-dd>-<what>.yml, such as 2026-11-15-ledger.yml")
    try:
        return Backfill.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BackfillError(f"{file}: cannot be read: {error}") from error
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'file'}: {one['msg']}" for one in error.errors())
        raise BackfillError(f"{file.name}: {said}") from error


def code() -> str:
    """Return a hash of what decides how rows are read, counted and checked: a trial holds for just this code."""
    return fingerprint(
        code_hash(),
        files("property_credit/ingestion", "py", "yml"),
        files("scoring", "py", "yml"),
        files("expectations", "yml"),
        files("property_credit/gates", "py"),
    )


def load(backfill: Backfill, night: date, *, made: frozenset[str] = frozenset()) -> list[BatchReport]:
    """Make the loads of a backfill, known from ``night`` on; ``made`` are readings of its own that stand already."""
    from property_credit.gates.gates import check_batch
    from property_credit.ingestion.night import backfill_feed

    chosen = Chosen(backfill.nights.first, backfill.nights.last, is_every=backfill.read_again, made=made)
    gate = fingerprint(files("expectations", "yml"), files("property_credit/gates", "py"))
    return [
        report
        for feed in backfill.in_order()
        for report in backfill_feed(feed, night, check=check_batch, chosen=chosen, source=backfill.source, gate=gate)
    ]


def swap(file: Path, report: Report, run_night: Callable[[date], int], *, tell: Callable[[str], None] = print) -> int:
    """Make the loads that ``report`` shows, then the night that stands once more with ``run_night``; return its code.

    Killed, it is run again and does what is left. BackfillError, and nothing is done, when the file has no reviewer, is
    another than the one that was tried, was stopped in its trial, or when code or warehouse have moved on since.
    """
    backfill = read(file)
    with holding(f"backfill {file.name}", f"another process swaps {file.name} in: wait until it is done"):
        _check(backfill, file, report)
        with recorded("pc_ingestion", report.night, DAG, file.stem, reads_marts=False) as note:
            reports = load(backfill, report.night, made=report.batch_ids)
            refused = [one for one in reports if "refused" in one.status]
            missing = _missing(report.batch_ids)
            if refused or missing:
                why = [f"{one.source_file}: {one.message}" for one in refused]
                why += [f"batch {name}, which the trial made, was not" for name in missing]
                raise BackfillError(f"not swapped in as tried: {'; '.join(why)}")
            note.is_new = bool(reports)
            note.message = f"{len(report.batch_ids)} batches stand, reviewed by {backfill.reviewer}: {backfill.reason}"
        tell(f"loaded: {len(reports)} batches now, {len(report.batch_ids)} in all; the night of {report.night} again")
    status = run_night(report.night)
    if newest_run(report.night) == report.run_id:
        tell(f"the night came out as it was tried: run {report.run_id}")
    else:
        tell(
            f"the night came out as run {newest_run(report.night)}, tried was {report.run_id}: what else landed since "
            "the trial counts too"
        )
    return status


def _check(backfill: Backfill, file: Path, report: Report) -> None:
    again = f"`property-credit backfill compare {file}` again"
    if not backfill.reviewer:
        raise BackfillError(f"{file.name} has no reviewer: who read the report writes the own name into it")
    if backfill.sha() != report.sha:
        raise BackfillError(f"{file.name} is another one than was tried: {again}")
    if report.problems:
        raise BackfillError(f"the trial was stopped ({report.problems[0]}): mend that, then {again}")
    if report.code != code():
        raise BackfillError(f"the code, a profile or a gate has changed since the trial: {again}")
    marts = standing()
    if marts.business_date != report.night:
        raise BackfillError(f"the marts hold {marts.business_date} now, tried was the night of {report.night}: {again}")
    if others := _others(backfill, report):
        raise BackfillError(f"{', '.join(others)} came since the trial: {again}")


def _others(backfill: Backfill, report: Report) -> list[str]:
    """Return which loads of the same feeds and office were made since the trial's copy and are not the backfill's."""
    with connect("pc_gatekeeper") as connection:
        rows = connection.execute(
            """
            select source_profile || '/' || source_file from ops.batches
            where status = 'loaded' and kind in ('load', 'reading', 'withdrawal') and feed = any(%s)
              and (%s::text is null or source_profile = %s) and received_at > %s and not batch_id = any(%s)
            order by received_at
            """,
            (list(backfill.feeds), backfill.source, backfill.source, report.copied_at, sorted(report.batch_ids)),
        ).fetchall()
    return [str(name) for (name,) in rows]


def _missing(batch_ids: frozenset[str]) -> list[str]:
    with connect("pc_gatekeeper") as connection:
        rows = connection.execute(
            "select name from unnest(%s::text[]) as wanted (name) where not exists (select from ops.batches"
            " where batch_id = name and status = 'loaded') order by 1",
            (sorted(batch_ids),),
        ).fetchall()
    return [str(name) for (name,) in rows]


def standing_night() -> date:
    """Return the night that the marts hold; UnsoundMartsError when they are not sound."""
    with sound_marts() as marts:
        assert marts.business_date is not None  # sound marts have one
        return marts.business_date


def plain(report: BatchReport) -> dict[str, Any]:
    """Return what a trial's report keeps of a load."""
    return {name: value for name, value in asdict(report).items() if name in KEPT}
