"""raw.complaints: whether a complaint's text tells of collecting fees by cutting off or locking out.

Found when the row is read: the text itself goes no further. Rows that were read before say nothing.

Revision ID: 0064
"""

from alembic import op

revision = "0064"
down_revision = "0063"


def upgrade() -> None:
    op.execute("alter table raw.complaints add column is_coercion_suspected boolean")


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
