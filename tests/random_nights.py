"""Nights of a small region with everything that makes old events count differently: late, corrected, back-dated rows.

Writes versions into raw as ingestion does, from a seed: the same seed gives the same nights.
"""

import random
from datetime import date, datetime, timedelta

from psycopg import sql
from psycopg.rows import dict_row

from property_credit.warehouse.connection import connect

KEYS = {
    "enterprises": "uscc",
    "communities": "community_id",
    "contracts": "contract_id",
    "complaints": "complaint_id",
    "inspections": "inspection_id",
    "fund_votes": "vote_id",
    "emergency_repairs": "emergency_id",
    "related_parties": "relation_id",
    "funds": "entry_id",
    "disclosures": "disclosure_id",
    "public_credit": "record_id",
    "surveys": "survey_id",
    "personnel": "staff_id",
    "objections": "objection_id",
    "mediations": "mediation_id",
    "lifts": "lift_id",
    "street_ratings": "rating_id",
    "standard_assessments": "assessment_id",
    "handovers": "handover_id",
    "reporting_records": "report_id",
}
ADDED = ("batch_id", "row_number", "known_on", "received_at", "row_hash")


class RandomNights:
    """Deliver random nights on top of the region that raw holds."""

    def __init__(self, seed: int, *, after: int = 0) -> None:
        """Begin with the batch after number ``after``."""
        self.random = random.Random(seed)
        self.number = after
        # after everything that was really loaded
        self.arrival = datetime.fromisoformat("2030-01-01T00:00+08:00") + timedelta(minutes=after)
        with connect() as connection:
            self.communities = self._column(connection, "communities", "community_id")
            self.enterprises = self._column(connection, "enterprises", "uscc")
            self.complaints = self._column(connection, "complaints", "complaint_id")
            self.inspections = self._column(connection, "inspections", "inspection_id")
            self.accounts = self._column(connection, "funds", "account_no")
            self.parties = self._column(connection, "funds", "counterparty_name")

    def _column(self, connection, feed, name):
        query = sql.SQL("select distinct {} from {} order by 1")
        rows = connection.execute(query.format(sql.Identifier(name), sql.Identifier("raw", feed))).fetchall()
        return [value for (value,) in rows if value is not None]

    def deliver(self, night: date) -> int:
        """Deliver one night's new and corrected rows of every feed; return how many."""
        total = 0
        for feed in KEYS:
            if self.random.random() < 0.25:
                continue  # this office sends nothing tonight
            rows = [self._changed(feed, row, night) for row in self._some(feed)]
            rows += [self._new(feed, row, night) for row in self._some(feed)]
            # now and then a delivery for an earlier night comes in only now
            known_on = night - timedelta(days=self.random.choice((0, 0, 0, 0, 3)))
            total += self.insert(feed, [row for row in rows if row], known_on)
        return total

    def insert(self, feed, rows, known_on):
        """Add ``rows`` as one batch of ``feed``."""
        self.number += 1
        self.arrival += timedelta(minutes=1)
        batch_id = f"b{self.number:016d}"
        with connect() as connection:
            for number, row in enumerate(rows, start=1):
                full = {name: value for name, value in row.items() if name not in ADDED}
                full |= {"batch_id": batch_id, "row_number": number, "known_on": known_on}
                full |= {"received_at": self.arrival, "row_hash": self.random.getrandbits(60)}
                connection.execute(
                    sql.SQL("insert into raw.{} ({}) values ({})").format(
                        sql.Identifier(feed),
                        sql.SQL(", ").join(map(sql.Identifier, full)),
                        sql.SQL(", ").join(map(sql.Placeholder, full)),
                    ),
                    full,
                )
            connection.execute(
                "select ops.register_batch(%s, %s, 'random', 'random.csv', 'x', 'x', 1, %s, %s, 'loaded', null,"
                " %s, %s, 0, 0, 0, %s, '{}')",
                (batch_id, feed, known_on, self.arrival, len(rows), len(rows), known_on),
            )
        return len(rows)

    def _some(self, feed):
        """Return a few newest versions, chosen by key so that the rows' places in the table do not matter."""
        key = sql.Identifier(KEYS[feed])
        with connect() as connection:
            cursor = connection.cursor(row_factory=dict_row).execute(
                sql.SQL(
                    "select distinct on ({key}) * from {table} order by {key}, known_on desc, received_at desc,"
                    " batch_id desc, row_number desc"
                ).format(key=key, table=sql.Identifier("raw", feed))
            )
            rows = cursor.fetchall()
        chosen = self.random.sample(rows, min(self.random.randint(1, 12), len(rows)))
        if feed == "funds":  # most entries are fees; what supervision looks for is among those that name who was paid
            paid = [row for row in rows if row["counterparty_name"] and row["amount"] < 0]
            chosen += self.random.sample(paid, min(12, len(paid)))
        return chosen

    def _changed(self, feed, row, night):
        """Return a correction of ``row``: one of those that this feed's offices make."""
        any_of = self.random.choice
        before = night - timedelta(days=self.random.randint(0, 90))
        match feed:
            case "complaints":
                change = any_of(
                    (
                        {"community_id": any_of(self.communities)},
                        {"status_code": "withdrawn"},
                        {"is_confirmed": not row["is_confirmed"]},
                        {"responsible_party_code": any_of(("property", "developer", "undetermined"))},
                        {"repeat_of_id": any_of(self.complaints)},
                        {"repeat_of_id": None},
                        {"resolved_at": None, "closed_at": None},
                        {"callback_result_code": any_of(("satisfied", "unsatisfied"))},
                        {"reporter_phone": "13900000000"},
                    )
                )
            case "inspections":
                change = any_of(
                    (
                        {"community_id": any_of(self.communities)},
                        {"uscc": any_of((None, any_of(self.enterprises)))},
                        {"is_confirmed": not row["is_confirmed"]},
                        {"rectified_on": any_of((None, before, night + timedelta(days=2)))},
                        {"severity_code": any_of(("minor", "general", "serious"))},
                    )
                )
                if row["line_type_code"] == "finding":
                    change |= {"order_due_on": night + timedelta(days=self.random.randint(-40, 10))}
            case "funds":
                change = any_of(
                    (
                        {"community_id": any_of(self.communities)},
                        {"uscc": None},
                        {"account_type_code": any_of(("operating", "common_revenue", "maintenance_fund"))},
                        {"purpose_code": any_of(("repair", "parking_income", "advertising_income", "transfer"))},
                        {"booked_on": row["booked_on"] + timedelta(days=self.random.randint(-20, 0))},
                        {"amount": row["amount"] * any_of((-1, 2))},
                        {"balance": any_of((None, 0, row["amount"]))},
                        {"account_no": any_of((None, *self.accounts))},
                        {"counterparty_name": any_of((None, *self.parties))},
                        {"vote_id": None, "is_emergency": any_of((True, False, None))},
                    )
                )
            case "fund_votes":
                change = {"approving_owner_count": any_of((0, row["voting_owner_count"]))}
            case "emergency_repairs":
                change = {"filed_on": any_of((None, before))}
            case "related_parties":
                change = any_of(({"valid_to": before}, {"valid_from": before}, {"party_name": any_of(self.parties)}))
            case "contracts":
                change = any_of(
                    (
                        {"ended_on": before, "end_reason_code": "dismissed_for_cause"},
                        {"ended_on": None, "end_reason_code": None},
                        {"uscc": any_of(self.enterprises)},
                        {"is_takeover": True, "takeover_certified_on": night - timedelta(self.random.randint(-3, 9))},
                    )
                )
            case "communities":
                change = any_of(
                    (
                        {"built_year": self.random.randint(1980, 2024)},
                        {"has_lift": not row["has_lift"]},
                        {"community_type_code": any_of(("old", "commercial", "abandoned"))},
                        {"household_count": self.random.randint(50, 900)},
                    )
                )
            case "enterprises":
                change = any_of(
                    ({"organisation_type_code": any_of(("enterprise", "committee"))}, {"listing_status_code": "cured"})
                )
            case "objections":
                change = {"outcome_code": any_of(("upheld", "rejected", "pending")), "decided_on": before} | any_of(
                    ({}, {"decided_on": night + timedelta(days=2)}, {"target_id": any_of(self.complaints)})
                )
            case "disclosures":
                change = {"published_on": before, "is_verified": any_of((True, False, None))}
            case "public_credit":
                change = any_of(({"repaired_on": before}, {"revoked_on": before}, {"is_final": True}))
            case "lifts":
                change = any_of(({"result_code": "failed"}, {"out_of_use_on": before}, {"valid_until": before}))
            case "surveys":
                change = {"satisfaction_score": self.random.randint(40, 99)}
            case "street_ratings":
                change = {"rating_score": self.random.randint(40, 99)}
            case "personnel":
                change = any_of(({"left_on": before}, {"continuing_trained_on": before}))
            case "handovers":
                change = {"completed_on": before}
            case "reporting_records":
                change = {"submitted_on": before}
            case _:
                change = {}
        return {**row, **change}

    def _new(self, feed, row, night):
        """Return a row of its own of the last days before ``night``; None where this feed gets none."""
        self.number += 1
        day = night - timedelta(days=self.random.randint(0, 6))
        key = f"N{self.number:08d}"
        match feed:
            case "complaints":
                moved = day - row["submitted_at"].date()
                clocks = ("submitted_at", "responded_at", "handled_at", "resolved_at", "closed_at")
                times = {name: row[name] and row[name] + moved for name in clocks}
                if times["submitted_at"].astimezone(self.arrival.tzinfo).date() > night:
                    return None
                change = {"complaint_id": key, **times}
                if self.random.random() < 0.3:
                    change |= {"repeat_of_id": self.random.choice(self.complaints)}
            case "inspections":
                change = {"inspection_id": key, "inspected_on": day}
                if row["order_due_on"]:
                    change |= {"order_due_on": day + timedelta(days=self.random.randint(0, 9)), "rectified_on": None}
            case "funds":
                change = {"entry_id": key, "booked_on": day}
                match self.random.choice(("the like", "a part", "back", "taken back", "to themselves")):
                    case "a part":  # of a split payment
                        change |= {"account_type_code": "maintenance_fund", "amount": -1999, "vote_id": None}
                        change |= {"booked_on": row["booked_on"] + timedelta(days=self.random.randint(0, 9))}
                    case "back":
                        change |= {"booked_on": row["booked_on"] + timedelta(days=9), "amount": -row["amount"]}
                    case "taken back":
                        change |= {"amount": -row["amount"], "purpose_code": "reversal"}
                    case "to themselves":
                        change |= {"booked_on": row["booked_on"], "amount": -row["amount"], "purpose_code": "transfer"}
                        change |= {"account_no": self.random.choice(self.accounts)}
                if change["booked_on"] > night:
                    return None
            case "contracts":
                change = {"contract_id": key, "uscc": self.random.choice(self.enterprises), "ended_on": None}
                change |= {"starts_on": day - timedelta(days=self.random.randint(0, 60)), "end_reason_code": None}
            case "objections":
                kind = self.random.choice(("complaint", "inspection"))
                ids = self.complaints if kind == "complaint" else self.inspections
                change = {"objection_id": key, "target_type_code": kind, "target_id": self.random.choice(ids)}
                change |= {"filed_on": day, "decided_on": day, "outcome_code": "upheld"}
            case "disclosures":
                change = {"disclosure_id": key, "published_on": day}
            case "public_credit":
                change = {"record_id": key, "decided_on": day}
            case _:
                return None
        return {**row, **change}
