"""The row contract at work: a block of text becomes typed rows, and every bad row gets its reasons."""

from dataclasses import dataclass, field
from datetime import date, timedelta

import numpy
import polars

from ingestion.contract import Feed, Field, Row
from ingestion.mapping import Mapped
from ingestion.profile import Profile
from ingestion.values import convert, empty_type
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
        self._row = Row(business_date)
        self._first_future_day = business_date + timedelta(days=1)
        self._first_future_instant = end_of(business_date)

    def check(self, mapped: Mapped) -> Checked:
        """Return typed rows and problems: what the reader saw, then field by field, then the feed's row rules."""
        problems = [Problem(code, column, mask) for (code, column), mask in mapped.block.flags.items()]
        problems.sort(key=lambda problem: problem.code != "TEXT_UNREADABLE")
        columns = []
        for contract in self.feed.fields:
            text = mapped.fields[contract.name]
            if text.null_count() == text.len() and "" not in self.profile.codes.get(contract.name, {}):
                typed = polars.repeat(None, text.len(), dtype=empty_type(contract), eager=True).alias(contract.name)
                if contract.required and text.len():
                    problems.append(Problem("REQUIRED_MISSING", contract.name, numpy.ones(text.len(), bool)))
            else:
                typed, found = self._check_field(contract, text)
                problems += found
            columns.append(typed.alias(contract.name))
        frame = polars.DataFrame(columns)
        problems += self._check_rules(frame)
        return Checked(frame, problems)

    def _check_field(self, contract: Field, text: polars.Series) -> tuple[polars.Series, list[Problem]]:
        typed, found = convert(contract, text, self.profile)
        if contract.required and typed.null_count():
            missing = (typed.is_null() & text.is_null()).to_numpy()
            if missing.any():
                found = [("REQUIRED_MISSING", missing), *found]
        masks: list[tuple[str, polars.Series]] = []
        if contract.pattern:
            masks.append(("TEXT_WRONG_FORM", ~typed.str.contains(contract.pattern)))
        if contract.minimum is not None and typed.null_count() < typed.len() and typed.min() < contract.minimum:
            masks.append(("VALUE_OUT_OF_RANGE", typed < contract.minimum))
        if contract.maximum is not None and typed.null_count() < typed.len() and typed.max() > contract.maximum:
            masks.append(("VALUE_OUT_OF_RANGE", typed > contract.maximum))
        if contract.is_date and not contract.may_be_future and typed.null_count() < typed.len():
            limit = self._first_future_day if contract.type == "date" else self._first_future_instant
            if typed.max() >= limit:
                masks.append(("DATE_IN_FUTURE", typed >= limit))
        if contract.references:
            known = self.references.get(contract.references)
            if known is not None:
                masks.append(("REFERENCE_UNKNOWN", ~typed.is_in(known.implode())))
        found += [(code, mask.fill_null(False).to_numpy()) for code, mask in masks if mask.any()]
        return typed, [Problem(code, contract.name, mask) for code, mask in found]

    def _check_rules(self, frame: polars.DataFrame) -> list[Problem]:
        rules = self.feed.rules
        if not rules or not frame.height:
            return []
        verdicts = frame.select(
            rule.is_bad(self._row).fill_null(False).alias(str(place)) for place, rule in enumerate(rules)
        )
        return [
            Problem(rule.code, rule.column, verdicts[str(place)].to_numpy())
            for place, rule in enumerate(rules)
            if verdicts[str(place)].any()
        ]


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
