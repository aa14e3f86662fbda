"""What is stored of a tender with every publication: who bid, what grade each claimed, and when the bids were opened.

Owns what is stored; ``api_tenders`` serves it. Prices and scores stay with supervision: the customer has them.
"""

from typing import LiteralString

from psycopg import Connection

REPLACE: LiteralString = """
    insert into publishing.tenders (tender_id, publication_id, community_id, opened_on, awarded_on, uscc, bids)
    select tender_id, %(publication_id)s, community_id, opened_on, awarded_on, uscc, (
      select coalesce(jsonb_agg(jsonb_build_object('uscc', bid ->> 'uscc', 'is_valid', bid -> 'is_valid',
        'claimed_grade', bid ->> 'claimed_grade') order by bid ->> 'uscc'), '[]')
      from jsonb_array_elements(bids) as bid)
    from marts.mart_publishing__tenders
"""


def replace(connection: Connection, publication_id: int) -> None:
    """Store the tenders of the night, in the publication's transaction; a warehouse without them has none.

    Args:
        connection: of role pc_publishing, inside the transaction.
        publication_id: the publication they belong to.
    """
    there = connection.execute("select to_regclass('marts.mart_publishing__tenders') is not null").fetchone()
    if there and there[0]:
        connection.execute("delete from publishing.tenders")
        connection.execute(REPLACE, {"publication_id": publication_id})
