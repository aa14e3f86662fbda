"""One writer per schema: each role is refused what is not its own."""

import psycopg
import pytest

from warehouse.connection import connect

pytestmark = pytest.mark.usefixtures("warehouse_database")

# role → statements that it must be refused
REFUSED = {
    "pc_ingestion": [
        "delete from raw.funds",
        "update raw.complaints set title = ''",
        "truncate quarantine.rejected_rows",
        "delete from quarantine.rejected_rows",
        "insert into ops.batches default values",
        "select * from scoring.grades",
        "select * from publishing.outbox",
        "create table raw.mine (a int)",
    ],
    "pc_dbt": [
        "insert into raw.funds default values",
        "select * from quarantine.rejected_rows",
        "select * from scoring.grades",
        "insert into ops.stage_runs default values",
        "select ops.register_batch('','','','','','',0,now()::date,now(),'loaded',null,0,0,0,0,0,null,'{}')",
    ],
    "pc_gatekeeper": [
        "select payload from quarantine.rejected_rows",
        "insert into scoring.runs default values",
        "delete from raw.funds",
        "create table staging.mine (a int)",
    ],
    "pc_scoring": [
        "select * from raw.complaints",
        "update scoring.grades set grade = 'AA'",
        "delete from scoring.runs",
        "insert into publishing.publications default values",
        "create table marts.mine (a int)",
    ],
    "pc_publishing": [
        "select * from raw.complaints",
        "update scoring.grades set grade = 'AA'",
        "insert into scoring.grades default values",
        "update publishing.grade_versions set grade = 'AA'",
        "delete from publishing.outbox",
        "delete from publishing.grade_versions",
    ],
    "pc_supervision": ["insert into scoring.grades default values", "select * from raw.complaints"],
    "pc_api": [
        "select * from publishing.outbox",
        "select * from publishing.grade_versions",
        "select * from scoring.grades",
        "select * from raw.complaints",
        "select * from ops.batches",
    ],
    "pc_pages": [
        "select * from raw.complaints",
        "select * from quarantine.rejected_rows",
        "insert into scoring.grades default values",
        "select * from publishing.outbox",
    ],
}


@pytest.mark.parametrize(("role", "statement"), [(role, text) for role, texts in REFUSED.items() for text in texts])
def test_role__statement_outside_its_schema__is_refused(role, statement):
    with connect(role) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("pc_ingestion", "select * from raw.complaints"),
        ("pc_dbt", "create table staging.mine (a int)"),
        ("pc_gatekeeper", "select reason_code from quarantine.rejected_rows"),
        ("pc_scoring", "select * from scoring.grades"),
        ("pc_publishing", "select * from scoring.grades"),
        ("pc_api", "select * from publishing.current_grades"),
        ("pc_pages", "select * from publishing.grade_history"),
    ],
)
def test_role__statement_of_its_own__is_allowed(role, statement):
    with connect(role) as connection:
        connection.execute(statement)
