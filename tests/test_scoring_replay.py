"""Replay: the small town's night, published, rebuilt from raw: identical; after a change, every difference is named."""

from datetime import UTC, date, datetime, timedelta

import pytest
from small_town import NIGHT, OTHER, complaint, insert

from property_credit.night.grading_tasks import newest_run
from property_credit.publishing.publish import publish
from property_credit.warehouse.connection import connect
from property_credit.warehouse.transformation import build
from scoring import history
from scoring.errors import ScoringError
from scoring.explain import UnknownEnterpriseError, explain
from scoring.method import load, warehouse_variables
from scoring.replay import moved, published_runs, regrade, replay
from scoring.run import grade

pytestmark = pytest.mark.slow
LATER = NIGHT + timedelta(days=5)


@pytest.fixture
def published(town):
    """The town's night, graded and published; then a late complaint arrives."""
    build(NIGHT, variables=warehouse_variables(load().method), tests=False)
    report = grade(NIGHT)
    publish(report.run_id, NIGHT)
    late = [complaint(number, submitted_at="2026-09-01 09:00+08") for number in range(20, 26)]
    insert("complaints", late, known_on=LATER, batch_id="b00000000000000ff")
    return report.run_id


def count(query):
    with connect("pc_scoring") as connection:
        return connection.execute(query).fetchone()[0]


def test_replay__published_night__is_identical_although_more_is_known_now(published):
    assert published_runs(date(2026, 10, 1), NIGHT) == [published]
    report = replay(published)
    assert report.is_identical and report.grade_count == 2 and report.point_count == 2 * len(load().method.indicators)
    assert count("select count(*) from pg_namespace where nspname like 'replay%'") == 0

    # a late row slipped under the night's own date: arrival, not the date, says what the night knew
    insert("complaints", [complaint(30)], known_on=NIGHT, batch_id="b00000000000000fe")
    with connect() as owner:
        owner.execute(
            "update raw.complaints set received_at = (select max(received_at) from ops.batches)"
            " where complaint_id = 'T30'"
        )
    assert replay(published).is_identical

    # a corrected past is a run beside the published one
    before = datetime.now(tz=UTC)
    corrected = regrade(NIGHT, LATER)
    assert corrected != published and count("select count(*) from scoring.runs") == 2
    assert published_runs(NIGHT, NIGHT) == [published]
    (row,) = moved(published, corrected)  # the firm of the late complaints, and nobody else
    assert row["uscc"] == OTHER and row["published_score"] != row["corrected_score"]
    assert moved(published, published) == []
    # it is explained when asked for, and nothing that follows the night takes it for the night's own
    assert explain(OTHER, run_id=corrected)["score"] == row["corrected_score"]
    assert explain(OTHER)["run_id"] == newest_run(NIGHT) == published
    with connect("pc_scoring") as connection:
        stands = history.standings(connection, load().method, NIGHT + timedelta(days=40))
        assert stands == history.standings(
            connection, load().method, NIGHT + timedelta(days=40), recorded_before=before
        )
    with pytest.raises(UnknownEnterpriseError, match="by run r0"):
        explain(OTHER, run_id="r0")
    assert replay(corrected).is_identical and replay(published).is_identical

    # a recorded point that was tampered with is found, and nothing else
    with connect() as owner:
        owner.execute(
            "update scoring.indicator_points set points = points + 0.01"
            " where run_id = %s and indicator_code = 'P01' and uscc = (select min(uscc) from scoring.grades)",
            (published,),
        )
    report = replay(published)
    assert not report.is_identical and report.is_same_input and report.difference_count == 1
    assert (report.differences[0].indicator_code, report.differences[0].column) == ("P01", "points")


def test_replay__unknown_run__says_so(warehouse_database):
    with pytest.raises(ScoringError, match="there is no run"):
        replay("r0")
