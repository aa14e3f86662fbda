"""Real outcomes against stored grades: a file says what became of whom, and an earlier night is judged by it.

Owns the reading of that file and its gates. Needs no marts, only what a run stored: any night of any warehouse and
method can be judged years later. A row is accepted, refused with a reason, a duplicate, or set aside (outside the time
looked at, or of nobody who was graded); no row stops the file.
"""

import codecs
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, LiteralString

import numpy as np
import polars as pl
import psycopg
from scipy.stats import rankdata

from property_credit.warehouse.connection import connect
from scoring import indicators
from scoring.errors import ScoringError
from scoring.method import LoadedMethod, load
from scoring.validation import peers, predictive
from scoring.validation import statistics as st
from scoring.validation.measures import with_events
from scoring.validation.verdicts import Aim, Gate, Why, exit_code, few, judge, not_measured, rated

RUN: LiteralString = """
    select run_id, business_date, method_version from scoring.runs
    where as_of is null and not is_shadow and (%(night)s::date is null or business_date = %(night)s)
      and business_date < %(before)s
    order by business_date desc, recorded_at desc, run_id limit 1
"""
GRADES: LiteralString = """
    select uscc, score::float8 as score, grade, status_code from scoring.grades where run_id = %s
    order by uscc collate "C"
"""
POINTS: LiteralString = """
    select indicator_code, uscc, status_code, numerator, denominator from scoring.indicator_points where run_id = %s
    order by indicator_code, uscc collate "C"
"""
ACCEPTED = {"entity": pl.String, "date": pl.Date, "value": pl.Float64, "event": pl.String}


@dataclass(frozen=True)
class Outcomes:
    """A file of outcomes as it was read.

    Attributes:
        rows: entity, date, value or event, of the accepted rows; an empty event says that nothing happened by then.
        kind: ``value`` or ``event``, as the header says.
        counts: rows read, accepted, duplicate, and refused by reason.
    """

    rows: pl.DataFrame
    kind: str
    counts: dict[str, int]


@dataclass(frozen=True)
class Judged:
    """What outcomes say of one night's grades: gates, the figures by grade, and what was judged."""

    gates: list[Gate]
    by_grade: list[dict[str, Any]]
    about: dict[str, Any]

    @property
    def exit_code(self) -> int:
        """As of a validation: 0 met, 1 missed, 3 cannot tell."""
        return exit_code(self.gates)


def read(path: Path) -> Outcomes:
    """Read a CSV of columns ``entity``, ``date`` (yyyy-mm-dd) and ``value`` or ``event``, UTF-8 or GB18030.

    ScoringError when it cannot be read as such a file.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ScoringError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        text = content.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError:
        try:
            text = content.decode("gb18030")
        except UnicodeDecodeError as error:
            raise ScoringError(f"{path}: neither UTF-8 nor GB18030: save it as UTF-8 CSV") from error
    try:
        frame = pl.read_csv(text.encode(), infer_schema=False, truncate_ragged_lines=True)
    except pl.exceptions.PolarsError as error:
        raise ScoringError(f"{path}: not a CSV with a header line: {str(error).splitlines()[0]}") from error
    names = [name.strip().lower() for name in frame.columns]
    kinds = [name for name in ("value", "event") if name in names]
    if "entity" not in names or "date" not in names or len(kinds) != 1:
        raise ScoringError(
            f"{path}:1: the header must name entity, date, and one of value (a number) or event (what happened; empty:"
            f" nothing did); it names {', '.join(frame.columns)}"
        )
    frame.columns = names
    return _judge_rows(frame.select("entity", "date", kinds[0]), kinds[0])


def _judge_rows(frame: pl.DataFrame, kind: str) -> Outcomes:
    stripped = frame.with_columns(pl.all().str.strip_chars())
    number = pl.col("value").cast(pl.Float64, strict=False) if kind == "value" else pl.lit(None, pl.Float64)
    read_in = stripped.with_columns(
        pl.col("date").str.to_date("%Y-%m-%d", strict=False).alias("_day"),
        number.alias("_value"),
    )
    reasons = (
        pl.when(pl.col("entity").fill_null("") == "")
        .then(pl.lit("entity_missing"))
        .when(pl.col("_day").is_null())
        .then(pl.lit("date_invalid"))
        .when(~pl.col("_value").is_finite().fill_null(kind == "event"))
        .then(pl.lit("value_invalid"))
    )
    judged = read_in.with_columns(reasons.alias("_reason"))
    refused = Counter(judged["_reason"].drop_nulls())
    good = judged.filter(pl.col("_reason").is_null())
    event = pl.col("event").fill_null("") if kind == "event" else pl.lit(None, pl.String)
    rows = good.select("entity", pl.col("_day").alias("date"), pl.col("_value").alias("value"), event.alias("event"))
    kept = rows.unique(maintain_order=True).cast(ACCEPTED)  # type: ignore[arg-type]
    counts = {"read": frame.height, "accepted": kept.height, "duplicate": rows.height - kept.height}
    return Outcomes(kept, kind, counts | {f"refused: {reason}": count for reason, count in sorted(refused.items())})


def judge_outcomes(
    outcomes: Outcomes, *, night: date | None = None, months: int | None = None, lower_is_better: bool = False
) -> Judged:
    """Judge the grades of ``night`` by what happened after it.

    Args:
        outcomes: the file.
        night: the graded night; None: the newest before the first outcome.
        months: how long after it outcomes count; None: to the file's end.
        lower_is_better: of values.

    Raises:
        ScoringError: when nothing was graded then, or no row lies after it.
    """
    if outcomes.rows.is_empty():
        raise ScoringError("no row of the file could be accepted: there is nothing to judge by")
    first = outcomes.rows["date"].min()
    with connect("pc_gatekeeper") as connection:
        connection.execute("set transaction isolation level repeatable read")
        run = connection.execute(
            RUN, {"night": night, "before": date.max if night else first}
        ).fetchone()  # fmt: skip
        if run is None:
            when = f"on {night}" if night else f"before the first outcome ({first!s})"
            raise ScoringError(f"nothing was graded {when}: build and grade such a night first")
        run_id, graded_on, version = run
        loaded = load(version)
        firms = _stored(connection, run_id, loaded)
    until = _months_after(graded_on, months) if months else date.max
    inside = outcomes.rows.filter((pl.col("date") > graded_on) & (pl.col("date") <= until))
    known = inside.join(firms.select(pl.col("uscc").alias("entity")), on="entity", how="semi")
    counts = outcomes.counts | {
        "outside the time looked at": outcomes.rows.height - inside.height,
        "of nobody graded that night": inside.height - known.height,
    }
    if known.is_empty():
        raise ScoringError(f"no outcome lies after {graded_on} and is of somebody graded then: nothing can be judged")
    about: dict[str, Any] = {
        "run_id": run_id, "business_date": str(graded_on), "method_version": version, "kind": outcomes.kind,
        "rows": counts, "first": str(known["date"].min()), "last": str(known["date"].max()),
        "entities": known["entity"].n_unique(), "graded": firms.height, "rated": rated(firms).height,
        "grades": {code: firms.filter(pl.col("grade") == code).height for code in loaded.method.scale},
    }  # fmt: skip
    if outcomes.kind == "event":
        return _by_events(firms, known, loaded.method.scale, about)
    return _by_values(firms, known, loaded.method.scale, about, lower_is_better=lower_is_better)


def _by_events(firms: pl.DataFrame, rows: pl.DataFrame, scale: tuple[str, ...], about: dict[str, Any]) -> Judged:
    happened = rows.filter(pl.col("event") != "").select(pl.col("entity").alias("uscc"), pl.col("event").alias("kind"))
    if rows.height > happened.height:  # the file also lists whom nothing happened to: of others nothing is known
        firms = firms.join(rows.select(pl.col("entity").alias("uscc")), on="uscc", how="semi", maintain_order="left")
        about |= {"absent_means": "unknown"}
    else:
        about |= {"absent_means": "no event"}
    firms = with_events(firms, happened)
    gates = [*predictive.predictive(firms, scale), peers.beats(firms, against="event")]
    by_grade = []
    for grade in scale:
        mine = firms.filter(pl.col("grade") == grade)
        rate = st.proportion(int(mine["event"].sum()), mine.height)
        by_grade.append(
            {"grade": grade, "entities": mine.height, "figure": rate.value, "low": rate.low, "high": rate.high}
        )
    return Judged(gates, by_grade, about | {"figure": "event rate"})


def _by_values(
    firms: pl.DataFrame, rows: pl.DataFrame, scale: tuple[str, ...], about: dict[str, Any], *, lower_is_better: bool
) -> Judged:
    means = rows.group_by("entity").agg(pl.col("value").mean().alias("later")).rename({"entity": "uscc"})
    firms = firms.join(means, on="uscc", how="inner", maintain_order="left")
    sign = -1.0 if lower_is_better else 1.0
    judged = rated(firms).with_columns((sign * pl.col("later")).alias("later"))
    gates = [_ordered(judged), _apart(judged, scale), peers.beats(judged, against="later")]
    by_grade = []
    for grade in scale:
        values = sign * judged.filter(pl.col("grade") == grade)["later"].to_numpy()
        mean = st.bootstrap(np.mean, values)
        by_grade.append(
            {"grade": grade, "entities": len(values), "figure": mean.value, "low": mean.low, "high": mean.high}
        )
    return Judged(gates, by_grade, about | {"figure": "mean later value", "lower_is_better": lower_is_better})


def _ordered(firms: pl.DataFrame) -> Gate:
    names, aim = ("得分与后来数值的秩相关", "rank correlation of S with what followed"), Aim(0, "above")
    if reason := few(firms):
        return not_measured("value_order", "predictive", names, str(aim), *reason)
    score, later, size = (firms[name].to_numpy() for name in ("score", "later", "size"))
    whole = st.bootstrap(st.spearman, score, later)
    band = predictive.size_bands(size)
    bands = [st.spearman(score[band == at], later[band == at]) for at in range(3)]

    def why() -> Why:
        shown = ", ".join(f"{value:+.2f}" for value in bands)
        return Why(f"各规模档 {shown}。", f"In the thirds of size it is {shown}.")

    return judge(
        "value_order", "predictive", names, aim, whole, why=why, details={"by_size_band": bands}
    )  # fmt: skip


def _apart(firms: pl.DataFrame, scale: tuple[str, ...]) -> Gate:
    names, aim = (
        ("后来数值逐级变差：最好与最差等级之差", "mean of what followed, best grade minus worst"),
        Aim(0, "above"),
    )
    present = [grade for grade in scale if firms.filter(pl.col("grade") == grade).height >= 5]
    if len(present) < 2 or few(firms):
        zh, en = "不足两个等级各有 5 家", "fewer than two grades have 5 enterprises each"
        return not_measured("value_grades", "predictive", names, str(aim), zh, en)
    level = firms["grade"].replace_strict({g: n for n, g in enumerate(scale)}, return_dtype=pl.Int64).to_numpy()
    later = firms["later"].to_numpy()
    best, worst = scale.index(present[0]), scale.index(present[-1])

    def gap(level: st.Array, later: st.Array) -> float:
        one, other = later[level == best], later[level == worst]
        return float(one.mean() - other.mean()) if len(one) and len(other) else float("nan")

    means = {grade: float(later[level == scale.index(grade)].mean()) for grade in present}

    def why() -> Why:
        shown = ", ".join(f"{grade} {mean:.2f}" for grade, mean in means.items())
        return Why(f"各等级平均 {shown}。", f"Means by grade: {shown}.")

    return judge(
        "value_grades", "predictive", names, aim, st.bootstrap(gap, level, later), why=why, details={"means": means}
    )


def _stored(connection: psycopg.Connection, run_id: str, loaded: LoadedMethod) -> pl.DataFrame:
    """Return uscc, score, grade, size and the simplest peers, as the run stored them.

    ``size`` is the mean rank of an enterprise's exposures: what it is in any domain, large firms have more to count.
    """
    cursor = connection.execute(GRADES, (run_id,))
    firms = pl.DataFrame(
        cursor.fetchall(), orient="row",
        schema={"uscc": pl.String, "score": pl.Float64, "grade": pl.String, "status_code": pl.String},
    )  # fmt: skip
    place = {uscc: at for at, uscc in enumerate(firms["uscc"])}
    columns: dict[str, indicators.Column] = {}
    for code in loaded.method.indicators:
        columns[code] = _empty(code, len(place))
    for code, uscc, status, counted, exposure in connection.execute(POINTS, (run_id,)):
        if code in columns and uscc in place:
            at, column = place[uscc], columns[code]
            column.status[at], column.counted[at], column.exposure[at] = status, counted or 0, exposure or 0
    sizes = [rankdata(column.exposure.astype(float)) for column in columns.values() if any(column.exposure)]
    size = np.mean(sizes, axis=0) if sizes else np.zeros(len(place))
    return firms.with_columns(pl.Series("size", size)).hstack(peers.plain(loaded.method, columns, len(place)))


def _empty(code: str, size: int) -> indicators.Column:
    def zeros() -> st.Array:
        return np.full(size, Decimal(0), dtype=object)

    return indicators.Column(
        code, np.full(size, indicators.NOT_APPLICABLE, dtype="<U16"), zeros(), zeros(), zeros(), Decimal(0), zeros(),
        np.zeros(size),
    )  # fmt: skip


def _months_after(day: date, months: int) -> date:
    following = pl.Series([day]).dt.offset_by(f"{months}mo")
    result: date = following[0]
    return result


def document(judged: Judged) -> dict[str, Any]:
    """Return everything as plain JSON types."""
    return {"about": judged.about, "by_grade": judged.by_grade, "gates": [asdict(gate) for gate in judged.gates]}
