"""The pages behind a sign-in: each reader sees the area it answers for and what lies below.

    python -m scorecards.service --port 8400

Owns sessions, the refusals and the access log. What an address means and who may open it is ``scorecards.access``.
"""

import argparse
import hmac
import json
import os
import secrets
import tempfile
import threading
import time
from collections import defaultdict, deque
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Form, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.middleware.sessions import SessionMiddleware

from scorecards import access, readers
from scorecards.errors import ScorecardError
from scorecards.on_demand import made
from scorecards.render import PACKAGE, environment
from warehouse.business_date import arrival
from warehouse.settings import get_settings

SESSION_SECONDS = 8 * 3600
TRIES = {"name": 5, "address": 50}  # wrong passwords before it has to wait; an office is often behind one address
TRY_SECONDS = 300
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
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self'; "
    "script-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}


class Tries:
    """Wrong passwords of the last minutes, by name and by address."""

    def __init__(self) -> None:
        self._wrong: dict[tuple[str, str], deque[float]] = defaultdict(deque)
        self._lock = threading.Lock()

    def wait_seconds(self, *keys: tuple[str, str]) -> int:
        """Return how long the next try has to wait; 0: not at all."""
        now = time.monotonic()
        with self._lock:
            waits = [0.0]
            for key in keys:
                times = self._wrong[key]
                while times and times[0] <= now - TRY_SECONDS:
                    times.popleft()
                limit = TRIES[key[0]]
                if len(times) >= limit:
                    waits.append(times[-limit] + TRY_SECONDS - now)
                elif not times:
                    del self._wrong[key]
            return int(max(waits)) + (max(waits) > 0)

    def add(self, *keys: tuple[str, str]) -> None:
        """Note a wrong password."""
        with self._lock:
            for key in keys:
                self._wrong[key].append(time.monotonic())


class Gate:
    """Who is signed in, and the log of what was asked for."""

    def __init__(self) -> None:
        self.tries = Tries()
        self._known: dict[str, tuple[float, readers.Reader | None]] = {}
        self._log_lock = threading.Lock()

    def reader(self, request: Request) -> readers.Reader | None:
        """Return the reader of a session that is still good."""
        name, since = request.session.get("reader"), request.session.get("since", "")
        if not name:
            return None
        at, known = self._known.get(name, (0.0, None))
        if time.monotonic() - at > TRUSTED_SECONDS:
            known = readers.find(name)
            self._known[name] = (time.monotonic(), known)
        return known if known and datetime.fromisoformat(since) >= known.changed_at else None

    def note(self, request: Request, status: int, reader: str | None) -> None:
        """Write one line of the access log: when, who, what, with which outcome; no form and no cookie."""
        path = get_settings().data_dir / "logs" / "pages-access.jsonl"
        entry = {
            "at": arrival().isoformat(),
            "reader": reader,
            "address": request.client.host if request.client else None,
            "method": request.method,
            "path": request.url.path,
            "status": status,
        }
        with self._log_lock:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "a", encoding="utf-8") as log:
                log.write(json.dumps(entry, ensure_ascii=False) + "\n")


def session_secret() -> str:
    """Return what sessions are signed with: PAGES_SESSION_SECRET, else a file of our own that only we can read."""
    given = get_settings().pages_session_secret
    if given:
        return given.get_secret_value()
    folder = get_settings().keys_dir
    assert folder
    path = folder / "pages-session.secret"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, partial = tempfile.mkstemp(dir=folder)  # mode 0600
        with os.fdopen(descriptor, "w") as stream:
            stream.write(secrets.token_hex(32))
        try:
            os.link(partial, path)  # the first of two that start at once wins
        except FileExistsError:
            pass
        finally:
            os.unlink(partial)
    return path.read_text(encoding="utf-8").strip()


def application() -> FastAPI:
    """Return the application; every start of a process makes its own."""
    app = FastAPI(title="监管月报", docs_url=None, redoc_url=None, openapi_url=None)
    gate = Gate()
    app.add_middleware(
        SessionMiddleware,
        secret_key=session_secret(),
        session_cookie="scorecards",
        max_age=SESSION_SECONDS,
        same_site="strict",
        https_only=get_settings().pages_https,
    )

    @app.middleware("http")
    async def note_and_harden(request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if not request.url.path.startswith("/healthz"):
            gate.note(request, response.status_code, getattr(request.state, "reader", None))
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
    def sign_in(
        request: Request,
        name: Annotated[str, Form(max_length=200)] = "",
        password: Annotated[str, Form(max_length=500)] = "",
        token: Annotated[str, Form(max_length=200)] = "",
    ) -> Response:
        expected = request.session.get("token", "")
        if not expected or not hmac.compare_digest(expected.encode(), token.encode()):
            return _form(request, 400, "登录页已过期，请重试。")
        keys = (("name", name), ("address", request.client.host if request.client else ""))
        wait = gate.tries.wait_seconds(*keys)
        if wait:
            response = _form(request, 429, f"尝试次数过多，请 {wait} 秒后再试。")
            response.headers["Retry-After"] = str(wait)
            return response
        reader = readers.check(name, password)
        if reader is None:
            gate.tries.add(*keys)
            return _form(request, 401, "用户名或密码不正确。")
        request.session.clear()
        request.session.update(reader=reader.name, since=arrival().isoformat(), token=secrets.token_urlsafe(16))
        request.state.reader = reader.name
        return RedirectResponse("/", 303)

    @app.api_route("/sign-out", methods=["GET", "HEAD"])
    def sign_out_form(request: Request) -> Response:
        reader = gate.reader(request)
        return _page(request, "sign_out", 200, reader=reader) if reader else RedirectResponse("/sign-in", 303)

    @app.post("/sign-out")
    def sign_out(request: Request, token: Annotated[str, Form(max_length=200)] = "") -> Response:
        if hmac.compare_digest(request.session.get("token", "").encode(), token.encode()):
            request.session.clear()
        return RedirectResponse("/sign-in", 303)

    @app.api_route("/", methods=["GET", "HEAD"])
    def home(request: Request) -> Response:
        reader = gate.reader(request)
        if not reader:
            return RedirectResponse("/sign-in", 303)
        request.state.reader = reader.name
        months = sorted(path.parent.name for path in _pages().glob("????-??/access.json"))
        for month in reversed(months):
            if (_pages() / month / "area" / f"{reader.area_code}.html").exists():
                return RedirectResponse(f"/{month}/area/{reader.area_code}.html", 303)
        return _page(request, "refused", 404, reader=reader, words="您的地区还没有已生成的月报。")

    @app.api_route("/notices/{path:path}", methods=["GET", "HEAD"])
    def notice(request: Request, path: str) -> Response:
        reader = gate.reader(request)
        if not reader:
            return RedirectResponse("/sign-in", 303)
        request.state.reader = reader.name
        found = access.NOTICE.fullmatch(path)
        newest = max(_pages().glob("????-??/access.json"), default=None)
        scopes = access.scopes_of(newest.parent) if newest else None
        if not found or not scopes:
            return _page(request, "refused", 404, reader=reader, words="没有这个页面。")
        if not scopes.holds(reader.area_code, "area", found[2]):
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
    import uvicorn

    parser = argparse.ArgumentParser(description="The pages behind a sign-in.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8400)
    arguments = parser.parse_args()
    uvicorn.run(application(), host=arguments.host, port=arguments.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
