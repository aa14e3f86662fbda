"""Make a month's draw, once: kept in the warehouse and written as files; a second one only with a reason.

Owns when a draw may be made. The same inputs give the same draw; other inputs are refused unless the caller says why.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from property_credit.supervision import draw_files, draw_frame, draw_seed
from property_credit.supervision.errors import SupervisionError
from property_credit.supervision.notices import Notice, insert
from property_credit.warehouse.business_date import arrival
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings

DRAW_LOCK = 20261225


@dataclass(frozen=True)
class DrawReport:
    """What a draw did. ``is_new`` is False when the month had been drawn from the same inputs before."""

    draw_id: str
    month: date
    is_new: bool
    counts: dict[str, int]
    folder: Path
    is_committed_before_list: bool | None


def make_draw(month: date, business_date: date, *, seed: str | None = None, supersede: str | None = None) -> DrawReport:
    """Draw the inspections of ``month`` (its first day) from what the marts and the published list say tonight.

    ``seed``: a public random number instead of the committed secret. ``supersede``: why a month is drawn again.

    Raises SupervisionError when nothing is published, the month was drawn from other inputs and no reason is given, or
    a later month is drawn already.
    """
    if month.day != 1:
        raise SupervisionError(f"a month is named by its first day, not {month}")
    with connect("pc_supervision") as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", (DRAW_LOCK,))
        standing = _standing(connection, month)
        frame, grades = draw_frame.build(connection, month, business_date)
        text, basis = draw_seed.given(seed) if seed else draw_seed.committed(connection, month, grades)
        made = draw_files.document(frame, text, basis)
        draw_id = draw_files.sha256({"frame": made["frame_sha256"], "seed": text})[:16]
        if standing is None or standing["draw_id"] != draw_id:
            _refuse(connection, month, standing, supersede)
            _store(connection, draw_id, month, business_date, frame, made, standing, supersede)
        next_commitment = draw_seed.commit(connection, draw_frame.month_after(month))
        folder = folder_of(month)
        draw_files.write(folder, frame, made, next_commitment=next_commitment)
    return DrawReport(
        draw_id, month, standing is None or standing["draw_id"] != draw_id, made["counts"], folder,
        basis.get("is_committed_before_list"),
    )  # fmt: skip


def newest_month() -> date | None:
    """Return the first day of the newest month that is drawn; None when none is."""
    with connect("pc_supervision") as connection:
        row = connection.execute("select max(month) from supervision.draws").fetchone()
    return row[0] if row else None


def folder_of(month: date) -> Path:
    """Return where the files of ``month`` lie."""
    return get_settings().data_dir / "draws" / f"{month:%Y-%m}"


def _standing(connection: Connection, month: date) -> dict[str, Any] | None:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "select draw_id, version_no, business_date from supervision.current_draws where month = %s", (month,)
        ).fetchone()


def _refuse(connection: Connection, month: date, standing: dict[str, Any] | None, supersede: str | None) -> None:
    if standing is not None and not (supersede and supersede.strip()):
        raise SupervisionError(
            f"{month:%Y-%m} was drawn on the night of {standing['business_date']} from other inputs (draw "
            f"{standing['draw_id']}): it stands. To draw again, say why: --supersede 'reason'"
        )
    later = connection.execute(
        "select to_char(min(month), 'YYYY-MM') from supervision.draws where month > %s", (month,)
    ).fetchone()
    if later and later[0]:
        raise SupervisionError(
            f"{month:%Y-%m} cannot be drawn any more: {later[0]} is drawn already and goes on from what was before it"
        )


def _store(
    connection: Connection,
    draw_id: str,
    month: date,
    business_date: date,
    frame: dict[str, Any],
    made: dict[str, Any],
    standing: dict[str, Any] | None,
    reason: str | None,
) -> None:
    connection.execute(
        "insert into supervision.draws (draw_id, month, version_no, business_date, list_id, frame_sha256, draw_sha256, "
        "seed, seed_basis, counts, accounts, deferred, supersedes_draw_id, supersede_reason, recorded_at) "
        "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            draw_id,
            month,
            standing["version_no"] + 1 if standing else 1,
            business_date,
            frame["grades"]["list_id"],
            made["frame_sha256"],
            draw_files.sha256(made),
            made["seed"],
            Jsonb(made["seed_basis"]),
            Jsonb(made["counts"]),
            Jsonb(made["accounts"]),
            Jsonb(made["deferred"]),
            standing["draw_id"] if standing else None,
            reason if standing else None,
            arrival(),
        ),
    )
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "copy supervision.draw_visits (draw_id, community_id, region_code, uscc, rate_class, checks) from stdin"
        ) as copy,
    ):
        for visit in made["visits"]:
            copy.write_row(
                (
                    draw_id,
                    visit["community_id"],
                    visit["region_code"],
                    visit["uscc"],
                    visit["rate_class"],
                    Jsonb(visit["checks"]),
                )
            )
    insert(
        connection,
        [
            Notice(
                kind_code="inspectors_short",
                subject_id=f"{made['month']}/{visit['community_id']}",
                occasion=draw_id,
                level_code="city",
                region_code=visit["region_code"],
                uscc=visit["uscc"],
                body={
                    "month": made["month"],
                    "community_id": visit["community_id"],
                    "short": {c["authority_code"]: c["short_count"] for c in visit["checks"] if c["short_count"]},
                    "text_zh": "本月抽中小区可派检查人员不足，请从其他旗县区调派或另行指定",
                },
            )
            for visit in made["visits"]
            if any(check["short_count"] for check in visit["checks"])
        ],
        business_date,
    )
