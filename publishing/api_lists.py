"""Routes of what can be proved: signed lists, the log's heads and proofs, methods, public keys."""

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import Response

from publishing import examples, log, problems
from publishing.access import GRADES, Caller, outside_scope
from publishing.models import ListNames, MethodDocument, Proof, PublicKeys, SignedList, TreeHeads
from publishing.problems import ProblemError
from publishing.service import Published, Uscc, requires, respond, service
from publishing.snapshot import Snapshot
from warehouse import quarters

router = APIRouter()
AnyKey = Annotated[Caller, Depends(requires(*GRADES))]
COMMON = problems.responses(401, 403, 429, 503)
WITH_PATH = problems.responses(401, 403, 404, 422, 429, 503)
_LARGEST = 2**62

_LISTS = """
    select list_id, kind, publication_id, published_at, tree_size, root from publishing.lists
    where publication_id <= %(newest)s order by publication_id desc, kind, list_id limit %(limit)s
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
    where tree_size > %(after)s order by tree_size, publication_id desc, list_id limit %(limit)s
"""
_HEAD = """
    select * from publishing.lists where tree_size = %(tree_size)s order by publication_id desc, list_id limit 1
"""
_NEWEST_HEAD = "select * from publishing.lists order by tree_size desc, publication_id desc, list_id limit 1"
_LEAF = """
    select leaf_index, entry from publishing.log_leaves
    where uscc = %(uscc)s and (%(version_no)s::integer is null or version_no = %(version_no)s)
    order by version_no desc, leaf_index limit 1
"""
_KEYS = """
    select key_id, public_key, previous_key_id, previous_signature, signature, reason
    from publishing.signing_keys order by recorded_at
"""
_METHOD = "select method_version, content_sha256, document from publishing.methods where method_version = %(version)s"


def _keys() -> list[dict[str, Any]]:
    return service().fetch(_KEYS)


def _not_found(kind: str, title: str, detail: str) -> ProblemError:
    return ProblemError(404, kind, title=title, detail=detail)


@router.get(
    "/v1/lists", response_model=ListNames, responses={200: examples.LIST_NAMES, **COMMON, **problems.responses(422)}
)
def list_lists(
    request: Request,
    caller: AnyKey,
    snapshot: Published,
    limit: Annotated[int, Query(ge=1, le=500, description="最近多少份 – newest so many.")] = 100,
) -> Response:
    """已公布名单目录 – quarterly lists and every night's publication, newest first."""
    assert snapshot.age is not None
    rows = service().fetch(_LISTS, {"newest": snapshot.age["publication_id"], "limit": limit})
    return respond(request, {"lists": rows}, snapshot.age)


@router.get("/v1/lists/{period}", response_model=SignedList, responses={200: examples.SIGNED_LIST, **WITH_PATH})
def get_list(
    request: Request,
    caller: AnyKey,
    snapshot: Published,
    period: Annotated[
        str,
        Path(
            description="季度或发布批次 – a quarter, or `publication-12`.",
            pattern=r"^([0-9]{4}-Q[1-4]|publication-[0-9]{1,18})$",
            examples=["2026-Q4"],
        ),
    ],
) -> Response:
    """签名名单 – a signed list; save the answer and check it offline with `property-credit verify FILE`."""
    found = service().fetch(_LIST, {"list_id": period})
    if not found:
        raise _not_found(
            "no-list", "没有该期名单 no such list", f"{period} was not published; /v1/lists names what was."
        )
    row = found[0]
    later = []
    if row["kind"] == "quarter":
        rows = service().fetch(_LATER, {"publication_id": row["publication_id"], "list_id": period})
        later = [
            one["list_id"]
            for one in rows
            if one["is_correcting"] or quarters.quarter_of(date.fromisoformat(one["as_of"])) == period
        ]
    return respond(request, {**log.list_file(row, _keys()), "later": later}, snapshot.age)


@router.get(
    "/v1/log/heads", response_model=TreeHeads, responses={200: examples.TREE_HEADS, **COMMON, **problems.responses(422)}
)
def list_heads(
    request: Request,
    caller: AnyKey,
    snapshot: Published,
    after: Annotated[int, Query(ge=0, le=_LARGEST, description="`next_after` of the page before.")] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Response:
    """日志根 – the signed roots of the log, oldest first."""
    rows = service().fetch(_HEADS, {"after": after, "limit": limit + 1})
    following = rows[limit - 1]["tree_size"] if len(rows) > limit else None
    return respond(
        request, {"heads": [log.head_of(row) for row in rows[:limit]], "next_after": following}, snapshot.age
    )


@router.get("/v1/log/inclusion/{uscc}", response_model=Proof, responses={200: examples.INCLUSION, **WITH_PATH})
def prove_inclusion(
    request: Request,
    caller: AnyKey,
    code: Uscc,
    snapshot: Published,
    version_no: Annotated[
        int | None, Query(ge=1, le=2**31 - 1, description="版本号; left out: the newest version.")
    ] = None,
) -> Response:
    """存在证明 – the proof that a grade version lies in the log under its newest root."""
    if not caller.may_see(code, snapshot.regions_of(code)):
        raise outside_scope(caller, code)
    leaf = service().fetch(_LEAF, {"uscc": code, "version_no": version_no})
    if not leaf:
        raise _not_found("no-grade", "没有已发布的等级 no published grade", f"the log holds no such version of {code}.")
    head = service().fetch(_NEWEST_HEAD)[0]
    payload = log.inclusion_file(leaf[0], head, service().log_tree(head), _keys())
    return respond(request, payload, snapshot.age)


@router.get("/v1/log/consistency", response_model=Proof, responses={200: examples.CONSISTENCY, **WITH_PATH})
def prove_consistency(
    request: Request,
    caller: AnyKey,
    snapshot: Published,
    first: Annotated[int, Query(ge=1, le=_LARGEST, description="较早的根的大小 – size of the earlier root.")],
    second: Annotated[
        int | None, Query(ge=1, le=_LARGEST, description="较晚的根的大小; left out: the newest root.")
    ] = None,
) -> Response:
    """一致性证明 – the proof that the later root only adds to the earlier one."""
    newest = service().fetch(_NEWEST_HEAD if second is None else _HEAD, {"tree_size": second})
    earlier = service().fetch(_HEAD, {"tree_size": first})
    if not newest or not earlier or earlier[0]["tree_size"] > newest[0]["tree_size"]:
        raise _not_found(
            "no-root", "没有该日志根 no such root", "first and second are sizes of published roots: /v1/log/heads"
        )
    tree = service().log_tree(newest[0])
    return respond(request, log.consistency_file(earlier[0], newest[0], tree, _keys()), snapshot.age)


@router.get("/v1/methods/{version}", response_model=MethodDocument, responses={200: examples.METHOD, **WITH_PATH})
def get_method(
    request: Request,
    caller: AnyKey,
    snapshot: Published,
    version: Annotated[str, Path(description="方法版本", pattern=r"^[0-9A-Za-z.\-]{1,40}$", examples=["2026.1"])],
) -> Response:
    """评价方法 – the method of a version: weights, anchors, cut-offs, as grades were computed with them."""
    found = service().fetch(_METHOD, {"version": version})
    if not found:
        raise _not_found("no-method", "没有该方法版本 no such method", f"no grade was published by method {version}.")
    return respond(request, found[0], snapshot.age)


@router.get(
    "/v1/public-keys", response_model=PublicKeys, responses={200: examples.PUBLIC_KEYS, **problems.responses(503)}
)
def get_public_keys(request: Request) -> Response:
    """公钥 – the public keys that sign lists, roots and deliveries; open to everybody."""
    current: Snapshot = service().store.current()
    return respond(request, {"keys": _keys()}, current.age)
