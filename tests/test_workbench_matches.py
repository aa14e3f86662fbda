"""Names in rows on a page: who sees and decides which, how the night takes it, and that it can be taken back."""

import re
import uuid
from datetime import timedelta

import pytest
from region_pages import NIGHT, database_of
from workbench_world import owner_sees, send, token_of, world_of

from property_credit.entities import acts, linking, register
from property_credit.night import entity_tasks
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings

NEXT = NIGHT + timedelta(days=1)
SEEING = {"旗县甲", "旗县乙", "旗县丙", "盟市", "自治区"}


@pytest.fixture(scope="module")
def world(graded_region):
    with database_of(graded_region), pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_DAY", "nights")
        get_settings.cache_clear()
        register.keep(NIGHT)
        yield world_of()
    get_settings.cache_clear()


@pytest.fixture(scope="module")
def clients(world):
    return {name: world.signed_in(name) for name in world.secrets}


@pytest.fixture(scope="module")
def tokens(clients):
    return {name: token_of(client) for name, client in clients.items()}


def places_of(district, count):
    return owner_sees(
        "select entity_id, value, community_name from entities.identifiers "
        "join marts.dim_community on community_id = value where scheme_code = 'community_id' "
        "and region_code = %s order by value limit %s",
        district,
        count,
    )


@pytest.fixture
def mention(world):
    """A name that an office wrote, with two communities of the district as candidates: (key, their numbers)."""
    chosen = places_of(world.district, 2)
    with connect() as owner:
        written = owner.execute(
            "insert into quarantine.mentions (mention_key, entity_type_code, written_by, name, division, known_on, "
            "received_at) select coalesce(max(mention_key), 0) + 1, 'community', '热线（测试）', %s, %s, %s, now() "
            "from quarantine.mentions returning mention_key",
            (f"某某{uuid.uuid4().hex[:6]}家园", world.district, NIGHT),
        ).fetchone()
    linking.link_mentions(NIGHT)
    with connect() as owner:
        key = owner.execute("select mention_id from entities.mentions where mention_key = %s", written).fetchone()[0]
        # who could be meant, as a model that saw these two would say it
        owner.execute(
            "insert into entities.attempts (mention_id, outcome_code, reason, score, candidates, model_version, "
            "threshold, known_on, recorded_at) select %s, 'waiting', 'two are alike', 0.6, "
            "jsonb_agg(jsonb_build_object('entity_id', e, 'name', n, 'score', 0.6, 'reason', 'alike')), 'x', 0.9, %s, "
            "now() from unnest(%s::bigint[], %s::text[]) as t (e, n)",
            (key, NIGHT, [one[0] for one in chosen], [one[2] for one in chosen]),
        )
    return key, [one[1] for one in chosen]


def say(clients, tokens, name, key, code, number, follows=None):
    seen = owner_sees(
        "select coalesce(max(subject_version), 0) from workbench.acts where subject_kind = 'match' and subject_id = %s",
        str(key),
    )[0][0]
    data = {"number": number, "follows": seen if follows is None else follows}
    return send(clients[name], f"/matches/{key}/{code}", data, token=tokens[name])


def links_of(key):
    return owner_sees(
        "select link_code, value, made.made_by from entities.links "
        "join entities.standing_decisions('infinity') as made using (decision_id) "
        "join entities.identifiers using (entity_id) where mention_id = %s order by link_id",
        key,
    )


def test_names__of_every_account__are_seen_and_decided_only_where_a_candidate_lies(world, clients, tokens, mention):
    key, numbers = mention
    for name in clients:
        page = clients[name].get("/matches")
        answer = say(clients, tokens, name, key, "separate", numbers[1])
        if name in SEEING:
            assert page.status_code == 200 and f'id="m{key}"' in page.text and numbers[0] in page.text
            assert answer.status_code == 303, name
        else:
            assert f'id="m{key}"' not in page.text and answer.status_code in (403, 404), name
    assert say(clients, tokens, "旗县甲", key, "link", "150299-9999").status_code == 404, "no candidate"
    assert say(clients, tokens, "旗县甲", key, "link", "").status_code == 404
    assert say(clients, tokens, "旗县甲", key, "vanish", numbers[0]).status_code == 404


def test_link__of_an_officer__is_a_decision_of_the_next_night_taken_once(world, clients, tokens, mention):
    key, numbers = mention
    assert say(clients, tokens, "旗县甲", key, "link", numbers[0]).status_code == 303
    page = clients["旗县乙"].get("/matches").text
    assert f'id="m{key}"' not in page and "今晚生效" in page
    again = say(clients, tokens, "旗县乙", key, "link", numbers[1])
    assert again.status_code == 409 and "已有认定" in again.text
    assert acts.take_acts(NIGHT).decided_count == 0, "it had not been said by that night"
    entity_tasks.keep_register(NEXT)
    assert links_of(key) == [("same", numbers[0], f"{world.district}-01")]
    assert acts.take_acts(NEXT).decided_count == 0, "once"
    assert f"{NEXT} 起生效" in clients["旗县甲"].get("/matches").text
    act_id = owner_sees("select max(act_id) from workbench.acts where subject_kind = 'match'")[0][0]
    assert say(clients, tokens, "邻县", key, "undo", str(act_id)).status_code == 404
    assert say(clients, tokens, "旗县乙", key, "undo", str(act_id)).status_code == 303
    assert say(clients, tokens, "旗县丙", key, "undo", str(act_id)).status_code == 409, "taken back already"
    acts.take_acts(NEXT)
    assert links_of(key) == []
    assert f'id="m{key}"' in clients["旗县甲"].get("/matches").text, "it waits for a person again"


def test_act__taken_back_before_the_night__becomes_no_decision(world, clients, tokens, mention):
    key, numbers = mention
    assert say(clients, tokens, "旗县甲", key, "link", numbers[1]).status_code == 303
    act_id = owner_sees("select max(act_id) from workbench.acts where subject_kind = 'match'")[0][0]
    assert say(clients, tokens, "旗县甲", key, "undo", str(act_id)).status_code == 303
    report = acts.take_acts(NEXT)
    assert report.decided_count == 0 and report.refusals == [] and links_of(key) == []
    assert "生效前已撤销" in clients["旗县甲"].get("/matches").text
    assert say(clients, tokens, "旗县乙", key, "link", numbers[1]).status_code == 303, "it can be said anew"


def test_two_officers_at_once__the_second_is_told(world, clients, tokens, mention):
    key, numbers = mention
    assert say(clients, tokens, "旗县甲", key, "separate", numbers[0], follows=0).status_code == 303
    late = say(clients, tokens, "旗县乙", key, "link", numbers[0], follows=0)
    assert late.status_code == 409 and "其他人员刚刚办理过" in late.text


def test_act__that_the_register_refuses__changes_nothing_and_says_so(world, clients, tokens, mention):
    key, numbers = mention
    assert say(clients, tokens, "旗县甲", key, "separate", numbers[0]).status_code == 303
    acts.take_acts(NEXT)
    assert say(clients, tokens, "旗县甲", key, "link", numbers[0]).status_code == 303
    report = acts.take_acts(NEXT)
    assert report.decided_count == 0 and "was separated" in report.refusals[0]
    assert [row[0] for row in links_of(key)] == ["different"]
    assert re.search(r"未生效：[^<]*separated", clients["旗县甲"].get("/matches").text)


def test_waiting_rows__on_the_page__are_counted_by_feed(clients):
    rows = owner_sees("select feed, sum(row_count) from ops.waiting group by feed")
    page = clients["盟市"].get("/matches").text
    assert rows and all(f"<code>{feed}</code>" in page for feed, _count in rows)
