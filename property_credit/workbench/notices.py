"""Notices to people: a list of one's own, and messages by mail, WeCom, DingTalk or webhook, at once or as a digest.

Owns who hears of what runs late, what a message says, when it may go out and that it goes out once. What an act tells
whom is written with the act, by the database. A channel's message is claimed before it is sent and its result kept.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, get_args
from urllib.parse import quote, urlsplit

import psycopg
from psycopg.rows import class_row, dict_row

from property_credit.warehouse import channels
from property_credit.warehouse.business_date import ZONE, arrival
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings
from property_credit.workbench import acts, areas, cases, clocks
from property_credit.workbench.errors import MissingError, WorkbenchError
from property_credit.workbench.rights import DECIDING, Account, Place, sees

KINDS = {"moved": "进展", "filed": "新收", "assigned": "交办", "late": "超期"}
CHANNELS = {"email": "电子邮件", "wecom": "企业微信群机器人", "dingtalk": "钉钉群机器人", "webhook": "Webhook"}
SUBJECTS = {**cases.KINDS_ZH, "alert": "预警"}
MOST_CHANNELS, SHOWN, MOST_LINES = 5, 200, 50
ADDRESS = re.compile(r"[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){1,5}")
ROBOT = re.compile(r"[A-Za-z0-9-]{20,80}")
LATE = """
insert into workbench.notices (account_name, kind_code, subject_kind, subject_id, act_code, occasion, raised_at)
values (%s, 'late', %s, %s, %s, %s, %s) on conflict do nothing
"""
WAITING = """
select notices.notice_id, notices.kind_code, subject_kind, subject_id, act_code, raised_at from workbench.notices
where account_name = %(account)s and raised_at >= %(added)s and not exists (select from workbench.sent_notices as sent
  where sent.channel_id = %(channel)s and sent.notice_id = notices.notice_id)
order by notice_id
"""
LAST_SENT = """
select max(claimed_at) from workbench.messages join workbench.message_results using (message_id)
where channel_id = %s and is_taken
"""
CLAIM = """
insert into workbench.messages (channel_id, notice_ids, title, body, claimed_at) values (%s, %s, %s, %s, %s)
returning message_id
"""


@dataclass(frozen=True)
class Settings:
    """When an account hears by its channels: at once or once a day, never in its quiet hours (Asia/Shanghai)."""

    account_name: str
    is_digest: bool = False
    digest_hour: int = 8
    quiet_from: int = 21
    quiet_until: int = 8
    read_until: int = 0

    def is_quiet(self, now: datetime) -> bool:
        """Say whether ``now`` lies in the quiet hours; from and until the same hour: never."""
        hour = now.astimezone(ZONE).hour
        if self.quiet_from <= self.quiet_until:
            return self.quiet_from <= hour < self.quiet_until
        return hour >= self.quiet_from or hour < self.quiet_until

    def is_due(self, now: datetime, last_sent_at: datetime | None) -> bool:
        """Say whether what waits may go out: not in quiet hours, a digest once a day from its hour on."""
        if self.is_quiet(now):
            return False
        if not self.is_digest:
            return True
        local = now.astimezone(ZONE)
        begins = local.replace(hour=self.digest_hour, minute=0, second=0, microsecond=0)
        return local >= begins and (last_sent_at is None or last_sent_at < begins)


@dataclass(frozen=True)
class Round:
    """What a round of delivery came to: messages taken, messages refused, notices of what runs late."""

    taken_count: int = 0
    refused_count: int = 0
    late_count: int = 0


def listed(connection: psycopg.Connection, account: Account) -> list[dict[str, Any]]:
    """Return an account's notices, the newest first, with what was sent of each and how it ended."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "select notice_id, kind_code, subject_kind, subject_id, act_code, raised_at, (select coalesce(jsonb_agg("
            "jsonb_build_object('channel', channels.kind_code, 'is_taken', is_taken) order by message_id), '[]') "
            "from workbench.messages join workbench.notice_channels as channels using (channel_id) "
            "left join workbench.message_results using (message_id) "
            "where channels.account_name = notices.account_name and notices.notice_id = any (notice_ids)) as messages "
            "from workbench.notices where account_name = %s order by notice_id desc limit %s",
            (account.name, SHOWN),
        ).fetchall()


def unread(connection: psycopg.Connection, account: Account) -> int:
    """Return how many notices an account has not seen."""
    row = connection.execute(
        "select count(*) from workbench.notices where account_name = %s and notice_id > coalesce("
        "(select read_until from workbench.notice_settings where account_name = %s), 0)",
        (account.name, account.name),
    ).fetchone()
    return int(row[0]) if row else 0


def settings_of(connection: psycopg.Connection, name: str) -> Settings:
    """Return an account's settings, the defaults where it chose none."""
    with connection.cursor(row_factory=class_row(Settings)) as cursor:
        row = cursor.execute(
            "select account_name, is_digest, digest_hour, quiet_from, quiet_until, read_until "
            "from workbench.notice_settings where account_name = %s",
            (name,),
        ).fetchone()
    return row or Settings(name)


def choose(
    connection: psycopg.Connection, account: Account, *, is_digest: bool, digest_hour: int, quiet: tuple[int, int]
) -> None:
    """Keep when an account wants to hear; WorkbenchError for hours that are none, or a digest in the quiet hours."""
    if not all(0 <= hour <= 23 for hour in (digest_hour, *quiet)):
        raise WorkbenchError("小时应为 0 至 23。")
    chosen = Settings(account.name, is_digest, digest_hour, *quiet)
    if is_digest and chosen.is_quiet(datetime(2026, 1, 1, digest_hour, tzinfo=ZONE)):
        raise WorkbenchError("汇总时间落在免打扰时段内，将无法发送，请调整。")
    connection.execute(
        "insert into workbench.notice_settings (account_name, is_digest, digest_hour, quiet_from, quiet_until) "
        "values (%s, %s, %s, %s, %s) on conflict (account_name) do update set is_digest = excluded.is_digest, "
        "digest_hour = excluded.digest_hour, quiet_from = excluded.quiet_from, quiet_until = excluded.quiet_until",
        (account.name, is_digest, digest_hour, *quiet),
    )


def mark_read(connection: psycopg.Connection, account: Account, until: int) -> None:
    """Remember up to which notice an account has seen its list; it never goes back."""
    connection.execute(
        "insert into workbench.notice_settings (account_name, read_until) values (%s, %s) on conflict (account_name) "
        "do update set read_until = greatest(notice_settings.read_until, excluded.read_until)",
        (account.name, until),
    )


def channels_of(connection: psycopg.Connection, name: str) -> list[dict[str, Any]]:
    """Return an account's channels, the first added first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "select channel_id, account_name, kind_code, target, added_at from workbench.notice_channels "
            "where account_name = %s and removed_at is null order by channel_id",
            (name,),
        ).fetchall()


def add_channel(connection: psycopg.Connection, account: Account, kind: str, target: str) -> None:
    """Add a channel; WorkbenchError when it is none that we send to, is there already, or there are too many."""
    target = target.strip()
    check_target(kind, target)
    present = channels_of(connection, account.name)
    if len(present) >= MOST_CHANNELS:
        raise WorkbenchError(f"最多 {MOST_CHANNELS} 个接收方式，请先删除不用的。")
    if any((one["kind_code"], one["target"]) == (kind, target) for one in present):
        raise WorkbenchError("这个接收方式已经有了。")
    connection.execute(
        "insert into workbench.notice_channels (account_name, kind_code, target, added_at) values (%s, %s, %s, %s)",
        (account.name, kind, target, _now(connection)),
    )


def remove_channel(connection: psycopg.Connection, account: Account, channel_id: int) -> None:
    """Send no more to a channel; MissingError for one that is not the account's."""
    gone = connection.execute(
        "update workbench.notice_channels set removed_at = %s "
        "where channel_id = %s and account_name = %s and removed_at is null",
        (arrival(), channel_id, account.name),
    )
    if gone.rowcount == 0:
        raise MissingError("没有这个接收方式。")


def check_target(kind: str, target: str) -> None:
    """Raise WorkbenchError unless a target is one that we send to.

    A webhook goes only to a host that the operator named (NOTICE_HOSTS): who may choose an address may not reach what
    stands beside this server.
    """
    if kind == "webhook":
        url = urlsplit(target)
        hosts = {host.strip().lower() for host in get_settings().notice_hosts.split(",") if host.strip()}
        is_plain = target.isascii() and target.isprintable() and not re.search(r"[\s?#@\\%]", target)
        if not (url.scheme in ("https", "http") and url.netloc.lower() in hosts and is_plain and len(target) <= 300):
            raise WorkbenchError("这个地址不在允许接收的主机之列，或带有参数；请联系系统管理员登记主机。")
    elif not (ADDRESS if kind == "email" else ROBOT).fullmatch(target) or kind not in CHANNELS:
        raise WorkbenchError("接收地址不正确：请填写邮箱地址，或机器人的密钥（key、access_token）。")


def address_of(kind: str, target: str) -> str:
    """Return a channel's address as apprise writes it; WorkbenchError when nothing is sent there (any more)."""
    check_target(kind, target)
    if kind == "webhook":
        url = urlsplit(target)
        return f"{'jsons' if url.scheme == 'https' else 'json'}://{url.netloc}{url.path}?redirect=no"
    if kind != "email":
        return f"{'wecombot' if kind == 'wecom' else 'dingtalk'}://{target}"
    mail = get_settings().notice_mail
    if mail is None:
        raise WorkbenchError("本系统尚未配置发信邮箱（NOTICE_MAIL）。")
    base = mail.get_secret_value()
    return f"{base}{'&' if '?' in base else '?'}to={quote(target, safe='')}"


def masked(kind: str, target: str) -> str:
    """Return a channel's target as a page shows it: of a robot's key the last four characters."""
    return f"…{target[-4:]}" if kind in ("wecom", "dingtalk") else target


def words_of(row: dict[str, Any]) -> str:
    """Return what a notice says; names a case and a step, never a person."""
    subject = f"{SUBJECTS.get(row['subject_kind'], row['subject_kind'])} {row['subject_id']}"
    act = cases.ACTS_ZH.get(row["act_code"] or "", row["act_code"] or "")
    if row["kind_code"] == "late":
        return f"{subject} 的“{clocks.STEPS_ZH.get(row['act_code'], act)}”已超过时限"
    if row["kind_code"] == "assigned":
        return f"{subject} 交由您办理"
    if row["kind_code"] == "filed":
        return f"收到{subject}（{act}），请及时标注或复核"
    return f"{subject} 有进展：{act}"


def address_in_workbench(row: dict[str, Any]) -> str:
    """Return where a notice leads to."""
    if row["subject_kind"] == "alert":
        return f"/alerts/one?id={quote(row['subject_id'], safe='')}"
    return f"/{row['subject_kind']}s/{quote(row['subject_id'], safe='')}"


def raise_late(connection: psycopg.Connection) -> int:
    """Tell of every step that is past its limit, once: its holder, else the area's officers; and the level above.

    Return how many notices are new.
    """
    try:
        tree = areas.read(connection)
    except WorkbenchError:  # before the first night nobody has a case
        return 0
    today, count = acts.office_day(connection), 0
    officers = _officers(connection)
    for kind in get_args(cases.Kind):
        for case in cases.all_open(connection, kind, today):
            clock = case.next_clock
            if clock is None or not clock.is_late:
                continue
            for name in _late_readers(case, clock.code, officers, tree):
                occasion = f"late/{kind}/{case.id}/{clock.code}/{clock.due_on}"
                told = connection.execute(LATE, (name, kind, case.id, clock.code, occasion, _now(connection)))
                count += told.rowcount
    return count


def deliver(now: datetime) -> Round:
    """Raise what runs late, then send what waits to every channel whose hour it is; each notice goes to it once.

    A message that a channel did not take is tried again in the next round. Two rounds at once do not send twice: what
    one claims the other does not see.
    """
    taken = refused = 0
    with connect("pc_workbench") as connection:
        late = raise_late(connection)
    with connect("pc_workbench") as connection, connection.cursor(row_factory=dict_row) as cursor:
        open_channels = cursor.execute(
            "select channel_id, account_name, kind_code, target, added_at from workbench.notice_channels "
            "join workbench.accounts using (account_name) where removed_at is null and is_active order by channel_id"
        ).fetchall()
    for channel in open_channels:
        message = _claim(channel, now)
        if message is None:
            continue
        is_taken = _sent(channel, *message[1:])
        with connect("pc_workbench") as connection:
            connection.execute(
                "insert into workbench.message_results (message_id, is_taken, ended_at) values (%s, %s, %s)",
                (message[0], is_taken, arrival()),
            )
            if not is_taken:
                connection.execute("delete from workbench.sent_notices where message_id = %s", (message[0],))
        taken, refused = taken + is_taken, refused + (not is_taken)
    return Round(taken, refused, late)


def _claim(channel: dict[str, Any], now: datetime) -> tuple[int, str, str] | None:
    """Take what waits for a channel, in a transaction of its own; None when nothing does, or not at this hour."""
    number = channel["channel_id"]
    with connect("pc_workbench") as connection, connection.cursor(row_factory=dict_row) as cursor:
        connection.execute("select pg_advisory_xact_lock(20261201, %s)", (number,))
        settings = settings_of(connection, channel["account_name"])
        last = connection.execute(LAST_SENT, (number,)).fetchone()
        if not settings.is_due(now, last[0] if last else None):
            return None
        given = {"account": channel["account_name"], "added": channel["added_at"], "channel": number}
        rows = cursor.execute(WAITING, given).fetchall()
        if not rows:
            return None
        title, body = _message(rows)
        ids = [row["notice_id"] for row in rows]
        claimed = connection.execute(CLAIM, (number, ids, title, body, now)).fetchone()
        assert claimed is not None
        with connection.cursor() as writing:
            writing.executemany(
                "insert into workbench.sent_notices (channel_id, notice_id, message_id) values (%s, %s, %s)",
                [(number, one, claimed[0]) for one in ids],
            )
        return int(claimed[0]), title, body


def _sent(channel: dict[str, Any], title: str, body: str) -> bool:
    try:
        address = address_of(channel["kind_code"], channel["target"])
    except WorkbenchError:  # the operator took the host or the mailbox away
        return False
    return channels.send(address, title, body)


def _message(rows: Sequence[dict[str, Any]]) -> tuple[str, str]:
    lines = [f"- {acts.stamp(row['raised_at'])} {words_of(row)}" for row in rows[:MOST_LINES]]
    if len(rows) > MOST_LINES:
        lines.append(f"- 另有 {len(rows) - MOST_LINES} 条")
    title = words_of(rows[0]) if len(rows) == 1 else f"工作台有 {len(rows)} 条新通知"
    return title, "\n".join([*lines, "请登录工作台“通知”查看。"])


def _officers(connection: psycopg.Connection) -> list[Account]:
    with connection.cursor(row_factory=class_row(Account)) as cursor:
        return cursor.execute(
            "select account_name as name, role_code, area_code, community_id, uscc, officer_code "
            "from workbench.accounts where role_code = 'officer' and is_active order by account_name"
        ).fetchall()


def _late_readers(case: cases.Case, step: str, officers: Sequence[Account], tree: areas.Areas) -> list[str]:
    """Return who hears that a step is late: its holder, else the officers of the area; and those of the area above."""
    place = Place(uscc=case.row["uscc"], area_code=case.place.area_code)
    above = tree.parents.get(case.place.area_code or "")
    holder = case.row["forwarded_to"] if step == "decide" else None
    return [
        one.name
        for one in officers
        if one.level(tree) in DECIDING
        and sees(one, place, tree)
        and (one.area_code == above or (one.name == holder if holder else one.area_code == case.place.area_code))
    ]


def _now(connection: psycopg.Connection) -> datetime:
    """Return the instant in the office's calendar: of a sample region, its day (as acts are dated)."""
    clock = arrival().astimezone(ZONE)
    return clock + timedelta(days=(acts.office_day(connection) - clock.date()).days)
