"""The DAG files: they load fast, they say who is called, their assets join up, and a broken one is not overlooked."""

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from property_credit.night import airflow_environment, nightly, nights

DAGS = airflow_environment.DAGS
FILES = sorted(path for path in DAGS.glob("*.py") if path.name != "wiring.py")
HEAVY = {"dbt", "great_expectations", "polars", "pandas", "sklearn", "scipy", "altair", "pyarrow"}
WAKER = "wake_nights"  # computes nothing: no part of a night
ON_REQUEST = "make_case_files"  # no part of a night either
CLOCKED = {WAKER, "watch_complaints", ON_REQUEST}  # woken by the clock alone
OURS = {"property_credit", "scoring", "simulation"}


@pytest.fixture(scope="module")
def dags(migrated_template):
    airflow_environment.prepare()
    return nightly.load_dags()


def test_dags__all__load_under_their_file_names(dags):
    assert set(dags) == {*nightly.ORDER, WAKER, ON_REQUEST} == {path.stem for path in FILES}
    assert all(Path(dag.fileloc).stem == name for name, dag in dags.items())


@pytest.mark.parametrize("name", [*nightly.ORDER, ON_REQUEST])
def test_dag__every_one__has_words_owner_retries_and_timeout(dags, name):
    dag = dags[name]
    assert "When" in dag.doc_md and "Wakes" in dag.doc_md and "**Supports**" in dag.doc_md
    assert not dag.catchup and dag.max_active_runs == 1
    assert dag.default_args["retries"] >= 1
    for task in dag.tasks:
        assert task.owner != "airflow"
        assert timedelta(0) < task.execution_timeout <= timedelta(hours=2)


def test_assets__every_consumed_one__has_a_producer(dags):
    produced = {asset.name for dag in dags.values() for task in dag.tasks for asset in task.outlets}
    consumed = {
        asset.name
        for dag in dags.values()
        if dag.dag_id not in CLOCKED
        for asset in _assets(dag.timetable.asset_condition)
    }
    woken = {f"wake/{name}" for name in dags if name not in CLOCKED}
    assert woken < consumed and consumed - woken <= produced
    assert [alias.name for alias in dags[WAKER].task_dict["wake_nights"].outlets] == ["wake/nights"]


def _assets(condition):
    return (
        [asset for part in condition.objects for asset in _assets(part)]
        if hasattr(condition, "objects")
        else [condition]
    )


def test_schedules__every_dag_but_the_ticks__wakes_by_assets_or_by_the_clock(dags):
    from airflow.sdk import AssetOrTimeSchedule  # after the fixture: Airflow reads its configuration on import

    for name, dag in dags.items():
        assert isinstance(dag.timetable, AssetOrTimeSchedule) == (name not in CLOCKED)
        assert getattr(dag.timetable, "timetable", dag.timetable).timezone == "Asia/Shanghai"


def test_deadlines__of_a_chain__come_one_after_another(dags):
    def deadline(name):
        timetable = getattr(dags[name].timetable, "timetable", dags[name].timetable)
        minute, hour = timetable.expression.split()[:2]
        return int(hour) * 60 + int(minute)

    assert {name: deadline(name) for name in nights.DEADLINES} == {
        name: when.hour * 60 + when.minute for name, when in nights.DEADLINES.items()
    }
    assert set(nights.AFTER) == {nights.FIRST, *nights.DEADLINES} == set(dags) - CLOCKED
    chain = ["ingest_registers", "ingest_complaints", *(name for name in nightly.ORDER[4:] if name not in CLOCKED)]
    assert [deadline(name) for name in chain] == sorted({deadline(name) for name in chain})


def test_dag_files__parsed_in_a_fresh_process__import_nothing_heavy_and_take_under_a_second(dags):
    code = """
import json, sys, time
import airflow
from airflow.dag_processing.dagbag import BundleDagBag
before = set(sys.modules)
sys.path.insert(0, sys.argv[1])
started = time.process_time()
import runpy
for file in sys.argv[2:]:
    runpy.run_path(file)
print(json.dumps({"seconds": time.process_time() - started, "modules": sorted(set(sys.modules) - before)}))
"""
    ran = subprocess.run(
        [sys.executable, "-c", code, str(DAGS), *map(str, FILES)], capture_output=True, text=True, check=True
    )
    result = json.loads(ran.stdout.splitlines()[-1])
    registry = ("property_credit.ingestion.feeds", "property_credit.ingestion.contract")
    work = [name for name in result["modules"] if name.count(".") > 1 and not name.startswith(registry)]
    assert not HEAVY & {name.split(".")[0] for name in result["modules"]}
    assert not OURS & {name.split(".")[0] for name in work}
    assert result["seconds"] < 1.0


def test_load_dags__a_broken_file__is_named(dags, tmp_path, monkeypatch):
    (tmp_path / "ingest_nothing.py").write_text("from airflow.sdk import dag\nraise ValueError('torn')\n")
    monkeypatch.setattr(airflow_environment, "DAGS", tmp_path)
    with pytest.raises(nightly.NightError, match=r"ingest_nothing\.py.*torn"):
        nightly.load_dags()


def test_exclusive__a_second_night__is_turned_away(warehouse_database):
    with nightly.exclusive(), pytest.raises(nightly.NightError, match="another night"), nightly.exclusive():
        pass


def test_run_type__as_a_worker_hands_it_over__is_the_word_of_the_api(dags):
    from types import SimpleNamespace

    from airflow.sdk.api.datamodels._generated import DagRunType
    from wiring import KINDS, run_type

    for member in DagRunType:
        assert run_type(SimpleNamespace(run_type=member)) == run_type(SimpleNamespace(run_type=member.value))
    assert KINDS[run_type(SimpleNamespace(run_type=DagRunType.ASSET_TRIGGERED))] == "asset"
