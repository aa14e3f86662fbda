"""The right of reply 企业声明: up to 200 characters beside the grade, published as the enterprise wrote them."""

from typing import Any

import polars as pl
import psycopg
from psycopg.rows import dict_row

from property_credit.warehouse import own_words
from property_credit.workbench import acts
from property_credit.workbench.acts import Act
from property_credit.workbench.errors import MissingError, WorkbenchError
from property_credit.workbench.rights import Account, Place


def current(connection: psycopg.Connection, uscc: str) -> list[dict[str, Any]]:
    """Return the enterprise's statements that are not withdrawn, newest first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "select subject_id as reply_id, "
            "max(details ->> 'statement') filter (where act_code = 'file') as statement, "
            "min(acted_on) as filed_on, max(subject_version) as version from workbench.acts "
            "where subject_kind = 'reply' and uscc = %s group by subject_id "
            "having not bool_or(act_code = 'withdraw') order by max(act_id) desc",
            (uscc,),
        ).fetchall()


def problem_of(statement: str) -> str | None:
    """Say what keeps a statement from being published, in Chinese; None when nothing does."""
    if not statement:
        return "请填写声明内容。"
    if len(statement) > own_words.LONGEST:
        return f"声明最多 {own_words.LONGEST} 字，现有 {len(statement)} 字。"
    text = pl.Series([statement])
    if text.str.contains(own_words.CONTROL)[0]:
        return "声明须为一行可读文字，不能换行。"
    if text.str.contains(own_words.PERSONAL)[0]:
        return "声明含电话或身份证号码，不得公开，请删去。"
    return None


def file(connection: psycopg.Connection, account: Account, home: str | None, statement: str, *, form_id: str) -> str:
    """File a statement in the place of any earlier one and return its number; WorkbenchError says what is wrong."""
    statement = statement.strip()
    if problem := problem_of(statement):
        raise WorkbenchError(problem)
    place = Place(account.uscc, home)
    row = connection.execute("select nextval('workbench.receipt_numbers')").fetchone()
    assert row is not None and account.uscc
    number = f"SM{acts.office_day(connection):%Y%m%d}-{row[0]:05d}"
    earlier = current(connection, account.uscc)
    acts.record(connection, account.name, Act("reply", number, 0, "file", {"statement": statement}, form_id, place))
    for one in earlier:
        second = acts.follow_up(form_id, one["reply_id"])
        details = {"reason": f"由 {number} 取代"}
        acts.record(
            connection, account.name, Act("reply", one["reply_id"], one["version"], "withdraw", details, second, place)
        )
    return number


def withdraw(
    connection: psycopg.Connection, account: Account, home: str | None, reply_id: str, *, follows: int, form_id: str
) -> None:
    """Take a statement back; MissingError when it is not the enterprise's own or is withdrawn already."""
    assert account.uscc
    if reply_id not in {one["reply_id"] for one in current(connection, account.uscc)}:
        raise MissingError("没有这条声明，或已经撤回。")
    place = Place(account.uscc, home)
    acts.record(connection, account.name, Act("reply", reply_id, follows, "withdraw", {}, form_id, place))
