"""How well the alerts of a night find what a simulated region holds: precision and recall by kind, and what was missed.

Reads a simulation's manifest (what should be found, by night) and the register. Knows nothing of how either came about.
"""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from supervision.errors import SupervisionError
from warehouse.connection import connect


@dataclass(frozen=True)
class KindReport:
    """One kind: how many alerts stand, how many should, and which are wrong or missing ('<kind>/<subject>')."""

    kind_code: str
    found: int
    wanted: int
    wrong: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def precision(self) -> float | None:
        """Share of the alerts that are right, 0–1; None without any."""
        return (self.found - len(self.wrong)) / self.found if self.found else None

    @property
    def recall(self) -> float | None:
        """Share of what should be found that was, 0–1; None when there was nothing to find."""
        return (self.wanted - len(self.missing)) / self.wanted if self.wanted else None


def evaluate(manifest: Path, night: date) -> list[KindReport]:
    """Compare the alerts that stand since ``night`` with what ``manifest`` says should be found, by kind.

    A subject counts as found when an alert of its kind names it, whatever the occasion. Raises SupervisionError when
    the manifest cannot be read, does not know the night, or the register has not seen it.
    """
    try:
        content = json.loads(Path(manifest).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise SupervisionError(f"{manifest} cannot be read as a manifest: {error}") from error
    nights = content.get("alerts", {}) if isinstance(content, dict) else {}
    if night.isoformat() not in nights:
        raise SupervisionError(
            f"{manifest} does not say what is true on {night}; it knows: {', '.join(nights) or 'none'}"
        )
    with connect("pc_supervision") as connection:
        rows = connection.execute(
            "select alert_id from supervision.alerts where last_seen_on = %s", (night,)
        ).fetchall()
    if not rows:
        raise SupervisionError(f"the register holds no alert of the night of {night}: run that night first")
    return compare((row[0] for row in rows), nights[night.isoformat()])


def compare(alert_ids: Iterable[str], wanted: Iterable[str]) -> list[KindReport]:
    """Compare alert ids ('<kind>/<subject>[/<occasion>]') with wanted '<kind>/<subject>', each listed once.

    >>> [report] = compare(["a/1/2026", "a/2"], ["a/1", "a/3"])
    >>> report.precision, report.recall, report.wrong, report.missing
    (0.5, 0.5, ('a/2',), ('a/3',))
    """
    found = Counter("/".join(alert_id.split("/")[:2]) for alert_id in alert_ids)
    true = set(wanted)
    kinds = sorted({subject.split("/")[0] for subject in true | set(found)})
    return [
        KindReport(
            kind_code=kind,
            found=len(mine := sorted(subject for subject in found if subject.startswith(f"{kind}/"))),
            wanted=len(due := sorted(subject for subject in true if subject.startswith(f"{kind}/"))),
            wrong=tuple(subject for subject in mine if subject not in true),
            missing=tuple(subject for subject in due if subject not in found),
        )
        for kind in kinds
    ]
