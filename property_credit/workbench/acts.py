"""The record of acts: one row an act, in one transaction; read back as a history, and checked as a chain.

Owns writing to ``workbench.acts``. The database numbers, dates and chains an act and fills in who acted.
"""

import hashlib
import uuid
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from property_credit.warehouse.business_date import ZONE, arrival
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings
from property_credit.workbench.errors import ConflictError, NotAllowedError, WorkbenchError
from property_credit.workbench.rights import Place

REFUSED = {  # what the database says no to, as a person reads it
    "WB001": "您的账号不能办理此事项。",
    "WB002": "尚未转办：请先指定办理人。",
    "WB003": "原经办人、转办人不得作出决定；作出决定的人不得复核，请由其他人员办理。",
    "WB004": "本件已转给其他人员办理。",
    "WB005": "您已声明回避，不能再办理本件。",
    "WB006": "作出决定前须声明与该企业无利害关系。",
}
INSERT = """
insert into workbench.acts (acted_on, account_name, subject_kind, subject_id, subject_version, act_code, uscc,
  area_code, community_id, details, form_id, acted_at, recorded_at, role_code, act_id, previous_sha256, sha256)
values (%(day)s, %(account)s, %(kind)s, %(subject)s, %(version)s, %(act)s, %(uscc)s, %(area)s, %(community)s,
  %(details)s, %(form)s, now(), now(), '', 0, '', '')
returning act_id
"""


@dataclass(frozen=True)
class Act:
    """What is done to a case: ``follows`` is the number of acts of the case that the person had seen (0: a new one)."""

    kind: str
    subject_id: str
    follows: int
    code: str
    details: dict[str, Any]
    form_id: str
    place: Place


class RepeatedError(WorkbenchError):
    """The same form was sent before: what it did stands, once."""

    status = 409


def record(connection: psycopg.Connection, account_name: str, act: Act) -> int:
    """Record an act and return its number; commits nothing.

    Raises:
        RepeatedError: the form was sent before.
        ConflictError: somebody acted on the case since it was shown.
        NotAllowedError: the database refuses it to this account.
    """
    try:
        form = uuid.UUID(act.form_id)
    except ValueError as error:
        raise WorkbenchError("表单已失效，请刷新页面后重试。") from error
    day = office_day(connection)  # also begins the caller's transaction: the block below is a savepoint in it
    try:
        with connection.transaction():
            row = connection.execute(
                INSERT,
                {
                    "day": day, "account": account_name, "kind": act.kind,
                    "subject": act.subject_id, "version": act.follows + 1, "act": act.code, "uscc": act.place.uscc,
                    "area": act.place.area_code, "community": act.place.community_id, "details": Jsonb(act.details),
                    "form": form,
                },
            ).fetchone()  # fmt: skip
    except psycopg.errors.UniqueViolation as error:
        if error.diag.constraint_name == "acts_one_after_another":
            raise ConflictError("其他人员刚刚办理过本件，您的操作没有保存。请查看最新情况后再办理。") from error
        raise RepeatedError("这张表单已经提交过，没有重复办理。") from error
    except psycopg.Error as error:
        if (message := REFUSED.get(error.sqlstate or "")) is None:
            raise
        raise NotAllowedError(message) from error
    assert row is not None
    return int(row[0])


def office_day(connection: psycopg.Connection) -> date:
    """Return the day that an act is dated: the calendar's, or where WORKBENCH_DAY says so that after the last night."""
    if get_settings().workbench_day == "nights":
        row = connection.execute("select max(business_date) from ops.builds where status = 'done'").fetchone()
        if row and row[0]:
            day: date = row[0] + timedelta(days=1)
            return day
    return arrival().astimezone(ZONE).date()


def receipt(connection: psycopg.Connection, prefix: str) -> str:
    """Return a new receipt number: two letters of what it is for, the office's day, a number that none had before."""
    row = connection.execute("select nextval('workbench.receipt_numbers')").fetchone()
    assert row is not None
    return f"{prefix}{office_day(connection):%Y%m%d}-{row[0]:05d}"


def history(connection: psycopg.Connection, kind: str, subject_id: str) -> list[dict[str, Any]]:
    """Return the acts of a case, oldest first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "select act_id, acted_at, acted_on, account_name, role_code, officer_code, account_area, act_code, "
            "subject_version, details from workbench.acts where subject_kind = %s and subject_id = %s order by act_id",
            (kind, subject_id),
        ).fetchall()


def recent(connection: psycopg.Connection, *, before: int | None, limit: int = 100) -> list[dict[str, Any]]:
    """Return the newest acts before number ``before``, newest first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "select act_id, acted_at, account_name, role_code, officer_code, account_area, subject_kind, subject_id, "
            "act_code, uscc, area_code, community_id, encode(sha256, 'hex') as sha256 from workbench.acts "
            "where act_id < coalesce(%s, 9223372036854775807) order by act_id desc limit %s",
            (before, limit),
        ).fetchall()


@dataclass(frozen=True)
class ChainReport:
    """The result of checking the record: how many acts, its newest hash, and the first act that does not fit."""

    act_count: int
    head_sha256: str
    broken_at: int | None
    problem: str


def check_chain(*, head: tuple[int, str] | None = None) -> ChainReport:
    """Compute every hash again and compare; ``head``: (number, hash) noted earlier, which must still stand.

    Whoever keeps a head elsewhere also sees that the end of the record was cut off.
    """
    previous, number, is_head_seen = b"", 0, False
    with connect("pc_workbench") as connection, connection.cursor(name="chain") as cursor:
        cursor.execute(
            "select act_id, previous_sha256, sha256, workbench.content_of(acts) from workbench.acts order by act_id"
        )
        for act_id, before, stored, content in cursor:
            computed = hashlib.sha256(previous + content.encode()).digest()
            if act_id != number + 1:
                return ChainReport(number, previous.hex(), number + 1, f"act {number + 1} is missing")
            if before != previous or stored != computed:
                return ChainReport(number, previous.hex(), act_id, f"act {act_id} is not what was recorded")
            previous, number = stored, act_id
            if head and head[0] == act_id:
                is_head_seen = stored.hex() == head[1]
    if head and not is_head_seen:
        return ChainReport(number, previous.hex(), head[0], f"act {head[0]} is not the one whose hash was noted")
    return ChainReport(number, previous.hex(), None, "")


def stamp(moment: datetime) -> str:
    """Return an instant as people read it, in the office's time."""
    return f"{moment.astimezone(ZONE):%Y-%m-%d %H:%M}"


def follow_up(form_id: str, subject_id: str) -> str:
    """Return the form id of a further act that the same form does to another subject."""
    return str(uuid.uuid5(uuid.UUID(form_id), subject_id))
