"""What enterprises write beside their grades; a few take it back. No text names a person."""

from datetime import date

import numpy as np
import polars as pl

from simulation.actors import FIRM, Managers
from simulation.parameters import Preset
from simulation.tables import NEVER, Table, dates, day_number, labels, random

_DAYS_BEFORE = 150  # before the first delivery: the first ones are in it
_STATEMENTS = (
    "本公司对等级结果有异议，已按程序提出，请以复核结论为准。",
    "所涉整改事项已于期限内完成，验收材料已报送住建部门。",
    "本公司自今年起接管多个老旧小区，前期遗留问题正在逐项整改。",
    "感谢监督。本公司已增设夜间值班，报修两小时内到场。",
)


def make_replies(preset: Preset, managers: Managers, *, seed: int, last: date) -> Table:
    """Return the replies of some firms, at most one each."""
    rng = random(seed, "replies")
    firms = np.flatnonzero(managers.kind == FIRM)
    size = max(1, round(preset.registers.replies_share * len(firms)))
    who = rng.choice(firms, size, replace=False)
    filed = rng.integers(managers.end_day - _DAYS_BEFORE, day_number(last), size)
    withdrawn = np.where(rng.random(size) < 0.15, filed + rng.integers(5, 90, size), NEVER)
    frame = pl.DataFrame(
        {
            "uscc": labels(managers.uscc, who),
            "statement": labels(list(_STATEMENTS), rng.integers(0, len(_STATEMENTS), size)),
            "filed_on": dates(filed),
            "withdrawn_on": dates(withdrawn),
            "_visible_on": dates(filed),
        }
    ).sort("filed_on", "uscc")
    frame = frame.with_columns(pl.Series("reply_id", [f"SM{number:05d}" for number in range(1, size + 1)]))
    return Table("replies", ("reply_id",), frame, masks={"withdrawn_on": "withdrawn_on"})
