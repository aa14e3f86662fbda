"""The warehouse's transformation: dbt over the raw tables for one business date, as role pc_dbt.

Owns how dbt is called and what a failing model or test looks like to people. Must not know what a model computes.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from warehouse.connection import parameters
from warehouse.settings import PROJECT_ROOT, get_settings

PROJECT_DIR = PROJECT_ROOT / "dbt_project"
BAD = ("error", "fail", "runtime error")
SHOWN = 5  # failing models and tests a message names


class TransformationError(RuntimeError):
    """A model did not build or a test said no; the message names each and what it said."""


@dataclass(frozen=True)
class ModelResult:
    """What became of one model, seed or test: seconds it took, rows it holds (models, where known) or found (tests)."""

    name: str
    kind: str
    status: str
    seconds: float
    rows: int | None


def build(
    business_date: date,
    *,
    select: str | Sequence[str] | None = None,
    variables: Mapping[str, Any] | None = None,
    unit_tests: bool = False,
    full_parse: bool = False,
    schema_prefix: str = "",
    tests: bool = True,
) -> list[ModelResult]:
    """Build and test the models as they were known on ``business_date``; return what became of each.

    Args:
        business_date: the night to compute, the only date any model sees.
        select: dbt selectors (``"tag:staging"``, ``"mart_scoring__caps"``); None builds everything.
        variables: the grading method's numbers (``scoring.method.warehouse_variables``), laid over the defaults in
            dbt_project.yml; mappings such as ``windows`` are merged key by key.
        unit_tests: also run dbt's unit tests; they prove code, so nights leave them to the project's tests.
        full_parse: read every project file again, also when this process has read them before.
        schema_prefix: build into ``<prefix>staging`` … ``<prefix>marts`` (``warehouse.scratch`` makes them) instead.
        tests: False leaves out the data tests too.

    Raises:
        TransformationError: a model or test failed, or the project cannot be read. What was built before stays.
    """
    from dbt.cli.main import dbtRunner

    if full_parse:
        _manifest.cache_clear()
    with _environment():
        manifest = _manifest_of(parameters("pc_dbt").get("dbname", "postgres"), schema_prefix)
        arguments = ["build", *_common(schema_prefix), "--vars", json.dumps(_variables(business_date, variables))]
        if select:
            arguments += ["--select", *([select] if isinstance(select, str) else select)]
            arguments += ["--indirect-selection", "buildable"]  # no test of a table that this call does not build
        if not unit_tests:
            arguments += ["--exclude-resource-type", "unit_test"]
        if not tests:
            arguments += ["--exclude-resource-type", "test"]
        outcome = dbtRunner(manifest=manifest).invoke(arguments)
    results = list(getattr(outcome.result, "results", None) or [])
    bad = [f"{found.node.name}: {_one_line(found.message)}" for found in results if str(found.status) in BAD]
    if bad:
        more = f"; and {len(bad) - SHOWN} more, see {target_dir() / 'logs' / 'dbt.log'}" if len(bad) > SHOWN else ""
        raise TransformationError("; ".join(bad[:SHOWN]) + more)
    if not outcome.success:
        raise TransformationError(f"dbt could not run: {_one_line(outcome.exception)}")
    return [_result(found) for found in results]


def compiled(business_date: date, *, variables: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return every model as dbt would send it for ``business_date``: name → node with ``compiled_code`` and ``config``.

    Raises TransformationError when the project cannot be read.
    """
    from dbt.cli.main import dbtRunner

    with _environment():
        manifest = _manifest_of(parameters("pc_dbt").get("dbname", "postgres"))
        arguments = ["compile", *_common(), "--vars", json.dumps(_variables(business_date, variables))]
        arguments += ["--select", "resource_type:model", "--exclude", "resource_type:test", "resource_type:unit_test"]
        outcome = dbtRunner(manifest=manifest).invoke(arguments)
    if not outcome.success:
        raise TransformationError(f"the models do not compile: {_one_line(outcome.exception)}")
    compiled_models: Any = outcome.result
    return {found.node.name: found.node for found in compiled_models.results}


def _result(found: Any) -> ModelResult:
    kind = str(found.node.resource_type.value)
    rows = found.failures if kind == "test" else found.adapter_response.get("rows_affected")
    return ModelResult(
        name=found.node.name,
        kind=kind,
        status=str(found.status.value),
        seconds=round(found.execution_time, 3),
        rows=rows if rows is None or rows >= 0 else None,
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
    return manifest


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
        "--target-path", str(home),
        "--log-path", str(home / "logs"),
        "--log-level", "none",
        "--log-level-file", "info",
        "--no-use-colors",
        "--no-version-check",
        "--no-send-anonymous-usage-stats",
    ]  # fmt: skip


def target_dir() -> Path:
    """Return the folder below DATA_DIR that dbt writes to (parse cache, compiled SQL, log)."""
    return get_settings().data_dir / "dbt"


@contextmanager
def _environment() -> Iterator[None]:
    """Set what profiles.yml reads for the time of one dbt call, then put the environment back."""
    found = parameters("pc_dbt")
    wanted = {
        "PC_DBT_HOST": found.get("host", "localhost"),
        "PC_DBT_PORT": found.get("port", "5432"),
        "PC_DBT_USER": found["user"],
        "PC_DBT_PASSWORD": found.get("password", ""),
        "PC_DBT_DATABASE": found.get("dbname", "postgres"),
        "PC_DBT_SSLMODE": found.get("sslmode", "prefer"),
        "DO_NOT_TRACK": "1",
    }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
