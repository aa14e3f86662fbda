"""Worklists of alerts and the live board: who may act, one by one or in bulk, and how it reaches night and tick."""

import re
import uuid
from datetime import date, timedelta

import pytest
from region_pages import NIGHT, database_of
from workbench_world import CITY, owner_sees, send, token_of, world_of

from property_credit.gates.gates import check_batch
from property_credit.ingestion.night import deliver_acts
from property_credit.supervision import decisions
from property_credit.warehouse.business_date import end_of
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings

NEXT = NIGHT + timedelta(days=1)
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


@pytest.fixture(scope="module")
def world(graded_region, tmp_path_factory):
    home = tmp_path_factory.mktemp("workbench")
    with database_of(graded_region), pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_DAY", "nights")
        for name in ("attachments", "archive", "receipts", "landing"):
            patch.setenv(f"{name.upper()}_DIR", str(home / name))
        get_settings.cache_clear()
        yield world_of()
    get_settings.cache_clear()


@pytest.fixture(scope="module")
def clients(world):
    return {name: world.signed_in(name) for name in world.secrets}


@pytest.fixture(scope="module")
def tokens(clients):
    return {name: token_of(client) for name, client in clients.items()}


@pytest.fixture(scope="module")
def alerts(world):
    """Open alerts of the district of most tests and one of the other district, as the register holds them."""
    with connect("pc_supervision") as connection:
        for number in range(6):
            connection.execute(
                "insert into supervision.alerts (alert_id, kind_code, severity_code, uscc, region_code, first_on, "
                "amount_cny, evidence, first_seen_on, last_seen_on, raised_at) values (%s, 'split_payments', "
                '\'serious\', %s, %s, %s, %s, \'[{"feed": "funds", "ids": ["LS1"]}]\', %s, %s, now())',
                (f"split_payments/T/{number}", world.uscc, world.district if number < 5 else world.other_district)
                + (NIGHT - timedelta(days=number), 1000 * number, NIGHT, NIGHT),
            )
    return [f"split_payments/T/{number}" for number in range(6)]


def alert_act(clients, tokens, name, code, *chosen, **more):
    data = {"code": code, "chosen": [f"{one}|{follows}" for one, follows in chosen], "reason": "已核对合同", **more}
    return send(clients[name], "/alerts", data, token=tokens[name])


def done_to(alert_id):
    return [
        row[0]
        for row in owner_sees("select act_code from workbench.acts where subject_id = %s order by act_id", alert_id)
    ]


def test_alerts__of_every_account__are_seen_and_acted_on_only_by_offices_that_decide_there(
    world, clients, tokens, alerts
):
    seeing = {"旗县甲", "旗县乙", "旗县丙", "盟市", "自治区"}
    for name in clients:
        page = clients[name].get("/alerts", params={"text": "split_payments/T/0"})
        one = clients[name].get("/alerts/one", params={"id": alerts[0]})
        answer = alert_act(clients, tokens, name, "note", (alerts[0], len(done_to(alerts[0]))))
        if name in seeing:
            assert page.status_code == one.status_code == 200 and alerts[0] in page.text
            assert answer.status_code == 303, name
        else:
            assert (
                f"<small>{alerts[0]}<" not in page.text
                and one.status_code in (403, 404)
                and answer.status_code in (403, 404)
            )
    assert len(done_to(alerts[0])) == len(seeing)
    assert alerts[5] not in clients["旗县甲"].get("/alerts", params={"text": "split_payments/T"}).text


def test_alerts__filtered_and_sorted__show_what_was_asked_for(world, clients, alerts):
    page = clients["旗县甲"].get("/alerts", params={"text": "split_payments/T", "sort": "amount"}).text
    shown = list(dict.fromkeys(re.findall(r"<small>(split_payments/T/\d)<", page)))
    assert shown == [f"split_payments/T/{number}" for number in (4, 3, 2, 1, 0)]
    none = clients["旗县甲"].get("/alerts", params={"text": "split_payments/T", "severity": "minor"}).text
    assert "没有符合条件的预警" in none


def test_confirmation__without_a_document_or_of_a_moved_on_alert__is_refused_whole(world, clients, tokens, alerts):
    pair = [(alerts[1], 0), (alerts[2], 0)]
    assert alert_act(clients, tokens, "旗县甲", "confirm", *pair).status_code == 400
    assert alert_act(clients, tokens, "旗县甲", "assign", *pair, to="邻县").status_code == 400
    assert alert_act(clients, tokens, "旗县甲", "assign", *pair, to="旗县乙").status_code == 303
    stale = alert_act(clients, tokens, "旗县丙", "close", (alerts[2], 1), (alerts[1], 0))
    assert stale.status_code == 409 and alerts[1] in stale.text
    assert done_to(alerts[1]) == done_to(alerts[2]) == ["assign"], "all of a form or nothing"
    mine = clients["旗县乙"].get("/alerts", params={"mine": "true"}).text
    assert alerts[1] in mine and alerts[3] not in mine


def test_confirmations__in_bulk__are_decisions_from_the_next_night_on_taken_once(world, clients, tokens, alerts):
    pair = [(alerts[1], 1), (alerts[2], 1)]
    answer = alert_act(clients, tokens, "旗县乙", "confirm", *pair, document_no="包住建认〔2026〕12号")
    assert answer.status_code == 303
    page = clients["旗县甲"].get("/alerts", params={"state": "confirmed", "text": "split_payments/T"}).text
    assert alerts[1] in page and "今晚生效" in page
    assert decisions.take_acts(NIGHT).decided_count == 0, "nothing had been decided by that night"
    assert decisions.take_acts(NEXT).decided_count == 2
    assert decisions.take_acts(NEXT).decided_count == 0
    rows = owner_sees(
        "select alert_id, state_code, decided_by, decided_on, known_on, document_no "
        "from supervision.alert_decisions where alert_id = any(%s) order by 1",
        alerts,
    )
    by = f"{world.district}-02"
    assert rows == [(one, "confirmed", by, NEXT, NEXT, "包住建认〔2026〕12号") for one in alerts[1:3]]
    assert "今晚生效" not in clients["旗县甲"].get("/alerts", params={"state": "confirmed"}).text


def test_act__on_an_alert_that_closed_itself_meanwhile__changes_nothing_and_says_so(world, clients, tokens, alerts):
    assert alert_act(clients, tokens, "旗县甲", "explain", (alerts[3], 0)).status_code == 303
    with connect("pc_supervision") as connection:
        connection.execute("update supervision.alerts set state_code = 'closed' where alert_id = %s", (alerts[3],))
    report = decisions.take_acts(NEXT)
    assert report.decided_count == 0 and "cannot become explained" in report.refusals[0]
    assert "上次办理未生效" in clients["旗县甲"].get("/alerts/one", params={"id": alerts[3]}).text


# ---- the live board


@pytest.fixture(scope="module")
def overdue(world):
    """A complaint of raw that is unsolved, overdue and told, in the street of the region's street office."""
    number, community = f"MSB-{uuid.uuid4().hex[:8]}", world.community
    submitted = end_of(NIGHT) - timedelta(hours=30)
    with connect("pc_ingestion") as connection:
        connection.execute(
            "insert into raw.complaints (complaint_id, channel_code, community_id, region_code, category_code, "
            "status_code, submitted_at, reporter_name, batch_id, row_number, known_on, received_at, row_hash) "
            "values (%s, 'mashangban', %s, %s, 'heating', 'submitted', %s, '测试姓名', 'b-test', 1, %s, now(), 1)",
            (number, community, world.district, submitted, NIGHT),
        )
    with connect("pc_supervision") as connection:
        for kind, level, hours in (("response", "district", 2), ("handling", "city", 12)):
            due = submitted + timedelta(hours=hours)
            connection.execute(
                "insert into supervision.escalations (escalation_id, complaint_id, kind_code, level_code, "
                "community_id, region_code, office_region_code, uscc, street_code, category_code, submitted_at, "
                "limit_minutes, due_at, raised_at, is_told, revision_no, business_date) "
                "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, 'heating', %s, %s, %s, %s, true, 1, %s)",
                (f"{number}/{kind}", number, kind, level, community, world.district)
                + (world.district if level == "district" else CITY, world.uscc, world.street)
                + (submitted, hours * 60, due, due, NIGHT),
            )
            connection.execute(
                "insert into supervision.notices (notice_id, kind_code, subject_id, level_code, region_code, uscc, "
                "body, business_date, raised_at) values (%s, 'escalation_raised', %s, %s, %s, %s, '{}', %s, %s)",
                (f"escalation_raised/{number}/{kind}", f"{number}/{kind}", level)
                + (world.district if level == "district" else CITY, world.uscc, NIGHT, due),
            )
    return number


def board_act(clients, tokens, name, number, code, *, follows=None, files=None, **more):
    seen = len(done_to(number)) if follows is None else follows
    data = {"reason": "已联系供热单位", "follows": seen, **more}
    return send(clients[name], f"/board/{number}/{code}", data, token=tokens[name], files=files)


def test_board__of_every_office__shows_its_own_overdue_what_was_told_and_no_person(world, clients, tokens, overdue):
    for name in clients:
        page = clients[name].get("/board")
        one = clients[name].get(f"/board/{overdue}")
        answer = board_act(clients, tokens, name, overdue, "note")
        if name in ("旗县甲", "旗县乙", "旗县丙", "盟市", "自治区", "街道", "社区"):
            assert page.status_code == one.status_code == 200 and answer.status_code == 303, name
            if name in ("街道", "社区"):
                assert overdue in page.text and "盟市标红提醒" in page.text and "超时未响应" in page.text
                assert "超时 1 天 3 小时" in page.text and "测试姓名" not in page.text + one.text
        else:
            assert overdue not in page.text and one.status_code in (403, 404) and answer.status_code in (403, 404)


def test_board__taken_over_sent_back_and_closed__needs_words_and_evidence(world, clients, tokens, overdue):
    assert board_act(clients, tokens, "街道", overdue, "take").status_code == 303
    assert f"{world.street}-01 接手" in clients["旗县甲"].get("/board").text
    assert board_act(clients, tokens, "街道", overdue, "send_back", reason=" ").status_code == 400
    assert board_act(clients, tokens, "街道", overdue, "send_back").status_code == 303
    assert board_act(clients, tokens, "社区", overdue, "close").status_code == 400, "no evidence"
    stale = board_act(clients, tokens, "社区", overdue, "close", follows=0, files=[("files", ("a.png", PNG))])
    assert stale.status_code == 409 and "其他人员刚刚办理过" in stale.text
    closed = board_act(clients, tokens, "社区", overdue, "close", files=[("files", ("a.png", PNG))])
    assert closed.status_code == 303
    page = clients["旗县甲"].get(f"/board/{overdue}").text
    link = re.search(r'href="(/board/[^"]+/files/[0-9a-f]{64})"', page)[1]
    assert clients["盟市"].get(link).content == PNG and clients["邻县"].get(link).status_code == 404
    assert board_act(clients, tokens, "街道", overdue, "vanish").status_code == 404


def test_closed_complaint__reaches_raw_with_its_person_by_the_next_tick_and_is_not_solved_twice(world, overdue):
    (report,) = deliver_acts("complaints", NEXT, check=check_batch)
    assert (report.profile, report.rows_in, report.rows_newer, report.rows_rejected) == (
        "workbench_complaints",
        1,
        1,
        0,
    )
    rows = owner_sees(
        "select status_code, reporter_name, channel_code, resolved_at is not null from raw.complaints "
        "where complaint_id = %s order by received_at",
        overdue,
    )
    assert rows == [("submitted", "测试姓名", "mashangban", False), ("resolved", "测试姓名", "mashangban", True)]
    assert deliver_acts("complaints", NEXT, check=check_batch) == []


def test_clocks__of_an_area__are_listed_for_offices_that_decide(world, clients):
    assert clients["旗县甲"].get("/clocks").status_code == 200
    assert clients["街道"].get("/clocks").status_code == clients["企业甲"].get("/clocks").status_code == 403
    assert isinstance(NEXT, date)
