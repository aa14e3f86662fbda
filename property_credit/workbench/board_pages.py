"""The page of the live board; a small script refreshes it, without one a link does."""

from fastapi import FastAPI, Request
from fastapi.responses import FileResponse, Response
from starlette.exceptions import HTTPException

from property_credit.workbench import acts, attachments, board, desk
from property_credit.workbench.acts import RepeatedError
from property_credit.workbench.errors import MissingError, WorkbenchError
from property_credit.workbench.forms import Files, Follows, FormId, Text, Token, kept

CODES = ("take", "note", "send_back", "close")


def register(app: FastAPI) -> None:
    """Add the page to the application."""

    @app.api_route("/board", methods=["GET", "HEAD"])
    def live(request: Request, kind: str = "") -> Response:
        with desk.visit(request) as visit:
            return _board(visit, kind)

    @app.api_route("/board/{complaint_id}", methods=["GET", "HEAD"])
    def one(request: Request, complaint_id: str) -> Response:
        with desk.visit(request) as visit:
            return _one(visit, complaint_id)

    @app.post("/board/{complaint_id}/{code}")
    def act(
        request: Request,
        complaint_id: str,
        code: str,
        token: Token = "",
        form_id: FormId = "",
        follows: Follows = 0,
        reason: Text = "",
        files: Files = [],  # noqa: B006 (FastAPI copies it)
    ) -> Response:
        if code not in CODES:
            raise HTTPException(404)
        with desk.visit(request, token=token) as visit:
            try:
                board.act(
                    visit.connection,
                    visit.account,
                    visit.areas,
                    complaint_id,
                    code,
                    reason=reason,
                    attached=kept(files) if code == "close" else [],
                    follows=follows,
                    form_id=form_id,
                )
            except (MissingError, RepeatedError):
                raise
            except WorkbenchError as error:
                return _one(visit, complaint_id, error, reason)
            return visit.follow(f"/board/{desk.quoted(complaint_id)}")

    @app.api_route("/board/{complaint_id}/files/{sha256}", methods=["GET", "HEAD"])
    def attachment(request: Request, complaint_id: str, sha256: str) -> Response:
        with desk.visit(request) as visit:
            _seen(visit, complaint_id)
            held = [
                one
                for done in acts.history(visit.connection, "complaint", complaint_id)
                for one in done["details"].get("attachments", [])
                if one["sha256"] == sha256
            ]
            path = attachments.path_of(sha256)
            if not held or not path.exists():
                raise MissingError("没有这个附件。")
            return FileResponse(path, media_type=attachments.TYPES[held[0]["kind"]], headers=desk.as_download(held[0]))


def _seen(visit: desk.Visit, complaint_id: str) -> dict[str, object]:
    rows = board.overdue(visit.connection, visit.account, visit.areas, complaint_id)
    if not rows:
        raise MissingError("没有这件诉求，或它已不再超时，或不在您的范围内。")
    return rows[0]


def _board(visit: desk.Visit, kind: str) -> Response:
    rows = board.overdue(visit.connection, visit.account, visit.areas)
    wanted = [row for row in rows if not kind or kind in row["kinds"]]
    return visit.page(
        "board",
        counts=board.counts(rows),
        complaints=wanted[: board.SHOWN],
        left_out=max(len(wanted) - board.SHOWN, 0),
        told=board.told(visit.connection, wanted[: board.SHOWN]),
        as_of=board.as_of(visit.connection),
        kind=kind,
    )


def _one(visit: desk.Visit, complaint_id: str, problem: WorkbenchError | None = None, reason: str = "") -> Response:
    row = _seen(visit, complaint_id)
    return visit.page(
        "complaint",
        problem.status if problem else 200,
        complaint=row,
        told=board.told(visit.connection, [row]),
        history=acts.history(visit.connection, "complaint", complaint_id),
        problem=str(problem or ""),
        reason=reason,
    )
