"""publishing: a warehouse of invented grades says so for good, before it publishes anything.

Revision ID: 0056
"""

from alembic import op

revision = "0056"
down_revision = "0055"


def upgrade() -> None:
    op.execute(
        """
        create table publishing.invented (  -- one row: nothing that is published here is about anybody
          is_invented boolean primary key default true check (is_invented),
          said_at     timestamptz not null
        );
        create function publishing.refuse_invented() returns trigger
        language plpgsql security definer set search_path = '' as $$
        begin
          if tg_op = 'INSERT' and not exists (select from publishing.publications) then
            return new;
          end if;
          raise exception 'what is published does not become invented, nor what is invented real';
        end $$;
        revoke execute on function publishing.refuse_invented from public;
        create trigger said_before_anything before insert or update or delete on publishing.invented
          for each row execute function publishing.refuse_invented();
        create trigger said_for_good before truncate on publishing.invented
          for each statement execute function publishing.refuse_invented();
        grant select on publishing.invented to pc_publishing, pc_api;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
