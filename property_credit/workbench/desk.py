"""What every page of the workbench stands on: who is asking, on one connection, and how a page or a refusal is shown.

Owns the templates' environment. A visit is one transaction: what a form does is committed before it is answered.
"""

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from property_credit.warehouse import sign_in
from property_credit.warehouse.pool import pooled
from property_credit.workbench import accounts, acts, areas, board, cases, grades, notices, rights, worklists
from property_credit.workbench.areas import Areas
from property_credit.workbench.errors import WorkbenchError
from property_credit.workbench.rights import Account

PACKAGE = Path(__file__).parent
Effect = Callable[[psycopg.Connection, str, list[tuple[str, str]]], Any]


class SignedOutError(Exception):
    """Nobody is signed in, or the session is over."""


class ExpiredFormError(WorkbenchError):
    """A form that no page of this session held."""

    status = 400


@dataclass(frozen=True)
class Visit:
    """One request of somebody who is signed in."""

    request: Request
    connection: psycopg.Connection
    account: Account
    areas: Areas
    today: date

    @property
    def home(self) -> str | None:
        """Return the district of the enterprise that is signed in."""
        uscc = self.account.uscc
        return accounts.homes_of(self.connection, [uscc]).get(uscc) if uscc else None

    def page(self, template: str, status: int = 200, /, **values: Any) -> HTMLResponse:
        """Return a page in the frame of who is signed in."""
        frame = {"account": self.account, "areas": self.areas, "today": self.today}
        return page(
            self.request, template, status, unread=notices.unread(self.connection, self.account), **frame, **values
        )

    def follow(self, address: str) -> RedirectResponse:
        """Commit what was done and lead on to ``address``."""
        self.connection.commit()
        return RedirectResponse(address, 303)


@contextmanager
def visit(request: Request, *, token: str | None = None) -> Iterator[Visit]:
    """Give the visit of whoever is signed in; with ``token``, of a form that was sent: it must be of this session.

    Raises SignedOutError, or ExpiredFormError for a foreign or an old form.
    """
    held = request.session.get("session", "")
    with pooled("pc_workbench") as connection:
        account = accounts.of_session(connection, held) if held else None
        if account is None:
            raise SignedOutError
        request.state.account = account.name
        if token is not None and not sign_in.is_token(request.session.get("token", ""), token):
            raise ExpiredFormError("表单已过期，没有保存。请返回上一页，刷新后重新提交。")
        yield Visit(request, connection, account, areas.read(connection), acts.office_day(connection))


def page(request: Request, template: str, status: int = 200, /, **values: Any) -> HTMLResponse:
    """Return a rendered page; every form in it carries the session's token and a number of its own."""
    text = (
        environment()
        .get_template(f"{template}.html.j2")
        .render(token=request.session.get("token", ""), new_form_id=lambda: str(uuid.uuid4()), **values)
    )
    return HTMLResponse(text, status)


def blank(given: dict[str, Any] | None) -> defaultdict[str, Any]:
    """Return what a form was sent with, so that it is shown again; empty text for what was not."""
    return defaultdict(str, given or {})


def quoted(text: str) -> str:
    """Return ``text`` as a part of an address."""
    return quote(text, safe="")


def as_download(held: dict[str, Any]) -> dict[str, str]:
    """Return the headers under which a kept file leaves: a download, named after what it is, that nothing runs in."""
    name, ending = str(held["name"]), f".{held['kind']}"
    name = name if name.lower().endswith(ending) else name + ending
    return {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quoted(name)}",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }


class Templates(Environment):
    """Templates that look into rows first: ``row.name`` is ``row["name"]``."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return ``obj``'s item of that name where it is a row and has one, else what Jinja finds."""
        if type(obj) is dict and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Return the compiled templates with the words and ways of writing that they share."""
    templates = Templates(
        loader=FileSystemLoader(PACKAGE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    templates.filters.update(stamp=acts.stamp, fixed=_fixed, address=_address, quoted=quoted, age=_age)
    templates.globals.update(
        ROLES=rights.ROLES,
        LEVELS=areas.LEVELS,
        STATUSES=grades.STATUSES,
        TARGETS=grades.TARGETS_ZH,
        KINDS=cases.KINDS_ZH,
        STATES=cases.STATES,
        ACTS=cases.ACTS_ZH,
        OUTCOMES=cases.OUTCOMES,
        SOURCE_CLASSES=cases.SOURCE_CLASSES,
        ALERT_STATES=worklists.STATES,
        SEVERITIES=worklists.SEVERITIES,
        SORTS=worklists.SORTS,
        OVERDUE=board.KINDS,
        TOLD=board.LEVELS_TOLD,
        NOTICES=notices.KINDS,
        CHANNELS=notices.CHANNELS,
        AGES=[words for _limit, words in board.AGES],
    )
    return templates


def _fixed(value: Any, places: int = 2) -> str:
    return "—" if value is None else f"{value:.{places}f}"


def _age(value: timedelta) -> str:
    hours = int(value.total_seconds() // 3600)
    return f"{hours // 24} 天 {hours % 24} 小时" if hours >= 24 else f"{hours} 小时"


def _address(case: Any) -> str:
    return f"/{case.kind}s/{case.id}"
