"""Errors of the API as RFC 9457 problem documents: what happened, in Chinese and English, and what to do."""

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from property_credit.warehouse.embedded import EmbeddedServerError

MEDIA_TYPE = "application/problem+json"


class Wrong(BaseModel):
    """One parameter that is wrong."""

    parameter: str = Field(description="Its name, as it was sent.")
    zh: str = Field(description="What is wrong with it, in Chinese.")
    en: str = Field(description="What is wrong with it, in English.")


class Problem(BaseModel):
    """A problem document (RFC 9457)."""

    type: str = Field(description="A URN that names the kind of problem; stable, meant for programs.")
    title: str = Field(description="The kind of problem, Chinese and English.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is wrong with this request and what to do, Chinese and English.")
    instance: str = Field(description="The path that was asked for.")
    errors: list[Wrong] | None = Field(
        default=None, description="错误参数 – each parameter that is wrong; absent when none is."
    )


class ProblemError(Exception):
    """Raised inside a route to answer with a problem document.

    Args:
        status: HTTP status, 400–599.
        kind: last part of the document's ``type``.
        title: the kind of problem, Chinese and English.
        zh: what is wrong with this request and what to do, in Chinese.
        en: the same in English.
        wrong: each parameter that is wrong; empty when none is.
        headers: headers of the answer.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        *,
        title: str,
        zh: str,
        en: str,
        wrong: Sequence[Wrong] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(en)
        self.status, self.kind, self.title, self.headers = status, kind, title, headers
        self.zh, self.en, self.wrong = zh, en, list(wrong)


def invalid(*wrong: Wrong, kind: str = "invalid-request") -> ProblemError:
    """Return the problem of parameters that cannot be read or cannot be; it names each of them."""
    return ProblemError(
        422,
        kind,
        title="请求参数无效 invalid request",
        zh="；".join(f"参数 {one.parameter}：{one.zh}" for one in wrong) + "。",
        en="; ".join(f"{one.parameter}: {one.en}" for one in wrong) + ".",
        wrong=wrong,
    )


def answer(request: Request, error: ProblemError) -> JSONResponse:
    """Return one problem document as a response."""
    problem = Problem(
        type=f"urn:property-credit:problem:{error.kind}",
        title=error.title,
        status=error.status,
        detail=f"{error.zh} {error.en}",
        instance=request.url.path,
        errors=error.wrong or None,
    )
    return JSONResponse(
        problem.model_dump(exclude_none=True), error.status, media_type=MEDIA_TYPE, headers=error.headers
    )


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return OpenAPI entries that document ``statuses`` as problem documents."""
    return {status: {"model": Problem, "content": {MEDIA_TYPE: {"example": _example(status)}}} for status in statuses}


_EXAMPLES = {
    401: ("no-valid-key", "需要有效密钥 a valid key is needed", "请发送密钥。 Send `Authorization: Bearer <key>`."),
    403: ("outside-scope", "超出密钥权限 outside this key's scope", "不在权限内。 It is not within this key's scope."),
    404: ("no-grade", "没有已发布的等级 no published grade", "尚未发布。 No grade of it was published yet."),
    422: ("invalid-uscc", "统一社会信用代码无效 invalid credit code", "校验码错误。 The check digit should be 3."),
    429: ("rate-limit", "请求过于频繁 too many requests", "请在 12 秒后重试。 Try again in 12 s."),
    503: ("nothing-published", "尚未发布 nothing published yet", "请稍后再试。 Ask again after the first night."),
}


def _example(status: int) -> dict[str, Any]:
    kind, title, detail = _EXAMPLES[status]
    type_, instance = f"urn:property-credit:problem:{kind}", "/v1/grades/91350100M000100Y43"
    problem = Problem(type=type_, title=title, status=status, detail=detail, instance=instance)
    return problem.model_dump(exclude_none=True)


# pydantic's kind of error → the Chinese words; the English ones are its own, or come with the error (parameters.py)
_WORDS = {
    "missing": "缺少该参数",
    "greater_than_equal": "不得小于 {ge}",
    "less_than_equal": "不得大于 {le}",
    "string_too_long": "最长 {max_length} 个字符",
    "string_too_short": "最短 {min_length} 个字符",
    "string_pattern_mismatch": "格式应符合 {pattern}",
    "string_type": "应为文本",
    "too_long": "最多 {max_length} 项",
    "too_short": "至少 {min_length} 项",
    "extra_forbidden": "没有该字段",
    "json_invalid": "不是有效的 JSON",
    "list_type": "应为数组",
    "literal_error": "只能是 {expected}",
    "model_attributes_type": "应为 JSON 对象",
    "dict_type": "应为 JSON 对象",
}


def _wrong(item: Mapping[str, Any]) -> Wrong:
    """Put one of pydantic's errors into words."""
    context = dict(item.get("ctx") or {})
    raised = context.get("error")  # one of parameters.py brings its own words
    zh = getattr(raised, "zh", None) or _WORDS.get(item["type"], "无法读取").format_map(context)
    place = [str(part) for part in item["loc"] if part not in ("query", "path", "body", "header")]
    return Wrong(parameter=".".join(place) or str(item["loc"][0]), zh=zh, en=getattr(raised, "en", item["msg"]))


_HTTP = {
    404: ("no-such-address", "没有此地址 no such address", "没有此地址，地址见 /openapi.json；地址末尾没有斜杠。",
          "There is nothing at this address; /openapi.json lists the addresses, and none ends with a slash."),
    405: ("no-such-method", "不支持该方法 method not allowed", "该地址不支持此请求方法，支持的方法见 Allow。",
          "This address does not take that method; Allow names those it takes."),
}  # fmt: skip
_OTHER = ("http", "请求无法处理 the request cannot be handled", "请求无法处理。", "The request cannot be handled.")


def install(app: FastAPI) -> None:
    """Answer every error of ``app`` with a problem document; none carries a stack trace or SQL."""

    @app.exception_handler(ProblemError)
    async def _raised(request: Request, error: ProblemError) -> JSONResponse:
        return answer(request, error)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return answer(request, invalid(*(_wrong(item) for item in error.errors())))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        kind, title, zh, en = _HTTP.get(error.status_code, _OTHER)
        return answer(request, ProblemError(error.status_code, kind, title=title, zh=zh, en=en, headers=error.headers))

    @app.exception_handler(psycopg.OperationalError)
    @app.exception_handler(PoolTimeoutError)
    @app.exception_handler(EmbeddedServerError)
    async def _no_database(request: Request, _error: Exception) -> JSONResponse:
        problem = ProblemError(
            503,
            "database-unavailable",
            title="数据库暂不可用 database unavailable",
            zh="数据库没有应答。已发布的内容不受影响，请一分钟后重试。",
            en="The database does not answer. What is published stays as it is; try again in a minute.",
            headers={"Retry-After": "60"},
        )
        return answer(request, problem)

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, _error: Exception) -> JSONResponse:
        zh, en = "服务端出错，已记入日志。", "An error on our side; it is in the server's log."
        return answer(request, ProblemError(500, "unexpected", title="内部错误 unexpected error", zh=zh, en=en))
