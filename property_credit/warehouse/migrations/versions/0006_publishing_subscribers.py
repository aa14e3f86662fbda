"""publishing: subscribers, the signed log of what was published, corrections, details, API keys and the access log.

Revision ID: 0006
"""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute(
        """
        grant usage on schema marts to pc_publishing;
        alter default privileges for role pc_dbt in schema marts grant select on tables to pc_publishing;
        do $$ begin   -- marts that were built before this migration
          execute (select coalesce(string_agg(format('grant select on marts.%I to pc_publishing', tablename), '; '),
            'select 1') from pg_tables where schemaname = 'marts');
        end $$;

        create table publishing.subscribers (
          subscriber     text primary key check (subscriber ~ '^[a-z][a-z0-9_]{1,30}$'),
          title_zh       text not null,
          endpoint       text,                             -- base address; null: TENDERING_URL, or the local sandbox
          token_variable text,                             -- environment variable with its bearer token
          fields         text[] not null,                  -- of the published body; uscc is always among them
          is_active      boolean not null default true,
          recorded_at    timestamptz not null,
          -- the circuit breaker, here so that it outlives a process: failures in a row, when it opened, how often
          failure_count  integer not null default 0,
          opened_at      timestamptz,
          opening_count  integer not null default 0
        );
        insert into publishing.subscribers (subscriber, title_zh, token_variable, fields, recorded_at) values
          ('tendering', '公共资源交易中心', 'TENDERING_TOKEN',
           '{uscc,enterprise_name,grade,status_code,method_version,valid_from,valid_to,version_no,is_correction,
             supersedes,reasons,basis,notices}', now());

        create table publishing.reconciliations (           -- one row whenever the comparison came out differently
          reconciliation_id bigint generated always as identity primary key,
          subscriber        text not null references publishing.subscribers,
          business_date     date not null,
          result            jsonb not null,
          recorded_at       timestamptz not null
        );

        create table publishing.signing_keys (               -- public halves only; the private ones are files
          key_id             text primary key,               -- first 32 hex digits of the public key's SHA-256
          public_key         text not null unique,           -- 32 bytes, base64
          previous_key_id    text unique references publishing.signing_keys,
          previous_signature text,                           -- of the rotation statement; null: the key before was lost
          signature          text not null,                  -- of the same statement, by the key itself
          reason             text not null,
          recorded_at        timestamptz not null
        );
        create table publishing.lists (                      -- every published document and the tree head after it
          list_id         text primary key,                  -- 2026-Q4, or publication-12
          kind            text not null check (kind in ('quarter', 'publication')),
          publication_id  bigint not null references publishing.publications,
          first_leaf      bigint not null,                   -- leaves before this list
          tree_size       bigint not null,
          root            text not null,                     -- SHA-256, hex (RFC 9162)
          document        text not null,                     -- canonical JSON (RFC 8785), the bytes that are signed
          signature       text not null,                     -- Ed25519, base64
          head            text not null,                     -- canonical JSON of the tree head
          head_signature  text not null,
          key_id          text not null references publishing.signing_keys,
          published_at    timestamptz not null
        );
        create unique index lists_tree on publishing.lists (tree_size, list_id);
        create table publishing.log_leaves (
          leaf_index bigint primary key,                     -- 1, 2, 3 ... without gaps
          list_id    text not null references publishing.lists,
          uscc       text not null,
          version_no integer not null,
          entry      text not null,                          -- canonical JSON
          leaf_hash  bytea not null,
          foreign key (uscc, version_no) references publishing.grade_versions
        );
        create index log_leaves_version on publishing.log_leaves (uscc, version_no);
        create index log_leaves_list on publishing.log_leaves (list_id);

        create table publishing.corrections (                -- upheld objections, repairs, revocations: each once
          kind_code        text not null check (kind_code in ('objection_upheld', 'repair', 'revocation')),
          target_type_code text not null,
          target_id        text not null,
          uscc             text not null,
          decided_on       date not null,
          known_on         date not null,
          publication_id   bigint not null references publishing.publications,
          version_no       integer,                          -- the correcting version; null: nothing stood before
          primary key (kind_code, target_type_code, target_id)
        );
        create index corrections_target on publishing.corrections (target_id) where target_type_code = 'public_credit';
        create table publishing.replies (                    -- right of reply: the enterprise's own words
          reply_id    bigint generated always as identity primary key,
          uscc        text not null,
          reply       text check (length(reply) between 1 and 200),   -- null: withdrawn
          filed_on    date not null,
          recorded_at timestamptz not null
        );
        create table publishing.enterprise_details (         -- for an enterprise and its regulators
          uscc           text primary key,
          publication_id bigint not null references publishing.publications,
          region_codes   text[] not null,                    -- where it serves, with every region above
          body           jsonb not null
        );
        create index enterprise_details_regions on publishing.enterprise_details using gin (region_codes);
        create table publishing.methods (
          method_version text primary key,
          content_sha256 text not null,
          document       jsonb not null
        );

        create table publishing.api_keys (
          key_id          text primary key,
          digest          bytea not null unique,             -- SHA-256 of the key, which has 256 random bits
          name            text not null,
          scope_code      text not null check (scope_code in ('tendering', 'department', 'regulator', 'enterprise')),
          region_code     text check ((region_code is not null) = (scope_code = 'regulator')),
          uscc            text check ((uscc is not null) = (scope_code = 'enterprise')),
          fields          text[] check ((fields is not null) = (scope_code = 'department')),
          rate_per_minute integer not null check (rate_per_minute > 0),
          recorded_at     timestamptz not null,
          expires_at      timestamptz not null,
          revoked_at      timestamptz,
          replaces        text references publishing.api_keys
        );
        create table publishing.access_log (
          logged_at timestamptz not null,
          key_id    text,                                    -- null: no key, or one that is not ours
          method    text not null,
          path      text not null,
          status    smallint not null
        );
        create index access_log_key on publishing.access_log (key_id, logged_at);

        -- a repaired, revoked or overturned record is nowhere shown any more, not even in a version of its time
        create function publishing.without_withdrawn(p_body jsonb) returns jsonb
        language sql stable parallel safe security definer set search_path = '' as $$
          select case when jsonb_array_length(coalesce(p_body -> 'basis', '[]')) = 0 then p_body
            else jsonb_set(p_body, '{basis}', (
              select coalesce(jsonb_agg(item.value order by item.position), '[]')
              from jsonb_array_elements(p_body -> 'basis') with ordinality as item (value, position)
              where not exists (select from publishing.corrections
                where target_type_code = 'public_credit' and target_id = item.value ->> 'record_id'))) end
        $$;
        create or replace view publishing.current_grades as
          select distinct on (uscc) uscc, version_no, publication_id, enterprise_name, grade, status_code,
            method_version, valid_from, is_correction, publishing.without_withdrawn(body) as body
          from publishing.grade_versions order by uscc, version_no desc;
        create or replace view publishing.grade_history as
          select uscc, version_no, publication_id, enterprise_name, grade, status_code, method_version, valid_from,
            lead(valid_from) over (partition by uscc order by version_no) as valid_to, is_correction,
            publishing.without_withdrawn(body) as body
          from publishing.grade_versions;

        grant select, insert, update on publishing.subscribers, publishing.api_keys to pc_publishing;
        grant select, insert on publishing.reconciliations, publishing.signing_keys, publishing.lists,
          publishing.log_leaves, publishing.corrections, publishing.replies, publishing.methods to pc_publishing;
        grant select, insert, update, delete on publishing.enterprise_details to pc_publishing;
        grant select on publishing.access_log to pc_publishing;
        grant select on publishing.signing_keys, publishing.lists, publishing.log_leaves, publishing.methods,
          publishing.enterprise_details, publishing.api_keys to pc_api;
        grant insert on publishing.access_log to pc_api;
        grant select on publishing.lists, publishing.subscribers, publishing.reconciliations to pc_gatekeeper;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
