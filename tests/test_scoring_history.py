"""Grades over several nights: hysteresis from what earlier runs decided, and only from those that stand."""

from datetime import date

import pytest
from scoring_marts import GOOD, NEW, Firm, read, write_marts
from test_scoring_grading import A_COUNTS, USCC

from property_credit.warehouse.connection import connect
from scoring.method import METHODS_DIR
from scoring.run import grade

pytestmark = pytest.mark.usefixtures("warehouse_database")

GOOD_NIGHT, ORDINARY_NIGHT = dict(GOOD), dict(A_COUNTS)


def night(business_date, counts):
    write_marts([Firm(USCC, counts=counts)])
    report = grade(business_date)
    [(given, before, held)] = read(
        "select grade, grade_before_caps, held ->> 'reached' from scoring.grades where run_id = %s", (report.run_id,)
    )
    assert held == (before if given != before else None)
    return given


def test_upgrade__second_quarter__is_given():
    assert night(date(2026, 7, 31), ORDINARY_NIGHT) == "A"
    assert night(date(2026, 9, 30), GOOD_NIGHT) == "A"
    assert night(date(2026, 10, 1), GOOD_NIGHT) == "AA"


def test_upgrade__bad_end_of_the_quarter_before__waits():
    assert night(date(2026, 8, 31), GOOD_NIGHT) == "AA"
    assert night(date(2026, 9, 30), ORDINARY_NIGHT) == "A"  # far below: at once
    assert night(date(2026, 10, 31), GOOD_NIGHT) == "A"
    assert night(date(2026, 12, 31), GOOD_NIGHT) == "A"
    assert night(date(2027, 1, 1), GOOD_NIGHT) == "AA"


def test_history__run_a_gate_stopped__does_not_count():
    write_marts([Firm(USCC, counts=ORDINARY_NIGHT)])
    stopped = grade(date(2026, 10, 30))
    with connect("pc_gatekeeper") as gatekeeper:
        gatekeeper.execute(
            "select ops.record_gate(3, 'grades', %s, %s, false, '{}')", (stopped.run_id, date(2026, 10, 30))
        )
    assert night(date(2026, 10, 31), GOOD_NIGHT) == "AA"  # as a first night: nothing stood before


def test_history__later_nights__do_not_change_an_earlier_one():
    first = night(date(2026, 10, 30), ORDINARY_NIGHT)
    night(date(2026, 10, 31), GOOD_NIGHT)
    write_marts([Firm(USCC, counts=ORDINARY_NIGHT)])
    assert not grade(date(2026, 10, 30)).is_new and first == "A"


def test_history__firm_that_is_new__starts_freely():
    night(date(2026, 10, 30), ORDINARY_NIGHT)
    write_marts([Firm("91150200DDDDDDDDD4", counts=GOOD | {"M03": [(NEW, 12, 490, 500)]})])
    report = grade(date(2026, 10, 31))
    assert report.grades["AA"] == 1


def test_history__method_in_the_shadow__does_not_count(monkeypatch, tmp_path):
    for version in ("2026.1", "2027.1"):
        text = (METHODS_DIR / "2026.1.yml").read_text(encoding="utf-8")
        (tmp_path / f"{version}.yml").write_text(text.replace('"2026.1"', f'"{version}"'), encoding="utf-8")
    monkeypatch.setattr("scoring.method.METHODS_DIR", tmp_path)
    write_marts([Firm(USCC, counts=ORDINARY_NIGHT)])
    assert grade(date(2026, 10, 30), method_version="2027.1").grades["A"] == 1
    assert night(date(2026, 10, 31), GOOD_NIGHT) == "AA"
