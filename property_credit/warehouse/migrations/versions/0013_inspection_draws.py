"""supervision: the draws of inspections, their visits, and the secrets committed for them.

Revision ID: 0013
"""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.execute(
        """
        create table supervision.draw_commitments (
          month             date primary key,              -- first day
          commitment_sha256 text not null,                 -- of the secret, hex
          publication_id    bigint not null,               -- newest one when the secret was committed; 0: none yet
          recorded_at       timestamptz not null
        );
        create table supervision.draws (                   -- a month drawn again is a new version with its reason
          draw_id           text primary key,              -- from the frame and the seed
          month             date not null,
          version_no        integer not null,
          business_date     date not null,                 -- the night whose marts made the frame
          list_id           text not null,                 -- published list that set the rates
          frame_sha256      text not null,
          draw_sha256       text not null,                 -- of draw.json
          seed              text not null,
          seed_basis        jsonb not null,
          counts            jsonb not null,
          accounts          jsonb not null,                -- what every stratum is owed after the draw
          deferred          jsonb not null,                -- checks put off by the cap of visits per firm
          supersedes_draw_id text unique references supervision.draws,
          supersede_reason  text,
          recorded_at       timestamptz not null,
          unique (month, version_no),
          check ((version_no = 1) = (supersedes_draw_id is null)),
          check ((supersedes_draw_id is null) = (supersede_reason is null))
        );
        create table supervision.draw_visits (
          draw_id      text not null references supervision.draws,
          community_id text not null,
          region_code  text not null,
          uscc         text not null,
          rate_class   text not null,
          checks       jsonb not null,                     -- [{authority_code, since, inspectors, short_count}]
          primary key (draw_id, community_id)
        );
        create view supervision.current_draws as
          select distinct on (month) * from supervision.draws order by month, version_no desc;
        create view supervision.current_draw_visits as
          select draws.month, visits.* from supervision.draw_visits as visits
          inner join supervision.current_draws as draws on draws.draw_id = visits.draw_id;

        grant select, insert on supervision.draw_commitments, supervision.draws, supervision.draw_visits
          to pc_supervision;
        grant select on supervision.current_draws, supervision.current_draw_visits to pc_supervision;
        grant usage on schema publishing to pc_supervision;
        grant select on publishing.publications, publishing.lists, publishing.grade_history to pc_supervision;
        -- the pages show counts; seeds, and who is visited next month, are not theirs
        grant select (draw_id, month, version_no, business_date, list_id, frame_sha256, draw_sha256, counts,
          supersede_reason, recorded_at) on supervision.draws to pc_pages, pc_gatekeeper;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
