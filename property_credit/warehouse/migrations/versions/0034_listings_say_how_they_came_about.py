"""raw: whether a listed enterprise was heard or waived it, and the day a listing ends by itself.

Revision ID: 0034
"""

from alembic import op

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    op.execute("alter table raw.public_credit add column hearing_or_waiver_code text, add column exit_on date")


def downgrade() -> None:
    op.execute("alter table raw.public_credit drop column hearing_or_waiver_code, drop column exit_on")
