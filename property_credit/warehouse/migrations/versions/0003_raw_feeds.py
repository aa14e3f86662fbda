"""raw: one append-only table a feed, every version of every row; quarantine: every refused row.

A feed's columns here are its contract's fields in order (``ingestion/feeds/<feed>.py``; a test compares the two),
followed by the six columns that ingestion adds.

Revision ID: 0003
"""

from alembic import op

revision = "0003"
down_revision = "0002"

ADDED = """
          batch_id text not null, row_number bigint not null, known_on date not null,
          received_at timestamptz not null, row_hash bigint not null"""

FEEDS = {
    "enterprises": (
        "uscc",
        """
          uscc text not null, enterprise_name text not null, organisation_type_code text not null,
          registered_region_code text not null, established_on date, is_active boolean not null,
          listing_status_code text not null, listed_on date, delisted_on date, annual_report_filed_on date,
          updated_at timestamptz""",
    ),
    "communities": (
        "community_id",
        """
          community_id text not null, community_name text not null, region_code text not null,
          street_code text, street_name text, community_type_code text not null, built_year integer,
          household_count integer not null, floor_area_m2 numeric(14,2), has_lift boolean not null,
          is_price_guided boolean, updated_at timestamptz""",
    ),
    "contracts": (
        "contract_id",
        """
          contract_id text not null, community_id text not null, uscc text not null, starts_on date not null,
          ends_on date, ended_on date, end_reason_code text, notice_given_on date, filed_on date,
          is_filing_complete boolean, service_standard_edition text, service_level text,
          is_takeover boolean, takeover_certified_on date, updated_at timestamptz""",
    ),
    "complaints": (
        "complaint_id",
        """
          complaint_id text not null, channel_code text not null, community_id text, region_code text,
          category_code text not null, responsible_party_code text, status_code text not null,
          submitted_at timestamptz not null, responded_at timestamptz, handled_at timestamptz,
          resolved_at timestamptz, closed_at timestamptz, paused_minutes integer, is_confirmed boolean,
          callback_result_code text, repeat_of_id text, reporter_name text, reporter_phone text,
          title text, content text, reply text, support_count integer, oppose_count integer,
          updated_at timestamptz""",
    ),
    "inspections": (
        "inspection_id, line_code",
        """
          inspection_id text not null, line_code text not null, line_type_code text not null,
          community_id text, uscc text, object_id text, inspected_on date not null, authority_code text,
          inspection_type_code text, checked_item_count integer, failed_item_count integer,
          overall_score numeric(6,2), item_name text, severity_code text, is_hazard boolean,
          finding text, order_due_on date, rectified_on date, is_confirmed boolean, updated_at timestamptz""",
    ),
    "funds": (
        "entry_id",
        """
          entry_id text not null, account_no text, account_type_code text not null, community_id text, uscc text,
          booked_on date not null, amount numeric(18,2) not null, currency_code text not null,
          balance numeric(18,2), counterparty_name text, purpose_code text, summary text, voucher_no text,
          vote_id text, is_emergency boolean, updated_at timestamptz""",
    ),
    "disclosures": (
        "disclosure_id",
        """
          disclosure_id text not null, community_id text not null, uscc text not null,
          disclosure_class_code text not null, period_start_on date not null, published_on date,
          is_verified boolean, updated_at timestamptz""",
    ),
    "public_credit": (
        "record_id",
        """
          record_id text not null, uscc text not null, record_type_code text not null, tier_code text,
          community_id text, decided_on date not null, authority_name text, legal_basis text, decision_no text,
          served_on date, is_final boolean not null, shown_from date, ended_on date, repaired_on date,
          revoked_on date, amount numeric(18,2), summary text, updated_at timestamptz""",
    ),
    "surveys": (
        "survey_id, community_id",
        """
          survey_id text not null, community_id text not null, uscc text, surveyed_on date not null,
          agency_name text, response_count integer not null, satisfaction_score numeric(5,2) not null,
          updated_at timestamptz""",
    ),
    "personnel": (
        "staff_id",
        """
          staff_id text not null, uscc text not null, staff_name text, post_code text not null,
          hired_on date not null, left_on date, pre_job_trained_on date, continuing_trained_on date,
          continuing_hours numeric(6,1), updated_at timestamptz""",
    ),
    "objections": (
        "objection_id",
        """
          objection_id text not null, uscc text not null, target_type_code text not null, target_id text not null,
          filed_on date not null, marked_on date, forwarded_on date, decided_on date, outcome_code text not null,
          original_officer_code text, decider_code text, reply text, updated_at timestamptz""",
    ),
    "mediations": (
        "mediation_id",
        """
          mediation_id text not null, community_id text not null, uscc text not null, topic_code text,
          agreed_on date, due_on date, performed_on date, outcome_code text not null, level_code text,
          updated_at timestamptz""",
    ),
}


def upgrade() -> None:
    for feed, (key, columns) in FEEDS.items():
        op.execute(f"create table raw.{feed} ({columns},{ADDED})")
        op.execute(f"create index {feed}_key on raw.{feed} ({key})")
    op.execute(
        """
        create table quarantine.rejected_rows (
          feed text not null, batch_id text not null, source_file text not null, row_number bigint not null,
          column_name text, reason_code text not null, reason text not null, payload text not null,
          received_at timestamptz not null
        );
        create index rejected_rows_batch on quarantine.rejected_rows (batch_id);

        -- append-only by GRANT: ingestion can add versions and refused rows, nobody can change or remove one
        grant select, insert on all tables in schema raw, quarantine to pc_ingestion;
        grant select on all tables in schema raw to pc_dbt, pc_gatekeeper;
        grant select (feed, batch_id, source_file, row_number, column_name, reason_code, reason, received_at)
          on quarantine.rejected_rows to pc_gatekeeper;

        create function ops.analyze_feed(p_feed text) returns void
        language plpgsql security definer set search_path = '' as $$
        begin
          execute format('analyze raw.%I', p_feed);
        end $$;
        revoke execute on function ops.analyze_feed from public;
        grant execute on function ops.analyze_feed to pc_ingestion;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
