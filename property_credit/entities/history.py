"""What is known of an entity, and since when: its numbers, names, links and every decision, undone ones included."""

from datetime import date
from typing import Any, LiteralString

from psycopg import Connection
from psycopg.rows import dict_row

FIND: LiteralString = """
    select entity_id from entities.identifiers where value = %(text)s
    union
    select entity_id from entities.names where name = %(text)s
    order by entity_id
"""
HISTORY: LiteralString = """
    with facts as (
      select decision_id, entity_id, 'number' as fact,
        value || case when issuer <> '' then ' (' || issuer || ')' else '' end as value, valid_from, valid_to,
        is_assumed
      from entities.identifiers
      union all
      select decision_id, entity_id, kind_code || ' name',
        name || case when written_by <> '' then ' (' || written_by || ')' else '' end, valid_from, valid_to, is_assumed
      from entities.names
      union all
      select links.decision_id, ends.entity_id,
        case when ends.entity_id = links.entity_id then link_code else link_code || ' of' end,
        coalesce(
          (select max(value) from entities.identifiers where identifiers.entity_id
             = case when ends.entity_id = links.entity_id then links.other_entity_id else links.entity_id end),
          (select name || ' (' || written_by || ')' from entities.mentions where mentions.mention_id = links.mention_id)
        ), valid_from, null, is_assumed
      from entities.links
      cross join lateral (
        select links.entity_id union select links.other_entity_id where links.other_entity_id is not null) as ends
    )
    select facts.entity_id, made.decision_id as decision, made.known_on, made.act_code as act, facts.fact, facts.value,
      facts.valid_from, facts.valid_to, facts.is_assumed, made.made_by_code as by_code, made.made_by, made.why,
      made.source, undone.decision_id as undone_by, undone.known_on as undone_on
    from facts
    join entities.decisions as made using (decision_id)
    left join entities.decisions as undone
      on undone.undoes_decision_id = made.decision_id and undone.known_on <= %(as_of)s
    where facts.entity_id = any(%(entities)s) and made.known_on <= %(as_of)s
    order by facts.entity_id, made.known_on, made.decision_id, facts.fact
"""


def of(connection: Connection, text: str, as_of: date) -> list[dict[str, Any]]:
    """Return every fact of the entities that have ``text`` as a number or name, oldest first, as known on ``as_of``.

    Each row says what was decided, by whom, why, and whether it was undone by then; empty when nobody has it.
    """
    entities = [row[0] for row in connection.execute(FIND, {"text": text}).fetchall()]
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(HISTORY, {"entities": entities, "as_of": as_of}).fetchall()
