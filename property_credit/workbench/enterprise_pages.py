"""Pages of an enterprise: its grade and lost points, objecting, replying, applying for repair."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response

from property_credit.workbench import cases, desk, grades, replies
from property_credit.workbench.acts import RepeatedError
from property_credit.workbench.errors import MissingError, NotAllowedError, WorkbenchError
from property_credit.workbench.forms import Code, Files, Follows, FormId, Text, Token, kept


def register(app: FastAPI) -> None:
    """Add the pages to the application."""

    @app.api_route("/my", methods=["GET", "HEAD"])
    def my(request: Request) -> Response:
        with desk.visit(request) as visit:
            return _my(visit)

    @app.api_route("/objections/new", methods=["GET", "HEAD"])
    def new_objection(request: Request, target: str = "", id: str = "") -> Response:
        with desk.visit(request) as visit:
            _enterprise(visit)
            return _objection_form(visit, target, id)

    @app.post("/objections/new")
    def file_objection(
        request: Request,
        token: Token = "",
        form_id: FormId = "",
        target_type_code: Code = "",
        target_id: Code = "",
        reason: Text = "",
        files: Files = [],  # noqa: B006 (FastAPI copies it)
    ) -> Response:
        with desk.visit(request, token=token) as visit:
            _enterprise(visit)
            try:
                receipt = cases.file_objection(
                    visit.connection,
                    visit.account,
                    visit.home,
                    target_type_code=target_type_code,
                    target_id=target_id,
                    reason=reason,
                    attachments=kept(files),
                    form_id=form_id,
                )
            except (MissingError, RepeatedError):
                raise
            except WorkbenchError as error:
                return _objection_form(visit, target_type_code, target_id, problem=error, reason=reason)
            return visit.follow(f"/objections/{receipt}")

    @app.api_route("/repairs/new", methods=["GET", "HEAD"])
    def new_repair(request: Request, record: str = "") -> Response:
        with desk.visit(request) as visit:
            _enterprise(visit)
            return _repair_form(visit, record)

    @app.post("/repairs/new")
    def file_repair(
        request: Request,
        token: Token = "",
        form_id: FormId = "",
        record_id: Code = "",
        reason: Text = "",
        files: Files = [],  # noqa: B006
    ) -> Response:
        with desk.visit(request, token=token) as visit:
            _enterprise(visit)
            try:
                receipt = cases.file_repair(
                    visit.connection,
                    visit.account,
                    visit.home,
                    record_id=record_id,
                    reason=reason,
                    attachments=kept(files),
                    form_id=form_id,
                    today=visit.today,
                )
            except (MissingError, RepeatedError):
                raise
            except WorkbenchError as error:
                return _repair_form(visit, record_id, problem=error, reason=reason)
            return visit.follow(f"/repairs/{receipt}")

    @app.post("/replies")
    def file_reply(request: Request, token: Token = "", form_id: FormId = "", statement: Text = "") -> Response:
        with desk.visit(request, token=token) as visit:
            _enterprise(visit)
            try:
                replies.file(visit.connection, visit.account, visit.home, statement, form_id=form_id)
            except RepeatedError:
                raise
            except WorkbenchError as error:
                return _my(visit, problem=error, statement=statement)
            return visit.follow("/my#reply")

    @app.post("/replies/{reply_id}/withdraw")
    def withdraw_reply(
        request: Request, reply_id: str, token: Token = "", form_id: FormId = "", follows: Follows = 0
    ) -> Response:
        with desk.visit(request, token=token) as visit:
            _enterprise(visit)
            replies.withdraw(visit.connection, visit.account, visit.home, reply_id, follows=follows, form_id=form_id)
            return visit.follow("/my#reply")


def _enterprise(visit: desk.Visit) -> str:
    if visit.account.uscc is None:
        raise NotAllowedError("此页面供企业使用。")
    return visit.account.uscc


def _my(visit: desk.Visit, problem: WorkbenchError | None = None, statement: str = "") -> Response:
    uscc = _enterprise(visit)
    mine: list[cases.Case] = []
    for kind in ("objection", "repair"):
        mine += cases.listed(visit.connection, visit.account, visit.areas, kind, visit.today)
    return visit.page(
        "my",
        problem.status if problem else 200,
        grades=grades.of(visit.connection, uscc, visit.today),
        cases=mine,
        statements=replies.current(visit.connection, uscc),
        problem=str(problem or ""),
        statement=statement,
    )


def _objection_form(
    visit: desk.Visit, target: str, target_id: str, problem: WorkbenchError | None = None, reason: str = ""
) -> Response:
    uscc = _enterprise(visit)
    if target not in grades.TARGETS_ZH or not grades.owns_target(visit.connection, uscc, target, target_id):
        raise MissingError("没有这项记录，或它不属于贵企业。")
    return visit.page(
        "objection_new",
        problem.status if problem else 200,
        target=target,
        target_id=target_id,
        problem=str(problem or ""),
        reason=reason,
    )


def _repair_form(
    visit: desk.Visit, record_id: str, problem: WorkbenchError | None = None, reason: str = ""
) -> Response:
    grade: Any = grades.of(visit.connection, _enterprise(visit), visit.today)
    record = next((one for one in grade.records if one["record_id"] == record_id), None)
    if record is None:
        raise MissingError("没有这条记录，或它已不再公示。")
    return visit.page(
        "repair_new",
        problem.status if problem else 200,
        record=record,
        problem=str(problem or ""),
        reason=reason,
    )
