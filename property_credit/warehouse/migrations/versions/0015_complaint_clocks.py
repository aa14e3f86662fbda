"""supervision: the clocks of 码上办, what is escalated, and the columns of complaints that it may read.

Revision ID: 0015
"""

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.execute(
        """
        -- times and codes of complaints: no person, no text; supervision's only sight of raw
        create view raw.complaint_clocks as
          select complaint_id, channel_code, community_id, region_code, category_code, status_code, submitted_at,
            responded_at, handled_at, resolved_at, closed_at, updated_at, batch_id, row_number, known_on, received_at
          from raw.complaints;
        grant usage on schema raw to pc_supervision;
        grant select on raw.complaint_clocks to pc_supervision;
        -- a tick reads the rows of new batches; rows lie in the order they came, so a block range index finds them
        create index complaints_received on raw.complaints using brin (received_at)
          with (pages_per_range = 16, autosummarize = on);
        create index batches_received on ops.batches (feed, received_at);

        create table supervision.ticks (                   -- one row a tick; the clock never goes back
          tick_id          bigint generated always as identity primary key,
          as_of            timestamptz not null,
          business_date    date not null,                  -- what was known by this date was looked at
          limits           jsonb not null,
          look_from        timestamptz,                    -- batches that came before are all read
          batch_count      integer not null,
          changed_count    bigint not null,                -- complaints that were new or changed
          looked_at_count  bigint not null,                -- those, and the ones whose time had come
          raised_count     bigint not null,
          told_count       bigint not null,
          closed_count     bigint not null,
          reopened_count   bigint not null,
          open_count       bigint not null,                -- escalations raised, less those closed, up to this tick
          recorded_at      timestamptz not null
        );
        create table supervision.read_batches (
          batch_id    text primary key,
          received_at timestamptz not null,
          tick_as_of  timestamptz not null
        );

        create table supervision.open_complaints (         -- unsolved ones only: a tick costs what is due and new
          complaint_id  text primary key,
          community_id  text,
          region_code   text,
          category_code text not null,
          channel_code  text not null,
          is_withdrawn  boolean not null,
          submitted_at  timestamptz not null,
          responded_at  timestamptz,
          handled_at    timestamptz,
          resolved_at   timestamptz,
          ended_at      timestamptz,                       -- solved, closed or withdrawn; in the future only here
          next_at       timestamptz not null               -- when to look again
        ) with (fillfactor = 90);
        create index open_complaints_next on supervision.open_complaints (next_at);

        create table supervision.escalations (
          escalation_id      text primary key,             -- <complaint_id>/<kind_code>: raised once, whatever is rerun
          complaint_id       text not null,
          kind_code          text not null check (kind_code in ('response', 'handling', 'resolution')),
          level_code         text not null check (level_code in ('district', 'city', 'region')),
          community_id       text,
          region_code        text not null,                -- where the community lies
          office_region_code text not null,                -- whose office is told
          uscc               text,                         -- who managed the community on the day of submission
          street_code        text,
          category_code      text not null,
          submitted_at       timestamptz not null,
          responded_at       timestamptz,                  -- evidence as last known
          handled_at         timestamptz,
          resolved_at        timestamptz,
          limit_minutes      integer not null,             -- the limit in force when it was raised
          due_at             timestamptz not null,
          raised_at          timestamptz not null,         -- the clock of the tick
          is_told            boolean not null,             -- false: solved before supervision first saw the miss
          closed_at          timestamptz,
          close_reason_code  text check (close_reason_code in ('solved', 'withdrawn', 'corrected')),
          revision_no        integer not null,             -- 1 raised; one more with every closing and reopening
          business_date      date not null,                -- of the tick that raised it
          check ((closed_at is null) = (close_reason_code is null))
        );
        create index escalations_complaint on supervision.escalations (complaint_id);
        create index escalations_raised on supervision.escalations (raised_at);
        create index escalations_open on supervision.escalations (office_region_code) where closed_at is null;

        grant select, insert on supervision.ticks, supervision.read_batches to pc_supervision;
        grant select, insert, update, delete on supervision.open_complaints to pc_supervision;
        grant select, insert, update on supervision.escalations to pc_supervision;
        grant select on supervision.escalations, supervision.ticks to pc_pages, pc_gatekeeper;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
