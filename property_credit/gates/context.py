"""Great Expectations' own file context over our suites: data source, checkpoints and Data Docs to open and run.

Made anew from ``expectations/*.yml`` each time, so that these stay the one place where an expectation is written. Gates
do not work through it: they need no files and record what they saw. The batch gate is not in it: it looks at a batch's
statistics before the batch is anywhere.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from psycopg import sql

from property_credit.gates import checking, suites

SUITES = ("input_gate", "alert_gate", "grade_gate")
ADDRESS = "GATEKEEPER_URL"  # the variable that the context reads its connection from: no password is on disk
DOCS = "data_docs"


@dataclass(frozen=True)
class Missed:
    """An expectation that a checkpoint missed; ``severity`` is critical or warning."""

    name: str
    subject: str
    severity: str


def write(folder: Path, *, docs: Path, parameters: Mapping[str, Any]) -> None:
    """Make the context ``folder``/gx anew, its Data Docs below ``docs``; needs ADDRESS in the environment.

    ``parameters`` fill the ``{name}`` places of the suites' queries; a suite one of whose places they do not fill (no
    run was graded yet) is left out.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    context = _opened(folder)
    context.add_data_docs_site(
        DOCS,
        {
            "class_name": "SiteBuilder",
            "show_how_to_buttons": False,
            "store_backend": {"class_name": "TupleFilesystemStoreBackend", "base_directory": str(docs)},
            "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
        },
    )
    context.delete_data_docs_site("local_site")
    source = context.data_sources.add_postgres(
        "warehouse", connection_string=f"${{{ADDRESS}}}", create_temp_table=False
    )
    literals = {key: sql.Literal(value) for key, value in parameters.items() if value is not None}
    for name in SUITES:
        try:
            _add(context, source, suites.load(name), literals)
        except KeyError:
            continue


def _add(context: Any, source: Any, suite: suites.Suite, literals: Mapping[str, sql.Literal]) -> None:
    from great_expectations import Checkpoint, ExpectationSuite, ValidationDefinition
    from great_expectations.checkpoint.actions import UpdateDataDocsAction

    queries = {
        subject.name: sql.SQL(subject.query or "").format(**literals).as_string(None) for subject in suite.subjects
    }
    validations = []
    for subject in suite.subjects:
        name = f"{suite.suite}.{subject.name}"
        batch = source.add_query_asset(name, query=queries[subject.name]).add_batch_definition_whole_table("all")
        expectations = [checking.built(one) for one in subject.expectations]
        group = context.suites.add(ExpectationSuite(name=name, expectations=expectations, notes=subject.en))
        validations.append(context.validation_definitions.add(ValidationDefinition(name=name, data=batch, suite=group)))
    context.checkpoints.add(
        Checkpoint(
            name=suite.suite,
            validation_definitions=validations,
            actions=[UpdateDataDocsAction(name="docs", site_names=[DOCS])],
            result_format={"result_format": "SUMMARY"},
        )
    )


def run(folder: Path, checkpoint: str) -> list[Missed]:
    """Run a checkpoint of the context, bring its Data Docs up to date and return what was missed.

    SuiteError when the context has no such checkpoint.
    """
    context = _opened(folder)
    known = sorted(one.name for one in context.checkpoints.all())
    if checkpoint not in known:
        raise suites.SuiteError(f"there is no checkpoint {checkpoint}: {', '.join(known)}")
    results = context.checkpoints.get(checkpoint).run().run_results.values()
    return [
        Missed(one.expectation_config.meta["name"], result.suite_name, str(one.expectation_config.severity.value))
        for result in results
        for one in result.results
        if not one.success
    ]


def _opened(folder: Path) -> Any:
    checking.quieten()
    import great_expectations
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = great_expectations.get_context(mode="file", project_root_dir=folder)
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context
