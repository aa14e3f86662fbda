"""The read API: published grades, as they stand or as they stood on a day, for whoever holds a key.

Serves ``publishing`` views as role pc_api, which can read nothing else: no score, no complaint, no person. A night that
runs or failed does not show here; the age of what is published is in every answer.
"""

import argparse
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from publishing import api_grades, api_lists, examples, problems
from publishing.fast import Entrance
from publishing.models import Health
from publishing.service import respond, service


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
        "documents. Send `Authorization: Bearer <key>`, `If-None-Match` and `Accept-Encoding: gzip`."
    ),
    redoc_url=None,
    docs_url=None,
    lifespan=_lifespan,
)
problems.install(app)
app.include_router(api_grades.router)
app.include_router(api_lists.router)


@app.get("/healthz", response_model=Health, responses={200: examples.HEALTH, **problems.responses(503)})
def healthz(request: Request) -> Response:
    """服务状态 – whether the service and its database answer, and how old the data is."""
    service().fetch("select 1 as one")
    return respond(request, {"status": "ok"}, service().store.current().age)


def _openapi() -> dict[str, Any]:
    """Return the OpenAPI document with its examples whole: FastAPI leaves out what is null in them."""
    if app.openapi_schema is None:
        document = FastAPI.openapi(app)
        for route in app.routes:
            if isinstance(route, APIRoute):
                answer = document["paths"][route.path]["get"]["responses"]["200"]["content"]["application/json"]
                answer["examples"] = route.responses[200]["content"]["application/json"]["examples"]
    assert app.openapi_schema is not None
    return app.openapi_schema


app.openapi = _openapi  # type: ignore[method-assign]


async def served(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application to serve: the entrance, then the routes."""
    found = service()
    entrance = Entrance(app, store=found.store, keys=found.keys, limit=found.limit, log=found.log)
    await entrance(scope, receive, send)


def main() -> None:
    """Serve the API on 127.0.0.1 (or the host given) until it is told to stop."""
    import uvicorn

    parser = argparse.ArgumentParser(description="the read API")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8200)
    arguments = parser.parse_args()
    uvicorn.run(served, host=arguments.host, port=arguments.port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
