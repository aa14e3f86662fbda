"""What was decided of keys that collided is remembered: the values given up, and numbers that their office made void.

Of full lists that come in parts, the keys of each part are kept until all of them have come.

``values_hash`` is of the fields that cannot change under the key (``ingestion.keys``). A row that comes again with
values that were given up is refused and touches nothing; ``void``: so is any row of the key.

Revision ID: 0042
"""

from alembic import op

revision = "0042"
down_revision = "0041"


def upgrade() -> None:
    op.execute(
        """
        create table quarantine.decided_keys (             -- append-only
          feed text not null, key text not null, kind text not null check (kind in ('given_up', 'void', 'restored')),
          values_hash text, why text not null, by_batch_id text, decided_on date not null,
          decided_at timestamptz not null
        );
        create index on quarantine.decided_keys (feed, key);
        grant select, insert on quarantine.decided_keys to pc_ingestion;
        grant select on quarantine.decided_keys to pc_gatekeeper;

        create table quarantine.list_parts (               -- append-only: the keys that each part of a full list held
          feed text not null, source_profile text not null, series text not null, part integer not null,
          of_parts integer not null, landed_on date not null, batch_id text not null, unreadable_keys bigint not null,
          present jsonb not null, received_at timestamptz not null
        );
        create index on quarantine.list_parts (feed, source_profile, series);
        grant select, insert on quarantine.list_parts to pc_ingestion;
        grant select on quarantine.list_parts to pc_gatekeeper;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
