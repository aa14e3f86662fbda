"""What a task worked on, as one short hash: the same hash again means that there is nothing to do."""

import hashlib
import json
from typing import Any

from property_credit.warehouse.settings import PROJECT_ROOT

SKIPPED = {"target", "logs", "dbt_packages", "__pycache__"}


def files(folder: str, *endings: str) -> list[tuple[str, str]]:
    """Return the path and content hash of every file of a package: a task is new when its code is."""
    root = PROJECT_ROOT / folder
    return [
        (str(path.relative_to(root)), hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(root.rglob("*"))
        if path.suffix.lstrip(".") in endings and not SKIPPED & set(path.relative_to(root).parts)
    ]


def fingerprint(*parts: Any) -> str:
    """Return 12 hexadecimal digits that stand for ``parts``, plain values and dates in any nesting."""
    return hashlib.sha256(json.dumps(parts, default=str, sort_keys=True).encode()).hexdigest()[:12]
