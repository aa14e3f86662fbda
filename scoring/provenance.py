"""What a run was computed by: our code, the models, and what both run on. Names a difference found years later."""

import hashlib
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path

import psycopg

from property_credit.warehouse.transformation import code_hash

LIBRARIES = ("numpy", "polars", "scikit-learn", "scipy")  # those that grades and estimates are worked out with
PACKAGE = Path(__file__).parent


def computed_by(connection: psycopg.Connection) -> dict[str, str]:
    """Return name and version (of our own code a hash) of everything a run on ``connection`` is computed by.

    ``scoring`` and ``dbt_project`` are hashes of the files, so that they say the same without a repository.
    """
    row = connection.execute("select current_setting('server_version')").fetchone()
    assert row is not None  # it always has one
    return {
        "scoring": scoring_hash(),
        "dbt_project": code_hash(),
        "python": platform.python_version(),
        "postgresql": row[0].split()[0],
        **{name: version(name) for name in LIBRARIES},
    }


@cache
def scoring_hash() -> str:
    """Return a short hash of the package's own modules (validation only reads what they wrote)."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.glob("*.py")):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def changed(recorded: Mapping[str, str] | None, now: Mapping[str, str]) -> list[str]:
    """Return what is another today, as sentences: ``numpy 2.3.1 → 2.4.0``; ``recorded`` None: the run does not say."""
    if recorded is None:
        return ["by code that is not recorded"]
    return [
        f"{name} {recorded.get(name, '–')} → {now.get(name, '–')}"
        for name in (*now, *(recorded.keys() - now.keys()))
        if recorded.get(name) != now.get(name)
    ]
