"""Which office's endpoint gets which notices: the commands behind `property-credit recipients`.

Owns the recipients among ``publishing.subscribers`` (``takes = 'notices'``). Secrets are not there: a token stays in
the environment variable that the row names.
"""

from typing import Any

import psycopg
from psycopg.rows import dict_row

from property_credit.publishing.errors import PublishingError
from property_credit.publishing.subscribers import check_endpoint, check_name
from property_credit.warehouse.business_date import arrival
from property_credit.warehouse.connection import connect

LEVELS = ("street", "district", "city", "region")


def recipients() -> list[dict[str, Any]]:
    """Return every recipient with what was delivered, waits and is dead."""
    with connect("pc_publishing") as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            """
            select subscriber, title_zh, level_code, region_code, endpoint, token_variable, is_active, failure_count,
              opened_at, count(outbox_id) filter (where status = 'delivered') as delivered_count,
              count(outbox_id) filter (where status = 'pending') as pending_count,
              count(outbox_id) filter (where status = 'dead') as dead_count
            from publishing.subscribers left join publishing.outbox using (subscriber)
            where takes = 'notices'
            group by subscriber order by region_prefix nulls first, level_code, subscriber
            """
        ).fetchall()


def add_recipient(
    name: str, *, title_zh: str, endpoint: str, region_code: str, level_code: str | None, token_variable: str | None
) -> None:
    """Add a recipient (or take a removed one back): notices of ``region_code`` and below, of one level or of all.

    What waits for another recipient and was never tried is moved to it when notices are queued next.

    Raises PublishingError when the name, the address, the region or the level is not possible, or is taken.
    """
    check_name(name)
    check_endpoint(endpoint)
    if level_code is not None and level_code not in LEVELS:
        raise PublishingError(f"a level is one of {', '.join(LEVELS)}, not {level_code!r}")
    if not (region_code.isdigit() and len(region_code) in (6, 9, 12)):
        raise PublishingError(f"a region is its code of 6 digits (a street's: 9 or 12), not {region_code!r}")
    with connect("pc_publishing") as connection:
        known = connection.execute(
            "select is_active, takes from publishing.subscribers where subscriber = %s", (name,)
        ).fetchone()
        if known and (known[0] or known[1] != "notices"):
            raise PublishingError(f"the name {name} is taken: `property-credit recipients list` shows the recipients")
        try:
            connection.execute(
                "insert into publishing.subscribers (subscriber, title_zh, endpoint, token_variable, fields, takes, "
                "level_code, region_code, recorded_at) values (%s, %s, %s, %s, '{}', 'notices', %s, %s, %s) "
                "on conflict (subscriber) do update set title_zh = excluded.title_zh, endpoint = excluded.endpoint, "
                "token_variable = excluded.token_variable, level_code = excluded.level_code, "
                "region_code = excluded.region_code, is_active = true, failure_count = 0, opened_at = null, "
                "opening_count = 0",
                (name, title_zh, endpoint, token_variable, level_code, region_code, arrival()),
            )
        except psycopg.errors.UniqueViolation as error:
            raise PublishingError(
                f"notices of {level_code or 'every level'} in {region_code} have a recipient already: "
                "`property-credit recipients list` shows it; remove it first"
            ) from error
