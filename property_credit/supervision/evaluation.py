"""How well the alerts of a night find what a simulated region holds: precision and recall by kind, and what was missed.

Reads a simulation's manifest (what should be found, by night) and the register. Knows nothing of how either came about.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from property_credit.supervision.errors import SupervisionError
from property_credit.warehouse.connection import connect


@dataclass(frozen=True)
class KindReport:
    """One kind: how many alerts stand, how many should, and which are wrong or missing ('<kind>/<subject>')."""

    kind_code: str
    raised: int
    wanted: int
    wrong: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def precision(self) -> float | None:
        """Share of the alerts that are right, 0–1; None without any."""
        return (self.raised - len(self.wrong)) / self.raised if self.raised else None

    @property
    def recall(self) -> float | None:
        """Share of what should be found that was, 0–1; None when there was nothing to find."""
        return (self.wanted - len(self.missing)) / self.wanted if self.wanted else None


def evaluate(manifest: Path, night: date) -> list[KindReport]:
    """Compare the alerts that stand since ``night`` with what ``manifest`` says should be found, by kind.

    A case counts as found when an alert's id is it or begins with it. Raises SupervisionError when the manifest cannot
    be read, does not know the night, or the register has not seen it.
    """
    try:
        content = json.loads(Path(manifest).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SupervisionError(f"{manifest} cannot be read as a manifest: {error}") from error
    nights = content.get("alerts", {}) if isinstance(content, dict) else {}
    if night.isoformat() not in nights:
        known = ", ".join(nights) or "none"
        raise SupervisionError(f"{manifest} does not say what is true on {night}; it knows: {known}")
    with connect("pc_supervision") as connection:
        rows = connection.execute(
            "select alert_id from supervision.alerts where last_seen_on = %s", (night,)
        ).fetchall()
    if not rows:
        raise SupervisionError(f"the register holds no alert of the night of {night}: run that night first")
    true = nights[night.isoformat()]
    return compare((row[0] for row in rows), true["due"], true["standing"])


def compare(alert_ids: Iterable[str], due: Iterable[str], standing: Iterable[str] = ()) -> list[KindReport]:
    """Compare alert ids ('<kind>/<subject>[/<occasion>]') with cases ('<kind>/<subject>[/<occasion>]').

    Every case of ``due`` must be found; an alert of one of ``standing`` is right, but none need be there.

    >>> [report] = compare(["a/1/2026", "a/2", "a/4"], ["a/1", "a/3"], ["a/4"])
    >>> report.recall, report.wrong, report.missing
    (0.5, ('a/2',), ('a/3',))
    """
    wanted, right = set(due), set(due) | set(standing)
    beginnings = {alert_id: _beginnings(alert_id) for alert_id in alert_ids}
    covered = set().union(*beginnings.values()) if beginnings else set()
    kinds = sorted({name.split("/")[0] for name in (*wanted, *beginnings)})
    return [
        KindReport(
            kind_code=kind,
            raised=sum(_is_of(kind, alert_id) for alert_id in beginnings),
            wanted=sum(_is_of(kind, case) for case in wanted),
            wrong=tuple(sorted(name for name in beginnings if _is_of(kind, name) and not beginnings[name] & right)),
            missing=tuple(sorted(case for case in wanted if _is_of(kind, case) and case not in covered)),
        )
        for kind in kinds
    ]


def _is_of(kind: str, name: str) -> bool:
    return name.split("/")[0] == kind


def _beginnings(alert_id: str) -> set[str]:
    parts = alert_id.split("/")
    return {"/".join(parts[:count]) for count in range(2, len(parts) + 1)}
