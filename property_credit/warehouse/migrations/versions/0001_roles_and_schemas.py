"""Roles and schemas: one writer per schema.

Revision ID: 0001
"""

from alembic import op

revision = "0001"
down_revision = None

ROLES = (
    "pc_ingestion",
    "pc_dbt",
    "pc_gatekeeper",
    "pc_scoring",
    "pc_publishing",
    "pc_supervision",
    "pc_api",
    "pc_pages",
)


def upgrade() -> None:
    for role in ROLES:
        op.execute(
            f"""
            do $$ begin
              if not exists (select from pg_roles where rolname = '{role}') then create role {role} login; end if;
            end $$
            """
        )
        op.execute(f"alter role {role} set statement_timeout = '30min'")
        op.execute(f"alter role {role} set timezone = 'Asia/Shanghai'")
    op.execute(
        """
        revoke create on schema public from public;
        create schema raw;
        create schema quarantine;
        create schema ops;
        create schema scoring;
        create schema publishing;
        create schema supervision;
        create schema staging authorization pc_dbt;
        create schema intermediate authorization pc_dbt;
        create schema marts authorization pc_dbt;
        create schema dbt_checks authorization pc_dbt;

        grant usage on schema ops to pc_ingestion, pc_dbt, pc_gatekeeper, pc_scoring, pc_publishing,
          pc_supervision, pc_api, pc_pages;
        grant usage on schema raw, quarantine to pc_ingestion, pc_gatekeeper;
        grant usage on schema raw to pc_dbt;
        grant usage on schema marts to pc_scoring, pc_gatekeeper, pc_supervision, pc_pages;
        grant usage on schema staging, intermediate to pc_gatekeeper;
        grant usage on schema scoring to pc_scoring, pc_gatekeeper, pc_publishing, pc_supervision, pc_pages;
        grant usage on schema publishing to pc_publishing, pc_gatekeeper, pc_api, pc_pages;
        grant usage on schema supervision to pc_supervision, pc_pages;

        -- whatever dbt builds is readable by those who come after it, and by nobody before it
        alter default privileges for role pc_dbt in schema marts
          grant select on tables to pc_scoring, pc_gatekeeper, pc_supervision, pc_pages;
        alter default privileges for role pc_dbt in schema staging grant select on tables to pc_gatekeeper;
        alter default privileges for role pc_dbt in schema intermediate grant select on tables to pc_gatekeeper;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
