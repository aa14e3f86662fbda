"""raw: one block range index on arrivals a table, summarized when a feed's deliveries are loaded and not in between.

complaints had two of them. A COPY of a million rows asked autovacuum 5,400 times to summarize, wrote most of these
requests to the server's log because its list holds 256, and spent a sixth of the server's time on the two indexes
(measured 2026-11). ``ops.analyze_feed`` summarizes after each feed's loads.

Revision ID: 0023
"""

from alembic import op

revision = "0023"
down_revision = "0022"


def upgrade() -> None:
    op.execute(
        """
        drop index raw.complaints_received;
        do $$ declare index_name name; begin
          for index_name in
            select indexname from pg_indexes where schemaname = 'raw' and indexname = tablename || '_arrival'
          loop
            execute format('alter index raw.%I set (autosummarize = off)', index_name);
          end loop;
        end $$
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
