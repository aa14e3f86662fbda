"""raw: the feeds of P10, M09, M10, M12 and M16, and what P09, V4 and C2 still need of feeds that are there.

New columns of an older feed stand after the ones that ingestion adds; in its contract they stand last.

Revision ID: 0007
"""

from alembic import op

revision = "0007"
down_revision = "0006"

ADDED = """
          batch_id text not null, row_number bigint not null, known_on date not null,
          received_at timestamptz not null, row_hash bigint not null"""

FEEDS = {
    "lifts": (
        "lift_id, inspected_on",
        """
          lift_id text not null, community_id text not null, origin_code text not null, in_use_from date not null,
          out_of_use_on date, inspected_on date not null, valid_until date, result_code text not null,
          updated_at timestamptz""",
    ),
    "street_ratings": (
        "rating_id",
        """
          rating_id text not null, rater_code text not null, rater_level_code text not null,
          community_id text not null, uscc text, rated_on date not null, rating_score numeric(5,2) not null,
          updated_at timestamptz""",
    ),
    "standard_assessments": (
        "assessment_id",
        """
          assessment_id text not null, community_id text not null, uscc text, assessed_on date not null,
          standard_edition text not null, service_level text not null, item_count integer not null,
          conforming_item_count integer not null, agency_name text, updated_at timestamptz""",
    ),
    "handovers": (
        "handover_id",
        """
          handover_id text not null, contract_id text, community_id text not null, uscc text not null,
          due_on date not null, completed_on date, are_documents_complete boolean,
          are_facilities_complete boolean, are_accounts_complete boolean, updated_at timestamptz""",
    ),
    "reporting_records": (
        "report_id",
        """
          report_id text not null, uscc text not null, report_type_code text not null, period_start_on date not null,
          due_on date not null, submitted_on date, checked_item_count integer, wrong_item_count integer,
          updated_at timestamptz""",
    ),
}


def upgrade() -> None:
    for feed, (key, columns) in FEEDS.items():
        op.execute(f"create table raw.{feed} ({columns},{ADDED})")
        op.execute(f"create index {feed}_key on raw.{feed} ({key})")
        op.execute(f"grant select, insert on raw.{feed} to pc_ingestion")
        op.execute(f"grant select on raw.{feed} to pc_dbt, pc_gatekeeper")
    op.execute(
        """
        alter table raw.public_credit add column accident_level_code text, add column injured_count integer;
        alter table raw.complaints add column escalated_at timestamptz;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
