"""What lies in the landing folder: files of a day and a profile, and everything that nobody reads, with why.

Owns the folder's layout: ``<day>/<profile>/…`` or ``<profile>/<day>/…``, a file at any depth below. A day is written
2026-11-01, 20261101, 2026.11.01, 2026_11_1 or 2026年11月1日. Passed over without a word are only names that begin with
``.`` or ``~$``: a program's own. A file may be encrypted for DATA_KEY (``.age``); with a key, those that were read are.
"""

import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from property_credit.ingestion import archive
from property_credit.ingestion import profile as profiles
from property_credit.ingestion.profile import Profile
from property_credit.warehouse.data_key import SUFFIX
from property_credit.warehouse.settings import get_settings

DAY = re.compile(r"(\d{4})([-._]?)(\d{2})\2(\d{2})|(\d{4})[-._年](\d{1,2})[-._月](\d{1,2})日?")
UNFINISHED = (".part", ".tmp", ".crdownload", ".filepart")  # an upload that is still under way
OWN = (".", "~$")


@dataclass(frozen=True)
class Landed:
    """A file in landing that belongs to a day and a profile."""

    landed_on: date
    profile: Profile
    path: Path

    @property
    def name(self) -> str:
        """Return the file's name as people read it, without the suffix of an encrypted one."""
        return readable(self.path.name).removesuffix(SUFFIX)


@dataclass(frozen=True)
class Unclaimed:
    """Something in landing that nobody reads: its path below landing, and why."""

    path: str
    why: str


def day_of(name: str) -> date | None:
    """Return the day that a folder's name says; None when it says none."""
    matched = DAY.fullmatch(name)
    if not matched:
        return None
    year, _mark, month, day, *other = matched.groups()
    try:
        return date(*map(int, (year, month, day) if year else other))
    except ValueError:
        return None


def readable(name: str) -> str:
    """Return a file's name as text: in UTF-8 as it is, else as GB18030 (Windows' archives), else with its odd bytes.

    >>> readable("a.csv")
    'a.csv'
    """
    octets = os.fsencode(name)
    for encoding in ("utf-8", "gb18030"):
        try:
            return octets.decode(encoding)
        except UnicodeDecodeError:
            continue
    return octets.decode("utf-8", errors="backslashreplace").replace("/", "_")


@contextmanager
def under_readable_name(delivery: Landed) -> Iterator[Path]:
    """Give the delivery's path; where its name is no text, a link to it under one that is; in plain if encrypted.

    Raises IngestionError when DATA_KEY does not open it.
    """
    if delivery.path.suffix == SUFFIX:
        with archive.decrypted(delivery.path) as path:
            yield path
        return
    if delivery.name == delivery.path.name:
        yield delivery.path
        return
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / delivery.name
        link.symlink_to(delivery.path.absolute())
        yield link


def landed(feed_profiles: list[Profile], business_date: date) -> Iterator[Landed]:
    """Yield the files that landed by ``business_date`` for these profiles, by day, profile and name."""
    by_name = {profile.name: profile for profile in feed_profiles}
    folders = [
        (day, name, path)
        for day, name, path in _folders()
        if day is not None and day <= business_date and name in by_name
    ]
    for day, name, folder in sorted(folders, key=lambda one: (one[0], one[1], str(one[2]))):
        for path in _files(folder):
            if _why_not_read(path) is None:
                yield Landed(day, by_name[name], path)


def unclaimed(business_date: date) -> list[Unclaimed]:
    """Return what lies in landing by ``business_date`` and nobody reads."""
    known = {path.stem for path in profiles.SOURCES.glob("*.yml")}
    landing = _landing()
    entries: list[Unclaimed] = []

    def tell(path: Path, why: str) -> None:
        entries.append(Unclaimed("/".join(map(readable, path.relative_to(landing).parts)), why))

    for day, name, path in _folders():
        if day is not None and day > business_date:
            continue
        if name in known and day is not None:
            for file in _files(path):
                if why := _why_not_read(file):
                    tell(file, why)
        elif not path.is_dir():
            tell(path, _why_not_read(path) or "a file outside of a profile's folder")
        elif day is None:
            tell(path, "a folder that is named after no day and no source profile")
        else:
            tell(path, "a folder that no source profile is named after")
    return sorted(entries, key=lambda one: one.path)


def shut() -> None:
    """Shut the landing folder to other users of the machine; one of the platform's own to its group as well.

    LANDING_DIR may be where offices' uploads arrive under a group of theirs: that stays. A folder that belongs to
    another user is left as it is.
    """
    folder = _landing()
    try:
        stands = folder.stat()
        shut_to = 0o077 if folder == get_settings().data_dir / "landing" else 0o007
        if stands.st_uid == os.geteuid() and stands.st_mode & shut_to:
            folder.chmod(stat.S_IMODE(stands.st_mode) & ~shut_to)
    except FileNotFoundError:
        return


def _landing() -> Path:
    landing = get_settings().landing_dir
    assert landing is not None  # the settings fill it in
    return landing


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith(OWN))
    except OSError:
        return []


def _folders() -> Iterator[tuple[date | None, str, Path]]:
    """Yield day, profile and path of what lies in the two upper levels; no day or "" where the name says none."""
    for upper in _entries(_landing()):
        day = day_of(readable(upper.name)) if upper.is_dir() else None
        lower = _entries(upper) if upper.is_dir() else []
        if day is not None:
            yield from ((day, readable(path.name) if path.is_dir() else "", path) for path in lower)
        elif any(path.is_dir() and day_of(readable(path.name)) for path in lower):
            for path in lower:
                inner = day_of(readable(path.name)) if path.is_dir() else None
                yield inner, readable(upper.name) if inner else "", path
        else:
            yield None, "", upper


def _files(folder: Path) -> Iterator[Path]:
    for path in _entries(folder):
        if path.is_dir() and not path.is_symlink():
            yield from _files(path)
        else:
            yield path


def _why_not_read(path: Path) -> str | None:
    """Say why a path is no delivery; None when it is one. A pipe is not opened: nobody may be at its other end.

    A link is not followed: who may upload could have any file read that the service may read.
    """
    if path.name.endswith(UNFINISHED):
        return "an upload that is not finished"
    if path.resolve() != _landing().resolve() / path.relative_to(_landing()):
        return "a link, or in a folder behind one: put the file itself here"
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if stat.S_ISREG(mode):
        return None
    return "a folder behind a link" if stat.S_ISDIR(mode) else "not a file (a pipe, a socket or a device)"
