"""entities: who is who over time; every fact of it hangs on a decision, and a decision can be undone.

Everything is append-only. ``known_on`` is the night that knew a row first, ``recorded_at`` the instant it was written;
a row stands on a night when its decision does: it was known by then and nothing known by then undoes it
(``entities.standing_decisions``). ``valid_from`` and ``valid_to`` are days in the world: the first and the last day on
which it was so; null is open. A person's and matching's decisions look alike and differ in ``made_by_code``.

- ``decisions``: who decided what, when and why. ``act_code`` says what was done, ``source`` where it is written (a feed
  and its row, a file, a command), ``undoes_decision_id`` which decision it takes back.
- ``entities``: an enterprise, community or division; ``entity_id`` is permanent and says nothing else.
- ``identifiers``: every number an entity has had. ``scheme_code`` uscc, community_id, division_code, or local: the
  number of one office, which ``issuer`` names (empty for the others).
- ``names``: ``kind_code`` registered, former, short, or written: as the office ``written_by`` writes it.
- ``mentions``: what stands in an office's rows in place of a number: a name, with the address and division beside it.
- ``links``: ``same``, the mention (or an entity without an official number) is this entity; ``different``, it is not,
  whatever a score says; ``successor``, what ``entity_id`` did and owed goes on with ``other_entity_id`` from
  ``valid_from`` on; ``part``, a phase of the other. ``is_assumed``: nobody stated the day. A link of matching carries
  its score, the threshold it passed and the version of the model.

Revision ID: 0041
"""

from alembic import op

revision = "0041"
down_revision = "0040"


def upgrade() -> None:
    op.execute(
        """
        do $$ begin
          if not exists (select from pg_roles where rolname = 'pc_entities') then create role pc_entities login; end if;
        end $$;
        alter role pc_entities set statement_timeout = '30min';
        alter role pc_entities set timezone = 'Asia/Shanghai';

        create schema entities;
        grant usage on schema entities to pc_entities, pc_ingestion, pc_dbt, pc_gatekeeper, pc_supervision, pc_pages;

        create table entities.decisions (
          decision_id        bigint generated always as identity primary key,
          act_code           text not null check (act_code in ('register', 'link', 'separate', 'rename', 'renumber',
                               'merge', 'split', 'phase', 'deregister', 'undo')),
          entity_type_code   text not null check (entity_type_code in ('enterprise', 'community', 'division')),
          made_by_code       text not null check (made_by_code in ('register', 'event', 'matching', 'person')),
          made_by            text not null,               -- the office, the person's account, the model's version
          why                text not null check (why <> ''),
          source             text not null default '',    -- feed and row, file and line, or command
          undoes_decision_id bigint references entities.decisions,
          known_on           date not null,
          recorded_at        timestamptz not null,
          check ((act_code = 'undo') = (undoes_decision_id is not null))
        );
        create index decisions_undone on entities.decisions (undoes_decision_id) where undoes_decision_id is not null;
        -- an event of a feed is decided once, however often the night runs
        create unique index decisions_source on entities.decisions (source)
          where made_by_code = 'event' and act_code <> 'undo';

        create table entities.entities (
          entity_id        bigint generated always as identity primary key,
          entity_type_code text not null check (entity_type_code in ('enterprise', 'community', 'division')),
          decision_id      bigint not null references entities.decisions,
          known_on         date not null,
          recorded_at      timestamptz not null,
          unique (entity_id, entity_type_code)
        );

        create table entities.identifiers (
          identifier_id bigint generated always as identity primary key,
          entity_id     bigint not null references entities.entities,
          scheme_code   text not null check (scheme_code in ('uscc', 'community_id', 'division_code', 'local')),
          issuer        text not null default '' check ((issuer <> '') = (scheme_code = 'local')),
          value         text not null check (value <> ''),
          valid_from    date,
          valid_to      date,
          is_assumed    boolean not null default false,
          decision_id   bigint not null references entities.decisions,
          known_on      date not null,
          recorded_at   timestamptz not null,
          check (valid_to >= valid_from)
        );
        create index identifiers_value on entities.identifiers (scheme_code, value);
        create index identifiers_entity on entities.identifiers (entity_id);

        create table entities.names (
          name_id     bigint generated always as identity primary key,
          entity_id   bigint not null references entities.entities,
          kind_code   text not null check (kind_code in ('registered', 'former', 'short', 'written')),
          name        text not null check (name <> ''),
          written_by  text not null default '' check ((written_by <> '') = (kind_code = 'written')),
          valid_from  date,
          valid_to    date,
          is_assumed  boolean not null default false,
          decision_id bigint not null references entities.decisions,
          known_on    date not null,
          recorded_at timestamptz not null,
          check (valid_to >= valid_from)
        );
        create index names_name on entities.names (name);
        create index names_entity on entities.names (entity_id);

        create table entities.mentions (
          mention_id       bigint generated always as identity primary key,
          entity_type_code text not null check (entity_type_code in ('enterprise', 'community', 'division')),
          written_by       text not null,                 -- the office
          name             text not null,
          address          text not null default '',
          street           text not null default '',
          division         text not null default '',      -- as written: a code or a name
          known_on         date not null,
          recorded_at      timestamptz not null,
          unique (entity_type_code, written_by, name, address, street, division)
        );

        create table entities.links (
          link_id         bigint generated always as identity primary key,
          link_code       text not null check (link_code in ('same', 'different', 'successor', 'part')),
          entity_id       bigint not null references entities.entities,
          other_entity_id bigint references entities.entities check (other_entity_id <> entity_id),
          mention_id      bigint references entities.mentions,
          valid_from      date,
          is_assumed      boolean not null default false,
          score           numeric(9, 6),
          threshold       numeric(9, 6),
          model_version   text,
          decision_id     bigint not null references entities.decisions,
          known_on        date not null,
          recorded_at     timestamptz not null,
          check (num_nonnulls(other_entity_id, mention_id) = 1),
          check (link_code in ('same', 'different') or other_entity_id is not null),
          check ((score is null) = (model_version is null))
        );
        create index links_entity on entities.links (entity_id);
        create index links_other_entity on entities.links (other_entity_id) where other_entity_id is not null;
        create index links_mention on entities.links (mention_id) where mention_id is not null;

        -- an undo is not undone: the decision is made again
        create function entities.standing_decisions(p_known_on date) returns setof entities.decisions
        language sql stable set search_path = '' as $$
          select made.* from entities.decisions as made
          where made.act_code <> 'undo' and made.known_on <= p_known_on and not exists (
            select from entities.decisions as undone
            where undone.undoes_decision_id = made.decision_id and undone.known_on <= p_known_on)
        $$;

        create function entities.refuse_undo() returns trigger language plpgsql set search_path = '' as $$
        begin
          if exists (
              select from entities.decisions where decision_id = new.undoes_decision_id and act_code = 'undo') then
            raise exception 'decision % is an undo: make the first decision again instead', new.undoes_decision_id
              using errcode = 'check_violation';
          end if;
          if exists (select from entities.decisions where undoes_decision_id = new.undoes_decision_id) then
            raise exception 'decision % is undone already', new.undoes_decision_id using errcode = 'check_violation';
          end if;
          return new;
        end $$;
        create trigger refuse_undo before insert on entities.decisions
          for each row when (new.undoes_decision_id is not null) execute function entities.refuse_undo();

        -- a mention is one entity; two with official numbers of their own are never one; what was separated stays so
        create function entities.refuse_link() returns trigger language plpgsql set search_path = '' as $$
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
            select links.entity_id into standing
            from entities.links join entities.standing_decisions('infinity') as made using (decision_id)
            where links.mention_id = new.mention_id and links.link_code = 'same' and links.entity_id <> new.entity_id
            limit 1;
            if found then
              raise exception 'mention % is linked to entity %: undo that decision first', new.mention_id, standing
                using errcode = 'check_violation';
            end if;
            if exists (
                select from entities.links join entities.standing_decisions('infinity') as made using (decision_id)
                where links.mention_id = new.mention_id and links.link_code = 'different'
                  and links.entity_id = new.entity_id) then
              raise exception 'mention % was separated from entity %: undo that decision first',
                new.mention_id, new.entity_id using errcode = 'check_violation';
            end if;
          end if;
          return new;
        end $$;
        create trigger refuse_link before insert on entities.links
          for each row execute function entities.refuse_link();

        grant select, insert on all tables in schema entities to pc_entities;
        grant select on all tables in schema entities to pc_ingestion, pc_dbt, pc_gatekeeper, pc_supervision, pc_pages;
        grant execute on function entities.standing_decisions to pc_entities, pc_ingestion, pc_dbt, pc_gatekeeper,
          pc_supervision, pc_pages;
        revoke execute on function entities.standing_decisions, entities.refuse_undo, entities.refuse_link from public;
        -- it reads the registers, and nothing of residents
        grant usage on schema raw, ops to pc_entities;
        grant select on raw.enterprises, raw.communities, raw.withdrawn_rows to pc_entities;
        grant select on ops.batches to pc_entities;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
