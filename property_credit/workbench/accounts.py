"""Accounts: who may sign in, invited by an administrator of the area, with a password and a code of an app.

Owns ``workbench.accounts``, ``invitations`` and ``sessions``. An invitation is an address that is good once, for seven
days; whoever opens it chooses name and password and sets up the app. There is no account without a second factor.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, LiteralString

import psycopg
import pyotp
from psycopg.rows import class_row, dict_row

from property_credit.warehouse import credit_codes, sign_in
from property_credit.warehouse.business_date import arrival
from property_credit.workbench import acts
from property_credit.workbench.acts import Act
from property_credit.workbench.areas import Areas
from property_credit.workbench.errors import ConflictError, MissingError, NotAllowedError, WorkbenchError
from property_credit.workbench.rights import ADMINISTRATOR, ENTERPRISE, ROLES, Account, Place, may

OPERATOR = "operator"  # whoever runs the command line on the server
SIGN_INS = sign_in.SignIns("pc_workbench", ("workbench", "accounts"), ("workbench", "sessions"), "account_name")
ISSUER = "物业服务企业信用评价 工作台"
INVITED_DAYS = 7
LONGEST_NAME, LONGEST_CODE = 40, 40
FIND: LiteralString = (
    "select account_name as name, role_code, area_code, community_id, uscc, officer_code "
    "from workbench.accounts where account_name = %s"
)
FIND_IN_USE: LiteralString = FIND + " and is_active"


@dataclass(frozen=True)
class Invitation:
    """What an address that is still good offers; ``renews``: the account that gets a new password and code."""

    role_code: str
    area_code: str | None
    community_id: str | None
    uscc: str | None
    officer_code: str | None
    totp_secret: str
    renews: str | None


def of_session(connection: psycopg.Connection, token: str) -> Account | None:
    """Return whose session a browser holds; None when it is over."""
    name = SIGN_INS.holder(connection, token)
    return find(connection, name) if name else None


def find(connection: psycopg.Connection, name: str) -> Account | None:
    """Return an account that is in use."""
    with connection.cursor(row_factory=class_row(Account)) as cursor:
        return cursor.execute(FIND_IN_USE, (name,)).fetchone()


def listed(connection: psycopg.Connection, account: Account, areas: Areas) -> list[dict[str, Any]]:
    """Return the accounts that an administrator answers for: of its area, below, and of enterprises there."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            "select account_name, role_code, area_code, community_id, uscc, officer_code, is_active, created_at "
            "from workbench.accounts order by role_code, area_code nulls last, account_name"
        ).fetchall()
    homes = homes_of(connection, [row["uscc"] for row in rows if row["uscc"]])
    return [row for row in rows if areas.holds(account.area_code, row["area_code"] or homes.get(row["uscc"] or ""))]


def homes_of(connection: psycopg.Connection, usccs: list[str]) -> dict[str, str]:
    """Return the district each enterprise belongs to: where most of its households are."""
    if not usccs:
        return {}
    return dict(
        connection.execute(
            "select uscc, region_code from marts.mart_scoring__enterprises where uscc = any(%s) "
            "and region_code is not null",
            (usccs,),
        ).fetchall()
    )


def invite(
    connection: psycopg.Connection,
    by: Account | None,
    areas: Areas,
    *,
    role_code: str,
    area_code: str | None = None,
    community_id: str | None = None,
    uscc: str | None = None,
    officer_code: str | None = None,
    form_id: str,
) -> str:
    """Invite somebody; return the secret part of the address. ``by`` None: the operator of the server.

    Raises WorkbenchError when the role, the area or a code cannot be, NotAllowedError outside the inviter's area.
    """
    area_code, community_id, uscc, officer_code = (
        value.strip() or None if value else None for value in (area_code, community_id, uscc, officer_code)
    )
    if role_code not in ROLES:
        raise WorkbenchError("请选择角色。")
    if role_code == ENTERPRISE:
        if not uscc or credit_codes.why_wrong(uscc):
            raise WorkbenchError("统一社会信用代码不正确，请核对 18 位代码。")
        area_code = community_id = officer_code = None
        home = homes_of(connection, [uscc]).get(uscc)
        if home is None:
            raise WorkbenchError("评价范围内没有这家企业：请核对代码，或待企业数据入库后再邀请。")
        place = Place(uscc=uscc, area_code=home)
    else:
        uscc = None
        if community_id:
            area_code = areas.communities.get(community_id)
        if area_code not in areas.levels:
            raise WorkbenchError("没有这个地区或小区，请核对代码。")
        if role_code == ADMINISTRATOR:
            community_id = officer_code = None
        elif not officer_code or len(officer_code) > LONGEST_CODE or not officer_code.isprintable():
            raise WorkbenchError("请填写经办人代号（不是姓名，写入办理记录，如 150203-ZJ01）。")
        elif connection.execute("select 1 from workbench.accounts where officer_code = %s", (officer_code,)).fetchone():
            raise WorkbenchError("这个经办人代号已有账号使用。")
        place = Place(area_code=area_code, community_id=community_id)
    if by is not None and not may(by, "account", "invite", place, areas):
        raise NotAllowedError("只能邀请本地区及下级地区的账号。")
    return _invite(connection, by, place, role_code=role_code, officer_code=officer_code, renews=None, form_id=form_id)


def renew(connection: psycopg.Connection, by: Account | None, areas: Areas, name: str, *, form_id: str) -> str:
    """Give an account a new password and app: sign it out, return the address where its owner sets them up."""
    account, place = _answered_for(connection, by, areas, name, "renew")
    _change(connection, name, is_active=True, forgets=True)
    return _invite(
        connection,
        by,
        place,
        role_code=account.role_code,
        officer_code=account.officer_code,
        renews=name,
        form_id=form_id,
    )


def remove(connection: psycopg.Connection, by: Account | None, areas: Areas, name: str, *, form_id: str) -> None:
    """Sign an account out everywhere and let it in no more; what it did stays."""
    if by is not None and by.name == name:
        raise WorkbenchError("不能停用自己的账号，请由上级或同级其他管理员办理。")
    _account, place = _answered_for(connection, by, areas, name, "remove")
    _record(connection, by, name, "remove", place, {}, form_id)
    _change(connection, name, is_active=False, forgets=True)


def opened(connection: psycopg.Connection, token: str) -> Invitation:
    """Return what an invitation offers. Raises MissingError when it is unknown, used or too old."""
    with connection.cursor(row_factory=class_row(Invitation)) as cursor:
        invitation = cursor.execute(
            "select role_code, area_code, community_id, uscc, officer_code, totp_secret, renews "
            "from workbench.invitations where invitation_digest = %s and ends_at > %s and accepted_at is null",
            (sign_in.digest(token), arrival()),
        ).fetchone()
    if invitation is None:
        raise MissingError("邀请链接已失效或已使用，请联系管理员重新邀请。")
    return invitation


def accept(connection: psycopg.Connection, token: str, *, name: str, password: str, code: str, form_id: str) -> str:
    """Make the invited account (or renew it) with its password and app; return its name.

    Raises MissingError for an address that is not good any more, WorkbenchError for a name, password or code that will
    not do.
    """
    invitation = opened(connection, token)
    name = invitation.renews or name.strip()
    if not name.isprintable() or not 1 <= len(name) <= LONGEST_NAME or name == OPERATOR:
        raise WorkbenchError(f"用户名为 1 至 {LONGEST_NAME} 个可读字符。")
    try:
        sign_in.usable(password, name)
    except sign_in.SignInError as error:
        raise WorkbenchError(
            f"密码至少 {sign_in.SHORTEST} 位，不能是常见、泄露过或容易猜到的密码；建议用几个互不相干的词。"
        ) from error
    step = sign_in.step_of(invitation.totp_secret, code)
    if step is None:
        raise WorkbenchError("动态码不正确：请用身份验证器扫描二维码后，填写当前 6 位动态码。")
    used = connection.execute(
        "update workbench.invitations set accepted_at = %s where invitation_digest = %s and accepted_at is null",
        (arrival(), sign_in.digest(token)),
    )
    if used.rowcount == 0:
        raise MissingError("邀请链接已使用。")
    now, hashed = arrival(), sign_in.hashed(password)
    if invitation.renews:
        connection.execute(
            "update workbench.accounts set password_hash = %s, totp_secret = %s, totp_last_step = %s, "
            "is_active = true, changed_at = %s where account_name = %s",
            (hashed, invitation.totp_secret, step, now, name),
        )
        SIGN_INS.end_all(connection, name)
    else:
        try:
            with connection.transaction():
                connection.execute(
                    "insert into workbench.accounts (account_name, role_code, area_code, community_id, uscc, "
                    "officer_code, password_hash, totp_secret, totp_last_step, created_at, changed_at) "
                    "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                    (name, invitation.role_code, invitation.area_code, invitation.community_id, invitation.uscc)
                    + (invitation.officer_code, hashed, invitation.totp_secret, step, now, now),
                )
        except psycopg.errors.UniqueViolation as error:
            raise ConflictError("这个用户名或经办人代号已有人使用，请换一个。") from error
    place = Place(uscc=invitation.uscc, area_code=invitation.area_code, community_id=invitation.community_id)
    account = find(connection, name)
    _record(connection, account, name, "accept", place, {"role_code": invitation.role_code}, form_id)
    return name


def provisioning(invitation: Invitation, name: str) -> str:
    """Return the address that an authenticator app reads."""
    return pyotp.TOTP(invitation.totp_secret).provisioning_uri(name=name or "工作台", issuer_name=ISSUER)


def _answered_for(
    connection: psycopg.Connection, by: Account | None, areas: Areas, name: str, act: str
) -> tuple[Account, Place]:
    with connection.cursor(row_factory=class_row(Account)) as cursor:
        account = cursor.execute(FIND, (name,)).fetchone()
    if account is None:
        raise MissingError("没有这个账号。")
    home = homes_of(connection, [account.uscc]).get(account.uscc) if account.uscc else account.area_code
    place = Place(uscc=account.uscc, area_code=home, community_id=account.community_id)
    if by is not None and not may(by, "account", act, place, areas):
        raise MissingError("没有这个账号。")
    return account, place


def _invite(
    connection: psycopg.Connection,
    by: Account | None,
    place: Place,
    *,
    role_code: str,
    officer_code: str | None,
    renews: str | None,
    form_id: str,
) -> str:
    token, now = secrets.token_urlsafe(32), arrival()
    subject = renews or f"invitation-{sign_in.digest(token).hex()[:16]}"
    _record(connection, by, subject, "renew" if renews else "invite", place, {"role_code": role_code}, form_id)
    connection.execute(
        "insert into workbench.invitations (invitation_digest, role_code, area_code, community_id, uscc, officer_code, "
        "totp_secret, renews, invited_by, invited_at, ends_at) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (sign_in.digest(token), role_code, None if place.uscc else place.area_code, place.community_id, place.uscc)
        + (officer_code, pyotp.random_base32(), renews, by.name if by else OPERATOR, now)
        + (now + timedelta(days=INVITED_DAYS),),
    )
    return token


def _record(
    connection: psycopg.Connection,
    by: Account | None,
    subject: str,
    code: str,
    place: Place,
    details: dict[str, Any],
    form_id: str,
) -> None:
    row = connection.execute(
        "select coalesce(max(subject_version), 0) from workbench.acts "
        "where subject_kind = 'account' and subject_id = %s",
        (subject,),
    ).fetchone()
    follows = row[0] if row else 0
    acts.record(
        connection, by.name if by else OPERATOR, Act("account", subject, follows, code, details, form_id, place)
    )


def _change(connection: psycopg.Connection, name: str, *, is_active: bool, forgets: bool) -> None:
    connection.execute(
        "update workbench.accounts set is_active = %s, changed_at = %s, "
        "password_hash = case when %s then null else password_hash end where account_name = %s",
        (is_active, arrival(), forgets, name),
    )
    SIGN_INS.end_all(connection, name)
