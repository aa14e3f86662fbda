"""The workbench as a web application: signing in, the frame of every request, what is refused and how.

Owns sessions, tokens, limits on what is sent and the access log; the pages are in ``enterprise_pages``, ``case_pages``
and ``account_pages``. Plain forms: everything works without a script.
"""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Form, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, RedirectResponse, Response
from starlette.exceptions import HTTPException
from starlette.middleware.sessions import SessionMiddleware

from property_credit.warehouse import serving, sign_in
from property_credit.warehouse.access_log import AccessLog
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings
from property_credit.workbench import (
    account_pages,
    accounts,
    alert_pages,
    attachments,
    board_pages,
    case_file_pages,
    case_pages,
    desk,
    enterprise_pages,
    match_pages,
    notice_pages,
)
from property_credit.workbench.errors import WorkbenchError
from property_credit.workbench.rights import DECIDING

MOST_BODY_BYTES = attachments.MOST_FILES * attachments.MOST_BYTES + serving.MOST_BODY_BYTES
PLAIN_PATHS = ("/healthz", "/favicon.ico", "/assets/", "/sign-in", "/invitations/")
NOT_THERE, NOT_READ = "没有这个页面。", "提交的内容不完整或格式不对，没有保存。请返回检查后重新提交。"


def application(*, style: Path, effect: desk.Effect | None = None) -> FastAPI:
    """Return the application.

    Args:
        style: the style sheet that the pages share with the month's pages.
        effect: says what upholding (connection, uscc, targets) would do to a grade; None: pages say it is not known.
    """
    app = FastAPI(title="工作台", docs_url=None, redoc_url=None, openapi_url=None)
    log, tries = AccessLog("workbench", "account"), sign_in.Tries()

    @app.middleware("http")
    async def frame(request: Request, call_next: Callable[..., Any]) -> Response:
        length = request.headers.get("content-length", "0")
        is_large = request.headers.get("transfer-encoding") or int(length or 0) > serving.MOST_BODY_BYTES
        response: Response
        if is_large and not (request.url.path not in PLAIN_PATHS and _is_signed_in(request)):
            response = Response("请先登录。", 413)  # nobody has read a byte of it
        else:
            response = await call_next(request)
        for name, value in sign_in.HEADERS.items():
            response.headers.setdefault(name, value)
        if request.url.path != "/healthz":
            path = "/invitations/…" if request.url.path.startswith("/invitations/") else None
            log.note(request, response.status_code, getattr(request.state, "account", None), path=path)
        return response

    app.add_middleware(
        SessionMiddleware,
        secret_key=sign_in.session_secret("workbench"),
        session_cookie="workbench",
        max_age=sign_in.SESSION_SECONDS,
        same_site="strict",
        https_only=get_settings().pages_https,
    )

    @app.exception_handler(desk.SignedOutError)
    def signed_out(_request: Request, _error: Exception) -> Response:
        return RedirectResponse("/sign-in", 303)

    @app.exception_handler(WorkbenchError)
    def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, WorkbenchError)
        return desk.page(request, "refused", error.status, words=str(error))

    @app.exception_handler(RequestValidationError)
    def unreadable(request: Request, _error: Exception) -> Response:
        return desk.page(request, "refused", 400, words=NOT_READ)

    @app.exception_handler(HTTPException)
    def other(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return desk.page(request, "refused", status, words=NOT_THERE if status in (404, 405) else NOT_READ)

    @app.exception_handler(Exception)
    def failed(request: Request, _error: Exception) -> Response:
        words = "系统出现故障，您的操作没有保存。请稍后重试；仍然如此时请联系管理员，并告知现在的时间。"
        return desk.page(request, "refused", 500, words=words)

    @app.api_route("/healthz", methods=["GET", "HEAD"])
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.api_route("/favicon.ico", methods=["GET", "HEAD"])
    def icon() -> Response:
        return Response(status_code=204)

    @app.api_route("/assets/{name}", methods=["GET", "HEAD"])
    def asset(name: str) -> Response:
        own = desk.PACKAGE / "assets"
        known = {"site.css": style} | {one: own / one for one in ("workbench.css", "board.js", "matches.js")}
        if name not in known:
            raise HTTPException(404)
        kind = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}[known[name].suffix]
        return FileResponse(known[name], media_type=kind, headers={"Cache-Control": "max-age=3600"})

    @app.api_route("/sign-in", methods=["GET", "HEAD"])
    def sign_in_form(request: Request) -> Response:
        if _is_signed_in(request):
            return RedirectResponse("/", 303)
        return _form(request, 200)

    @app.post("/sign-in")
    def sign_in_with(
        request: Request,
        name: Annotated[str, Form(max_length=200)] = "",
        password: Annotated[str, Form(max_length=500)] = "",
        token: Annotated[str, Form(max_length=200)] = "",
        code: Annotated[str, Form(max_length=20)] = "",
    ) -> Response:
        if not sign_in.is_token(request.session.get("token", ""), token):
            return _form(request, 400, "登录页已过期，请重试。")
        address = request.client.host if request.client else ""
        if wait := tries.begin(name, address):
            response = _form(request, 429, f"尝试次数过多，请 {wait} 秒后再试。")
            response.headers["Retry-After"] = str(wait)
            return response
        if not accounts.SIGN_INS.check(name, password, code):
            return _form(request, 401, "用户名、密码或动态码不正确。")
        tries.succeeded(name, address)
        _sign_out(request)  # what this browser held before: a session that was planted in it is worth nothing
        request.session.update(session=accounts.SIGN_INS.open_session(name), token=secrets.token_urlsafe(16))
        request.state.account = name
        return RedirectResponse("/", 303)

    @app.post("/sign-out")
    def sign_out(request: Request, token: Annotated[str, Form(max_length=200)] = "") -> Response:
        if sign_in.is_token(request.session.get("token", ""), token):
            _sign_out(request)
        return RedirectResponse("/sign-in", 303)

    @app.api_route("/", methods=["GET", "HEAD"])
    def home(request: Request) -> Response:
        with desk.visit(request) as visit:
            role = visit.account.role_code
            return RedirectResponse({"enterprise": "/my", "officer": _first_page(visit)}.get(role, "/accounts"), 303)

    enterprise_pages.register(app)
    account_pages.register(app)
    alert_pages.register(app)
    board_pages.register(app)
    case_file_pages.register(app)
    notice_pages.register(app)
    match_pages.register(app)
    case_pages.register(app, effect)  # last: its addresses take any first word
    return app


def _first_page(visit: desk.Visit) -> str:
    return "/cases" if visit.account.level(visit.areas) in DECIDING else "/board"


def _is_signed_in(request: Request) -> bool:
    held = request.session.get("session", "")
    if not held:
        return False
    with connect("pc_workbench") as connection:
        return accounts.of_session(connection, held) is not None


def _sign_out(request: Request) -> None:
    if held := request.session.get("session"):
        accounts.SIGN_INS.close_session(held)
    request.session.clear()


def _form(request: Request, status: int, problem: str = "") -> Response:
    request.session.setdefault("token", secrets.token_urlsafe(16))
    return desk.page(request, "sign_in", status, problem=problem)
