"""raw: names of managers by the keyed hash that related parties have, so that firms under one controller are found.

Take-over protection is given once per community and controller (method, section 5).

Revision ID: 0027
"""

from importlib import import_module

from alembic import op

revision = "0027"
down_revision = "0026"

KEY = import_module("property_credit.warehouse.migrations.versions.0017_fund_supervision").KEY


def upgrade() -> None:
    op.execute(
        """
        create view raw.enterprise_name_keys as
          select uscc, KEY as name_key, batch_id, row_number, known_on, received_at
          from raw.enterprises cross join raw.name_secret;
        grant select on raw.enterprise_name_keys to pc_dbt;
        """.replace("KEY", KEY.replace("NAME", "enterprise_name"))
    )


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
