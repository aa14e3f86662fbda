"""Build a month's site: every area, every enterprise, downloads and search; readable without a network.

Owns which files a month has and that only what changed is written. A month is always built from a kept edition, so that
building it again, on the night or a year later, gives the same bytes.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path

from scorecards import editions, render
from scorecards import facts as facts_of
from scorecards.charts import funnel_corner
from scorecards.errors import ScorecardError
from scorecards.facts import Facts
from warehouse.connection import connect
from warehouse.settings import PROJECT_ROOT, get_settings

SPLIT_FROM = 500  # enterprises: below, a second process costs more than it saves
WORKERS = 2
CODE_SUFFIXES = {".py", ".j2", ".css", ".js", ".yml"}
MADE_SUFFIXES = (".pdf", ".xlsx")  # made on demand beside an enterprise's page, PDF beside any: they go when it changes


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


def build(business_date: date) -> BuildReport:
    """Write the site of ``business_date``'s month below DATA_DIR/pages/<yyyy-mm>/ from what was published by then.

    Raises ScorecardError when nothing is published, a mart is missing, or the month was never built and the marts hold
    another night.
    """
    edition_id = facts_of.keep(business_date)
    folder = get_settings().pages_dir
    assert folder
    return build_edition(edition_id, folder / f"{business_date:%Y-%m}")


def build_edition(edition_id: str, folder: Path) -> BuildReport:
    """Write the site of a kept edition into ``folder``; files whose bytes did not change are left alone."""
    with connect("pc_pages") as connection:
        published = connection.execute(
            "select count(distinct uscc) from publishing.grade_history join scorecards.editions "
            "on grade_history.publication_id <= editions.publication_id where edition_id = %s",
            (edition_id,),
        ).fetchone()
    split = published is not None and published[0] >= SPLIT_FROM
    workers = [_start_worker(edition_id, folder, part) for part in range(1, WORKERS)] if split else []
    try:
        facts = facts_of.read(edition_id, _share(edition_id, 0) if split else None)
        digests = write_files(folder, site_files(facts, part=0, parts=WORKERS if split else 1))
        for worker in workers:
            answer, _ = worker.communicate()
            if worker.returncode:
                raise ScorecardError("a worker of the build failed; its message stands above")
            digests |= {path: tuple(found) for path, found in json.loads(answer).items()}
    finally:
        for worker in workers:
            if worker.poll() is None:
                worker.kill()
    _remove_others(folder, set(digests))
    pages_sha256 = hashlib.sha256(
        "".join(f"{path} {digests[path][0]}\n" for path in sorted(digests)).encode()
    ).hexdigest()
    with connect("pc_pages") as connection:
        first = editions.record_build(
            connection, edition_id, code_sha256=code_sha256(), pages_sha256=pages_sha256, file_count=len(digests)
        )
    return BuildReport(
        folder=folder,
        edition_id=edition_id,
        business_date=facts.business_date,
        page_count=sum(path.endswith(".html") for path in digests),
        file_count=len(digests),
        written_count=sum(is_new for _, is_new in digests.values()),
        pages_sha256=pages_sha256,
        is_as_published=first == pages_sha256,
    )


def site_files(facts: Facts, *, part: int = 0, parts: int = 1) -> Iterator[tuple[str, bytes]]:
    """Yield the files of one of ``parts`` shares of a month's site; the first share holds what all pages need."""
    shared = dict(render.shared_files(facts))
    cloud = funnel_corner(shared["assets/funnel.svg"].decode()) if "assets/funnel.svg" in shared else None
    yield from shared.items() if part == 0 else ()
    for code in facts.areas.all()[part::parts]:
        yield from render.area_files(facts, code)
    for uscc in sorted(facts.standing)[part::parts]:
        yield from render.enterprise_files(facts, uscc, cloud)


def write_files(folder: Path, files: Iterable[tuple[str, bytes]]) -> dict[str, tuple[str, bool]]:
    """Write files below ``folder``; return each path's sha256 and whether its bytes are new there."""
    found = {}
    for path, content in files:
        found[path] = (hashlib.sha256(content).hexdigest(), _write(folder / path, content))
    return found


def _share(edition_id: str, part: int) -> list[str]:
    with connect("pc_pages") as connection:
        rows = connection.execute(
            "select distinct uscc from publishing.grade_history join scorecards.editions "
            "on grade_history.publication_id <= editions.publication_id where edition_id = %s order by uscc",
            (edition_id,),
        ).fetchall()
    return [uscc for (uscc,) in rows][part::WORKERS]


def _start_worker(edition_id: str, folder: Path, part: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "scorecards.build", edition_id, str(folder), str(part)]
    return subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True)


def main() -> None:
    """Build one share of an edition in a process of its own and print what was written, as JSON."""
    edition_id, folder, part = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    facts = facts_of.read(edition_id, _share(edition_id, part))
    print(json.dumps(write_files(folder, site_files(facts, part=part, parts=WORKERS))))


def code_sha256() -> str:
    """Return the hash of everything that decides how an edition looks."""
    package = Path(__file__).parent
    files = chain(package.glob("*"), package.glob("templates/*"), package.glob("assets/*"))
    digest = hashlib.sha256()
    for path in sorted(files):
        if path.suffix in CODE_SUFFIXES:
            digest.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _write(path: Path, content: bytes) -> bool:
    if path.exists() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_bytes(content)
    os.replace(partial, path)
    for suffix in MADE_SUFFIXES if path.suffix == ".html" else ():
        path.with_suffix(suffix).unlink(missing_ok=True)
    return True


def _remove_others(folder: Path, kept: set[str]) -> None:
    """Take away files of enterprises and areas that are no longer shown; a printed page goes with its page."""
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        is_made = path.suffix in MADE_SUFFIXES and name.removesuffix(path.suffix) + ".html" in kept
        if path.is_file() and name not in kept and not is_made:
            path.unlink()


if __name__ == "__main__":
    main()
