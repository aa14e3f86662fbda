"""Commands of the sandbox tenant: invented grades under keys of their own, for a vendor's first hour."""

from typing import Annotated

import typer

from property_credit.cli import output
from property_credit.cli.output import Format, Output, console, errors_for_people, print_rows

tenant_app = typer.Typer(help="Sandbox tenant: invented grades, keys of its own.", no_args_is_help=True)
Endpoint = Annotated[str, typer.Argument(help="Base address of the receiver; grades are posted to <it>/v1/grades.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.add_typer(tenant_app, name="tenant")


@tenant_app.command("make")
def make_tenant(output_format: Output = Format.TEXT) -> None:
    """Make the sandbox tenant (a week of invented nights) where there is none, and show its keys of the API."""
    from property_credit.publishing.errors import PublishingError
    from simulation import sandbox_tenant

    with errors_for_people(PublishingError), sandbox_tenant.tenant() as folder:
        keys = sandbox_tenant.make()
    rows = [{"scope": scope, "key": key} for scope, key in keys.items()]
    print_rows(rows, output=output_format)
    if output_format is Format.TEXT:
        console.print(f"public keys: {folder / 'keys' / 'public-keys.json'}", highlight=False, soft_wrap=True)


@tenant_app.command("serve")
def serve_tenant(port: Annotated[int, typer.Option(help="Port on 127.0.0.1.")] = 8700) -> None:
    """Serve the sandbox tenant's API until Ctrl-C; `make up` does so too."""
    from property_credit.publishing.errors import PublishingError
    from simulation import sandbox_tenant

    with errors_for_people(PublishingError):
        sandbox_tenant.serve(port)


@tenant_app.command("publish")
def publish_invented() -> None:
    """Publish one more invented night: a veto begins or ends, /changes has something new."""
    from datetime import timedelta

    from property_credit.publishing.errors import PublishingError
    from property_credit.warehouse.connection import connect
    from simulation import sandbox_tenant

    with errors_for_people(PublishingError), sandbox_tenant.tenant():
        sandbox_tenant.make()
        with connect("pc_publishing") as connection:
            row = connection.execute("select max(business_date) from publishing.publications").fetchone()
        assert row is not None
        report = sandbox_tenant.publish_night(row[0] + timedelta(days=1))
    console.print(f"{report.business_date}: {report.change_count} invented versions", highlight=False)


@tenant_app.command("deliver")
def deliver_invented(endpoint: Endpoint) -> None:
    """Deliver what the sandbox tenant published to a vendor's receiver, signed by its key; exit 1 if some waits."""
    from property_credit.publishing.errors import PublishingError
    from simulation import sandbox_tenant

    with errors_for_people(PublishingError), sandbox_tenant.tenant():
        sandbox_tenant.make()
        report = sandbox_tenant.deliver_to(endpoint)
    counts = f"{report.delivered_count} delivered, {report.pending_count} wait, {report.dead_count} are dead"
    console.print(counts, highlight=False)
    if report.pending_count or report.dead_count:
        output.fail(report.problem or "some were refused", code=1)
