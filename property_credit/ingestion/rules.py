"""The row contract at work: a block of text becomes typed rows, and every bad row gets its reasons."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, timedelta

import numpy
import polars

from property_credit.ingestion import identifiers
from property_credit.ingestion.contract import NOT_YET, WAITS_AT_MOST_DAYS, Feed, IngestionError, Row
from property_credit.ingestion.dates import why_no_format
from property_credit.ingestion.mapping import Mapped
from property_credit.ingestion.profile import Profile
from property_credit.ingestion.values import (
    Problems,
    convert,
    convert_slow_path,
    empty_type,
    implausible,
    nulls,
    quick,
    trimmed,
)
from property_credit.warehouse import regions
from property_credit.warehouse.business_date import ZONE, end_of
from property_credit.warehouse.credit_codes import problem_with

MACHINE_BITS = 62
# what a reason says of the value beside its own words; nothing that could be a person's
DETAILS: dict[str, Callable[[str], str | None]] = {
    "ID_UNREADABLE": identifiers.code_points,
    "ID_CASE": identifiers.small_letters,
    "USCC_WRONG_FORM": problem_with,
    "USCC_CHECK_DIGIT": problem_with,
    "USCC_NOT_ISSUED": problem_with,
}


@dataclass(frozen=True)
class Problem:
    """Rows of a block that are refused for one reason in one column; ``may_end``: the reason can pass by itself."""

    code: str
    column: str | None
    mask: numpy.ndarray
    may_end: bool = True


@dataclass
class Checked:
    """Typed columns of all rows of a block, and their problems in the order in which they are reported."""

    typed: polars.DataFrame
    problems: list[Problem] = dataclasses.field(default_factory=list)

    @property
    def is_bad(self) -> numpy.ndarray:
        """Return the mask of refused rows."""
        mask = numpy.zeros(self.typed.height, bool)
        for problem in self.problems:
            mask |= problem.mask
        return mask


class Checker:
    """Checks blocks of one batch; ``references`` holds the known keys of feeds that this feed refers to."""

    def __init__(
        self, feed: Feed, profile: Profile, business_date: date, references: dict[str, polars.Series] | None = None
    ) -> None:
        self.feed, self.profile, self.business_date = feed, profile, business_date
        self.references = references or {}
        self._first_future_day = business_date + timedelta(days=1)
        self._first_future_instant = end_of(business_date)
        self._last_awaited_day = business_date + timedelta(days=WAITS_AT_MOST_DAYS)
        for name, formats in profile.dates.items():
            for form in formats:
                if why := why_no_format(form):
                    raise IngestionError(f"profile {profile.name}: dates: {name}: {form!r}: {why}")
        self._quick = {
            field.name: expression.alias(field.name)
            for field in feed.fields
            if (expression := quick(field, profile)) is not None
        }
        self._checks = self._value_checks()
        row = Row(business_date)
        self._rules = [
            (rule.code, rule.column, rule.is_bad(row)) for rule in feed.rules if rule.code not in profile.waive
        ]

    def check(self, mapped: Mapped) -> Checked:
        """Return typed rows and problems: what the reader saw, then field by field, then the feed's row rules."""
        problems = [Problem(code, column, mask) for (code, column), mask in mapped.block.flags.items()]
        problems.sort(key=lambda problem: problem.code != "TEXT_UNREADABLE")
        fields, height = mapped.fields, mapped.fields.height
        empty = {name for name in fields.columns if fields[name].null_count() == height}
        quickly, failed, odd = self._quickly(fields, empty)
        columns: list[polars.Series] = []
        converted: dict[str, Problems] = {}
        for field in self.feed.fields:
            text, typed = fields[field.name], quickly.get(field.name)
            field_problems: Problems = []
            if field.name in empty and "" not in self.profile.codes.get(field.name, {}):
                typed = nulls(empty_type(field), height)
            elif typed is None:
                is_trimmed = field.type in ("text", "uscc")  # by the mapper
                typed, field_problems = convert(field, text if is_trimmed else trimmed(text), self.profile)
            elif field.name in failed:
                mask, is_odd = failed[field.name], field.name in odd
                typed, field_problems = convert_slow_path(
                    field, text, typed, self.profile, failed=mask, is_implausible=is_odd
                )
            if field.name in mapped.suspects and field.type == "text":
                keeps = field.name in self.profile.long_digits
                kind = mapped.suspects[field.name]
                field_problems = identifiers.problems(typed, kind, are_long_digits_kept=keeps)
            if field.name == self.feed.key[0] and field.type == "text" and len(self.feed.key) == 1:
                is_word = identifiers.placeholders(typed)
                field_problems = (
                    [*field_problems, ("ID_PLACEHOLDER", is_word)] if is_word is not None else field_problems
                )
            if field.name in mapped.negated:
                typed = typed.zip_with(polars.Series(~mapped.negated[field.name]), -typed)
                typed = typed.set(polars.Series(mapped.unsigned[field.name]), None)
            converted[field.name] = field_problems
            columns.append(typed.alias(field.name))
        frame = polars.DataFrame(columns)
        for field in self.feed.fields:
            is_named = _is_named(mapped, field.name, frame)
            if is_named is not None:
                problems.append(Problem("NAME_UNMATCHED", field.name, is_named))
            if field.required and frame[field.name].null_count():
                missing = frame[field.name].is_null().to_numpy().copy()
                if is_named is not None:
                    missing &= ~is_named
                for _code, mask in converted[field.name]:
                    missing &= ~mask
                if missing.any():
                    problems.append(Problem("REQUIRED_MISSING", field.name, missing))
            problems += [Problem(code, field.name, mask) for code, mask in converted[field.name]]
        problems += self._check_lengths(frame, empty)
        of_values, of_rules = self._check_values(frame, empty)
        problems += self._told_apart(of_values, frame)
        order = {name: place for place, name in enumerate(self.feed.field_names)}
        problems.sort(key=lambda problem: order.get(problem.column or "", -1))  # stable: kinds keep their order
        return Checked(frame, problems + of_rules)

    def _quickly(
        self, fields: polars.DataFrame, empty: set[str]
    ) -> tuple[dict[str, polars.Series], dict[str, numpy.ndarray], set[str]]:
        """Return what the quick conversion gives, masks of where it failed, and the columns with implausible values."""
        typed = fields.select(expression for name, expression in self._quick.items() if name not in empty).get_columns()
        converted = {column.name: column for column in typed}
        odd: set[str] = set()
        for column in typed:
            mask = implausible(self.feed.field(column.name), column)
            if mask is not None:
                converted[column.name] = column.set(mask, None)
                odd.add(column.name)
        doubtful = [name for name, column in converted.items() if column.null_count() > fields[name].null_count()]
        if not doubtful:
            return converted, {}, odd
        both = [fields[name] for name in doubtful] + [converted[name].alias(f"typed {name}") for name in doubtful]
        failed = polars.DataFrame(both).select(
            (polars.col(f"typed {name}").is_null() & polars.col(name).is_not_null()).alias(name) for name in doubtful
        )
        masks = {column.name: column.to_numpy() for column in failed.get_columns()}
        return converted, masks, odd

    def _check_lengths(self, frame: polars.DataFrame, empty: set[str]) -> list[Problem]:
        """Return problems of texts longer than their field allows; characters are counted only where bytes exceed."""
        limits = {field.name: field.maximum_length for field in self.feed.fields if field.type == "text"}
        if self.profile.format == "workbench":  # what stands in raw comes back sealed, and longer than it was
            limits = {name: limit for name, limit in limits.items() if name not in self.feed.sealed_fields}
        names = [name for name in limits if name not in empty]
        if not names or not frame.height:
            return []
        longest = frame.select(polars.col(names).str.len_bytes().max()).row(0)
        masks = {
            name: frame[name].str.len_chars() > limits[name]
            for name, length in zip(names, longest, strict=True)
            if length is not None and length > limits[name]
        }
        return [
            Problem("TEXT_TOO_LONG", name, mask.fill_null(False).to_numpy())
            for name, mask in masks.items()
            if mask.any()
        ]

    def _check_values(self, frame: polars.DataFrame, empty: set[str]) -> tuple[list[Problem], list[Problem]]:
        """Return problems of typed values (form, range, future, reference) and of the feed's row rules, in one pass."""
        checks = [check for check in self._checks if check[1] not in empty]
        count = len(checks)
        checks += self._rules
        if not checks or not frame.height:
            return [], []
        verdicts = frame.select(is_bad.alias(str(place)) for place, (_code, _name, is_bad) in enumerate(checks))
        outcomes = [
            Problem(code, name, verdict.fill_null(False).to_numpy()) if verdict.any() else None
            for (code, name, _is_bad), verdict in zip(checks, verdicts.get_columns(), strict=True)
        ]
        return [one for one in outcomes[:count] if one], [one for one in outcomes[count:] if one]

    def _told_apart(self, problems: list[Problem], frame: polars.DataFrame) -> list[Problem]:
        """Return the problems with dates ahead split into those worth waiting for and those that are wrong."""
        split: list[Problem] = []
        for problem in problems:
            far = None
            if problem.code == "DATE_IN_FUTURE" and problem.column is not None:
                column = frame[problem.column]
                if self.feed.field(problem.column).type == "timestamp":
                    column = column.dt.convert_time_zone(str(ZONE)).dt.date()
                far = (column > self._last_awaited_day).fill_null(False).to_numpy() & problem.mask
            if far is None or not far.any():
                split.append(problem)
                continue
            split.append(replace(problem, mask=far, may_end=False))
            if (near := problem.mask & ~far).any():
                split.append(replace(problem, mask=near))
        return split

    def _value_checks(self) -> list[tuple[str, str, polars.Expr]]:
        checks: list[tuple[str, str, polars.Expr]] = []
        for field in self.feed.fields:
            column = polars.col(field.name)
            if field.pattern:
                checks.append(("TEXT_WRONG_FORM", field.name, ~column.str.contains(field.pattern)))
            least, most = field.bounds
            if least is not None:
                checks.append(("VALUE_OUT_OF_RANGE", field.name, column < least))
            if most is not None:
                checks.append(("VALUE_OUT_OF_RANGE", field.name, column > most))
            if field.is_region:
                checks.append(("REGION_UNKNOWN", field.name, ~column.is_in(regions.known_codes())))
            if "DATE_IN_FUTURE" in self.feed.checks_of(field):
                limit = polars.lit(self._first_future_day)
                if field.type == "timestamp":
                    limit = polars.lit(self._first_future_instant.astimezone(UTC)).cast(polars.Datetime("us", "UTC"))
                checks.append(("DATE_IN_FUTURE", field.name, column >= limit))
            known = self.references.get(field.references) if field.references else None
            if known is not None:
                checks.append(("REFERENCE_UNKNOWN", field.name, ~column.is_in(known.implode())))
        return checks


@dataclass(frozen=True)
class Refused:
    """Refused rows of a block: positions, the first reason's code and column, and all reasons as one text.

    ``waits_for`` says what a row that is not wrong in itself waits for, None of all others.
    """

    places: numpy.ndarray
    codes: list[str]
    columns: list[str | None]
    reasons: list[str]
    waits_for: list[str | None]


def refused_rows(feed: Feed, checked: Checked) -> Refused:
    """Gather every reason of every refused row.

    What is wrong for good names the row before what may pass by itself, else the first in the order of the contract.
    """
    problems = checked.problems
    places = numpy.flatnonzero(checked.is_bad)
    kind_type = numpy.int64 if len(problems) <= MACHINE_BITS else object
    combined = numpy.zeros(len(places), kind_type)
    for bit, problem in enumerate(problems):
        combined |= problem.mask[places].astype(kind_type) << bit
    kinds, which = numpy.unique(combined, return_inverse=True)
    groups = [
        sorted((problem for bit, problem in enumerate(problems) if int(kind) >> bit & 1), key=_passes) for kind in kinds
    ]
    waits = [_waits_for(group) for group in groups]
    texts = ["；".join(dict.fromkeys(reason_text(feed, problem) for problem in group)) for group in groups]
    reasons = [texts[kind] for kind in which]
    for problem in problems:
        tell = DETAILS.get(problem.code)
        for row in numpy.flatnonzero(problem.mask[places]) if tell and problem.column in checked.typed.columns else ():
            detail = tell(str(checked.typed[problem.column][int(places[row])]))  # type: ignore[misc, index]
            reasons[row] += f"（{detail}）" if detail else ""
    return Refused(
        places=places,
        codes=[groups[kind][0].code for kind in which],
        columns=[groups[kind][0].column for kind in which],
        reasons=reasons,
        waits_for=[waits[kind] for kind in which],
    )


def _is_named(mapped: Mapped, name: str, typed: polars.DataFrame) -> numpy.ndarray | None:
    """Return the mask of rows that bring a name in place of field ``name``; None: no row does."""
    if name not in mapped.mentions:
        return None
    mask = mapped.mentions[name]["name"].is_not_null() & typed[name].is_null()
    return mask.to_numpy() if mask.any() else None


def _passes(problem: Problem) -> bool:
    return problem.may_end and problem.code in NOT_YET


def _waits_for(problems: list[Problem]) -> str | None:
    """Return what a row with these problems waits for: what is mended last; None when one of them is wrong for good."""
    if not all(map(_passes, problems)):
        return None
    waits = {NOT_YET[problem.code] for problem in problems}
    return next(kind for kind in ("profile", "name", "register", "day") if kind in waits)


def waits_until(feed: Feed, checked: Checked, places: numpy.ndarray) -> polars.Series:
    """Return the day on which the last of a row's dates is no longer ahead, null where none is, of rows ``places``."""
    until = polars.Series([None] * len(places), dtype=polars.Date)
    for problem in checked.problems:
        if problem.code != "DATE_IN_FUTURE" or problem.column is None:
            continue
        column = checked.typed[problem.column].gather(places)
        if feed.field(problem.column).type == "timestamp":
            column = column.dt.convert_time_zone(str(ZONE)).dt.date()
        later = column.set(polars.Series(~problem.mask[places]), None)
        until = polars.select(polars.max_horizontal(until, later)).to_series()
    return until.alias("waits_until")


def reason_text(feed: Feed, problem: Problem) -> str:
    """Return one reason as people read it: the field, then why, in Chinese and English."""
    reason = feed.reason(problem.code)
    text = f"{reason.zh} / {reason.en}"
    if problem.column is None:
        return text
    names = {field.name: field.zh for field in feed.fields}
    shown = f"{names[problem.column]} {problem.column}" if problem.column in names else problem.column
    return f"{shown}：{text}"
