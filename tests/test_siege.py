"""The campaign in small: a world of every feed, a killed load, and a judge that sees what it should."""

import random
import resource
import tempfile

import pytest
import siege_campaign
import siege_world
from test_personal_data_stays import FOLDERS, files, leaks, tables

from property_credit.ingestion import feeds
from property_credit.warehouse import data_key
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings

SEED = 20261130


@pytest.fixture
def ground(warehouse_database):
    siege_world.prepare()
    return warehouse_database


def test_worlds__of_every_feed__are_judged_sound(ground):
    wrong = [
        line
        for number, name in enumerate(feeds.NAMES)
        for line in siege_world.besiege(SEED + number, ground, feed_name=name)
    ]
    assert wrong == []


def test_worlds__sealed__are_judged_sound(ground, monkeypatch):
    monkeypatch.setenv("DATA_KEY", data_key.generate()[0])
    get_settings.cache_clear()
    people = [name for name in feeds.NAMES if feeds.get(name).person]
    wrong = [siege_world.besiege(SEED + 50 + place, ground, feed_name=name) for place, name in enumerate(people)]
    assert wrong == [[]] * len(people)


def test_worlds__of_people__leave_no_word_of_them_outside_raw_quarantine_and_archive(ground, monkeypatch, tmp_path):
    """Every feed with something personal, in every damage: tables, files of the platform, temporary files."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    for number, name in enumerate(name for name in feeds.NAMES if any(one.personal for one in feeds.get(name).fields)):
        for place, damage in enumerate((None, *siege_world.DAMAGE)):
            world = siege_world.World(SEED + 100 * number + place, feed_name=name)
            world.damage = damage
            report = world.deliver(tmp_path / "offices")
            assert siege_world.MARK not in str(report)
    with connect() as owner:
        assert owner.execute("select count(*) from raw.complaints").fetchone() != (0,)
    home = get_settings().data_dir
    places = [tmp_path / "temporary", *(home / name for name in FOLDERS if (home / name).exists())]
    assert leaks(tables(), {"personal": [siege_world.MARK]}) == []
    assert leaks(files(places), {"personal": [siege_world.MARK]}) == []
    assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0  # what dies leaves no image of its memory


def test_worlds__without_oddities__are_let_in_whole(ground):
    """What the judge calls untouched is good: else it would forgive a loader that refuses everything."""
    accepted = {}
    for number, name in enumerate(feeds.NAMES):
        world = siege_world.World(SEED - number, feed_name=name, dropped=frozenset(range(5)))
        report = world.deliver(ground)
        keys = {tuple(row[one] for one in world.feed.key) for row in world.rows}
        accepted[name] = report.rows_accepted >= len(keys) if report.status == "loaded" else report.message
    assert set(accepted.values()) == {True}, accepted


@pytest.mark.parametrize(
    "harm",
    [
        "update raw.funds set amount = amount + 1 where row_number = 2",
        "delete from raw.funds where row_number = 2",
        "delete from quarantine.rejected_rows",
        "update raw.funds set counterparty_name = 'x' where row_number = 2",
    ],
)
def test_judge__a_loader_that_lies__is_seen(ground, harm):
    world = next(
        one
        for seed in range(SEED, SEED + 500)
        if (one := siege_world.World(seed, feed_name="funds")).format == "csv"
        and not one.damage
        and any(effect == "refused" and place for place, _what, effect in one.oddities)
        and all(place for place, _what, _effect in one.oddities)
        and not any("line break" in what for _place, what, _effect in one.oddities)
    )
    report = world.deliver(ground)
    assert siege_world.problems(world, report) == []
    with connect() as owner:
        assert owner.execute(harm).rowcount > 0
    assert siege_world.problems(world, report) != []


@pytest.mark.slow
def test_load__killed_at_random__ends_whole(ground):
    assert siege_campaign.kill(random.Random(SEED), ground, kills=1) == []
