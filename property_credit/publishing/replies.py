"""Right of reply: an enterprise's own words, at most 200 characters, that stand beside its published grade."""

import re
from datetime import date

from property_credit.publishing.errors import PublishingError
from property_credit.warehouse.business_date import arrival
from property_credit.warehouse.connection import connect
from property_credit.warehouse.credit_codes import problem_with

LONGEST = 200
# as the feed `replies` has it: a mobile or landline number, or an identity card's
_PERSONAL = re.compile(
    r"(?<![0-9A-Za-z])(1[3-9]([ -]?\d){9}|0\d{2,3}[ -]?\d{7,8}|[1-9]\d{5}(19|20)\d{9}[\dXx])(?![0-9A-Za-z])"
)


def set_reply(uscc: str, reply: str | None, *, filed_on: date) -> None:
    """Let ``reply`` stand beside the grade from the next publication on; None takes it away.

    Raises PublishingError when the code is wrong or the text is empty, too long, of more than one line, or holds a
    telephone or identity number: a reply is public.
    """
    wrong = problem_with(uscc)
    if wrong:
        raise PublishingError(f"{uscc}: {wrong}")
    if reply is not None:
        if not 1 <= len(reply.strip()) <= LONGEST:
            raise PublishingError(f"a reply has 1 to {LONGEST} characters, this one has {len(reply.strip())}")
        if not reply.strip().isprintable():
            raise PublishingError("a reply is one line of readable characters")
        if _PERSONAL.search(reply):
            raise PublishingError("a reply is public: it must not hold a telephone or identity number")
        reply = reply.strip()
    with connect("pc_publishing") as connection:
        connection.execute(
            "insert into publishing.replies (uscc, reply, filed_on, recorded_at) values (%s, %s, %s, %s)",
            (uscc, reply, filed_on, arrival()),
        )
