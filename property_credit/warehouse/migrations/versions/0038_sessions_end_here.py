"""scorecards: sessions are rows that a sign-out deletes, and a reader may have a second factor.

Revision ID: 0038
"""

from alembic import op

revision = "0038"
down_revision = "0037"


def upgrade() -> None:
    op.execute(
        """
        create table scorecards.sessions (                  -- who is signed in now; the cookie itself is not kept
          session_digest bytea primary key,                 -- sha256 of what the browser holds
          reader_name    text not null references scorecards.readers,
          opened_at      timestamptz not null,
          ends_at        timestamptz not null
        );
        create index on scorecards.sessions (reader_name);
        alter table scorecards.readers
          add column totp_secret text,                      -- base32; null: no second factor
          add column totp_last_step bigint not null default 0;  -- of the newest code taken: none is taken twice
        grant select, insert, delete on scorecards.sessions to pc_pages;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
