"""A refusal says what it was made under, and is rewritten when the same file is refused again under something else.

``ops.register_batch`` left a refused batch as it was until it could be loaded: a file refused under last month's
profile for another reason today kept last month's reason. A loaded batch is never rewritten, as before.

Revision ID: 0018
"""

from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.execute(
        """
        create or replace function ops.register_batch(p_batch_id text, p_feed text, p_source_profile text,
            p_source_file text, p_archive_path text, p_content_sha256 text, p_content_bytes bigint,
            p_business_date date, p_received_at timestamptz, p_status text, p_refusal text, p_rows_in bigint,
            p_rows_accepted bigint, p_rows_rejected bigint, p_rows_duplicate bigint, p_rows_skipped bigint,
            p_latest_event_on date, p_profile_stats jsonb) returns void
        language sql security definer set search_path = '' as $$
          insert into ops.batches values (p_batch_id, p_feed, p_source_profile, p_source_file, p_archive_path,
            p_content_sha256, p_content_bytes, p_business_date, p_received_at, p_status, p_refusal, p_rows_in,
            p_rows_accepted, p_rows_rejected, p_rows_duplicate, p_rows_skipped, p_latest_event_on, p_profile_stats)
          on conflict (batch_id) do update set status = excluded.status, refusal = excluded.refusal,
            business_date = excluded.business_date, received_at = excluded.received_at,
            rows_in = excluded.rows_in, rows_accepted = excluded.rows_accepted,
            rows_rejected = excluded.rows_rejected, rows_duplicate = excluded.rows_duplicate,
            rows_skipped = excluded.rows_skipped, latest_event_on = excluded.latest_event_on,
            profile_stats = excluded.profile_stats
          where ops.batches.status = 'refused' and (excluded.status = 'loaded' or
            ops.batches.profile_stats -> 'refused_under' is distinct from excluded.profile_stats -> 'refused_under')
        $$;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
