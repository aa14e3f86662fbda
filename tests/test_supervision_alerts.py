"""The register of alerts: raised and told once, following its rows, decided by people, never rewritten."""

import doctest
import json
import re
from datetime import date, timedelta

import psycopg
import pytest
from own_warehouse import builder, register_build
from typer.testing import CliRunner

from property_credit.cli.main import app
from property_credit.supervision import evaluation
from property_credit.supervision.alerts import PLATFORM, raise_alerts
from property_credit.supervision.decisions import alert, alerts, decide
from property_credit.supervision.divisions import prefix
from property_credit.supervision.errors import SupervisionError
from property_credit.warehouse.connection import connect
from property_credit.warehouse.transformation import PROJECT_DIR

NIGHT = date(2026, 10, 31)
SPLIT = "split_payments/150203-0001/2026-09-01"
FIRM = "91150200MA00000001"


@pytest.fixture
def candidates(warehouse_database):
    """Set what the marts call for on a night; gives the function that does."""
    with builder() as connection:
        connection.execute(
            """
            create table marts.mart_supervision__alert_candidates (alert_id text, kind_code text, label_zh text,
              label_en text, severity_code text, level_code text, decide_within_days integer, uscc text,
              community_id text, community_name text,
              region_code text, account_no text, first_on date, amount_cny numeric(18,2), evidence jsonb,
              is_raisable boolean)
            """
        )
    register_build(NIGHT)

    def set_to(*alert_ids, amount="1000.00", is_raisable=True, level="district"):
        with builder() as connection:
            connection.execute("truncate marts.mart_supervision__alert_candidates")
            for alert_id in alert_ids:
                connection.execute(
                    "insert into marts.mart_supervision__alert_candidates values (%s, %s, '拆分支付', 'split payments',"
                    " 'serious', %s, 15, %s, '150203-0001', '馨苑', '150203', '6217', '2026-09-01', %s,"
                    ' \'[{"feed": "funds", "ids": ["LS1"]}]\', %s)',
                    (alert_id, alert_id.split("/")[0], level, FIRM, amount, is_raisable),
                )

    return set_to


def notices():
    with connect("pc_supervision") as connection:
        return connection.execute(
            "select notice_id, level_code, region_code, business_date from supervision.notices order by 1"
        ).fetchall()


def state_of(alert_id):
    return alert(alert_id)["state_code"]


def test_raise__a_new_alert__is_told_once_however_often_the_night_runs(candidates):
    candidates(SPLIT)
    assert raise_alerts(NIGHT).raised == 1
    again = raise_alerts(NIGHT)
    assert not again.is_new and again.open == 1
    assert raise_alerts(NIGHT + timedelta(days=1)).raised == 0
    assert notices() == [(f"alert_raised/{SPLIT}", "district", "150203", NIGHT)]


def test_raise__many_at_once__stand_and_are_told_in_a_fixed_order(candidates):
    """The order in which an office is told is that of the alerts' names, whatever order the marts' rows lie in."""
    names = [f"split_payments/150203-{number:04}/2026-09-01" for number in (7, 2, 9, 1, 5)]
    candidates(*names)
    raise_alerts(NIGHT)
    with connect("pc_supervision") as connection:
        raised = connection.execute("select alert_id from supervision.alerts order by ctid").fetchall()
        told = connection.execute("select subject_id from supervision.notices order by ctid").fetchall()
    assert [name for (name,) in raised] == [name for (name,) in told] == sorted(names)


@pytest.mark.parametrize(("level", "region"), [("city", "150200"), ("region", "150000"), ("street", "150203")])
def test_raise__by_level__tells_the_office_above(candidates, level, region):
    candidates(SPLIT, level=level)
    raise_alerts(NIGHT)
    assert [(row[1], row[2]) for row in notices()] == [(level, region)]


def test_raise__of_long_ago__is_not_raised_but_one_that_stands_goes_on(candidates):
    candidates(SPLIT, is_raisable=False)
    assert raise_alerts(NIGHT).raised == 0
    candidates(SPLIT)
    raise_alerts(NIGHT)
    candidates(SPLIT, is_raisable=False)
    report = raise_alerts(NIGHT + timedelta(days=1))
    assert report.closed == 0 and state_of(SPLIT) == "open"


def test_raise__rows_corrected_away__closes_itself_and_comes_back_as_itself(candidates):
    candidates(SPLIT)
    raise_alerts(NIGHT)
    decide(SPLIT, "explained", by="F03", reason="合同约定分期")
    candidates()
    assert raise_alerts(NIGHT + timedelta(days=1)).closed == 1
    closed = alert(SPLIT)["decisions"][-1]
    assert (state_of(SPLIT), closed["decided_by"]) == ("closed", PLATFORM) and "更正" in closed["reason"]
    candidates(SPLIT, amount="1200.00")
    assert raise_alerts(NIGHT + timedelta(days=2)).reopened == 1
    back = alert(SPLIT)
    assert back["state_code"] == "explained"  # as people had left it
    assert back["first_seen_on"] == NIGHT and str(back["amount_cny"]) == "1200.00"
    assert len(notices()) == 1
    assert [row["decision_number"] for row in back["decisions"]] == [1, 2, 3]


def test_raise__confirmed_and_corrected_away__counts_no_longer(candidates):
    candidates(SPLIT)
    raise_alerts(NIGHT)
    decide(SPLIT, "confirmed", by="F03", reason="查实", document_no="包住建认〔2026〕7号")
    candidates()
    raise_alerts(NIGHT + timedelta(days=1))
    last = alert(SPLIT)["decisions"][-1]
    assert (last["state_code"], last["known_on"]) == ("closed", NIGHT + timedelta(days=2))


def test_raise__closed_by_a_person__stays_closed_while_its_rows_stand(candidates):
    candidates(SPLIT)
    raise_alerts(NIGHT)
    decide(SPLIT, "closed", by="F03", reason="重复预警")
    report = raise_alerts(NIGHT + timedelta(days=1))
    assert not report.is_new and state_of(SPLIT) == "closed"


def test_raise__a_past_night__changes_nothing(candidates):
    candidates(SPLIT)
    raise_alerts(NIGHT)
    candidates("related_party_payment/150203-0001/2026-08-01")
    report = raise_alerts(NIGHT - timedelta(days=1))
    assert report.is_past and [row["alert_id"] for row in alerts()] == [SPLIT]


def test_decide__a_decision__is_known_from_the_next_night_on(candidates):
    candidates(SPLIT)
    raise_alerts(NIGHT)
    made = decide(SPLIT, "confirmed", by="F03", reason="查实", document_no="X1", decided_on=NIGHT - timedelta(days=3))
    assert made.known_on == NIGHT + timedelta(days=1)  # the night that is built already stays as it was
    assert decide(SPLIT, "open", by="F04", reason="撤销", decided_on=NIGHT + timedelta(days=9)).known_on > NIGHT


@pytest.mark.parametrize(
    ("state", "what", "message"),
    [
        ("confirmed", {"by": "F03", "reason": "查实"}, "--document"),
        ("closed", {"by": "F03", "reason": " "}, "--reason"),
        ("closed", {"by": PLATFORM, "reason": "x"}, "--by"),
        ("open", {"by": "F03", "reason": "x"}, "is open: it cannot become open"),
    ],
)
def test_decide__something_missing_or_out_of_order__is_refused(candidates, state, what, message):
    candidates(SPLIT)
    raise_alerts(NIGHT)
    with pytest.raises(SupervisionError, match=message):
        decide(SPLIT, state, **what)


def test_decide__no_such_alert__says_where_to_look(candidates):
    with pytest.raises(SupervisionError, match="alerts list"):
        decide("nothing/1", "closed", by="F03", reason="x")


def test_prefix__of_a_division__ends_at_a_level_and_not_within_one():
    prefixes = [prefix(region) for region in ("150000", "150200", "1502", "152530", "150203100", None)]
    assert prefixes == ["15", "1502", "1502", "152530", "150203100", ""]


def test_alerts__of_a_region__covers_what_lies_below_it(candidates):
    candidates(SPLIT)
    raise_alerts(NIGHT)
    assert [len(alerts(region=region)) for region in ("150000", "150200", "1502", "150203", "150204")] == [
        1,
        1,
        1,
        1,
        0,
    ]
    with pytest.raises(SupervisionError, match="open, explained, confirmed, closed"):
        alerts(state="opne")


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("pc_supervision", "delete from supervision.alerts"),
        ("pc_supervision", "update supervision.alert_decisions set reason = ''"),
        ("pc_supervision", "delete from supervision.alert_decisions"),
        ("pc_dbt", "select * from supervision.alerts"),
        ("pc_dbt", "insert into supervision.alert_decisions default values"),
        ("pc_scoring", "select * from supervision.alert_decisions"),
        ("pc_pages", "update supervision.alerts set state_code = 'closed'"),
    ],
)
def test_role__what_is_not_its_own__is_refused(warehouse_database, role, statement):
    with connect(role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


def test_thresholds__every_one_used__is_in_the_seed_and_every_one_in_the_seed_is_used():
    used = {
        name
        for path in PROJECT_DIR.rglob("*.sql")
        for name in re.findall(r"threshold\('(\w+)'\)", path.read_text("utf-8"))
    }
    lines = (PROJECT_DIR / "seeds" / "supervision_thresholds.csv").read_text("utf-8").splitlines()[1:]
    assert used == {line.split(",")[0] for line in lines}


def test_compare__its_example__holds():
    assert doctest.testmod(evaluation).failed == 0


@pytest.fixture
def run(candidates, monkeypatch):
    """Run `property-credit alerts …` on a register that holds one alert."""
    monkeypatch.setattr("property_credit.cli.alert_commands._ready", lambda: None)  # the test's warehouse is migrated
    candidates(SPLIT)
    raise_alerts(NIGHT)
    runner = CliRunner()
    return lambda *arguments: runner.invoke(app, ["alerts", *arguments])


def test_commands__an_alert_seen_confirmed_and_closed__say_what_they_did(run):
    assert SPLIT.split("/")[0] in run("list").stdout and "LS1" in run("show", SPLIT).stdout
    confirmed = run("confirm", SPLIT, "--by", "F03", "--reason", "查实", "--document", "X1", "--record", "XY1")
    assert confirmed.exit_code == 0 and "known from the night of 2026-11-01 on" in confirmed.stdout
    (listed,) = json.loads(run("list", "--state", "confirmed", "--format", "json").stdout)
    assert (listed["alert_id"], listed["amount_cny"]) == (SPLIT, "1000.00")
    assert run("close", SPLIT, "--by", "F03", "--reason", "误报", "--on", "2026-11-09").exit_code == 0
    assert run("reopen", SPLIT, "--by", "F03", "--reason", "复查").exit_code == 0
    decisions = json.loads(run("show", SPLIT, "--format", "json").stdout)["decisions"]
    assert [row["state_code"] for row in decisions] == ["confirmed", "closed", "open"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("confirm", SPLIT, "--by", "F03", "--reason", "查实"), "--document"),
        (("close", "nothing/1", "--by", "F03", "--reason", "x"), "alerts list"),
        (("list", "--state", "opne"), "explained"),
        (("evaluate", "--manifest", "none.json", "--business-date", "2026-10-31"), "cannot be read as a manifest"),
    ],
)
def test_commands__used_wrongly__say_what_to_do_with_exit_2(run, arguments, message):
    done = run(*arguments)
    assert done.exit_code == 2 and message in done.stderr


def test_evaluate__on_a_register_that_misses_something__exits_1(run, tmp_path):
    truth = {"alerts": {str(NIGHT): {"due": [SPLIT, "round_trip/LS7"], "standing": []}}}
    (tmp_path / "manifest.json").write_text(json.dumps(truth), "utf-8")
    done = run("evaluate", "--manifest", str(tmp_path / "manifest.json"), "--business-date", str(NIGHT))
    assert done.exit_code == 1 and "missing round_trip/LS7" in done.stderr
