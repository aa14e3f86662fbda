"""Every expectation on score inputs, grades and alerts turns red on its own planted violation."""

import shutil
from datetime import date

import pytest
from own_warehouse import builder, copied_database, use_warehouse

from property_credit.gates import checking, context, gates, suites
from property_credit.warehouse.connection import connect, parameters
from property_credit.warehouse.task_runs import StoppedByGate

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
  is_stale boolean, is_scored boolean default true);
create table marts.fct_inspection_lines (inspection_id text, line_type_code text, uscc text, community_id text,
  inspected_on date, inspection_type_code text, failed_item_count int);
create table marts.fct_complaints (complaint_id text, uscc text, channel_code text, responsible_party_code text,
  status_code text, submitted_on date);
insert into marts.fct_complaints
  select 'C' || number, (%(codes)s::text[])[1 + number %% 3], 'mashangban', 'property', 'closed', '2026-10-01'
  from generate_series(1, 120) as series (number);
create table marts.mart_scoring__offices (region_code text, due_count bigint, undetermined_count bigint,
  property_count bigint, without_finding_count bigint);
insert into marts.fct_inspection_lines
  select 'J' || number, 'summary', (%(codes)s::text[])[1], 'C' || number, '2026-10-01', 'routine', 0
  from generate_series(1, 20) as series (number);
insert into marts.mart_scoring__offices values ('150203', 100, 25, 60, 15), ('150204', 29, 29, 29, 29);
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
  from unnest('{enterprises,communities,contracts,complaints}'::text[]) as feed;
create table marts.mart_supervision__alert_candidates (alert_id text, evidence jsonb, is_raisable boolean);
insert into marts.mart_supervision__alert_candidates
  select 'idle/' || number, '[{"feed": "funds", "ids": ["L1"]}]', true from generate_series(1, 10) as number
"""
GRADES = """
insert into scoring.methods
  values ('2026.1', 'x', '{"indicators": {"M01": {"feeds": ["complaints"]}}, "bonus_max_points": "3",
    "grades": [{"code": "AA"}, {"code": "A"}, {"code": "B"}],
    "pillars": {"public": {"points": "50"}, "market": {"points": "50"}}}', '2026-10-31');
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
insert into scoring.indicator_points (run_id, method_version, input_sha256, uscc, indicator_code, is_available,
    points, max_points, reason_zh, reason_en)
  select 'r0', '2026.1', 'x', uscc, 'M01', true, 3, 4, '', '' from scoring.indicator_points;
insert into supervision.alerts (alert_id, kind_code, severity_code, evidence, first_seen_on, last_seen_on, raised_at)
  select alert_id, 'idle', 'minor', evidence, '2026-10-30', '2026-10-30', now()
  from marts.mart_supervision__alert_candidates;
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
    "clean_visits_do_not_come_in_batches": """insert into marts.fct_inspection_lines
        select 'P' || number, 'summary', %(first)s, 'C1', '2026-09-30', 'routine', 0
        from generate_series(1, 60) as series (number)""",
    "offices_find_whether_a_complaint_is_true": """update marts.mart_scoring__offices
        set without_finding_count = 16 where region_code = '150203'""",
    "offices_find_whose_a_complaint_is": """update marts.mart_scoring__offices set undetermined_count = 26
        where region_code = '150203'""",
    "filings_use_the_channels_of_others": """update marts.fct_complaints set channel_code = 'letter'
        where uscc = %(first)s and complaint_id < 'C5'""",
    "filings_find_whose_they_are": """update marts.fct_complaints set responsible_party_code = null
        where uscc = %(first)s and complaint_id < 'C2'""",
    "core_feeds_are_available": "update marts.mart_scoring__feeds set is_available = false where feed = 'contracts'",
}
BROKEN_GRADES = {
    "grades_exist": "delete from scoring.grades",
    "grades_are_on_the_scale": "update scoring.grades set grade = 'AAA' where uscc = %(first)s",
    "grades_agree_with_their_status": "update scoring.grades set grade = null where uscc = %(first)s",
    "grades_scores_are_not_negative": "update scoring.grades set score = -1 where uscc = %(first)s",
    "grades_scores_stay_below_the_most": "update scoring.grades set score = 103.5 where uscc = %(first)s",
    "grades_public_pct_in_range": "update scoring.grades set public_pct = 101 where uscc = %(first)s",
    "grades_market_pct_in_range": "update scoring.grades set market_pct = -1 where uscc = %(first)s",
    "grades_certainty_in_range": "update scoring.grades set certainty_ratio = 1.5 where uscc = %(first)s",
    "points_are_not_negative": "update scoring.indicator_points set points = -1 where uscc = %(first)s",
    "points_stay_below_their_maximum": "update scoring.indicator_points set points = 4.1 where uscc = %(first)s",
    "share_not_rated_is_possible": """update scoring.grades set grade = null, status_code = 'not_rated'
        where uscc > %(fifth)s""",
    "share_of_best_is_possible": "update scoring.grades set grade = 'AA' where uscc > %(fifth)s",
    "share_of_last_is_possible": "update scoring.grades set grade = 'B'",
    "share_of_commonest_is_usual": """update scoring.grades set grade = 'A' where uscc > %(fifth)s;
        delete from publishing.grade_versions""",
    "churn_nobody_vanishes": """update publishing.grade_versions set uscc = 'gone' || uscc where uscc <= %(fifth)s""",
    "churn_is_possible": "update scoring.grades set grade = 'A' where uscc <= %(tenth)s",
    "moves_of_one_night_are_usual": "update scoring.grades set grade = 'A' where run_id = 'r1' and uscc <= %(fifth)s",
    "movers_do_not_fall_two_grades": """update scoring.grades set grade = 'B'
        where run_id = 'r1' and grade = 'AA' and uscc <= %(fifth)s""",
}


def _deliver(feed):
    return f"""insert into ops.batches (batch_id, feed, source_profile, source_file, archive_path, content_sha256,
        content_bytes, business_date, received_at, status, rows_in, rows_accepted, rows_rejected, rows_duplicate)
        values ('b1', '{feed}', 'hand', 'hand.csv', 'x', 'x', 1, '2026-10-31', now() + interval '1 hour', 'loaded',
        1, 1, 0, 0)"""


BROKEN_GRADES |= {
    "moves_of_one_night_are_usual": ";\n".join(  # with a delivery behind them: only then they are a warning
        (
            BROKEN_GRADES["moves_of_one_night_are_usual"],
            "update scoring.indicator_points set points = 2 where run_id = 'r1' and uscc <= %(fifth)s",
            _deliver("complaints"),
        )
    ),
    "causes_moves_are_possible_in_one_night": """update scoring.grades set grade = 'A'
        where run_id = 'r1' and uscc <= %(tenth)s""",
    "causes_moves_have_evidence": "update scoring.grades set grade = 'A' where run_id = 'r1' and uscc <= %(fifth)s",
    "causes_zeros_do_not_jump": """update scoring.indicator_points set points = 0
        where run_id = 'r1' and uscc <= %(tenth)s""",
    "causes_indicators_do_not_fall_without_evidence": """update scoring.indicator_points set points = 2
        where run_id = 'r1' and uscc <= %(tenth)s""",
    "falls_have_evidence": "update scoring.indicator_points set points = 0.5 where run_id = 'r1' and uscc = %(first)s",
}
MORE_ALERTS = """insert into marts.mart_supervision__alert_candidates
    select 'new/' || number, '[{"feed": "funds", "ids": ["L2"]}]', true from generate_series(1, %s) as number"""
BROKEN_ALERTS = {"alerts_do_not_flood": MORE_ALERTS % 300, "alerts_have_evidence": MORE_ALERTS % 30}
PARAMETERS = {"codes": CODES, "first": CODES[0], "fifth": CODES[4], "tenth": CODES[9]}


@pytest.fixture(scope="module")
def gate_database(migrated_template):
    """One warehouse for the module, with hand-made marts and grades in which nothing is wrong."""
    with copied_database(migrated_template) as name, pytest.MonkeyPatch.context() as patch:
        use_warehouse(patch, name)
        with builder() as connection:
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
            if word.split(".")[0] in ("marts", "scoring", "publishing", "ops")
        }
        with connect() as connection:
            connection.execute("set session_replication_role = replica")  # a violation may break a foreign key too
            for table in sorted(tables - kept.keys()):  # as it was before the first violation
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


def _failed(gate):
    with connect("pc_gatekeeper") as connection:
        (results,) = connection.execute("select results from ops.gate_results where door = %s", (gate,)).fetchone()
    return {one["name"]: one for one in results if not one["is_success"]}


def test_suites__every_expectation__has_a_violation_in_this_file():
    assert set(BROKEN_INPUTS) == set(_names("input_gate"))
    assert set(BROKEN_GRADES) == set(_names("grade_gate"))
    assert set(BROKEN_ALERTS) == set(_names("alert_gate"))


def test_score_inputs_and_grades__healthy__pass(gate_database):
    gates.check_score_inputs(NIGHT)
    gates.check_grades("r1", NIGHT)
    assert not _failed(2) and not _failed(3)


@pytest.mark.parametrize("name", BROKEN_INPUTS)
def test_score_inputs__violation_planted__turns_red(planted, name):
    planted(BROKEN_INPUTS[name])
    if _names("input_gate")[name] == "critical":
        with pytest.raises(StoppedByGate, match=name):
            gates.check_score_inputs(NIGHT)
    else:
        gates.check_score_inputs(NIGHT)
    assert name in _failed(2)


def test_score_inputs__code_that_only_the_methods_file_counts__stops_until_the_method_has_it(planted):
    planted(
        "update marts.mart_scoring__indicator_counts set indicator_code = 'X01', numerator = -1"
        " where indicator_code = 'P02'"
    )
    with pytest.raises(StoppedByGate, match="indicator_codes_are_of_the_method"):
        gates.check_score_inputs(NIGHT)
    own = """'{"indicators": {"X01": {"measure": {"kind": "trend"}}}}'"""
    planted(f"update scoring.methods set document = {own} where method_version = '2026.1'")
    gates.check_score_inputs(NIGHT)
    assert not _failed(2)


@pytest.mark.parametrize("name", BROKEN_GRADES)
def test_grades__violation_planted__turns_red(planted, name):
    planted(BROKEN_GRADES[name])
    if _names("grade_gate")[name] == "critical":
        with pytest.raises(StoppedByGate, match=name):
            gates.check_grades("r1", NIGHT)
    else:
        gates.check_grades("r1", NIGHT)
    assert name in _failed(3)


def test_grades__a_method_with_another_scale__is_judged_by_its_own(planted):
    planted("update scoring.grades set grade = 'AAA' where grade = 'AA'")
    planted("update publishing.grade_versions set grade = 'AAA' where grade = 'AA'")
    with pytest.raises(StoppedByGate, match="grades_are_on_the_scale"):
        gates.check_grades("r1", NIGHT)
    scale = """'[{"code": "AAA"}, {"code": "A"}, {"code": "B"}]'"""
    planted(f"update scoring.methods set document = jsonb_set(document, '{{grades}}', {scale})")
    gates.check_grades("r1", NIGHT)
    assert not {"grades_are_on_the_scale", "share_of_best_is_possible"} & _failed(3).keys()
    planted("update scoring.grades set grade = 'AAA' where uscc > %(fifth)s")
    with pytest.raises(StoppedByGate, match="share_of_best_is_possible"):
        gates.check_grades("r1", NIGHT)


@pytest.mark.parametrize("name", BROKEN_ALERTS)
def test_alerts__more_than_can_be_without_a_delivery__are_not_raised(planted, name):
    gates.check_alerts(NIGHT)
    planted(BROKEN_ALERTS[name])
    with pytest.raises(StoppedByGate, match=name):
        gates.check_alerts(NIGHT)


@pytest.mark.parametrize("name", ["causes_moves_have_evidence", "causes_indicators_do_not_fall_without_evidence"])
def test_grades__what_moves_has_a_delivery_behind_it__passes_and_another_feeds_does_not_count(planted, name):
    moves = ";\nupdate scoring.indicator_points set points = 2 where run_id = 'r1' and uscc <= %(tenth)s"
    planted(BROKEN_GRADES["causes_moves_have_evidence"] + moves)
    planted(_deliver("surveys"))
    with pytest.raises(StoppedByGate, match=name):
        gates.check_grades("r1", NIGHT)
    with connect() as connection:
        connection.execute("update ops.batches set feed = 'complaints'")
    gates.check_grades("r1", NIGHT)


def test_alerts__a_delivery_behind_them__are_raised(planted):
    planted(BROKEN_ALERTS["alerts_have_evidence"])
    planted(_deliver("funds"))
    gates.check_alerts(NIGHT)


def test_score_inputs__one_bad_row__is_named(planted):
    planted(BROKEN_INPUTS["indicator_numerators_are_known"])
    with pytest.raises(StoppedByGate, match=CODES[0]):
        gates.check_score_inputs(NIGHT)
    row = _failed(2)["indicator_numerators_are_known"]["rows"][0]
    assert row["uscc"] == CODES[0] and row["indicator_code"] in ("M01", "M04", "P02")


def test_score_inputs__a_column_is_gone__stops_instead_of_passing(gate_database):
    with builder() as connection:
        connection.execute("alter table marts.mart_scoring__feeds rename column is_stale to staleness")
    try:
        with pytest.raises(Exception, match="is_stale"):
            gates.check_score_inputs(NIGHT)
    finally:
        with builder() as connection:
            connection.execute("alter table marts.mart_scoring__feeds rename column staleness to is_stale")


def test_gate__same_findings_again__leave_the_same_record(gate_database):
    def record():
        with connect("pc_gatekeeper") as connection:
            return connection.execute("select * from ops.gate_results where door = 2").fetchall()

    gates.check_score_inputs(NIGHT)
    first = record()
    gates.check_score_inputs(NIGHT)
    assert record() == first


def test_context__of_great_expectations__misses_what_the_gate_misses_and_knows_what_is_added_to_a_suite(
    planted, monkeypatch, tmp_path
):
    planted("update marts.mart_scoring__enterprises set service_months = -1")
    suite = tmp_path / "suites"
    shutil.copytree(suites.FOLDER, suite)
    added = """    expectations:
      - name: enterprises_have_a_region
        type: expect_column_values_to_be_in_set
        arguments: {column: region_code, value_set: ["150203"]}
        severity: warning
        zh: 登记地
        en: where they are registered
        why: "2026-12: an expectation that an engineer adds"
"""
    text = (suite / "input_gate.yml").read_text("utf-8").replace("    expectations:\n", added, 1)
    (suite / "input_gate.yml").write_text(text, encoding="utf-8")
    monkeypatch.setattr(suites, "FOLDER", suite)
    suites.load.cache_clear()
    monkeypatch.setenv(context.ADDRESS, checking.url(parameters("pc_gatekeeper")))
    places = {"business_date": str(NIGHT), "method_version": "2026.1", "run_id": "r1"}
    context.write(tmp_path / "made", docs=tmp_path / "docs", parameters=places)
    try:
        with pytest.raises(StoppedByGate, match="enterprises_service_months_in_range"):
            gates.check_score_inputs(NIGHT)
    finally:
        suites.load.cache_clear()
    missed = {(one.name, one.severity) for one in context.run(tmp_path / "made", "input_gate")}
    assert missed == {("enterprises_service_months_in_range", "critical"), ("enterprises_have_a_region", "warning")}
    assert "enterprises_have_a_region" in _failed(2)  # and the gate's own page
    assert (tmp_path / "docs" / "index.html").is_file()
    pages = [path.read_text("utf-8") for path in (tmp_path / "docs" / "validations").rglob("*.html")]
    assert any("登记地" in text for text in pages)
    kept = "".join(path.read_text("utf-8") for path in (tmp_path / "made").rglob("*.yml"))
    assert "pc_gatekeeper" not in kept and "input_gate" in str(list((tmp_path / "made").rglob("checkpoints/*")))
    with pytest.raises(
        suites.SuiteError, match="there is no checkpoint batch_gate: alert_gate, grade_gate, input_gate"
    ):
        context.run(tmp_path / "made", "batch_gate")


def test_gate__password_with_blanks_and_signs__is_what_the_server_is_told():
    from sqlalchemy import make_url

    told = {"host": "h", "port": "5433", "user": "pc_gatekeeper", "password": "it's \\ $a @:/% ok", "dbname": "d b"}
    url = make_url(checking.url(told))
    assert {"user": url.username, "password": url.password, "dbname": url.database} == {
        name: told[name] for name in ("user", "password", "dbname")
    }
    assert (url.host, url.port) == ("h", 5433)


def test_gate__login_with_a_password_of_blanks_and_signs__asks_the_tables(gate_database, monkeypatch):
    login = parameters("pc_gatekeeper") | {"password": "it's \\ $a @:/% ok"}
    monkeypatch.setattr(gates, "parameters", lambda role: login)
    gates.check_score_inputs(NIGHT)  # raises when it cannot ask
