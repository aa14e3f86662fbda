"""The ground of a Citus cluster: its machines, and the raw tables spread over them.

Owns which raw tables are spread and by which key. What dbt builds is spread by dbt (``distribute()``, dbt_project.yml);
everything else stays on the coordinator. Off Citus there is nothing to do.
"""

from typing import get_args

import psycopg
from psycopg import sql

from property_credit.warehouse.connection import Role, connect, parameters
from property_credit.warehouse.settings import get_settings

# by the key of a row: all its versions lie on one machine, and no delivery lacks it
RAW_KEYS = {
    "complaints": "complaint_id",
    "inspections": "inspection_id",
    "funds": "entry_id",
    "disclosures": "disclosure_id",
    "lifts": "lift_id",
    "street_ratings": "rating_id",
}
RAW_COPIES = ("withdrawn_rows",)  # small ones that all the others are compared with: a copy on every machine
SETTINGS = {
    # a join on another column than the tables lie by is sent between the machines instead of being refused
    "citus.enable_repartition_joins": "on",
    # a model is read, made and renamed in one transaction: Citus does that over one connection to each machine, the
    # coordinator included, and refuses it over several or partly within the session
    "citus.multi_shard_modify_mode": "sequential",
    "citus.enable_local_execution": "off",
}


class DistributionError(Exception):
    """The cluster cannot be set up; the message says why and what to do."""


def distribute() -> list[str]:
    """Add the workers of CITUS_WORKERS, spread the raw tables; return what was spread now (again: nothing).

    Raises DistributionError when DISTRIBUTED=citus and the server has no Citus, or a worker cannot be added.
    """
    settings = get_settings()
    if settings.distributed != "citus":
        return []
    with connect(None, autocommit=True) as connection:
        try:
            connection.execute("create extension if not exists citus")
            _let_machines_connect(connection, _passwords(), workers=False)
            _add_coordinator(connection)
            for worker in filter(None, settings.citus_workers.split(",")):
                host, _, port = worker.strip().partition(":")
                connection.execute("select citus_add_node(%s, %s)", (host, int(port or 5432)))
            _let_machines_connect(connection, _passwords(), workers=True)
            for name, value in SETTINGS.items():
                connection.execute(
                    sql.SQL("alter role pc_dbt set {} = {}").format(
                        sql.Identifier(*name.split(".")), sql.Literal(value)
                    )
                )
            spread = [table for table, key in RAW_KEYS.items() if _spread(connection, table, key)]
            for table in RAW_COPIES:
                _copy_everywhere(connection, table)
            return spread
        except (psycopg.Error, ValueError) as error:
            text = getattr(getattr(error, "diag", None), "message_primary", None) or error
            raise DistributionError(
                f"the cluster cannot be set up: {text}. DISTRIBUTED=citus needs a server with Citus as WAREHOUSE_URL "
                "and its workers as CITUS_WORKERS=host:port,host:port; see docs/scale.md"
            ) from error


def _add_coordinator(connection: psycopg.Connection) -> None:
    """Let the coordinator hold reference tables too: they are joined with what only it has."""
    host, port = connection.info.host, connection.info.port
    if host.startswith("/"):
        raise ValueError("WAREHOUSE_URL must name the coordinator by a host that its workers reach")
    connection.execute("select citus_set_coordinator_host(%s, %s)", (host, port))


def are_models_spread(connection: psycopg.Connection) -> bool:
    """Say whether what dbt built lies on the cluster's machines: after a restore it lies on the coordinator alone.

    True off Citus, and where nothing was built yet.
    """
    if get_settings().distributed != "citus":
        return True
    row = connection.execute(
        """
        select to_regclass('marts.fct_complaints') is null
          or exists (select 1 from pg_dist_partition where logicalrelid = to_regclass('marts.fct_complaints'))
        """
    ).fetchone()
    return bool(row and row[0])


def _passwords() -> dict[str, str]:
    """Return the passwords of the owner and of each role, where there are any."""
    roles: tuple[Role | None, ...] = (None, *get_args(Role))
    addresses = [parameters(role) for role in roles]
    return {one["user"]: one["password"] for one in addresses if one.get("password")}


def _let_machines_connect(connection: psycopg.Connection, passwords: dict[str, str], *, workers: bool) -> None:
    """Tell this machine, or every worker, the passwords with which machines open connections to one another."""
    for role, password in passwords.items():
        escaped = password.replace("\\", "\\\\").replace("'", "\\'")
        statement = sql.SQL(
            "insert into pg_dist_authinfo (nodeid, rolename, authinfo) values (0, {}, {})"
            " on conflict (rolename, nodeid) do update set authinfo = excluded.authinfo"
        ).format(sql.Literal(role), sql.Literal(f"password='{escaped}'"))
        if workers:
            connection.execute("select run_command_on_workers(%s)", (statement.as_string(connection),))
        else:
            connection.execute(statement)


def _copy_everywhere(connection: psycopg.Connection, table: str) -> None:
    """Make a small raw table a reference table, a copy on every machine, unless it is one."""
    name = f"raw.{table}"
    if not connection.execute("select 1 from pg_dist_partition where logicalrelid = %s::regclass", (name,)).fetchone():
        connection.execute("select create_reference_table(%s)", (name,))


def _spread(connection: psycopg.Connection, table: str, key: str) -> bool:
    """Spread one raw table unless it is; say whether that was done now."""
    name = f"raw.{table}"
    if connection.execute("select 1 from pg_dist_partition where logicalrelid = %s::regclass", (name,)).fetchone():
        return False
    connection.execute("select create_distributed_table(%s, %s, colocate_with => 'default')", (name, key))
    return True
