"""Duties with feeds of their own, over a region that went through a night: what is planted is found, and no more."""

from datetime import date
from types import SimpleNamespace

import polars as pl
import pytest
from own_warehouse import register_build
from region_pages import NIGHT, SEED, database_of

from property_credit.ingestion import feeds
from property_credit.ingestion import profile as profiles
from property_credit.scorecards.tenders import grade_on
from property_credit.supervision.alerts import raise_alerts
from property_credit.warehouse.connection import connect
from property_credit.warehouse.transformation import build
from scoring.method import load, warehouse_variables
from simulation.region import make_region
from simulation.truth import alerts_as_known

KINDS = {
    "agreement_unapproved", "arrears_unpursued", "coercive_collection", "dispute_below_its_level", "dispute_overdue",
    "early_stage_untendered", "fee_above_guide",
    "fee_above_peers", "item_charged_twice", "petition_unanswered", "pursuit_without_reminder", "related_bidders",
    "tender_against_scores", "tender_too_few_bids",
}  # fmt: skip


@pytest.fixture(scope="module")
def truth():
    """The same region's truth, which no office sends."""
    return make_region("hamlet", seed=SEED, through=NIGHT)


@pytest.fixture(scope="module")
def night(graded_region):
    """A database of the night."""
    with database_of(graded_region) as name:
        yield name


def rows(query, *parameters):
    with connect("pc_pages") as connection:
        return connection.execute(query, parameters).fetchall()


def raised():
    """Return the names of the duties' alerts by kind."""
    listed = rows("select kind_code, alert_id from supervision.alerts where kind_code = any(%s)", sorted(KINDS))
    return {kind: {name for of_kind, name in listed if of_kind == kind} for kind in KINDS}


def planted(region):
    due = alerts_as_known(region, NIGHT)["due"]
    return {kind: {name for name in due if name.startswith(f"{kind}/")} for kind in KINDS}


def test_alerts__of_the_duties__are_those_that_were_planted_and_no_other(night, truth):
    wanted = planted(truth)
    assert raised() == wanted
    assert sum(bool(names) for names in wanted.values()) >= 8  # a hamlet is too small for every kind


def test_alerts__one_planted_case_less__is_noticed(night, truth):
    disputes = truth.tables["disputes"]
    frame = disputes.frame.with_columns(pl.lit("").alias("_case"))
    other = truth.tables | {
        "disputes": SimpleNamespace(as_known=lambda day: frame.filter(pl.col("_visible_on") <= day))
    }
    changed = planted(SimpleNamespace(**{**vars(truth), "tables": other, "through": truth.through}))
    assert raised() != changed and not changed["dispute_overdue"]


SILENCED = [
    "int_feed_days__counted", "int_feed_profiles__judged", "int_feed_silences__detected", "int_feed_districts__covered",
    "int_disputes__resolved", "int_dispute_alerts__detected", "mart_supervision__alert_candidates",
]  # fmt: skip


def test_alerts__their_office_falls_silent__stand_as_they_stood(graded_region):
    """An answer may have come: none is raised of a day that nobody told of, none is closed as if it had."""
    count = "select state_code, count(*) from supervision.alerts where kind_code like 'dispute%%' group by 1"
    with database_of(graded_region):
        before = rows(count)
        with connect() as owner:
            owner.execute("update ops.batches set business_date = business_date - 300 where feed = 'disputes'")
        build(NIGHT, select=SILENCED, variables=warehouse_variables(load().method), tests=False)
        register_build(NIGHT)
        told = rows("select count(*) filter (where is_raisable), count(*) from marts.mart_supervision__alert_candidates"
                    " where kind_code = 'dispute_overdue'")  # fmt: skip
        report = raise_alerts(NIGHT)
        assert rows(count) == before and (report.raised, report.closed) == (0, 0)
    assert before and told[0][0] == 0 < told[0][1]


def test_alerts__each__say_by_when_who_decides(night):
    told = rows(
        "select notices.level_code, notices.body ->> 'decide_by', notices.body ->> 'severity_code' "
        "from supervision.notices join supervision.alerts on alerts.alert_id = notices.subject_id "
        "where kind_code = any(%s)".replace("kind_code", "alerts.kind_code"),
        sorted(KINDS),
    )
    assert told
    for level, decide_by, severity in told:
        days = (date.fromisoformat(decide_by) - NIGHT).days
        assert (level, days) == (("city", 15) if severity == "serious" else ("district", 30))


def ratio(kpi):
    """Return numerator and denominator of a target for the city, as the night has them."""
    ((numerator, denominator),) = rows(
        "select numerator, denominator from marts.mart_supervision__kpi_actuals "
        "where kpi_code = %s and region_code = '150200'",
        kpi,
    )
    return float(numerator), float(denominator)


def test_targets__of_disputes_and_meetings__equal_what_the_offices_know(night, truth):
    known = truth.tables["disputes"].as_known(NIGHT).filter(pl.col("received_on").dt.year() == NIGHT.year)
    due = pl.col("received_on") + pl.duration(days=60) < NIGHT
    petitions = known.filter((pl.col("origin_code") == "petition") & due)
    assert ratio("petition_answer_ratio") == (petitions["answered_on"].count(), petitions.height)
    ended = known.filter(
        (pl.col("complexity_code") == "simple") & (pl.col("outcome_code").is_in(["settled", "failed"]))
    )
    kept = ended.filter((pl.col("level_code") == "community") & pl.col("escalated_on").is_null())
    assert ratio("community_settled_ratio") == (kept.height, ended.height)
    streets = truth.communities.table.frame["street_code"].unique()
    meetings = truth.tables["joint_meetings"].frame["street_code"].is_in(streets.implode()).sum()
    assert ratio("joint_meeting_ratio") == (meetings, streets.len())


def test_targets__of_fees__equal_what_the_firms_reported(night, truth):
    known = truth.tables["fee_collections"].as_known(NIGHT)
    closing = pl.col("period_start_on").dt.offset_by("3mo") - pl.duration(days=1)
    year = known.filter((closing > date(2025, 10, 31)) & (closing <= NIGHT))
    received, due = ratio("fee_collection_ratio")
    assert (received, due) == pytest.approx((year["received_amount"].sum(), year["receivable_amount"].sum()))
    assert 0.5 < received / due < 1


def test_targets__of_new_communities__count_those_whose_manager_was_chosen(night, truth):
    new = truth.tables["communities"].as_known(NIGHT).filter(pl.col("built_year") >= 2025)["community_id"]
    chosen = (
        truth.tables["tenders"]
        .as_known(NIGHT)
        .filter((pl.col("stage_code") == "early") & pl.col("awarded_on").is_not_null())["community_id"]
    )
    assert ratio("early_stage_tender_ratio") == (new.is_in(chosen.implode()).sum(), new.len()) and new.len()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("欠费后物业限制出入，门禁卡刷不开", True),
        ("物业以停电的方式催缴物业费", True),
        ("因没交物业费，被物业公司停水", True),
        ("小区停水检修没有提前通知", None),
        ("物业费涨价没有公示", None),
        ("缴费后不给开票。" + "楼道灯不亮，绿化枯死，垃圾清运不及时，有异味，多次反映没有答复。" + "昨天停水", None),
        (None, None),
    ],
)
@pytest.mark.parametrize(("name", "header"), [("mashangban_api", "内容"), ("hotline_backlog", "诉求内容")])
def test_complaint__text_of_cutting_off_for_fees__is_marked_and_nothing_of_it_kept(name, header, text, says):
    given = profiles.named(name)
    (capture,) = given.captures
    assert capture.source == header and given.derive["is_coercion_suspected"] == "是{coercion}"
    groups = pl.Series([text], dtype=pl.String).str.extract_groups(capture.pattern).struct.unnest()
    assert [value if value is None else value == "" for value in groups["coercion"]] == [says]
    assert feeds.get("complaints").field("is_coercion_suspected").is_later


def test_grade_on__the_day_of_opening__is_the_version_that_bound_then():
    versions = {
        "F": [{"valid_from": date(2026, 10, 1), "grade": "A"}, {"valid_from": date(2026, 11, 1), "grade": "AA"}]
    }
    facts = SimpleNamespace(versions=versions)
    assert grade_on(facts, "F", "2026-10-31")["grade"] == "A"
    assert grade_on(facts, "F", "2026-11-01")["grade"] == "AA"
    assert grade_on(facts, "F", "2026-09-30") is None and grade_on(facts, "G", "2026-11-01") is None
    assert grade_on(facts, "F", None) is None
