"""Hashes of rows: equal values, equal hash, however they were written; a later field leaves old rows what they were."""

import dataclasses
from datetime import date

import polars
import pytest
from test_ingestion_values import checked

from property_credit.ingestion import feeds
from property_credit.ingestion.hashing import hashes


def row_hash(feed, typed):
    return hashes(feed, typed)[1].item()


def test_row_hash__of_equal_values__ignores_how_they_were_written_and_sees_every_field():
    feed = feeds.get("funds")
    first, _codes = checked("funds", [{"booked_on": "2026-01-02", "amount": "5"}])
    second, _codes = checked("funds", [{"booked_on": "20260102", "amount": "5.00"}], dates={"booked_on": ["%Y%m%d"]})
    assert row_hash(feed, first) == row_hash(feed, second)
    for changed in ({"amount": "6"}, {"summary": "x"}, {"voucher_no": "x"}):
        other, _codes = checked("funds", [{"booked_on": "2026-01-02", "amount": "5", **changed}])
        assert row_hash(feed, other) != row_hash(feed, first)


def test_row_hash__today__is_what_it_always_was():
    typed, _codes = checked("funds", [{"booked_on": "2026-01-02", "amount": "5", "summary": "维修"}])
    assert row_hash(feeds.get("funds"), typed) == -2943269893291604442  # one field more than before: another hash


@pytest.mark.parametrize("name", ["communities", "contracts", "complaints"])
def test_hash__a_field_that_came_later_and_is_empty__leaves_rows_what_they_were(name):
    feed = feeds.get(name)
    later = [field.name for field in feed.fields if field.is_later]
    assert later and feed.field_names[-len(later) :] == tuple(later)  # the places of the others stay
    before = dataclasses.replace(feed, fields=tuple(field for field in feed.fields if not field.is_later))
    types = {field.name: polars.Date if field.type == "date" else polars.String for field in feed.fields}
    types |= {field.name: polars.Enum(field.codes) for field in feed.fields if field.type == "code"}
    words = {"effective_on": date(2026, 1, 1), "same_matter_as_id": "B"}
    rows = [{feed.key[0]: "A"}, {feed.key[0]: "A", later[0]: words[later[0]]}]
    for chosen in (rows[:1], rows):
        typed = polars.DataFrame(chosen, schema=types)
        new, old = (hashes(each, typed)[1].to_list() for each in (feed, before))
        assert new[0] == old[0] and new[1:] != old[1:] or new == old and len(chosen) == 1
