"""A grade run: reads the marts, grades everybody, writes one run in one transaction. Same inputs: nothing new.

Owns ``scoring.runs``, ``scoring.grades`` and ``scoring.indicator_points``.
"""

import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import date

from psycopg.types.json import Jsonb

from property_credit.warehouse.business_date import arrival
from property_credit.warehouse.connection import connect
from property_credit.warehouse.scratch import scratch_schemas
from property_credit.warehouse.transformation import TransformationError, build
from scoring import grading, history, provenance
from scoring.assessment import assessed, copy_rows
from scoring.dates import months_later
from scoring.errors import MethodError, ScoringError
from scoring.fit import Fit, fit, latest_fit, register
from scoring.inputs import MODELS, edition, known_until, read_inputs
from scoring.method import LoadedMethod, load, warehouse_variables

SHADOW_PREFIX = "shadow_"
FIT_MONTHS = 12  # §5: estimated again every year


@dataclass(frozen=True)
class GradeReport:
    """What a grade run did.

    Attributes:
        run_id: of the run that now holds the grades; the same inputs always give the same.
        is_new: False when that run was there already and nothing was written.
        grades: enterprises by grade code, ``NR`` for not rated, ``V1`` for serious dishonesty.
        fitted_on: the night its estimates are of.
    """

    run_id: str
    business_date: date
    method_version: str
    fit_id: str
    input_sha256: str
    is_new: bool
    enterprise_count: int
    grades: dict[str, int]
    fitted_on: date

    @property
    def is_fit_due(self) -> bool:
        """Say whether the estimates are over a year old: the method (§5) wants λ, m and k estimated again."""
        return months_later(self.fitted_on, FIT_MONTHS) <= self.business_date


def grade(
    business_date: date,
    *,
    method_version: str | None = None,
    marts: str = "marts",
    as_of: date | None = None,
    is_shadow: bool = False,
) -> GradeReport:
    """Grade every enterprise of the marts as of ``business_date``.

    A method without a fit is fitted first. The run, its grades and its points are written in one transaction or not at
    all. A run that is there already and was recorded by other code is computed again and compared.

    Args:
        business_date: the night.
        method_version: another method than the one in force.
        marts: the schema that was built for the night.
        as_of: the day whose knowledge the marts were built with, if that is later than the night: a corrected past,
            which stands as a run of its own beside the one of that night.
        is_shadow: the method is a challenger: its run stands beside the night's own and is never published.

    Raises:
        MethodError: when the method's file is refused.
        InputsError: when the marts are missing, empty, or counted with another method's windows.
        ScoringError: when the method's version was used with other content before, or the code computes differently
            than the code that recorded this run.
    """
    loaded = load(method_version)
    with connect("pc_scoring") as connection:
        estimates = latest_fit(connection, loaded.version, business_date)
    if estimates is None:
        estimates = fit(business_date, method_version=loaded.version, marts=marts)
    with connect("pc_scoring") as connection:
        connection.execute("set transaction isolation level repeatable read")
        register(connection, loaded, business_date)
        inputs = read_inputs(connection, marts=marts)
        standings, history_sha256 = history.standings(connection, loaded.method, business_date)
        input_sha256 = combined(inputs.sha256, history_sha256)
        rules = edition(connection, marts=marts)
        run_id = identify(
            business_date, loaded, estimates, f"shadow|{input_sha256}" if is_shadow else input_sha256, edition=rules
        )
        by = provenance.computed_by(connection)
        written = connection.execute(
            "insert into scoring.runs (run_id, business_date, method_version, fit_id, input_sha256, enterprise_count,"
            " recorded_at, known_until, as_of, is_shadow, computed_by, edition)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict (run_id) do nothing",
            (run_id, business_date, loaded.version, estimates.fit_id, input_sha256, len(inputs.enterprises), arrival())
            + (Jsonb(known_until(connection, marts=marts)), as_of, is_shadow, Jsonb(by), rules),
        )
        if written.rowcount:
            key = (run_id, loaded.version, input_sha256)
            for block, scored, decisions in assessed(
                loaded.method, estimates, inputs, business_date=business_date, standings=standings
            ):
                copy_rows(connection, loaded.method, block, scored, decisions, key=key, business_date=business_date)
        counts = Counter(
            grade or ("V1" if status == grading.NO_GRADE else "NR")
            for grade, status in connection.execute(
                "select grade, status_code from scoring.grades where run_id = %s", (run_id,)
            )
        )
        fitted = connection.execute("select fitted_on from scoring.fits where fit_id = %s", (estimates.fit_id,))
        [(fitted_on,)] = fitted.fetchall()
    if not written.rowcount:
        _confirm(run_id, loaded, marts=marts)
    return GradeReport(
        run_id=run_id,
        business_date=business_date,
        method_version=loaded.version,
        fit_id=estimates.fit_id,
        input_sha256=input_sha256,
        is_new=bool(written.rowcount),
        enterprise_count=sum(counts.values()),
        grades={code: counts[code] for code in (*loaded.method.scale, "NR", "V1")},
        fitted_on=fitted_on,
    )


def _confirm(run_id: str, loaded: LoadedMethod, *, marts: str) -> None:
    """Compare a run with what today's code makes of it; ScoringError when anything comes out differently."""
    from scoring.replay import compare, recorded

    run = recorded(run_id)
    with connect("pc_scoring") as connection:
        changes = provenance.changed(run.computed_by, provenance.computed_by(connection))
    report = compare(run, loaded, marts=marts) if changes else None
    if report and report.difference_count:
        first = report.differences[0]
        raise ScoringError(
            f"run {run_id} of {run.business_date} stands as recorded, but {report.difference_count:,} of its values"
            f" come out differently today ({first.column} of {first.uscc}; {', '.join(changes)}): what computes"
            f" differently needs a method version of its own; copy scoring/methods/{loaded.version}.yml and put the"
            f" copy in force"
        )


def grade_in_shadow(business_date: date, version: str) -> GradeReport:
    """Grade with a challenger beside the night's own run (§9): stored, never published.

    Over the night's own marts where the challenger counts as the method in force does; else the night is built once
    more in scratch schemas as the challenger counts it, which takes as long as a full build.

    Raises:
        MethodError: when its file is refused, or it is the method in force.
        ScoringError: when what it counts with cannot be built.
    """
    in_force, challenger = load(), load(version)
    if in_force.version == challenger.version:
        raise MethodError(f"CHALLENGER_METHOD={version} is the method in force: name another, or none")
    counted, other_variables = (warehouse_variables(one.method) for one in (in_force, challenger))
    names = (counted.keys() | other_variables.keys()) - {"method_version"}
    other = sorted(name for name in names if counted.get(name) != other_variables.get(name))
    if not other:
        return grade(business_date, method_version=version, is_shadow=True)
    try:
        with scratch_schemas(SHADOW_PREFIX) as marts:
            build(business_date, variables=other_variables, schema_prefix=SHADOW_PREFIX, select=MODELS, tests=False)
            return grade(business_date, method_version=version, marts=marts, is_shadow=True)
    except TransformationError as error:
        raise ScoringError(
            f"challenger {version} counts differently ({', '.join(other)}), and that does not build: {error}"
        ) from error


def combined(inputs_sha256: str, history_sha256: str) -> str:
    """Return the hash of everything a run depends on besides method and fit."""
    return hashlib.sha256(f"{inputs_sha256}|{history_sha256}".encode()).hexdigest()


def identify(business_date: date, loaded: LoadedMethod, estimates: Fit, input_sha256: str, *, edition: int = 1) -> str:
    """Return the run's id: from the date, the method's content, the fit, the inputs and the edition, nothing else."""
    text = f"{business_date}|{loaded.version}|{loaded.sha256}|{estimates.fit_id}|{input_sha256}"
    if edition > 1:  # the ids of runs from before editions stay
        text += f"|edition {edition}"
    return "r" + hashlib.sha256(text.encode()).hexdigest()[:16]
