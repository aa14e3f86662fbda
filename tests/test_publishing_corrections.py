"""Status and corrections: reasons, basis, notices, replies; what an upheld objection or a repair does tonight."""

from datetime import date, timedelta

import pytest
from grade_rows import add_run, make_publishing_marts, uscc
from own_warehouse import builder
from psycopg.types.json import Jsonb

from property_credit.publishing import replies
from property_credit.publishing.errors import PublishingError
from property_credit.publishing.publish import publish
from property_credit.publishing.replies import set_reply
from property_credit.warehouse import own_words
from property_credit.warehouse.connection import connect

NIGHT = date(2026, 10, 30)
A, B = uscc(1), uscc(2)
V1 = {
    "code": "V1",
    "effect": "no_grade",
    "evidence_ids": ["GX1", "GX2"],
    "decisions": [
        {
            "basis": "第六十条",
            "authority_name": "住建局",
            "decision_no": "1号",
            "starts_on": "2026-05-01",
            "ends_on": None,
        },
        {
            "basis": "第五十九条",
            "authority_name": "住建局",
            "decision_no": "2号",
            "starts_on": "2026-06-01",
            "ends_on": None,
        },
    ],
}
DISHONEST = {"grade": None, "status_code": "serious_dishonesty", "caps": Jsonb([V1])}


@pytest.fixture(autouse=True)
def marts(warehouse_database):
    """The marts as dbt builds them, empty."""
    make_publishing_marts()


def decide(kind: str, target: str, *, on: date, code: str = A, known_on: date | None = None) -> None:
    type_code = "complaint" if kind == "objection_upheld" else "public_credit"
    with builder() as connection:
        connection.execute(
            "insert into marts.mart_publishing__corrections values (%s, %s, %s, %s, %s, %s)",
            (code, kind, type_code, target, on, known_on or on),
        )


def notice(kind: str, *, since: date, until: date | None = None, code: str = A) -> None:
    with builder() as connection:
        connection.execute(
            "insert into marts.mart_publishing__notices values (%s, %s, 'N', %s, %s)", (code, kind, since, until)
        )


def night(day: int, grades: dict[str, dict], salt: str = ""):
    on = NIGHT + timedelta(days=day)
    return publish(add_run(on, grades, salt=salt), on)


def bodies(code: str = A) -> list[dict]:
    with connect("pc_api") as connection:
        return [
            row[0]
            for row in connection.execute(
                "select body from publishing.grade_history where uscc = %s order by version_no", (code,)
            )
        ]


def test_status__not_rated_and_serious_dishonesty__say_why():
    reasons = [{"code": "SERVICE_MONTHS", "reason_zh": "服务不足", "reason_en": "too short"}]
    night(0, {A: {"grade": None, "status_code": "not_rated", "not_rated_reasons": Jsonb(reasons)}, B: DISHONEST})
    assert (bodies()[0]["status_zh"], bodies()[0]["reasons"]) == (
        "暂不评级",
        [{"code": "SERVICE_MONTHS", "zh": "服务不足", "en": "too short"}],
    )
    body = bodies(B)[0]
    assert (body["grade"], body["status_zh"], len(body["basis"])) == (None, "严重失信", 2)
    assert body["basis"][0] == {
        "record_id": "GX1",
        "basis": "第六十条",
        "authority_name": "住建局",
        "decision_no": "1号",
        "starts_on": "2026-05-01",
        "ends_on": None,
    }


def test_status__only_the_numbers_in_a_reason_change__is_no_new_version():
    def reasons(text):
        why = [{"code": "SERVICE_MONTHS", "reason_zh": text, "reason_en": text}]
        return {A: {"grade": None, "status_code": "not_rated", "not_rated_reasons": Jsonb(why)}}

    night(0, reasons("11.1"))
    assert night(1, reasons("11.2")).change_count == 0


def test_notices__opened_and_closed__are_versions_that_supersede_but_do_not_correct():
    night(0, {A: {}})
    notice("objection_open", since=NIGHT)
    notice("takeover_protection", since=NIGHT, until=NIGHT + timedelta(days=364))
    assert night(1, {A: {}}).change_count == 1
    assert night(2, {A: {}}).change_count == 0
    with builder() as connection:
        connection.execute("delete from marts.mart_publishing__notices where kind_code = 'objection_open'")
    night(3, {A: {}})
    versions = bodies()
    assert [[one["zh"] for one in body["notices"]] for body in versions] == [
        [],
        ["异议处理中", "接管保护期"],
        ["接管保护期"],
    ]
    assert versions[1]["notices"][1]["until"] == "2027-10-29"
    assert [body["is_correction"] for body in versions] == [False, False, False]
    assert versions[2]["supersedes"]["version_no"] == 2


@pytest.mark.parametrize("kind", ["objection_upheld", "repair", "revocation"])
def test_correction__decided_tonight__names_what_it_replaces_even_when_the_grade_stays(kind):
    night(0, {A: {"grade": "B"}, B: {}})
    decide(kind, "X1", on=NIGHT + timedelta(days=1))
    report = night(1, {A: {"grade": "B"}, B: {}})
    assert (report.change_count, report.correction_count) == (1, 1)
    body = bodies()[-1]
    assert body["is_correction"] and body["correction"]["code"] == kind
    assert body["correction"]["decided_on"] == "2026-10-31"
    assert body["supersedes"] == {"version_no": 1, "grade": "B", "status_code": "rated", "valid_from": "2026-10-31"}
    assert "X1" not in str(body)
    assert night(2, {A: {"grade": "B"}, B: {}}).change_count == 0  # corrected once
    with connect("pc_publishing") as connection:
        assert connection.execute("select target_id, version_no from publishing.corrections").fetchall() == [("X1", 2)]


def test_correction__repaired_record__is_nowhere_served_any_more():
    night(0, {A: DISHONEST})
    assert "GX1" in str(bodies())
    decide("repair", "GX1", on=NIGHT + timedelta(days=1))
    decide("revocation", "GX2", on=NIGHT + timedelta(days=1))
    night(1, {A: {"grade": "B"}})
    versions = bodies()
    assert [body["status_code"] for body in versions] == ["serious_dishonesty", "rated"]
    assert not any(text in str(versions) for text in ("GX1", "GX2", "第六十条", "1号"))
    with connect() as connection:
        served = connection.execute(
            "select (select string_agg(document, '') from publishing.lists) "
            "|| (select string_agg(body::text, '') from publishing.enterprise_details)"
        ).fetchone()[0]
    assert "GX1" not in served and "第六十条" not in served


def test_correction__of_two_records_one_repaired__the_other_still_stands():
    night(0, {A: DISHONEST})
    decide("repair", "GX1", on=NIGHT + timedelta(days=1))
    night(1, {A: {**DISHONEST, "caps": Jsonb([{**V1, "evidence_ids": ["GX2"], "decisions": V1["decisions"][1:]}])}})
    assert [[item["record_id"] for item in body["basis"]] for body in bodies()] == [["GX2"], ["GX2"]]


def test_correction__first_publication_ever__finds_old_decisions_and_corrects_nothing():
    decide("repair", "OLD", on=NIGHT - timedelta(days=90))
    assert night(0, {A: {}}).correction_count == 0
    assert night(1, {A: {}}).change_count == 0


def test_correction__of_the_night_that_was_not_published__comes_with_the_next_publication():
    night(0, {A: {}})
    decide("objection_upheld", "T1", on=NIGHT + timedelta(days=1))
    assert night(3, {A: {}}).correction_count == 1


def test_reply__within_200_characters__stands_beside_the_grade_until_withdrawn():
    night(0, {A: {}})
    set_reply(A, " 本公司已整改。 ", filed_on=NIGHT)
    night(1, {A: {}})
    set_reply(A, None, filed_on=NIGHT)
    night(2, {A: {}})
    assert [body["reply"] for body in bodies()] == [None, "本公司已整改。", None]


@pytest.mark.parametrize(
    ("code", "text", "says"),
    [
        (A, "字" * 201, "has 201"),
        (A, "   ", "1 to 200"),
        (A, "两\n行", "one line"),
        (A, "请致电 138-0000-1111 核实", "telephone or identity number"),
        (A, "联系0472-1234567", "telephone or identity number"),
        (A, "法人证号15020319800101123X", "telephone or identity number"),
        (A[:-1] + "?", "好", "check digit|does not occur"),
    ],
)
def test_reply__too_long_empty_torn_or_of_nobody__is_refused(code, text, says):
    with pytest.raises(PublishingError, match=says):
        set_reply(code, text, filed_on=NIGHT)


def test_reply__of_a_file_and_of_a_command__what_was_filed_later_stands():
    def sent(text: str | None, *, on: date) -> None:
        with builder() as connection:
            connection.execute("delete from marts.mart_publishing__replies")
            connection.execute("insert into marts.mart_publishing__replies values (%s, %s, %s)", (A, on, text))

    sent("文件一。", on=NIGHT)
    night(0, {A: {}})
    set_reply(A, "命令。见91150203MA35W7J524号函。", filed_on=NIGHT)  # a code is no telephone
    night(1, {A: {}})
    sent("文件二。", on=NIGHT + timedelta(days=1))
    night(2, {A: {}})
    sent(None, on=NIGHT + timedelta(days=1))  # withdrawn: the command's older words do not come back
    night(3, {A: {}})
    assert [body["reply"] for body in bodies()] == ["文件一。", "命令。见91150203MA35W7J524号函。", "文件二。", None]


def test_personal_numbers__in_a_reply__are_the_same_to_the_feed_and_to_the_desk():
    core = replies._PERSONAL.pattern.removeprefix("(?<![0-9A-Za-z])").removesuffix("(?![0-9A-Za-z])")
    assert core.startswith("(1[3-9]") and core in own_words.PERSONAL
