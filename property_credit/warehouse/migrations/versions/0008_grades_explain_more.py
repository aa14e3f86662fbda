"""scoring: what a run knew, open objections, the score without what they dispute, and what would lift an enterprise.

Revision ID: 0008
"""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute(
        """
        alter table scoring.runs
          add known_until jsonb,                           -- {feed: arrival of the newest delivery it was built from}
          add as_of       date;                            -- knowledge of which day; null: of the business date itself
        alter table scoring.grades
          add objections jsonb not null default '[]',      -- open ones: [{objection_id, target_id, filed_on …}]
          add score_without_disputed numeric(6,2),         -- as if every open objection were upheld; null: none is open
          add grade_without_disputed text,
          add lift jsonb;                                  -- what would lift it: {lost, records, next}; null: no score
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
