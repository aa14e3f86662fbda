"""Pages of accounts: an administrator's list, invitations and where one is accepted, the record of acts."""

from typing import Any

import segno
from fastapi import FastAPI, Request
from fastapi.responses import RedirectResponse, Response

from property_credit.warehouse.connection import connect
from property_credit.workbench import accounts, acts, desk
from property_credit.workbench.errors import MissingError, NotAllowedError, WorkbenchError
from property_credit.workbench.forms import Code, FormId, Token

FIRST_FORM_WORDS = "邀请链接七天内有效，只能使用一次；请通过可靠渠道发给本人。"


def register(app: FastAPI) -> None:
    """Add the pages to the application."""

    @app.api_route("/accounts", methods=["GET", "HEAD"])
    def listed(request: Request) -> Response:
        with desk.visit(request) as visit:
            return _accounts(visit)

    @app.post("/accounts/invite")
    def invite(
        request: Request,
        token: Token = "",
        form_id: FormId = "",
        role_code: Code = "",
        area_code: Code = "",
        community_id: Code = "",
        uscc: Code = "",
        officer_code: Code = "",
    ) -> Response:
        given = {
            "role_code": role_code,
            "area_code": area_code,
            "community_id": community_id,
            "uscc": uscc,
            "officer_code": officer_code,
        }
        with desk.visit(request, token=token) as visit:
            _administrator(visit)
            try:
                secret = accounts.invite(visit.connection, visit.account, visit.areas, **given, form_id=form_id)
            except WorkbenchError as error:
                return _accounts(visit, problem=error, given=given)
            visit.connection.commit()
            return _accounts(visit, address=_address(request, secret))

    @app.post("/accounts/{code}")
    def change(
        request: Request, code: str, token: Token = "", form_id: FormId = "", account_name: Code = ""
    ) -> Response:
        with desk.visit(request, token=token) as visit:
            _administrator(visit)
            if code == "renew":
                secret = accounts.renew(visit.connection, visit.account, visit.areas, account_name, form_id=form_id)
                visit.connection.commit()
                return _accounts(visit, address=_address(request, secret))
            if code != "remove":
                raise MissingError("没有这个页面。")
            try:
                accounts.remove(visit.connection, visit.account, visit.areas, account_name, form_id=form_id)
            except MissingError:
                raise
            except WorkbenchError as error:
                return _accounts(visit, problem=error)
            return visit.follow("/accounts")

    @app.api_route("/acts", methods=["GET", "HEAD"])
    def record(request: Request, before: int | None = None) -> Response:
        with desk.visit(request) as visit:
            _administrator(visit)
            rows = acts.recent(visit.connection, before=before, limit=1_000)
            seen = [row for row in rows if _is_seen(visit, row)][:100]
            return visit.page("acts", acts=seen, oldest=rows[-1]["act_id"] if rows else 1)

    @app.api_route("/invitations/{secret}", methods=["GET", "HEAD"])
    def invitation(request: Request, secret: str) -> Response:
        return _invitation(request, secret)

    @app.post("/invitations/{secret}")
    def accept(
        request: Request,
        secret: str,
        form_id: FormId = "",
        name: Code = "",
        password: Code = "",
        repeated: Code = "",
        code: Code = "",
    ) -> Response:
        try:
            if password != repeated:
                raise WorkbenchError("两次输入的密码不一致。")
            with connect("pc_workbench") as connection:
                accounts.accept(connection, secret, name=name, password=password, code=code, form_id=form_id)
        except MissingError:
            raise
        except WorkbenchError as error:
            return _invitation(request, secret, problem=error, name=name)
        return RedirectResponse("/sign-in", 303)


def _administrator(visit: desk.Visit) -> None:
    if visit.account.role_code != "administrator":
        raise NotAllowedError("此页面供管理员使用。")


def _accounts(
    visit: desk.Visit,
    problem: WorkbenchError | None = None,
    given: dict[str, str] | None = None,
    address: str = "",
) -> Response:
    _administrator(visit)
    return visit.page(
        "accounts",
        problem.status if problem else 200,
        accounts=accounts.listed(visit.connection, visit.account, visit.areas),
        below=sorted(code for code in visit.areas.names if visit.areas.holds(visit.account.area_code, code)),
        problem=str(problem or ""),
        given=desk.blank(given),
        address=address,
        words=FIRST_FORM_WORDS,
    )


def _address(request: Request, secret: str) -> str:
    return f"{request.base_url}invitations/{secret}"


def _is_seen(visit: desk.Visit, row: dict[str, Any]) -> bool:
    return visit.areas.holds(visit.account.area_code, row["area_code"])


def _invitation(request: Request, secret: str, problem: WorkbenchError | None = None, name: str = "") -> Response:
    with connect("pc_workbench") as connection:
        invitation = accounts.opened(connection, secret)
    image = segno.make(accounts.provisioning(invitation, invitation.renews or name), error="m")
    return desk.page(
        request,
        "invitation",
        problem.status if problem else 200,
        invitation=invitation,
        image=image.svg_inline(scale=4, border=2, title="供身份验证器扫描的二维码"),
        problem=str(problem or ""),
        name=name,
    )
