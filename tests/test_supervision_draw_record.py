"""A month's draw in the warehouse: made once, the same again, other inputs refused, drawn again only with a reason."""

import json
from datetime import date, timedelta

import psycopg
import pytest
from grade_rows import add_run, uscc
from own_warehouse import builder, register_build
from typer.testing import CliRunner

from property_credit.cli.main import app
from property_credit.night.month_tasks import draw_inspections
from property_credit.publishing.publish import publish
from property_credit.supervision import draw_files, draw_seed
from property_credit.supervision.draw_record import make_draw, newest_month
from property_credit.supervision.errors import SupervisionError
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings

NIGHT, MONTH = date(2026, 10, 31), date(2026, 11, 1)
FIRMS = 30
MARTS = """
create table marts.dim_community (community_id text, region_code text, current_uscc text);
create table marts.mart_supervision__inspection_programmes (authority_code text, rate_class text, yearly_rate numeric);
create table marts.mart_supervision__inspectors (inspector_code text, region_code text, authority_code text,
  active_from date, active_until date);
create table marts.mart_supervision__inspector_ties (inspector_code text, uscc text, starts_on date, ends_on date);
insert into marts.dim_community values ('nobody', '150203', null);
"""


@pytest.fixture
def region(warehouse_database, monkeypatch):
    """Thirty firms with ten communities each, graded and published; inspectors of two authorities in two districts."""
    monkeypatch.setenv("KEYS_DIR", str(warehouse_database / "keys"))
    get_settings.cache_clear()
    with builder() as connection, connection.cursor() as cursor:
        cursor.execute(MARTS)
        cursor.executemany(
            "insert into marts.dim_community values (%s, %s, %s)",
            [(f"c{number:04d}", f"15020{3 + number % 2}", uscc(number % FIRMS)) for number in range(FIRMS * 10)],
        )
        cursor.executemany(
            "insert into marts.mart_supervision__inspection_programmes values (%s, %s, %s)",
            [
                (authority, rate_class, rate)
                for authority in ("housing", "fire")
                for rate_class, rate in (("AA", 0.05), ("A", 0.15), ("NR", 0.2), ("B", 0.3), ("full", 1))
            ],
        )
        cursor.executemany(
            "insert into marts.mart_supervision__inspectors values (%s, %s, %s, '2025-01-01', %s)",
            [
                (f"{authority}{district}{number}", f"15020{district}", authority, None if number else MONTH)
                for authority in ("housing", "fire")
                for district in (3, 4)
                for number in range(4)
            ],
        )
        cursor.execute(
            "insert into marts.mart_supervision__inspector_ties select inspector_code, %s, '2026-01-01', null"
            " from marts.mart_supervision__inspectors where inspector_code like 'housing31'",
            (uscc(0),),
        )
    publish_night(NIGHT)
    monkeypatch.setattr(
        "property_credit.supervision.draw_record.folder_of", lambda month: warehouse_database / f"{month:%Y-%m}"
    )
    yield warehouse_database
    get_settings.cache_clear()


def publish_night(night, **changes):
    kinds = ({"grade": "AA"}, {"grade": "A"}, {"grade": "B"}, {"grade": "B", "is_key_supervision": True})
    kinds += ({"grade": None, "status_code": "not_rated"}, {"grade": None, "status_code": "serious_dishonesty"})
    grades = {uscc(number): kinds[number % len(kinds)] for number in range(FIRMS)}
    publish(add_run(night, {**grades, **changes}), night)


def built(night):
    register_build(night)


def frame_of(folder):
    return json.loads((folder / "2026-11" / draw_files.FRAME).read_text("utf-8"))


def test_draw__from_the_published_list__takes_every_class_at_its_rate_and_says_no_reason(region):
    report = make_draw(MONTH, NIGHT)
    frame = frame_of(region)
    classes = {row["uscc"]: row["rate_class"] for row in frame["communities"]}
    assert [classes[uscc(number)] for number in range(6)] == ["AA", "A", "B", "full", "NR", "full"]
    assert len(frame["communities"]) == FIRMS * 10  # a community that nobody manages is not in it
    assert not any(row["inspector_code"].endswith("0") for row in frame["inspectors"])  # they leave in the month
    assert report.is_new and report.counts["checks"] > report.counts["visits"] > 0
    text = (region / "2026-11" / draw_files.FRAME).read_text("utf-8")
    assert "serious_dishonesty" not in text and "key_supervision" not in text
    checks = draw_files.verify(region / "2026-11/frame.json", region / "2026-11/draw.json")
    assert all(check.is_met for check in checks)
    with connect("pc_supervision") as connection:
        rows = connection.execute("select count(*), bool_or(region_code = '150203') from supervision.draw_visits")
        assert rows.fetchone() == (report.counts["visits"], True)


def test_draw__again_from_the_same_inputs__is_the_same_draw_and_the_same_bytes(region):
    first = make_draw(MONTH, NIGHT)
    before = {path.name: path.read_bytes() for path in first.folder.iterdir()}
    second = make_draw(MONTH, NIGHT)
    assert (second.draw_id, second.is_new) == (first.draw_id, False)
    assert {path.name: path.read_bytes() for path in second.folder.iterdir()} == before
    with connect("pc_supervision") as connection:
        assert connection.execute("select count(*) from supervision.draws").fetchone() == (1,)


def test_draw__from_other_inputs__is_refused_until_somebody_says_why(region):
    first = make_draw(MONTH, NIGHT)
    before = (first.folder / "draw.json").read_bytes()
    with builder() as connection:
        connection.execute("delete from marts.dim_community where community_id = 'c0001'")
    with pytest.raises(SupervisionError, match="--supersede"):
        make_draw(MONTH, NIGHT)
    assert (first.folder / "draw.json").read_bytes() == before
    again = make_draw(MONTH, NIGHT, supersede="小区已灭失")
    with connect("pc_supervision") as connection:
        assert connection.execute(
            "select draw_id, version_no, supersedes_draw_id, supersede_reason from supervision.current_draws"
        ).fetchall() == [(again.draw_id, 2, first.draw_id, "小区已灭失")]
    make_draw(date(2026, 12, 1), NIGHT + timedelta(days=25))
    with pytest.raises(SupervisionError, match="2026-12 is drawn already"):
        make_draw(MONTH, NIGHT, seed="other", supersede="again")
    with pytest.raises(SupervisionError, match="2026-11 is drawn already"):
        make_draw(date(2026, 10, 1), NIGHT)


def test_next_month__goes_on_from_the_accounts_and_knows_who_was_drawn(region):
    make_draw(MONTH, NIGHT)
    make_draw(date(2026, 12, 1), NIGHT + timedelta(days=25))
    folder = region / "2026-12"
    checks = draw_files.verify(folder / "frame.json", folder / "draw.json", region / "2026-11/draw.json")
    assert [check.is_met for check in checks] == [True] * 5
    drawn = [row for row in json.loads((folder / "frame.json").read_text())["communities"] if row["drawn"]]
    made = json.loads((region / "2026-11/draw.json").read_text())
    assert {row["community_id"] for row in drawn} == {visit["community_id"] for visit in made["visits"]}


def test_month__that_was_not_drawn__is_made_up_for_by_the_next(region):
    one_month = make_draw(MONTH, NIGHT, seed="s").counts["checks_drawn"]
    later = make_draw(date(2027, 1, 1), NIGHT + timedelta(days=56), seed="t")
    frame = json.loads((later.folder / draw_files.FRAME).read_text())
    made = json.loads((region / "2026-11/draw.json").read_text())
    assert frame["accrued_months"] == 2 and frame["accounts"] == made["accounts"]
    assert later.counts["checks_drawn"] > 1.5 * one_month
    assert not any(row["drawn"] for row in frame["communities"])  # another year has begun


def test_seed__committed_before_the_list__says_so_and_the_first_one_cannot(region):
    first = make_draw(MONTH, NIGHT)
    assert first.is_committed_before_list is False
    publish_night(NIGHT + timedelta(days=25), **{uscc(1): {"grade": "B"}})
    december = make_draw(date(2026, 12, 1), NIGHT + timedelta(days=25))
    assert december.is_committed_before_list is True
    promised = json.loads((first.folder / draw_files.ANNOUNCEMENT).read_text())["next_month_commitment_sha256"]
    kept = json.loads((december.folder / draw_files.DRAW).read_text())["seed_basis"]
    assert kept["commitment_sha256"] == promised == draw_seed._sha256(kept["secret"])
    assert kept["secret"] not in (december.folder / draw_files.ANNOUNCEMENT).read_text()


def test_seed__whose_file_is_lost__is_an_error_that_says_what_to_do(region):
    with connect("pc_supervision") as connection:
        draw_seed.commit(connection, MONTH)
    (region / "keys/draws/2026-11.secret").unlink()
    with pytest.raises(SupervisionError, match="restore KEYS_DIR"):
        make_draw(MONTH, NIGHT)
    assert make_draw(MONTH, NIGHT, seed="双色球 2026131: 03 07 11").is_new


def test_draw__before_anything_is_published__says_so(warehouse_database):
    with pytest.raises(SupervisionError, match="publish a night first"):
        make_draw(MONTH, NIGHT)


def test_inspectors__that_do_not_suffice__are_told_to_the_city_once(region):
    with builder() as connection:
        connection.execute("delete from marts.mart_supervision__inspectors where authority_code = 'fire'")
    report = make_draw(MONTH, NIGHT)
    make_draw(MONTH, NIGHT)
    with connect("pc_supervision") as connection:
        rows = connection.execute("select level_code, region_code, body from supervision.notices").fetchall()
    assert len(rows) == report.counts["visits_short_of_inspectors"] > 0
    assert {row[:2] for row in rows} == {("city", "150200")} and all(row[2]["short"] == {"fire": 2} for row in rows)


def test_step__on_the_first_night_from_the_25th__draws_once(region):
    built(date(2026, 11, 24))
    draw_inspections(date(2026, 11, 24))
    publish_night(date(2026, 11, 26))
    draw_inspections(date(2026, 11, 25))  # the marts are of another night
    assert newest_month() is None
    built(date(2026, 11, 26))
    draw_inspections(date(2026, 11, 26))
    draw_inspections(date(2026, 11, 27))
    draw_inspections(date(2026, 10, 26))  # a night that is made up for later draws no month before
    with connect("pc_supervision") as connection:
        draws = connection.execute("select month, business_date from supervision.draws").fetchall()
    assert draws == [(date(2026, 12, 1), date(2026, 11, 26))]


def test_roles__nobody_rewrites_a_draw_and_the_pages_see_no_seed(region):
    make_draw(MONTH, NIGHT)
    for role, statement in (
        ("pc_supervision", "update supervision.draws set seed = 'x'"),
        ("pc_supervision", "delete from supervision.draw_visits"),
        ("pc_pages", "select seed from supervision.draws"),
        ("pc_pages", "select 1 from supervision.draw_visits"),
        ("pc_scoring", "select 1 from supervision.draws"),
    ):
        with connect(role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement)


def test_command__draws_verifies_and_turns_red(region):
    runner = CliRunner()
    assert runner.invoke(app, ["draw", "--month", "2026-11"]).exit_code == 2  # the marts are of no night
    built(NIGHT)
    made = runner.invoke(app, ["draw", "--month", "2026-11", "--seed", "7"])
    assert made.exit_code == 0 and "visits saved by merging" in made.output
    files = [str(region / "2026-11" / name) for name in ("frame.json", "draw.json")]
    assert runner.invoke(app, ["draw", "verify", *files]).exit_code == 0
    spoilt = json.loads((region / "2026-11/draw.json").read_text())
    spoilt["visits"].pop()
    (region / "2026-11/draw.json").write_text(json.dumps(spoilt))
    assert runner.invoke(app, ["draw", "verify", *files]).exit_code == 1
    assert runner.invoke(app, ["draw", "verify", files[1], files[0]]).exit_code == 2
    assert runner.invoke(app, ["draw", "--month", "2026-11", "--seed", "8"]).exit_code == 2
