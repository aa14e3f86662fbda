"""workbench, entities: officers say whom a name in a row means; the night takes each such act once, as a decision.

Revision ID: 0055
"""

from alembic import op

revision = "0055"
down_revision = "0054"


def upgrade() -> None:
    op.execute(
        """
        alter table workbench.acts drop constraint acts_subject_kind_check,
          add constraint acts_subject_kind_check check (subject_kind in
            ('objection', 'reply', 'repair', 'alert', 'complaint', 'account', 'case_file', 'match'));
        create table entities.taken_acts (                   -- an act on a mention is taken once, whatever is run again
          act_id        bigint primary key,
          business_date date not null,                       -- the night that took it
          decision_id   bigint references entities.decisions,
          refusal       text,                                -- why it changed nothing
          taken_at      timestamptz not null
        );
        grant select, insert on entities.taken_acts to pc_entities;
        create function workbench.match_acts(p_until date)
        returns table (act_id bigint, mention_id bigint, act_code text, entity_type_code text, number text,
          officer_code text, reason text, undoes_act_id bigint)
        language sql stable security definer set search_path = '' as $$
          select act_id, subject_id::bigint, act_code, details ->> 'entity_type_code', details ->> 'number',
            officer_code, details ->> 'reason', (details ->> 'undoes_act_id')::bigint
          from workbench.acts
          where subject_kind = 'match' and acted_on <= p_until
            and not exists (select from entities.taken_acts where taken_acts.act_id = acts.act_id)
          order by act_id
        $$;
        revoke execute on function workbench.match_acts from public;
        grant usage on schema workbench to pc_entities;
        grant execute on function workbench.match_acts to pc_entities;

        -- what stands side by side: names and numbers, and how many rows wait; what the rows say stays ingestion's
        grant usage on schema entities, quarantine to pc_workbench;
        grant select on entities.mentions, entities.attempts, entities.entities, entities.identifiers, entities.names,
          entities.links, entities.decisions, entities.taken_acts to pc_workbench;
        grant execute on function entities.standing_decisions to pc_workbench;
        grant select on quarantine.waiting_mentions, ops.waiting to pc_workbench;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
