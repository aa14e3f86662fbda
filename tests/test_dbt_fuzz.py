"""Whatever values a contract lets through, the build stays green: what a test could fail for is set aside first."""

import csv
import random
from datetime import date, timedelta
from decimal import Decimal

import pytest
from own_warehouse import copied_database, use_warehouse
from psycopg import sql
from psycopg.rows import dict_row

from property_credit.ingestion import feeds
from property_credit.ingestion.load import ingest_file, no_check
from property_credit.ingestion.night import ingest_feed
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings
from property_credit.warehouse.transformation import build
from simulation.region import simulate

pytestmark = [pytest.mark.slow, pytest.mark.long]
LAST = date(2026, 10, 31)
FUZZED = LAST + timedelta(days=1)
SEEDS = 12  # rows of each feed in which several fields are odd at once


def odd_values(field, choose):
    """Return values of ``field`` at and beyond the edges of what people write, as text; None is empty."""
    days = [
        "1950-01-01",
        "1999-12-31",
        "2024-02-29",
        f"{LAST}",
        f"{FUZZED}",
        f"{FUZZED + timedelta(days=1)}",
        "2099-12-31",
    ]
    match field.type:
        case "date":
            return [None, *days]
        case "timestamp":
            return [None, *(f"{day} 00:00:00" for day in days), f"{FUZZED} 23:59:59"]
        case "integer":
            return [
                None,
                "-1",
                "0",
                "1",
                "2147483647",
                *(f"{edge:.0f}" for edge in (field.minimum, field.maximum) if edge),
            ]
        case "decimal":
            most = Decimal(10) ** (field.precision - field.scale) - Decimal(1).scaleb(-field.scale)
            return [None, "0", "0.1", "-0.1", f"{most}", f"-{most}"]
        case "boolean":
            return [None, "true", "false"]
        case "code":
            return [None, *field.codes]
    if "region" in field.name:
        return [None, "150299", "000000", "110000", "150000", "150203"]
    return [None, "x", "未知", "'\"；,", "0" * 150, str(choose.random())]


def write_fuzz(feed, folder, choose):
    """Write a file of odd rows of ``feed``, each a new row or a version of one that raw holds; return how many."""
    names = sql.SQL(", ").join(map(sql.Identifier, feed.field_names))
    with connect() as connection:
        rows = connection.cursor(row_factory=dict_row).execute(
            sql.SQL("select {} from {} order by row_hash limit 40").format(names, sql.Identifier("raw", feed.name))
        )
        known = [
            {name: None if value is None else _text(feed.field(name), value) for name, value in row.items()}
            for row in rows
        ]
    if not known:
        return 0
    mutations = [{field.name: value} for field in feed.fields for value in odd_values(field, choose)]
    for _ in range(SEEDS):
        several = choose.sample(feed.fields, min(4, len(feed.fields)))
        mutations.append({field.name: choose.choice(odd_values(field, choose)) for field in several})
    is_own_key = feed.field(feed.key[0]).type == "text" and not feed.field(feed.key[0]).references
    path = folder / f"{feed.name}.csv"
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(feed.field_names)
        for number, mutation in enumerate(mutations):
            base = dict(choose.choice(known))
            base["updated_at"] = f"{FUZZED} 08:00:00"
            if is_own_key and number % 2:
                base[feed.key[0]] = f"FUZZ{number}"
            base |= mutation
            writer.writerow(["" if base[name] is None else base[name] for name in feed.field_names])
    dates = [f'{f.name}: "%Y-%m-%d{" %H:%M:%S" if f.type == "timestamp" else ""}"' for f in feed.fields if f.is_date]
    profile = [
        f"feed: {feed.name}",
        "office_zh: 模糊测试",
        "format: csv",
        'files: "*.csv"',
        "header: {row: 1}",
        f"columns: {{{', '.join(f'{name}: {name}' for name in feed.field_names)}}}",
        f"dates: {{{', '.join(dates)}}}",
        'booleans: {"true": true, "false": false}',
    ]
    (folder / f"{feed.name}.yml").write_text("\n".join(profile) + "\n", encoding="utf-8")
    return len(mutations)


def _text(field, value):
    if field.type == "timestamp":
        return f"{value.astimezone(get_zone()):%Y-%m-%d %H:%M:%S}"
    return str(value).lower() if field.type == "boolean" else str(value)


def get_zone():
    from property_credit.warehouse.business_date import ZONE

    return ZONE


def test_build__every_field_of_every_feed_odd__stays_green(migrated_template, monkeypatch, tmp_path):
    simulate(preset="hamlet", seed=16, out=tmp_path, through=LAST, nights=0, dirt=False)
    choose = random.Random(5)
    with copied_database(migrated_template) as name:
        use_warehouse(monkeypatch, name, tmp_path)
        for feed in feeds.NAMES:
            ingest_feed(feed, LAST, check=no_check)
        loaded = 0
        for feed in map(feeds.get, feeds.NAMES):
            if write_fuzz(feed, tmp_path, choose):
                report = ingest_file(
                    feed=feed.name,
                    profile=str(tmp_path / f"{feed.name}.yml"),
                    path=tmp_path / f"{feed.name}.csv",
                    business_date=FUZZED,
                )
                assert report.status == "loaded", report.message
                loaded += report.rows_accepted
        assert loaded > 500
        results = build(FUZZED)  # raises, naming each, when a model or a test is not green
        assert {result.status for result in results} <= {"success", "pass"}
    get_settings.cache_clear()
