"""raw: votes of the owners, emergency uses, related parties; who was paid, without the name.

Names of counterparties and related parties stay in raw. What must know whether two payments went to the same one reads
the views ``fund_counterparties`` and ``related_party_keys``: a hash of the normalised name under a secret that nobody
but the owner of the warehouse can read, so that it cannot be guessed from a list of names.

Revision ID: 0017
"""

from alembic import op

revision = "0017"
down_revision = "0016"

ADDED = """
          batch_id text not null, row_number bigint not null, known_on date not null,
          received_at timestamptz not null, row_hash bigint not null"""

FEEDS = {
    "fund_votes": (
        "vote_id",
        """
          vote_id text not null, community_id text not null, purpose_code text not null, decided_on date not null,
          owner_count integer not null, owner_area_m2 numeric(18,2) not null, voting_owner_count integer not null,
          voting_area_m2 numeric(18,2) not null, approving_owner_count integer not null,
          approving_area_m2 numeric(18,2) not null, approved_amount numeric(18,2), updated_at timestamptz""",
    ),
    "emergency_repairs": (
        "emergency_id",
        """
          emergency_id text not null, community_id text not null, use_code text not null, occurred_on date not null,
          filed_on date, recognised_on date, updated_at timestamptz""",
    ),
    "related_parties": (
        "relation_id",
        """
          relation_id text not null, uscc text not null, party_name text not null, relation_code text not null,
          valid_from date, valid_to date, updated_at timestamptz""",
    ),
}

# spacing, width and punctuation of a name do not count
KEY = """encode(sha256(convert_to(name_secret.secret || upper(regexp_replace(normalize(NAME, nfkc),
              '[[:space:][:punct:]·、，。]', '', 'g')), 'UTF8')), 'hex')"""

VIEWS = """
        create view raw.fund_counterparties as
          select entry_id, KEY as party_key, batch_id, row_number, known_on, received_at
          from (select *, counterparty_name as name from raw.funds where counterparty_name is not null) as funds
          cross join raw.name_secret;
        create view raw.related_party_keys as
          select relation_id, uscc, KEY as party_key, relation_code, valid_from, valid_to, batch_id, row_number,
            known_on, received_at
          from (select *, party_name as name from raw.related_parties) as parties
          cross join raw.name_secret;
        grant select on raw.fund_counterparties, raw.related_party_keys to pc_dbt;
""".replace("KEY", KEY.replace("NAME", "name"))


def upgrade() -> None:
    for feed, (key, columns) in FEEDS.items():
        op.execute(f"create table raw.{feed} ({columns},{ADDED})")
        op.execute(f"create index {feed}_key on raw.{feed} ({key})")
        op.execute(f"grant select, insert on raw.{feed} to pc_ingestion")
        op.execute(f"grant select on raw.{feed} to pc_gatekeeper")
    op.execute(
        """
        grant select on raw.fund_votes, raw.emergency_repairs to pc_dbt;
        alter table raw.funds add column emergency_id text;

        create table raw.name_secret (secret text not null);               -- granted to nobody
        insert into raw.name_secret values (gen_random_uuid()::text || gen_random_uuid()::text);
        """
    )
    op.execute(VIEWS)


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
