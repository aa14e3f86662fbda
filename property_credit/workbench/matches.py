"""Names in rows that nobody is linked to: whom they could mean, side by side, and what officers say of them.

Owns which of them an officer sees and what may be said. A decision is an act; the night takes it (``entities.acts``).
Sees names, numbers and how many rows wait; never what the rows say.
"""

import csv
from functools import cache
from typing import Any

import psycopg
from psycopg.rows import dict_row

from property_credit.warehouse.settings import PROJECT_ROOT
from property_credit.workbench import accounts, acts
from property_credit.workbench.acts import Act
from property_credit.workbench.areas import Areas
from property_credit.workbench.cases import words
from property_credit.workbench.errors import ConflictError, MissingError, NotAllowedError
from property_credit.workbench.rights import Account, Place, does, sees

FEEDS = PROJECT_ROOT / "dbt_project" / "seeds" / "feed_freshness.csv"
KINDS = {"community": "小区", "enterprise": "企业"}
WAITS_FOR = {"register": "登记簿", "day": "日期", "profile": "数据源配置", "decision": "人工决定", "name": "名称认定"}
REASON = "经办人在工作台认定"
MOST = 1_000
OPEN = """
select mentions.mention_id, mentions.entity_type_code as kind, mentions.name, mentions.street, mentions.division,
  mentions.written_by, coalesce(waiting.row_count, 0) as row_count, waiting.oldest_on, attempts.reason,
  attempts.candidates
from entities.mentions
join lateral (
  select * from entities.attempts where attempts.mention_id = mentions.mention_id order by attempt_id desc limit 1
) as attempts on true
left join quarantine.waiting_mentions as waiting using (mention_key)
where (%(mention)s::bigint is null or mentions.mention_id = %(mention)s)
  and (%(kind)s::text is null or mentions.entity_type_code = %(kind)s)
  and not exists (
    select from entities.links join entities.decisions as made using (decision_id)
    where links.mention_id = mentions.mention_id and link_code = 'same' and not exists (
      select from entities.decisions as undone where undone.undoes_decision_id = made.decision_id))
order by row_count desc, mentions.mention_id limit %(most)s
"""
NUMBERS = """
select distinct on (entity_id) entity_id, value from entities.identifiers
join entities.standing_decisions('infinity') as made using (decision_id)
where entity_id = any(%s) order by entity_id, scheme_code = 'local', valid_from desc nulls last, identifier_id desc
"""
DONE = """
select acts.act_id, acts.subject_id::bigint as mention_id, acts.subject_version, acts.act_code, acts.acted_at,
  acts.officer_code, acts.area_code, acts.uscc, acts.details, taken.business_date, taken.refusal, mentions.name,
  exists (select from workbench.acts as undone where undone.subject_kind = 'match' and undone.act_code = 'undo'
    and undone.details ->> 'undoes_act_id' = acts.act_id::text) as is_undone,
  max(acts.subject_version) over (partition by acts.subject_id) as version
from workbench.acts join entities.mentions on mentions.mention_id = acts.subject_id::bigint
left join entities.taken_acts as taken using (act_id)
where acts.subject_kind = 'match' and (%(mention)s::text is null or acts.subject_id = %(mention)s)
order by acts.act_id desc limit 200
"""


@cache
def feed_titles() -> dict[str, str]:
    """Return the feeds' Chinese names."""
    with FEEDS.open(encoding="utf-8", newline="") as stream:
        return {row["feed"]: row["title_zh"] for row in csv.DictReader(stream)}


def waiting(connection: psycopg.Connection) -> list[dict[str, Any]]:
    """Return how many rows of each feed wait, for what, and since when; they come back by themselves."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "select feed, waits_for, sum(row_count)::bigint as row_count, min(oldest_on) as oldest_on from ops.waiting "
            "group by feed, waits_for order by sum(row_count) desc, feed"
        ).fetchall()


def listed(
    connection: psycopg.Connection, account: Account, areas: Areas, *, kind: str = "", mention: int | None = None
) -> list[dict[str, Any]]:
    """Return the open names that the account decides about, those of most rows first, each with its candidates.

    A name is an office's business when one of its candidates lies in its area; of the top area all are.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        given = {"mention": mention, "kind": kind if kind in KINDS else None, "most": MOST}
        rows = cursor.execute(OPEN, given).fetchall()
    entities = sorted({one["entity_id"] for row in rows for one in row["candidates"]})
    numbers: dict[str, str] = dict(connection.execute(NUMBERS, (entities,)).fetchall())
    homes = accounts.homes_of(connection, [one for one in numbers.values() if len(one) == 18])
    is_top = areas.parents.get(account.area_code or "", "") is None
    shown = []
    for row in rows:
        for one in row["candidates"]:
            one["number"] = numbers.get(one["entity_id"], "")
            one["area_code"] = areas.communities.get(one["number"]) or homes.get(one["number"])
            one["is_mine"] = is_top or sees(account, Place(area_code=one["area_code"]), areas)
        if is_top or any(one["is_mine"] for one in row["candidates"]):
            shown.append(row)
    versions = _versions(connection, [row["mention_id"] for row in shown])
    for row in shown:
        row["version"] = versions.get(row["mention_id"], 0)
    return shown


def done(
    connection: psycopg.Connection, account: Account, areas: Areas, *, mention: int | None = None
) -> list[dict[str, Any]]:
    """Return what officers said of names in the account's area, the newest first, and what became of it."""
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(DONE, {"mention": str(mention) if mention is not None else None}).fetchall()
    return [row for row in rows if sees(account, Place(row["uscc"], row["area_code"]), areas)]


def act(
    connection: psycopg.Connection,
    account: Account,
    areas: Areas,
    mention: int,
    code: str,
    *,
    number: str,
    reason: str,
    follows: int,
    form_id: str,
) -> None:
    """Say that a name means the candidate of ``number``, or not; or take back the act whose number ``number`` is.

    Raises NotAllowedError for a role that does not, MissingError for a name or number that is none of the account's
    business, ConflictError when somebody was quicker or there is nothing to take back.
    """
    if not does(account, "match", code, areas):
        raise NotAllowedError("此页面供旗县区及以上经办人使用。")
    before = done(connection, account, areas, mention=mention)
    if code == "undo":
        said = [one for one in before if str(one["act_id"]) == number and one["act_code"] != "undo"]
        if not said:
            raise MissingError("没有这项认定，或不在您的范围内。")
        last = said[0]
        if last["is_undone"] or last["refusal"]:
            raise ConflictError("这项认定已经撤销或没有生效。")
        details = {"undoes_act_id": last["act_id"], "reason": _reason(reason, "撤销认定")}
        place = Place(last["uscc"], last["area_code"])
    else:
        rows = listed(connection, account, areas, mention=mention)
        chosen = [one for row in rows for one in row["candidates"] if one["number"] == number and one["is_mine"]]
        if not chosen or not number:
            raise MissingError("没有这个名称或候选对象，或不在您的范围内。")
        if any(one["act_code"] == "link" and not one["is_undone"] and one["business_date"] is None for one in before):
            raise ConflictError("这个名称已有认定，今晚生效；如有误，请先撤销。")
        details = {
            "entity_type_code": rows[0]["kind"],
            "number": number,
            "reason": _reason(reason, REASON),
        }
        uscc = number if rows[0]["kind"] == "enterprise" else None
        place = Place(uscc, chosen[0]["area_code"] or account.area_code)
    acts.record(connection, account.name, Act("match", str(mention), follows, code, details, form_id, place))


def _reason(text: str, otherwise: str) -> str:
    return words(text, "理由", 200) if text.strip() else otherwise


def _versions(connection: psycopg.Connection, mentions: list[int]) -> dict[int, int]:
    return dict(
        connection.execute(
            "select subject_id::bigint, max(subject_version) from workbench.acts "
            "where subject_kind = 'match' and subject_id = any(%s) group by subject_id",
            ([str(one) for one in mentions],),
        ).fetchall()
    )
