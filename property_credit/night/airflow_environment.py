"""Airflow's surroundings, made in code: quiet, offline, its metadata in a database of its own on the same server.

Owns the environment variables, the metadata database and who may sign in to Airflow: its users stand in that database
(Flask-AppBuilder's manager), and the first of them is an administrator with a password of this installation's own.
A variable that is already set (compose, an operator) stays.
"""

import argparse
import contextlib
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from property_credit.warehouse import connection
from property_credit.warehouse.migrate import create_database
from property_credit.warehouse.settings import PROJECT_ROOT, get_settings

DAGS = PROJECT_ROOT / "dags"
AUTH_MANAGER = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
ADMINISTRATOR = "admin"
PASSWORD_VARIABLE = "AIRFLOW_ADMIN_PASSWORD"
SHORTEST_PASSWORD = 12


class AirflowError(Exception):
    """Airflow cannot be used: the message says why and what to do."""


def variables(*, api_port: int = 8080) -> dict[str, str]:
    """Return the variables that Airflow and its parts need on this machine."""
    settings = get_settings()
    home = settings.data_dir / "airflow"
    metadata = _metadata_address()
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "2",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__AUTH_MANAGER": AUTH_MANAGER,
        "AIRFLOW__API_AUTH__JWT_SECRET": _kept(home / "jwt_secret", lambda: secrets.token_hex(64)),
        "AIRFLOW__API__SECRET_KEY": _kept(home / "session_secret", lambda: secrets.token_hex(32)),
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(api_port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{api_port}",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{api_port}/execution/",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": metadata,
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_ASYNC": metadata,  # else it asks for asyncpg, which nothing needs
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",  # a file that changed is read at once all the same
        "GX_ANALYTICS_ENABLED": "False",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }


def password_file() -> Path:
    """Return where the administrator's generated password is kept; it need not be there yet."""
    return get_settings().data_dir / "airflow" / "admin_password"


def _kept(path: Path, make: Callable[[], str]) -> str:
    """Return a secret of this installation: made once, readable by its owner alone, the same for every process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        descriptor, partial = tempfile.mkstemp(dir=path.parent)  # mode 0600
        with os.fdopen(descriptor, "w") as stream:
            stream.write(make())
        with contextlib.suppress(FileExistsError):  # a neighbour made one in between
            os.link(partial, path)
        os.unlink(partial)
    return path.read_text().strip()


def prepare(*, api_port: int = 8080) -> None:
    """Set the variables, make the metadata database and bring it to Airflow's version if it is not there yet.

    Airflow reads its configuration when it is imported, once a process: call this before. Raises AirflowError when the
    database cannot be made or migrated.
    """
    if "airflow" not in sys.modules:
        settings = variables(api_port=api_port)
        Path(settings["AIRFLOW_HOME"]).mkdir(parents=True, exist_ok=True)
        for key, value in settings.items():
            os.environ.setdefault(key, value)
        _create_metadata_database()
    _migrate()


def prepare_apart(*, api_port: int) -> None:
    """Prepare Airflow and its administrator in another process: this one may have imported it for another warehouse.

    Raises AirflowError with the reason.
    """
    command = [sys.executable, "-m", "property_credit.night.airflow_environment", "--api-port", str(api_port)]
    ended = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    if ended.returncode:
        reason = (ended.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise AirflowError(f"Airflow's metadata database cannot be prepared: {reason}")


def _metadata_database() -> str:
    return f"airflow_{connection.parameters()['dbname']}"


def _metadata_address() -> str:
    return connection.url(database=_metadata_database()).replace("postgresql://", "postgresql+psycopg://", 1)


def _create_metadata_database() -> None:
    import psycopg

    name = _metadata_database()
    if os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] != _metadata_address():
        return  # an address of the operator's own: its database is there
    try:
        create_database(name)
    except psycopg.errors.InsufficientPrivilege as error:
        raise AirflowError(
            f"Airflow needs a database {name} on the warehouse's server and this role may not create one: create it, "
            "or set AIRFLOW__DATABASE__SQL_ALCHEMY_CONN to another"
        ) from error


def _migrate() -> None:
    from airflow.utils import db

    try:
        db.check_migrations(0)  # type: ignore[no-untyped-call]
    except TimeoutError:
        db.upgradedb()


def _given_password() -> str | None:
    given = os.environ.get(PASSWORD_VARIABLE) or None
    if given is not None and len(given) < SHORTEST_PASSWORD:
        raise AirflowError(f"{PASSWORD_VARIABLE} has fewer than {SHORTEST_PASSWORD} characters: choose a longer one")
    return given


def ensure_administrator() -> None:
    """Have the user `admin`: with AIRFLOW_ADMIN_PASSWORD if that is set, else with a generated password in a file.

    A password that was changed in Airflow stays as it is while the user is there. Raises AirflowError when Airflow does
    not take the user.
    """
    from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder

    given = _given_password()
    with get_application_builder() as builder:
        manager = builder.sm
        if manager.find_user(username=ADMINISTRATOR):
            return
        password = given or _kept(password_file(), lambda: secrets.token_urlsafe(18))
        made = manager.add_user(
            ADMINISTRATOR, "Airflow", "administrator", "admin@localhost", manager.find_role("Admin"), password=password
        )
        if not made:
            raise AirflowError("Airflow did not take its administrator: see its log")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Prepare Airflow's metadata database and its administrator.")
    parser.add_argument("--api-port", type=int, default=8080)
    try:
        _given_password()  # refused before anything is made
        prepare(api_port=parser.parse_args().api_port)
        ensure_administrator()
    except AirflowError as error:
        sys.exit(str(error))
