"""publishing.tenders: who bid for which community and when the bids were opened, for the tendering customer.

Replaced with every publication, as the details are: the grades that bound at an opening are read from the versions.

Revision ID: 0060
"""

from alembic import op

revision = "0060"
down_revision = "0059"


def upgrade() -> None:
    op.execute(
        """
        create table publishing.tenders (
          tender_id      text primary key,
          publication_id bigint not null references publishing.publications,
          community_id   text not null,
          opened_on      date not null,
          awarded_on     date,
          uscc           text,
          bids           jsonb not null          -- [{uscc, is_valid, claimed_grade}]
        );
        grant select, insert, delete on publishing.tenders to pc_publishing;
        grant select on publishing.tenders to pc_api;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
