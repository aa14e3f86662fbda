"""The catalogue of manipulation (docs/manipulation.md), played: a firm that plays beside its twin that does not.

Every play is rows in raw, as it would be made; the warehouse and the grading are the real ones. What a play gains is
told in points of S with every indicator available, so that nothing is hidden by what the small town lacks.
"""

from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from grade_rows import uscc
from scoring_marts import a_fit
from small_town import insert

from property_credit.gates import suites
from property_credit.warehouse.connection import connect
from property_credit.warehouse.transformation import build
from scoring import indicators
from scoring.indicators import AVAILABLE
from scoring.inputs import read_inputs
from scoring.method import load, warehouse_variables

pytestmark = pytest.mark.slow
NIGHT = date(2026, 10, 31)
MOST = Decimal("0.5")  # points of S that a play may gain unnoticed
HOME = ZoneInfo("Asia/Shanghai")
PLAYS = (
    "clean_patrols",
    "clean_orders_visits",
    "never_closing",
    "never_finding",
    "splinter_communities",
    "dropping_after_a_penalty",
    "dropping_a_hard_community",
    "overcharging_as_practice",
    "flood_by_a_rival",
    "own_easy_complaints",
    "late_at_the_limit",
    "nobodys_complaints",
    "letters",
    "talked_out_of_it",
)
WORTH_MORE = ("own_easy_complaints", "nobodys_complaints", "letters", "talked_out_of_it")  # than half a point: below
FIRMS = {"honest": uscc(900), **{name: uscc(901 + at) for at, name in enumerate(PLAYS)}}
SEED = 7


class Town:
    """Rows of one region: every firm starts as the same twin, then plays."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict]] = {}
        for number, (name, code) in enumerate(FIRMS.items()):
            self._twin(number, name, code)

    def add(self, feed: str, **row) -> None:
        """Add one row to a feed."""
        self.rows.setdefault(feed, []).append(row)

    def community(self, key: str, code: str, households: int = 1000, **contract) -> None:
        """Add a community and the firm's contract on it."""
        self.add(
            "communities",
            **{"community_id": key, "community_name": key, "region_code": "150203", "built_year": 2012},
            **{"community_type_code": "commercial", "household_count": households, "has_lift": True},
        )
        self.add(
            "contracts",
            **{"contract_id": f"K{key}", "community_id": key, "uscc": code, "starts_on": date(2023, 1, 1)},
            **{"ended_on": None, "end_reason_code": None, **contract},
        )

    def complaint(self, key: str, community: str, on: date, hours: float | None, **changes) -> None:
        """Add a complaint that was answered, handled and solved after ``hours`` (None: never)."""
        came = datetime(on.year, on.month, on.day, 9, tzinfo=HOME)
        done = came + timedelta(hours=hours) if hours is not None else None
        row = {
            **{"complaint_id": key, "channel_code": "mashangban", "community_id": community, "category_code": "lift"},
            **{"responsible_party_code": "property", "status_code": "closed" if done else "submitted"},
            **{"submitted_at": came, "responded_at": done, "handled_at": done, "resolved_at": done, "closed_at": done},
            **{"is_confirmed": True if done else None, "callback_result_code": None},
        }
        self.add("complaints", **{**row, **changes})

    def inspection(self, key: str, community: str, on: date, checked: int, failed: int, kind: str = "random") -> None:
        """Add a visit with its summary line and failed items without orders."""
        common = {"inspection_id": key, "community_id": community, "inspected_on": on, "authority_code": "housing"}
        common |= {"inspection_type_code": kind, "is_confirmed": True}
        counted = {"checked_item_count": checked, "failed_item_count": failed}
        unlisted = dict.fromkeys(("severity_code", "is_hazard", "order_due_on", "rectified_on"))
        self.add("inspections", **common, line_code="TOTAL", line_type_code="summary", **counted, **unlisted)

    def record(self, key: str, code: str, kind: str, on: date, tier: str = "general") -> None:
        """Add a final public credit record."""
        self.add(
            "public_credit",
            **{"record_id": key, "uscc": code, "record_type_code": kind, "tier_code": tier, "decided_on": on},
            **{"authority_name": "某局", "legal_basis": "某法", "decision_no": key, "is_final": True},
        )

    def _twin(self, number: int, name: str, code: str) -> None:
        rng = np.random.Generator(np.random.PCG64(SEED))  # the same dice for everybody
        self.add(
            "enterprises",
            **{"uscc": code, "enterprise_name": name, "organisation_type_code": "enterprise"},
            **{"registered_region_code": "150203", "is_active": True, "listing_status_code": "none"},
        )
        dropped = {"ended_on": date(2026, 10, 30), "end_reason_code": "left_with_notice"}
        for at in range(4):
            ends = dropped if (name, at) in (("dropping_a_hard_community", 3), ("dropping_after_a_penalty", 3)) else {}
            self.community(f"C{number}-{at}", code, **ends)
        for at in range(8):
            failed = int(rng.binomial(30, 0.10))
            self.inspection(f"J{number}-{at}", f"C{number}-{at % 4}", date(2026, 1 + at, 10), 30, failed)
        late = [False, True, False]  # a third of the cases is late
        for at in range(120):
            key, on, place = (
                f"T{number}-{at}",
                date(2025, 11, 20) + timedelta(days=int(at * 2.5)),
                f"C{number}-{at % 4}",
            )
            hours = 60.0 if late[at % 3] else 1.0
            match name:
                case "never_closing" if late[at % 3]:
                    self.complaint(key, place, on, None)
                case "never_finding" if late[at % 3]:
                    self.complaint(key, place, on, hours, is_confirmed=None)
                case "nobodys_complaints" if late[at % 3] and at % 2:
                    self.complaint(key, place, on, hours, responsible_party_code="undetermined")
                case "letters" if late[at % 3]:
                    self.complaint(key, place, on, hours, channel_code="letter")
                case "talked_out_of_it" if late[at % 3]:
                    pass  # never filed
                case "late_at_the_limit":
                    self.complaint(key, place, on, 1.99 if not late[at % 3] else 60.0)
                case _:
                    self.complaint(key, place, on, hours)
        if name in ("splinter_communities", "dropping_after_a_penalty", "honest"):
            self.record(f"R{number}", code, "penalty", date(2026, 8, 10), tier="general")
        if name == "overcharging_as_practice":
            for at in range(8):
                self.record(f"R{number}-{at}", code, "overcharging", date(2026, 8, 10 + at))
        self._play(number, name, code)

    def _play(self, number: int, name: str, code: str) -> None:
        match name:
            case "clean_patrols":
                for at in range(60):
                    self.inspection(f"P{at}", f"C{number}-{at % 4}", date(2026, 10, 20), 200, 0, kind="routine")
            case "clean_orders_visits":
                for at in range(60):
                    self.inspection(f"Q{at}", f"C{number}-{at % 4}", date(2026, 10, 20), 200, 0, kind="targeted")
            case "splinter_communities":
                for at in range(40):
                    self.community(f"S{at}", code, households=5)
            case "flood_by_a_rival":  # bought, answered at once, never confirmed
                for at in range(400):
                    self.complaint(f"F{at}", f"C{number}-0", date(2026, 9, 1), 1.0, is_confirmed=None)
            case "own_easy_complaints":  # filed by the firm's own people, answered at once, confirmed
                for at in range(200):
                    self.complaint(f"E{at}", f"C{number}-0", date(2026, 9, 1), 0.2)


@pytest.fixture(scope="module")
def points(migrated_template):
    """Points of every firm and indicator at the method's own maxima, findings, clean visits, and hot spots."""
    from own_warehouse import copied_database, use_warehouse

    method = load("2026.2").method
    with copied_database(migrated_template) as name, pytest.MonkeyPatch.context() as patch:
        use_warehouse(patch, name)
        for feed, rows in Town().rows.items():
            insert(feed, rows)
        marts = [
            f"+mart_scoring__{mart}"
            for mart in ("enterprises", "indicator_counts", "indicator_evidence", "caps", "feeds", "disputed_counts")
        ]
        marts += [
            f"+mart_scoring__{mart}"
            for mart in ("objections", "records", "findings", "silences", "offices", "departures")
        ]
        marts += ["+fct_inspection_lines", "+fct_complaints", "+mart_supervision__community_complaint_months"]
        counted = warehouse_variables(method)
        # nothing but the plays comes from the town: silence, which test_scoring_silence is about
        counted["counting"] = {**counted["counting"], "ends_at_complete_day": False}
        build(NIGHT, variables=counted, select=marts, tests=False)
        with connect("pc_scoring") as connection:
            inputs = read_inputs(connection)
        scored = indicators.score(method, a_fit(method), inputs)
        with connect("pc_supervision") as connection:
            hot = connection.execute(
                "select distinct community_id from marts.mart_supervision__community_complaint_months where is_hotspot"
            ).fetchall()
        with connect("pc_gatekeeper") as connection:
            clean = connection.execute(
                "select uscc, count(*) from marts.fct_inspection_lines where line_type_code = 'summary'"
                " and failed_item_count = 0 and inspected_on = '2026-10-20' group by uscc"
            ).fetchall()
        filings = next(one for one in suites.load("input_gate").subjects if one.name == "filings")
        with connect("pc_gatekeeper") as connection:
            asked = filings.query.format(business_date="'2026-10-31'")
            excess = {code: (slower, open_) for code, _, slower, open_ in connection.execute(asked).fetchall()}
        place = {code: at for at, code in enumerate(inputs.enterprises["uscc"])}
        table = {
            name: {
                code: float(column.share(method.indicators[code])[place[firm]])
                * float(method.indicators[code].max_points)
                for code, column in scored.columns.items()
                if column.status[place[firm]] in AVAILABLE and method.pillar_of(code) != "bonus"
            }
            for name, firm in FIRMS.items()
        }
        findings = {name: inputs.findings.get(firm, []) for name, firm in FIRMS.items()}
        yield table, findings, dict(clean), {community for (community,) in hot}, excess


def gain(points, play: str, *codes: str) -> float:
    """Points of S that ``play`` gains over the honest twin, over what both have (or over ``codes``)."""
    ours, twin = points[0][play], points[0]["honest"]
    both = codes or tuple(ours.keys() & twin.keys())
    return sum(ours[code] - twin[code] for code in both)


@pytest.mark.parametrize("play", [name for name in PLAYS if name not in WORTH_MORE])
def test_play__listed__gains_no_more_than_half_a_point(points, play):
    # who has no penalty of the twin's starts higher by what it costs: that is no gain of the play
    codes = tuple(code for code in points[0][play].keys() & points[0]["honest"].keys() if code != "P01")
    with_penalty = play in ("splinter_communities", "dropping_after_a_penalty")
    assert gain(points, play, *codes, *(["P01"] if with_penalty else [])) <= float(MOST), play


def test_clean_visits__of_any_other_kind__move_nothing_and_are_more_than_the_gate_lets_pass(points):
    for play in ("clean_patrols", "clean_orders_visits"):
        assert gain(points, play, "P02") == 0
        assert points[2][FIRMS[play]] == 60


def test_never_closing__and_never_finding__cost_as_much_as_being_late_and_say_so(points):
    for play in ("never_closing", "never_finding"):
        assert abs(gain(points, play, "M01", "M02", "M03")) <= 0.5
        assert {one.finding_code for one in points[1][play]} >= {"deemed"}


def test_flood__bought_and_never_confirmed__costs_its_victim_nothing(points):
    codes = points[0]["flood_by_a_rival"].keys() - {"P01"}
    assert gain(points, "flood_by_a_rival", *codes) == 0


def test_own_easy_complaints__confirmed_by_an_office_that_helps__cost_in_m04_and_are_noticed_as_hot_spots(points):
    timely = gain(points, "own_easy_complaints", "M01", "M02", "M03")
    assert timely > 0 and gain(points, "own_easy_complaints", "M04") < -0.5 * timely
    number = 1 + PLAYS.index("own_easy_complaints")
    assert f"C{number}-0" in points[3] and not {f"C0-{at}" for at in range(4)} & points[3]  # the twin's are none


def test_complaints__called_nobodys_or_filed_as_letters__gain_and_are_named_by_the_input_gate(points):
    for play, at, most in (("letters", 0, 0.25), ("nobodys_complaints", 1, 0.10)):
        assert gain(points, play, "M01", "M02", "M03") > float(MOST), play
        assert points[4][FIRMS[play]][at] > most > points[4][FIRMS["honest"]][at]


def test_complaints__talked_out_of_owners__gain_what_the_catalogue_says_nothing_stops(points):
    codes = points[0]["talked_out_of_it"].keys() & points[0]["honest"].keys() - {"P01"}
    assert gain(points, "talked_out_of_it", *codes) > float(MOST)
    assert max(points[4][FIRMS["talked_out_of_it"]]) < 0.10  # and nobody notices


def test_overcharging__as_a_practice__costs_the_whole_of_p01_and_more_than_p07(points):
    assert points[0]["overcharging_as_practice"]["P01"] == 0
    assert gain(points, "overcharging_as_practice", "P07") < 0
