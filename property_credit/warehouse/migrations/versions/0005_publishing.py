"""publishing: which run is current, every grade ever published, the outbox and the receipts.

Revision ID: 0005
"""

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute(
        """
        create table publishing.publications (
          publication_id bigint primary key,               -- 1, 2, 3 ... without gaps
          run_id         text not null unique,
          business_date  date not null,
          method_version text not null,
          change_count   integer not null,
          published_at   timestamptz not null
        );
        create table publishing.grade_versions (           -- every grade that ever stood, as it was published
          uscc            text not null,
          version_no      integer not null,
          publication_id  bigint not null references publishing.publications,
          enterprise_name text not null,
          grade           text,
          status_code     text not null,
          method_version  text not null,
          valid_from      date not null,
          is_correction   boolean not null,
          body            jsonb not null,                  -- exactly what is delivered and served
          primary key (uscc, version_no)
        );
        create table publishing.outbox (
          outbox_id       bigint generated always as identity primary key,
          idempotency_key text not null unique,            -- subscriber/uscc/version
          subscriber      text not null,
          uscc            text not null,
          version_no      integer not null,
          publication_id  bigint not null references publishing.publications,
          body            jsonb not null,
          status          text not null default 'pending' check (status in ('pending', 'delivered', 'dead')),
          attempt_count   integer not null default 0,
          last_error      text,
          delivered_at    timestamptz,
          foreign key (uscc, version_no) references publishing.grade_versions
        );
        create index outbox_pending on publishing.outbox (subscriber, outbox_id) where status = 'pending';
        create table publishing.receipts (
          idempotency_key text primary key references publishing.outbox (idempotency_key),
          receipt_no      text not null,
          received_at     timestamptz not null,
          body_sha256     text not null
        );
        create view publishing.current_grades as
          select distinct on (uscc) uscc, version_no, publication_id, enterprise_name, grade, status_code,
            method_version, valid_from, is_correction, body
          from publishing.grade_versions order by uscc, version_no desc;
        create view publishing.data_age as
          select publication_id, run_id, business_date, method_version, published_at
          from publishing.publications order by publication_id desc limit 1;
        create view publishing.grade_history as
          select uscc, version_no, publication_id, enterprise_name, grade, status_code, method_version, valid_from,
            lead(valid_from) over (partition by uscc order by version_no) as valid_to, is_correction, body
          from publishing.grade_versions;

        grant select, insert on publishing.publications, publishing.grade_versions, publishing.receipts
          to pc_publishing;
        grant select, insert, update on publishing.outbox to pc_publishing;
        grant select on publishing.current_grades, publishing.data_age, publishing.grade_history
          to pc_publishing, pc_api, pc_pages, pc_gatekeeper;
        grant select on publishing.outbox, publishing.receipts, publishing.publications to pc_gatekeeper;
        grant select on publishing.publications to pc_pages;   -- a past month's page shows the run published then
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
