"""quarantine, entities: rows that bring a name instead of a number wait until a decision says whom it names.

- ``quarantine.mentions``: what the rows write in place of a number, without rooms and units; ``mention_key`` is a hash
  of all of it. Waiting rows hold the key (``community_mention``, ``enterprise_mention``).
- ``quarantine.named_rows``: rows that were loaded under a link, so that they come back when it is undone.
- ``entities.attempts``: what matching said of a mention that it did not link, the newest counts: ``waiting`` for a
  person with candidates, or ``none``. ``entities.matching_runs``: with which model and up to which name of the register
  all that was not linked was compared; a name or a model that is new compares it again.

The triggers look single decisions up: a set of all decisions for each link took as long as there were decisions.

Revision ID: 0046
"""

from importlib import import_module

from alembic import op

WAITING = import_module("property_credit.warehouse.migrations.versions.0037_deliveries_and_waiting_rows")

revision = "0046"
down_revision = "0045"

MATCH = WAITING.MATCH.replace("create function", "create or replace function").replace(
    "''profile'', ''decision'')), add column waits_until date,'",
    "''profile'', ''decision'', ''name'')), add column waits_until date,'\n"
    "        ' add column community_mention bigint, add column enterprise_mention bigint,'",
)
MATCH = (
    MATCH.replace(
        "grant select, insert, delete on quarantine.waiting_%s",
        "grant select, insert, update, delete on quarantine.waiting_%s",
    )
    .replace(
        "waiting_column as column_name, waiting_code as reason_code, known_on, received_at'",
        "waiting_column as column_name, waiting_code as reason_code, known_on, received_at, community_mention,'\n"
        "      ' enterprise_mention'",
    )
    .replace(
        "  grant select on quarantine.waiting_rows",
        """  -- how many rows wait for each mention: what they say is nobody's to see who matches
  create or replace view quarantine.waiting_mentions as
    select mention_key, count(*) as row_count, min(known_on) as oldest_on
    from (
      select community_mention as mention_key, known_on from quarantine.waiting_rows
      union all
      select enterprise_mention, known_on from quarantine.waiting_rows
    ) as waiting
    where mention_key is not null
    group by mention_key;
  grant select on quarantine.waiting_mentions to pc_entities, pc_ingestion, pc_gatekeeper;
  grant select on quarantine.waiting_rows""",
    )
)
STANDS = """exists (
              select from entities.decisions as made
              where made.decision_id = links.decision_id and not exists (
                select from entities.decisions as undone where undone.undoes_decision_id = made.decision_id))"""


def upgrade() -> None:
    op.execute(
        """
        do $$ declare waiting text; begin
          for waiting in
            select table_name from information_schema.tables
            where table_schema = 'quarantine' and table_name like 'waiting\\_%' and table_type = 'BASE TABLE'
          loop
            execute format('alter table quarantine.%I add column community_mention bigint,'
              ' add column enterprise_mention bigint, drop constraint if exists %I,'
              ' add constraint %I check (waits_for in (''register'', ''day'', ''profile'', ''decision'', ''name''))',
              waiting, waiting || '_waits_for_check', waiting || '_waits_for_check');
            execute format('grant update on quarantine.%I to pc_ingestion', waiting);
          end loop;
        end $$;

        create table quarantine.mentions (
          mention_key      bigint primary key,
          entity_type_code text not null check (entity_type_code in ('enterprise', 'community')),
          written_by       text not null,                 -- the office
          name             text not null,                 -- what names it: a name, else an address
          address          text not null default '',
          street           text not null default '',
          division         text not null default '',      -- as written: a code or a name
          known_on         date not null,
          received_at      timestamptz not null
        );
        grant select, insert on quarantine.mentions to pc_ingestion;
        grant usage on schema quarantine to pc_entities;
        grant select on quarantine.mentions to pc_entities;

        create table quarantine.named_rows (              -- of raw.<feed>, append-only
          feed             text not null,
          batch_id         text not null,                 -- the release that loaded it
          row_number       bigint not null,
          origin_batch_id  text not null,                 -- the batch that it waited in
          entity_type_code text not null,
          mention_key      bigint not null,
          entity_id        bigint not null,               -- whom it was taken to name
          known_on         date not null,
          received_at      timestamptz not null
        );
        create index named_rows_mention on quarantine.named_rows (mention_key);
        create index named_rows_row on quarantine.named_rows (feed, batch_id, row_number);
        grant select, insert on quarantine.named_rows to pc_ingestion;
        grant select on quarantine.named_rows to pc_gatekeeper;

        alter table entities.mentions add column mention_key bigint unique;
        create table entities.attempts (
          attempt_id    bigint generated always as identity primary key,
          mention_id    bigint not null references entities.mentions,
          outcome_code  text not null check (outcome_code in ('waiting', 'none')),
          reason        text not null,
          score         numeric(9, 6),                    -- of the best candidate
          candidates    jsonb not null default '[]',      -- entity_id, name, score, reason; the best first
          model_version text not null,
          threshold     numeric(9, 6) not null,
          known_on      date not null,
          recorded_at   timestamptz not null
        );
        create index attempts_mention on entities.attempts (mention_id);
        create table entities.matching_runs (
          run_id           bigint generated always as identity primary key,
          entity_type_code text not null,
          model_version    text not null,
          names_seen       bigint not null,
          known_on         date not null,
          recorded_at      timestamptz not null
        );
        grant select, insert on entities.attempts, entities.matching_runs to pc_entities;
        grant select on entities.attempts, entities.matching_runs to pc_ingestion, pc_gatekeeper;
        grant usage on all sequences in schema entities to pc_entities;
        """
    )
    op.execute(
        """
        create or replace function entities.refuse_link() returns trigger
        language plpgsql set search_path = '' as $$
        declare maker text; standing bigint;
        begin
          select made_by_code into strict maker from entities.decisions where decision_id = new.decision_id;
          if new.other_entity_id is not null and (select count(distinct entity_type_code) from entities.entities
              where entity_id in (new.entity_id, new.other_entity_id)) <> 1 then
            raise exception 'entities % and % are of two kinds', new.entity_id, new.other_entity_id
              using errcode = 'check_violation';
          end if;
          if new.link_code = 'different' then
            return new;
          end if;
          if maker = 'matching' and (new.mention_id is null or new.link_code <> 'same') then
            raise exception 'matching links what an office wrote to an entity, never two entities'
              using errcode = 'check_violation';
          end if;
          if new.link_code = 'same' and new.other_entity_id is not null and (
              select count(distinct entity_id) from entities.identifiers
              where entity_id in (new.entity_id, new.other_entity_id) and scheme_code <> 'local') > 1 then
            raise exception 'entities % and % have official numbers of their own: one may only succeed the other',
              new.entity_id, new.other_entity_id using errcode = 'check_violation';
          end if;
          if new.link_code = 'same' and new.mention_id is not null then
            select links.entity_id into standing from entities.links
            where links.mention_id = new.mention_id and links.link_code = 'same'
              and links.entity_id <> new.entity_id and STANDS
            limit 1;
            if found then
              raise exception 'mention % is linked to entity %: undo that decision first', new.mention_id, standing
                using errcode = 'check_violation';
            end if;
            if exists (
                select from entities.links
                where links.mention_id = new.mention_id and links.link_code = 'different'
                  and links.entity_id = new.entity_id and STANDS) then
              raise exception 'mention % was separated from entity %: undo that decision first',
                new.mention_id, new.entity_id using errcode = 'check_violation';
            end if;
            -- nor is what a person took back made again by a score
            if maker = 'matching' and exists (
                select from entities.links
                join entities.decisions as undone on undone.undoes_decision_id = links.decision_id
                where links.mention_id = new.mention_id and links.link_code = 'same'
                  and links.entity_id = new.entity_id and undone.made_by_code = 'person') then
              raise exception 'a person took the link of mention % to entity % back: matching does not make it again',
                new.mention_id, new.entity_id using errcode = 'check_violation';
            end if;
          end if;
          return new;
        end $$;

        -- whom mentions of rows are linked to, as known on a night, and the number that one has then
        create function entities.linked_mentions(p_known_on date, p_keys bigint[])
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
            where identifiers.scheme_code in ('uscc', 'community_id')
              and identifiers.entity_id in (select linked.entity_id from linked)
              and coalesce(identifiers.valid_from <= p_known_on, true)
              and decisions.known_on <= p_known_on and not exists (
                select from entities.decisions as undone
                where undone.undoes_decision_id = decisions.decision_id and undone.known_on <= p_known_on)
            order by identifiers.entity_id, identifiers.valid_from desc nulls last, identifiers.identifier_id desc
          )
          select linked.mention_key, linked.entity_id, numbered.value
          from linked left join numbered on numbered.entity_id = linked.entity_id
        $$;
        revoke execute on function entities.linked_mentions from public;
        grant execute on function entities.linked_mentions to pc_entities, pc_ingestion;
        """.replace("STANDS", STANDS)
    )
    op.execute("drop view ops.waiting; drop view quarantine.waiting_rows")
    op.execute(MATCH.split("revoke execute")[0])
    op.execute("select ops.match_waiting_tables()")


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
