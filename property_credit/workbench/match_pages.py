"""The page of names that wait for a person: candidates side by side, by keyboard too, with what was said taken back."""

from fastapi import FastAPI, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from property_credit.workbench import desk, matches
from property_credit.workbench.acts import RepeatedError
from property_credit.workbench.errors import MissingError, NotAllowedError, WorkbenchError
from property_credit.workbench.forms import Code, Follows, FormId, Text, Token
from property_credit.workbench.rights import does

SHOWN = 30
CODES = ("link", "separate", "undo")


def register(app: FastAPI) -> None:
    """Add the page to the application."""

    @app.api_route("/matches", methods=["GET", "HEAD"])
    def listed(request: Request, kind: str = "") -> Response:
        with desk.visit(request) as visit:
            return _list(visit, kind)

    @app.post("/matches/{mention}/{code}")
    def act(
        request: Request,
        mention: int,
        code: str,
        token: Token = "",
        form_id: FormId = "",
        follows: Follows = 0,
        number: Code = "",
        reason: Text = "",
    ) -> Response:
        if code not in CODES:
            raise HTTPException(404)
        with desk.visit(request, token=token) as visit:
            try:
                matches.act(
                    visit.connection,
                    visit.account,
                    visit.areas,
                    mention,
                    code,
                    number=number,
                    reason=reason,
                    follows=follows,
                    form_id=form_id,
                )
            except (MissingError, NotAllowedError, RepeatedError):
                raise
            except WorkbenchError as error:
                return _list(visit, "", error)
            return visit.follow("/matches")


def _list(visit: desk.Visit, kind: str, problem: WorkbenchError | None = None) -> Response:
    if not does(visit.account, "match", "link", visit.areas):
        raise NotAllowedError("此页面供旗县区及以上经办人使用。")
    rows = matches.listed(visit.connection, visit.account, visit.areas, kind=kind)
    done = matches.done(visit.connection, visit.account, visit.areas)
    linked = {
        one["mention_id"]
        for one in done
        if one["act_code"] == "link" and not one["is_undone"] and one["business_date"] is None
    }
    ruled_out = {
        (one["mention_id"], one["details"]["number"])
        for one in done
        if one["act_code"] == "separate" and not one["is_undone"]
    }
    rows = [row for row in rows if row["mention_id"] not in linked]
    return visit.page(
        "matches",
        problem.status if problem else 200,
        names=rows[:SHOWN],
        left_out=max(len(rows) - SHOWN, 0),
        ruled_out=ruled_out,
        done=done[:SHOWN],
        waiting=matches.waiting(visit.connection),
        kind=kind,
        kinds=matches.KINDS,
        waits_for=matches.WAITS_FOR,
        titles=matches.feed_titles(),
        problem=str(problem or ""),
    )
