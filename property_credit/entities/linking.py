"""Names of a night's rows against the register: what offices wrote in place of numbers becomes links, or waits.

Owns which mentions are compared on a night, and what an outcome writes: a decision and a link with score, threshold and
model, or an attempt with its candidates. A link of a person, a separation and an undone link are never touched: what a
person has looked at is only ever proposed again. Must not know the rows: it sees what they write and nothing else.
"""

import io
import json
from dataclasses import dataclass, field
from datetime import date
from typing import Any, LiteralString, cast

import polars
from psycopg import Connection, sql

from property_credit.entities.names import EntityType
from property_credit.entities.register import LOCK
from property_credit.warehouse import regions
from property_credit.warehouse.business_date import arrival
from property_credit.warehouse.connection import connect

KINDS: tuple[EntityType, ...] = ("community", "enterprise")
KEEP: LiteralString = """
insert into entities.mentions (entity_type_code, written_by, name, address, street, division, mention_key, known_on,
  recorded_at)
select entity_type_code, written_by, name, address, street, division, mention_key, known_on, %(at)s
from quarantine.mentions as written
where known_on <= %(night)s
  and not exists (select from entities.mentions where mentions.mention_key = written.mention_key)
order by mention_key
on conflict do nothing
"""
NAMES_SEEN: LiteralString = """
select coalesce(max(name_id), 0) from entities.names
join entities.entities using (entity_id) where entity_type_code = %(kind)s and names.known_on <= %(night)s
"""
LAST_RUN: LiteralString = """
select model_version, names_seen from entities.matching_runs where entity_type_code = %(kind)s
order by run_id desc limit 1
"""
# what a person said of a mention by undoing or separating, with the entity that it is not
REFUSED: LiteralString = """
select links.mention_id, links.entity_id, made.recorded_at
from entities.links join entities.decisions as made using (decision_id)
where link_code = 'different' and mention_id is not null and made.known_on <= {night}
  and not exists (select from entities.decisions as undone
    where undone.undoes_decision_id = made.decision_id and undone.known_on <= {night})
union all
select links.mention_id, links.entity_id, undone.recorded_at
from entities.links join entities.decisions as undone on undone.undoes_decision_id = links.decision_id
where link_code = 'same' and mention_id is not null and undone.made_by_code = 'person' and undone.known_on <= {night}
"""
OPEN: LiteralString = """
select mentions.mention_id, mentions.name, mentions.street, mentions.division
from entities.mentions
where entity_type_code = {kind} and mention_key is not null and known_on <= {night}
  and not exists (
    select from entities.links join entities.decisions as made using (decision_id)
    where links.mention_id = mentions.mention_id and link_code = 'same' and not exists (
      select from entities.decisions as undone where undone.undoes_decision_id = made.decision_id
        and undone.known_on <= {night}))
  and ({is_anew} or not exists (
    select from entities.attempts where attempts.mention_id = mentions.mention_id and attempts.recorded_at > coalesce(
      (select max(refused.recorded_at) from ({refused}) as refused where refused.mention_id = mentions.mention_id),
      '-infinity')))
order by mention_id
"""
REGISTER: dict[str, LiteralString] = {
    "community": """
select names.entity_id as entity, names.name, places.region_code as division, places.street_name as street
from entities.names
join entities.standing_decisions({night}) as made using (decision_id)
join entities.entities using (entity_id)
left join lateral (
  select communities.region_code, communities.street_name
  from entities.identifiers join raw.communities on communities.community_id = identifiers.value
  where identifiers.entity_id = names.entity_id and identifiers.scheme_code = 'community_id'
    and communities.known_on <= {night}
  order by communities.known_on desc, communities.received_at desc, communities.row_number desc limit 1
) as places on true
where entities.entity_type_code = 'community'
order by names.name_id
""",
    "enterprise": """
select names.entity_id as entity, names.name, null::text as division, null::text as street
from entities.names
join entities.standing_decisions({night}) as made using (decision_id)
join entities.entities using (entity_id)
where entities.entity_type_code = 'enterprise'
order by names.name_id
""",
}
DECIDE: LiteralString = """
insert into entities.decisions (decision_id, act_code, entity_type_code, made_by_code, made_by, why, source, known_on,
  recorded_at)
overriding system value
select decision_id, 'link', %(kind)s, 'matching', %(model)s, reason, 'mention ' || mention_id, %(night)s, %(at)s
from linked
"""
LINK: LiteralString = """
insert into entities.links (link_code, entity_id, mention_id, score, threshold, model_version, decision_id, known_on,
  recorded_at)
select 'same', entity_id, mention_id, score, %(threshold)s, %(model)s, decision_id, %(night)s, %(at)s from linked
"""
ATTEMPT: LiteralString = """
insert into entities.attempts (mention_id, outcome_code, reason, score, candidates, model_version, threshold, known_on,
  recorded_at)
select mention_id, outcome_code, reason, score, candidates, %(model)s, %(threshold)s, %(night)s, %(at)s from tried
"""


@dataclass
class LinkingReport:
    """What a night's matching came to, by kind of entity: how many mentions were ``linked``, ``waiting``, ``none``."""

    counts: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def is_new(self) -> bool:
        """True when any name was compared."""
        return any(sum(counts.values()) for counts in self.counts.values())

    def __str__(self) -> str:
        """Say it in one line."""
        return "; ".join(
            f"{sum(counts.values()):,} names of {kind}: "
            + ", ".join(f"{counts.get(one, 0):,} {one}" for one in ("linked", "waiting", "none"))
            for kind, counts in self.counts.items()
        )


def link_mentions(business_date: date) -> LinkingReport:
    """Compare what rows write in place of numbers with the register as known on ``business_date``.

    Compared are mentions that are new, and those not linked yet where the register or the model has a name or a
    version since, or a person undid or separated one. Run again, it writes nothing.
    """
    report = LinkingReport()
    with connect("pc_entities") as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
        connection.execute(KEEP, {"night": business_date, "at": arrival()})
        for kind in KINDS:
            if counts := _link_kind(connection, kind, business_date):
                report.counts[kind] = counts
    return report


def _link_kind(connection: Connection, kind: EntityType, night: date) -> dict[str, int]:
    row = connection.execute(
        "select exists (select from entities.mentions where entity_type_code = %s and mention_key is not null)", (kind,)
    ).fetchone()
    if not (row and row[0]):
        return {}
    from property_credit.entities import model as models

    model = models.load(kind)
    given: dict[str, Any] = {"kind": kind, "night": night, "model": model.version, "threshold": model.linked_from}
    seen = connection.execute(NAMES_SEEN, given).fetchone()
    last = connection.execute(LAST_RUN, given).fetchone()
    state = (model.version, int(seen[0]) if seen else 0)
    asked = _table(connection, OPEN, kind=kind, night=night, is_anew=tuple(last or ()) != state)
    if not asked.height:
        return {}
    from property_credit.entities import matching

    known = _table(connection, REGISTER[kind], night=night)
    asked, known = _with_divisions(asked, known)
    answers = polars.concat(
        [asked.select("mention_id"), matching.match(asked, known, kind, model=model)], how="horizontal"
    )
    answers = _without_refused(answers, _table(connection, REFUSED, night=night))
    given["at"] = arrival()
    _write_links(connection, answers.filter(polars.col("outcome") == "linked"), given)
    _write_attempts(connection, answers.filter(polars.col("outcome") != "linked"), given)
    if tuple(last or ()) != state:
        connection.execute(
            "insert into entities.matching_runs (entity_type_code, model_version, names_seen, known_on, recorded_at)"
            " values (%(kind)s, %(model)s, %(seen)s, %(night)s, %(at)s)",
            {**given, "seen": state[1]},
        )
    return dict(answers["outcome"].value_counts().iter_rows())


def _table(connection: Connection, query: LiteralString, **values: Any) -> polars.DataFrame:
    """Return a query's rows; as one CSV text they cost a fraction of what rows of Python's cost."""
    literal: dict[str, sql.Composable] = {name: sql.Literal(value) for name, value in values.items()}
    if "night" in literal:
        literal["refused"] = sql.SQL(REFUSED).format(night=literal["night"])
    text = io.BytesIO()
    with (
        connection.cursor() as cursor,
        cursor.copy(
            sql.SQL("copy ({}) to stdout (format csv, header)").format(sql.SQL(query).format(**literal))
        ) as copy,
    ):
        for piece in copy:
            text.write(piece)
    numbers = {name: polars.Int64 for name in ("mention_id", "entity_id", "entity")}
    table = polars.read_csv(text.getvalue(), infer_schema=False)
    return table.cast({name: kind for name, kind in numbers.items() if name in table.columns})


def _with_divisions(asked: polars.DataFrame, known: polars.DataFrame) -> tuple[polars.DataFrame, polars.DataFrame]:
    """Return both with their divisions by name, null where the register has nothing in what an office wrote."""
    codes = set(known["division"].drop_nulls())
    names = {code: name for code, name in regions.full_names().items() if code in codes}
    written = {text: regions.meant(text, names) for text in asked["division"].drop_nulls().unique()}
    return (
        asked.with_columns(polars.col("division").replace_strict(written, default=None, return_dtype=polars.String)),
        known.with_columns(polars.col("division").replace_strict(names, default=None, return_dtype=polars.String)),
    )


def _without_refused(answers: polars.DataFrame, refused: polars.DataFrame) -> polars.DataFrame:
    """Return outcomes without candidates that a person ruled out; of such a mention nothing is linked by a score."""
    pairs = set(refused.select("mention_id", "entity_id").iter_rows())
    if not pairs:
        return answers
    looked_at = polars.col("mention_id").is_in([mention for mention, _entity in pairs])
    rows = []
    for row in answers.filter(looked_at).iter_rows(named=True):
        candidates = row["candidates"] or []
        if row["outcome"] == "linked":
            candidates = [
                {
                    **dict.fromkeys(("name",), None),
                    "entity": row["entity"],
                    "score": row["score"],
                    "reason": row["reason"],
                }
            ]
        left = [one for one in candidates if (row["mention_id"], one["entity"]) not in pairs]
        rows.append({**row, "entity": None, "candidates": left, "outcome": "waiting" if left else "none"})
    again = polars.DataFrame(rows, schema=answers.schema)
    return polars.concat([answers.filter(~looked_at), again])


def _write_links(connection: Connection, linked: polars.DataFrame, given: dict[str, Any]) -> None:
    if not linked.height:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "create temporary table linked (mention_id bigint, entity_id bigint, score numeric, reason text,"
            " decision_id bigint) on commit drop"
        )
        with cursor.copy("copy linked (mention_id, entity_id, score, reason) from stdin") as copy:
            for row in linked.select("mention_id", "entity", "score", "reason").iter_rows():
                copy.write_row(row)
        cursor.execute(
            "update linked set decision_id = nextval(pg_get_serial_sequence('entities.decisions', 'decision_id'))"
        )
        cursor.execute(DECIDE, given)
        cursor.execute(LINK, given)
        cursor.execute("drop table linked")


def _write_attempts(connection: Connection, tried: polars.DataFrame, given: dict[str, Any]) -> None:
    if not tried.height:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "create temporary table tried (mention_id bigint, outcome_code text, reason text, score numeric,"
            " candidates jsonb) on commit drop"
        )
        with cursor.copy("copy tried from stdin") as copy:
            for row in tried.iter_rows(named=True):
                shown = [
                    {
                        "entity_id": one["entity"],
                        "name": one["name"],
                        "score": round(one["score"], 6),
                        "reason": one["reason"],
                    }
                    for one in row["candidates"] or []
                ]
                candidates = json.dumps(shown, ensure_ascii=False)
                copy.write_row((row["mention_id"], row["outcome"], row["reason"], row["score"], candidates))
        # what an attempt says again is not written again, so that they do not grow by the night
        cursor.execute(
            "delete from tried using (select distinct on (mention_id) * from entities.attempts"
            " where mention_id in (select mention_id from tried) order by mention_id, attempt_id desc) as last"
            " where last.mention_id = tried.mention_id and last.outcome_code = tried.outcome_code"
            " and last.reason = tried.reason and last.candidates = tried.candidates"
            " and last.model_version = %(model)s",
            given,
        )
        cursor.execute(ATTEMPT, given)
        cursor.execute("drop table tried")


CANDIDATES: LiteralString = """
select attempts.outcome_code as outcome, mentions.mention_id as mention, mentions.entity_type_code as entity,
  mentions.name, mentions.street, mentions.division, mentions.written_by, coalesce(waiting.row_count, 0) as rows,
  waiting.oldest_on as since, attempts.reason, attempts.candidates
from entities.mentions
join lateral (
  select * from entities.attempts where attempts.mention_id = mentions.mention_id order by attempt_id desc limit 1
) as attempts on true
left join quarantine.waiting_mentions as waiting using (mention_key)
where (%(kind)s::text is null or mentions.entity_type_code = %(kind)s)
  and (%(outcome)s::text is null or attempts.outcome_code = %(outcome)s)
  and (%(office)s::text is null or mentions.written_by = %(office)s)
  and not exists (
    select from entities.links join entities.decisions as made using (decision_id)
    where links.mention_id = mentions.mention_id and link_code = 'same' and not exists (
      select from entities.decisions as undone where undone.undoes_decision_id = made.decision_id))
order by rows desc, mentions.mention_id
limit %(limit)s
"""
NUMBERS: LiteralString = """
select distinct on (entity_id) entity_id, value from entities.identifiers
join entities.standing_decisions('infinity') as made using (decision_id)
where entity_id = any(%s)
order by entity_id, scheme_code = 'local', valid_from desc nulls last, identifier_id desc
"""


def candidates(
    connection: Connection, *, kind: str | None, outcome: str | None, office: str | None, limit: int | None
) -> list[dict[str, Any]]:
    """Return what is not linked, most rows first, each with its candidates: number, name, score (0–1) and reason."""
    from psycopg.rows import dict_row

    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            CANDIDATES, {"kind": kind, "outcome": outcome, "office": office, "limit": limit}
        ).fetchall()
    entities = sorted({one["entity_id"] for row in rows for one in row["candidates"]})
    numbers = dict(cast("list[tuple[int, str]]", connection.execute(NUMBERS, (entities,)).fetchall()))
    for row in rows:
        row["candidates"] = [
            {
                "number": numbers.get(one["entity_id"], ""),
                "name": one["name"],
                "score": one["score"],
                "reason": one["reason"],
            }
            for one in row["candidates"]
        ]
    return rows
