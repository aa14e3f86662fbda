"""Examples of answers in the OpenAPI document, in Chinese and English. Invented: nobody here exists."""

from typing import Any

from property_credit.publishing.content import ENTRY_FIELDS
from property_credit.publishing.models import EXAMPLE_USCC

_DATA = {
    "business_date": "2026-10-31",
    "published_at": "2026-11-01T03:20:11+08:00",
    "publication_id": 12,
    "method_version": "2026.1",
    "nights_behind": 0,
    "is_invented": False,
}
_AS_OF = "2026-11-01"
_RATED: dict[str, Any] = {
    "uscc": EXAMPLE_USCC,
    "enterprise_name": "示例物业服务有限公司",
    "former_names": [],
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
    rated=("已评级，更正 · rated, a correction", {"grade": _RATED, "as_of": _AS_OF, "data": _DATA}),
    not_rated=("暂不评级及原因 · not rated, with the reason", {"grade": _NOT_RATED, "as_of": _AS_OF, "data": _DATA}),
    serious_dishonesty=(
        "严重失信及依据 · serious dishonesty, with its basis",
        {"grade": _DISHONEST, "as_of": _AS_OF, "data": _DATA},
    ),
)
ONE_TENDER = _answers(
    tender=(
        "一次选聘 · one tender",
        {
            "tender": {
                "tender_id": "ZB00012",
                "community_id": "150203-0007",
                "opened_on": _AS_OF,
                "awarded_on": "2026-11-08",
                "bidders": [
                    {"uscc": EXAMPLE_USCC, "is_valid": True, "is_chosen": True, "claimed_grade": "AAA",
                     "is_claim_true": False, "grade": _RATED},
                ],
            },
            "as_of": _AS_OF,
            "data": _DATA,
        },
    )
)  # fmt: skip
_SINCE = "WzEyLCI5MTM1MDEwME0wMDAxMDBZNDMiXQ"
_CURSOR = "WzEyLG51bGwsIjkxMzUwMTAwTTAwMDEwMFk0MyJd"
GRADE_PAGE = _answers(
    page=("一页 · one page", {"grades": [_RATED], "next_cursor": _CURSOR, "as_of": _AS_OF, "data": _DATA})
)
CHANGE_PAGE = _answers(
    caught_up=("已是最新 · caught up", {"changes": [], "departures": [], "next_since": _SINCE, "has_more": False,
               "as_of": _AS_OF, "data": _DATA}),
    changes=("有变化 · changes", {"changes": [_RATED], "departures": [], "next_since": _SINCE,
             "has_more": False, "as_of": _AS_OF, "data": _DATA}),
)  # fmt: skip

_DETAIL = {
    "grade": _RATED,
    "detail": {
        "score": 87.42,
        "public_pct": 88.1,
        "market_pct": 86.74,
        "bonus_points": 0.5,
        "grade_before_caps": "AA",
        "held": None,
        "caps": [],
        "not_rated_reasons": [],
        "preview": {
            "list_id": "2027-Q1",
            "binds_from": "2027-01-01",
            "preview_from": "2026-12-18",
            "grade": "AA",
            "status_code": "rated",
        },
        "top_reasons": [
            {
                "indicator_code": "M03",
                "points_lost": "0.88",
                "reason_zh": "24小时解决率 86.1%（解决 412／有效 474，收缩后），得 3.12／4 分",
                "reason_en": "resolved within 24 h 86.1 % (resolved 412 / valid 474, shrunk): 3.12 of 4 points",
            }
        ],
        "lift": {
            "lost": [{"indicator_code": "M03", "points": "0.88"}],
            "records": [
                {
                    "record_id": "GX00007",
                    "record_type_code": "penalty",
                    "tier_code": "general",
                    "shown_on": "2026-09-10",
                    "repairable_from": "2026-12-10",
                }
            ],
            "next": None,
        },
        "indicators": [
            {
                "indicator_code": "M03",
                "points": 3.12,
                "max_points": 4,
                "status_code": "scored",
                "reason_zh": "24小时解决率 86.1%（解决 412／有效 474，收缩后），得 3.12／4 分",
                "reason_en": "resolved within 24 h 86.1 % (resolved 412 / valid 474, shrunk): 3.12 of 4 points",
                "evidence_ids": ["MSB2026090001", "MSB2026090017"],
            }
        ],
    },
    "region_codes": ["150000", "150200", "150203"],
    "as_of": _AS_OF,
    "data": _DATA,
}
_LEAF, _ROOT = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e", "6b47aaf29ee3c2af" * 4
_SIGNATURE = {"algorithm": "Ed25519", "key_id": "2026-a1b2c3d4", "value": "m3Jq…88 characters of base64…Dg=="}
_KEY = {
    "key_id": "2026-a1b2c3d4",
    "public_key": "MCow…44 characters of base64…=",
    "previous_key_id": None,
    "previous_signature": None,
    "signature": "Xc0v…88 characters of base64…BQ==",
    "reason": "first",
    "status": "signing",
    "revoked_on": None,
}
_SIGNED_ROOT = {
    "root": {
        "format": "property-credit-root/1",
        "version": 1,
        "previous_sha256": None,
        "root": {
            "threshold": 1,
            "keys": [{"key_id": "7f2a…32 hex digits…", "public_key": "MCow…44 characters…=", "holder": "财政局"}],
        },
        "signing": {"key_id": _KEY["key_id"], "public_key": _KEY["public_key"]},
        "past": [],
        "witnesses": {"threshold": 0, "keys": []},
    },
    "signatures": [{"key_id": "7f2a…32 hex digits…", "value": "m3Jq…88 characters of base64…Dg=="}],
}
_PLACE = {"list_id": "2026-Q4", "publication_id": 12, "business_date": "2026-10-31"}
_HEAD: dict[str, Any] = {
    "head": {
        "format": "property-credit-tree-head/2", **_PLACE, "as_of": "2026-11-01",
        "published_at": _DATA["published_at"], "tree_size": 236, "root": _ROOT, "map_root": _ROOT, "map_size": 118,
        "document_sha256": _LEAF,
    },
    "signature": _SIGNATURE,
}  # fmt: skip
_EARLIER = {**_HEAD, "head": {**_HEAD["head"], "list_id": "publication-11", "publication_id": 11, "tree_size": 118}}
_ENTRY = {**{name: _RATED[name] for name in ENTRY_FIELDS}, "reasons": []}
_DOCUMENT = {
    "format": "property-credit-list/2",
    "kind": "quarter",
    **_PLACE,
    "as_of": "2026-11-01",
    "method_version": "2026.1",
    "tree": {"hash": "sha256", "first_leaf": 235, "frontier": [_LEAF], "size": 236, "root": _ROOT},
    "entries": [_ENTRY],
}

ENTERPRISE = _answers(detail=("得分与理由 · points and reasons", _DETAIL))
LIST_NAMES = _answers(
    lists=(
        "目录 · names",
        {
            "lists": [
                {"list_id": "2026-Q4", "kind": "quarter", "publication_id": 12, "tree_size": 236, "root": _ROOT,
                 "published_at": _DATA["published_at"]}
            ],
            "as_of": _AS_OF, "data": _DATA,
        },
    )
)  # fmt: skip
SIGNED_LIST = _answers(
    quarter=(
        "季度名单，一条 · a quarter's list, one entry",
        {"document": _DOCUMENT, "signature": _SIGNATURE, "tree_head": _HEAD, "keys": [_KEY], "roots": [_SIGNED_ROOT],
         "later": ["publication-13"], "as_of": _AS_OF, "data": _DATA},
    )
)  # fmt: skip
MANIFEST = _answers(
    manifest=(
        "一份名单的文件 · the files of a list",
        {
            "manifest": {
                "format": "property-credit-manifest/1",
                "list_id": "2026-Q4",
                "as_of": "2026-11-01",
                "entry_count": 1,
                "files": [
                    {"name": "2026-Q4.csv", "media_type": "text/csv", "bytes": 212, "sha256": _LEAF},
                ],
            },
            "tree_head": {**_HEAD, "head": {**_HEAD["head"], "manifest_sha256": _LEAF}},
            "keys": [_KEY],
            "roots": [_SIGNED_ROOT],
            "as_of": _AS_OF,
            "data": _DATA,
        },
    )
)
TREE_HEADS = _answers(
    heads=("日志根 · roots", {"heads": [_EARLIER, _HEAD], "next_after": None, "as_of": _AS_OF, "data": _DATA})
)
_HISTORY = [[1, "2026-07-01", _LEAF], [2, "2026-09-12", _LEAF], [3, "2026-11-01", _LEAF]]
_MAP_PROOF = {"siblings": [_LEAF], "other": None}
CERTIFICATE = _answers(
    certificate=(
        "开标日有效的等级 · what was in force on the day of a bid's opening",
        {
            "format": "property-credit-certificate/1",
            "as_of": "2026-11-01",
            "enterprises": [
                {"uscc": EXAMPLE_USCC, "history": _HISTORY, "map_proof": _MAP_PROOF, "entry": _ENTRY,
                 "supersedes": {**_ENTRY, "version_no": 2, "grade": "A"}, "leaf_index": 235,
                 "proof": {"path": [_LEAF]}}
            ],
            "tree_head": _HEAD,
            "keys": [_KEY],
            "roots": [_SIGNED_ROOT],
            "data": _DATA,
        },
    )
)  # fmt: skip
CERTIFICATE_OR_PDF = {
    "content": {
        **CERTIFICATE["content"],
        "application/pdf": {"schema": {"type": "string", "format": "binary"}},
    }
}
INCLUSION = _answers(
    inclusion=(
        "在日志内 · in the log",
        {"format": "property-credit-inclusion/2", "history": _HISTORY, "map_proof": _MAP_PROOF, "leaf_index": 235,
         "entry": _ENTRY, "proof": {"path": [_LEAF]},
         "tree_head": _HEAD, "keys": [_KEY], "roots": [_SIGNED_ROOT], "as_of": _AS_OF, "data": _DATA},
    )
)  # fmt: skip
CONSISTENCY = _answers(
    consistency=(
        "只增不改 · it only grew",
        {"format": "property-credit-consistency/1", "proof": {"path": [_LEAF]}, "first_head": _EARLIER,
         "second_head": _HEAD, "keys": [_KEY], "roots": [_SIGNED_ROOT], "as_of": _AS_OF, "data": _DATA},
    )
)  # fmt: skip
METHOD = _answers(
    method=(
        "方法（节选） · the method, shortened",
        {
            "method_version": "2026.1",
            "content_sha256": _LEAF,
            "document": {"grades": [{"code": "AA", "min_score": "85"}, {"code": "B"}]},
            "as_of": _AS_OF,
            "data": _DATA,
        },
    )
)
PUBLIC_KEYS = _answers(
    keys=("公钥 · public keys", {"keys": [_KEY], "roots": [_SIGNED_ROOT], "as_of": _AS_OF, "data": _DATA})
)
HEALTH = _answers(
    serving=("正常 · it serves", {"status": "ok", "as_of": _AS_OF, "data": _DATA}),
    nothing_yet=("尚未发布 · nothing published yet", {"status": "ok", "as_of": None, "data": None}),
)
