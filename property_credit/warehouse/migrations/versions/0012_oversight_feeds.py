"""raw: the feeds of the inspection draw and of the policy targets; what the clocks of an objection need.

Revision ID: 0012
"""

from alembic import op

revision = "0012"
down_revision = "0011"

ADDED = """
          batch_id text not null, row_number bigint not null, known_on date not null,
          received_at timestamptz not null, row_hash bigint not null"""

FEEDS = {
    "inspectors": (
        "inspector_code, region_code",
        """
          inspector_code text not null, region_code text not null, authority_code text not null,
          active_from date not null, active_until date, updated_at timestamptz""",
    ),
    "inspector_ties": (
        "inspector_code, uscc, relation_code",
        """
          inspector_code text not null, uscc text not null, relation_code text not null, starts_on date not null,
          ends_on date, updated_at timestamptz""",
    ),
    "owners_committees": (
        "committee_id",
        """
          committee_id text not null, community_id text not null, committee_kind_code text not null,
          formed_on date not null, dissolved_on date, member_count integer, party_member_count integer,
          training_year integer, training_count integer, updated_at timestamptz""",
    ),
    "project_honours": (
        "honour_id",
        """
          honour_id text not null, community_id text not null, uscc text, honour_code text not null,
          standard_edition text, granted_on date not null, valid_until date, revoked_on date, authority_name text,
          updated_at timestamptz""",
    ),
    "mashangban_enrolments": (
        "community_id",
        """
          community_id text not null, enrolled_on date not null, withdrawn_on date, updated_at timestamptz""",
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
        alter table raw.objections add column source_class_code text, add column review_filed_on date,
          add column review_decided_on date, add column review_outcome_code text, add column reviewer_code text
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
