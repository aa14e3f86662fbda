"""What enterprises report to the platform: in time, late or never, and what spot checks of it find."""

from datetime import date

import numpy as np
import polars as pl

from simulation.actors import FIRM, Managers
from simulation.parameters import Preset
from simulation.tables import NEVER, Table, dates, day_number, labels, random, visibility
from simulation.tenures import Tenures

_QUARTERLY, _MONTHLY = ("projects", "staff", "finance"), ("safety",)
_DUE_DAYS = 10  # after the period's end
_CHECKED_ITEMS = 20


def make_reporting_records(
    preset: Preset, managers: Managers, tenures: Tenures, *, seed: int, first: date, last: date
) -> Table:
    """Return one row for every report that a firm with a contract had to make from ``first`` to ``last``."""
    rng = random(seed, "reports")
    want = preset.assessments
    months = [date(year, month, 1) for year in range(first.year, last.year + 1) for month in range(1, 13)]
    firms = np.flatnonzero(managers.kind == FIRM)
    begins = np.full(len(managers.kind), 10**6)
    np.minimum.at(begins, tenures.manager, tenures.start)
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray, list[str]]] = []
    for number, start in enumerate(months[:-3]):
        kinds = [(kind, 1) for kind in _MONTHLY]
        kinds += [(kind, 3) for kind in _QUARTERLY if start.month in (1, 4, 7, 10)]
        for kind, length in kinds:
            due = day_number(months[number + length]) - 1 + _DUE_DAYS
            if start < first or due > day_number(last):
                continue
            who = firms[begins[firms] < day_number(start)]
            parts.append((who, np.full(len(who), day_number(start)), np.full(len(who), due), [kind] * len(who)))
    who, start_day, due_day = (np.concatenate([part[place] for part in parts]) for place in range(3))
    size = len(who)
    in_time = rng.random(size) < managers.chance("reports", who, due_day, want.reported_on_time)
    submitted = due_day - rng.integers(0, _DUE_DAYS, size)
    late = due_day + 1 + rng.exponential(12, size).astype(np.int64)
    submitted = np.where(in_time, submitted, np.where(rng.random(size) < 0.25, NEVER, late))
    checked = (submitted >= 0) & (rng.random(size) < want.spot_checked_share)
    right = managers.chance("accuracy", who, due_day, want.reported_rightly)
    wrong = rng.binomial(_CHECKED_ITEMS, 1 - right)
    seen = np.where(in_time, submitted, due_day + 1)  # what is not there on the day after is noted as missing
    frame = pl.DataFrame(
        {
            "report_id": [f"BS{number:06d}" for number in range(1, size + 1)],
            "uscc": labels(managers.uscc, who),
            "report_type_code": [kind for part in parts for kind in part[3]],
            "period_start_on": dates(start_day),
            "due_on": dates(due_day),
            "submitted_on": dates(submitted),
            "_checked_on": dates(np.where(checked, submitted + 12, NEVER)),
            "checked_item_count": np.full(size, _CHECKED_ITEMS),
            "wrong_item_count": wrong,
            "_visible_on": visibility(rng, seen, preset.lags),
        }
    )
    masks = {
        "submitted_on": "submitted_on",
        "checked_item_count": "_checked_on",
        "wrong_item_count": "_checked_on",
        "_checked_on": "_checked_on",
    }
    return Table("reporting_records", ("report_id",), frame, masks=masks)
