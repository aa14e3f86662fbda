"""The public log: every grade version and every quarterly list as leaves of one growing tree, each step signed.

Owns the documents, the tree and its heads. A night's publication is a document of its own (``publication-12``); the
first one of a quarter also brings the quarter's list (``2026-Q4``). Nothing here is ever changed: a later correction
is a later document that names what it replaces.
"""

import hashlib
import json
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

from publishing import merkle, signing
from publishing.content import ENTRY_FIELDS
from warehouse.business_date import arrival

LIST_FORMAT, HEAD_FORMAT = "property-credit-list/1", "property-credit-tree-head/1"
INCLUSION_FORMAT, CONSISTENCY_FORMAT = "property-credit-inclusion/1", "property-credit-consistency/1"


def append_publication(connection: Connection, publication_id: int, due_list: str | None) -> list[str]:
    """Append what ``publication_id`` added, and the quarter's list that is due; return the ids of the documents.

    Runs in the publication's transaction. Raises PublishingError when the signing key is missing.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(
            "select publication_id, business_date, business_date + 1 as as_of, method_version "
            "from publishing.publications where publication_id = %s",
            (publication_id,),
        ).fetchone()
        assert found is not None
        fresh = cursor.execute(
            """
            select uscc, enterprise_name, grade, status_code, method_version, valid_from, version_no, is_correction
            from publishing.grade_versions as version
            where not exists (select from publishing.log_leaves as leaf
              where leaf.uscc = version.uscc and leaf.version_no = version.version_no)
            order by publication_id, uscc collate "C", version_no
            """
        ).fetchall()
        standing = (
            cursor.execute(
                "select uscc, enterprise_name, grade, status_code, method_version, valid_from, version_no, "
                'is_correction from publishing.current_grades order by uscc collate "C"'
            ).fetchall()
            if due_list
            else []
        )
    key = signing.current(connection)
    tree = merkle.PublishedTree(
        row[0] for row in connection.execute("select leaf_hash from publishing.log_leaves order by leaf_index")
    )
    names = [f"publication-{publication_id}"]
    _append(connection, tree, key, found, names[0], "publication", fresh)
    if due_list:
        names.append(due_list)
        _append(connection, tree, key, found, due_list, "quarter", standing)
    return names


def _append(
    connection: Connection,
    tree: merkle.PublishedTree,
    key: signing.SigningKey,
    publication: dict[str, Any],
    list_id: str,
    kind: str,
    rows: list[dict[str, Any]],
) -> None:
    first = len(tree)
    frontier = tree.frontier(first)
    entries = [
        {**{name: row[name] for name in ENTRY_FIELDS}, "valid_from": row["valid_from"].isoformat()} for row in rows
    ]
    contents = [signing.canonical(entry) for entry in entries]
    for content in contents:
        tree.append(merkle.leaf_hash(content))
    size, root = len(tree), tree.root().hex()
    about = {
        "list_id": list_id,
        "publication_id": publication["publication_id"],
        "business_date": publication["business_date"].isoformat(),
    }
    document = signing.canonical(
        {
            "format": LIST_FORMAT,
            "kind": kind,
            **about,
            "as_of": publication["as_of"].isoformat(),
            "method_version": publication["method_version"],
            "tree": {"hash": "sha256", "first_leaf": first, "frontier": frontier, "size": size, "root": root},
            "entries": entries,
        }
    )
    digest = hashlib.sha256(document).hexdigest()
    head = signing.canonical(
        {"format": HEAD_FORMAT, **about, "tree_size": size, "root": root, "document_sha256": digest}
    )
    connection.execute(
        "insert into publishing.lists (list_id, kind, publication_id, first_leaf, tree_size, root, document, "
        "signature, head, head_signature, key_id, published_at) "
        "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            list_id,
            kind,
            publication["publication_id"],
            first,
            size,
            root,
            document.decode(),
            key.sign(document),
            head.decode(),
            key.sign(head),
            key.key_id,
            arrival(),
        ),
    )
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "copy publishing.log_leaves (leaf_index, list_id, uscc, version_no, entry, leaf_hash) from stdin"
        ) as copy,
    ):
        for number, (row, content) in enumerate(zip(rows, contents, strict=True), start=first + 1):
            copy.write_row(
                (number, list_id, row["uscc"], row["version_no"], content.decode(), merkle.leaf_hash(content))
            )


def list_file(row: dict[str, Any], keys: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a published document with all that checking it offline needs but a public key."""
    return {
        "document": json.loads(row["document"]),
        "signature": _signature(row["key_id"], row["signature"]),
        "tree_head": head_of(row),
        "keys": keys,
    }


def head_of(row: dict[str, Any]) -> dict[str, Any]:
    """Return a signed tree head."""
    return {"head": json.loads(row["head"]), "signature": _signature(row["key_id"], row["head_signature"])}


def inclusion_file(
    leaf: dict[str, Any], head: dict[str, Any], tree: merkle.PublishedTree, keys: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return the proof that one grade version lies in the log under a signed head; ``tree`` has its leaves or more."""
    return {
        "format": INCLUSION_FORMAT,
        "leaf_index": leaf["leaf_index"],
        "entry": json.loads(leaf["entry"]),
        "proof": tree.prove_inclusion(leaf["leaf_index"], head["tree_size"]),
        "tree_head": head_of(head),
        "keys": keys,
    }


def consistency_file(
    first: dict[str, Any], second: dict[str, Any], tree: merkle.PublishedTree, keys: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return the proof that the later of two signed heads only adds leaves to the earlier one."""
    return {
        "format": CONSISTENCY_FORMAT,
        "proof": tree.prove_consistency(first["tree_size"], second["tree_size"]),
        "first_head": head_of(first),
        "second_head": head_of(second),
        "keys": keys,
    }


def _signature(key_id: str, value: str) -> dict[str, str]:
    return {"algorithm": "Ed25519", "key_id": key_id, "value": value}
