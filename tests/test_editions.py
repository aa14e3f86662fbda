"""Editions: a night graded before a rule changed replays as it was; the next night is built by the new rule."""

from datetime import timedelta
from importlib.resources import files

import pytest
from alembic import command
from alembic.config import Config
from own_warehouse import copied_database, use_warehouse
from small_town import NIGHT, OTHER, complaint, counts, insert
from sqlalchemy import create_engine

from property_credit.publishing.publish import publish
from property_credit.warehouse import connection, editions
from property_credit.warehouse.connection import connect
from property_credit.warehouse.migrate import migrate
from property_credit.warehouse.transformation import build
from scoring.comparison import compare
from scoring.errors import ScoringError
from scoring.method import load, warehouse_variables
from scoring.replay import replay
from scoring.run import grade

NEXT = NIGHT + timedelta(days=1)


def binds_from(night):
    with connect() as owner:
        owner.execute("update ops.editions set binds_on = %s where edition > 1", (night,))


def recorded_edition(run_id):
    with connect("pc_scoring") as opened:
        return opened.execute("select edition from scoring.runs where run_id = %s", (run_id,)).fetchone()[0]


@pytest.fixture
def two_versions(town):
    """A complaint closed without any time, and one whose older state comes a night after its newer one."""
    none = dict.fromkeys(("responded_at", "handled_at", "resolved_at", "closed_at"))
    insert(
        "complaints",
        [
            complaint(5, **none, updated_at="2026-07-10 10:30+08"),
            complaint(6, updated_at="2026-07-11 09:00+08"),
        ],
        known_on=NIGHT - timedelta(days=1),
        batch_id="b00000000000000a1",
    )
    older = complaint(6, **none, updated_at="2026-07-10 09:30+08") | {"status_code": "handling"}
    insert("complaints", [older], batch_id="b00000000000000a2")


@pytest.mark.slow
def test_edition__a_night_graded_before_the_rules_changed__replays_by_its_own(two_versions):
    binds_from(NEXT)
    build(NIGHT, variables=warehouse_variables(load().method), tests=False)
    assert (counts("M01")[OTHER], counts("M03")[OTHER]) == (
        (1, 3),
        (0, 3),
    )  # both were never answered, as it was published
    before = grade(NIGHT).run_id
    publish(before, NIGHT)
    assert recorded_edition(before) == 1

    build(NEXT, variables=warehouse_variables(load().method), tests=False)
    assert (counts("M01")[OTHER], counts("M03")[OTHER]) == ((3, 3), (2, 3))
    after = grade(NEXT).run_id
    assert recorded_edition(after) == 6
    assert replay(before).is_identical

    # built by the other rules it is not the same: the proof above can fail
    with connect() as owner:
        owner.execute("update scoring.runs set edition = 7 - edition")
    assert not replay(before).is_same_input


@pytest.mark.slow
def test_editions__compared_over_a_night__show_who_moves_from_which_grade_to_which(two_versions):
    report = compare("2026.1@1", "2026.1@3", NIGHT, NIGHT)
    assert list(report["methods"]) == ["2026.1@1", "2026.1@3"] == [report["a"], report["b"]]
    (night,) = report["nights"]
    assert sum(night["matrix"].values()) == night["enterprises"] == 2
    with pytest.raises(ScoringError, match="there is no edition '9'"):
        compare("2026.1@9", "2026.1", NIGHT, NIGHT)


def test_editions__nothing_was_graded__the_newest_binds_from_the_beginning(warehouse_database):
    assert [one.edition for one in editions.known()] == [1, 2, 3, 4, 5, 6]
    assert editions.in_force(NIGHT) == editions.in_force(NIGHT - timedelta(days=9999)) == 6


@pytest.mark.slow
def test_editions__nights_were_graded_before__the_new_one_binds_after_them(migrated_template, monkeypatch):
    with copied_database("template0") as name:
        use_warehouse(monkeypatch, name)
        engine = create_engine(connection.url().replace("postgresql://", "postgresql+psycopg://", 1))
        config = Config()
        config.set_main_option("script_location", str(files("property_credit.warehouse.migrations")))
        with engine.begin() as opened:
            config.attributes["connection"] = opened
            command.upgrade(config, "0031")
            opened.exec_driver_sql(
                "insert into scoring.methods values ('2026.1', 'x', '{}', '2026-10-31');"
                "insert into scoring.fits values ('f1', '2026.1', '2026-10-31', 'x', '{}');"
                f"insert into scoring.runs values ('r1', '{NIGHT}', '2026.1', 'f1', 'x', 1, now())"
            )
        engine.dispose()
        migrate()
        assert recorded_edition("r1") == 1
        assert (editions.in_force(NIGHT), editions.in_force(NEXT)) == (1, 6)
