"""The warehouse on a real Citus cluster, where there is one: nights leave there what they leave on one machine."""

from datetime import date

import pytest
from cluster import SECRET, cluster_warehouse, needs_cluster
from night_world import state, warehouse, with_offices
from test_dbt_incremental import LAST, differing, last_build, nights_after
from test_night_kills import ARRIVALS, KILLS, night_of_processes

from property_credit.ingestion import feeds
from property_credit.ingestion.load import no_check
from property_credit.ingestion.night import ingest_feed
from property_credit.night.nightly import run_night
from property_credit.warehouse import backup
from property_credit.warehouse.connection import connect
from property_credit.warehouse.transformation import build
from simulation.region import simulate

pytestmark = [needs_cluster, pytest.mark.slow, pytest.mark.timeout(3600)]


def nights_in(made, region, home):
    """Run three nights with dirty and late rows in the warehouse that ``made`` gives; return what each left behind."""
    states = []
    with with_offices(made, region, home):
        with connect() as connection:
            connection.execute("update raw.name_secret set secret = %s", (SECRET,))
        for night in (date(2026, 10, 31), date(2026, 11, 1), date(2026, 11, 2)):
            assert run_night(night) == 0
            states.append(state(without=ARRIVALS))
    return states


def server_version():
    with connect() as connection:
        return connection.info.server_version


def test_nights__on_a_cluster__leave_what_they_leave_on_one_machine(migrated_template, tmp_path):
    region = tmp_path / "region"
    simulate(preset="hamlet", seed=16, out=region, through=LAST, nights=2, dirt=True)
    homes = [tmp_path / "one", tmp_path / "several"]
    for home in homes:
        home.mkdir()
    one = nights_in(warehouse(migrated_template, homes[0]), region, homes[0])
    several = nights_in(cluster_warehouse(homes[1]), region, homes[1])
    for night, (there, here) in enumerate(zip(several, one, strict=True)):
        assert {table: rows for table, rows in there.items() if rows != here.get(table)} == {}, f"night {night}"
        assert there.keys() == here.keys()


def test_night__killed_on_a_cluster__ends_as_an_unbroken_one(tmp_path):
    region = tmp_path / "region"
    simulate(preset="hamlet", seed=16, out=region, through=LAST, nights=0, dirt=True)
    homes = [tmp_path / "unbroken", tmp_path / "broken"]
    unbroken = night_of_processes(cluster_warehouse(homes[0]), region, homes[0], kills=())
    broken = night_of_processes(cluster_warehouse(homes[1]), region, homes[1], kills=KILLS)
    assert {table: rows for table, rows in broken[0].items() if rows != unbroken[0].get(table)} == {}
    assert broken[1] == unbroken[1]


def test_build__nights_on_a_cluster__equal_a_full_rebuild_and_go_on_after_a_restore(tmp_path):
    simulate(preset="hamlet", seed=16, out=tmp_path, through=LAST, nights=0, dirt=False)
    with cluster_warehouse(tmp_path):
        for feed in feeds.NAMES:
            ingest_feed(feed, LAST, check=no_check)
        build(LAST)
        for night in nights_after(3, seed=7):
            build(night, is_incremental=True)
            assert last_build()[:2] == (night, "incremental")
            assert differing(night) == {}, f"night of {night}"
        backup.dump(tmp_path / "warehouse.dump")
    with cluster_warehouse(tmp_path):
        if server_version() < backup.OLDEST_SERVER:
            with pytest.raises(backup.BackupError, match="17 or newer"):
                backup.restore(tmp_path / "warehouse.dump")
            return
        backup.restore(tmp_path / "warehouse.dump")
        for mode in ("full", "incremental"):  # the first spreads what lies on the coordinator after a restore
            build(night, is_incremental=True)
            assert last_build()[1] == mode
        build(night)
        assert differing(night) == {}
