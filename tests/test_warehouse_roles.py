"""One writer per schema: each role is refused what is not its own."""

import psycopg
import pytest

from property_credit.ingestion import feeds
from property_credit.warehouse import withheld
from property_credit.warehouse.connection import connect
from property_credit.warehouse.migrate import migrate

pytestmark = pytest.mark.usefixtures("unwritten_database")

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
    "pc_entities": [
        "update entities.decisions set why = ''",
        "delete from entities.links",
        "truncate entities.names",
        "select * from raw.complaints",
        "insert into raw.enterprises default values",
        "create table entities.mine (a int)",
    ],
    "pc_dbt": [
        "insert into raw.funds default values",
        "select * from quarantine.rejected_rows",
        "select * from scoring.grades",
        "insert into ops.task_runs default values",
        "create table staging.mine (a int)",  # outside a registered build
        "select ops.remember_tables()",
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
        "select * from workbench.acts",
        "delete from publishing.case_files",
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
    "pc_workbench": [
        "select * from raw.complaints",
        "update workbench.acts set details = '{}'",
        "delete from workbench.acts",
        "insert into scoring.grades default values",
        "insert into supervision.alert_decisions default values",
        "select * from publishing.outbox",
        "insert into publishing.case_files default values",
        "update workbench.notices set subject_id = 'x'",
        "delete from workbench.notices",
        "update workbench.messages set body = 'x'",
        "delete from workbench.messages",
        "update workbench.message_results set is_taken = true",
        "select * from workbench.case_files_wanted()",
        "select * from scorecards.readers",
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
        ("pc_dbt", "select status from ops.builds"),
        ("pc_gatekeeper", "select reason_code from quarantine.rejected_rows"),
        ("pc_scoring", "select * from scoring.grades"),
        ("pc_publishing", "select * from scoring.grades"),
        ("pc_api", "select * from publishing.current_grades"),
        ("pc_pages", "select * from publishing.grade_history"),
        ("pc_workbench", "select * from workbench.acts"),
        ("pc_ingestion", "select * from workbench.objection_rows(0, 1)"),
        ("pc_workbench", "select content from publishing.case_files"),
        ("pc_publishing", "select * from workbench.acts_about('x')"),
    ],
)
def test_role__statement_of_its_own__is_allowed(role, statement):
    with connect(role) as connection:
        connection.execute(statement)


WITHHELD_COLUMNS = [(table, column) for table, columns in withheld.WITHHELD.items() for column in columns]


@pytest.mark.parametrize("role", withheld.READERS)
def test_reader__name_telephone_or_text__is_refused_and_the_rest_is_not(role):
    with connect(role, autocommit=True) as connection:
        for table, column in WITHHELD_COLUMNS:
            connection.execute(f"select batch_id, count(*) from raw.{table} group by batch_id")
            for asked in (column, "*", "t::text"):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(f"select {asked} from raw.{table} t")


def test_withheld__every_personal_field_of_every_contract__is_in_the_list():
    """A personal field of a new feed is withheld, or its absence from the list is a decision that stands here."""
    personal = {(name, field.name) for name in feeds.NAMES for field in feeds.get(name).fields if field.personal}
    codes = {(table, column) for table, columns in withheld.CODES.items() for column in columns}
    assert personal - codes <= set(WITHHELD_COLUMNS)


def test_withheld__column_added_and_table_granted_later__is_put_right_by_the_next_migrate(warehouse_database):
    with connect() as connection:
        connection.execute("alter table raw.complaints add column hue_code text")
        connection.execute("grant select on raw.complaints to pc_dbt")
    migrate()
    with connect("pc_dbt") as connection:
        connection.execute("select hue_code from raw.complaints")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select reporter_phone from raw.complaints")


def test_statistics__of_withheld_columns__show_no_reader_their_values():
    with connect() as connection:
        assert connection.execute("select count(*) from raw.complaints").fetchone() == (0,)
    for role in withheld.READERS:
        with connect(role) as connection:
            seen = connection.execute(
                "select attname from pg_stats where schemaname = 'raw' and tablename = 'complaints' "
                "and attname in ('reporter_name', 'reporter_phone', 'title', 'content', 'reply')"
            ).fetchall()
            assert seen == []
