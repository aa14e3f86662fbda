"""Commands that back the warehouse up and bring it back."""

from pathlib import Path
from typing import Annotated

import typer

from cli.output import console, errors_for_people


def register(warehouse_app: typer.Typer) -> None:
    """Add the commands to `property-credit warehouse`."""
    warehouse_app.command("dump")(dump)
    warehouse_app.command("restore")(restore)


def dump(file: Annotated[Path, typer.Argument(help="The file to write; one that is there is replaced.")]) -> None:
    """Back the warehouse up into one file, as it is at this instant."""
    from warehouse import backup

    with errors_for_people(backup.BackupError), console.status("pg_dump"):
        size = backup.dump(file)
    console.print(f"{file}: {size / 2**20:,.1f} MiB; keep DATA_DIR/archive, draws and keys too (docs/restore.md)")


def restore(file: Annotated[Path, typer.Argument(help="A file of `property-credit warehouse dump`.")]) -> None:
    """Bring a warehouse back into an empty one, and up to this version's newest migration."""
    from warehouse import backup

    with errors_for_people(backup.BackupError), console.status("pg_restore"):
        found = backup.restore(file)
    console.print(
        f"restored: {found.batch_count:,} deliveries, {found.publication_count:,} publications, "
        f"now at revision {found.revision}"
    )
