"""The row contract at work: a block of text becomes typed rows, and every bad row gets its reasons."""

from dataclasses import dataclass, field
from datetime import UTC, date, timedelta

import numpy
import polars

from ingestion.contract import Feed, Row
from ingestion.mapping import Mapped
from ingestion.profile import Profile
from ingestion.values import Problems, convert, empty_type, nulls, quick, too_early, trimmed, with_the_rest
from warehouse.business_date import end_of

MACHINE_BITS = 62


@dataclass(frozen=True)
class Problem:
    """Rows of a block that are refused for one reason in one column."""

    code: str
    column: str | None
    mask: numpy.ndarray


@dataclass
class Checked:
    """Typed columns of all rows of a block and the problems found, in the order in which they are reported."""

    typed: polars.DataFrame
    problems: list[Problem] = field(default_factory=list)

    @property
    def is_bad(self) -> numpy.ndarray:
        """Return the mask of refused rows."""
        found = numpy.zeros(self.typed.height, bool)
        for problem in self.problems:
            found |= problem.mask
        return found


class Checker:
    """Checks blocks of one batch; ``references`` holds the known keys of feeds that this feed refers to."""

    def __init__(
        self, feed: Feed, profile: Profile, business_date: date, references: dict[str, polars.Series] | None = None
    ) -> None:
        self.feed, self.profile, self.business_date = feed, profile, business_date
        self.references = references or {}
        self._first_future_day = business_date + timedelta(days=1)
        self._first_future_instant = end_of(business_date)
        self._quick = {
            contract.name: expression.alias(contract.name)
            for contract in feed.fields
            if (expression := quick(contract, profile)) is not None
        }
        self._checks = self._value_checks()
        row = Row(business_date)
        self._rules = [(rule.code, rule.column, rule.is_bad(row)) for rule in feed.rules]

    def check(self, mapped: Mapped) -> Checked:
        """Return typed rows and problems: what the reader saw, then field by field, then the feed's row rules."""
        problems = [Problem(code, column, mask) for (code, column), mask in mapped.block.flags.items()]
        problems.sort(key=lambda problem: problem.code != "TEXT_UNREADABLE")
        fields, height = mapped.fields, mapped.fields.height
        empty = {name for name in fields.columns if fields[name].null_count() == height}
        quickly, failed, early = self._quickly(fields, empty)
        columns: list[polars.Series] = []
        converted: dict[str, Problems] = {}
        for contract in self.feed.fields:
            text, typed = fields[contract.name], quickly.get(contract.name)
            found: Problems = []
            if contract.name in empty and "" not in self.profile.codes.get(contract.name, {}):
                typed = nulls(empty_type(contract), height)
            elif typed is None:
                is_trimmed = contract.type in ("text", "uscc")  # by the mapper
                typed, found = convert(contract, text if is_trimmed else trimmed(text), self.profile)
            elif contract.name in failed:
                mask, is_early = failed[contract.name], contract.name in early
                typed, found = with_the_rest(contract, text, typed, self.profile, failed=mask, is_early=is_early)
            converted[contract.name] = found
            columns.append(typed.alias(contract.name))
        frame = polars.DataFrame(columns)
        for contract in self.feed.fields:
            if contract.required and frame[contract.name].null_count():
                missing = frame[contract.name].is_null().to_numpy().copy()
                for _code, mask in converted[contract.name]:
                    missing &= ~mask
                if missing.any():
                    problems.append(Problem("REQUIRED_MISSING", contract.name, missing))
            problems += [Problem(code, contract.name, mask) for code, mask in converted[contract.name]]
        problems += self._check_lengths(frame, empty)
        of_values, of_rules = self._check_values(frame, empty)
        problems += of_values
        order = {name: place for place, name in enumerate(self.feed.field_names)}
        problems.sort(key=lambda problem: order.get(problem.column or "", -1))  # stable: kinds keep their order
        return Checked(frame, problems + of_rules)

    def _quickly(
        self, fields: polars.DataFrame, empty: set[str]
    ) -> tuple[dict[str, polars.Series], dict[str, numpy.ndarray], set[str]]:
        """Return what the quick conversion gives, masks of where it failed, and the columns with values too early."""
        typed = fields.select(expression for name, expression in self._quick.items() if name not in empty).get_columns()
        found = {column.name: column for column in typed}
        early: set[str] = set()
        for column in typed:
            mask = too_early(self.feed.field(column.name), column)
            if mask is not None:
                found[column.name] = column.set(mask, None)
                early.add(column.name)
        doubtful = [name for name, column in found.items() if column.null_count() > fields[name].null_count()]
        if not doubtful:
            return found, {}, early
        both = [fields[name] for name in doubtful] + [found[name].alias(f"typed {name}") for name in doubtful]
        failed = polars.DataFrame(both).select(
            (polars.col(f"typed {name}").is_null() & polars.col(name).is_not_null()).alias(name) for name in doubtful
        )
        masks = {column.name: column.to_numpy() for column in failed.get_columns()}
        return found, masks, early

    def _check_lengths(self, frame: polars.DataFrame, empty: set[str]) -> list[Problem]:
        """Return problems of texts longer than their field allows; characters are counted only where bytes exceed."""
        limits = {field.name: field.maximum_length for field in self.feed.fields if field.type == "text"}
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
        found = [
            Problem(code, name, verdict.fill_null(False).to_numpy()) if verdict.any() else None
            for (code, name, _is_bad), verdict in zip(checks, verdicts.get_columns(), strict=True)
        ]
        return [one for one in found[:count] if one], [one for one in found[count:] if one]

    def _value_checks(self) -> list[tuple[str, str, polars.Expr]]:
        checks: list[tuple[str, str, polars.Expr]] = []
        for contract in self.feed.fields:
            column = polars.col(contract.name)
            if contract.pattern:
                checks.append(("TEXT_WRONG_FORM", contract.name, ~column.str.contains(contract.pattern)))
            if contract.minimum is not None:
                checks.append(("VALUE_OUT_OF_RANGE", contract.name, column < contract.minimum))
            if contract.maximum is not None:
                checks.append(("VALUE_OUT_OF_RANGE", contract.name, column > contract.maximum))
            if contract.is_date and not contract.may_be_future:
                limit = polars.lit(self._first_future_day)
                if contract.type == "timestamp":
                    limit = polars.lit(self._first_future_instant.astimezone(UTC)).cast(polars.Datetime("us", "UTC"))
                checks.append(("DATE_IN_FUTURE", contract.name, column >= limit))
            known = self.references.get(contract.references) if contract.references else None
            if known is not None:
                checks.append(("REFERENCE_UNKNOWN", contract.name, ~column.is_in(known.implode())))
        return checks


@dataclass(frozen=True)
class Refused:
    """Refused rows of a block: positions, the first reason's code and column, and all reasons as one text."""

    places: numpy.ndarray
    codes: list[str]
    columns: list[str | None]
    reasons: list[str]


def refused_rows(feed: Feed, checked: Checked) -> Refused:
    """Gather every reason of every refused row; the first one in the order of the contract names the row."""
    problems = checked.problems
    places = numpy.flatnonzero(checked.is_bad)
    kind_type = numpy.int64 if len(problems) <= MACHINE_BITS else object
    combined = numpy.zeros(len(places), kind_type)
    for bit, problem in enumerate(problems):
        combined |= problem.mask[places].astype(kind_type) << bit
    kinds, which = numpy.unique(combined, return_inverse=True)
    told = [[problem for bit, problem in enumerate(problems) if int(kind) >> bit & 1] for kind in kinds]
    texts = ["；".join(dict.fromkeys(reason_text(feed, problem) for problem in group)) for group in told]
    return Refused(
        places=places,
        codes=[told[kind][0].code for kind in which],
        columns=[told[kind][0].column for kind in which],
        reasons=[texts[kind] for kind in which],
    )


def reason_text(feed: Feed, problem: Problem) -> str:
    """Return one reason as people read it: the field, then why, in Chinese and English."""
    reason = feed.reason(problem.code)
    text = f"{reason.zh} / {reason.en}"
    if problem.column is None:
        return text
    names = {contract.name: contract.zh for contract in feed.fields}
    shown = f"{names[problem.column]} {problem.column}" if problem.column in names else problem.column
    return f"{shown}：{text}"
