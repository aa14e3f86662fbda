"""The read API: published grades, as they stand or as they stood on a day, for whoever holds a key.

Serves ``publishing`` views as role pc_api, which can read nothing else: no score, no complaint, no person. A night that
runs or failed does not show here; the age of what is published is in every answer.
"""

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import escape
from importlib.resources import files
from typing import Annotated, Any

from fastapi import FastAPI, Header, Request
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from property_credit.publishing import api_grades, api_lists, api_proofs, api_tenders, examples, problems
from property_credit.publishing.fast import GradeFastPath
from property_credit.publishing.models import Grade, Health
from property_credit.publishing.parameters import NamesChecked, check_names
from property_credit.publishing.sending import Receipt
from property_credit.publishing.service import respond, service


@asynccontextmanager
async def _lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield
    service().close()


app = FastAPI(
    title="物业服务企业信用等级 Property-service credit grades",
    version="1",
    description=(
        "已发布的信用等级：当前、指定日期、变更、签名名单与证明。每个应答都注明数据截止日。\n\n"
        "Published credit grades: now, as of a day, what changed, signed lists and proofs. Every answer says how "
        "old its data is (`data`, and the headers Data-Business-Date and Data-Nights-Behind); errors are RFC 9457 "
        "documents. What changed is in docs/api-changes.md; an address or format that ends says so in the header "
        "Deprecation (RFC 9745). Send `Authorization: Bearer <key>`, `If-None-Match` and `Accept-Encoding: gzip`."
    ),
    redoc_url=None,
    docs_url=None,
    openapi_url=None,  # served below, as strict as every other address
    redirect_slashes=False,  # a redirect would repeat the Host that a caller made up
    lifespan=_lifespan,
)
problems.install(app)
app.include_router(api_grades.router)
app.include_router(api_lists.router)
app.include_router(api_proofs.router)
app.include_router(api_tenders.router)


@app.get(
    "/healthz",
    response_model=Health,
    responses={200: examples.HEALTH, **problems.responses(422, 503)},
    dependencies=[NamesChecked],
)
def healthz(request: Request) -> Response:
    """服务状态 – whether the service and its database answer, and how old the data is."""
    service().fetch("select 1 as one")
    return respond(request, {"status": "ok"}, service().store.current())


def openapi_document(request: Request) -> Response:
    """Answer with the description of this API."""
    check_names(request)
    return JSONResponse(app.openapi())


app.add_route("/openapi.json", openapi_document, include_in_schema=False)
_PAGE = """<!doctype html>
<html lang="zh"><head><meta charset="utf-8"><title>接口说明 API</title>
<link rel="stylesheet" href="docs/swagger-ui.css"></head>
<body><div id="page"></div><script src="docs/swagger-ui-bundle.js"></script><script src="docs/start.js"></script></body>
</html>
"""
_START = 'SwaggerUIBundle({url: "openapi.json", dom_id: "#page", deepLinking: true, validatorUrl: null});\n'
_FILES = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
_POLICY = {"Content-Security-Policy": "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'"}


def documentation(request: Request) -> Response:
    """Answer with the API's documents for a browser; everything comes from here, nothing from a network."""
    check_names(request)
    name = request.path_params.get("name")
    if name is None:
        return Response(_PAGE, media_type="text/html", headers=_POLICY)
    if name == "start.js":
        return Response(_START, media_type="text/javascript")
    if name not in _FILES:
        raise HTTPException(404)
    content = files("fastapi_swagger").joinpath("resources", name).read_bytes()
    return Response(content, media_type=_FILES[name], headers={"Cache-Control": "public, max-age=86400"})


_STATUS = """<!doctype html>
<html lang="zh"><head><meta charset="utf-8"><meta http-equiv="refresh" content="60"><title>服务状态 Status</title>
<style>body{{font-family:sans-serif;margin:3em auto;max-width:40em}}td{{padding:.3em 1em .3em 0}}</style></head>
<body><h1>{state}</h1><table>{rows}</table></body></html>
"""


def status_page(request: Request) -> Response:
    """Answer with the state of the service for people; open to everybody, as /healthz is."""
    check_names(request)
    age = service().store.current().age
    head = service().fetch(
        "select list_id, tree_size, published_at, key_id, (select count(*) from publishing.cosignatures "
        "where cosignatures.head_index = lists.head_index) as cosigned from publishing.lists "
        "order by head_index desc limit 1"
    )
    rows: list[tuple[str, object]] = []
    state = "尚未发布 Nothing published yet"
    if age:
        behind = age["nights_behind"]
        if age["is_invented"]:
            rows = [("虚构数据 Invented", "沙箱租户 sandbox tenant")]
        state = "正常 In service" if not behind else f"数据滞后 {behind} 夜 Data is {behind} nights behind"
        rows += [
            ("数据截止日 Business date", age["business_date"]),
            ("发布时间 Published at", age["published_at"]),
            ("发布批次 Publication", age["publication_id"]),
            ("方法 Method", age["method_version"]),
        ]
    for one in head:
        rows += [
            ("日志 Log", f"{one['tree_size']}（{one['list_id']}）"),
            ("见证 Witnesses", one["cosigned"]),
            ("签名密钥 Signing key", one["key_id"]),
        ]
    cells = "".join(f"<tr><td>{escape(name)}</td><td>{escape(str(value))}</td></tr>" for name, value in rows)
    headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'", "Cache-Control": "no-cache"}
    return Response(_STATUS.format(state=escape(state), rows=cells), media_type="text/html", headers=headers)


app.add_route("/status", status_page, include_in_schema=False)
app.add_route("/docs", documentation, include_in_schema=False)
app.add_route("/docs/{name}", documentation, include_in_schema=False)
app.add_route("/v1/log/checkpoint", api_proofs.get_checkpoint)
app.add_route("/v1/log/tile/{path:path}", api_proofs.get_tile)
app.add_route("/v1/lists/{period}/files/{name}", api_proofs.get_file)


# what an answer leads on to: from, to, and where its parameters stand in the answer's body
_LINKS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("/v1/grades", "/v1/grades", {"cursor": "/next_cursor"}),
    ("/v1/grades", "/v1/grades/{uscc}", {"uscc": "/grades/0/uscc"}),
    ("/v1/grades", "/v1/grades/{uscc}/certificate", {"uscc": "/grades/0/uscc"}),
    ("/v1/grades", "/v1/certificates", {"codes": "/grades/0/uscc"}),
    ("/v1/grades/changes", "/v1/grades/changes", {"since": "/next_since"}),
    ("/v1/grades/changes", "/v1/grades/{uscc}", {"uscc": "/changes/0/uscc"}),
    ("/v1/grades/{uscc}", "/v1/enterprises/{uscc}", {"uscc": "/grade/uscc"}),
    ("/v1/grades/{uscc}", "/v1/methods/{version}", {"version": "/grade/method_version"}),
    ("/v1/grades/{uscc}", "/v1/log/inclusion/{uscc}", {"uscc": "/grade/uscc", "version_no": "/grade/version_no"}),
    ("/v1/lists", "/v1/lists/{period}", {"period": "/lists/0/list_id"}),
    ("/v1/lists", "/v1/log/consistency", {"first": "/lists/0/tree_size"}),
    ("/v1/lists/{period}", "/v1/lists/{period}", {"period": "/later/0"}),
    ("/v1/lists/{period}/files", "/v1/lists/{period}/files/{name}",
     {"period": "/manifest/list_id", "name": "/manifest/files/0/name"}),
    ("/v1/log/heads", "/v1/log/heads", {"after": "/next_after"}),
    ("/v1/log/heads", "/v1/log/consistency", {"first": "/heads/0/head/tree_size"}),
)  # fmt: skip


def _add_links(paths: dict[str, Any]) -> None:
    """Say in the document which answers lead on to which addresses."""
    for origin, target, parameters in _LINKS:
        operation = paths[target]["get"]["operationId"]
        given = {name: f"$response.body#{place}" for name, place in parameters.items()}
        links = paths[origin]["get"]["responses"]["200"].setdefault("links", {})
        links[f"{operation}_by_{'_'.join(parameters)}"] = {"operationId": operation, "parameters": given}


def _openapi() -> dict[str, Any]:
    """Return the OpenAPI document as clients need it.

    FastAPI leaves out what is null in examples, and describes the schema of a problem document under application/json.
    """
    if app.openapi_schema is None:
        document = FastAPI.openapi(app)
        for route in app.routes:
            if isinstance(route, APIRoute):
                answers = document["paths"][route.path]["get"]["responses"]
                answer = answers["200"]["content"]["application/json"]
                answer["examples"] = route.responses[200]["content"]["application/json"]["examples"]
                for refusal in (one["content"] for one in answers.values() if problems.MEDIA_TYPE in one["content"]):
                    refusal[problems.MEDIA_TYPE]["schema"] = refusal.pop("application/json")["schema"]
        document["paths"] |= api_proofs.PLAIN_PATHS
        _add_links(document["paths"])
    assert app.openapi_schema is not None
    return app.openapi_schema


app.openapi = _openapi  # type: ignore[method-assign]


# a tag of its own: generators write a class for each, and Java's would put the receiver's in place of the reader's
@app.webhooks.post("v1/grades", tags=["receiver"])
def deliver_grade(
    body: Grade,
    idempotency_key: Annotated[str, Header(description="<subscriber>/<USCC>/<version>; a known key is a repetition.")],
    signature_input: Annotated[str, Header(description="RFC 9421; label pc, tag property-credit, Ed25519.")],
    signature: Annotated[str, Header(description="RFC 9421")],
    content_digest: Annotated[str, Header(description="RFC 9530, sha-256")],
) -> Receipt:
    """推送等级 – what a subscriber gets for every version, cut to its fields, until it answers with a receipt.

    The same key is answered with the same receipt. Keep the highest `version_no`. `property-credit conformance` plays
    every fault against a receiver; `docs/receiver.py` is one.
    """
    raise NotImplementedError("a receiver implements it")


async def served(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application: the fast path, then the routes. What listens puts `serving.guarded` before it."""
    running = service()
    fast_path = GradeFastPath(app, store=running.store, keys=running.keys, limit=running.limit, log=running.log)
    await fast_path(scope, receive, send)


def main() -> None:
    """Serve the API on 127.0.0.1 (or the host given) until it is told to stop."""
    from property_credit.warehouse import serving

    parser = argparse.ArgumentParser(description="the read API")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8200)
    arguments = parser.parse_args()
    serving.serve(serving.guarded(served), host=arguments.host, port=arguments.port)


if __name__ == "__main__":
    main()
