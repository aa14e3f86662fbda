"""scoring: methods, fits, runs, grades and points; append-only by GRANT.

Revision ID: 0004
"""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute(
        """
        create table scoring.methods (
          method_version text primary key,
          content_sha256 text not null,
          document       jsonb not null,
          registered_on  date not null
        );
        create table scoring.fits (                        -- what is estimated from a population: lambda, p0, k, m
          fit_id         text primary key,                 -- from method, window and data
          method_version text not null references scoring.methods,
          fitted_on      date not null,                    -- business_date of the fit
          data_sha256    text not null,
          parameters     jsonb not null
        );
        create table scoring.runs (
          run_id           text primary key,               -- from business_date, method, fit and input
          business_date    date not null,
          method_version   text not null references scoring.methods,
          fit_id           text not null references scoring.fits,
          input_sha256     text not null,
          enterprise_count integer not null,
          recorded_at      timestamptz not null
        );
        create index runs_business_date on scoring.runs (business_date, recorded_at);
        create table scoring.grades (
          run_id          text not null references scoring.runs,
          method_version  text not null,
          input_sha256    text not null,
          business_date   date not null,
          uscc            text not null,
          enterprise_name text not null,
          grade           text,                            -- null: not rated, or a status that stands for a grade
          status_code     text not null check (status_code in ('rated', 'not_rated', 'serious_dishonesty')),
          score           numeric(6,2),                    -- S, 0-103, rounded once
          public_pct      numeric(6,2),
          market_pct      numeric(6,2),
          bonus_points    numeric(4,2) not null,
          certainty_ratio numeric(4,3),                    -- Pr(S_true >= 82), 0-1; only where an AA depends on it
          is_key_supervision boolean not null,             -- 重点监管, regulators only
          grade_before_caps text,                          -- what the score alone would give
          held            jsonb,                           -- {from, reached, reason_zh, reason_en}: held by hysteresis
          caps            jsonb not null default '[]',     -- [{code, effect, reason_zh, evidence_ids, until}]
          not_rated_reasons jsonb not null default '[]',   -- [{code, reason_zh, reason_en}]
          primary key (run_id, uscc)
        );
        create table scoring.indicator_points (
          run_id         text not null references scoring.runs,
          method_version text not null,
          input_sha256   text not null,
          uscc           text not null,
          indicator_code text not null,
          is_available   boolean not null,
          status_code    text not null default 'scored'
            check (status_code in ('scored', 'no_exposure', 'not_applicable', 'feed_missing', 'no_estimate')),
          window_months  integer,                          -- null: the state on the business date
          numerator      numeric(20,6),
          denominator    numeric(20,6),
          indicator_value numeric(12,6),                   -- after shrinkage, before points
          interval_low   numeric(12,6),                    -- of the true value, 90 %; shrunk indicators only
          interval_high  numeric(12,6),
          points         numeric(12,6) not null,
          max_points     numeric(12,6) not null,           -- after redistribution inside the domain
          evidence_ids   jsonb not null default '[]',
          reason_zh      text not null,
          reason_en      text not null,
          primary key (run_id, uscc, indicator_code)
        );
        grant select, insert on all tables in schema scoring to pc_scoring;
        grant select on all tables in schema scoring to pc_gatekeeper, pc_publishing, pc_supervision, pc_pages;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
