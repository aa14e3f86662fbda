"""publishing: root documents say which keys sign and signed; heads are numbered, noted as checkpoints and cosigned.

Revision ID: 0035
"""

from alembic import op

revision = "0035"
down_revision = "0034"


def upgrade() -> None:
    op.execute(
        """
        create table publishing.roots (                      -- who signs, who signed, who may change that
          version     integer primary key,                   -- 1, 2, 3 ... without gaps
          document    text not null,                         -- canonical JSON (RFC 8785), the bytes that are signed
          signatures  jsonb not null,
          recorded_at timestamptz not null
        );
        alter table publishing.lists
          add head_index bigint,                             -- 0, 1, 2 ... in the order of publication
          add checkpoint text,                               -- the head as a C2SP note; null: of before notes were kept
          drop constraint lists_kind_check,
          add constraint lists_kind_check check (kind in ('quarter', 'publication', 'keys'));
        update publishing.lists set head_index = numbered.place
          from (select list_id, row_number() over (order by publication_id, tree_size, kind desc, list_id) - 1 as place
            from publishing.lists) as numbered
          where numbered.list_id = lists.list_id;
        alter table publishing.lists alter head_index set not null, add constraint lists_head_index unique (head_index);
        -- a head is signed over the map of all leaves, its own among them: leaves come first
        alter table publishing.log_leaves alter constraint log_leaves_list_id_fkey deferrable initially deferred;
        create table publishing.cosignatures (               -- witnesses that saw a head grow from what they had seen
          head_index  bigint not null references publishing.lists (head_index),
          witness     text not null,
          line        text not null,                         -- the signature line of the note
          recorded_at timestamptz not null,
          primary key (head_index, witness)
        );
        grant select, insert on publishing.roots, publishing.cosignatures to pc_publishing;
        grant select on publishing.roots, publishing.cosignatures to pc_api;
        """
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
