"""Write the .env of docker compose: the example, with a fresh secret wherever it says `generate`.

    python3 property_credit/cli/environment_file.py

Owns how those secrets are made. Needs nothing but Python itself: the machine that runs containers has no environment.
"""

import base64
import os
import re
import secrets
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
_GENERATED = re.compile(r"^([A-Z_]+)=generate$", re.MULTILINE)


def filled(example: str) -> str:
    """Return the example with a secret of 256 bits in each place that asks for one.

    >>> filled("A=generate\\nB=\\n").splitlines()[1]
    'B='
    """
    return _GENERATED.sub(lambda match: f"{match[1]}={_secret(match[1])}", example)


def write(example: Path, target: Path) -> None:
    """Write ``target``, readable by its owner alone. FileExistsError when it is there: its secrets are in use."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(filled(example.read_text(encoding="utf-8")))


def _secret(name: str) -> str:
    key = secrets.token_bytes(32)
    if name.endswith("FERNET_KEY"):
        return base64.urlsafe_b64encode(key).decode()  # Fernet wants the padding
    return base64.urlsafe_b64encode(key).rstrip(b"=").decode()


if __name__ == "__main__":
    try:
        write(CHECKOUT / ".env.example", CHECKOUT / ".env")
    except FileExistsError:
        sys.exit(".env is there already and its secrets are in use: left as it is")
    print(".env is written, readable by you alone: look through it, then `docker compose up`")
