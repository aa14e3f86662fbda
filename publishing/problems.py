"""Errors of the API as RFC 9457 problem documents: what happened, in Chinese and English, and what to do."""

from collections.abc import Mapping
from typing import Any

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from warehouse.embedded import EmbeddedServerError

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str = Field(description="A URN that names the kind of problem; stable, meant for programs.")
    title: str = Field(description="The kind of problem, Chinese and English.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is wrong with this request, and what to do.")
    instance: str = Field(description="The path that was asked for.")


class ProblemError(Exception):
    """Raised inside a route to answer with a problem document."""

    def __init__(
        self, status: int, kind: str, *, title: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.kind, self.title, self.detail, self.headers = status, kind, title, detail, headers


def answer(
    request: Request, *, status: int, kind: str, title: str, detail: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Return one problem document as a response."""
    problem = Problem(
        type=f"urn:property-credit:problem:{kind}",
        title=title,
        status=status,
        detail=detail,
        instance=request.url.path,
    )
    return JSONResponse(problem.model_dump(), status, media_type=MEDIA_TYPE, headers=headers)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI entries that document ``statuses`` as problem documents."""
    return {status: {"model": Problem, "content": {MEDIA_TYPE: {"example": _example(status)}}} for status in statuses}


_EXAMPLES = {
    401: ("no-valid-key", "需要有效密钥 a valid key is needed", "Send `Authorization: Bearer <key>`."),
    403: ("outside-scope", "超出密钥权限 outside this key's scope", "This key has scope enterprise."),
    404: ("no-grade", "没有已发布的等级 no published grade", "No grade of it was published yet."),
    422: ("invalid-uscc", "统一社会信用代码无效 invalid credit code", "the check digit should be 3"),
    429: ("rate-limit", "请求过于频繁 too many requests", "Try again in 12 s."),
    503: ("nothing-published", "尚未发布 nothing published yet", "Ask again after the first night."),
}


def _example(status: int) -> dict[str, Any]:
    kind, title, detail = _EXAMPLES[status]
    type_, instance = f"urn:property-credit:problem:{kind}", "/v1/grades/91350100M000100Y43"
    return Problem(type=type_, title=title, status=status, detail=detail, instance=instance).model_dump()


def install(app: FastAPI) -> None:
    """Answer every error of ``app`` with a problem document; none carries a stack trace or SQL."""

    @app.exception_handler(ProblemError)
    async def _raised(request: Request, error: ProblemError) -> JSONResponse:
        return answer(
            request,
            status=error.status,
            kind=error.kind,
            title=error.title,
            detail=error.detail,
            headers=error.headers,
        )

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        found = "; ".join(f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors())
        title = "请求参数无效 invalid request"
        return answer(request, status=422, kind="invalid-request", title=title, detail=found)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        title = f"请求无法处理 {error.detail}"
        return answer(
            request, status=error.status_code, kind="http", title=title, detail=str(error.detail), headers=error.headers
        )

    @app.exception_handler(psycopg.OperationalError)
    @app.exception_handler(PoolTimeoutError)
    @app.exception_handler(EmbeddedServerError)
    async def _no_database(request: Request, _error: Exception) -> JSONResponse:
        return answer(
            request,
            status=503,
            kind="database-unavailable",
            title="数据库暂不可用 database unavailable",
            detail="The database does not answer. What is published stays as it is; try again in a minute.",
        )

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, _error: Exception) -> JSONResponse:
        detail = "An error on our side; it is in the server's log."
        return answer(request, status=500, kind="unexpected", title="内部错误 unexpected error", detail=detail)
