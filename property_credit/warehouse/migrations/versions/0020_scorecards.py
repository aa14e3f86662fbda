"""scorecards: what each month's pages were made of, what was shown, and who may read them.

Revision ID: 0020
"""

from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.execute(
        """
        create schema scorecards;
        create table scorecards.editions (                 -- append-only: a past month is shown as it was then
          edition_id     text primary key,                 -- from business_date, publication and facts
          month          text not null,                    -- yyyy-mm
          business_date  date not null,
          publication_id bigint not null,                  -- grades and points are read again by it
          facts_sha256   text not null,
          facts          bytea not null,                   -- canonical JSON of what marts held, zlib
          recorded_at    timestamptz not null
        );
        create index editions_month on scorecards.editions (month, business_date, recorded_at);
        create table scorecards.builds (                   -- what an edition looked like under which templates
          edition_id   text not null references scorecards.editions,
          code_sha256  text not null,
          pages_sha256 text not null,                      -- over every file of the site
          file_count   integer not null,
          recorded_at  timestamptz not null,
          primary key (edition_id, code_sha256)
        );
        create table scorecards.readers (                  -- who may sign in, and the area they may see
          reader_name   text primary key,
          area_code     text not null,
          password_hash text not null,                     -- argon2id
          is_active     boolean not null default true,
          created_at    timestamptz not null,
          changed_at    timestamptz not null               -- sessions opened before are over
        );
        grant usage on schema scorecards to pc_pages;
        grant select, insert on scorecards.editions, scorecards.builds to pc_pages;
        grant select, insert, update on scorecards.readers to pc_pages;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
