"""supervision: clocks of objections and repairs, and every month's policy targets as they were computed then.

Revision ID: 0014
"""

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.execute(
        """
        create table supervision.clocks (
          clock_id          text primary key,              -- <clock_kind_code>/<subject_id>
          clock_kind_code   text not null,                 -- mark, forward, decide, review, freeze, preview ...
          subject_type_code text not null,
          subject_id        text not null,                 -- objection, public credit record or quarter
          case_code         text not null,
          uscc              text,
          region_code       text not null,
          level_code        text not null,
          started_on        date not null,
          limit_count       integer not null,
          unit_code         text not null,
          is_duty           boolean not null,              -- an office is late when it passes
          due_on            date not null,
          is_due_provisional boolean not null,             -- that year's working days are not published yet
          done_on           date,
          status_code       text not null
            check (status_code in ('running', 'due', 'overdue', 'done', 'done_late', 'passed', 'void')),
          first_seen_on     date not null,
          changed_on        date not null                  -- the night that last changed it
        );
        create index clocks_region on supervision.clocks (region_code, status_code, due_on);

        create table supervision.kpi_definitions (         -- as first used; another text under its version is refused
          kpi_code           text not null,
          definition_version integer not null,
          content            jsonb not null,
          first_used_on      date not null,
          primary key (kpi_code, definition_version)
        );
        create table supervision.kpi_months (              -- a month computed otherwise later is a new version
          kpi_code           text not null,
          region_code        text not null,
          month              date not null,                -- first day
          version_no         integer not null,
          definition_version integer not null,
          business_date      date not null,
          numerator          numeric,
          denominator        numeric,                      -- null: the target is a count
          base_value         numeric,                      -- the same months of 2025, where it is compared with them
          current_value      numeric,
          actual_value       numeric,                      -- null: nothing to count, or its feed has sent nothing
          target_year        integer,
          target_value       numeric,
          target_text        text,
          is_met             boolean,
          recorded_at        timestamptz not null,
          primary key (kpi_code, region_code, month, version_no),
          foreign key (kpi_code, definition_version) references supervision.kpi_definitions
        );
        create view supervision.current_kpi_months as
          select distinct on (kpi_code, region_code, month) * from supervision.kpi_months
          order by kpi_code, region_code, month, version_no desc;

        create table supervision.draw_outcomes (           -- what became of a month's draw, as far as reported
          month             date not null,
          region_code       text not null,
          authority_code    text not null,
          drawn_count       integer not null,
          carried_out_count integer not null,
          put_off_count     integer not null,
          changed_on        date not null,
          primary key (month, region_code, authority_code)
        );

        grant select, insert, update on supervision.clocks, supervision.draw_outcomes to pc_supervision;
        grant select, insert on supervision.kpi_definitions, supervision.kpi_months to pc_supervision;
        grant select on supervision.current_kpi_months to pc_supervision;
        grant select on supervision.clocks, supervision.kpi_definitions, supervision.kpi_months,
          supervision.current_kpi_months, supervision.draw_outcomes to pc_pages, pc_gatekeeper;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
