"""The commands of the pages: who may read them, a past month again, PDF, the public edition, the half-year notice."""

import re
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from property_credit.cli import output
from property_credit.cli.output import Format, Output, console, errors_for_people, print_rows

readers_app = typer.Typer(help="Who may sign in to the pages, and the area each may see.", no_args_is_help=True)
pages_app = typer.Typer(help="The month's pages for regulators.", no_args_is_help=True)

Month = Annotated[str, typer.Option(help="yyyy-mm; it is shown as it was published then.")]


def register(app: typer.Typer) -> None:
    """Add the commands of the pages to the command line."""
    app.add_typer(readers_app, name="readers")
    app.add_typer(pages_app, name="pages")


def _ready() -> None:
    from property_credit.warehouse.migrate import require_current

    require_current()


def _last_day(month: str) -> date:
    from calendar import monthrange

    parsed = re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])", month)
    if not parsed:
        raise typer.BadParameter(f"a month looks like 2026-10, not {month!r}")
    year, number = int(parsed[1]), int(parsed[2])
    return date(year, number, monthrange(year, number)[1])


@readers_app.command("add")
def add_reader(
    name: Annotated[str, typer.Argument(help="What the reader signs in with.")],
    area: Annotated[str, typer.Option(help="Code of the 自治区, 盟市, 旗县区 or 街道 it may see, with all below.")],
) -> None:
    """Let somebody read the pages of an area; the generated password is shown once and stored nowhere."""
    from property_credit.scorecards.errors import ScorecardError
    from property_credit.scorecards.readers import add

    with errors_for_people(ScorecardError):
        _ready()
        password = add(name, area)
    console.print(f"{name} may read {area} and below. Password, shown once: {password}", highlight=False, markup=False)


@readers_app.command("password")
def new_password(name: str) -> None:
    """Give a reader a new password, shown once; it is signed out everywhere."""
    from property_credit.scorecards.errors import ScorecardError
    from property_credit.scorecards.readers import set_password

    with errors_for_people(ScorecardError):
        _ready()
        password = set_password(name)
    console.print(f"New password of {name}, shown once: {password}", highlight=False, markup=False)


@readers_app.command("second-factor")
def second_factor(
    name: str,
    is_removed: Annotated[bool, typer.Option("--remove", help="Ask for the password alone again.")] = False,
) -> None:
    """Ask a reader for a code of an authenticator app as well; the code to scan is shown once."""
    import segno

    from property_credit.scorecards import readers
    from property_credit.scorecards.errors import ScorecardError

    with errors_for_people(ScorecardError):
        _ready()
        if is_removed:
            readers.remove_second_factor(name)
            console.print(f"{name} signs in with its password alone.", highlight=False, markup=False)
            return
        address = readers.add_second_factor(name)
    segno.make(address).terminal(compact=True)
    console.print(
        f"For the authenticator app of {name}, shown once (from now on a code is asked for):\n{address}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )


@readers_app.command("list")
def list_readers(output_format: Output = Format.TEXT) -> None:
    """List the readers and their areas."""
    from property_credit.scorecards.readers import listed

    with errors_for_people():
        _ready()
        rows = listed()
    print_rows(rows, output=output_format, title="Readers 阅读者")


@readers_app.command("remove")
def remove_reader(name: str) -> None:
    """Sign a reader out everywhere and let it in no more."""
    from property_credit.scorecards.errors import ScorecardError
    from property_credit.scorecards.readers import remove

    with errors_for_people(ScorecardError):
        _ready()
        remove(name)
    console.print(f"{name} can no longer sign in.", highlight=False, markup=False)


@pages_app.command("build")
def build_pages(
    month: Month,
    is_anew: Annotated[
        bool, typer.Option("--anew", help="Make every page again, even where the files are those first built.")
    ] = False,
) -> None:
    """Build a month's pages again, as they were published then; 1 when they are not the same bytes."""
    from property_credit.scorecards.build import build
    from property_credit.scorecards.errors import ScorecardError

    with errors_for_people(ScorecardError):
        _ready()
        report = build(_last_day(month), is_anew=is_anew)
    console.print(
        f"{report.folder}: {report.page_count} pages of the night {report.business_date}, edition {report.edition_id}; "
        f"{report.written_count} of {report.file_count} files are new",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
    if not report.is_as_published:
        output.fail("The same edition and templates gave other bytes before: tell the developers.", code=1)


@pages_app.command("pdf")
def print_pdf(
    month: Month,
    subjects: Annotated[
        list[str] | None, typer.Argument(help="Area codes and credit codes; none: every area down to 旗县区.")
    ] = None,
) -> None:
    """Print pages as PDF beside themselves (needs Chromium; says what to install where there is none)."""
    from property_credit.scorecards.errors import ScorecardError
    from property_credit.scorecards.printing import print_areas, print_subjects

    with errors_for_people(ScorecardError):
        _last_day(month)
        printed = print_subjects(month, subjects) if subjects else print_areas(month)
    for path in printed if subjects else printed[:1]:
        console.print(str(path), highlight=False, soft_wrap=True)
    console.print(f"{len(printed)} printed", highlight=False)


@pages_app.command("public")
def build_public(
    month: Month, out: Annotated[Path | None, typer.Option(help="Default: DATA_DIR/public/<yyyy-mm>.")] = None
) -> None:
    """Build the public edition of a month: grades, status and KPIs, and nothing else."""
    from property_credit.scorecards.errors import ScorecardError
    from property_credit.scorecards.public import build_public as build

    with errors_for_people(ScorecardError):
        _ready()
        folder, count = build(_last_day(month), out)
    console.print(f"{folder}: {count} files", highlight=False, soft_wrap=True)


@pages_app.command("notice")
def half_year_notice(
    half: Annotated[str | None, typer.Option(help="Such as 2026H2; its half-year notice 半年通报.")] = None,
    mid_term: Annotated[
        str | None, typer.Option(help="yyyy-mm: the mid-term review 中期评估 up to that month.")
    ] = None,
    area: Annotated[str, typer.Option(help="Whose areas are ranked.")] = "150000",
    pdf: Annotated[bool, typer.Option(help="Print it as PDF too.")] = False,
) -> None:
    """Write a half-year notice or a mid-term review: progress ranked, lagging areas first, with sources."""
    from property_credit.scorecards.errors import ScorecardError
    from property_credit.scorecards.notices import half_year_notice as write_notice
    from property_credit.scorecards.notices import mid_term_review
    from property_credit.scorecards.printing import print_pages

    if (half is None) == (mid_term is None):
        raise typer.BadParameter("give either --half 2026H2 or --mid-term 2026-12")
    with errors_for_people(ScorecardError):
        _ready()
        path = write_notice(half, area) if half else mid_term_review(_last_day(mid_term or ""), area)
        paths = [path, *print_pages([path])] if pdf else [path]
    for one in paths:
        console.print(str(one), highlight=False, soft_wrap=True)
