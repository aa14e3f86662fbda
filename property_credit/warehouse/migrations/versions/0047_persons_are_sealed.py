"""raw: the keys of persons; what counts or matches people reads a sealed value by its person.

A sealed value is ``sealed:<person>:<year>:<text>`` (property_credit.ingestion.sealing). A line without ``wrapped`` says
that the key was destroyed; with year -1 a person for good, with person ``*`` all years of a feed before this one.

Revision ID: 0047
"""

from importlib import import_module

from alembic import op

KEY = import_module("property_credit.warehouse.migrations.versions.0017_fund_supervision").KEY

revision = "0047"
down_revision = "0046"

REPORTER = (
    """coalesce(nullif(regexp_replace(reporter_phone, '[^0-9]', '', 'g'), ''), nullif(trim(reporter_name), ''))"""
)
SEALED = f"""case when coalesce(reporter_phone, reporter_name) like 'sealed:%'
          then nullif(split_part(coalesce(reporter_phone, reporter_name), ':', 2)
            , case when coalesce(reporter_phone, reporter_name) like 'sealed:-%'
                then split_part(coalesce(reporter_phone, reporter_name), ':', 2) end)
          else {REPORTER} end"""
NAMED = KEY.replace("NAME", "name")
PARTY = f"""case when name like 'sealed:%' then split_part(name, ':', 2) else {NAMED} end"""


def upgrade() -> None:
    op.execute(
        """
        create table raw.person_keys (
          feed         text not null,
          token        text not null,                    -- the person, or the delivery of refused rows
          year         integer not null,                 -- of the event; 0: of a register
          wrapped      bytea,                            -- AES-SIV under DATA_KEY; null: destroyed
          made_at      timestamptz not null,
          destroyed_on date,
          why          text,
          primary key (feed, token, year),
          check ((wrapped is null) = (destroyed_on is not null)),
          check ((destroyed_on is null) = (why is null))
        );
        grant select, insert on raw.person_keys to pc_ingestion;

        create table ops.archive_removals (               -- copies that the rule of retention took away, append-only
          archive_path text primary key, removed_on date not null, why text not null, removed_at timestamptz not null
        );
        grant select on ops.archive_removals to pc_ingestion, pc_gatekeeper;

        create function raw.party_keys(p_names text[]) returns table (name text, party_key text)
        language sql stable security definer set search_path = '' as $$
          select name, NAMED from unnest(p_names) as given (name) cross join raw.name_secret
        $$;
        revoke execute on function raw.party_keys(text[]) from public;
        grant execute on function raw.party_keys(text[]) to pc_ingestion;

        create or replace view raw.fund_counterparties as
          select entry_id, PARTY as party_key, batch_id, row_number, known_on, received_at, updated_at, arrived_on,
            arrived_at
          from (select *, counterparty_name as name from raw.funds where counterparty_name is not null) as funds
          cross join raw.name_secret;
        create or replace view raw.related_party_keys as
          select relation_id, uscc, PARTY as party_key, relation_code, valid_from, valid_to, batch_id, row_number,
            known_on, received_at, updated_at, arrived_on, arrived_at
          from (select *, party_name as name from raw.related_parties) as parties
          cross join raw.name_secret;
        """.replace("PARTY", PARTY).replace("NAMED", NAMED)
    )
    op.execute(
        """
        do $block$ declare counts regprocedure; body text; begin
          for counts in select oid from pg_proc where proname = 'complaint_reporter_counts' loop
            body := pg_get_functiondef(counts);
            body := replace(body, $old$OLD$old$, $new$NEW$new$);
            execute body;
            if pg_get_functiondef(counts) not like '%sealed:%' then
              raise exception 'the reporters of % are not told apart as this migration expects', counts;
            end if;
          end loop;
        end $block$
        """.replace("OLD", REPORTER).replace("NEW", SEALED)
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
