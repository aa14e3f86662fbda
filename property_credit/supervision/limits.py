"""How long a complaint may wait and who is told when it waited longer: read from YAML, checked, one value.

Owns the supervision clocks' configuration. Knows nothing of the grading method's limits, which are another clock.
"""

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from property_credit.supervision.errors import SupervisionError
from property_credit.warehouse.settings import get_settings

DEFAULT = Path(__file__).resolve().parent / "limits.yml"
Kind = Literal["response", "handling", "resolution"]


class Limit(BaseModel):
    """One escalation: hours since submission (whole minutes), the level that is told, its name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit_hours: float = Field(gt=0, le=24 * 365, multiple_of=1 / 60)
    level: Literal["district", "city", "region"]
    title_zh: str
    title_en: str

    @property
    def minutes(self) -> int:
        """Return the limit in minutes."""
        return round(self.limit_hours * 60)


class Limits(BaseModel):
    """The whole configuration: ``channels`` are supervised, ``home_region`` is told where no division is known."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    channels: tuple[str, ...] = Field(min_length=1)
    home_region: str = Field(pattern=r"^[0-9]{6}$")
    escalations: dict[Kind, Limit]


def load(path: Path | None = None) -> Limits:
    """Return the limits of ``path`` (default: SUPERVISION_LIMITS, else the file beside this module).

    Raises SupervisionError when the file is missing or says something impossible.
    """
    chosen = path or get_settings().supervision_limits or DEFAULT
    try:
        limits = Limits.model_validate(yaml.safe_load(chosen.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError, ValidationError) as error:
        raise SupervisionError(f"{chosen}: {error}") from error
    if set(limits.escalations) != {"response", "handling", "resolution"}:
        raise SupervisionError(f"{chosen}: escalations are response, handling and resolution, each with a limit")
    return limits
