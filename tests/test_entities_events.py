"""What changes who is who, from raw to the grade's inputs: before, on and after its day, known in time and late."""

from datetime import date, timedelta

import pytest
from own_warehouse import copied_database, use_warehouse
from small_town import NIGHT, complaint, insert
from test_dbt_incremental import differing

from property_credit.entities.register import keep
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings
from property_credit.warehouse.transformation import build

pytestmark = pytest.mark.slow

EARLIER = date(2026, 9, 30)  # the night before most of it was known; NIGHT is 2026-10-31
OLD, NEW = "91350100M000100Y43", "91110000802100433B"  # the old code and the new one of one enterprise
MERGED, INTO = "91440300708461136T", "91330106673959654P"
SPLIT, GONE, IDLE, FIRM = "91150204MA0P00001X", "91150204MA0P000028", "91150204MA0P00003L", "91150204MA0P00004E"
PART_A, PART_B = "91150204MA0P00005B", "91150204MA0P000060"
FIRMS = {
    OLD: "甲物业", MERGED: "乙物业", INTO: "丙物业", SPLIT: "丁物业", GONE: "戊物业", IDLE: "己物业", FIRM: "庚物业",
    PART_A: "丁一物业", PART_B: "丁二物业",
}  # fmt: skip


def firm(uscc, name, **changes):
    return {
        "uscc": uscc,
        "enterprise_name": name,
        "organisation_type_code": "enterprise",
        "registered_region_code": "150203",
        "is_active": True,
        "listing_status_code": "none",
        **changes,
    }


def community(name, **changes):
    return {
        "community_id": name,
        "community_name": f"{name}小区",
        "region_code": "150203",
        "community_type_code": "commercial",
        "built_year": 2012,
        "household_count": 300,
        "has_lift": True,
        **changes,
    }


def contract(number, community_id, uscc, starts_on=date(2024, 1, 1), **changes):
    return {"contract_id": number, "community_id": community_id, "uscc": uscc, "starts_on": starts_on, **changes}


def penalty(number, uscc):
    return {
        "record_id": number,
        "uscc": uscc,
        "record_type_code": "penalty",
        "tier_code": "serious",
        "decided_on": date(2026, 5, 1),
        "authority_name": "某局",
        "is_final": True,
    }


def event(number, code, uscc, other=None, on=None, **changes):
    return {
        "event_id": number,
        "event_code": code,
        "uscc": uscc,
        "other_uscc": other,
        "effective_on": on,
        "authority_name": "市场监督管理局",
        **changes,
    }


def of_community(number, code, community_id, other=None, on=None, **changes):
    return {
        "event_id": number,
        "event_code": code,
        "community_id": community_id,
        "other_community_id": other,
        "effective_on": on,
        **changes,
    }


def known(feed, rows, day, place):
    """Insert rows that a delivery of ``day`` brought."""
    insert(feed, rows, known_on=day, batch_id=f"b{place:016d}")


@pytest.fixture(scope="module")
def world(migrated_template, tmp_path_factory):
    """A small town in which everything happens once; the marts of the night on which all of it is known."""
    with copied_database(migrated_template) as name, pytest.MonkeyPatch.context() as patch:
        use_warehouse(patch, name, tmp_path_factory.mktemp("town"))
        start, told = date(2026, 1, 5), date(2026, 10, 10)
        known("enterprises", [firm(uscc, title) for uscc, title in FIRMS.items()], start, 1)
        places = [f"C{number}" for number in range(1, 15)]
        known("communities", [community(place) for place in places], start, 1)
        known(
            "contracts",
            [
                contract("K1", "C1", OLD),
                contract("K2", "C2", MERGED),
                contract("K3", "C3", MERGED),  # is never filed again
                contract("K4", "C4", SPLIT),
                contract("K5", "C5", GONE),
                contract("K6", "C6", IDLE, ended_on=date(2026, 8, 31), end_reason_code="expired"),
                # to 2022, without an end; whoever came after was dismissed
                contract("K7", "C7", FIRM, date(2020, 1, 1), ends_on=date(2022, 12, 31)),
                contract(
                    *("K8", "C7", INTO, date(2023, 1, 1)),
                    ended_on=date(2026, 6, 30),
                    end_reason_code="dismissed_for_cause",
                ),
                *(contract(f"K{number}", f"C{number}", FIRM) for number in range(9, 15)),
                contract("K15", "C8", FIRM),
            ],
            start,
            1,
        )
        known("public_credit", [penalty("R1", OLD), penalty("R2", MERGED), penalty("R3", SPLIT)], start, 1)
        known(
            "complaints",
            [
                complaint(1, community_id="C1", submitted_at="2026-07-10 09:00+08"),
                complaint(2, community_id="C9", submitted_at="2026-07-10 09:00+08"),
                # one matter: the resident's app at nine, the hotline at half past; the hotline was answered first
                complaint(3, community_id="C10", responded_at="2026-07-10 12:00+08"),
                complaint(
                    *(4,), community_id="C10", channel_code="hotline", submitted_at="2026-07-10 09:30+08",
                    responded_at="2026-07-10 09:50+08", repeat_of_id="T3",
                ),
                # the next resident on the hotline is another matter, and so is another category
                complaint(5, community_id="C10", channel_code="hotline", submitted_at="2026-07-10 09:40+08"),
                complaint(
                    *(6,), community_id="C10", channel_code="letter", category_code="fees",
                    submitted_at="2026-07-10 09:45+08",
                ),
                # linked by the office, days apart
                complaint(7, community_id="C11", submitted_at="2026-07-10 09:00+08"),
                complaint(
                    *(8,), community_id="C11", channel_code="letter", submitted_at="2026-07-15 09:00+08",
                    responded_at="2026-07-15 10:00+08", handled_at="2026-07-15 12:00+08",
                    resolved_at="2026-07-15 20:00+08", closed_at="2026-07-16 09:00+08",
                    same_matter_as_id="T7",
                ),
            ],
            start,
            1,
        )  # fmt: skip
        keep(EARLIER)
        build(EARLIER)
        before = state()

        # enterprises: a new code and a contract filed under it, late; a merger in time and one late; a split; an end
        known("enterprises", [firm(NEW, "甲物业新"), firm(GONE, "戊物业", is_active=False)], told, 2)
        known("contracts", [contract("K1", "C1", NEW), contract("K2", "C2", INTO)], told, 2)
        known(
            "enterprise_events",
            [
                event("E1", "recoded", OLD, NEW, date(2026, 8, 1)),
                event("E2", "merged", MERGED, INTO, date(2026, 9, 1)),
                event("E3", "split", SPLIT, PART_A, date(2026, 9, 1)),
                event("E4", "split", SPLIT, PART_B, date(2026, 9, 1)),
                event("E5", "deregistered", GONE, on=date(2026, 10, 20)),
            ],
            told,
            2,
        )
        # communities: renumbered and filed again, grown (in time, late, corrected, without a day), moved, merged
        known(
            "communities",
            [
                community("C9N"),
                community("C11", household_count=900, effective_on=date(2026, 10, 20)),
                community("C12", household_count=900, effective_on=date(2026, 3, 1), change_code="change"),
                community("C13", household_count=280, change_code="correction"),
                community("C14", household_count=900, region_code="150204"),
            ],
            told,
            2,
        )
        known("contracts", [contract("K9", "C9N", FIRM)], told, 3)
        known(
            "community_events",
            [
                of_community("F1", "renumbered", "C9", "C9N", date(2026, 9, 15)),
                of_community("F2", "merged", "C8", "C10", date(2026, 9, 11)),
            ],
            told,
            2,
        )
        # under the number of the community that was merged: of the day before the merger, and of days after it
        known(
            "complaints",
            [
                complaint(
                    *(10,), community_id="C8", submitted_at="2026-09-10 09:00+08", responded_at=None, handled_at=None,
                    resolved_at="2026-09-10 20:00+08", closed_at="2026-09-10 21:00+08",
                ),
                complaint(
                    *(11,), community_id="C8", submitted_at="2026-09-11 09:00+08", responded_at=None, handled_at=None,
                    resolved_at="2026-09-11 20:00+08", closed_at="2026-09-11 21:00+08",
                ),
            ],
            told,
            4,
        )  # fmt: skip
        keep(NIGHT)
        build(NIGHT, is_incremental=True)
        yield before, state()
        get_settings.cache_clear()


def state():
    """What the marts say: spells, exposure by month, records, complaints, departures."""
    with connect() as connection:
        read = lambda statement: connection.execute(statement).fetchall()  # noqa: E731
        return {
            "spells": read(
                "select community_id, starts_on, ends_on, uscc from intermediate.int_spells__resolved order by 1, 2"
            ),
            "months": {
                (place, month, manager): (float(households), region)
                for place, month, manager, households, region in read(
                    "select community_id, month_on, manager_key, household_months, region_code"
                    " from marts.fct_community_months"
                )
            },
            "records": dict(read("select record_id, uscc from intermediate.int_credit_records__weighted")),
            "complaints": {
                row[0]: row[1:]
                for row in read(
                    "select complaint_id, uscc, community_id, not_counted_code, response_minutes::float8, is_repeated"
                    " from marts.fct_complaints"
                )
            },
            "departures": {
                row[:2]: row[2]
                for row in read("select uscc, departure_code, since_on from marts.mart_scoring__departures")
            },
            "alerts": {row[0] for row in read("select alert_id from marts.mart_supervision__alert_candidates")},
            "penalties": {
                row[0]: float(row[1])
                for row in read(
                    "select uscc, sum(numerator) from marts.mart_scoring__indicator_counts"
                    " where indicator_code = 'P01' group by uscc"
                )
            },
            "communities": {
                row[0]: row[1:]
                for row in read("select community_id, household_count, region_code from marts.dim_community")
            },
            "build": read("select mode, reason from ops.builds order by build_id desc limit 1")[0],
        }  # fmt: skip


def held(built, place):
    """Return (first day, last day, enterprise) of a community, neighbouring pieces of one enterprise joined."""
    joined = []
    for community_id, starts_on, ends_on, uscc in built["spells"]:
        if community_id != place:
            continue
        if joined and joined[-1][2] == uscc and joined[-1][1] + timedelta(days=1) == starts_on:
            joined[-1] = (joined[-1][0], ends_on, uscc)
        else:
            joined.append((starts_on, ends_on, uscc))
    return joined


def households(built, place, month):
    return sum(
        value for (community_id, on, _), (value, _) in built["months"].items() if (community_id, on) == (place, month)
    )


def region(built, place, month):
    return {
        where for (community_id, on, _), (_, where) in built["months"].items() if (community_id, on) == (place, month)
    }


def test_recoded__filed_again_under_the_new_code__is_one_enterprise_with_its_history(world):
    before, after = world
    assert held(before, "C1") == [(date(2024, 1, 1), EARLIER, OLD)]
    assert held(after, "C1") == [(date(2024, 1, 1), NIGHT, NEW)]
    assert (before["records"]["R1"], after["records"]["R1"]) == (OLD, NEW)
    assert after["complaints"]["T1"][0] == NEW


def test_merged__known_late__records_follow_and_service_stays_with_who_served_on_the_day(world):
    before, after = world
    last = date(2026, 8, 31)
    for place in ("C2", "C3"):  # filed again, and never filed again
        assert held(before, place) == [(date(2024, 1, 1), EARLIER, MERGED)]
        assert held(after, place) == [(date(2024, 1, 1), last, MERGED), (date(2026, 9, 1), NIGHT, INTO)]
    assert (before["records"]["R2"], after["records"]["R2"]) == (MERGED, INTO)
    assert before["penalties"][MERGED] > 0
    assert (after["penalties"].get(MERGED, 0), after["penalties"][INTO] > 0) == (0, True)


def test_split__names_all_and_asks_a_person__the_record_stays(world):
    before, after = world
    assert before["records"]["R3"] == after["records"]["R3"] == SPLIT
    assert f"enterprise_split/{SPLIT}" not in before["alerts"]
    assert f"enterprise_split/{SPLIT}" in after["alerts"]


def test_deregistered__from_the_night_that_knew__is_not_to_be_graded(world):
    before, after = world
    assert (GONE, "deregistered") not in before["departures"]
    assert after["departures"][GONE, "deregistered"] == date(2026, 10, 20)


def test_not_serving__nothing_left_to_manage__is_named_with_its_day_and_raises_an_alert(world):
    before, _ = world
    assert before["departures"][IDLE, "not_serving"] == date(2026, 9, 1)
    assert f"enterprise_not_serving/{IDLE}/2026-09-01" in before["alerts"]
    assert (FIRM, "not_serving") not in before["departures"]


def test_contract__without_an_end_whose_successor_was_dismissed__never_comes_back(world):
    _, after = world
    assert held(after, "C7") == [
        (date(2020, 1, 1), date(2022, 12, 31), FIRM),
        (date(2023, 1, 1), date(2026, 6, 30), INTO),
    ]


def test_renumbered__and_filed_under_the_new_number__is_one_community(world):
    before, after = world
    month = date(2026, 8, 1)
    assert households(before, "C9", month) == households(after, "C9N", month) == 300
    assert households(after, "C9", month) == 0
    assert held(after, "C9N") == [(date(2024, 1, 1), NIGHT, FIRM)]
    assert (before["complaints"]["T2"][:2], after["complaints"]["T2"][:2]) == ((FIRM, "C9"), (FIRM, "C9N"))
    assert "C9" not in after["communities"]


def test_merged_community__from_its_day__is_no_community_without_a_manager(world):
    _, after = world
    assert held(after, "C8") == [(date(2024, 1, 1), date(2026, 9, 10), FIRM)]
    months = [households(after, "C8", date(2026, month, 1)) for month in (8, 9, 10)]
    assert months == [300, 100, 0]  # ten days of September
    assert not any(alert.startswith("management_vacuum/C8") for alert in after["alerts"])


def test_merged_community__complaint_that_came_late_under_its_number__is_the_successors(world):
    _, after = world
    assert after["complaints"]["T10"][:3] == (FIRM, "C8", None)
    assert after["complaints"]["T11"][:3] == (FIRM, "C10", None)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("C11", (300, 300, 300 * 19 / 31 + 900 * 12 / 31)),  # stated, in time: from its day
        ("C12", (300, 900, 900)),  # stated, known late: from its day all the same
        ("C13", (280, 280, 280)),  # a correction: all its months
        ("C14", (300, 300, 300 * 9 / 31 + 900 * 22 / 31)),  # not stated: from its arrival
    ],
)
def test_households__change_with_and_without_a_day_and_correction__count_in_their_months(world, place, expected):
    _, after = world
    months = (date(2026, 1, 1), date(2026, 4, 1), date(2026, 10, 1))
    assert [households(after, place, month) for month in months] == pytest.approx(expected, abs=0.001)
    assert after["communities"][place][0] == (280 if place == "C13" else 900)


def test_district__changed_without_a_day__past_months_keep_theirs(world):
    before, after = world
    assert region(before, "C14", date(2026, 8, 1)) == region(after, "C14", date(2026, 8, 1)) == {"150203"}
    assert after["communities"]["C14"][1] == "150204"
    with connect() as connection:
        periods = connection.execute(
            "select region_code, valid_from::text, is_assumed from staging.stg_community_periods"
            " where community_id = 'C14' order by valid_from"
        ).fetchall()
    assert [row[0] for row in periods] == ["150203", "150204"]
    assert periods[1][1:] == ("2026-10-10", True)


def test_two_channels__one_matter__counts_once_by_the_first_clock_and_repeats_nothing(world):
    _, after = world
    assert after["complaints"]["T4"][2] == "same_matter"
    assert after["complaints"]["T3"][2:] == (None, 50.0, False)  # from nine to the hotline's answer at 9:50
    assert after["complaints"]["T5"][2] is None and after["complaints"]["T6"][2] is None
    assert after["complaints"]["T8"][2] == "same_matter"  # the office linked it


def test_build__after_a_new_number_or_a_successor__is_made_anew_and_says_why(world):
    _, after = world
    assert after["build"] == ("full", "the method's numbers or the register of entities changed")


@pytest.mark.long
def test_build__a_night_on_top_that_joins_and_parts_matters__equals_a_full_one(world):
    following = NIGHT + timedelta(days=1)
    known(
        "complaints",
        [
            complaint(9, community_id="C1", channel_code="hotline", submitted_at="2026-07-10 09:30+08"),
            complaint(3, community_id="C10", category_code="noise", responded_at="2026-07-10 12:00+08"),
        ],
        following,
        4,
    )
    keep(following)
    build(following, is_incremental=True)
    after = state()
    assert after["build"][0] == "incremental"
    assert after["complaints"]["T9"][2] == "same_matter"
    assert after["complaints"]["T4"][2] is None  # what it was one matter with is about something else
    assert differing(following) == {}
