"""Commands that back the warehouse up and bring it back."""

from pathlib import Path
from typing import Annotated

import typer

from property_credit.cli import output
from property_credit.cli.output import console, errors_for_people


def register(warehouse_app: typer.Typer) -> None:
    """Add the commands to `property-credit warehouse`."""
    warehouse_app.command("dump")(dump)
    warehouse_app.command("restore")(restore)
    warehouse_app.command("drill")(drill)
    warehouse_app.command("check")(check)


def dump(file: Annotated[Path, typer.Argument(help="The file to write; one that is there is replaced.")]) -> None:
    """Back the warehouse up into one file, as it is at this instant."""
    from property_credit.warehouse import backup

    with errors_for_people(backup.BackupError), console.status("pg_dump"):
        size = backup.dump(file)
    console.print(f"{file}: {size / 2**20:,.1f} MiB; keep DATA_DIR/archive, draws and keys too (docs/restore.md)")


def restore(file: Annotated[Path, typer.Argument(help="A file of `property-credit warehouse dump`.")]) -> None:
    """Bring a warehouse back into an empty one, and up to this version's newest migration."""
    from property_credit.warehouse import backup

    with errors_for_people(backup.BackupError), console.status("pg_restore"):
        restored = backup.restore(file)
    console.print(
        f"restored: {restored.batch_count:,} deliveries, {restored.publication_count:,} publications, "
        f"now at revision {restored.revision}"
    )


def drill() -> None:
    """Prove that a backup comes back: restore one into a scratch database, compare every row; exit 1: it differs."""
    from property_credit.warehouse import backup

    with errors_for_people(backup.BackupError), console.status("restore drill"):
        done = backup.drill()
    if done.differing:
        output.fail(f"these tables came back otherwise: {', '.join(done.differing)}", code=1)
    console.print(
        f"came back equal: {done.row_count:,} rows of {done.table_count} tables, {done.byte_count / 2**20:,.1f} MiB"
    )


def check() -> None:
    """Read every page of the embedded server's files and compare its checksum; exit 1 when a bit has turned.

    The server is stopped meanwhile, so no night may run; a server of your own is checked by its own `pg_checksums`.
    """
    from property_credit.night.lock import NightError, exclusive
    from property_credit.warehouse import embedded
    from property_credit.warehouse.settings import get_settings

    settings = get_settings()
    if settings.warehouse_url:
        output.fail("this is a server of your own: stop it and run its `pg_checksums --check`", code=2)
    with errors_for_people(NightError), console.status("reading every page"):
        with exclusive():
            embedded.ensure_running(settings.data_dir)  # recovered from a crash: only a clean stop can be checked
        problems = embedded.check_pages(settings.data_dir)
    if problems:
        output.fail("\n".join(problems) + "\nrestore a backup (docs/restore.md)", code=1)
    console.print("every page has its checksum")
