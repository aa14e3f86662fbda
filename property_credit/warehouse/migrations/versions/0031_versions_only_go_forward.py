"""publishing: a replayed delivery is followed by the newest one, and the divisions an enterprise served in on a day.

Revision ID: 0031
"""

from alembic import op

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    op.execute(
        """
        -- an older delivery that arrives after a newer one is followed by the newer one, under a key of its own
        alter table publishing.outbox
          add replays bigint references publishing.outbox,  -- the delivery that this row sends again; null: the first
          drop constraint outbox_notice_id_key;
        create unique index outbox_notice on publishing.outbox (notice_id) where replays is null;
        create index outbox_subject on publishing.outbox (subscriber, subject_id, outbox_id);

        create table publishing.enterprise_regions (       -- a row whenever a publication changes where one serves
          uscc           text not null,
          publication_id bigint not null references publishing.publications,
          valid_from     date not null,                    -- the day the publication binds from
          region_codes   text[] not null,                  -- divisions it serves in, those above them included
          primary key (uscc, publication_id)
        );
        -- what was served in before this table is not known: the divisions of today stand for it
        insert into publishing.enterprise_regions (uscc, publication_id, valid_from, region_codes)
          select detail.uscc, min(version.publication_id), min(version.valid_from), detail.region_codes
          from publishing.enterprise_details as detail
          join publishing.grade_versions as version on version.uscc = detail.uscc
          group by detail.uscc, detail.region_codes;
        create function publishing.note_regions() returns trigger
        language plpgsql security definer set search_path = '' as $$
        begin
          insert into publishing.enterprise_regions (uscc, publication_id, valid_from, region_codes)
          select written.uscc, written.publication_id, publications.business_date + 1, written.region_codes
          from written
          join publishing.publications on publications.publication_id = written.publication_id
          left join lateral (
            select before.region_codes from publishing.enterprise_regions as before
            where before.uscc = written.uscc order by before.publication_id desc limit 1
          ) as known on true
          where written.region_codes is distinct from known.region_codes
          on conflict (uscc, publication_id) do update set region_codes = excluded.region_codes;
          return null;
        end $$;
        revoke execute on function publishing.note_regions from public;
        create trigger keep_regions after insert on publishing.enterprise_details
          referencing new table as written for each statement execute function publishing.note_regions();
        create trigger keep_changed_regions after update on publishing.enterprise_details
          referencing new table as written for each statement execute function publishing.note_regions();
        grant select on publishing.enterprise_regions to pc_publishing, pc_api;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
