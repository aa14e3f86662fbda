"""Two methods over history: the matrix, who moves and why, and a page that says so; nothing is written to scoring."""

import json
from datetime import date, timedelta

import pytest
from small_town import NIGHT, complaint, insert

from property_credit.warehouse.connection import connect
from scoring.comparison import compare, nights_between
from scoring.comparison_report import write
from scoring.errors import ScoringError
from scoring.method import METHODS_DIR
from scoring.run import grade_in_shadow


def test_compare__a_method_that_asks_for_less__shows_who_moves_and_why(town, monkeypatch, tmp_path):
    text = (METHODS_DIR / "2026.1.yml").read_text(encoding="utf-8")
    changed = text.replace('version: "2026.1"', 'version: "2027.1"').replace(
        "min_service_months: 12", "min_service_months: 240"
    )
    easy = text
    for before, after in (
        ("min_service_months: 12", "min_service_months: 0"),
        ("min_household_months: 3000", "min_household_months: 0"),
        ("min_inspections: 1", "min_inspections: 0"),
        ("min_available_ratio: 0.70", "min_available_ratio: 0.01"),
    ):
        assert before in easy
        easy = easy.replace(before, after)
    (tmp_path / "2026.1.yml").write_text(easy, encoding="utf-8")
    (tmp_path / "2027.1.yml").write_text(changed, encoding="utf-8")
    monkeypatch.setattr("scoring.method.METHODS_DIR", tmp_path)

    report = compare("2026.1", "2027.1", date(2026, 10, 1), NIGHT)

    [night] = report["nights"]
    assert night["enterprises"] == 2 and night["moved"] == len(report["movers"]) > 0
    assert all(mover["to"] == "NR" and "+NR_SERVICE" in mover["why"] for mover in report["movers"])
    assert sum(night["matrix"].values()) == 2
    for method in report["methods"].values():  # two enterprises say nothing of fairness: that is what it says
        assert [gate["code"] for gate in method["fairness"]] == ["old_share", "size_gap", "local_gap"]
        assert len(method["sensitivity"]) == 8
        assert {gate["status"] for name in ("fairness", "sensitivity") for gate in method[name]} == {"not_measured"}
    html, data = write(report, tmp_path / "report")
    assert json.loads(data.read_text("utf-8"))["movers"] == report["movers"]
    page = html.read_text("utf-8")
    assert "等级迁移矩阵" in page and report["movers"][0]["uscc"] in page and "http" not in page
    with connect("pc_scoring") as connection:
        counts = connection.execute("select (select count(*) from scoring.runs), (select count(*) from scoring.fits)")
        assert counts.fetchone() == (0, 0)


def test_shadow__that_counts_otherwise__is_built_apart_and_stored_beside_the_night(town):
    days = [
        NIGHT - timedelta(days=7 * week) for week in range(16)
    ]  # a district without complaints for months is silent
    hours = {"submitted_at": 9, "responded_at": 10, "handled_at": 12, "resolved_at": 20, "closed_at": 21}
    weekly = [
        complaint(100 + at, **{name: f"{day} {hour:02}:00+08" for name, hour in hours.items()})
        for at, day in enumerate(days)
    ]
    insert("complaints", weekly, batch_id="b00000000000000aa")
    shadow = grade_in_shadow(NIGHT, "2026.2")
    assert (shadow.method_version, shadow.enterprise_count) == ("2026.2", 2)
    with connect("pc_scoring") as connection:
        stored = connection.execute(
            "select is_shadow, parameters ? 'design_effects', parameters ? 'spreads' from scoring.runs"
            " join scoring.fits using (fit_id)"
        ).fetchall()
        codes = connection.execute("select distinct indicator_code from scoring.indicator_points").fetchall()
    assert stored == [(True, True, True)] and ("P03",) not in codes
    assert not grade_in_shadow(NIGHT, "2026.2").is_new


def test_nights__a_period__are_its_month_ends_and_its_last_day():
    nights = nights_between(date(2026, 1, 15), date(2026, 3, 10))
    assert nights == [date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 10)]
    assert nights_between(date(2026, 10, 1), date(2026, 10, 31)) == [date(2026, 10, 31)]


@pytest.mark.parametrize("last", [date(2025, 12, 31), date(2029, 1, 1)])
def test_nights__no_or_too_long_a_period__is_refused(last):
    with pytest.raises(ScoringError, match="the period"):
        nights_between(date(2026, 1, 1), last)
