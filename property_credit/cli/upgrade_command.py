"""``property-credit warehouse upgrade``: an older warehouse brought to this version, and what was published proven."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from property_credit.cli import output
from property_credit.cli.output import console, errors_for_people


def register(warehouse_app: typer.Typer) -> None:
    """Add the command to `property-credit warehouse`."""
    warehouse_app.command("upgrade")(upgrade)


def upgrade(
    dump_file: Annotated[
        Path | None,
        typer.Option("--dump", help="Where the backup goes. Default: DATA_DIR/backups.", show_default=False),
    ] = None,
    is_without_replay: Annotated[
        bool, typer.Option("--no-replay", help="Do not rebuild the last published night to compare it.")
    ] = False,
) -> None:
    """Back the warehouse up, bring it to this version, and prove that the last published night still replays equal.

    Exit code 1: it is upgraded, and the replay differs; the backup holds what was before.
    """
    from property_credit.night.lock import NightError, exclusive
    from property_credit.warehouse import backup
    from property_credit.warehouse.connection import SchemaError, connect
    from property_credit.warehouse.migrate import migrate, newest_revision, revision
    from property_credit.warehouse.settings import get_settings
    from property_credit.warehouse.transformation import TransformationError
    from scoring.errors import ScoringError
    from scoring.replay import replay

    with errors_for_people(backup.BackupError, NightError, ScoringError, TransformationError):
        before = revision()
        if before is None:
            raise SchemaError("there is no warehouse here to upgrade: `property-credit run` makes one")
        if before > newest_revision():
            raise SchemaError(f"the warehouse stands at {before}, newer than this version's {newest_revision()}")
        with exclusive():
            if before == newest_revision():
                console.print(f"the warehouse stands at revision {before} already: nothing to migrate")
            else:
                stamp = datetime.now().astimezone().strftime("%Y%m%dT%H%M%S")
                kept = dump_file or get_settings().data_dir / "backups" / f"{stamp}-revision-{before}.dump"
                kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                size = backup.dump(kept)
                console.print(f"backed up: {kept}, {size / 2**20:,.1f} MiB", soft_wrap=True, highlight=False)
                console.print(f"migrated: {before} → {migrate()}", highlight=False)
            if is_without_replay:
                return
            with connect("pc_gatekeeper") as opened:
                row = opened.execute(
                    "select run_id, business_date from publishing.publications order by publication_id desc limit 1"
                ).fetchone()
            if row is None:
                console.print("nothing was published yet: there is nothing to replay")
                return
            report = replay(row[0])
    if report.is_identical:
        console.print(f"replayed: the published night of {row[1]} is identical to the last digit", highlight=False)
        return
    output.fail(
        f"the published night of {row[1]} comes out differently under this version: `property-credit replay --period "
        f"{row[1]}` shows where; what stands published is unchanged, and the backup holds what was before",
        code=1,
    )
