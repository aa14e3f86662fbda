"""A grading method as data: what a methodology file may say, and what it must not.

Owns reading, validating and identifying methods. Must not know enterprises, marts or grades.
"""

import hashlib
import json
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from property_credit.warehouse.settings import get_settings
from scoring import document
from scoring.consistency import inconsistencies
from scoring.errors import MethodError
from scoring.formulas import Deduction, RelativeRisk
from scoring.schema import Indicator, Method

METHODS_DIR = Path(__file__).parent / "methods"


@dataclass(frozen=True)
class LoadedMethod:
    """A valid method with the hash that identifies its content (comments and layout do not count)."""

    method: Method
    sha256: str

    @property
    def version(self) -> str:
        """The method's version."""
        return self.method.version

    def document(self) -> dict[str, Any]:
        """Return the content as plain JSON types; decimals are text, and ``order`` keeps what jsonb forgets."""
        content = self.method.model_dump(mode="json", exclude_none=True)
        return content | {"order": {name: list(content[name]) for name in ("pillars", "domains", "indicators", "caps")}}


def load(version: str | None = None) -> LoadedMethod:
    """Return the method of ``scoring/methods/<version>.yml`` (None: the one in force, METHOD_VERSION).

    MethodError lists every fault with its line.
    """
    version = version or get_settings().method_version
    path = METHODS_DIR / f"{version}.yml"
    if Path(version).name != version or not path.is_file():
        known = ", ".join(sorted(file.stem for file in METHODS_DIR.glob("*.yml")))
        raise MethodError(f"there is no method {version!r}; known: {known}")
    loaded = load_file(path)
    if loaded.version != version:
        raise MethodError(f"{path}: version: the file says {loaded.version!r}, its name says {version!r}")
    return loaded


@lru_cache(maxsize=8)
def _load_unchanged(path: Path, _modified_ns: int) -> LoadedMethod:
    source = document.read(path)
    try:
        method = Method.model_validate(source.content)
    except ValidationError as error:
        faults = sorted((source.line_of(fault["loc"]), _describe(source, fault)) for fault in error.errors())
        raise MethodError("\n".join(f"{path}:{line}: {text}" for line, text in faults)) from error
    faults = sorted(
        (source.line_of(location), f"{'.'.join(map(str, location))}: {reason}")
        for location, reason in inconsistencies(method)
    )
    if faults:
        raise MethodError("\n".join(f"{path}:{line}: {text}" for line, text in faults))
    text = json.dumps(method.model_dump(mode="json", exclude_none=True), sort_keys=True, ensure_ascii=False)
    return LoadedMethod(method=method, sha256=hashlib.sha256(text.encode()).hexdigest())


def load_file(path: Path) -> LoadedMethod:
    """Return the method in ``path``; MethodError lists every fault as ``file:line: key: reason``."""
    try:
        return _load_unchanged(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise MethodError(f"{path}: cannot be read: {error.strerror}") from error


def _describe(source: document.Document, fault: Any) -> str:
    reason = {"extra_forbidden": "unknown key", "missing": "missing"}.get(fault["type"], fault["msg"])
    return f"{source.name_of(fault['loc'])}: {reason.removeprefix('Value error, ')}"


def warehouse_variables(method: Method) -> dict[str, Any]:
    """Return the method's numbers that the warehouse counts with, as plain JSON types for dbt's ``--vars``.

    ``windows`` is months by indicator code (without those that read the state on the business date), with
    ``<code>_LONG`` for a second window; ``caps`` the durations and limits of the vetoes and caps that the warehouse
    decides; ``measures`` what the file itself says of how an indicator is counted; the rest are the names of the file's
    section ``warehouse``.
    """
    windows = {code: spec.window_months for code, spec in method.indicators.items() if spec.window_months is not None}
    for code, spec in method.indicators.items():
        if isinstance(spec.formula, RelativeRisk):
            windows[f"{code}_LONG"] = spec.formula.long_window_months
    caps = {
        code: cap.model_dump(exclude_none=True, exclude={"name", "effect", "source", "grade", "binds_not_rated"})
        for code, cap in method.caps.items()
        if cap.source == "warehouse"
    }
    counted = (method.warehouse.model_dump(exclude_none=True) if method.warehouse else {}) | {
        "method_version": method.version,
        "windows": windows,
        "inspection_window_months": method.sufficiency.inspection_window_months,
        "caps": caps,
    }
    counted["measures"] = {
        code: indicator.measure.model_dump()
        | {"window_months": indicator.window_months, "less_is_better": _less_is_better(indicator)}
        for code, indicator in method.indicators.items()
        if indicator.measure
    }
    if method.warehouse:
        counted["display_months"] = {tier: limits.max_months for tier, limits in method.repair}
    return _plain(counted)


def _less_is_better(indicator: Indicator) -> bool:
    if isinstance(indicator.formula, Deduction):
        return True
    curve = getattr(indicator.formula, "curve", ())
    return bool(curve and curve[0][0] < curve[-1][0])


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value
