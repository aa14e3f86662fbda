"""Right of reply: an enterprise's own words, at most 200 characters, that stand beside its published grade."""

from datetime import date

from publishing.errors import PublishingError
from publishing.uscc import problem_with
from warehouse.business_date import arrival
from warehouse.connection import connect

LONGEST = 200


def set_reply(uscc: str, reply: str | None, *, filed_on: date) -> None:
    """Let ``reply`` stand beside the grade from the next publication on; None takes it away.

    Raises PublishingError when the code is wrong or the text is empty, too long or of more than one line.
    """
    wrong = problem_with(uscc)
    if wrong:
        raise PublishingError(f"{uscc}: {wrong}")
    if reply is not None:
        if not 1 <= len(reply.strip()) <= LONGEST:
            raise PublishingError(f"a reply has 1 to {LONGEST} characters, this one has {len(reply.strip())}")
        if not reply.strip().isprintable():
            raise PublishingError("a reply is one line of readable characters")
        reply = reply.strip()
    with connect("pc_publishing") as connection:
        connection.execute(
            "insert into publishing.replies (uscc, reply, filed_on, recorded_at) values (%s, %s, %s, %s)",
            (uscc, reply, filed_on, arrival()),
        )
