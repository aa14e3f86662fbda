"""The page of a person's own notices, with the channels and hours by which it hears of them elsewhere."""

from fastapi import FastAPI, Request
from fastapi.responses import Response

from property_credit.workbench import desk, notices
from property_credit.workbench.errors import MissingError, WorkbenchError
from property_credit.workbench.forms import Code, Follows, Hour, Text, Token


def register(app: FastAPI) -> None:
    """Add the page to the application."""

    @app.api_route("/notices", methods=["GET", "HEAD"])
    def listed(request: Request) -> Response:
        with desk.visit(request) as visit:
            return _list(visit)

    @app.post("/notices/{code}")
    def change(
        request: Request,
        code: str,
        token: Token = "",
        until: Follows = 0,
        is_digest: Code = "",
        digest_hour: Hour = 8,
        quiet_from: Hour = 21,
        quiet_until: Hour = 8,
        kind: Code = "",
        target: Text = "",
        channel_id: Follows = 0,
    ) -> Response:
        with desk.visit(request, token=token) as visit:
            connection, account = visit.connection, visit.account
            try:
                if code == "read":
                    notices.mark_read(connection, account, until)
                elif code == "settings":
                    hours = (quiet_from, quiet_until)
                    notices.choose(
                        connection, account, is_digest=is_digest == "1", digest_hour=digest_hour, quiet=hours
                    )
                elif code == "channels":
                    notices.add_channel(connection, account, kind, target)
                elif code == "remove":
                    notices.remove_channel(connection, account, channel_id)
                else:
                    raise MissingError("没有这个页面。")
            except MissingError:
                raise
            except WorkbenchError as error:
                return _list(visit, error, {"kind": kind, "target": target})
            return visit.follow("/notices")


def _list(visit: desk.Visit, problem: WorkbenchError | None = None, given: dict[str, str] | None = None) -> Response:
    rows = notices.listed(visit.connection, visit.account)
    return visit.page(
        "notices",
        problem.status if problem else 200,
        notices=rows,
        settings=notices.settings_of(visit.connection, visit.account.name),
        channels=notices.channels_of(visit.connection, visit.account.name),
        problem=str(problem or ""),
        given=desk.blank(given),
        words_of=notices.words_of,
        leads_to=notices.address_in_workbench,
        masked=notices.masked,
    )
