"""What was published is proven again from the archive on, and every kind of change on the way turns it red."""

import json
from types import SimpleNamespace

import pytest
from region_pages import NIGHT, database_of
from typer.testing import CliRunner

from property_credit.cli import audit_command
from property_credit.cli.main import app
from property_credit.ingestion.provenance import prove
from property_credit.publishing import integrity
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings


@pytest.fixture(scope="module")
def published(graded_region, tmp_path_factory):
    """A database of the region's own, beside the region's archive."""
    home = next(path for path in tmp_path_factory.getbasetemp().glob("region*") if (path / "archive").exists())
    with database_of(graded_region) as name, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARCHIVE_DIR", str(home / "archive"))
        get_settings.cache_clear()
        yield SimpleNamespace(database=name, archive=home / "archive")


def audited(*options):
    done = CliRunner().invoke(app, ["audit", "--period", "2026-Q4", "--no-replays", "--format", "json", *options])
    assert done.stdout, done
    return done.exit_code, json.loads(done.stdout)


def test_audit__a_published_region__is_proven_row_by_row(published):
    code, rows = audited()
    assert code == 0, [row for row in rows if not row["is_sound"]]
    proof = prove("complaints", NIGHT)
    with connect() as owner:
        counted = owner.execute("select count(*) from raw.complaints where absence_code is null").fetchone()[0]
    assert proof.rows + proof.rows_of_other_readings == counted and proof.rows > 0.9 * counted > 100


DAMAGE = {
    "a value in raw": ("update raw.{0} set {1} = {2}", "raw.inspections"),
    "a value in raw and its hash": ("update raw.{0} set {1} = {2}, row_hash = row_hash + 1", "raw.inspections"),
    "a grade": ("update publishing.grade_versions set grade = 'AA' where {published}", "publishing"),
    "a run": ("update scoring.grades set grade = 'AA' where {graded}", "publishing"),
    "an entry of the log": ("update publishing.log_leaves set entry = replace(entry, '\"B\"', '\"A\"')", "publishing"),
    "an entry and its hash": (
        "update publishing.log_leaves set leaf_hash = sha256(convert_to('x', 'UTF8')) where leaf_index = 1",
        "publishing",
    ),
    "a list": ("update publishing.lists set document = replace(document, '\"B\"', '\"AA\"')", "publishing"),
    "a signature": ("update publishing.lists set signature = head_signature", "publishing"),
    "a file": ("update publishing.bulk_files set content = content || 'x'::bytea", "publishing"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_audit__damage__is_named_where_it_is(published, kind):
    statement, place = DAMAGE[kind]
    statement = statement.format(
        "inspections",
        "finding",
        "coalesce(finding, '') || 'x' where inspection_id = (select min(inspection_id) from raw.inspections)",
        published="grade = 'B' and version_no = 1",
        graded="grade = 'B'",
    )
    if kind == "a value in raw and its hash":
        statement = (
            "update raw.inspections set row_hash = row_hash + 1"
            " where inspection_id = (select min(inspection_id) from raw.inspections)"
        )
    with connect() as owner, pytest.MonkeyPatch.context() as patch:
        owner.execute("alter table publishing.log_leaves disable trigger all")
        assert owner.execute(statement).rowcount > 0
        for module in ("property_credit.ingestion.provenance", "property_credit.publishing.integrity"):
            patch.setattr(f"{module}.connect", lambda *_role, **_options: SameTransaction(owner))
        if place == "publishing":
            assert integrity.check(NIGHT, NIGHT) != []
        else:
            proof = prove("inspections", NIGHT)
            assert not proof.is_sound and (proof.differing or proof.broken)
        owner.rollback()


class SameTransaction:
    """The damaging transaction itself, where a connection is asked for: what it did is rolled back."""

    def __init__(self, connection):
        self._connection = connection

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        return None

    def execute(self, query, *values):
        return None if str(query).startswith("set transaction") else self._connection.execute(query, *values)

    def cursor(self, **options):
        return self._connection.cursor(**options)


def test_audit__a_copy_that_changed__is_named_with_its_rows(published):
    copies = (path for path in sorted(published.archive.rglob("*.csv")) if b"2026-10-" in path.read_bytes())
    copy = next(copies)
    content = copy.read_bytes()
    try:
        copy.write_bytes(content.replace(b"2026-10-", b"2025-10-"))
        code, rows = audited()
        assert code == 1
        assert {row["step"] for row in rows if not row["is_sound"]} == {
            "archive",
            f"raw.{copy.relative_to(published.archive).parts[0]}",
        }
    finally:
        copy.write_bytes(content)


@pytest.mark.parametrize(
    ("period", "days"), [("2026-Q4", "2026-10-01 2026-12-31"), ("2026-10", "2026-10-01 2026-10-31")]
)
def test_period__of_a_quarter_or_month__is_its_days(period, days):
    assert " ".join(map(str, audit_command._days(period))) == days


def test_period__that_is_none__exits_2():
    assert CliRunner().invoke(app, ["audit", "--period", "2026-Q5"]).exit_code == 2
