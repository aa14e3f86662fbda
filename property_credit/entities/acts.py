"""What officers decided in the workbench about names in rows: each act becomes a decision on its night, one time.

Owns ``entities.taken_acts``. An act that was taken back before any night saw it becomes none.
"""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from property_credit.entities import decisions
from property_credit.entities.decisions import By, EntityError
from property_credit.entities.register import LOCK
from property_credit.warehouse.business_date import arrival
from property_credit.warehouse.connection import connect


@dataclass
class TakenActs:
    """How many acts became decisions, and why others did not."""

    decided_count: int = 0
    refusals: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Say it in one line; nothing when there was nothing to take."""
        told = [f"{self.decided_count:,} decisions of officers"] * bool(self.decided_count)
        return "; ".join([*told, *(f"refused: {one}" for one in self.refusals)])


def take_acts(business_date: date) -> TakenActs:
    """Make decisions, known from ``business_date`` on, of the acts until that day that no night has taken yet."""
    report = TakenActs()
    with connect("pc_entities") as connection:
        connection.execute("select pg_advisory_xact_lock(%s)", (LOCK,))
        with connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute("select * from workbench.match_acts(%s)", (business_date,)).fetchall()
        present = {row["act_id"] for row in rows}
        taken_back = {row["undoes_act_id"] for row in rows} & present
        for row in rows:
            decision, refusal = None, None
            if row["act_id"] in taken_back or row["undoes_act_id"] in present:
                refusal = "taken back before the night"
            else:
                try:
                    with connection.transaction():
                        decision = _decide(connection, row, business_date)
                    report.decided_count += 1
                except EntityError as error:
                    refusal = str(error)
                    report.refusals.append(f"act {row['act_id']}: {refusal}")
            connection.execute(
                "insert into entities.taken_acts (act_id, business_date, decision_id, refusal, taken_at) "
                "values (%s, %s, %s, %s, %s)",
                (row["act_id"], business_date, decision, refusal, arrival()),
            )
    return report


def _decide(connection: Connection, row: dict[str, Any], night: date) -> int:
    by = By("person", row["officer_code"], row["reason"], night, arrival(), f"workbench act {row['act_id']}")
    if row["act_code"] == "undo":
        made = connection.execute(
            "select decision_id from entities.taken_acts where act_id = %s", (row["undoes_act_id"],)
        ).fetchone()
        if made is None or made[0] is None:
            raise EntityError(f"act {row['undoes_act_id']} became no decision: there is nothing to undo")
        return decisions.undo(connection, int(made[0]), by)
    act = {"link": decisions.link, "separate": decisions.separate}[row["act_code"]]
    return act(connection, row["entity_type_code"], int(row["mention_id"]), row["number"], by)
