"""The warehouse's transformation: dbt over the raw tables for one business date, as role pc_dbt.

Owns how dbt is called and what a failing model or test looks like to people. Must not know what a model computes.
"""

import hashlib
import json
import secrets
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import psycopg
import yaml

from property_credit.warehouse import builds, editions
from property_credit.warehouse.business_date import arrival
from property_credit.warehouse.connection import connect, parameters
from property_credit.warehouse.locks import building_marts
from property_credit.warehouse.settings import PROJECT_ROOT, Settings, get_settings, settings_of

PROJECT_DIR = PROJECT_ROOT / "dbt_project"
BAD = ("error", "fail", "runtime error")
SHOWN = 5  # failing models and tests a message names


class TransformationError(RuntimeError):
    """A model did not build or a test said no; the message names each and what it said."""


@dataclass(frozen=True)
class ModelResult:
    """What became of one model, seed or test: seconds it took, rows it wrote (models, where known) or found (tests).

    ``began_after``: seconds after dbt was called.
    """

    name: str
    kind: str
    status: str
    seconds: float
    rows: int | None
    began_after: float = 0.0


def build(
    business_date: date,
    *,
    select: str | Sequence[str] | None = None,
    variables: Mapping[str, Any] | None = None,
    unit_tests: bool = False,
    full_parse: bool = False,
    schema_prefix: str = "",
    tests: bool = True,
    is_incremental: bool = False,
) -> list[ModelResult]:
    """Build and test the models as they were known on ``business_date``; return what became of each.

    Every build of the marts themselves is recorded in ``ops.builds`` and ``ops.model_runs``; one in scratch schemas
    is not.

    Args:
        business_date: the night to compute, the only date any model sees.
        select: dbt selectors (``"tag:staging"``, ``"mart_scoring__caps"``); None builds everything.
        variables: the grading method's numbers (``scoring.method.warehouse_variables``), laid over the defaults in
            dbt_project.yml; mappings such as ``windows`` are merged key by key. ``edition`` names another edition of
            the rules of reading and counting than the one that binds on the night.
        unit_tests: also run dbt's unit tests; they prove code, so nights leave them to the project's tests.
        full_parse: read every project file again, also when this process has read them before.
        schema_prefix: build into ``<prefix>staging`` … ``<prefix>marts`` (``warehouse.scratch`` makes them) instead.
        tests: False leaves out the data tests too.
        is_incremental: work on top of the last build where that is sound (``warehouse.builds.plan`` says when);
            False makes every table anew. The tables come out the same.

    Raises:
        TransformationError: a model or test failed, or the project cannot be read. What was built before stays.
    """
    if full_parse:
        _manifest.cache_clear()
    merged = _in_force(business_date, variables)
    if schema_prefix:
        return _invoke(merged, None, select, unit_tests=unit_tests, tests=tests, schema_prefix=schema_prefix)
    token = secrets.token_hex()
    with building_marts(), connect("pc_dbt") as records:
        hashes = _hashes(records, business_date, merged)
        decided = builds.plan(records, business_date, is_incremental=is_incremental and not select, **hashes)
        if select or not tests:
            decided = builds.Plan(business_date, "partial", "some of the models or tests only")
        build_id = builds.begin(records, decided, **hashes, token=token)
        done: list[ModelResult] = []
        is_done = False
        try:
            given = {**merged, "build_token": token}
            _invoke(given, decided.increment, select, unit_tests=unit_tests, tests=tests, done=done)
            is_done = True
        finally:
            runs = [asdict(result) for result in done if result.kind != "unit_test"]
            first = min((result.began_after for result in done if result.began_after), default=None)
            builds.end(records, build_id, decided, is_done=is_done, start_seconds=first, runs=runs)
    return done


def planned(business_date: date, *, variables: Mapping[str, Any] | None = None) -> builds.Plan:
    """Return how a build of ``business_date`` would be made now, without making it."""
    with connect("pc_dbt") as records:
        hashes = _hashes(records, business_date, _in_force(business_date, variables))
        return builds.plan(records, business_date, **hashes)


def _hashes(records: psycopg.Connection, business_date: date, variables: Mapping[str, Any]) -> dict[str, Any]:
    identity = builds.identity_state(records, business_date)
    variable_hash = builds.hash_of({**variables, "business_date": None, "identity": identity})
    return {"code_hash": code_hash(), "variable_hash": variable_hash}


def _invoke(
    variables: Mapping[str, Any],
    increment: builds.Increment | None,
    select: str | Sequence[str] | None,
    *,
    unit_tests: bool,
    tests: bool,
    schema_prefix: str = "",
    done: list[ModelResult] | None = None,
) -> list[ModelResult]:
    """Call dbt once; what became of each model is in ``done`` also when one fails."""
    called_at = arrival()
    from dbt.cli.main import dbtRunner

    done = [] if done is None else done
    with _environment():
        manifest = _manifest_of(parameters("pc_dbt").get("dbname", "postgres"), schema_prefix)
        given = {**variables, "increment": increment.variable()} if increment else dict(variables)
        arguments = ["build", *_common(schema_prefix), "--vars", json.dumps(given)]
        if select:
            arguments += ["--select", *([select] if isinstance(select, str) else select)]
            arguments += ["--indirect-selection", "buildable"]  # no test of a table that this call does not build
        left_out = [] if unit_tests else ["unit_test"]
        left_out += [] if tests else ["test"]
        left_out += ["seed"] if increment else []  # another seed is another code: then the build is full
        for kind in left_out:
            arguments += ["--exclude-resource-type", kind]
        if increment is None:
            arguments += ["--full-refresh"]
        outcome = dbtRunner(manifest=manifest).invoke(arguments)
    results = list(getattr(outcome.result, "results", None) or [])
    # an exposure says who reads the models: nothing is built
    made = [result for result in results if str(result.node.resource_type) not in ("operation", "exposure")]
    done += [_result(result, called_at) for result in made]
    bad = [f"{result.node.name}: {_one_line(result.message)}" for result in results if str(result.status) in BAD]
    if bad:
        more = f"; and {len(bad) - SHOWN} more, see {target_dir() / 'logs' / 'dbt.log'}" if len(bad) > SHOWN else ""
        raise TransformationError("; ".join(bad[:SHOWN]) + more)
    if not outcome.success:
        raise TransformationError(f"dbt could not run: {_one_line(outcome.exception)}")
    return done


def compiled(business_date: date, *, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return every model as dbt would send it for ``business_date``: name → node with ``compiled_code`` and ``config``.

    Raises TransformationError when the project cannot be read.
    """
    from dbt.cli.main import dbtRunner

    with _environment():
        manifest = _manifest_of(parameters("pc_dbt").get("dbname", "postgres"))
        arguments = [
            "compile",
            "--full-refresh",
            *_common(),
            "--vars",
            json.dumps(_variables(business_date, variables)),
        ]
        arguments += ["--select", "resource_type:model", "--exclude", "resource_type:test", "resource_type:unit_test"]
        outcome = dbtRunner(manifest=manifest).invoke(arguments)
    if not outcome.success:
        raise TransformationError(f"the models do not compile: {_one_line(outcome.exception)}")
    compiled_models: Any = outcome.result
    return {compiled_model.node.name: compiled_model.node for compiled_model in compiled_models.results}


def code_hash() -> str:
    """Return a hash of the project's files: a table made by other code is never worked on top of."""
    digest = hashlib.sha256()
    for path, _changed in _project_state():
        if path.endswith((".sql", ".yml", ".csv")):
            digest.update(path.removeprefix(str(PROJECT_DIR)).encode())
            digest.update(Path(path).read_bytes())
    return digest.hexdigest()[:16]


def _result(result: Any, called_at: datetime) -> ModelResult:
    kind = str(result.node.resource_type.value)
    began = [timing.started_at.replace(tzinfo=UTC) for timing in result.timing if timing.started_at]
    rows = result.failures if kind == "test" else result.adapter_response.get("rows_affected")
    return ModelResult(
        name=result.node.name,
        kind=kind,
        status=str(result.status.value),
        seconds=round(result.execution_time, 3),
        rows=rows if rows is None or rows >= 0 else None,
        began_after=round((min(began) - called_at).total_seconds(), 3) if began else 0.0,
    )


def _one_line(message: object) -> str:
    return " ".join(str(message).split())[:600]


def _project_state() -> tuple[tuple[str, int], ...]:
    """Every file of the project with its time of change: a manifest is kept only while this stays the same."""
    folders = ("models", "macros", "seeds", "tests")
    files = [PROJECT_DIR / "dbt_project.yml", PROJECT_DIR / "profiles.yml"]
    files += [path for folder in folders for path in sorted((PROJECT_DIR / folder).rglob("*")) if path.is_file()]
    return tuple((str(path), path.stat().st_mtime_ns) for path in files)


@lru_cache(maxsize=1)
def _manifest(_state: tuple[tuple[str, int], ...]) -> Any:
    """Parse the project without variables: dbt then re-uses its saved parse although the date changes every night."""
    from dbt.cli.main import dbtRunner

    outcome = dbtRunner().invoke(["parse", *_common()])
    if not outcome.success:
        raise TransformationError(f"the dbt project cannot be read: {_one_line(outcome.exception)}")
    return outcome.result


def _manifest_of(database: str, schema_prefix: str = "") -> Any:
    """Return the parsed project with every relation in ``database`` and what is built in the prefixed schemas.

    One parse serves all databases and schemas of a process.
    """
    manifest = _manifest(_project_state())
    for node in (*manifest.nodes.values(), *manifest.sources.values()):
        is_built = str(node.resource_type) in ("model", "seed")
        schema = schema_prefix + (node.config.schema or "marts") if is_built else node.schema
        if getattr(node, "relation_name", None):
            node.relation_name = node.relation_name.replace(
                f'"{node.database}"."{node.schema}".', f'"{database}"."{schema}".', 1
            )
        node.database, node.schema = database, schema
    manifest.build_flat_graph()  # what macros see as `graph`: dbt keeps the one of the parse
    return manifest


def _in_force(business_date: date, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return a night's variables, by the edition that binds on it unless the caller names another."""
    return _variables(business_date, {"edition": editions.in_force(business_date), **(given or {})})


def _variables(business_date: date, given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Lay the caller's variables over the project's defaults, one level deep."""
    defaults = yaml.safe_load((PROJECT_DIR / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
    merged = dict(defaults)
    for name, value in (given or {}).items():
        inner = defaults.get(name)
        merged[name] = {**inner, **value} if isinstance(inner, dict) and isinstance(value, Mapping) else value
    merged["business_date"] = business_date.isoformat()
    if get_settings().distributed:
        merged["distributed"] = get_settings().distributed
    return merged


def _common(schema_prefix: str = "") -> list[str]:
    home = target_dir() / schema_prefix
    return [
        "--project-dir", str(PROJECT_DIR),
        "--profiles-dir", str(PROJECT_DIR),
        "--target", "warehouse",
        "--target-path", str(home),
        "--log-path", str(home / "logs"),
        "--log-level", "none",
        "--log-level-file", "info",
        "--no-write-json",  # nobody reads them, and 600 nodes written out twice cost a quiet build a third of its time
        "--no-use-colors",
        "--no-version-check",
        "--no-send-anonymous-usage-stats",
    ]  # fmt: skip


def target_dir() -> Path:
    """Return the folder below DATA_DIR that dbt writes to (parse cache, compiled SQL, log)."""
    return get_settings().data_dir / "dbt"


def _environment() -> AbstractContextManager[Settings]:
    """Set what profiles.yml reads for the time of one dbt call, then put the environment back."""
    return settings_of({**environment(), "PC_DBT_APPLICATION": builds.APPLICATION})


def environment() -> dict[str, str]:
    """Return what profiles.yml reads: where the warehouse is and how dbt's role gets in."""
    address = parameters("pc_dbt")
    return {
        "PC_DBT_HOST": address.get("host", "localhost"),
        "PC_DBT_PORT": address.get("port", "5432"),
        "PC_DBT_USER": address["user"],
        "PC_DBT_PASSWORD": address.get("password", ""),
        "PC_DBT_DATABASE": address.get("dbname", "postgres"),
        "PC_DBT_SSLMODE": address.get("sslmode", "prefer"),
        "DO_NOT_TRACK": "1",
    }
