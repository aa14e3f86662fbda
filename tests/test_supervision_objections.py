"""The decider is never the original officer: refused on ingestion, without effect where it is stored already."""

from datetime import date, timedelta

import pytest
from small_town import FIRM, insert

from property_credit.ingestion.load import ingest_file, no_check
from property_credit.warehouse.connection import connect
from property_credit.warehouse.transformation import build

FILED, DECIDED = date(2026, 10, 12), date(2026, 10, 15)
HEADERS = "异议编号,统一社会信用代码,异议对象,对象编号,提出日期,标注日期,转办日期,办结日期,办理结果,原经办人,复核人"
HEADERS += ",答复意见,更新时间,数据来源类别,申请复核日期,复核办结日期,复核结果,复核经办人"


@pytest.fixture
def office(warehouse_database):
    """A firm that may object; ``send`` delivers one row of its objection as the office exports it."""
    firm = {
        "uscc": FIRM,
        "enterprise_name": "甲物业（模拟）",
        "organisation_type_code": "enterprise",
        "is_active": True,
    }
    insert("enterprises", [{**firm, "registered_region_code": "150203", "listing_status_code": "none"}], known_on=FILED)

    def send(night, *, decided="", outcome="办理中", decider="", source="本部门数据", review=",,,"):
        path = warehouse_database / f"异议办理_{night:%Y%m%d}.csv"
        row = (
            f"YY1,{FIRM},诉求,T1,{FILED},{FILED},,{decided},{outcome},J01,{decider},,{night} 10:00:00,{source},{review}"
        )
        path.write_text(f"{HEADERS}\n{row}\n", "utf-8-sig")
        return ingest_file(
            feed="objections", profile="baotou_objections", path=path, business_date=night, check=no_check
        )

    return send


def standing(night):
    """What the warehouse of ``night`` says of the objection, and whether it is open and overturns its complaint."""
    build(night, select=["+stg_objections", "int_objections__open", "int_objections__upheld"], tests=False)
    with connect("pc_gatekeeper") as connection:
        row = connection.execute(
            "select outcome_code, decided_on, is_decided_by_original_officer from staging.stg_objections"
        ).fetchone()
        is_open = connection.execute("select exists (select from intermediate.int_objections__open)").fetchone()[0]
        upheld = connection.execute("select exists (select from intermediate.int_objections__upheld)").fetchone()[0]
    return *row, is_open, upheld


def test_door__a_decision_by_the_original_officer__is_refused_and_the_objection_stays_open(office):
    assert office(FILED).rows_accepted == 1
    refused = office(DECIDED, decided=DECIDED, outcome="异议成立", decider="J01")
    assert (refused.rows_accepted, refused.rows_rejected) == (0, 1)
    with connect("pc_gatekeeper") as connection:
        reasons = connection.execute("select reason_code, reason from quarantine.rejected_rows").fetchall()
    assert [code for code, _ in reasons] == ["DECIDED_BY_ORIGINAL_OFFICER"]
    assert "另行指定复核人" in reasons[0][1] and "J01" not in reasons[0][1]
    assert standing(DECIDED) == ("pending", None, False, True, False)
    office(DECIDED + timedelta(days=1), decided=DECIDED, outcome="异议成立", decider="F07")
    assert standing(DECIDED + timedelta(days=1)) == ("upheld", DECIDED, False, False, True)


def test_stored__a_decision_by_the_original_officer__has_no_effect_until_another_decides(office):
    row = {"objection_id": "YY1", "uscc": FIRM, "target_type_code": "complaint", "target_id": "T1", "filed_on": FILED}
    row |= {"decided_on": DECIDED, "outcome_code": "upheld", "original_officer_code": "J01", "decider_code": "J01"}
    insert("objections", [row], known_on=DECIDED)  # as a feed without the rule would have let it in
    assert standing(DECIDED) == ("pending", None, True, True, False)
    late = DECIDED + timedelta(days=5)
    office(late, decided=late, outcome="异议不成立", decider="F07")
    assert standing(late) == ("rejected", late, False, False, False)
    assert standing(DECIDED) == ("pending", None, True, True, False)  # the night stays as it was known


def test_codes_of_officers__never_leave_raw(office):
    office(DECIDED, decided=DECIDED, outcome="异议成立", decider="F07")
    build(DECIDED, select=["+stg_objections"], tests=False)
    with connect() as connection:
        columns = connection.execute(
            "select column_name from information_schema.columns"
            " where table_schema in ('staging', 'intermediate', 'marts')"
        ).fetchall()
    assert not {"original_officer_code", "decider_code", "reviewer_code"} & {name for (name,) in columns}
