"""The pages behind a sign-in: each reader sees the area it answers for and what lies below.

    python -m property_credit.scorecards.service --port 8400

Owns sessions, the refusals and the access log. What an address means and who may open it is ``scorecards.access``.
"""

import argparse
import secrets
import time
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Form, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.middleware.sessions import SessionMiddleware

from property_credit.scorecards import access, months, readers
from property_credit.scorecards.errors import ScorecardError
from property_credit.scorecards.on_demand import made
from property_credit.scorecards.render import PACKAGE, environment
from property_credit.warehouse import serving, sign_in
from property_credit.warehouse.access_log import AccessLog
from property_credit.warehouse.settings import get_settings

TRUSTED_SECONDS = 2.0  # how long a reader's row is believed: a removed reader is out after that
DOWNLOADS = {".csv", ".xlsx", ".pdf"}
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".csv": "text/csv; charset=utf-8",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".pdf": "application/pdf",
}


class Gate:
    """Who is signed in."""

    def __init__(self) -> None:
        self.tries = sign_in.Tries()
        self._known: dict[str, tuple[float, readers.Reader]] = {}

    def reader(self, request: Request) -> readers.Reader | None:
        """Return the reader of a session that is still good: the server's row says so, not the cookie."""
        token = request.session.get("session")
        if not token:
            return None
        at, known = self._known.get(token, (-1e9, None))
        if time.monotonic() - at > TRUSTED_SECONDS:
            known = readers.of_session(token)
            self._known = {
                key: held for key, held in self._known.items() if time.monotonic() - held[0] < TRUSTED_SECONDS
            }
            if known:
                self._known[token] = (time.monotonic(), known)
        return known

    def sign_out(self, request: Request) -> None:
        """End the session of a request, on the server first."""
        if token := request.session.get("session"):
            readers.close_session(token)
            self._known.pop(token, None)
        request.session.clear()


def application() -> FastAPI:
    """Return the application; every start of a process makes its own."""
    app = FastAPI(title="监管月报", docs_url=None, redoc_url=None, openapi_url=None)
    gate, log = Gate(), AccessLog("pages", "reader")
    app.add_middleware(
        SessionMiddleware,
        secret_key=sign_in.session_secret("pages"),
        session_cookie="scorecards",
        max_age=sign_in.SESSION_SECONDS,
        same_site="strict",
        https_only=get_settings().pages_https,
    )

    @app.middleware("http")
    async def note_and_harden(request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        for name, value in sign_in.HEADERS.items():
            response.headers.setdefault(name, value)
        if not request.url.path.startswith("/healthz"):
            log.note(request, response.status_code, getattr(request.state, "reader", None))
        return response

    @app.api_route("/healthz", methods=["GET", "HEAD"])
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.api_route("/favicon.ico", methods=["GET", "HEAD"])
    def icon() -> Response:  # browsers ask for one by themselves
        return Response(status_code=204)

    @app.api_route("/assets/site.css", methods=["GET", "HEAD"])
    def style() -> Response:  # of the sign-in page: nobody is signed in there yet
        return FileResponse(PACKAGE / "assets" / "site.css", media_type=TYPES[".css"])

    @app.api_route("/sign-in", methods=["GET", "HEAD"])
    def sign_in_form(request: Request) -> Response:
        if gate.reader(request):
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
        wait = gate.tries.begin(name, address)
        if wait:
            response = _form(request, 429, f"尝试次数过多，请 {wait} 秒后再试。")
            response.headers["Retry-After"] = str(wait)
            return response
        reader = readers.check(name, password, code)
        if reader is None:
            return _form(request, 401, "用户名、密码或动态码不正确。")
        gate.tries.succeeded(name, address)
        gate.sign_out(request)  # what this browser held before
        request.session.update(session=readers.open_session(reader.name), token=secrets.token_urlsafe(16))
        request.state.reader = reader.name
        return RedirectResponse("/", 303)

    @app.api_route("/sign-out", methods=["GET", "HEAD"])
    def sign_out_form(request: Request) -> Response:
        reader = gate.reader(request)
        return _page(request, "sign_out", 200, reader=reader) if reader else RedirectResponse("/sign-in", 303)

    @app.post("/sign-out")
    def sign_out(request: Request, token: Annotated[str, Form(max_length=200)] = "") -> Response:
        if sign_in.is_token(request.session.get("token", ""), token):
            gate.sign_out(request)
        return RedirectResponse("/sign-in", 303)

    @app.api_route("/", methods=["GET", "HEAD"])
    def home(request: Request) -> Response:
        reader = gate.reader(request)
        if not reader:
            return RedirectResponse("/sign-in", 303)
        request.state.reader = reader.name
        for month in reversed(months.built(_pages(), reader.area_code)):
            return RedirectResponse(f"/{month}/area/{reader.area_code}.html", 303)
        return _page(request, "refused", 404, reader=reader, words="您的地区还没有已生成的月报。")

    @app.api_route("/months.js", methods=["GET", "HEAD"])
    def menu_of_months(request: Request) -> Response:
        reader = gate.reader(request)
        content = months.menu(months.built(_pages(), reader.area_code) if reader else [])
        return Response(content, media_type=TYPES[".js"])

    @app.api_route("/index.html", methods=["GET", "HEAD"])
    def index_of_months(request: Request) -> Response:
        reader = gate.reader(request)
        if not reader:
            return RedirectResponse("/sign-in", 303)
        request.state.reader = reader.name
        return HTMLResponse(months.index(_pages(), area_code=reader.area_code, style="/assets/site.css"))

    @app.api_route("/notices/{path:path}", methods=["GET", "HEAD"])
    def notice(request: Request, path: str) -> Response:
        reader = gate.reader(request)
        if not reader:
            return RedirectResponse("/sign-in", 303)
        request.state.reader = reader.name
        match = access.NOTICE.fullmatch(path)
        newest = max(_pages().glob("????-??/access.json"), default=None)
        scopes = access.scopes_of(newest.parent) if newest else None
        if not match or not scopes:
            return _page(request, "refused", 404, reader=reader, words="没有这个页面。")
        if not scopes.holds(reader.area_code, "area", match[2]):
            return _page(request, "refused", 403, reader=reader, words="这个页面不在您的地区范围内。")
        return _file(request, _pages() / "notices", path, reader)

    @app.api_route("/{month}/{path:path}", methods=["GET", "HEAD"])
    def page(request: Request, month: str, path: str) -> Response:
        reader = gate.reader(request)
        if not reader:
            return RedirectResponse("/sign-in", 303)
        request.state.reader = reader.name
        scopes = access.scopes_of(_pages() / month) if access.MONTH.fullmatch(month) else None
        if scopes is None:
            return _page(request, "refused", 404, reader=reader, words="没有这个月份的月报。")
        outcome, file = access.verdict(scopes, reader.area_code, path)
        if outcome == access.OUTSIDE:
            return _page(request, "refused", 403, reader=reader, words="这个页面不在您的地区范围内。")
        if outcome == access.UNKNOWN:
            return _page(request, "refused", 404, reader=reader, words="没有这个页面。")
        if not file:
            return RedirectResponse(f"/{month}/area/{reader.area_code}.html", 303)
        return _file(request, _pages() / month, file, reader)

    return app


def _pages() -> Path:
    folder = get_settings().pages_dir
    assert folder
    return folder


def _file(request: Request, folder: Path, file: str, reader: readers.Reader) -> Response:
    path = folder / file
    if not path.exists():
        try:
            is_there = made(folder, file)
        except ScorecardError as error:
            return _page(request, "refused", 503, reader=reader, words=str(error))
        if not is_there:
            return _page(request, "refused", 404, reader=reader, words="没有这个页面。")
    name = path.name if path.suffix in DOWNLOADS else None
    return FileResponse(path, media_type=TYPES[path.suffix], filename=name)


def _form(request: Request, status: int, problem: str = "") -> HTMLResponse:
    request.session.setdefault("token", secrets.token_urlsafe(16))
    return _page(request, "sign_in", status, problem=problem)


def _page(request: Request, template: str, status: int, **values: Any) -> HTMLResponse:
    text = environment().get_template(f"{template}.html.j2").render(token=request.session.get("token", ""), **values)
    return HTMLResponse(text, status)


def main() -> None:
    """Serve until stopped; without --host to this machine alone."""
    parser = argparse.ArgumentParser(description="The pages behind a sign-in.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8400)
    arguments = parser.parse_args()
    serving.serve(serving.guarded(application()), host=arguments.host, port=arguments.port)


if __name__ == "__main__":
    main()
