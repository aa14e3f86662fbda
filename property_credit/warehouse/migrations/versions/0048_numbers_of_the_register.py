"""entities: a linked row gets a number that its register has delivered: it does not wait for one that is to come.

Whatever number of the entity a row has, the models give it the one of the night.

Revision ID: 0048
"""

from alembic import op

revision = "0048"
down_revision = "0047"


def upgrade() -> None:
    op.execute(
        """
        create or replace function entities.linked_mentions(p_known_on date, p_keys bigint[])
        returns table (mention_key bigint, entity_id bigint, number text)
        language sql stable set search_path = '' as $$
          with linked as (
            select distinct on (mentions.mention_id) mentions.mention_key, links.entity_id
            from entities.mentions
            join entities.links on links.mention_id = mentions.mention_id and links.link_code = 'same'
            join entities.decisions on decisions.decision_id = links.decision_id
            where mentions.mention_key = any (p_keys) and decisions.known_on <= p_known_on and not exists (
              select from entities.decisions as undone
              where undone.undoes_decision_id = decisions.decision_id and undone.known_on <= p_known_on)
            order by mentions.mention_id, links.link_id desc
          ), numbered as (
            select distinct on (identifiers.entity_id) identifiers.entity_id, identifiers.value
            from entities.identifiers
            join entities.decisions on decisions.decision_id = identifiers.decision_id
            cross join lateral (
              select exists (
                select from raw.enterprises
                where identifiers.scheme_code = 'uscc' and enterprises.uscc = identifiers.value
                  and enterprises.known_on <= p_known_on
              ) or exists (
                select from raw.communities
                where identifiers.scheme_code = 'community_id' and communities.community_id = identifiers.value
                  and communities.known_on <= p_known_on
              ) as is_there
            ) as register
            where identifiers.scheme_code in ('uscc', 'community_id')
              and identifiers.entity_id in (select linked.entity_id from linked)
              and coalesce(identifiers.valid_from <= p_known_on, true)
              and decisions.known_on <= p_known_on and not exists (
                select from entities.decisions as undone
                where undone.undoes_decision_id = decisions.decision_id and undone.known_on <= p_known_on)
            order by identifiers.entity_id, register.is_there desc, identifiers.valid_from desc nulls last,
              identifiers.identifier_id desc
          )
          select linked.mention_key, linked.entity_id, numbered.value
          from linked left join numbered on numbered.entity_id = linked.entity_id
        $$;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
