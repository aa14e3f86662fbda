"""Proof that what was published is still what was published: log, lists, files, versions, deliveries and receipts.

Owns the comparison of the published tables with one another, with the signatures, and with the runs that they came
from. Changes nothing; whether a run follows from its inputs is a replay's question.
"""

import hashlib
import json
import tempfile
from datetime import date
from pathlib import Path
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from property_credit.publishing import log, merkle, signing, verify
from property_credit.publishing.body import canonical_bytes, sha256
from property_credit.publishing.content import is_absent
from property_credit.publishing.roots import heads_tree
from property_credit.warehouse.connection import connect

SHOWN = 20


def check(first: date, last: date) -> list[str]:
    """Return what does not agree with the rest, of what was published for business dates ``first`` to ``last``.

    The log is one: it is checked whole. At most ``SHOWN`` of one kind are named.
    """
    with connect("pc_publishing") as connection:
        connection.execute("set transaction isolation level repeatable read read only")
        return [
            *_leaves(connection),
            *_documents(connection, first, last),
            *_versions(connection, first, last),
            *_deliveries(connection, first, last),
        ]


def _leaves(connection: Connection) -> list[str]:
    problems, hashes = [], []
    for index, entry, leaf_hash in connection.execute(
        "select leaf_index, entry, leaf_hash from publishing.log_leaves order by leaf_index"
    ):
        hashes.append(merkle.leaf_hash(entry.encode()))
        if hashes[-1] != bytes(leaf_hash):
            problems.append(f"log: entry {index} is not the one that was hashed")
        if index != len(hashes):
            problems.append(f"log: entry {len(hashes)} is missing")
            break
    tree = merkle.PublishedTree(hashes)
    for list_id, size, root in connection.execute("select list_id, tree_size, root from publishing.lists"):
        if size > len(tree) or tree.root(size).hex() != root:
            problems.append(f"log: its entries do not give the root of {list_id}")
    return problems[:SHOWN]


def _documents(connection: Connection, first: date, last: date) -> list[str]:
    """Check the signatures of every list as a receiver would, and the files that its manifest names."""
    public = signing.public_document(connection)
    heads = [row[0].encode() for row in connection.execute("select head from publishing.lists order by head_index")]
    keys = log.Keys(public["keys"], public["roots"], heads_tree(heads))
    problems = []
    with tempfile.TemporaryDirectory() as folder, connection.cursor(row_factory=dict_row) as cursor:
        known = Path(folder) / "keys.json"
        known.write_text(json.dumps(public), encoding="utf-8")
        rows = cursor.execute(
            "select lists.* from publishing.lists join publishing.publications using (publication_id)"
            " where publications.business_date between %s and %s order by head_index",
            (first, last),
        ).fetchall()
        for row in rows:
            path = Path(folder) / "list.json"
            try:
                path.write_text(json.dumps(log.list_file(row, keys), ensure_ascii=False), encoding="utf-8")
                verify.verify_file(path, known)
            except (verify.VerificationError, verify.UnreadableError, ValueError, KeyError) as error:
                problems.append(f"list {row['list_id']}: {error}")
            problems += _files(connection, row)
    return problems[:SHOWN]


def _files(connection: Connection, row: dict[str, Any]) -> list[str]:
    if not row["manifest"]:
        return []
    head, named = json.loads(row["head"]), {one["name"]: one["sha256"] for one in json.loads(row["manifest"])["files"]}
    problems = []
    if head["manifest_sha256"] != hashlib.sha256(row["manifest"].encode()).hexdigest():
        problems.append(f"list {row['list_id']}: its manifest is not the one that was signed")
    stored = connection.execute(
        "select name, content from publishing.bulk_files where list_id = %s", (row["list_id"],)
    ).fetchall()
    held = {name: hashlib.sha256(content).hexdigest() for name, content in stored}
    differing = sorted(name for name in named.keys() | held.keys() if named.get(name) != held.get(name))
    return problems + [f"list {row['list_id']}: the file {name} is not the one of its manifest" for name in differing]


def _versions(connection: Connection, first: date, last: date) -> list[str]:
    """Compare each version with its entry in the log and with the run that it was published from."""
    rows = connection.execute(
        """
        select version.uscc, version.version_no, version.grade, version.status_code, version.body, leaf.entry::jsonb,
          graded.grade, graded.status_code, graded.uscc is not null
        from publishing.grade_versions as version
        join publishing.publications using (publication_id)
        left join lateral (select entry from publishing.log_leaves as leaf
          where leaf.uscc = version.uscc and leaf.version_no = version.version_no order by leaf_index limit 1
        ) as leaf on true
        left join scoring.grades as graded on graded.run_id = version.run_id and graded.uscc = version.uscc
        where publications.business_date between %s and %s
        order by version.uscc, version.version_no
        """,
        (first, last),
    ).fetchall()
    problems = []
    for uscc, number, grade, status, body, entry, run_grade, run_status, is_graded in rows:
        what = f"version {number} of {uscc}"
        if entry is None or (entry["grade"], entry["status_code"]) != (grade, status):
            problems.append(f"{what}: it is not what the log says")
        elif (body.get("grade"), body.get("status_code")) != (grade, status):
            problems.append(f"{what}: its body says another grade")
        elif is_graded and (run_grade, run_status) != (grade, status):
            problems.append(f"{what}: its run gave another grade")
        elif not is_graded and not is_absent(body):
            problems.append(f"{what}: no run gave it")
    return problems[:SHOWN]


def _deliveries(connection: Connection, first: date, last: date) -> list[str]:
    """Compare what was delivered with the receipts, byte for byte."""
    rows = connection.execute(
        """
        select idempotency_key, outbox.body, publishing.without_withdrawn(outbox.body), body_sha256
        from publishing.outbox join publishing.publications using (publication_id)
        join publishing.receipts using (idempotency_key)
        where publications.business_date between %s and %s order by outbox_id
        """,
        (first, last),
    )
    problems = [
        f"delivery {key}: its body is not the one of its receipt"
        for key, body, cut, digest in rows
        if digest not in (sha256(canonical_bytes(body)), sha256(canonical_bytes(cut)))
    ]
    return problems[:SHOWN]
