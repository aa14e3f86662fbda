"""raw.joint_meetings: joint meetings of streets on property management.

Revision ID: 0061
"""

from alembic import op

revision = "0061"
down_revision = "0060"


def upgrade() -> None:
    op.execute(
        """
        create table raw.joint_meetings (
          street_code text not null,
          established_on date not null,
          ended_on date,
          last_met_on date,
          updated_at timestamptz,
          batch_id text not null, row_number bigint not null, known_on date not null,
          received_at timestamptz not null, row_hash bigint not null,
          arrived_on date, arrived_at timestamptz, absence_code text check (absence_code in ('vanished'))
        );
        create index joint_meetings_key on raw.joint_meetings (street_code);
        create index joint_meetings_arrival on raw.joint_meetings using brin (received_at) with (pages_per_range = 16);
        grant select, insert on raw.joint_meetings to pc_ingestion;
        grant select on raw.joint_meetings to pc_dbt, pc_gatekeeper;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
