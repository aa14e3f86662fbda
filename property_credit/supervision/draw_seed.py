"""The seed of a draw: nobody can choose it, and before the month is over nobody outside can foresee the visits.

A secret is committed (its SHA-256 is kept and published) before the grade list of the draw exists, the seed is SHA-256
of ``<secret>/<root of that list>/<month>``: who committed could not know the root, who knows the root does not know the
secret. After the month the draw is published with the secret. Owns secrets (files in KEYS_DIR/draws), commitments.
"""

import hashlib
import os
import secrets
from datetime import date
from typing import Any

from psycopg import Connection

from property_credit.supervision.draw_frame import GradeList
from property_credit.supervision.errors import SupervisionError
from property_credit.warehouse.business_date import arrival
from property_credit.warehouse.settings import get_settings

NO_LIST = 0


def commit(connection: Connection, month: date) -> str:
    """Make the secret of ``month`` and keep its commitment; return the commitment. A month that has one keeps it."""
    row = connection.execute(
        "select commitment_sha256 from supervision.draw_commitments where month = %s", (month,)
    ).fetchone()
    if row:
        return str(row[0])
    path = _file(month)
    if path.exists():  # written by a run that was killed before it could say so
        secret = path.read_text("utf-8").strip()
    else:
        secret = secrets.token_hex(32)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        partial = path.with_suffix(".partial")
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(secret + "\n")
        partial.replace(path)
    commitment = _sha256(secret)
    connection.execute(
        "insert into supervision.draw_commitments (month, commitment_sha256, publication_id, recorded_at) "
        "values (%s, %s, coalesce((select max(publication_id) from publishing.publications), %s), %s)",
        (month, commitment, NO_LIST, arrival()),
    )
    return commitment


def committed(connection: Connection, month: date, grades: GradeList) -> tuple[str, dict[str, Any]]:
    """Return the seed of ``month`` and how it came about. Raises SupervisionError when the secret's file is lost."""
    commitment = commit(connection, month)
    row = connection.execute(
        "select publication_id from supervision.draw_commitments where month = %s", (month,)
    ).fetchone()
    path = _file(month)
    secret = path.read_text("utf-8").strip() if path.exists() else ""
    if _sha256(secret) != commitment:
        raise SupervisionError(
            f"the committed secret of {month:%Y-%m} is not in {path}: restore KEYS_DIR from its backup, or draw with a "
            "public random number that is announced after the frame: --seed"
        )
    basis = {
        "kind": "committed",
        "commitment_sha256": commitment,
        "secret": secret,
        "list_id": grades.list_id,
        "root": grades.root,
        "is_committed_before_list": bool(row and row[0] < grades.publication_id),
    }
    return from_secret(secret, root=grades.root, month=f"{month:%Y-%m}"), basis


def from_secret(secret: str, *, root: str, month: str) -> str:
    """Return the seed: SHA-256, hex, of ``<secret>/<root>/<month>``.

    >>> from_secret("00", root="ab", month="2026-12")[:8]
    '8b832842'
    """
    return _sha256(f"{secret}/{root}/{month}")


def given(seed: str) -> tuple[str, dict[str, Any]]:
    """Return a seed that was given, such as a lottery's numbers announced after the frame, and that it was."""
    if not seed.strip():
        raise SupervisionError("the seed is empty: give the public random number as it was announced")
    return seed.strip(), {"kind": "given"}


def _file(month: date) -> Any:
    folder = get_settings().keys_dir
    assert folder is not None  # made absolute when the settings were read
    return folder / "draws" / f"{month:%Y-%m}.secret"


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
