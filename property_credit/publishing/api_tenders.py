"""Route of tenders, for the tendering customer: the bidders, and which grade bound for each at the opening."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import Response

from property_credit.publishing import examples, problems
from property_credit.publishing.access import Caller
from property_credit.publishing.content import shown
from property_credit.publishing.models import OneTender
from property_credit.publishing.problems import ProblemError
from property_credit.publishing.service import Published, requires, respond, service

router = APIRouter()
TenderKey = Annotated[Caller, Depends(requires("tendering"))]

_TENDER = """
    select tender_id, community_id, opened_on, awarded_on, uscc, bids from publishing.tenders
    where tender_id = %(tender_id)s and opened_on <= %(today)s
"""
_AT_OPENING = """
    select distinct on (uscc) uscc, version_no, valid_to, body from publishing.grade_history
    where uscc = any(%(codes)s) and valid_from <= %(opened_on)s and publication_id <= %(newest)s
    order by uscc, version_no desc
"""


@router.get(
    "/v1/tenders/{tender_id}",
    response_model=OneTender,
    responses={200: examples.ONE_TENDER, **problems.responses(401, 403, 404, 422, 429, 503)},
)
def get_tender(
    request: Request,
    caller: TenderKey,
    snapshot: Published,
    tender_id: Annotated[
        str,
        Path(
            description="选聘编号 – the tender.",
            pattern=r"^[0-9A-Za-z\u4e00-\u9fff〔〕_-]{1,64}$",
            examples=["ZB00012"],
        ),
    ],
) -> Response:
    """开标日信用等级 – the bidders of a tender with the grades that bound when the bids were opened.

    A claimed grade that was not the published one is marked. Bids that are not open yet are not shown.
    """
    assert snapshot.age is not None and snapshot.today is not None
    rows = service().fetch(_TENDER, {"tender_id": tender_id, "today": snapshot.today})
    if not rows:
        raise ProblemError(
            404,
            "no-tender",
            title="没有该选聘 no such tender",
            zh=f"没有登记选聘 {tender_id}，或其尚未开标。",
            en=f"No tender {tender_id} is registered, or its bids are not open yet.",
        )
    tender, newest = rows[0], snapshot.age["publication_id"]
    grades = _at_opening([bid["uscc"] for bid in tender["bids"]], tender["opened_on"], newest)
    bidders = [
        {
            **bid,
            "is_chosen": bid["uscc"] == tender["uscc"],
            "grade": grades.get(bid["uscc"]),
            "is_claim_true": _is_claim_true(bid, grades.get(bid["uscc"])),
        }
        for bid in tender["bids"]
    ]
    kept = ("tender_id", "community_id", "opened_on", "awarded_on")
    payload = {"tender": {**{name: tender[name] for name in kept}, "bidders": bidders}}
    return respond(request, payload, snapshot, tender["opened_on"])


def _at_opening(codes: list[str], opened_on: date, newest: int) -> dict[str, dict[str, Any]]:
    rows = service().fetch(_AT_OPENING, {"codes": codes, "opened_on": opened_on, "newest": newest})
    return {
        row["uscc"]: shown(row["body"], version_no=row["version_no"], valid_to=row["valid_to"], fields=None)
        for row in rows
    }


def _is_claim_true(bid: dict[str, Any], grade: dict[str, Any] | None) -> bool | None:
    """Say whether the claimed grade was the published one; None: nothing was claimed, or nothing was published."""
    if bid["claimed_grade"] is None or grade is None:
        return None
    return bool(bid["claimed_grade"] == grade["grade"])
