"""The page of case files 卷宗: ask for one, see how far it is, fetch it."""

from datetime import date

from fastapi import FastAPI, Request
from fastapi.responses import Response

from property_credit.workbench import case_files, desk
from property_credit.workbench.acts import RepeatedError
from property_credit.workbench.errors import NotAllowedError, WorkbenchError
from property_credit.workbench.forms import Code, FormId, Token
from property_credit.workbench.rights import does

SHOWN = 100


def register(app: FastAPI) -> None:
    """Add the page to the application."""

    @app.api_route("/case-files", methods=["GET", "HEAD"])
    def listed(request: Request, uscc: str = "", as_of: str = "") -> Response:
        with desk.visit(request) as visit:
            return _list(visit, uscc, as_of)

    @app.post("/case-files")
    def ask(request: Request, token: Token = "", form_id: FormId = "", uscc: Code = "", as_of: Code = "") -> Response:
        with desk.visit(request, token=token) as visit:
            _allowed(visit)
            wanted = visit.account.uscc or uscc.strip().upper()
            try:
                try:
                    day = date.fromisoformat(as_of.strip())
                except ValueError as error:
                    raise WorkbenchError("请填写日期，如 2026-10-31。") from error
                case_files.request(visit.connection, visit.account, visit.areas, wanted, day, form_id=form_id)
            except RepeatedError:
                raise
            except WorkbenchError as error:
                return _list(visit, uscc, as_of, error)
            return visit.follow("/case-files")

    @app.api_route("/case-files/{number}", methods=["GET", "HEAD"])
    def fetch(request: Request, number: str) -> Response:
        with desk.visit(request) as visit:
            _allowed(visit)
            name, content = case_files.content(visit.connection, visit.account, visit.areas, number)
            headers = desk.as_download({"name": name, "kind": "zip"})
            return Response(content, media_type="application/zip", headers=headers)


def _allowed(visit: desk.Visit) -> None:
    if not does(visit.account, "case_file", "request", visit.areas):
        raise NotAllowedError("此页面供企业和旗县区及以上经办人使用。")


def _list(visit: desk.Visit, uscc: str, as_of: str, problem: WorkbenchError | None = None) -> Response:
    _allowed(visit)
    rows, last = case_files.listed(visit.connection, visit.account, visit.areas), case_files.last_day(visit.connection)
    return visit.page(
        "case_files",
        problem.status if problem else 200,
        files=rows[:SHOWN],
        left_out=max(len(rows) - SHOWN, 0),
        problem=str(problem or ""),
        given=desk.blank({"uscc": uscc, "as_of": as_of or min(visit.today, last).isoformat()}),
    )
