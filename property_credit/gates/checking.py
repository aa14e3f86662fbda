"""Running a suite with Great Expectations: an ephemeral context, our own suites, our own outcomes.

Owns, with ``context``, every call into Great Expectations. Its import takes 5 s, so it happens inside functions and
once a process.
"""

import logging
import os
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import quote, urlencode

from psycopg import sql

from property_credit.gates.outcomes import Outcome
from property_credit.gates.suites import Expectation, Subject, Suite, SuiteError

EXAMPLES = 20  # rows kept of each miss: enough to find the cause, little enough to store every night


def load() -> None:
    """Import the library and make its context now: a process forked from this one has both."""
    _context()


def quieten() -> None:
    """Switch the library's telemetry and its hundreds of lines of log off; to be called before it is imported."""
    os.environ["GX_ANALYTICS_ENABLED"] = "False"
    logging.getLogger("great_expectations").setLevel(logging.WARNING)


@lru_cache(maxsize=1)
def _context() -> Any:
    quieten()
    import great_expectations
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = great_expectations.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def check_statistics(suite: Suite, statistics: Mapping[str, float | None]) -> list[Outcome]:
    """Check a batch's statistics, one row with a number (or nothing known) per column, against the batch gate's suite.

    Expectations on statistics that the batch does not have (another feed's fields) are left out. Those on a number that
    is not known, or whose condition the row does not meet, hold: there is nothing to ask.
    """
    import pandas

    frame = pandas.DataFrame([{key: float("nan") if v is None else float(v) for key, v in statistics.items()}])
    source = _source("statistics", lambda context, name: context.data_sources.add_pandas(name))
    batches = _definition(source, "batch", lambda: source.add_dataframe_asset("batch"), whole="dataframe")
    outcomes = []
    for subject in suite.subjects:
        chosen = [one for one in subject.expectations if one.arguments.get("column") in statistics]
        unasked = {one.name: why for one in chosen if (why := _why_unasked(one, statistics))}
        applicable = [one.model_copy(update={"only_if": None}) for one in chosen if one.name not in unasked]
        batch = batches.get_batch({"dataframe": frame})
        results = _validate(batch, subject, applicable, suite.suite, {"result_format": "BOOLEAN_ONLY"})
        for one in chosen:
            column = one.arguments["column"]
            observed = unasked.get(one.name) or f"{column} {statistics[column]:.6g}"
            outcomes.append(_outcome(one, subject, results.get(one.name), observed))
    return outcomes


def _why_unasked(expectation: Expectation, statistics: Mapping[str, float | None]) -> str:
    column, condition = expectation.arguments["column"], expectation.only_if
    if statistics[column] is None:
        return f"{column} is not known"
    if condition and (statistics.get(condition.column) or 0) < condition.at_least:
        return f"{condition.column} is below {condition.at_least:g}"
    return ""


def check_tables(suite: Suite, *, address: Mapping[str, str], parameters: Mapping[str, Any]) -> list[Outcome]:
    """Check the queries of a suite of the other gates on PostgreSQL.

    ``address`` are libpq parameters; ``parameters`` fill the ``{name}`` places of the queries as quoted literals.
    """
    place = url(address)
    source = _source(place, lambda context, name: _add_postgres(context, name, place))
    outcomes = []
    for subject in suite.subjects:
        if subject.query is None:
            raise SuiteError(f"{suite.suite}: {subject.name} has no query")
        literals = {key: sql.Literal(value) for key, value in parameters.items()}
        query = sql.SQL(subject.query).format(**literals).as_string(None)
        name = f"{suite.suite}.{subject.name}"
        if name in {asset.name for asset in source.assets}:
            source.delete_asset(name)
        asset = source.add_query_asset(name, query=query)
        batch = asset.add_batch_definition_whole_table("all").get_batch()
        expectations = list(subject.expectations)
        form: dict[str, Any] = {"result_format": "SUMMARY", "partial_unexpected_count": EXAMPLES}
        if subject.key:
            form["unexpected_index_column_names"] = list(subject.key)
        results = _validate(batch, subject, expectations, suite.suite, form)
        for one in expectations:
            observed, rows = _observed(one, subject, results[one.name])
            outcomes.append(_outcome(one, subject, results[one.name], observed, rows))
    return outcomes


def url(address: Mapping[str, str]) -> str:
    """Return libpq parameters as an address that Great Expectations takes.

    It refuses one without a host (a socket goes into the query) or with a blank anywhere.
    """
    host, port = address.get("host", "localhost"), address.get("port", "5432")
    query = {name: value for name, value in address.items() if name.startswith("ssl")}
    if host.startswith("/"):
        query |= {"host": host, "port": port}
        place = "localhost"
    else:
        place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    login = ":".join(quote(address[name], safe="") for name in ("user", "password") if address.get(name))
    return f"postgresql+psycopg://{login}@{place}/{quote(address['dbname'], safe='')}?{urlencode(query)}"


def _add_postgres(context: Any, name: str, url: str) -> Any:
    return context.data_sources.add_postgres(name, connection_string=url, create_temp_table=False)


def _source(name: str, add: Any) -> Any:
    context = _context()
    known = context.data_sources.all()
    return known[name] if name in known else add(context, name)


def _definition(source: Any, name: str, add: Any, *, whole: str) -> Any:
    if name in {asset.name for asset in source.assets}:
        return source.get_asset(name).get_batch_definition("all")
    return getattr(add(), f"add_batch_definition_whole_{whole}")("all")


def _validate(
    batch: Any, subject: Subject, expectations: list[Expectation], suite: str, result_format: dict[str, Any]
) -> dict[str, Any]:
    """Return the results by the expectations' names."""
    import great_expectations

    if not expectations:
        return {}
    group = great_expectations.ExpectationSuite(
        name=f"{suite}.{subject.name}", expectations=[built(one) for one in expectations]
    )
    results = batch.validate(group, result_format=result_format).results
    return {result.expectation_config.meta["name"]: result for result in results}


def built(expectation: Expectation) -> Any:
    """Return an entry of a suite as the library's own expectation; SuiteError when it has none of that type."""
    from great_expectations.exceptions.exceptions import ExpectationNotFoundError
    from great_expectations.expectations.metadata_types import FailureSeverity
    from great_expectations.expectations.registry import get_expectation_impl
    from great_expectations.expectations.row_conditions import Column

    arguments = dict(expectation.arguments)
    if expectation.only_if:
        arguments["row_condition"] = Column(expectation.only_if.column) >= expectation.only_if.at_least
        arguments["condition_parser"] = "great_expectations"
    try:
        kind = get_expectation_impl(expectation.type)
    except ExpectationNotFoundError as error:
        raise SuiteError(f"{expectation.name}: there is no expectation called {expectation.type}") from error
    return kind(
        **arguments,
        severity=FailureSeverity(expectation.severity),
        meta={"name": expectation.name, "why": expectation.why},
        description=f"{expectation.zh} · {expectation.en}",
    )


def _observed(expectation: Expectation, subject: Subject, result: Any) -> tuple[str, list[dict[str, Any]]]:
    """Return what a query's rows showed, and the first rows that missed the expectation."""
    details = result.to_json_dict()["result"]
    rows = (subject.key and details.get("partial_unexpected_index_list")) or [
        {str(expectation.arguments.get("column", "value")): value}
        for value in details.get("partial_unexpected_list", [])
    ]
    if "observed_value" in details:
        return f"observed {details['observed_value']}", rows
    return f"{details.get('unexpected_count', 0)} of {details.get('element_count', 0)} rows", rows


def _outcome(
    expectation: Expectation, subject: Subject, result: Any, observed: str, rows: Sequence[dict[str, Any]] = ()
) -> Outcome:
    """Return how an expectation went; it holds without a ``result``: it was not asked."""
    broken = _raised(result.exception_info) if result else ""
    is_success = bool(result.success) if result else True
    return Outcome(
        name=expectation.name,
        subject=subject.name,
        expectation=expectation.type,
        severity="critical" if broken else expectation.severity,  # a check that cannot run must not pass as a warning
        is_success=is_success,
        zh=expectation.zh,
        en=expectation.en,
        why=expectation.why,
        observed=broken or observed,
        rows=() if is_success else tuple(sorted(rows, key=lambda row: sorted(map(str, row.items())))),
    )


def _raised(information: dict[str, Any]) -> str:
    """Return the first error an expectation raised while it ran, such as a column that is not there."""
    entries = [information] if "raised_exception" in information else list(information.values())
    return next((str(one["exception_message"]) for one in entries if one.get("raised_exception")), "")
