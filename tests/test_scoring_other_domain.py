"""A method of three indicators for another domain: a file is all it takes (docs/examples/school-canteens.yml)."""

import shutil
from decimal import Decimal
from pathlib import Path

import pytest
from scoring_marts import BUSINESS_DATE, Firm, read, write_marts

from scoring.explain import explain
from scoring.method import load, warehouse_variables
from scoring.run import grade

EXAMPLE = Path(__file__).resolve().parent.parent / "docs" / "examples" / "school-canteens.yml"
FEEDS = ("inspections", "public_credit", "surveys")


@pytest.fixture
def canteens(monkeypatch, tmp_path):
    shutil.copy(EXAMPLE, tmp_path / "canteens-1.yml")
    monkeypatch.setattr("scoring.method.METHODS_DIR", tmp_path)
    return "canteens-1"


def canteen(uscc, failed, deducted, satisfied):
    counts = {"K1": [("all", 12, failed, 200)], "K2": [("all", 24, deducted, 1)], "G1": [("all", 12, satisfied, 300)]}
    return Firm(uscc, counts=counts, responses=0)


def test_method__three_indicators_of_another_domain__grades_and_explains(warehouse_database, canteens):
    firms = [
        canteen("91150200AAAAAAAAA1", 0, 0, 297),
        canteen("91150200BBBBBBBBB2", 4, 3, 240),
        canteen("91150200CCCCCCCCC3", 30, 10, 240),
    ]
    write_marts(firms, feeds=FEEDS)
    report = grade(BUSINESS_DATE, method_version=canteens)
    assert report.grades == {"AAA": 1, "AA": 1, "A": 1, "NR": 0, "V1": 0}
    found = explain("91150200BBBBBBBBB2")
    assert [pillar["name"]["en"] for pillar in found["pillars"]] == ["food safety", "pupils and staff"]
    assert sum(pillar["points"] for pillar in found["pillars"]) == found["score"]
    assert found["lift"]["next"]["grade"] == "AAA"
    [(points,)] = read("select points from scoring.indicator_points where uscc like '%%B2' and indicator_code = 'K2'")
    assert points == Decimal(14)  # 20 × (1 − 3/10)


def test_method__without_a_warehouse_section__hands_over_its_windows(canteens):
    found = warehouse_variables(load(canteens).method)
    assert found["windows"] == {"K1": 12, "K2": 24, "G1": 12} and "severity" not in found
