"""Routes of what can be proved: signed lists, the log's heads and proofs, methods, public keys."""

import json
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response

from property_credit.publishing import examples, log, prefix_map, problems
from property_credit.publishing.access import GRADES, Caller, outside_scope
from property_credit.publishing.models import (
    ListNames,
    Manifest,
    MethodDocument,
    Proof,
    PublicKeys,
    SignedList,
    TreeHeads,
)
from property_credit.publishing.parameters import NamesChecked, bad, in_digits
from property_credit.publishing.problems import ProblemError
from property_credit.publishing.service import Published, Uscc, requires, respond, service
from property_credit.warehouse import quarters

router = APIRouter()
AnyKey = Annotated[Caller, Depends(requires(*GRADES))]
COMMON = problems.responses(401, 403, 429, 503)
WITH_PATH = problems.responses(401, 403, 404, 422, 429, 503)
_LARGEST = 2**62
_FORMAT_1_DEPRECATED = "@1796083200"  # 2026-12-01 (RFC 9745)

_LISTS = """
    select list_id, kind, publication_id, published_at, tree_size, root from publishing.lists
    where publication_id <= %(newest)s order by head_index desc limit %(limit)s
"""
_LIST = "select * from publishing.lists where list_id = %(list_id)s"
# what came after a quarter's list: every document of its quarter, and each later one that corrects an entry of it
_LATER = """
    select list_id, document::json ->> 'as_of' as as_of,
      exists (
        select from publishing.log_leaves as correcting
        join publishing.log_leaves as listed
          on listed.list_id = %(list_id)s and listed.uscc = correcting.uscc
          and listed.version_no = (correcting.entry::json ->> 'version_no')::integer - 1
        where correcting.list_id = lists.list_id and (correcting.entry::json ->> 'is_correction')::boolean
      ) as is_correcting
    from publishing.lists
    where kind = 'publication' and publication_id > %(publication_id)s order by publication_id
"""
_HEADS = """
    select distinct on (tree_size) * from publishing.lists
    where tree_size > %(after)s order by tree_size, head_index desc limit %(limit)s
"""
_HEAD = """
    select * from publishing.lists where tree_size = %(tree_size)s order by head_index desc limit 1
"""
NEWEST_HEAD = "select * from publishing.lists order by head_index desc limit 1"
_LEAF = """
    select leaf_index, entry from publishing.log_leaves
    where uscc = %(uscc)s and (%(version_no)s::integer is null or version_no = %(version_no)s)
    order by version_no desc, leaf_index limit 1
"""
_METHOD = "select method_version, content_sha256, document from publishing.methods where method_version = %(version)s"


def _not_found(kind: str, title: str, zh: str, en: str) -> ProblemError:
    return ProblemError(404, kind, title=title, zh=zh, en=en)


@router.get(
    "/v1/lists", response_model=ListNames, responses={200: examples.LIST_NAMES, **COMMON, **problems.responses(422)}
)
def list_lists(
    request: Request,
    caller: AnyKey,
    snapshot: Published,
    limit: Annotated[int, Query(ge=1, le=500, description="最近多少份 – newest so many."), in_digits] = 100,
) -> Response:
    """已公布名单目录 – quarterly lists and every night's publication, newest first."""
    assert snapshot.age is not None
    rows = service().fetch(_LISTS, {"newest": snapshot.age["publication_id"], "limit": limit})
    return respond(request, {"lists": rows}, snapshot)


@router.get("/v1/lists/{period}", response_model=SignedList, responses={200: examples.SIGNED_LIST, **WITH_PATH})
def get_list(
    request: Request,
    caller: AnyKey,
    snapshot: Published,
    period: Annotated[
        str,
        Path(
            description="季度或发布批次 – a quarter, or `publication-12`.",
            pattern=r"^([0-9]{4}-Q[1-4]|(publication|keys)-[0-9]{1,18})$",
            examples=["2026-Q4"],
        ),
    ],
) -> Response:
    """签名名单 – a signed list; save the answer and check it offline with `property-credit verify FILE`."""
    lists = service().fetch(_LIST, {"list_id": period})
    if not lists:
        raise _not_found(
            "no-list",
            "没有该期名单 no such list",
            f"{period} 没有公布，已公布的见 /v1/lists。",
            f"{period} was not published; /v1/lists names what was.",
        )
    row = lists[0]
    later = []
    if row["kind"] == "quarter":
        rows = service().fetch(_LATER, {"publication_id": row["publication_id"], "list_id": period})
        later = [
            one["list_id"]
            for one in rows
            if one["is_correcting"] or quarters.quarter_of(date.fromisoformat(one["as_of"])) == period
        ]
    as_of = date.fromisoformat(json.loads(row["document"])["as_of"])
    return respond(request, {**log.list_file(row, service().keys_file()), "later": later}, snapshot, as_of)


@router.get("/v1/lists/{period}/files", response_model=Manifest, responses={200: examples.MANIFEST, **WITH_PATH})
def get_manifest(
    request: Request,
    caller: AnyKey,
    snapshot: Published,
    period: Annotated[str, Path(description="季度 – a quarter.", pattern=r"^[0-9]{4}-Q[1-4]$", examples=["2026-Q4"])],
) -> Response:
    """名单文件清单 – the whole list as JSON Lines, CSV and Parquet: `/v1/lists/{period}/files/{name}` gives each."""
    rows = service().fetch(_LIST, {"list_id": period})
    if not rows or rows[0]["manifest"] is None:
        raise _not_found(
            "no-list",
            "没有该期名单 no such list",
            f"{period} 没有公布，或公布时还没有整份文件；已公布的见 /v1/lists。",
            f"{period} was not published, or before there were whole files; /v1/lists names what was.",
        )
    keys = service().keys_file()
    payload = {
        "manifest": json.loads(rows[0]["manifest"]),
        "tree_head": log.head_of(rows[0], keys),
        **keys.part(),
    }
    return respond(request, payload, snapshot, date.fromisoformat(payload["manifest"]["as_of"]))


@router.get(
    "/v1/log/heads", response_model=TreeHeads, responses={200: examples.TREE_HEADS, **COMMON, **problems.responses(422)}
)
def list_heads(
    request: Request,
    caller: AnyKey,
    snapshot: Published,
    after: Annotated[int, Query(ge=0, le=_LARGEST, description="`next_after` of the page before."), in_digits] = 0,
    limit: Annotated[int, Query(ge=1, le=500), in_digits] = 100,
) -> Response:
    """日志根 – the signed roots of the log, oldest first."""
    rows = service().fetch(_HEADS, {"after": after, "limit": limit + 1})
    following = rows[limit - 1]["tree_size"] if len(rows) > limit else None
    keys = service().keys_file()
    payload = {"heads": [log.head_of(row, keys) for row in rows[:limit]], "next_after": following}
    return respond(request, payload, snapshot)


@router.get("/v1/log/inclusion/{uscc}", response_model=Proof, responses={200: examples.INCLUSION, **WITH_PATH})
def prove_inclusion(
    request: Request,
    caller: AnyKey,
    code: Uscc,
    snapshot: Published,
    version_no: Annotated[
        int | None, Query(ge=1, le=2**31 - 1, description="版本号; left out: the newest version."), in_digits
    ] = None,
    format_no: Annotated[
        Literal["1", "2"],
        Query(
            alias="format",
            description="格式 – 2 counts leaves from 0 and says what replaced the version; 1 is the old one.",
        ),
    ] = "2",
) -> Response:
    """存在证明 – the proof that a grade version lies in the log under its newest root, and what replaced it since."""
    if not caller.may_see(code, snapshot.regions_of(code)):
        raise outside_scope(caller, code)
    leaf = service().fetch(_LEAF, {"uscc": code, "version_no": version_no})
    if not leaf:
        raise _not_found(
            "no-grade",
            "没有已发布的等级 no published grade",
            f"日志内没有 {code} 的第 {version_no} 版。" if version_no else f"日志内没有 {code}。",
            f"the log holds no version {version_no} of {code}." if version_no else f"the log does not hold {code}.",
        )
    head = service().fetch(NEWEST_HEAD)[0]
    history = histories(head, [code])[code] if format_no == "2" else None
    payload = log.inclusion_file(leaf[0], head, service().log_tree(head), service().keys_file(), history=history)
    answer = respond(request, payload, snapshot)
    if format_no == "1":
        answer.headers["Deprecation"] = _FORMAT_1_DEPRECATED
    return answer


def histories(head: dict[str, Any], codes: list[str]) -> dict[str, tuple[list[Any], dict[str, Any]]]:
    """Return for each credit code its history under a head and the map's proof of it."""
    if json.loads(head["head"])["format"] != log.HEAD_FORMAT:
        raise ProblemError(
            503,
            "no-map-yet",
            title="尚无证明 no such proof yet",
            zh="最近一次发布早于该证明格式，下一次发布后即可查询；format=1 仍可用。",
            en="The newest publication is older than this kind of proof: the next one brings it; format=1 works.",
            headers={"Retry-After": "86400"},
        )
    entry_map = service().entry_map(head)
    rows = service().fetch(log.HISTORIES_OF, {"tree_size": head["tree_size"], "codes": codes})
    known = {row["uscc"]: json.loads(row["history"]) for row in rows}
    return {code: (known.get(code, []), entry_map.prove(prefix_map.key_of(code))) for code in codes}


@router.get("/v1/log/consistency", response_model=Proof, responses={200: examples.CONSISTENCY, **WITH_PATH})
def prove_consistency(
    request: Request,
    caller: AnyKey,
    snapshot: Published,
    first: Annotated[
        int, Query(ge=1, le=_LARGEST, description="较早的根的大小 – size of the earlier root."), in_digits
    ],
    second: Annotated[
        int | None, Query(ge=1, le=_LARGEST, description="较晚的根的大小; left out: the newest root."), in_digits
    ] = None,
) -> Response:
    """一致性证明 – the proof that the later root only adds to the earlier one."""
    newest = service().fetch(NEWEST_HEAD if second is None else _HEAD, {"tree_size": second})
    earlier = service().fetch(_HEAD, {"tree_size": first})
    for name, size, rows in (("first", first, earlier), ("second", second, newest)):
        if not rows:
            raise _not_found(
                "no-root",
                "没有该日志根 no such root",
                f"参数 {name}：没有公布过 {size} 条的日志根，已公布的见 /v1/log/heads。",
                f"{name}: no root of {size} leaves was published; /v1/log/heads lists those that were.",
            )
    if earlier[0]["tree_size"] > newest[0]["tree_size"]:
        raise bad("first", f"{first} 大于较晚的根 {second}", f"{first} is larger than the later root's {second}")
    tree = service().log_tree(newest[0])
    return respond(request, log.consistency_file(earlier[0], newest[0], tree, service().keys_file()), snapshot)


@router.get("/v1/methods/{version}", response_model=MethodDocument, responses={200: examples.METHOD, **WITH_PATH})
def get_method(
    request: Request,
    caller: AnyKey,
    snapshot: Published,
    version: Annotated[str, Path(description="方法版本", pattern=r"^[0-9A-Za-z.\-]{1,40}$", examples=["2026.1"])],
) -> Response:
    """评价方法 – the method of a version: weights, anchors, cut-offs, as grades were computed with them."""
    rows = service().fetch(_METHOD, {"version": version})
    if not rows:
        raise _not_found(
            "no-method",
            "没有该方法版本 no such method",
            f"没有按方法 {version} 发布过等级。",
            f"no grade was published by method {version}.",
        )
    return respond(request, rows[0], snapshot)


@router.get(
    "/v1/public-keys",
    response_model=PublicKeys,
    responses={200: examples.PUBLIC_KEYS, **problems.responses(422, 503)},
    dependencies=[NamesChecked],
)
def get_public_keys(request: Request) -> Response:
    """公钥 – the public keys that sign lists, roots and deliveries; open to everybody."""
    return respond(request, service().keys_file().part(), service().store.current())
