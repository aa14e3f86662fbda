"""After a month, people's names, numbers and words lie in raw, quarantine and the archive, and nowhere else."""

import zipfile

import polars as pl
import pytest

from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings
from property_credit.warehouse.withheld import WITHHELD

PROTECTED = ("raw", "quarantine")
MARKS_OF_A_COLUMN = 40
FOLDERS = (  # of DATA_DIR: all but the database, keys, landing, archive, receipts and proofs
    *("logs", "gates", "draws", "sandbox", "airflow", "dbt", "watchdog", "reports", "public", "locks", "spill"),
    "backups",
)
SHORTEST = {"reporter_name": 3, "staff_name": 3}  # characters; a shorter one stands in other words by chance
PEOPLES = [("complaints", column) for column in WITHHELD["complaints"]] + [("personnel", "staff_name")]


@pytest.fixture(scope="module")
def marks(region):
    """Some values of each withheld column that is about people, as they were delivered."""
    values = {}
    with connect() as connection:
        for table, column in PEOPLES:
            rows = connection.execute(
                f"select distinct {column} from raw.{table} where length({column}) >= %s order by 1 limit %s",
                (SHORTEST.get(column, 8), MARKS_OF_A_COLUMN),
            ).fetchall()
            values[f"{table}.{column}"] = [value for (value,) in rows]
    assert all(
        len(values[name]) > 3 for name in ("complaints.reporter_phone", "complaints.content", "personnel.staff_name")
    )
    return values


def tables(*only):
    """Yield every table outside the protected schemas, or those named, and its rows as text."""
    with connect() as connection:
        names = connection.execute(
            """
            select format('%%I.%%I', nspname, relname)
            from pg_class join pg_namespace on pg_namespace.oid = relnamespace
            where relkind in ('r', 'm', 'p') and nspname !~ '^pg_' and nspname <> 'information_schema'
              and nspname <> all(%s)
            order by 1
            """,
            (list(PROTECTED),),
        ).fetchall()
        for (name,) in names if not only else [(name,) for name in only]:
            with connection.cursor().copy(f"copy (select * from {name}) to stdout") as rows:
                yield name, b"".join(rows).decode()


def files(folders):
    """Yield every file below the folders, workbooks unpacked."""
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as packed:
                    yield str(path), "".join(packed.read(name).decode(errors="replace") for name in packed.namelist())
            elif path.is_file():
                yield str(path), path.read_text(errors="replace")


def leaks(places, marks):
    every = [value for values in marks.values() for value in values]
    return [
        (place, column)
        for place, text in places
        if _holds(text, every)
        for column, values in marks.items()
        if _holds(text, values)
    ]


def _holds(text, values):
    return pl.Series([text]).str.contains_any(values).item()  # all of them in one pass


def test_tables__outside_raw_and_quarantine__hold_nothing_of_a_person(region, marks):
    assert leaks(tables(), marks) == []


def test_files__pages_logs_and_gates__hold_nothing_of_a_person(region, marks):
    home = get_settings().data_dir
    folders = [region.folder, *(home / name for name in FOLDERS)]
    assert leaks(files(folder for folder in folders if folder.exists()), marks) == []


def test_scanner__a_telephone_number_in_a_message__is_seen(region, marks, tmp_path):
    phone = marks["complaints.reporter_phone"][0]
    (tmp_path / "night.log").write_text(f"row 7: {phone} is no date")
    assert leaks(files([tmp_path]), marks) == [(str(tmp_path / "night.log"), "complaints.reporter_phone")]
    with connect() as connection:
        connection.execute("create table ops.planted as select %s::text as message", (f"a value: {phone}",))
    try:
        assert ("ops.planted", "complaints.reporter_phone") in leaks(tables("ops.planted"), marks)
    finally:
        with connect() as connection:
            connection.execute("drop table ops.planted")
