"""The read API: published grades, as they stand or as they stood on a day.

Serves ``publishing`` views as role pc_api, which can read nothing else: no score, no complaint, no person. A night that
runs or failed does not show here; the age of what is published is in every answer.
"""

import argparse
import base64
import binascii
import json
from datetime import date, datetime
from functools import lru_cache
from typing import Annotated, Any

import psycopg
from fastapi import Depends, FastAPI, Path, Query
from psycopg.rows import dict_row
from pydantic import BaseModel, Field
from sqlalchemy import QueuePool

from publishing import problems
from publishing.problems import ProblemError
from publishing.uscc import problem_with
from warehouse import connection
from warehouse.business_date import last_closed

PAGE_SIZE_MAX = 500
EXAMPLE_USCC = "91350100M000100Y43"


class DataAge(BaseModel):
    """How old what is served is."""

    business_date: date = Field(description="数据截止日 – the night that computed what is published.")
    published_at: datetime = Field(description="发布时间 – when it was published.")
    publication_id: int = Field(description="发布批次 – 1, 2, 3 … without gaps.")
    method_version: str = Field(description="方法版本 – the grading method of that night.")
    nights_behind: int = Field(description="滞后夜数 – closed days since the business date; 0 is up to date.", ge=0)


class Grade(BaseModel):
    """One published grade version."""

    uscc: str = Field(description="统一社会信用代码", examples=[EXAMPLE_USCC])
    enterprise_name: str = Field(description="企业名称")
    grade: str | None = Field(description="信用等级; null when the status stands for a grade.", examples=["AA"])
    status_code: str = Field(description="rated 已评级 · not_rated 暂不评级 · serious_dishonesty 严重失信")
    method_version: str = Field(description="方法版本", examples=["2026.1"])
    valid_from: date = Field(description="生效日 – first day it binds.")
    valid_to: date | None = Field(description="失效日 – first day it no longer binds; null while it stands.")
    is_correction: bool = Field(description="更正 – replaces a version with the same first day.")
    version_no: int = Field(description="该企业的第几个版本 – 1, 2, 3 … per enterprise.")


class OneGrade(BaseModel):
    """A grade and the age of the data."""

    grade: Grade
    data: DataAge


class GradePage(BaseModel):
    """A page of grades by credit code, and the age of the data."""

    grades: list[Grade]
    next_cursor: str | None = Field(description="Pass it as `cursor` for the next page; null on the last one.")
    data: DataAge


class Health(BaseModel):
    """Whether the service answers and what it serves."""

    status: str = Field(examples=["ok"])
    data: DataAge | None = Field(description="null until something is published.")


@lru_cache(maxsize=1)
def _pool() -> QueuePool:
    def opened() -> Any:
        found: dict[str, Any] = dict(connection.parameters("pc_api"))
        return psycopg.connect(**found, autocommit=True, row_factory=dict_row)  # type: ignore[arg-type]

    return QueuePool(opened, pool_size=8, max_overflow=8, timeout=10, reset_on_return=None)


def _fetch(statement: str, parameters: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    """Run one reading statement; a pooled connection that died since is replaced once."""
    for is_last_try in (False, True):
        borrowed = _pool().connect()
        try:
            return borrowed.execute(statement, parameters or {}).fetchall()  # type: ignore[attr-defined,no-any-return]
        except psycopg.OperationalError as error:
            borrowed.invalidate(error)
            if is_last_try:
                raise
        finally:
            borrowed.close()
    raise AssertionError


app = FastAPI(
    title="物业服务企业信用等级 Property-service credit grades",
    version="1",
    description="已发布的信用等级。Published credit grades, now or as of a day; errors: RFC 9457 documents.",
    redoc_url=None,
    docs_url=None,
)
problems.install(app)


_AGE = "select publication_id, business_date, method_version, published_at from publishing.data_age"
# `newest`: lists read a grade as it was published when their first page was served, so pages fit together
_GRADES = """
    select distinct on (uscc) uscc, enterprise_name, grade, status_code, grade_history.method_version, valid_from,
      valid_to, is_correction, version_no
    from publishing.grade_history
    where valid_from <= coalesce(%(as_of)s::date, 'infinity') and publication_id <= %(newest)s
      and uscc > %(after)s and (%(uscc)s::text is null or uscc = %(uscc)s)
    order by uscc, version_no desc limit %(limit)s
"""


def _data_age() -> DataAge | None:
    found = _fetch(_AGE)
    if not found:
        return None
    behind = (last_closed() - found[0]["business_date"]).days
    return DataAge(nights_behind=max(0, behind), **found[0])


def _published() -> DataAge:
    age = _data_age()
    if age is None:
        raise ProblemError(
            503,
            "nothing-published",
            title="尚未发布 nothing published yet",
            detail="No night has been published so far; ask again after the first one.",
        )
    return age


def checked_uscc(
    uscc: Annotated[str, Path(description="统一社会信用代码 (GB 32100-2015)", examples=[EXAMPLE_USCC])],
) -> str:
    """Return a code whose check digit is right; a problem document says what is wrong with any other."""
    code = uscc.strip().upper()
    wrong = problem_with(code)
    if wrong:
        raise ProblemError(422, "invalid-uscc", title="统一社会信用代码无效 invalid credit code", detail=wrong)
    return code


AsOf = Annotated[
    date | None,
    Query(description="基准日 – the grade that bound on this day, e.g. a bid's opening; left out: as it stands."),
]


@app.get("/v1/grades/{uscc}", responses=problems.responses(404, 422, 503))
def get_grade(code: Annotated[str, Depends(checked_uscc)], as_of: AsOf = None) -> OneGrade:
    """一家企业的信用等级 – one enterprise's published grade."""
    age = _published()
    found = _fetch(_GRADES, {"as_of": as_of, "newest": age.publication_id, "after": "", "uscc": code, "limit": 1})
    if not found:
        when = f"on {as_of}" if as_of else "yet"
        raise ProblemError(
            404,
            "no-grade",
            title="没有已发布的等级 no published grade",
            detail=f"{code} is a valid code, and no grade of it was published {when}.",
        )
    return OneGrade(grade=Grade(**found[0]), data=age)


@app.get("/v1/grades", responses=problems.responses(422, 503))
def list_grades(
    as_of: AsOf = None,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before.", max_length=500)] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX, description="Grades a page.")] = 100,
) -> GradePage:
    """信用等级列表 – every enterprise's grade, by credit code; all pages of a list show the same publication."""
    age = _published()
    newest, after = age.publication_id, ""
    if cursor:
        newest, as_of, after = _read_cursor(cursor, as_of)
    found = _fetch(_GRADES, {"as_of": as_of, "newest": newest, "after": after, "uscc": None, "limit": limit + 1})
    grades = [Grade(**row) for row in found[:limit]]
    is_last = len(found) <= limit
    return GradePage(
        grades=grades, next_cursor=None if is_last else _write_cursor(newest, as_of, grades[-1].uscc), data=age
    )


@app.get("/healthz", responses=problems.responses(503))
def healthz() -> Health:
    """服务状态 – whether the service and its database answer, and how old the data is."""
    return Health(status="ok", data=_data_age())


def _write_cursor(newest: int, as_of: date | None, after: str) -> str:
    text = json.dumps([newest, as_of.isoformat() if as_of else None, after])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(cursor: str, as_of: date | None) -> tuple[int, date | None, str]:
    """Return (publication, as_of, last credit code) of a cursor that this API gave out."""
    try:
        newest, day, after = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        found = date.fromisoformat(day) if day is not None else None
        if type(newest) is not int or not 0 < newest < 2**63 or problem_with(after):
            raise ValueError("not ours")
    except (binascii.Error, ValueError, TypeError) as error:
        raise _bad_cursor("it is not a cursor of this API; take `next_cursor` of the page before, unchanged") from error
    if as_of and as_of != found:
        raise _bad_cursor(f"it continues a list as of {day}, not {as_of}; leave `as_of` out or start a new list")
    return newest, found, after


def _bad_cursor(detail: str) -> ProblemError:
    return ProblemError(422, "invalid-cursor", title="游标无效 invalid cursor", detail=f"cursor: {detail}")


def main() -> None:
    """Serve the API on 127.0.0.1 (or the host given) until it is told to stop."""
    import uvicorn

    parser = argparse.ArgumentParser(description="the read API")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8080)
    arguments = parser.parse_args()
    uvicorn.run(app, host=arguments.host, port=arguments.port, log_level="warning")


if __name__ == "__main__":
    main()
