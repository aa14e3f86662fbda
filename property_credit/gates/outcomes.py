"""What a gate established: plain data that is recorded, shown on a page and put into words.

Owns the shape of a result. Must not run anything.
"""

from dataclasses import asdict, dataclass
from datetime import date
from typing import Any


@dataclass(frozen=True)
class Outcome:
    """How one expectation went. ``observed`` is for people; ``rows`` are the first rows (or columns) that missed it."""

    name: str
    subject: str
    expectation: str
    severity: str
    is_success: bool
    zh: str
    en: str
    why: str
    observed: str
    rows: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class GateReport:
    """One gate on one subject (a batch, a night's score inputs, a run)."""

    gate: int  # column door of ops.gate_results: 1 batch, 2 input, 3 grade and alert
    suite: str
    subject: str
    business_date: date
    zh: str
    en: str
    outcomes: tuple[Outcome, ...]
    notes: tuple[str, ...] = ()  # what people should know beside the outcomes

    @property
    def critical_failures(self) -> tuple[Outcome, ...]:
        """The outcomes that stop what comes after this gate."""
        return tuple(one for one in self.outcomes if not one.is_success and one.severity == "critical")

    @property
    def warnings(self) -> tuple[Outcome, ...]:
        """The outcomes that people should look at and that stop nothing."""
        return tuple(one for one in self.outcomes if not one.is_success and one.severity == "warning")

    @property
    def is_success(self) -> bool:
        """True unless an expectation of critical severity was missed."""
        return not self.critical_failures

    def as_json(self) -> list[dict[str, Any]]:
        """Return the outcomes as they are recorded in ``ops.gate_results.results``."""
        return [asdict(one) for one in self.outcomes]

    def refusal(self, *, page: str) -> str:
        """Say in one paragraph which expectations were missed, by which rows, and where the page is."""
        parts = []
        for one in self.critical_failures:
            rows = "; ".join(", ".join(f"{key} {value}" for key, value in row.items()) for row in one.rows[:3])
            parts.append(f"{one.name} ({one.zh} / {one.en}): {one.observed}" + (f" [{rows}]" if rows else ""))
        return f"{self.suite}, {self.subject}: " + " | ".join(parts) + f" – see {page}"
