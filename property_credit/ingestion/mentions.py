"""Names in place of numbers: what a row writes of who is meant, and where the row goes when that is decided.

Owns ``quarantine.mentions`` and ``quarantine.named_rows``. A row that brings a name waits; a link of what it writes
gives it the entity's number, and it is released like any other. A link that is undone takes the rows back that were
loaded under it: they wait again, with what they brought. Must not know how names are compared: ``entities`` decides.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

import polars
import polars_hash
import psycopg
from psycopg import sql

from property_credit.ingestion.contract import Feed
from property_credit.ingestion.profile import NUMBERED, Match
from property_credit.ingestion.values import nulls, trimmed

PARTS = ("name", "address", "street", "division")
MENTION = polars.Schema(
    {"mention_key": polars.Int64, "entity_type_code": polars.String, "written_by": polars.String}
    | dict.fromkeys(PARTS, polars.String)
)
COLUMNS: Mapping[str, str] = {name: f"{kind}_mention" for name, kind in NUMBERED.items()}  # of waiting tables
SEPARATOR = "\x1f"
LONGEST = 200  # characters; what is longer is no name
# where somebody lives is nobody's name: behind a building, and from a unit or a room on, nothing is kept
ROOMS = (
    (r"(号楼|栋|幢|#楼)\s*[-－—,，]?\s*[0-9０-９].*$", "$1"),
    (r"[-－—,，]?\s*[0-9０-９一二三四五六七八九十甲乙丙A-Za-z]{1,4}\s*(?:单元|号?门|室|户|层).*$", ""),
    (r"[-－—][0-9０-９]{1,2}[-－—][0-9０-９]{2,4}.*$", ""),
)
# an account's holder may be a person: only what says that it is an organisation is kept beside a number's place
ORGANISATION = (
    r"(?i)公司|物业|集团|企业|中心|委员会|居委会|业委会|合作社|协会|商会|学校|医院|银行|服务|管理|有限|[厂局站社部店馆]$"
    r"|\b(?:ltd|limited|plc|llc|llp|inc|corp|company|group)\b"
)


def written(frame: polars.DataFrame, match: Match, name: str, taken: polars.Series) -> polars.DataFrame:
    """Return what rows of a file write in place of field ``name``: columns PARTS, all null where there is nothing.

    ``frame``: the file's columns; ``taken``: the field's texts, and where one stands the row needs no name. A row
    without a name is named by its address.
    """

    def text(headers: Sequence[str]) -> polars.Series:
        header = next((header for header in headers if header in frame.columns), None)
        column = nulls(polars.String(), frame.height) if header is None else trimmed(frame[header])
        for rooms, kept in ROOMS:
            column = column.str.replace(rooms, kept)
        return column.set(column.str.len_chars() > LONGEST, None)

    columns = polars.DataFrame(
        {part: text(getattr(match, "within" if part == "division" else part)) for part in PARTS},
        schema=dict.fromkeys(PARTS, polars.String),
    ).with_columns(polars.when(polars.col(part) != "").then(part).alias(part) for part in PARTS)
    columns = columns.with_columns(polars.coalesce("name", "address").alias("name"))
    is_named = polars.lit(taken.is_null()) & polars.col("name").is_not_null()
    if NUMBERED[name] == "enterprise":
        is_named &= polars.col("name").str.contains(ORGANISATION)
    return columns.select(polars.when(is_named).then(part).alias(part) for part in PARTS)


def keyed(rows: polars.DataFrame, name: str, office: str) -> polars.DataFrame:
    """Return the mentions of ``written`` with their keys, columns as MENTION; ``mention_key`` is null where none is."""
    kind = NUMBERED[name]
    texts = rows.with_columns(polars.col(part).fill_null("") for part in PARTS if part != "name").with_columns(
        polars.lit(kind).alias("entity_type_code"), polars.lit(office).alias("written_by")
    )
    told = ["entity_type_code", "written_by", *PARTS]
    joined = texts.select(polars.concat_str(told, separator=SEPARATOR).alias("told"))
    hashed = joined.select(polars_hash.col("told").nchash.xxh3_64()).to_series()
    key = hashed.reinterpret(signed=True).set(texts["name"].is_null(), None)
    return texts.with_columns(key.alias("mention_key")).select(MENTION.names())


KEEP = """
insert into quarantine.mentions select distinct on (mention_key) * from mentions_read order by mention_key
on conflict do nothing
"""
GIVE_NUMBERS = """
update {waiting} as w set {field} = said.number,
  row_hash = w.row_hash # hashtextextended(coalesce(w.{field}, ''), 0) # hashtextextended(coalesce(said.number, ''), 0)
from (
  select asked.mention_key, linked.number from (select distinct {mention} as mention_key from {waiting}) as asked
  left join entities.linked_mentions(%(business_date)s, array(select distinct {mention} from {waiting})) as linked
    using (mention_key)
) as said
where w.{mention} = said.mention_key and w.waits_for in ('name', 'register', 'day')
  and w.{field} is distinct from said.number
"""
NAMED = """
update {waiting} as w set waits_for = 'register', waiting_code = 'REFERENCE_UNKNOWN'
where w.waits_for = 'name' and not ({is_unknown})
"""
UNNAMED = """
update {waiting} as w set waits_for = 'name', waiting_code = 'NAME_UNMATCHED', waiting_column = {column}
where w.waits_for in ('register', 'day') and ({is_unknown})
"""
UNLINKED = """
create temporary table unlinked on commit drop as
select n.batch_id, n.row_number, min(n.origin_batch_id) as origin_batch_id, {mentions}
from quarantine.named_rows as n
where n.feed = %(feed)s and n.known_on <= %(business_date)s
  and not exists (select from raw.withdrawn_rows as gone where gone.feed = n.feed and gone.batch_id = n.batch_id
    and gone.row_number = n.row_number)
  and (n.batch_id, n.row_number) in (
    select row.batch_id, row.row_number
    from entities.mentions
    join entities.links using (mention_id)
    join entities.decisions as undone on undone.undoes_decision_id = links.decision_id
      and undone.known_on <= %(business_date)s
    join quarantine.named_rows as row on row.mention_key = mentions.mention_key and row.entity_id = links.entity_id
    where links.link_code = 'same' and row.feed = %(feed)s
      and not exists (select from entities.linked_mentions(%(business_date)s, array[mentions.mention_key]) as linked
        where linked.entity_id = row.entity_id))
group by n.batch_id, n.row_number
"""
WAIT_AGAIN = """
insert into {waiting} ({columns}, batch_id, waits_for, waiting_column, waiting_code, {mention_columns})
select {raw_columns}, u.origin_batch_id, 'name', {column}, 'NAME_UNMATCHED', {of_unlinked}
from {raw} as r join unlinked as u on u.batch_id = r.batch_id and u.row_number = r.row_number
"""
WITHDRAW = """
insert into raw.withdrawn_rows (feed, batch_id, row_number, by_batch_id, known_on, received_at)
select %(feed)s, batch_id, row_number, %(by)s, %(business_date)s, %(received_at)s from unlinked
where batch_id = %(batch_id)s
"""
# beside a release of waiting rows `gone`: which of them came in by a link
NOTE = """
insert into quarantine.named_rows (feed, batch_id, row_number, origin_batch_id, entity_type_code, mention_key,
  entity_id, known_on, received_at)
select {feed}, %(batch_id)s, gone.row_number, %(origin)s, told.kind, told.mention_key, linked.entity_id,
  %(business_date)s, %(received_at)s
from gone
cross join lateral (
  values ('community', gone.community_mention), ('enterprise', gone.enterprise_mention)) as told(kind, mention_key)
join entities.linked_mentions(%(business_date)s, array(
    select unnest(array[w.community_mention, w.enterprise_mention]) from {waiting} as w where w.batch_id = %(origin)s
  )) as linked on linked.mention_key = told.mention_key
"""


def fields_of(feed: Feed) -> tuple[str, ...]:
    """Return the fields of a feed that a name can stand in place of."""
    return tuple(name for name in NUMBERED if name in feed.field_names and name not in feed.key)


def keep(cursor: psycopg.Cursor) -> None:
    """Add the mentions of temporary table ``mentions_read`` (``create``) to those that are known."""
    cursor.execute(KEEP)


def create(cursor: psycopg.Cursor) -> None:
    """Make the empty table ``mentions_read``, which ends with the transaction."""
    cursor.execute("create temporary table mentions_read (like quarantine.mentions) on commit drop")


def note(feed: Feed) -> sql.Composed:
    """Return the statement, beside CTE ``gone``, that remembers which of the released rows came in by a link."""
    return sql.SQL(NOTE).format(feed=sql.Literal(feed.name), waiting=_waiting(feed))


def give_numbers(cursor: psycopg.Cursor, feed: Feed, business_date: date) -> None:
    """Give each waiting row the number of the entity that its name is linked to on a night; take back what is not."""
    values = {"business_date": business_date}
    fields, waiting = fields_of(feed), _waiting(feed)
    for name in fields:
        place = {"waiting": waiting, "field": sql.Identifier(name), "mention": sql.Identifier(COLUMNS[name])}
        there = cursor.execute(
            sql.SQL("select exists (select from {waiting} where {mention} is not null)").format(**place)
        ).fetchone()
        if there and there[0]:
            cursor.execute(sql.SQL(GIVE_NUMBERS).format(**place), values)
    if fields:
        is_unknown = sql.SQL(" or ").join(
            sql.SQL("w.{} is not null and w.{} is null").format(sql.Identifier(COLUMNS[name]), sql.Identifier(name))
            for name in fields
        )
        cursor.execute(sql.SQL(NAMED).format(waiting=waiting, is_unknown=is_unknown))
        cursor.execute(
            sql.SQL(UNNAMED).format(waiting=waiting, is_unknown=is_unknown, column=_first_unknown("w", fields))
        )


def take_back(cursor: psycopg.Cursor, feed: Feed, business_date: date, columns: Sequence[str]) -> list[tuple[str, int]]:
    """Let rows wait again that were loaded under a link which stands no more; return their batches and how many.

    ``columns``: the fields and what ingestion adds to them but the batch. Their versions in raw are to be withdrawn
    (``withdraw``) by a batch that the caller records.
    """
    fields = fields_of(feed)
    row = cursor.execute("select exists (select from quarantine.named_rows where feed = %s)", (feed.name,)).fetchone()
    if not (fields and row and row[0]):
        return []
    mentions = [
        sql.SQL("max(n.mention_key) filter (where n.entity_type_code = {}) as {}").format(
            sql.Literal(NUMBERED[name]), sql.Identifier(COLUMNS[name])
        )
        for name in fields
    ]
    cursor.execute("drop table if exists unlinked")
    cursor.execute(
        sql.SQL(UNLINKED).format(mentions=sql.SQL(", ").join(mentions)),
        {"feed": feed.name, "business_date": business_date},
    )
    counts = cursor.execute("select batch_id, count(*) from unlinked group by 1 order by 1").fetchall()
    if counts:
        kept = [name for name in columns if name != "batch_id"]
        cursor.execute(
            sql.SQL(WAIT_AGAIN).format(
                waiting=_waiting(feed),
                raw=sql.Identifier("raw", feed.name),
                columns=sql.SQL(", ").join(map(sql.Identifier, kept)),
                raw_columns=sql.SQL(", ").join(sql.Identifier("r", name) for name in kept),
                mention_columns=sql.SQL(", ").join(sql.Identifier(COLUMNS[name]) for name in fields),
                of_unlinked=sql.SQL(", ").join(sql.Identifier("u", COLUMNS[name]) for name in fields),
                column=_first_unknown("u", fields, only_mentions=True),
            )
        )
    return [(str(batch_id), int(count)) for batch_id, count in counts]


def withdraw(
    cursor: psycopg.Cursor, feed: Feed, batch_id: str, *, by: str, business_date: date, received_at: datetime
) -> None:
    """Withdraw the versions of ``batch_id`` that ``take_back`` named, by batch ``by``, from a night on."""
    cursor.execute(
        WITHDRAW,
        {
            "feed": feed.name,
            "batch_id": batch_id,
            "by": by,
            "business_date": business_date,
            "received_at": received_at,
        },
    )


def _first_unknown(table: str, fields: Sequence[str], *, only_mentions: bool = False) -> sql.Composed:
    """Return the first of the fields, as text, whose name no link answers."""
    cases = [
        sql.SQL("when {} then {}").format(
            sql.SQL("{} is not null").format(sql.Identifier(table, COLUMNS[name]))
            if only_mentions
            else sql.SQL("{} is not null and {} is null").format(
                sql.Identifier(table, COLUMNS[name]), sql.Identifier(table, name)
            ),
            sql.Literal(name),
        )
        for name in fields
    ]
    return sql.SQL("case {} end").format(sql.SQL(" ").join(cases))


def _waiting(feed: Feed) -> sql.Identifier:
    return sql.Identifier("quarantine", f"waiting_{feed.name}")
