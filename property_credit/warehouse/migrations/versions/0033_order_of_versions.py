"""raw: reporters of complaints are counted in the order of versions that a change time left out until then keeps.

Revision ID: 0033
"""

from importlib import import_module

from alembic import op

revision = "0033"
down_revision = "0032"

EDITIONS = import_module("property_credit.warehouse.migrations.versions.0032_editions")
LOCAL_DAY = "(received_at at time zone 'Asia/Shanghai')::date = known_on"
ORDERED_AT = f"""case
        when updated_at <= case when {LOCAL_DAY} then received_at
          else (known_on + 1)::timestamp at time zone 'Asia/Shanghai' end then updated_at
        when {LOCAL_DAY} then received_at
        else known_on::timestamp at time zone 'Asia/Shanghai'
      end"""


def upgrade() -> None:
    counts = EDITIONS.COUNTS.replace("create function", "create or replace function").split("revoke execute")[0]
    for parameters, chosen in (
        (
            "p_known_on date, p_arrived_until timestamptz, p_since date",
            "(p_arrived_until is null or received_at <= p_arrived_until)"
            " and submitted_at >= p_since::timestamp at time zone 'Asia/Shanghai'",
        ),
        ("p_known_on date, p_complaint_ids text[]", "complaint_id = any (p_complaint_ids)"),
    ):
        op.execute(counts.format(parameters=parameters, chosen=chosen, ordered_at=ORDERED_AT))


def downgrade() -> None:
    raise NotImplementedError("the ground is not taken away; restore a backup instead")
