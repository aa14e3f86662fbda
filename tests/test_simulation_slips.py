"""Names as clerks write them: the same seed, the same slips; every kind is there, and its truth holds."""

from collections import Counter

import pytest

from simulation.slips import KINDS, make_places, write_slips


@pytest.fixture(scope="module")
def written():
    places = make_places(800, seed=3)
    return {place.community_id: place for place in places}, write_slips(places, 6000, seed=4)


def test_places__namesakes_and_phases__are_there_and_no_two_are_one(written):
    places, _ = written
    assert len({(place.district_code, place.name) for place in places.values()}) == len(places)
    across = Counter(place.name for place in places.values())
    assert across["阳光小区"] > 1 and max(place.phase for place in places.values()) >= 2


def test_slips__every_kind__is_written_with_its_truth(written):
    places, slips = written
    assert {slip.kind for slip in slips} == set(KINDS)
    for slip in slips:
        if slip.kind == "nobody":
            assert slip.community_id is None
            continue
        place = places[slip.community_id]
        assert slip.district == place.district
        assert (slip.name == place.name) == (slip.kind == "exact")
        if slip.kind == "phase_dropped":
            assert not slip.can_be_told and place.phase


def test_slips__same_seed__are_the_same_and_another_seed_others():
    places = make_places(50, seed=1)
    assert write_slips(places, 100, seed=2) == write_slips(places, 100, seed=2) != write_slips(places, 100, seed=3)
