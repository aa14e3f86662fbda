"""Doors 2 and 3: every expectation on the score inputs and on the grades turns red on its own planted violation."""

from datetime import date

import pytest
from own_warehouse import copied_database, use_warehouse

from expectations import gates, suites
from warehouse.connection import connect, parameters
from warehouse.stages import StoppedByGate

NIGHT = date(2026, 10, 31)
CODES = [f"91150202MA0N{number:06d}" for number in range(1, 31)]

MARTS = """
create table marts.mart_scoring__enterprises (uscc text, enterprise_name text, service_months numeric,
  household_months numeric, protected_household_months_ratio numeric, inspection_count int, survey_response_count int,
  project_count int, region_code text);
create table marts.mart_scoring__indicator_counts (uscc text, indicator_code text, stratum_code text,
  window_months int, numerator numeric, denominator numeric);
create table marts.mart_scoring__caps (uscc text, cap_code text, evidence_id text, starts_on date, ends_on date,
  basis text, authority_name text, decision_no text);
create table marts.mart_scoring__stratum_months (stratum_code text, month date, complaint_count int,
  household_months numeric);
create table marts.mart_scoring__feeds (feed text, is_available boolean, latest_known_on date, latest_event_on date,
  is_stale boolean);
insert into marts.mart_scoring__enterprises
  select code, '企业', 24, 50000, 0, 3, 40, 5, '150202' from unnest(%(codes)s::text[]) as code;
insert into marts.mart_scoring__indicator_counts
  select code, indicator, stratum, 12, 9, 10 from unnest(%(codes)s::text[]) as code,
  (values ('M04', 'commercial|lt10|lift'), ('M01', 'all'), ('P02', 'all')) as indicators (indicator, stratum);
insert into marts.mart_scoring__caps
  select (%(codes)s::text[])[1], 'V1', 'e1', '2026-01-01', null, '依据', '机关', '1号';
insert into marts.mart_scoring__stratum_months values ('commercial|lt10|lift', '2026-10-01', 10, 5000);
insert into marts.mart_scoring__feeds
  select feed, true, '2026-10-31', '2026-10-31', false
  from unnest('{enterprises,communities,contracts,complaints}'::text[]) as feed
"""
GRADES = """
insert into scoring.methods values ('2026.1', 'x', '{}', '2026-10-31');
insert into scoring.fits values ('f1', '2026.1', '2026-10-31', 'x', '{}');
insert into scoring.runs values ('r0', '2026-10-30', '2026.1', 'f1', 'x', 30, now()),
  ('r1', '2026-10-31', '2026.1', 'f1', 'x', 30, now());
insert into scoring.grades (run_id, method_version, input_sha256, business_date, uscc, enterprise_name, grade,
    status_code, score, public_pct, market_pct, bonus_points, certainty_ratio, is_key_supervision)
  select 'r1', '2026.1', 'x', '2026-10-31', code, '企业', (array['AA','A','B'])[1 + number %% 3], 'rated',
    80, 80, 80, 0, 0.9, false
  from unnest(%(codes)s::text[]) with ordinality as codes (code, number);
insert into scoring.indicator_points (run_id, method_version, input_sha256, uscc, indicator_code, is_available,
    points, max_points, reason_zh, reason_en)
  select 'r1', '2026.1', 'x', code, 'M01', true, 3, 4, '', '' from unnest(%(codes)s::text[]) as code;
insert into publishing.publications values (1, 'r0', '2026-10-30', '2026.1', 30, now());
insert into publishing.grade_versions
  select uscc, 1, 1, enterprise_name, grade, status_code, '2026.1', '2026-10-30', false, '{}', 'r0' from scoring.grades;
insert into scoring.grades (run_id, method_version, input_sha256, business_date, uscc, enterprise_name, grade,
    status_code, score, public_pct, market_pct, bonus_points, certainty_ratio, is_key_supervision)
  select 'r0', '2026.1', 'x', '2026-10-30', uscc, '企业', grade, 'rated', 80, 80, 80, 0, 0.9, false from scoring.grades
"""

BROKEN_INPUTS = {
    "enterprises_exist": "delete from marts.mart_scoring__enterprises",
    "enterprises_are_unique": """insert into marts.mart_scoring__enterprises
        select * from marts.mart_scoring__enterprises limit 1""",
    "enterprises_have_a_code": "update marts.mart_scoring__enterprises set uscc = '9115' where uscc = %(first)s",
    "enterprises_service_months_in_range": "update marts.mart_scoring__enterprises set service_months = -1",
    "enterprises_household_months_in_range": "update marts.mart_scoring__enterprises set household_months = 2e7",
    "enterprises_protected_ratio_in_range": """update marts.mart_scoring__enterprises
        set protected_household_months_ratio = 1.2""",
    "enterprises_counts_are_not_negative": "update marts.mart_scoring__enterprises set inspection_count = -1",
    "enterprises_do_not_vanish": "delete from marts.mart_scoring__enterprises where uscc > %(tenth)s",
    "indicator_counts_exist": "delete from marts.mart_scoring__indicator_counts",
    "indicator_counts_are_unique": """insert into marts.mart_scoring__indicator_counts
        select * from marts.mart_scoring__indicator_counts limit 1""",
    "indicator_numerators_are_known": """update marts.mart_scoring__indicator_counts set numerator = null
        where uscc = %(first)s""",
    "indicator_denominators_are_known": """update marts.mart_scoring__indicator_counts set denominator = null
        where uscc = %(first)s""",
    "indicator_numerators_in_range": "update marts.mart_scoring__indicator_counts set numerator = -1",
    "indicator_denominators_in_range": "update marts.mart_scoring__indicator_counts set denominator = -1",
    "indicator_codes_are_of_the_method": """update marts.mart_scoring__indicator_counts set indicator_code = 'P99'
        where indicator_code = 'P02'""",
    "indicator_strata_are_well_formed": """update marts.mart_scoring__indicator_counts set stratum_code = 'old|lift'
        where indicator_code = 'M04'""",
    "indicator_shares_in_range": """update marts.mart_scoring__indicator_counts set numerator = 11
        where uscc = %(first)s""",
    "serving_enterprises_are_covered": """delete from marts.mart_scoring__indicator_counts
        where uscc <= %(tenth)s and indicator_code = 'M04'""",
    "caps_are_of_the_method": "update marts.mart_scoring__caps set cap_code = 'V99'",
    "caps_start_is_known": "update marts.mart_scoring__caps set starts_on = null",
    "statutory_vetoes_have_a_basis": "update marts.mart_scoring__caps set basis = ' '",
    "statutory_vetoes_have_an_authority": "update marts.mart_scoring__caps set authority_name = null",
    "stratum_exposure_in_range": "update marts.mart_scoring__stratum_months set household_months = -1",
    "stratum_complaints_in_range": "update marts.mart_scoring__stratum_months set complaint_count = -1",
    "feeds_are_fresh": "update marts.mart_scoring__feeds set is_stale = true where feed = 'complaints'",
    "core_feeds_are_available": "update marts.mart_scoring__feeds set is_available = false where feed = 'contracts'",
}
BROKEN_GRADES = {
    "grades_exist": "delete from scoring.grades",
    "grades_are_on_the_scale": "update scoring.grades set grade = 'AAA' where uscc = %(first)s",
    "grades_agree_with_their_status": "update scoring.grades set grade = null where uscc = %(first)s",
    "grades_scores_in_range": "update scoring.grades set score = 104 where uscc = %(first)s",
    "grades_public_pct_in_range": "update scoring.grades set public_pct = 101 where uscc = %(first)s",
    "grades_market_pct_in_range": "update scoring.grades set market_pct = -1 where uscc = %(first)s",
    "grades_certainty_in_range": "update scoring.grades set certainty_ratio = 1.5 where uscc = %(first)s",
    "points_are_not_negative": "update scoring.indicator_points set points = -1 where uscc = %(first)s",
    "points_stay_below_their_maximum": "update scoring.indicator_points set points = 4.1 where uscc = %(first)s",
    "share_not_rated_is_possible": """update scoring.grades set grade = null, status_code = 'not_rated'
        where uscc > %(fifth)s""",
    "share_of_aa_is_possible": "update scoring.grades set grade = 'AA' where uscc > %(fifth)s",
    "share_of_b_is_possible": "update scoring.grades set grade = 'B'",
    "share_of_commonest_is_usual": """update scoring.grades set grade = 'A' where uscc > %(fifth)s;
        delete from publishing.grade_versions""",
    "churn_nobody_vanishes": """update publishing.grade_versions set uscc = 'gone' || uscc where uscc <= %(fifth)s""",
    "churn_is_possible": "update scoring.grades set grade = 'A' where uscc <= %(tenth)s",
    "moves_of_one_night_are_usual": "update scoring.grades set grade = 'A' where run_id = 'r1' and uscc <= %(fifth)s",
    "movers_do_not_fall_two_grades": """update scoring.grades set grade = 'B'
        where run_id = 'r1' and grade = 'AA' and uscc <= %(fifth)s""",
}
PARAMETERS = {"codes": CODES, "first": CODES[0], "fifth": CODES[4], "tenth": CODES[9]}


@pytest.fixture(scope="module")
def gate_database(migrated_template):
    """One warehouse for the module, with hand-made marts and grades in which nothing is wrong."""
    with copied_database(migrated_template) as name, pytest.MonkeyPatch.context() as patch:
        use_warehouse(patch, name)
        with connect("pc_dbt") as connection:
            _run(connection, MARTS)
        with connect() as connection:
            _run(connection, GRADES)
        yield name


def _run(connection, statements):
    for statement in statements.split(";\n"):
        connection.execute(statement, PARAMETERS)


@pytest.fixture
def planted(gate_database):
    """Plant a violation for one test and take it away again: every touched table is put back as it was."""
    kept = {}

    def plant(statement):
        tables = {
            word
            for word in statement.replace(";", "").split()
            if word.split(".")[0] in ("marts", "scoring", "publishing")
        }
        with connect() as connection:
            connection.execute("set session_replication_role = replica")  # a violation may break a foreign key too
            for table in tables:
                connection.execute(f"create table public.kept_{len(kept)} as table {table}")
                kept[table] = f"public.kept_{len(kept)}"
            _run(connection, statement)

    yield plant
    with connect() as connection:
        connection.execute("set session_replication_role = replica")
        for table, copy in kept.items():
            connection.execute(f"delete from {table}")
            connection.execute(f"insert into {table} select * from {copy}")
            connection.execute(f"drop table {copy}")


def _names(suite):
    return {one.name: one.severity for subject in suites.load(suite).subjects for one in subject.expectations}


def _failed(door):
    with connect("pc_gatekeeper") as connection:
        (results,) = connection.execute("select results from ops.gate_results where door = %s", (door,)).fetchone()
    return {one["name"]: one for one in results if not one["is_success"]}


def test_suites__every_expectation__has_a_violation_in_this_file():
    assert set(BROKEN_INPUTS) == set(_names("door2_score_inputs"))
    assert set(BROKEN_GRADES) == set(_names("door3_grades"))


def test_score_inputs_and_grades__healthy__pass(gate_database):
    gates.check_score_inputs(NIGHT)
    gates.check_grades("r1", NIGHT)
    assert not _failed(2) and not _failed(3)


@pytest.mark.parametrize("name", BROKEN_INPUTS)
def test_score_inputs__violation_planted__turns_red(planted, name):
    planted(BROKEN_INPUTS[name])
    if _names("door2_score_inputs")[name] == "critical":
        with pytest.raises(StoppedByGate, match=name):
            gates.check_score_inputs(NIGHT)
    else:
        gates.check_score_inputs(NIGHT)
    assert name in _failed(2)


@pytest.mark.parametrize("name", BROKEN_GRADES)
def test_grades__violation_planted__turns_red(planted, name):
    planted(BROKEN_GRADES[name])
    if _names("door3_grades")[name] == "critical":
        with pytest.raises(StoppedByGate, match=name):
            gates.check_grades("r1", NIGHT)
    else:
        gates.check_grades("r1", NIGHT)
    assert name in _failed(3)


def test_score_inputs__one_bad_row__is_named(planted):
    planted(BROKEN_INPUTS["indicator_numerators_are_known"])
    with pytest.raises(StoppedByGate, match=CODES[0]):
        gates.check_score_inputs(NIGHT)
    row = _failed(2)["indicator_numerators_are_known"]["rows"][0]
    assert row["uscc"] == CODES[0] and row["indicator_code"] in ("M01", "M04", "P02")


def test_score_inputs__a_column_is_gone__stops_instead_of_passing(gate_database):
    with connect("pc_dbt") as connection:
        connection.execute("alter table marts.mart_scoring__feeds rename column is_stale to staleness")
    try:
        with pytest.raises(Exception, match="is_stale"):
            gates.check_score_inputs(NIGHT)
    finally:
        with connect("pc_dbt") as connection:
            connection.execute("alter table marts.mart_scoring__feeds rename column staleness to is_stale")


def test_gate__same_findings_again__leave_the_same_record(gate_database):
    def record():
        with connect("pc_gatekeeper") as connection:
            return connection.execute("select * from ops.gate_results where door = 2").fetchall()

    gates.check_score_inputs(NIGHT)
    first = record()
    gates.check_score_inputs(NIGHT)
    assert record() == first


def test_gate__password_with_blanks_and_signs__is_what_the_server_is_told():
    from sqlalchemy import make_url

    from expectations.checking import _url

    told = {"host": "h", "port": "5433", "user": "pc_gatekeeper", "password": "it's \\ $a @:/% ok", "dbname": "d b"}
    found = make_url(_url(told))
    assert {"user": found.username, "password": found.password, "dbname": found.database} == {
        name: told[name] for name in ("user", "password", "dbname")
    }
    assert (found.host, found.port) == ("h", 5433)


def test_gate__login_with_a_password_of_blanks_and_signs__asks_the_tables(gate_database, monkeypatch):
    found = parameters("pc_gatekeeper") | {"password": "it's \\ $a @:/% ok"}
    monkeypatch.setattr(gates, "parameters", lambda role: found)
    gates.check_score_inputs(NIGHT)  # raises when it cannot ask
