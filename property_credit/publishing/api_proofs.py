"""Routes of what proves itself: certificates of a day, the log's checkpoint and its tiles.

Nothing is signed here: the API holds no key, and composes what was signed when it was published.
"""

import re
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import PlainTextResponse, Response

from property_credit.publishing import certificate_pdf, examples, log, problems
from property_credit.publishing.access import GRADES, Caller
from property_credit.publishing.api_lists import NEWEST_HEAD, histories
from property_credit.publishing.bulk import MEDIA_TYPES
from property_credit.publishing.merkle import PublishedTree
from property_credit.publishing.models import Certificate
from property_credit.publishing.parameters import Day, bad, check_names, next_day
from property_credit.publishing.problems import ProblemError
from property_credit.publishing.service import (
    Published,
    Uscc,
    authorised,
    check_seen,
    day_asked,
    requires,
    respond_rendered,
    service,
)
from property_credit.publishing.snapshot import Snapshot, render
from property_credit.warehouse.credit_codes import words_for

router = APIRouter()
AnyKey = Annotated[Caller, Depends(requires(*GRADES))]
DayProved = Annotated[
    Day | None,
    Query(
        description="基准日 – the day, e.g. a bid's opening; left out: the last day that the log reaches to, "
        "after which nothing can be proved yet.",
        examples=["2026-11-15"],
    ),
]
MOST_CODES = 200
TILE_WIDTH, ENTRY_BYTES = 256, 2
_NAME = re.compile(r"[0-9A-Za-z.-]{1,60}")
_LEAVES_OF = """
    select distinct on (uscc, version_no) uscc, version_no, leaf_index, entry from publishing.log_leaves
    where uscc = any (%(codes)s) and leaf_index <= %(tree_size)s order by uscc, version_no, leaf_index
"""
_CHECKPOINT = """
    select lists.checkpoint, lists.head::json ->> 'as_of' as as_of, array(select line from publishing.cosignatures
      where cosignatures.head_index = lists.head_index order by witness) as lines
    from publishing.lists where checkpoint is not null order by head_index desc limit 1
"""
_COSIGNED = """
    select lists.checkpoint, lists.head::json ->> 'as_of' as as_of, array(select line from publishing.cosignatures
      where cosignatures.head_index = lists.head_index order by witness) as lines
    from publishing.lists where exists (select from publishing.cosignatures
      where cosignatures.head_index = lists.head_index)
    order by head_index desc limit 1
"""
_ENTRIES = """
    select entry from publishing.log_leaves
    where leaf_index > %(start)s and leaf_index <= %(end)s order by leaf_index
"""
_FILE = """
    select media_type, sha256, length(content) as size, head::json ->> 'as_of' as as_of
    from publishing.bulk_files join publishing.lists using (list_id)
    where list_id = %(list_id)s and name = %(name)s
"""
_PART = """
    select substring(content from %(start)s for %(length)s) as part from publishing.bulk_files
    where list_id = %(list_id)s and name = %(name)s
"""
_SIZE = "select coalesce(max(tree_size), 0) as size from publishing.lists"


def _certificate(codes: list[str], day: date) -> dict[str, Any]:
    """Return the certificate of some enterprises on a day, all under one signed head."""
    head = service().fetch(NEWEST_HEAD)[0]
    proved = histories(head, codes)
    tree = service().log_tree(head)
    rows = service().fetch(_LEAVES_OF, {"codes": codes, "tree_size": head["tree_size"]})
    leaves = {(row["uscc"], row["version_no"]): row for row in rows}
    return log.certificate_file(day, proved, leaves, head, tree, service().keys_file())


def _day_proved(as_of: date | None, snapshot: Snapshot) -> date:
    """Return the day of a certificate: ``as_of``, or the last day that the log reaches to.

    A problem document refuses a day after that: nobody can prove yet that nothing was published for it.
    """
    assert snapshot.age is not None
    day, reach = day_asked(as_of, snapshot), next_day(date.fromisoformat(snapshot.age["business_date"]))
    if as_of is not None and day > reach:
        raise ProblemError(
            503,
            "no-proof-yet",
            title="尚无证明 no such proof yet",
            zh=f"日志只到 {reach}，{day} 的证明须待下一次发布；可查询 as_of={reach}，未附证明的等级见 /v1/grades。",
            en=f"The log reaches to {reach}, the next publication brings the proof of {day}; ask for as_of={reach}, or "
            "for the grade without proof at /v1/grades.",
            headers={"Retry-After": "3600"},
        )
    return min(day, reach)


@router.get(
    "/v1/grades/{uscc}/certificate",
    response_model=Certificate,
    responses={200: examples.CERTIFICATE_OR_PDF, **problems.responses(401, 403, 422, 429, 503)},
)
def get_certificate(
    request: Request,
    caller: AnyKey,
    code: Uscc,
    snapshot: Published,
    as_of: DayProved = None,
    kind: Annotated[
        Literal["json", "pdf"],
        Query(
            alias="format",
            description="格式 – json: for programs; pdf: to print, with a QR code that ties it to the JSON.",
        ),
    ] = "json",
) -> Response:
    """等级证明 – what was in force on a day, with the proof that it was published and that nothing later was in force.

    That nothing was published of an enterprise is proved as well. Check it offline: `property-credit verify FILE`.
    """
    check_seen(caller, code, as_of, snapshot)
    day = _day_proved(as_of, snapshot)
    certificate = _certificate([code], day)
    if kind == "pdf":
        name = f"certificate-{code}-{day}.pdf"
        headers = {"Content-Disposition": f'inline; filename="{name}"', "Data-As-Of": day.isoformat()}
        return Response(certificate_pdf.printed(certificate), media_type="application/pdf", headers=headers)
    payload = {**certificate, "data": snapshot.age}
    rendered = render(payload, snapshot.age, day)
    snapshot.keep_certificate(request.url.path, request.scope["query_string"], code, rendered)
    return respond_rendered(request, rendered)


@router.get(
    "/v1/certificates",
    response_model=Certificate,
    responses={200: examples.CERTIFICATE, **problems.responses(401, 403, 422, 429, 503)},
)
def get_certificates(
    request: Request,
    caller: AnyKey,
    snapshot: Published,
    codes: Annotated[
        str,
        Query(
            description=f"统一社会信用代码，以逗号分隔，最多 {MOST_CODES} 个 – the bidders' credit codes, with commas.",
            max_length=MOST_CODES * 19,
        ),
    ],
    as_of: DayProved = None,
) -> Response:
    """一次投标的全部等级证明 – the certificate of all bidders of a tender: one call, one signed head."""
    wanted = codes.split(",")
    if len(wanted) > MOST_CODES or len(set(wanted)) != len(wanted):
        raise bad(
            "codes",
            f"最多 {MOST_CODES} 个，且不重复",
            f"at most {MOST_CODES} codes, each once",
        )
    for one in wanted:
        if wrong := words_for(one):
            raise bad("codes", f"{one[:40]}：{wrong[0]}", f"{one[:40]}: {wrong[1]}", kind="invalid-uscc")
    for one in wanted:
        check_seen(caller, one, as_of, snapshot)
    request.state.codes = wanted
    day = _day_proved(as_of, snapshot)
    return respond_rendered(request, render({**_certificate(wanted, day), "data": snapshot.age}, snapshot.age, day))


def get_checkpoint(request: Request) -> Response:
    """Answer with the newest checkpoint, or the newest that a witness cosigned (`?cosigned=1`); open to everybody."""
    check_names(request, ["cosigned"])
    parameters = dict(request.query_params)
    if parameters.get("cosigned", "1") != "1":
        raise bad("cosigned", "只能是 1", "it is 1, or left out")
    rows = service().fetch(_COSIGNED if parameters else _CHECKPOINT)
    if not rows:
        raise ProblemError(
            404,
            "no-checkpoint",
            title="没有检查点 no checkpoint",
            zh="还没有这样的检查点，请在下一次发布（或见证）后查询。",
            en="There is no such checkpoint yet: the next publication (or a witness) brings one.",
        )
    note = rows[0]["checkpoint"] + "".join(f"{line}\n" for line in rows[0]["lines"])
    return PlainTextResponse(note, headers={"Cache-Control": "no-cache", "Data-As-Of": rows[0]["as_of"]})


def get_file(request: Request) -> Response:
    """Answer with a file of a list, whole or the range asked for; a broken download goes on where it ended."""
    authorised(request, request.headers.get("authorization", ""), GRADES)
    parameters = {"list_id": request.path_params["period"], "name": request.path_params["name"]}
    is_name = all(_NAME.fullmatch(part) for part in parameters.values())
    rows = service().fetch(_FILE, parameters) if is_name else []
    if not rows:
        raise ProblemError(
            404,
            "no-file",
            title="没有该文件 no such file",
            zh=f"没有文件 {parameters['name'][:60]}；清单见 /v1/lists/<季度>/files。",
            en=f"There is no file {parameters['name'][:60]}; /v1/lists/<quarter>/files names those there are.",
        )
    size, tag = rows[0]["size"], f'"{rows[0]["sha256"]}"'
    headers = {"ETag": tag, "Accept-Ranges": "bytes", "Cache-Control": "private, max-age=31536000, immutable"}
    headers["Data-As-Of"] = rows[0]["as_of"]
    if tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    wanted = request.headers.get("range")
    start, end, status = 0, size, 200
    if wanted and request.headers.get("if-range", tag) == tag:
        start, end = _range_of(wanted, size)
        status = 206
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    content = service().fetch(_PART, {**parameters, "start": start + 1, "length": end - start})[0]["part"]
    return Response(bytes(content), status, headers, media_type=rows[0]["media_type"])


def _range_of(wanted: str, size: int) -> tuple[int, int]:
    """Return the one range of a Range header (start, end); a problem document refuses what cannot be."""
    match = re.fullmatch(r"bytes=([0-9]{0,18})-([0-9]{0,18})", wanted)
    first, last = match.groups() if match else ("", "")
    start = int(first) if first else max(0, size - int(last or 0))
    end = min(size, int(last) + 1) if first and last else size
    if not (first or last) or not start < end:
        raise ProblemError(
            416,
            "no-such-range",
            title="没有该范围 no such range",
            zh=f"Range 只支持一个范围，文件共 {size} 字节。",
            en=f"Range takes one range (bytes=0-99), and the file has {size} bytes.",
            headers={"Content-Range": f"bytes */{size}"},
        )
    return start, end


def get_tile(request: Request) -> Response:
    """Answer with a tile of hashes or a bundle of entries (c2sp.org/tlog-tiles)."""
    authorised(request, request.headers.get("authorization", ""), GRADES)
    level, place, width = _tile_of(request.path_params["path"])
    size = service().fetch(_SIZE)[0]["size"]
    below = size >> (8 * max(level, 0))  # complete hashes of this level
    if place * TILE_WIDTH + width > below:
        raise _no_tile(request.path_params["path"])
    start = place * TILE_WIDTH
    if level < 0:
        rows = service().fetch(_ENTRIES, {"start": start, "end": start + width})
        bundle = b"".join(len(row["entry"].encode()).to_bytes(ENTRY_BYTES) + row["entry"].encode() for row in rows)
        return Response(bundle, media_type="application/octet-stream")
    head = service().fetch(NEWEST_HEAD)[0]
    tree: PublishedTree = service().log_tree(head)
    return Response(b"".join(tree.hashes(8 * level, start, width)), media_type="application/octet-stream")


def _tile_of(path: str) -> tuple[int, int, int]:
    """Return level (-1: entries), number and width of a tile's path: ``0/x001/067``, ``entries/000.p/8``."""
    name, _, rest = path.partition("/")
    parts = rest.split("/")
    width = TILE_WIDTH
    if len(parts) > 1 and parts[-2].endswith(".p"):
        text, parts = parts[-1], [*parts[:-2], parts[-2][:-2]]
        if not (text.isascii() and text.isdigit() and text == str(int(text)) and 0 < int(text) < TILE_WIDTH):
            raise _no_tile(path)
        width = int(text)
    digits = [*(part[1:] for part in parts[:-1] if part.startswith("x")), parts[-1]]
    is_level = name.isascii() and name.isdigit() and name == str(int(name)) and int(name) < 8
    if not (name == "entries" or is_level) or len(digits) != len(parts) or len(parts) > 5:
        raise _no_tile(path)
    if not all(len(part) == 3 and part.isascii() and part.isdigit() for part in digits):
        raise _no_tile(path)
    if len(digits) > 1 and digits[0] == "000":
        raise _no_tile(path)
    return -1 if name == "entries" else int(name), int("".join(digits)), width


def _no_tile(path: str) -> ProblemError:
    return ProblemError(
        404,
        "no-tile",
        title="没有该分块 no such tile",
        zh=f"日志没有分块 {path[:60]}；大小见检查点。",
        en=f"The log has no tile {path[:60]}; the checkpoint says its size.",
    )


def _plain(
    operation: str,
    summary: str,
    description: str,
    content: dict[str, Any],
    statuses: tuple[int, ...],
    others: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return the OpenAPI description of an address that answers without JSON.

    ``content``: by media type; ``statuses``: of problem documents; ``others``: answers that are neither.
    """
    problem = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        "get": {
            "operationId": operation,
            "summary": summary,
            "description": description,
            "responses": {
                "200": {"description": "OK", "content": content},
                **(others or {}),
                **{
                    str(status): {"description": "Problem", "content": {problems.MEDIA_TYPE: problem}}
                    for status in statuses
                },
            },
            **more,
        }
    }


_TEXT, _BYTES = {"schema": {"type": "string"}}, {"schema": {"type": "string", "format": "binary"}}
PLAIN_PATHS = {
    "/v1/log/checkpoint": _plain(
        "get_checkpoint",
        "检查点",
        "The newest head of the log as a C2SP note with its cosignatures; open to everybody.",
        {"text/plain": _TEXT},
        (404, 422, 503),
        parameters=[{"name": "cosigned", "in": "query", "required": False, "schema": {"type": "string", "enum": ["1"]},
                     "description": "1: the newest that a witness cosigned."}],
    ),
    "/v1/lists/{period}/files/{name}": _plain(
        "get_file",
        "名单文件",
        "A file of a list, as its manifest names it. Range and If-Range resume a download; ETag is its SHA-256.",
        dict.fromkeys(MEDIA_TYPES, _BYTES),
        (401, 403, 404, 416, 422, 429, 503),
        {"206": {"description": "The range asked for.", "content": dict.fromkeys(MEDIA_TYPES, _BYTES)},
         "304": {"description": "The file that If-None-Match names."}},
        security=[{"apiKey": []}],
        parameters=[*({"name": name, "in": "path", "required": True, "schema": {"type": "string"}, "example": example}
                      for name, example in (("period", "2026-Q4"), ("name", "2026-Q4.csv"))),
                    *({"name": name, "in": "header", "schema": {"type": "string"}, "description": said}
                      for name, said in (("Range", "One range: `bytes=1000-`."),
                                         ("If-Range", "The ETag of the part that is there: another file comes whole."),
                                         ("If-None-Match", "The ETag of the file that is there.")))],
    ),
    "/v1/log/tile/{path}": _plain(
        "get_tile",
        "日志分块",
        "A tile of hashes (`0/000`, `0/x001/067.p/8`) or a bundle of entries (`entries/000`) as c2sp.org/tlog-tiles.",
        {"application/octet-stream": _BYTES},
        (401, 403, 404, 422, 429, 503),
        security=[{"apiKey": []}],
        parameters=[{"name": "path", "in": "path", "required": True, "schema": {"type": "string"}, "example": "0/000"}],
    ),
}  # fmt: skip
