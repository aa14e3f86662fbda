"""A case file 卷宗: all that bears on one enterprise's grade on one day, as one signed ZIP file.

Owns the bundle's form, its signature, and what is kept of it. The manifest names every file with its size and SHA-256
and is signed by the key that signs lists; the certificate in it proves the grade's place in the public log. What
stands in the files is collected by ``night.case_files``; checking one offline is in ``publishing.verify``.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from property_credit.publishing import log, merkle, prefix_map, signing
from property_credit.publishing.errors import PublishingError
from property_credit.publishing.roots import canonical, heads_tree
from property_credit.warehouse.business_date import arrival

FORMAT = "property-credit-case-file/1"
MANIFEST, CERTIFICATE, RUN, METHOD, POINTS = (
    "manifest.json",
    "certificate.json",
    "run.json",
    "method.json",
    "grade.json",
)
FILES = {  # name → what it is, in the order of the summary page
    "index.html": "卷宗摘要",
    CERTIFICATE: "等级证明：所发布的等级及其在公开日志中的位置",
    RUN: "夜间计算：所用方法、数据、程序的标识",
    METHOD: "评价方法全文",
    POINTS: "等级的由来：逐项得分、理由、证据编号",
    "inputs.json": "输入：证据所在的来件及其校验值，各类数据计入的截止时刻",
    "evidence.json": "证据：计入时已知的各版本记录，不含个人信息",
    "decisions.json": "决定：异议、修复、声明、预警的办理经过",
    "notices.json": "送达：等级、督办通知的发送与回执",
    "replay.json": "重算证明：按当时所知从原始数据重新计算的结果",
}
MOST_BYTES = 64 * 2**20
_HEAD = "select * from publishing.lists order by head_index desc limit 1"
_HEADS = "select head from publishing.lists order by head_index"
_LEAVES = "select leaf_hash from publishing.log_leaves where leaf_index <= %s order by leaf_index"
_OWN_LEAVES = """
select distinct on (version_no) version_no, leaf_index, entry from publishing.log_leaves
where uscc = %s and leaf_index <= %s order by version_no, leaf_index
"""
_VERSION = """
select version_no, run_id, grade, status_code, enterprise_name, valid_from, method_version
from publishing.grade_versions where uscc = %s and valid_from <= %s order by version_no desc limit 1
"""


class NoGradeError(PublishingError):
    """No grade was in force on the day."""


class UnsoundBundleError(Exception):
    """A file is no case file, or one with files missing, added or too large; the message says which."""


def version_in_force(connection: Connection, uscc: str, as_of: date) -> dict[str, Any]:
    """Return the grade version in force on a day with the run that gave it; NoGradeError when there was none."""
    with connection.cursor(row_factory=dict_row) as cursor:
        row = cursor.execute(_VERSION, (uscc, as_of)).fetchone()
    if row is None:
        raise NoGradeError(f"{uscc} had no published grade on {as_of}: there is nothing to make a case file of")
    return row


def certificate(connection: Connection, uscc: str, as_of: date) -> dict[str, Any]:
    """Return the certificate of one enterprise and day under the newest signed head, as the API composes it."""
    with connection.cursor(row_factory=dict_row) as cursor:
        head = cursor.execute(_HEAD).fetchone()
        if head is None:
            raise PublishingError("nothing is published yet: there is nothing to make a case file of")
        if as_of > (reach := date.fromisoformat(json.loads(head["head"])["as_of"])):
            raise PublishingError(f"the log reaches to {reach}: what is in force on {as_of} is proved by a later night")
        leaves = cursor.execute(_OWN_LEAVES, (uscc, head["tree_size"])).fetchall()
    tree = merkle.PublishedTree(row[0] for row in connection.execute(_LEAVES, (head["tree_size"],)))
    histories = connection.execute(log.HISTORIES, {"tree_size": head["tree_size"]}).fetchall()
    by_enterprise: dict[str, str] = dict(histories)
    own = json.loads(by_enterprise.get(uscc, "[]"))
    proof = log.map_of(histories).prove(prefix_map.key_of(uscc))
    rows = {(uscc, row["version_no"]): row for row in leaves}
    return log.certificate_file(as_of, {uscc: (own, proof)}, rows, head, tree, keys(connection))


def keys(connection: Connection) -> log.Keys:
    """Return what a file brings about keys."""
    documents = signing.root_documents(connection)
    root = documents[-1]["root"] if documents else None
    heads = heads_tree(row[0].encode() for row in connection.execute(_HEADS)) if root and root["past"] else None
    return log.Keys(signing.with_status(signing.registered_keys(connection), root), documents, heads)


def packed(connection: Connection, about: Mapping[str, Any], files: Mapping[str, bytes]) -> bytes:
    """Return the signed bundle of ``files``, which are those of ``FILES``; ``about`` goes into the manifest."""
    if files.keys() != FILES.keys():
        raise PublishingError(f"a case file has other files: {', '.join(sorted(files.keys() ^ FILES.keys()))}")
    key = signing.current(connection)
    manifest = {
        "format": FORMAT,
        **about,
        "files": [
            {"name": name, "bytes": len(files[name]), "sha256": hashlib.sha256(files[name]).hexdigest()}
            for name in FILES
        ],
    }
    signed = {
        "manifest": manifest,
        "signature": {"algorithm": "Ed25519", "key_id": key.key_id, "value": key.sign(canonical(manifest))},
        **keys(connection).part(),
    }
    opened = io.BytesIO()
    with zipfile.ZipFile(opened, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, content in ((MANIFEST, json.dumps(signed, ensure_ascii=False, indent=1).encode()), *files.items()):
            bundle.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return opened.getvalue()


def unpacked(path: Path) -> dict[str, bytes]:
    """Return the files of a bundle by name; UnsoundBundleError unless they are the manifest and those of ``FILES``."""
    try:
        with zipfile.ZipFile(path) as bundle:
            infos = bundle.infolist()
            names = [info.filename for info in infos]
            if sorted(names) != sorted([MANIFEST, *FILES]):
                odd = {name for name in names if names.count(name) > 1} | (set(names) ^ {MANIFEST, *FILES})
                raise UnsoundBundleError(f"files are missing, added or there twice: {', '.join(sorted(odd))}")
            if sum(info.file_size for info in infos) > MOST_BYTES:
                raise UnsoundBundleError(f"it holds more than {MOST_BYTES:,} bytes")
            return {info.filename: bundle.read(info) for info in infos}
    except (zipfile.BadZipFile, OSError, EOFError, NotImplementedError, RuntimeError) as error:
        raise UnsoundBundleError(f"it cannot be read: {error}") from error


def wanted(connection: Connection) -> list[dict[str, Any]]:
    """Return the requests of the workbench that no case file answers yet, the oldest first."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute("select * from workbench.case_files_wanted()").fetchall()


def keep(
    connection: Connection,
    case_file_id: str,
    act_id: int | None,
    uscc: str,
    as_of: date,
    *,
    content: bytes | None,
    problem: str | None = None,
) -> None:
    """Keep a bundle, or why there is none; a request that was answered meanwhile stays answered as it was."""
    digest = hashlib.sha256(content).hexdigest() if content is not None else None
    connection.execute(
        "insert into publishing.case_files (case_file_id, act_id, uscc, as_of, sha256, content, problem, made_at) "
        "values (%s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
        (case_file_id, act_id, uscc, as_of, digest, content, problem, arrival()),
    )
