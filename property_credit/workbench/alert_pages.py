"""Pages of alerts on money and exits, and of clocks: a worklist with filters and acts in bulk, one alert's history."""

from typing import Annotated, Any

from fastapi import FastAPI, Form, Request
from fastapi.responses import Response

from property_credit.workbench import acts, desk, worklists
from property_credit.workbench.acts import RepeatedError
from property_credit.workbench.errors import NotAllowedError, WorkbenchError
from property_credit.workbench.forms import Code, FormId, Text, Token
from property_credit.workbench.rights import DECIDING

SHOWN = 100
Chosen = Annotated[list[str], Form(max_length=300)]


def register(app: FastAPI) -> None:
    """Add the pages to the application."""

    @app.api_route("/alerts", methods=["GET", "HEAD"])
    def listed(
        request: Request,
        state: str = "open",
        kind: str = "",
        severity: str = "",
        text: str = "",
        mine: bool = False,
        sort: str = "severity",
    ) -> Response:
        with desk.visit(request) as visit:
            return _list(visit, worklists.Filter(state, kind, severity, text.strip(), mine, sort))

    @app.api_route("/alerts/one", methods=["GET", "HEAD"])
    def one(request: Request, id: str = "") -> Response:
        with desk.visit(request) as visit:
            return _one(visit, id)

    @app.post("/alerts")
    def act(
        request: Request,
        token: Token = "",
        form_id: FormId = "",
        code: Code = "",
        chosen: Chosen = [],  # noqa: B006 (FastAPI copies it)
        reason: Text = "",
        to: Code = "",
        document_no: Code = "",
        record_id: Code = "",
        back: Code = "",
    ) -> Response:
        with desk.visit(request, token=token) as visit:
            _officer(visit)
            given = {"reason": reason, "to": to, "document_no": document_no, "record_id": record_id}
            pairs = [_pair(one) for one in chosen]
            try:
                worklists.act(visit.connection, visit.account, visit.areas, pairs, code, given, form_id=form_id)
            except RepeatedError:
                raise
            except WorkbenchError as error:
                visit.connection.rollback()
                if back == "one" and len(pairs) == 1 and error.status != 404:
                    return _one(visit, pairs[0][0], error, given)
                return _list(visit, worklists.Filter(), error, given, [one for one, _follows in pairs])
            return visit.follow("/alerts" if back != "one" else f"/alerts/one?id={desk.quoted(pairs[0][0])}")

    @app.api_route("/clocks", methods=["GET", "HEAD"])
    def clocks(request: Request) -> Response:
        with desk.visit(request) as visit:
            _officer(visit)
            rows = worklists.clocks(visit.connection, visit.account, visit.areas)
            return visit.page("clocks", clocks=rows)


def _officer(visit: desk.Visit) -> None:
    if visit.account.role_code != "officer" or visit.account.level(visit.areas) not in DECIDING:
        raise NotAllowedError("此页面供旗县区及以上经办人使用。")


def _pair(text: str) -> tuple[str, int]:
    """Read what a box of the list says: alert and number of its acts, with a bar between."""
    alert_id, _separator, follows = text.rpartition("|")
    if not follows.isdigit() or len(follows) > 6:
        raise WorkbenchError("表单已失效，请刷新页面后重试。")
    return alert_id, int(follows)


def _list(
    visit: desk.Visit,
    wanted: worklists.Filter,
    problem: WorkbenchError | None = None,
    given: dict[str, Any] | None = None,
    chosen: list[str] | None = None,
) -> Response:
    _officer(visit)
    rows = worklists.listed(visit.connection, visit.account, visit.areas, wanted)
    kinds = worklists.listed(visit.connection, visit.account, visit.areas, worklists.Filter(state="all"))
    return visit.page(
        "alerts",
        problem.status if problem else 200,
        alerts=rows[:SHOWN],
        left_out=max(len(rows) - SHOWN, 0),
        kinds=sorted({(row["kind_code"], row["kind_zh"] or row["kind_code"]) for row in kinds}),
        wanted=wanted,
        colleagues=worklists.colleagues(visit.connection, visit.account, visit.areas),
        problem=str(problem or ""),
        given=desk.blank(given),
        chosen=chosen or [],
    )


def _one(
    visit: desk.Visit, alert_id: str, problem: WorkbenchError | None = None, given: dict[str, Any] | None = None
) -> Response:
    _officer(visit)
    return visit.page(
        "alert",
        problem.status if problem else 200,
        alert=worklists.find(visit.connection, visit.account, visit.areas, alert_id),
        history=acts.history(visit.connection, "alert", alert_id),
        colleagues=worklists.colleagues(visit.connection, visit.account, visit.areas),
        problem=str(problem or ""),
        given=desk.blank(given),
    )
