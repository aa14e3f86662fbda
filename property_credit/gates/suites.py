"""The committed suites (``expectations/*.yml``): what is expected at a gate, how bad a miss is, and since when and why.

Owns the suites' format. Must not know Great Expectations beyond the names of its expectations.
"""

from functools import lru_cache
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from property_credit.warehouse.settings import PROJECT_ROOT

FOLDER = PROJECT_ROOT / "expectations"


class SuiteError(ValueError):
    """A committed suite cannot be used; the message names the file and the key."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OnlyIf(_Part):
    """The expectation counts only for rows whose ``column`` is at least ``at_least``: ratios of few rows say little."""

    column: str
    at_least: float


class Expectation(_Part):
    """One expectation: a Great Expectations type with its arguments, a severity and the threshold's reason."""

    name: str
    type: str
    arguments: dict[str, Any] = {}
    severity: Literal["critical", "warning"]
    zh: str
    en: str
    why: str
    only_if: OnlyIf | None = None


class Subject(_Part):
    """What a group of expectations looks at: a query, or the statistics of a batch (batch gate)."""

    name: str
    zh: str
    en: str
    query: str | None = None
    key: tuple[str, ...] = ()
    expectations: tuple[Expectation, ...]


class Suite(_Part):
    """One gate's suite.

    ``gate``: its number in ``ops.gate_results``; ``settings``: numbers that are not thresholds of an expectation.
    """

    suite: str
    gate: Literal[1, 2, 3]
    zh: str
    en: str
    settings: dict[str, Any] = {}
    subjects: tuple[Subject, ...]


@lru_cache
def load(name: str) -> Suite:
    """Return the suite ``suites/<name>.yml``. Raises SuiteError on an unknown key, a wrong type or a repeated name."""
    path = FOLDER / f"{name}.yml"
    try:
        suite = Suite.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError) as error:
        raise SuiteError(f"{path.name}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise SuiteError(f"{path.name}: {where}: {first['msg']}") from error
    names = [expectation.name for subject in suite.subjects for expectation in subject.expectations]
    if repeated := {one for one in names if names.count(one) > 1}:
        raise SuiteError(f"{path.name}: expectations named twice: {', '.join(sorted(repeated))}")
    return suite
