"""ops: a delivery is compared with earlier ones of its own office, also where many offices deliver under one profile.

What tells their files apart is the name without its date. Before, a small county's whole list was "torn" beside the
lists of large ones.

Revision ID: 0025
"""

from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    op.execute(
        r"""
        -- a file's name without its dates: 台账_20261031_150203.csv and 台账_20261130_150203.csv are one series
        create function ops.file_series(p_source_file text) returns text
        language sql immutable set search_path = '' as $$
          select regexp_replace(p_source_file, '(?<![0-9])20[0-9]{2}'
            '([0-9]{2}([0-9]{2}[0-9]{0,6})?|[-_./年][0-9]{1,2}([-_./月][0-9]{1,2})?[月日]?)(?![0-9])', '', 'g')
        $$;
        revoke execute on function ops.file_series(text) from public;
        grant execute on function ops.file_series(text) to pc_gatekeeper;
        create index batches_series on ops.batches (source_profile, ops.file_series(source_file), business_date);
        create index batches_profile on ops.batches (source_profile, business_date);
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
