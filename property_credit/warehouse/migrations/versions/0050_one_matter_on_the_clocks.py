"""supervision: reports that their office calls one matter run on one clock.

Revision ID: 0050
"""

from alembic import op

revision = "0050"
down_revision = "0049"


def upgrade() -> None:
    op.execute(
        """
        alter table supervision.open_complaints add column same_matter_as_id text;
        create index complaints_matter on raw.complaints (same_matter_as_id) where same_matter_as_id is not null;
        grant select (same_matter_as_id) on raw.complaints to pc_supervision;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
