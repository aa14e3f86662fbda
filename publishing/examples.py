"""Examples of answers in the OpenAPI document, in Chinese and English. Invented: nobody here exists."""

from typing import Any

from publishing.models import EXAMPLE_USCC

_DATA = {
    "business_date": "2026-10-31",
    "published_at": "2026-11-01T03:20:11+08:00",
    "publication_id": 12,
    "method_version": "2026.1",
    "nights_behind": 0,
}
_RATED: dict[str, Any] = {
    "uscc": EXAMPLE_USCC,
    "enterprise_name": "示例物业服务有限公司",
    "grade": "AA",
    "status_code": "rated",
    "status_zh": "已评级",
    "method_version": "2026.1",
    "valid_from": "2026-11-01",
    "valid_to": None,
    "version_no": 3,
    "is_correction": True,
    "correction": {"code": "repair", "zh": "信用修复", "en": "a record was repaired", "decided_on": "2026-10-30"},
    "supersedes": {"version_no": 2, "grade": "A", "status_code": "rated", "valid_from": "2026-09-12"},
    "reasons": [],
    "basis": [],
    "notices": [],
    "reply": None,
}
_NOT_RATED = {
    **_RATED,
    "grade": None,
    "status_code": "not_rated",
    "status_zh": "暂不评级",
    "version_no": 1,
    "is_correction": False,
    "correction": None,
    "supersedes": None,
    "reasons": [{"code": "SERVICE_MONTHS", "zh": "服务不足 12 个月", "en": "less than 12 months of service"}],
}
_DISHONEST = {
    **_NOT_RATED,
    "status_code": "serious_dishonesty",
    "status_zh": "严重失信",
    "reasons": [],
    "basis": [
        {
            "record_id": "GX00001",
            "basis": "《物业管理条例》第六十条",
            "authority_name": "示例市住房和城乡建设局",
            "decision_no": "示住建罚〔2026〕1号",
            "starts_on": "2026-05-01",
            "ends_on": None,
        }
    ],
    "notices": [
        {"code": "objection_open", "zh": "异议处理中", "en": "an objection is being decided", "since": "2026-10-20",
         "until": None}
    ],
    "reply": "本公司已提出异议。",
}  # fmt: skip


def _answers(**named: tuple[str, Any]) -> dict[str, Any]:
    examples = {name: {"summary": summary, "value": value} for name, (summary, value) in named.items()}
    return {"content": {"application/json": {"examples": examples}}}


ONE_GRADE = _answers(
    rated=("已评级，更正 · rated, a correction", {"grade": _RATED, "data": _DATA}),
    not_rated=("暂不评级及原因 · not rated, with the reason", {"grade": _NOT_RATED, "data": _DATA}),
    serious_dishonesty=("严重失信及依据 · serious dishonesty, with its basis", {"grade": _DISHONEST, "data": _DATA}),
)
_SINCE = "WzEyLCI5MTM1MDEwME0wMDAxMDBZNDMiXQ"
_CURSOR = "WzEyLG51bGwsIjkxMzUwMTAwTTAwMDEwMFk0MyJd"
GRADE_PAGE = _answers(page=("一页 · one page", {"grades": [_RATED], "next_cursor": _CURSOR, "data": _DATA}))
CHANGE_PAGE = _answers(
    caught_up=("已是最新 · caught up", {"changes": [], "next_since": _SINCE, "has_more": False,
               "data": _DATA}),
    changes=("有变化 · changes", {"changes": [_RATED], "next_since": _SINCE,
             "has_more": False, "data": _DATA}),
)  # fmt: skip
