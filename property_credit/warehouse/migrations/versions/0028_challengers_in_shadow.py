"""scoring: a challenger's runs stand beside those of the method in force and are never published.

Revision ID: 0028
"""

from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    op.execute(
        "alter table scoring.runs add column is_shadow boolean not null default false"  # of a method not in force
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
