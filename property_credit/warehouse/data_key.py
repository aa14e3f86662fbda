"""The key that personal data is encrypted with at rest: an age identity from the environment, or none.

Files are in the age format (age-encryption.org): `age` and every library of it read them with the same key, so nobody
depends on this program to get them back. Owns nothing else; must not know what is encrypted.
"""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from property_credit.warehouse.settings import get_settings

if TYPE_CHECKING:
    import pyrage

SUFFIX = ".age"


class Reader(Protocol):
    """What can be read in pieces."""

    def read(self, size: int = -1, /) -> bytes:
        """Return up to ``size`` bytes; none at the end."""


class DataKeyError(Exception):
    """DATA_KEY is missing, is no key, or is another one than the file was encrypted for; the message says which."""


def generate() -> tuple[str, str]:
    """Return a new key and its public half, which encrypts and cannot read."""
    import pyrage

    identity = pyrage.x25519.Identity.generate()
    return str(identity), str(identity.to_public())


def identity() -> "pyrage.x25519.Identity | None":
    """Return the key of DATA_KEY; None when none is given. DataKeyError when it is no key."""
    given = get_settings().data_key
    return _parsed(given.get_secret_value()) if given else None


@lru_cache(maxsize=4)
def _parsed(text: str) -> "pyrage.x25519.Identity":
    import pyrage

    try:
        return pyrage.x25519.Identity.from_str(text.strip())
    except pyrage.IdentityError as error:
        raise DataKeyError(
            "DATA_KEY is no key: it begins with AGE-SECRET-KEY-1 (`property-credit personal-data key` makes one)"
        ) from error


def derived(purpose: str, length: int = 32) -> bytes:
    """Return ``length`` secret bytes that follow from DATA_KEY and ``purpose``; DataKeyError when none is given."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    own = identity()
    if own is None:
        raise DataKeyError("DATA_KEY is not set")
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=purpose.encode()).derive(str(own).encode())


def encrypt(reader: Reader, writer: BinaryIO) -> None:
    """Write what ``reader`` gives as an age file for this key; DataKeyError when none is given."""
    import pyrage

    own = identity()
    if own is None:
        raise DataKeyError("DATA_KEY is not set")
    pyrage.encrypt_io(reader, writer, [own.to_public()])


def decrypt(source: Path, target: Path) -> None:
    """Write the plain content of the age file ``source`` to ``target``; DataKeyError when this key does not open it."""
    import pyrage

    own = identity()
    if own is None:
        raise DataKeyError(f"{source.name} is encrypted and DATA_KEY is not set")
    try:
        with source.open("rb") as reader, target.open("xb") as writer:
            pyrage.decrypt_io(reader, writer, [own])
    except pyrage.DecryptError as error:
        target.unlink(missing_ok=True)
        raise DataKeyError(f"{source.name} is damaged or encrypted for another key than DATA_KEY: {error}") from error
