"""The public log: every grade version and every quarterly list as leaves of one growing tree, each step signed.

Owns the documents, the tree, its heads and the files that prove something. A night's publication is a document of its
own (``publication-12``); the first one of a quarter also brings the quarter's list (``2026-Q4``), and a change of keys
signs the last head again (``keys-2``). Nothing here is ever changed: a later correction is a later document that names
what it replaces.

Format 2 counts leaves from 0, as RFC 9162 does, and its heads carry the root of the map (``publishing.prefix_map``)
from every enterprise to its history: ``[[version number, first day, leaf hash], …]``. Files of format 1 go on holding.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, LiteralString

from psycopg import Connection
from psycopg.rows import dict_row

from property_credit.publishing import bulk, merkle, notes, prefix_map, signing
from property_credit.publishing.content import ENTRY_FIELDS
from property_credit.publishing.roots import canonical
from property_credit.warehouse.business_date import arrival
from property_credit.warehouse.settings import get_settings

LIST_FORMAT, HEAD_FORMAT = "property-credit-list/2", "property-credit-tree-head/2"
INCLUSION_FORMATS = {1: "property-credit-inclusion/1", 2: "property-credit-inclusion/2"}
INVENTED_ORIGIN = "property-credit/invented"  # name of a sandbox tenant's log
CONSISTENCY_FORMAT, CERTIFICATE_FORMAT = "property-credit-consistency/1", "property-credit-certificate/1"
# every version once, by the first leaf that holds it: canonical JSON, built where the rows are
HISTORIES: LiteralString = """
    select uscc, '[' || string_agg(format('[%%s,"%%s","%%s"]', version_no, entry::json ->> 'valid_from',
      encode(leaf_hash, 'hex')), ',' order by version_no) || ']' as history
    from (
      select distinct on (uscc, version_no) uscc, version_no, entry, leaf_hash from publishing.log_leaves
      where leaf_index <= %(tree_size)s order by uscc, version_no, leaf_index
    ) as version group by uscc
"""
HISTORIES_OF: LiteralString = """
    select uscc, '[' || string_agg(format('[%%s,"%%s","%%s"]', version_no, entry::json ->> 'valid_from',
      encode(leaf_hash, 'hex')), ',' order by version_no) || ']' as history
    from (
      select distinct on (uscc, version_no) uscc, version_no, entry, leaf_hash from publishing.log_leaves
      where leaf_index <= %(tree_size)s and uscc = any (%(codes)s) order by uscc, version_no, leaf_index
    ) as version group by uscc
"""


def append_publication(connection: Connection, publication_id: int, due_list: str | None) -> list[str]:
    """Append what ``publication_id`` added, and the quarter's list that is due; return the ids of the documents.

    Runs in the publication's transaction. Raises PublishingError when the signing key is missing.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        publication = cursor.execute(
            "select publication_id, business_date, business_date + 1 as as_of, method_version "
            "from publishing.publications where publication_id = %s",
            (publication_id,),
        ).fetchone()
        assert publication is not None
        fresh = cursor.execute(
            """
            select uscc, enterprise_name, grade, status_code, method_version, valid_from, version_no, is_correction,
              coalesce(jsonb_path_query_array(body, '$.reasons[*].code'), '[]') as reasons
            from publishing.grade_versions as version
            where not exists (select from publishing.log_leaves as leaf
              where leaf.uscc = version.uscc and leaf.version_no = version.version_no)
            order by publication_id, uscc collate "C", version_no
            """
        ).fetchall()
        standing = (
            cursor.execute(
                "select uscc, enterprise_name, grade, status_code, method_version, valid_from, version_no, "
                "is_correction, coalesce(jsonb_path_query_array(body, '$.reasons[*].code'), '[]') as reasons "
                'from publishing.current_grades order by uscc collate "C"'
            ).fetchall()
            if due_list
            else []
        )
    key = signing.current(connection)
    tree = _tree(connection)
    names = [f"publication-{publication_id}"]
    _append(connection, tree, key, publication, names[0], "publication", fresh)
    if due_list:
        names.append(due_list)
        _append(connection, tree, key, publication, due_list, "quarter", standing)
    return names


def append_handover(connection: Connection) -> str | None:
    """Sign the newest head again by the key that signs now, after a change of keys; None when nothing is published.

    Until the next publication nothing else is signed by the new key, and certificates need a head that is.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        publication = cursor.execute(
            "select publication_id, business_date, business_date + 1 as as_of, method_version "
            "from publishing.publications order by publication_id desc limit 1"
        ).fetchone()
        version = cursor.execute("select max(version) as version from publishing.roots").fetchone()
    if publication is None or version is None:
        return None
    name = f"keys-{version['version']}"
    _append(connection, _tree(connection), signing.current(connection), publication, name, "keys", [])
    return name


def _tree(connection: Connection) -> merkle.PublishedTree:
    return merkle.PublishedTree(
        row[0] for row in connection.execute("select leaf_hash from publishing.log_leaves order by leaf_index")
    )


def _append(
    connection: Connection,
    tree: merkle.PublishedTree,
    key: signing.SigningKey,
    publication: dict[str, Any],
    list_id: str,
    kind: str,
    rows: list[dict[str, Any]],
) -> None:
    about: dict[str, Any] = {
        "list_id": list_id,
        "publication_id": publication["publication_id"],
        "business_date": publication["business_date"].isoformat(),
        "as_of": publication["as_of"].isoformat(),
    }
    if connection.execute("select 1 from publishing.invented").fetchone():
        about["is_invented"] = True  # in the signed bytes of documents and heads of a sandbox tenant, and nowhere else
    first = len(tree)
    made = make({"kind": kind, **about, "method_version": publication["method_version"]}, rows, tree)
    size, root, document, manifest = len(tree), tree.root().hex(), made.document, made.manifest
    with (
        connection.cursor() as cursor,
        cursor.copy(
            "copy publishing.log_leaves (leaf_index, list_id, uscc, version_no, entry, leaf_hash) from stdin"
        ) as copy,
    ):
        leaves = zip(rows, made.lines, made.leaf_hashes, strict=True)
        for number, (row, line, leaf_hash) in enumerate(leaves, start=first + 1):
            copy.write_row((number, list_id, row["uscc"], row["version_no"], line.decode(), leaf_hash))
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into publishing.bulk_files (list_id, name, media_type, sha256, content) "
            "values (%s, %s, %s, %s, %s)",
            [(list_id, one.name, one.media_type, one.sha256, one.content) for one in made.files],
        )
    entry_map = map_of(connection.execute(HISTORIES, {"tree_size": size}).fetchall())
    published_at, map_root = arrival(), entry_map.root.hex()
    head = canonical(
        {
            "format": HEAD_FORMAT,
            **about,
            "published_at": published_at.isoformat(timespec="seconds"),
            "tree_size": size,
            "root": root,
            "map_root": map_root,
            "map_size": len(entry_map),
            "document_sha256": hashlib.sha256(document).hexdigest(),
            **({"manifest_sha256": hashlib.sha256(manifest).hexdigest()} if manifest else {}),
        }
    )
    origin = INVENTED_ORIGIN if "is_invented" in about else get_settings().log_origin
    connection.execute(
        "insert into publishing.lists (list_id, kind, publication_id, first_leaf, tree_size, root, document, "
        "signature, head, head_signature, key_id, published_at, head_index, checkpoint, "
        "manifest) "
        "select %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, count(*), %s, %s from publishing.lists",
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
            published_at,
            notes.signed(notes.text_of(origin, size, root, map_root), origin, key.private),
            manifest and manifest.decode(),
        ),
    )


@dataclass(frozen=True)
class Made:
    """A document before it is signed: its bytes, its entries' bytes and leaf hashes; of a quarter its files as well."""

    document: bytes
    lines: list[bytes]
    leaf_hashes: list[bytes]
    files: list[bulk.BulkFile]
    manifest: bytes | None


def make(about: Mapping[str, Any], rows: Iterable[Mapping[str, Any]], tree: merkle.PublishedTree) -> Made:
    """Return a document of some grade versions, and append its leaves to ``tree``.

    Args:
        about: the document's ``kind`` (a quarter's list gets files), ``list_id``, days and method.
        rows: the versions with ``ENTRY_FIELDS``, ``valid_from`` a date, and the codes of their ``reasons``.
        tree: the log so far.
    """
    first = len(tree)
    frontier = tree.frontier(first)
    entries = [
        {
            **{name: row[name] for name in ENTRY_FIELDS},
            "valid_from": row["valid_from"].isoformat(),
            "reasons": row["reasons"],
        }
        for row in rows
    ]
    lines = [canonical(entry) for entry in entries]
    leaf_hashes = [merkle.leaf_hash(line) for line in lines]
    for leaf_hash in leaf_hashes:
        tree.append(leaf_hash)
    grown = {"hash": "sha256", "first_leaf": first, "frontier": frontier, "size": len(tree), "root": tree.root().hex()}
    frame = canonical({"format": LIST_FORMAT, **about, "tree": grown, "entries": []})
    place = b'"entries":[]'  # in a text its quotes would have backslashes
    document = frame.replace(place, place[:-1] + b",".join(lines) + b"]")
    if about["kind"] != "quarter":
        return Made(document, lines, leaf_hashes, [], None)
    files = bulk.files_of(about["list_id"], entries, lines)
    manifest = bulk.manifest_of(about["list_id"], about["as_of"], len(entries), files)
    return Made(document, lines, leaf_hashes, files, manifest)


def map_of(histories: Iterable[tuple[str, str]]) -> prefix_map.PrefixMap:
    """Return the map of (credit code, canonical history) pairs."""
    return prefix_map.PrefixMap(
        (prefix_map.key_of(uscc), hashlib.sha256(history.encode()).digest()) for uscc, history in histories
    )


@dataclass(frozen=True)
class Keys:
    """What a file brings about keys: the public keys, the root documents, and heads of earlier keys in their trees.

    ``head_tree``: the tree over the heads so far, or None when every head is signed by the key that signs now.
    """

    keys: list[dict[str, Any]]
    roots: list[dict[str, Any]]
    head_tree: merkle.PublishedTree | None = None

    def anchor(self, row: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the proof that a head lies among those of the earlier key that signed it; None: it needs none."""
        past = {one["key_id"]: one for one in self.roots[-1]["root"]["past"]} if self.roots else {}
        closed = past.get(row["key_id"])
        if closed is None or self.head_tree is None or row["head_index"] >= closed["heads"]:
            return None
        return {
            "head_index": row["head_index"],
            **self.head_tree.prove_inclusion(row["head_index"] + 1, closed["heads"]),
        }

    def part(self) -> dict[str, Any]:
        """Return what stands in a file."""
        return {"keys": self.keys, "roots": self.roots}


def _brought(keys: Keys | list[dict[str, Any]]) -> Keys:
    return keys if isinstance(keys, Keys) else Keys(keys, [])


def list_file(row: dict[str, Any], keys: Keys | list[dict[str, Any]]) -> dict[str, Any]:
    """Return a published document with all that checking it offline needs but a public key.

    Args:
        row: its row of ``publishing.lists``.
        keys: what it brings about keys; a bare list of public keys brings no root documents.
    """
    keys = _brought(keys)
    return {
        "document": json.loads(row["document"]),
        "signature": _signature(row["key_id"], row["signature"]),
        "tree_head": head_of(row, keys),
        **keys.part(),
    }


def head_of(row: dict[str, Any], keys: Keys | None = None) -> dict[str, Any]:
    """Return a signed tree head; one of an earlier key comes with its place among that key's heads."""
    anchor = keys.anchor(row) if keys else None
    return {
        "head": json.loads(row["head"]),
        "signature": _signature(row["key_id"], row["head_signature"]),
        **({"anchor": anchor} if anchor else {}),
    }


def inclusion_file(
    leaf: dict[str, Any],
    head: dict[str, Any],
    tree: merkle.PublishedTree,
    keys: Keys | list[dict[str, Any]],
    *,
    history: tuple[list[Any], dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Return the proof that one grade version lies in the log under a signed head.

    Args:
        leaf: its row of ``publishing.log_leaves``.
        head: the head's row of ``publishing.lists``.
        tree: a tree with the head's leaves or more.
        keys: the keys.
        history: the enterprise's history and its map proof: format 2; None: format 1, which counts leaves from 1.
    """
    keys = _brought(keys)
    content: dict[str, Any] = {"format": INCLUSION_FORMATS[2 if history else 1]}
    if history:
        content |= {"history": history[0], "map_proof": history[1]}
    return {
        **content,
        "leaf_index": leaf["leaf_index"] - (1 if history else 0),
        "entry": json.loads(leaf["entry"]),
        "proof": tree.prove_inclusion(leaf["leaf_index"], head["tree_size"]),
        "tree_head": head_of(head, keys),
        **keys.part(),
    }


def certificate_file(
    as_of: date,
    proved: Mapping[str, tuple[list[Any], dict[str, Any]]],
    leaves: Mapping[tuple[str, int], Mapping[str, Any]],
    head: dict[str, Any],
    tree: merkle.PublishedTree,
    keys: Keys,
) -> dict[str, Any]:
    """Return the certificate of what was in force on a day: published, and nothing later in force by then.

    Args:
        as_of: the day, such as that of a bid's opening.
        proved: credit code → its history and the map's proof of it, in the order they are shown.
        leaves: (credit code, version number) → its first row of ``publishing.log_leaves``.
        head: the head's row of ``publishing.lists``.
        tree: a tree with the head's leaves or more.
        keys: the keys.
    """
    enterprises = []
    for uscc, (history, map_proof) in proved.items():
        in_force = [number for number, day, _ in history if day <= as_of.isoformat()]
        item: dict[str, Any] = {"uscc": uscc, "history": history, "map_proof": map_proof, "entry": None}
        item |= {"supersedes": None, "leaf_index": None, "proof": None}
        if in_force:
            row = leaves[uscc, in_force[-1]]
            item["entry"] = json.loads(row["entry"])
            item["leaf_index"] = row["leaf_index"] - 1
            item["proof"] = tree.prove_inclusion(row["leaf_index"], head["tree_size"])
            if len(in_force) > 1:
                item["supersedes"] = json.loads(leaves[uscc, in_force[-2]]["entry"])
        enterprises.append(item)
    return {
        "format": CERTIFICATE_FORMAT,
        "as_of": as_of.isoformat(),
        "enterprises": enterprises,
        "tree_head": head_of(head, keys),
        **keys.part(),
    }


def consistency_file(
    first: dict[str, Any], second: dict[str, Any], tree: merkle.PublishedTree, keys: Keys | list[dict[str, Any]]
) -> dict[str, Any]:
    """Return the proof that the later of two signed heads only adds leaves to the earlier one."""
    keys = _brought(keys)
    return {
        "format": CONSISTENCY_FORMAT,
        "proof": tree.prove_consistency(first["tree_size"], second["tree_size"]),
        "first_head": head_of(first, keys),
        "second_head": head_of(second, keys),
        **keys.part(),
    }


def _signature(key_id: str, value: str) -> dict[str, str]:
    return {"algorithm": "Ed25519", "key_id": key_id, "value": value}
