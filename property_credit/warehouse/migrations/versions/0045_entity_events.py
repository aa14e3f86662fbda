"""raw: what changes enterprises and communities; since when values hold; complaints that are one matter. Edition 3.

Edition 3: what a decision of the register of entities says follows in the models (``rules`` in dbt_project.yml).

Revision ID: 0045
"""

from alembic import op

revision = "0045"
down_revision = "0044"

FEEDS = {
    "enterprise_events": ("uscc",),
    "community_events": ("community_id",),
}
COLUMNS = """
          event_id text not null,
          event_code text not null,
          {key} text not null,
          other_{key} text,
          other_name text,
          effective_on date,
          authority_name text,
          decision_no text,
          status_code text,
          updated_at timestamptz,
          batch_id text not null, row_number bigint not null, known_on date not null,
          received_at timestamptz not null, row_hash bigint not null,
          arrived_on date, arrived_at timestamptz, absence_code text check (absence_code in ('vanished'))"""


def upgrade() -> None:
    for feed, (key,) in FEEDS.items():
        op.execute(f"create table raw.{feed} ({COLUMNS.format(key=key)})")
        op.execute(f"create index {feed}_key on raw.{feed} (event_id)")
        op.execute(f"create index {feed}_arrival on raw.{feed} using brin (received_at) with (pages_per_range = 16)")
        op.execute(f"grant select, insert on raw.{feed} to pc_ingestion")
        op.execute(f"grant select on raw.{feed} to pc_dbt, pc_gatekeeper, pc_entities")
    op.execute(
        """
        alter table raw.communities add column effective_on date, add column change_code text;
        alter table raw.contracts add column effective_on date, add column change_code text;
        alter table raw.complaints add column same_matter_as_id text;
        -- the task that keeps the register up to date records itself
        grant execute on function ops.record_task to pc_entities;
        grant usage on all sequences in schema entities to pc_entities;
        -- every night that was graded keeps its rules; where none was there is nothing to keep
        insert into ops.editions
          select 3, coalesce(max(business_date) + 1, '-infinity'),
            'who is who: records follow the successor, months keep their communities, one matter counts once; '
            'binds after the newest graded night'
          from scoring.runs;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
