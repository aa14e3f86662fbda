"""Build a month's site: every area, every enterprise, downloads and search; readable without a network.

Owns which files a month has and that only what changed is written. A month is always built from a kept edition, so that
building it again, on the night or a year later, gives the same bytes.
"""

import gc
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path

from property_credit.scorecards import editions, months, reading, render
from property_credit.scorecards.charts import funnel_corner
from property_credit.scorecards.errors import ScorecardError
from property_credit.scorecards.facts import Facts
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import PROJECT_ROOT, get_settings

SPLIT_FROM = 500  # enterprises: below, a second process costs more than it saves
WORKERS = 2
CODE_SUFFIXES = {".py", ".j2", ".css", ".js", ".yml"}


@dataclass(frozen=True)
class BuildReport:
    """What a build did. ``is_as_published``: the same edition and templates gave the same bytes before."""

    folder: Path
    edition_id: str
    business_date: date
    page_count: int
    file_count: int
    written_count: int
    pages_sha256: str
    is_as_published: bool


def build(business_date: date, *, is_anew: bool = False) -> BuildReport:
    """Write the site of ``business_date``'s month below DATA_DIR/pages/<yyyy-mm>/ from what was published by then.

    Where the files are already those that the same edition and templates gave before, none is made again, unless
    ``is_anew`` asks for every page to be made and compared.

    Raises ScorecardError when nothing is published, a mart is missing, or the month was never built and the marts hold
    another night.
    """
    edition_id = reading.keep(business_date)
    folder = get_settings().pages_dir
    assert folder
    report = build_edition(edition_id, folder / f"{business_date:%Y-%m}", is_anew=is_anew)
    months.write(folder)
    return report


def build_edition(edition_id: str, folder: Path, *, is_anew: bool = False) -> BuildReport:
    """Write the site of a kept edition into ``folder``; files whose bytes did not change are left alone."""
    code = code_sha256()
    with connect("pc_pages") as connection:
        business_date = editions.night_of(connection, edition_id)
        first = editions.first_build(connection, edition_id, code)
        shown = editions.shown_enterprises(connection, edition_id)
    written_count = 0
    files = {} if first is None or is_anew else standing_files(folder)
    if not files or site_sha256(files) != first:
        made = _make(edition_id, folder, shown)
        files = {path: digest for path, (digest, _) in made.items()}
        written_count = sum(is_new for _, is_new in made.values())
        _remove_others(folder, set(files))
    pages_sha256 = site_sha256(files)
    if first is None:
        with connect("pc_pages") as connection:
            first = editions.record_build(
                connection, edition_id, code_sha256=code, pages_sha256=pages_sha256, file_count=len(files)
            )
    return BuildReport(
        folder=folder,
        edition_id=edition_id,
        business_date=business_date,
        page_count=sum(path.endswith(".html") for path in files),
        file_count=len(files),
        written_count=written_count,
        pages_sha256=pages_sha256,
        is_as_published=first == pages_sha256,
    )


def _make(edition_id: str, folder: Path, shown: list[str]) -> dict[str, tuple[str, bool]]:
    """Make every file of the site, on two processes where that saves time; return digests and whether each is new."""
    parts = WORKERS if len(shown) >= SPLIT_FROM else 1
    workers = [_start_worker(edition_id, folder, part) for part in range(1, parts)]
    try:
        digests = _make_share(edition_id, folder, shown, part=0, parts=parts)
        for worker in workers:
            answer, _ = worker.communicate()
            if worker.returncode:
                raise ScorecardError("a worker of the build failed; its message stands above")
            digests |= {path: tuple(entry) for path, entry in json.loads(answer).items()}
    finally:
        for worker in workers:
            if worker.poll() is None:
                worker.kill()
    return digests


def _make_share(
    edition_id: str, folder: Path, shown: list[str], *, part: int, parts: int
) -> dict[str, tuple[str, bool]]:
    """Make one of ``parts`` shares of the site. The facts are left out of garbage collection while it lasts.

    Walking some millions of rows that stay, again and again, was a third of a region's build (measured 2026-11).
    """
    facts = reading.read(edition_id, shown[part::parts])
    gc.freeze()
    try:
        return write_files(folder, site_files(facts, part=part, parts=parts))
    finally:
        gc.unfreeze()


def site_files(facts: Facts, *, part: int = 0, parts: int = 1) -> Iterator[tuple[str, bytes]]:
    """Yield the files of one of ``parts`` shares of a month's site; the first share holds what all pages need."""
    funnel = render.funnel_file(facts)
    if part == 0:
        yield from render.shared_files(facts)
        yield from funnel.items()
    cloud = next((funnel_corner(svg.decode()) for svg in funnel.values()), None)
    for code in facts.areas.all()[part::parts]:
        yield from render.area_files(facts, code)
    for uscc in sorted(facts.standing)[part::parts]:
        yield from render.enterprise_files(facts, uscc, cloud)


def write_files(folder: Path, files: Iterable[tuple[str, bytes]]) -> dict[str, tuple[str, bool]]:
    """Write files below ``folder``; return each path's sha256 and whether its bytes are new there."""
    written = {}
    for path, content in files:
        written[path] = (hashlib.sha256(content).hexdigest(), _write(folder, path, content))
    return written


def standing_files(folder: Path) -> dict[str, str]:
    """Return the sha256 of every file of a built site by its path; what was made on demand is not the site's."""
    standing = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and not _is_made_on_demand(name):
            standing[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return standing


def site_sha256(files: Mapping[str, str]) -> str:
    """Return the hash over a site: over every file's path and sha256."""
    return hashlib.sha256("".join(f"{path} {files[path]}\n" for path in sorted(files)).encode()).hexdigest()


def _start_worker(edition_id: str, folder: Path, part: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "property_credit.scorecards.build", edition_id, str(folder), str(part)]
    return subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True)


def main() -> None:
    """Build one share of an edition in a process of its own and print what was written, as JSON."""
    edition_id, folder, part = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    with connect("pc_pages") as connection:
        shown = editions.shown_enterprises(connection, edition_id)
    print(json.dumps(_make_share(edition_id, folder, shown, part=part, parts=WORKERS)))


def code_sha256() -> str:
    """Return the hash of everything that decides how an edition looks."""
    package = Path(__file__).parent
    files = chain(package.glob("*"), package.glob("templates/*"), package.glob("assets/*"))
    digest = hashlib.sha256()
    for path in sorted(files):
        if path.suffix in CODE_SUFFIXES:
            digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _is_made_on_demand(name: str) -> bool:
    """Return whether a file is made from its page when somebody asks: a PDF, an enterprise's workbook."""
    return name.endswith(".pdf") or (name.endswith(".xlsx") and name.startswith("enterprise/"))


def _write(folder: Path, name: str, content: bytes) -> bool:
    """Write ``content`` unless it stands there already, and take away what was made of it; return whether it is new."""
    path = f"{folder}/{name}"
    try:
        with open(path, "rb") as standing:
            if standing.read() == content:
                return False
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".partial", "wb") as partial:
        partial.write(content)
    os.replace(path + ".partial", path)
    if name.endswith(".html"):
        for made in (name.removesuffix("html") + "pdf", name.removesuffix("html") + "xlsx"):
            if _is_made_on_demand(made):
                (folder / made).unlink(missing_ok=True)
    return True


def _remove_others(folder: Path, kept: set[str]) -> None:
    """Take away files of enterprises and areas that are no longer shown; a printed page goes with its page."""
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        is_made = _is_made_on_demand(name) and name.removesuffix(path.suffix) + ".html" in kept
        if path.is_file() and name not in kept and not is_made:
            path.unlink()


if __name__ == "__main__":
    main()
