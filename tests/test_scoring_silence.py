"""A feed that stops moves nobody's points: windows end where it stopped, beyond its max_age it is not available."""

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest
from own_warehouse import builder
from region_pages import NIGHT, database_of
from scoring_marts import BUSINESS_DATE, GOOD, Firm, a_fit, decide, inputs_of, write_marts

from property_credit.warehouse.connection import connect
from property_credit.warehouse.transformation import build
from scoring import indicators
from scoring.assessment import assessed, point_rows
from scoring.inputs import read_inputs
from scoring.method import load, warehouse_variables

USCC = "91150200AAAAAAAAA1"
OTHER = "91150200AAAAAAAAA2"
SINCE = date(2026, 10, 2)
SILENT = "150204"  # some firms serve only there, some there too, one does not
MODELS = [
    "int_feed_days__counted", "int_feed_profiles__judged", "int_feed_silences__detected", "int_feed_districts__covered",
    "int_inspection_events__measured", "int_complaint_days__summed", "int_complaint_events__measured",
    "int_complaint_findings__awaited", "int_complaint_windows__counted", "int_exposure_events__measured",
    "int_disclosure_events__measured", "int_register_events__measured", "int_enterprises__summarised",
    "mart_scoring__enterprises", "mart_scoring__indicator_counts", "mart_scoring__caps", "mart_scoring__feeds",
    "mart_scoring__silences", "mart_scoring__stratum_months",
]  # fmt: skip
CLOCKED = ("M01", "M02", "M03", "M04", "M05", "M07")


def test_silent_feed__of_all_districts__is_not_available_and_its_points_stay_in_the_domain():
    method = load("2026.2").method
    silent = Firm(USCC, silences=[("disclosures", True, SINCE, None, "信息公示")])
    decisions, points = decide([silent, Firm(OTHER)], method=method)
    for code in ("P06", "M11"):
        assert points[USCC][code] == (0, 0) and points[OTHER][code][1] > 0
    most = [sum(points[uscc][code][1] for code in method.members(domain="funds")) for uscc in (USCC, OTHER)]
    assert most[0] == most[1] and points[USCC]["P05"][1] > points[OTHER]["P05"][1]
    assert decisions[USCC].score is not None


def test_silent_feed__most_of_a_pillars_points__is_a_reason_not_to_rate():
    silences = [(feed, True, SINCE, None, feed) for feed in ("complaints", "surveys")]
    decisions, _ = decide([Firm(USCC, silences=silences)], method=load("2026.2").method)
    assert decisions[USCC].grade is None and decisions[USCC].not_rated_reasons


def test_reason__of_a_silent_feed_or_district_and_of_a_window_that_ended__says_so():
    method = load("2026.2").method
    from dataclasses import replace

    firm = Firm(
        USCC,
        silences=[
            ("inspections", True, SINCE, None, "双随机检查"),
            ("complaints", False, SINCE, "昆都仑区", "投诉诉求"),
        ],
    )
    inputs = replace(inputs_of([firm], method=method), counted_until={"funds": date(2026, 10, 28)})
    [(block, scored, _)] = assessed(method, a_fit(method), inputs, business_date=BUSINESS_DATE, standings={})
    told = {row[1]: row[-2:] for row in point_rows(method, block, scored)}
    assert "双随机检查自 2026-10-02 起未报送" in told["P08"][0] and "由其他指标分担" in told["P08"][0]
    assert "（不含昆都仑区：投诉诉求自 2026-10-02 起未报送）" in told["M03"][0]
    assert "complaints silent since 2026-10-02" in told["M03"][1]
    assert told["P05"][0].endswith("（数据截至 2026-10-28），得 3／3 分") or "数据截至 2026-10-28" in told["P05"][0]
    assert "数据截至" not in told["P06"][0] + told["P01"][0]


def test_inputs__silences_and_ends_of_windows__are_part_of_the_hash_and_nothing_where_there_are_none(
    warehouse_database,
):
    def sha256():
        with connect("pc_scoring") as connection:
            return read_inputs(connection).sha256

    write_marts([Firm(USCC, counts=dict(GOOD))])
    plain = sha256()
    with builder() as connection:
        connection.execute("update marts.mart_scoring__feeds set counted_until = '2026-10-28' where feed = 'funds'")
    ended = sha256()
    write_marts([Firm(USCC, counts=dict(GOOD), silences=[("surveys", True, SINCE, None, "满意度测评")])])
    assert len({plain, ended, sha256()}) == 3


class Night:
    """One build of the region as method 2026.2 counts it; what scoring makes of it."""

    def __init__(self, method) -> None:
        build(NIGHT, select=MODELS, variables=warehouse_variables(method), tests=False)
        with connect("pc_scoring") as connection:
            self.inputs = read_inputs(connection)
        self.usccs = self.inputs.enterprises["uscc"].to_list()
        self.columns = indicators.score(method, a_fit(method), self.inputs).columns
        self.method = method
        self.capped = {(uscc, one.code, one.evidence_id) for uscc, inputs in self.inputs.caps.items() for one in inputs}

    def shares(self, code):
        """Return the share of the indicator's points, by enterprise with a figure of its own."""
        column = self.columns[code]
        share = column.share(self.method.indicators[code])
        return {
            uscc: float(share[at])
            for at, uscc in enumerate(self.usccs)
            if column.status[at] in indicators.AVAILABLE and column.exposure[at] > 0
        }

    def missing(self, code):
        """Return the enterprises for which the indicator is not available."""
        return {uscc for at, uscc in enumerate(self.usccs) if self.columns[code].status[at] == indicators.FEED_MISSING}


@pytest.fixture(scope="module")
def nights(graded_region):
    """The region as it is, and what becomes of it when feeds or a district stop."""
    method = load("2026.2").method
    with database_of(graded_region):
        with connect() as connection:  # orders of October that were closed in time fall due in its last days
            moved = connection.execute(
                "update intermediate.int_inspection_lines__attributed set order_due_on = %s, rectified_on = %s"
                " where is_of_enterprise and order_due_on > '2026-08-01' and not is_overdue",
                (NIGHT - timedelta(days=2), NIGHT - timedelta(days=3)),
            )
            assert moved.rowcount > 3
        told = {"whole": Night(method)}
        with connect() as connection:
            served = connection.execute(
                "select distinct exposures.uscc, communities.region_code from intermediate.int_exposures__counted"
                " as exposures join staging.stg_communities as communities using (community_id) where slot_number < 12"
            ).fetchall()
            connection.execute("update ops.batches set business_date = business_date - 30 where feed = 'complaints'")
        told["silent_feed"] = Night(method)
        with connect() as connection:
            connection.execute("update ops.batches set business_date = business_date + 30 where feed = 'complaints'")
            connection.execute(
                "delete from intermediate.int_complaints__attributed where region_code = %s"
                " and submitted_on > '2026-09-25'",
                (SILENT,),
            )
            # six nights without inspections: what was closed in them is not known, and looks overdue
            connection.execute("update ops.batches set business_date = business_date - 6 where feed = 'inspections'")
            connection.execute(
                "update intermediate.int_inspection_lines__attributed set rectified_on = null, is_overdue = true"
                " where order_due_on > %s and order_due_on < %s",
                (NIGHT - timedelta(days=6), NIGHT),
            )
        told["silent_district"] = Night(method)
        yield told, served


@pytest.mark.slow
def test_region__no_complaints_for_30_days__nobody_is_scored_on_them_and_nothing_else_moves(nights):
    told, _ = nights
    whole, silent = told["whole"], told["silent_feed"]
    for code in CLOCKED:
        assert silent.missing(code) == set(silent.usccs) and not whole.missing(code), code
    for code in set(whole.columns) - {*CLOCKED, "G01"}:
        assert silent.shares(code) == whole.shares(code), code
    assert silent.capped <= whole.capped  # no cap comes of what nobody reported


@pytest.mark.slow
def test_region__one_silent_district__is_left_out_and_the_others_keep_their_points_to_the_digit(nights):
    told, served = nights
    whole, silent = told["whole"], told["silent_district"]
    in_district = {uscc for uscc, region in served if region == SILENT}
    only_there = in_district - {uscc for uscc, region in served if region != SILENT}
    elsewhere = set(whole.usccs) - in_district
    assert only_there and elsewhere and in_district - only_there
    for code in CLOCKED:
        assert silent.missing(code) == only_there, code
        before, after = whole.shares(code), silent.shares(code)
        assert {uscc: after[uscc] for uscc in elsewhere & after.keys()} == {
            uscc: before[uscc] for uscc in elsewhere & before.keys()
        }, code
    some = next(iter(in_district - only_there))
    [silence] = [one for one in silent.inputs.silences[some] if one.feed == "complaints"]
    assert not silence.is_silent and silence.region_names == "青山区"


@pytest.mark.slow
def test_region__closings_unreported_within_max_age__cost_nobody_a_point(nights):
    """Overdue orders rose from 11 to 121, and 60 firms lost points of P03, because nobody reported what was closed."""
    told, _ = nights
    whole, silent = told["whole"], told["silent_district"]
    before, after = whole.columns["P08"], silent.columns["P08"]
    late = {name: (column.exposure - column.counted) for name, column in (("before", before), ("after", after))}
    assert np.all(late["after"] <= late["before"]) and silent.capped <= whole.capped
    assert silent.inputs.counted_until["inspections"] == NIGHT - timedelta(days=6)
    assert sum(before.exposure, Decimal(0)) > sum(after.exposure, Decimal(0))


@pytest.mark.slow
def test_region__as_2026_1_counts_it__silence_stands_as_it_is(graded_region):
    """What was published under 2026.1 replays: its night knows nothing of silences."""
    with database_of(graded_region), connect("pc_scoring") as connection:
        inputs = read_inputs(connection)
        assert not inputs.silences and not inputs.counted_until
