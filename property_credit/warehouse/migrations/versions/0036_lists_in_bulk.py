"""publishing: a quarter's list as whole files, each named with its hash in a manifest that the head signs.

Revision ID: 0036
"""

from alembic import op

revision = "0036"
down_revision = "0035"


def upgrade() -> None:
    op.execute(
        """
        alter table publishing.lists add manifest text;      -- canonical JSON; its SHA-256 stands in the head
        create table publishing.bulk_files (
          list_id    text not null references publishing.lists deferrable initially deferred,
          name       text not null,                          -- 2026-Q4.csv
          media_type text not null,
          sha256     text not null,
          content    bytea not null,
          primary key (list_id, name)
        );
        alter table publishing.bulk_files alter content set storage external;   -- a part is read without the rest
        grant select, insert on publishing.bulk_files to pc_publishing;
        grant select on publishing.bulk_files to pc_api;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
