"""Routes of grades: one, a list, the changes, an enterprise's own detail."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from publishing import cursors, examples, problems
from publishing.access import DETAILS, GRADES, LISTS, Caller, outside_scope
from publishing.content import shown
from publishing.details import REGULATOR_ONLY
from publishing.models import ChangePage, EnterpriseDetail, GradePage, OneGrade
from publishing.problems import ProblemError
from publishing.service import AsOf, Published, Uscc, requires, respond, respond_rendered, service

PAGE_SIZE_MAX = 500
router = APIRouter()

# `newest`: lists read a grade as it was published when their first page was served, so pages fit together
_GRADES = """
    select distinct on (uscc) uscc, version_no, valid_to, body
    from publishing.grade_history
    where valid_from <= coalesce(%(as_of)s::date, 'infinity') and publication_id <= %(newest)s
      and uscc > %(after)s and (%(uscc)s::text is null or uscc = %(uscc)s)
      and (%(region)s::text is null or uscc in (
        select uscc from publishing.enterprise_details where region_codes @> array[%(region)s::text]))
    order by uscc, version_no desc limit %(limit)s
"""
_CHANGES = """
    select publication_id, uscc, version_no, valid_to, body
    from publishing.grade_history
    where (publication_id, uscc) > (%(publication_id)s, %(after)s) and publication_id <= %(newest)s
      and (%(region)s::text is null or uscc in (
        select uscc from publishing.enterprise_details where region_codes @> array[%(region)s::text]))
    order by publication_id, uscc limit %(limit)s
"""
_DETAIL = "select body, region_codes from publishing.enterprise_details where uscc = %(uscc)s"
_CURRENT = """
    select version_no, null::date as valid_to, body from publishing.current_grades where uscc = %(uscc)s
"""
Limit = Annotated[int, Query(ge=1, le=PAGE_SIZE_MAX, description="每页条数 – how many a page.")]
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
    """变更 – every version published after `since`, oldest first: what to ask after an outage."""
    assert snapshot.age is not None
    publication_id, after = cursors.read_since(since) if since else (0, "")
    found = service().fetch(
        _CHANGES,
        {
            "publication_id": publication_id,
            "after": after,
            "newest": snapshot.age["publication_id"],
            "region": caller.region_code,
            "limit": limit + 1,
        },
    )
    page = found[:limit]
    last = cursors.write(page[-1]["publication_id"], page[-1]["uscc"]) if page else since
    changes = [_grade(row, caller) for row in page]
    payload = {"changes": changes, "next_since": last, "has_more": len(found) > limit}
    return respond(request, payload, snapshot.age)


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
    _check_scope(caller, code, snapshot.regions_of(code))
    assert snapshot.age is not None
    if as_of is None:
        rendered = snapshot.grade(code, caller.fields)
        if rendered is not None:
            return respond_rendered(request, rendered)
        raise _no_grade(code, "yet")
    newest = snapshot.age["publication_id"]
    asked = {"as_of": as_of, "newest": newest, "after": "", "uscc": code, "region": None, "limit": 1}
    found = service().fetch(_GRADES, asked)
    if not found:
        raise _no_grade(code, f"on {as_of}")
    return respond(request, {"grade": _grade(found[0], caller)}, snapshot.age)


def _no_grade(code: str, when: str) -> ProblemError:
    return ProblemError(
        404,
        "no-grade",
        title="没有已发布的等级 no published grade",
        detail=f"{code} is a valid code, and no grade of it was published {when}.",
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
    assert snapshot.age is not None
    newest, after = snapshot.age["publication_id"], ""
    if cursor:
        newest, as_of, after = cursors.read_page(cursor, as_of)
    found = service().fetch(
        _GRADES,
        {
            "as_of": as_of,
            "newest": newest,
            "after": after,
            "uscc": None,
            "region": caller.region_code,
            "limit": limit + 1,
        },
    )
    page = found[:limit]
    has_more = len(found) > limit
    following = cursors.write(newest, as_of.isoformat() if as_of else None, page[-1]["uscc"]) if has_more else None
    return respond(request, {"grades": [_grade(row, caller) for row in page], "next_cursor": following}, snapshot.age)


@router.get(
    "/v1/enterprises/{uscc}",
    response_model=EnterpriseDetail,
    responses={200: examples.ENTERPRISE, **problems.responses(401, 403, 404, 422, 429, 503)},
)
def get_enterprise(request: Request, caller: DetailKey, code: Uscc, snapshot: Published) -> Response:
    """企业自查 – an enterprise's points, reasons and caps: for itself, and for the regulators of where it serves."""
    found = service().fetch(_DETAIL, {"uscc": code})
    regions = frozenset(found[0]["region_codes"]) if found else snapshot.regions_of(code)
    _check_scope(caller, code, regions)
    if not found:
        raise _no_grade(code, "yet")
    row = service().fetch(_CURRENT, {"uscc": code})[0]
    hidden = () if caller.scope == "regulator" else REGULATOR_ONLY
    detail = {name: value for name, value in found[0]["body"].items() if name not in hidden}
    payload = {"grade": _grade(row, caller), "detail": detail, "region_codes": sorted(regions)}
    return respond(request, payload, snapshot.age)
