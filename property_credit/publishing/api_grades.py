"""Routes of grades: one, a list, the changes, an enterprise's own detail."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from property_credit.publishing import cursors, examples, problems
from property_credit.publishing.access import DETAILS, GRADES, LISTS, Caller, outside_scope
from property_credit.publishing.content import shown
from property_credit.publishing.details import REGULATOR_ONLY
from property_credit.publishing.models import ChangePage, EnterpriseDetail, GradePage, OneGrade
from property_credit.publishing.parameters import in_digits
from property_credit.publishing.problems import ProblemError
from property_credit.publishing.service import (
    AsOf,
    Published,
    Uscc,
    check_seen,
    day_asked,
    requires,
    respond,
    respond_rendered,
    service,
)

PAGE_SIZE_MAX = 500
router = APIRouter()

# `newest`: lists read a grade as it was published when their first page was served, so pages fit together
_GRADES = """
    select distinct on (uscc) uscc, version_no, valid_to, body
    from publishing.grade_history
    where valid_from <= coalesce(%(as_of)s::date, 'infinity') and publication_id <= %(newest)s
      and uscc > %(after)s and (%(uscc)s::text is null or uscc = %(uscc)s)
      and (%(region)s::text is null or uscc in (select uscc from (
        select distinct on (uscc) uscc, region_codes from publishing.enterprise_regions
        where valid_from <= coalesce(%(as_of)s::date, 'infinity') and publication_id <= %(newest)s
        order by uscc, publication_id desc
      ) as served where %(region)s::text = any (served.region_codes)))
    order by uscc, version_no desc limit %(limit)s
"""
_CHANGES = """
    select publication_id, uscc, version_no, valid_to, body, null::date as left_on
    from publishing.grade_history
    where (publication_id, uscc) > (%(publication_id)s, %(after)s) and publication_id <= %(newest)s
    order by publication_id, uscc limit %(limit)s
"""
# a regulator's: versions of whom served there at the time, what stands of whom begins to serve there, and who leaves
_CHANGES_OF_REGION = """
    with served as (
      select uscc, publication_id, valid_from, %(region)s = any (region_codes) as is_served,
        lag(%(region)s = any (region_codes)) over by_time as was_served, lead(publication_id) over by_time as until
      from publishing.enterprise_regions where publication_id <= %(newest)s
      window by_time as (partition by uscc order by publication_id)
    ), events as (
      select version.publication_id, version.uscc, null::date as left_on
      from publishing.grade_history as version
      join served on served.uscc = version.uscc and served.is_served
        and served.publication_id <= version.publication_id
        and version.publication_id < coalesce(served.until, 9223372036854775807)
      union
      select publication_id, uscc, null from served
      where is_served and was_served is not true and exists (select from publishing.grade_history as version
        where version.uscc = served.uscc and version.publication_id <= served.publication_id)
      union
      select publication_id, uscc, valid_from from served where was_served and not is_served
    ), page as (
      select publication_id, uscc, left_on from events
      where (publication_id, uscc) > (%(publication_id)s, %(after)s) and publication_id <= %(newest)s
      order by publication_id, uscc limit %(limit)s
    )
    select page.publication_id, page.uscc, page.left_on, version.version_no, version.valid_to, version.body
    from page
    left join lateral (
      select version_no, valid_to, body from publishing.grade_history
      where grade_history.uscc = page.uscc and grade_history.publication_id <= page.publication_id
      order by version_no desc limit 1
    ) as version on page.left_on is null
    order by page.publication_id, page.uscc
"""
_DETAIL = "select body, region_codes from publishing.enterprise_details where uscc = %(uscc)s"
_CURRENT = """
    select version_no, null::date as valid_to, body from publishing.current_grades where uscc = %(uscc)s
"""
Limit = Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX, description="每页条数 – how many a page."), in_digits]
AnyKey = Annotated[Caller, Depends(requires(*GRADES))]
ListKey = Annotated[Caller, Depends(requires(*LISTS))]
DetailKey = Annotated[Caller, Depends(requires(*DETAILS))]


def _grade(row: dict[str, Any], caller: Caller) -> dict[str, Any]:
    return shown(row["body"], version_no=row["version_no"], valid_to=row["valid_to"], fields=caller.fields)


@router.get(
    "/v1/grades/changes",
    response_model=ChangePage,
    responses={200: examples.CHANGE_PAGE, **problems.responses(401, 403, 422, 429, 503)},
)
def list_changes(
    request: Request,
    caller: ListKey,
    snapshot: Published,
    since: Annotated[
        str | None,
        Query(description="`next_since` of the answer before; left out: from the beginning.", max_length=500),
    ] = None,
    limit: Limit = 100,
) -> Response:
    """变更 – every version published after `since`, oldest first: what to ask after an outage.

    A regulator also gets the grade of whom begins to serve in its region, and in `departures` who does no more.
    """
    assert snapshot.age is not None
    newest = snapshot.age["publication_id"]
    publication_id, after = (0, "") if since is None else cursors.read_since(since, newest)
    rows = service().fetch(
        _CHANGES_OF_REGION if caller.region_code else _CHANGES,
        {
            "publication_id": publication_id,
            "after": after,
            "newest": newest,
            "region": caller.region_code,
            "limit": limit + 1,
        },
    )
    page = rows[:limit]
    last = cursors.write(page[-1]["publication_id"], page[-1]["uscc"]) if page else since
    changes = [_grade(row, caller) for row in page if row["left_on"] is None]
    departures = [{"uscc": row["uscc"], "left_on": row["left_on"]} for row in page if row["left_on"]]
    payload = {"changes": changes, "departures": departures, "next_since": last, "has_more": len(rows) > limit}
    return respond(request, payload, snapshot)


@router.get(
    "/v1/grades/{uscc}",
    response_model=OneGrade,
    responses={200: examples.ONE_GRADE, **problems.responses(401, 403, 404, 422, 429, 503)},
)
def get_grade(
    request: Request,
    caller: AnyKey,
    code: Uscc,
    snapshot: Published,
    as_of: AsOf = None,
) -> Response:
    """一家企业的信用等级 – one enterprise's published grade, now or as of a day."""
    assert snapshot.age is not None
    day = day_asked(as_of, snapshot)
    check_seen(caller, code, as_of, snapshot)
    if as_of is None:
        rendered = snapshot.grade(code, caller.fields)
        if rendered is not None:
            return respond_rendered(request, rendered)
        raise _no_grade(code)
    newest = snapshot.age["publication_id"]
    parameters = {"as_of": day, "newest": newest, "after": "", "uscc": code, "region": None, "limit": 1}
    rows = service().fetch(_GRADES, parameters)
    if not rows:
        raise _no_grade(code, day)
    return respond(request, {"grade": _grade(rows[0], caller)}, snapshot, day)


def _no_grade(code: str, day: date | None = None) -> ProblemError:
    return ProblemError(
        404,
        "no-grade",
        title="没有已发布的等级 no published grade",
        zh=f"{code} 是有效代码，{f'但在 {day} 没有' if day else '但尚未有'}已发布的等级。",
        en=f"{code} is a valid code, and no grade of it was published {f'on {day}' if day else 'yet'}.",
    )


def _check_scope(caller: Caller, code: str, regions: frozenset[str]) -> None:
    if not caller.may_see(code, regions):
        raise outside_scope(caller, code)


@router.get(
    "/v1/grades",
    response_model=GradePage,
    responses={200: examples.GRADE_PAGE, **problems.responses(401, 403, 422, 429, 503)},
)
def list_grades(
    request: Request,
    caller: ListKey,
    snapshot: Published,
    as_of: AsOf = None,
    cursor: Annotated[str | None, Query(description="`next_cursor` of the page before.", max_length=500)] = None,
    limit: Limit = 100,
) -> Response:
    """信用等级列表 – the grades by credit code; all pages of a list show the same publication."""
    assert snapshot.age is not None and snapshot.today is not None
    day, newest, after = day_asked(as_of, snapshot), snapshot.age["publication_id"], ""
    if cursor is not None:
        newest, day, after = cursors.read_page(cursor, as_of, newest, snapshot.today)
    rows = service().fetch(
        _GRADES,
        {
            "as_of": day,
            "newest": newest,
            "after": after,
            "uscc": None,
            "region": caller.region_code,
            "limit": limit + 1,
        },
    )
    page = rows[:limit]
    has_more = len(rows) > limit
    following = cursors.write(newest, day.isoformat(), page[-1]["uscc"]) if has_more else None
    payload = {"grades": [_grade(row, caller) for row in page], "next_cursor": following}
    return respond(request, payload, snapshot, day)


@router.get(
    "/v1/enterprises/{uscc}",
    response_model=EnterpriseDetail,
    responses={200: examples.ENTERPRISE, **problems.responses(401, 403, 404, 422, 429, 503)},
)
def get_enterprise(request: Request, caller: DetailKey, code: Uscc, snapshot: Published) -> Response:
    """企业自查 – an enterprise's points, reasons and caps: for itself, and for the regulators of where it serves."""
    rows = service().fetch(_DETAIL, {"uscc": code})
    regions = frozenset(rows[0]["region_codes"]) if rows else snapshot.regions_of(code)
    _check_scope(caller, code, regions)
    if not rows and code in snapshot.bodies:
        raise ProblemError(
            404,
            "no-detail",
            title="没有评价明细 no detail",
            zh=f"最近一次评价未包含 {code}，没有明细；已发布的等级见 /v1/grades/{code}。",
            en=f"The newest evaluation does not name {code}: there is no detail; its published grade is at "
            f"/v1/grades/{code}.",
        )
    if not rows:
        raise _no_grade(code)
    row = service().fetch(_CURRENT, {"uscc": code})[0]
    hidden = () if caller.scope == "regulator" else REGULATOR_ONLY
    detail = {name: value for name, value in rows[0]["body"].items() if name not in hidden}
    payload = {"grade": _grade(row, caller), "detail": detail, "region_codes": sorted(regions)}
    return respond(request, payload, snapshot)
