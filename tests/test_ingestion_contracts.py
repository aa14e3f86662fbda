"""Contracts of the feeds: they fit the tables, speak both languages, and their code check is the standard's."""

import doctest
import importlib
from pathlib import Path

import pytest

from property_credit.ingestion import feeds
from property_credit.ingestion.contract import REASONS, IngestionError
from property_credit.ingestion.describe import describe
from property_credit.warehouse import credit_codes
from property_credit.warehouse.connection import connect

TYPES = {
    "text": "text",
    "code": "text",
    "uscc": "text",
    "date": "date",
    "timestamp": "timestamp with time zone",
    "integer": "integer",
    "boolean": "boolean",
}


@pytest.mark.parametrize("name", feeds.NAMES)
def test_feed__compared_with_its_table__same_fields_types_and_nullability(name, unwritten_database):
    feed = feeds.get(name)
    with connect("pc_ingestion") as connection:
        rows = connection.execute(
            "select attname, format_type(atttypid, atttypmod), attnotnull from pg_attribute"
            " where attrelid = to_regclass('raw.' || %s) and attnum > 0 order by attnum",
            (name,),
        ).fetchall()
        indexes = connection.execute(
            "select indexrelid::regclass::text, coalesce(reloptions, '{}')"
            " from pg_index join pg_class on pg_class.oid = indexrelid where indrelid = to_regclass('raw.' || %s)"
            " and indpred is null",
            (name,),
        ).fetchall()
    expected = [
        (
            field.name,
            f"numeric({field.precision},{field.scale})" if field.type == "decimal" else TYPES[field.type],
            field.required,
        )
        for field in feed.fields
    ]
    added = [
        "batch_id", "row_number", "known_on", "received_at", "row_hash", "arrived_on", "arrived_at", "absence_code",
    ]  # fmt: skip
    assert [row for row in rows if row[0] not in added] == expected  # a later field stands after what ingestion adds
    assert [row[0] for row in rows if row[0] in added] == added
    # every index but a partial one is paid for by every row; one that summarizes by itself floods the server's log
    assert {index for index, _options in indexes} == {f"raw.{name}_key", f"raw.{name}_arrival"}
    assert all("autosummarize=on" not in options for _index, options in indexes)


@pytest.mark.parametrize("name", feeds.NAMES)
def test_feed__looked_at_alone__is_sound(name):
    feed = feeds.get(name)
    names = feed.field_names
    assert feed.name == name and len(set(names)) == len(names)
    assert set(feed.key) <= set(names) and all(feed.field(key).required for key in feed.key)
    assert feed.field(feed.event_field).is_date
    for field in feed.fields:
        assert field.zh and field.en
        assert bool(field.codes) == (field.type == "code")
        assert field.references is None or feeds.NAMES.index(field.references) < feeds.NAMES.index(name)
    for rule in feed.rules:
        assert rule.column in names and rule.code not in REASONS and rule.zh and rule.en


@pytest.mark.parametrize("name", feeds.NAMES)
def test_describe__every_feed__names_every_reason_in_both_languages(name):
    described = describe(name)
    assert len(described["fields"]) == len(feeds.get(name).fields)
    assert all(rule["zh"] and rule["en"] for rule in described["rules"])
    assert len({rule["code"] for rule in described["rules"]}) == len(described["rules"])


def test_feeds__unknown_name__lists_the_known_ones():
    with pytest.raises(IngestionError, match="complaints"):
        feeds.get("compliants")


def test_uscc__examples_of_the_standard__hold():
    assert doctest.testmod(credit_codes).failed == 0
    for good in ("91350100M000100Y43", "91110000802100433B", "91440300708461136T", "91330106673959654P"):
        assert credit_codes.problem_with(good) is None
        for place in range(18):
            changed = "1" if good[place] != "1" else "2"
            assert credit_codes.problem_with(good[:place] + changed + good[place + 1 :])
    assert credit_codes.problem_with("9135010OM000100Y43")  # the letter O is none of the 31 characters


def test_uscc__real_codes__all_valid(real_data_dir):
    text = (real_data_dir / "uscc/uscc_from_stdnum_doctest.txt").read_text(encoding="utf-8")
    codes = [word for word in text.split() if len(word) == 18 and word.isalnum() and word.isupper()]
    assert sum(credit_codes.problem_with(code) is None for code in codes) >= 190


def test_contracts__imported__do_not_load_polars():
    import subprocess
    import sys

    code = (
        "import sys, property_credit.ingestion.profile; from property_credit.ingestion import feeds; "
        "[feeds.get(n) for n in feeds.NAMES]; sys.exit('polars' in sys.modules)"
    )
    root = Path(importlib.import_module("property_credit.ingestion").__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
