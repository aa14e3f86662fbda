"""Batch gate: every expectation on a batch's statistics turns red when its own violation is planted, and only then."""

from datetime import date

import pytest

from property_credit.gates import gates, suites
from property_credit.warehouse.connection import connect
from property_credit.warehouse.task_runs import StoppedByGate

HEALTHY = {
    "feed": "complaints",
    "profile": "mashangban_api",
    "batch_id": "b0000000000000001",
    "source_file": "pull.json",
    "business_date": date(2026, 10, 31),
    "rows_in": 100,
    "rows_accepted": 97,
    "rows_rejected": 2,
    "rows_duplicate": 1,
    "fill_ratios": {"community_id": 0.95, "resolved_at": 0.7},
    "unknown_code_counts": {},
    "latest_event_on": date(2026, 10, 31),
    "days_since_latest_event": 0,
    "totals": {"amount": {"summed": "120.50", "stated": "120.50"}},
    "new_codes": {},
    "examples": (
        {"source_file": "pull.json", "row_number": 7, "column": "category_code", "reason_code": "CODE_UNKNOWN"},
    ),
}
USUAL = [{"rows_in": 100, "fill_ratios": {"community_id": 0.96, "resolved_at": 0.72}}] * 3

BROKEN = {
    "batch_is_reconciled": {"rows_accepted": 96},
    "batch_total_is_reconciled": {"totals": {"amount": {"summed": "120.50", "stated": "108.00"}}},
    "batch_rejected_ratio_is_tolerable": {"rows_accepted": 78, "rows_rejected": 21},
    "batch_rejected_ratio_is_usual": {"rows_accepted": 93, "rows_rejected": 6},
    "batch_waiting_ratio_is_tolerable": {"rows_accepted": 46, "rows_waiting": 51},
    "batch_waiting_ratio_is_usual": {"rows_accepted": 91, "rows_waiting": 6},
    "batch_full_list_is_not_torn": {"missing_ratio": 0.3},
    "batch_unknown_codes_are_few": {"unknown_code_counts": {"category_code": 11}},
    "batch_has_no_new_codes": {"new_codes": {"category_code": ["noise"]}},
    "batch_volume_is_not_torn": {"rows_in": 9, "rows_accepted": 6},
    "batch_volume_is_usual": {"rows_in": 49, "rows_accepted": 46},
    "batch_volume_is_not_multiplied": {"rows_in": 2001, "rows_accepted": 1998},
    "batch_fill_rates_hold": {"fill_ratios": {"community_id": 0.4, "resolved_at": 0.7}},
    "batch_fill_rates_are_usual": {"fill_ratios": {"community_id": 0.7, "resolved_at": 0.7}},
    "batch_is_fresh": {"days_since_latest_event": 8},
    "batch_is_not_from_the_future": {"days_since_latest_event": -400},
}


@pytest.fixture
def usual_history(monkeypatch):
    monkeypatch.setattr(gates, "_history", lambda stats, settings: USUAL)


def _recorded(batch_id):
    with connect("pc_gatekeeper") as connection:
        return connection.execute(
            "select is_success, results from ops.gate_results where door = 1 and subject = %s", (batch_id,)
        ).fetchone()


def test_suite__every_expectation__has_a_violation_in_this_file():
    expected = {one.name for subject in suites.load("batch_gate").subjects for one in subject.expectations}
    assert set(BROKEN) == expected


def test_batch__healthy__passes_and_is_recorded(warehouse_database, usual_history):
    gates.check_batch(HEALTHY)
    is_success, results = _recorded(HEALTHY["batch_id"])
    assert is_success and all(one["is_success"] for one in results)


@pytest.mark.parametrize("name", BROKEN)
def test_expectation__its_violation_planted__turns_red(warehouse_database, usual_history, name):
    stats = {**HEALTHY, **BROKEN[name]}
    severity = next(
        one.severity
        for subject in suites.load("batch_gate").subjects
        for one in subject.expectations
        if one.name == name
    )
    if severity == "critical":
        with pytest.raises(StoppedByGate, match=name):
            gates.check_batch(stats)
    else:
        gates.check_batch(stats)
    _, results = _recorded(stats["batch_id"])
    assert name in {one["name"] for one in results if not one["is_success"]}


def test_batch__its_newest_event_is_old__the_day_is_named_and_no_refused_row(warehouse_database, usual_history):
    gates.check_batch({**HEALTHY, **BROKEN["batch_is_fresh"], "latest_event_on": date(2026, 10, 23)})
    _, results = _recorded(HEALTHY["batch_id"])
    (missed,) = (one for one in results if not one["is_success"])
    assert missed["rows"] == [{"newest event": "2026-10-23"}]


def test_batch__refused__names_expectation_rows_and_page(warehouse_database, usual_history):
    with pytest.raises(StoppedByGate) as stopped:
        gates.check_batch({**HEALTHY, **BROKEN["batch_rejected_ratio_is_tolerable"]})
    text = str(stopped.value)
    assert "batch_rejected_ratio_is_tolerable" in text and "pull.json" in text and "row_number 7" in text
    page = text.rsplit("see ", 1)[1]
    html = open(page, encoding="utf-8").read()
    assert "拒收行占比不超过20%" in html and "at most 20 %" in html
    assert "http" not in html and "src=" not in html


def test_batch__profile_without_history__is_not_measured_against_it(warehouse_database):
    gates.check_batch({**HEALTHY, **BROKEN["batch_volume_is_not_torn"], "unknown_code_counts": {}})


def test_batch__small_addition_after_whole_lists__is_not_torn(warehouse_database, monkeypatch):
    sizes = [{"rows_in": rows, "fill_ratios": {}} for rows in (6, 50_000, 50_000)]
    monkeypatch.setattr(gates, "_history", lambda stats, settings: sizes)
    gates.check_batch({**HEALTHY, "rows_in": 3, "rows_accepted": 3, "rows_rejected": 0, "rows_duplicate": 0})


def test_batch__few_rows__is_not_refused_for_a_ratio(warehouse_database):
    gates.check_batch({**HEALTHY, "rows_in": 4, "rows_accepted": 2, "rows_rejected": 2, "rows_duplicate": 0})


def _deliver(files):
    """Register loaded batches of 100 rows: {file name: day of October}."""
    with connect("pc_ingestion") as connection:
        for number, (name, day) in enumerate(files):
            connection.execute(
                """
                select ops.register_batch(%s, 'complaints', 'mashangban_api', %s, 'x', 'x', 1, %s, now(),
                  'loaded', null, 100, 100, 0, 0, 0, null, '{"fill_ratios": {"community_id": 1.0}}')
                """,
                (f"b{number}", name, date(2026, 10, day)),
            )


TORN = {**HEALTHY, **BROKEN["batch_volume_is_not_torn"]}


@pytest.mark.parametrize(
    "files",
    [
        [("pull.json", 1), ("pull.json", 2), ("pull.json", 3)],
        [("a.json", 1), ("other.json", 2), ("third (1).json", 3)],  # no name comes again, one file a night
    ],
)
def test_history__of_the_same_office__is_read_from_ops_batches(warehouse_database, files):
    _deliver(files)
    with pytest.raises(StoppedByGate, match="batch_volume_is_not_torn"):
        gates.check_batch(TORN)


def test_history__of_other_offices_in_the_same_nights__says_nothing_about_a_small_one(warehouse_database):
    _deliver([(f"台账_202610{day:02d}_15020{office}.csv", day) for day in (1, 2, 31) for office in (2, 3)])
    gates.check_batch({**TORN, "source_file": "台账_20261031_150224.csv"})
    with pytest.raises(StoppedByGate, match="batch_volume_is_not_torn"):
        gates.check_batch({**TORN, "source_file": "台账_20261031_150203.csv"})


@pytest.mark.parametrize(
    ("name", "series"),
    [
        ("台账_20261031_1502031.csv", "台账__1502031.csv"),
        ("台账_20261031123005.csv", "台账_.csv"),
        ("台账2026-10-31(1).xlsx", "台账(1).xlsx"),
        ("台账2026年10月.xlsx", "台账.xlsx"),
        ("150203_202610.csv", "150203_.csv"),
        ("export-1202026.csv", "export-1202026.csv"),
    ],
)
def test_series__of_a_file__is_its_name_without_dates(warehouse_database, name, series):
    with connect("pc_gatekeeper") as connection:
        assert connection.execute("select ops.file_series(%s)", (name,)).fetchone() == (series,)


def test_batch__number_not_known_or_condition_not_met__is_said_on_its_record(warehouse_database):
    gates.check_batch({**HEALTHY, "rows_in": 4, "rows_accepted": 2, "rows_rejected": 2, "rows_duplicate": 0})
    _, results = _recorded(HEALTHY["batch_id"])
    observed = {one["name"]: one["observed"] for one in results}
    assert observed["batch_volume_is_usual"] == "volume_to_smallest_ratio is not known"
    assert observed["batch_rejected_ratio_is_tolerable"] == "rows_in is below 20"
    assert observed["batch_is_reconciled"] == "rows_difference 0"


def test_suite__unknown_key__is_refused_with_file_and_key(tmp_path, monkeypatch):
    monkeypatch.setattr(suites, "FOLDER", tmp_path)
    (tmp_path / "odd.yml").write_text("suite: odd\ngate: 1\nzh: x\nen: x\nsubjects: []\nseverity: none\n")
    with pytest.raises(suites.SuiteError, match=r"odd\.yml: severity"):
        suites.load("odd")


def test_pull__a_few_minutes_of_an_api__is_not_compared_with_a_night_and_a_large_one_is_in_its_fill_rates():
    settings = suites.load("batch_gate").settings
    night = [{"rows_in": 5000, "fill_ratios": {"resolved_at": 0.9}}] * 3
    burst = {**HEALTHY, "is_pull": True, "rows_in": 40, "fill_ratios": {"resolved_at": 0.0}}
    measured = gates.measures(burst, night, settings)
    assert (
        measured["volume_to_smallest_ratio"],
        measured["volume_to_largest_ratio"],
        measured["largest_fill_drop"],
    ) == (None,) * 3
    large = gates.measures({**burst, "rows_in": 400}, night, settings)
    assert (large["volume_to_smallest_ratio"], large["largest_fill_drop"]) == (None, 0.9)
