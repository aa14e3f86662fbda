"""Tamper-evident lists: what is verified, what every change breaks, how keys follow one another, and a lost key."""

import json
import os
import stat
import subprocess
import sys
from datetime import date, timedelta

import pytest
import rfc8785
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from grade_rows import add_run, by_veto, uscc
from hypothesis import given
from hypothesis import strategies as st
from psycopg.rows import dict_row

from property_credit.publishing import log, merkle, service, signing
from property_credit.publishing.content import ENTRY_FIELDS
from property_credit.publishing.errors import PublishingError
from property_credit.publishing.publish import publish
from property_credit.publishing.verify import UnreadableError, VerificationError, verify_file
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings

NIGHT = date(2026, 10, 30)
CODES = [uscc(n) for n in range(5)]


@pytest.fixture
def keys(warehouse_database, monkeypatch, tmp_path):
    """A folder of signing keys of one's own."""
    monkeypatch.setenv("KEYS_DIR", str(tmp_path / "keys"))
    get_settings.cache_clear()
    return tmp_path / "keys"


def publish_night(day: int, grade: str = "A", codes=CODES) -> None:
    on = NIGHT + timedelta(days=day)
    publish(add_run(on, {code: by_veto(grade, f"V{day}") for code in codes}), on)


def rows(statement: str, *parameters) -> list[dict]:
    with connect("pc_api") as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement, parameters).fetchall()


def public_keys() -> list[dict]:
    with connect("pc_publishing") as connection:
        return signing.registered_keys(connection)


def brought() -> log.Keys:
    """What a file brings about keys, as the API adds it."""
    return service.Service().keys_file()


def heads() -> list[dict]:
    return rows("select * from publishing.lists order by head_index")


def hashes() -> list[bytes]:
    return [bytes(row["leaf_hash"]) for row in rows("select leaf_hash from publishing.log_leaves order by leaf_index")]


def tree() -> merkle.PublishedTree:
    return merkle.PublishedTree(hashes())


def saved(tmp_path, content: dict):
    path = tmp_path / "saved.json"
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


def list_file(list_id: str = "2026-Q4") -> dict:
    return log.list_file(rows("select * from publishing.lists where list_id = %s", list_id)[0], brought())


def inclusion_file(code: str = CODES[2]) -> dict:
    leaf = rows("select leaf_index, entry from publishing.log_leaves where uscc = %s order by leaf_index limit 1", code)
    return log.inclusion_file(leaf[0], heads()[-1], tree(), brought())


def verify(tmp_path, content: dict, key: int = 0):
    public = tmp_path / "public.key"
    public.write_text(public_keys()[key]["public_key"])
    return verify_file(saved(tmp_path, content), public)


@given(st.integers(0, 70), st.integers(0, 70))
def test_root__from_subtrees_and_new_leaves__is_the_trees(before, added):
    leaves = [merkle.leaf_hash(bytes([n])) for n in range(before + added)]
    tree = merkle.PublishedTree(leaves)
    assert merkle.root_of(tree.frontier(before), before, leaves[before:]) == tree.root().hex()


def test_list__as_published__is_verified_with_a_public_key_alone(keys, tmp_path):
    publish_night(0)
    publish_night(1, "AA", CODES[:2])
    verified = verify(tmp_path, list_file())
    assert "2026-Q4" in verified.said_en and "5 entries" in verified.said_en
    assert [head["list_id"] for head in heads()] == ["publication-1", "2026-Q4", "publication-2"]
    assert "2 entries" in verify(tmp_path, list_file("publication-2")).said_en
    assert "version 1 (A from 2026-10-31)" in verify(tmp_path, inclusion_file()).said_en


def test_list__next_quarter__is_a_list_of_its_own_and_the_first_never_changes(keys):
    publish_night(0)
    before = list_file()
    publish_night(62, "B")  # 2026-12-31: binds from the first day of 2027
    assert {head["list_id"] for head in heads()} >= {"2026-Q4", "2027-Q1"}
    assert list_file() == before
    assert {entry["grade"] for entry in list_file("2027-Q1")["document"]["entries"]} == {"B"}


def alterations(content: dict):
    """Every way to change one value of a file that was signed or proved."""
    for path in [
        ("document", "entries", 0, "grade"),
        ("document", "as_of"),
        ("document", "tree", "root"),
        ("document", "tree", "frontier", 0),
        ("tree_head", "head", "root"),
        ("tree_head", "head", "tree_size"),
        ("tree_head", "head", "document_sha256"),
        ("signature", "value"),
        ("tree_head", "signature", "value"),
    ]:
        changed = json.loads(json.dumps(content))
        at = changed
        for part in path[:-1]:
            at = at[part]
        value = at[path[-1]]
        if isinstance(value, int):
            at[path[-1]] = value + 1
        else:
            at[path[-1]] = ("A" if value.startswith("B") else "B") + value[1:]
        yield path, changed
    for name, entries in (
        ("left out", content["document"]["entries"][1:]),
        ("turned round", content["document"]["entries"][::-1]),
    ):
        yield name, {**content, "document": {**content["document"], "entries": entries}}


def test_list__any_value_changed__is_not_verified(keys, tmp_path):
    publish_night(0)
    content = list_file()
    for what, changed in alterations(content):
        with pytest.raises((VerificationError, UnreadableError)):
            print(what, verify(tmp_path, changed))


def test_list__changed_and_signed_again_by_us__does_not_fit_the_log(keys, tmp_path):
    publish_night(0)
    content = list_file()
    content["document"]["entries"][0]["grade"] = "AA"
    with connect("pc_publishing") as connection:
        key = signing.current(connection)
    content["signature"]["value"] = key.sign(signing.canonical(content["document"]))
    with pytest.raises(VerificationError, match="another document"):
        verify(tmp_path, content)


def test_log__rewritten_by_us__cannot_be_made_consistent_with_a_saved_head(keys, tmp_path):
    publish_night(0)
    saved_head = heads()[0]
    publish_night(1, "AA")
    honest = log.consistency_file(saved_head, heads()[-1], tree(), brought())
    assert "changed none" in verify(tmp_path, honest).said_en
    forged = [merkle.leaf_hash(b"forged"), *hashes()[1:]]
    with connect("pc_publishing") as connection:
        key = signing.current(connection)
    newest = dict(heads()[-1])
    head = {**json.loads(newest["head"]), "root": merkle.PublishedTree(forged).root().hex()}
    newest["head"], newest["head_signature"] = json.dumps(head), key.sign(signing.canonical(head))
    with pytest.raises(VerificationError, match="consistency proof does not hold"):
        verify(tmp_path, log.consistency_file(saved_head, newest, merkle.PublishedTree(forged), brought()))


@pytest.mark.parametrize("part", ["entry", "leaf_index", "proof"])
def test_inclusion__changed__does_not_hold(keys, tmp_path, part):
    publish_night(0)
    content = inclusion_file()
    if part == "entry":
        content["entry"]["grade"] = "AA"
    elif part == "leaf_index":
        content["leaf_index"] += 1
    else:
        content["proof"]["path"][0] = "00" * 32
    with pytest.raises(VerificationError, match="inclusion proof does not hold"):
        verify(tmp_path, content)


def test_log__roles__cannot_change_or_remove_a_leaf(keys):
    publish_night(0)
    for statement in (
        "update publishing.log_leaves set entry = ''",
        "delete from publishing.log_leaves",
        "update publishing.lists set root = ''",
        "delete from publishing.signing_keys",
    ):
        with connect("pc_publishing") as connection, pytest.raises(Exception, match="permission denied"):
            connection.execute(statement)


def test_keys__rotated__each_public_key_verifies_what_the_other_signed(keys, tmp_path):
    publish_night(0)
    with connect("pc_publishing") as connection:
        signing.rotate(connection, reason="yearly")
    publish_night(1, "AA")
    for list_id in ("publication-1", "publication-2"):
        for key in (0, 1):
            verify(tmp_path, list_file(list_id), key)
    stranger = Ed25519PrivateKey.generate().public_key()
    pem = tmp_path / "stranger.pem"
    pem.write_bytes(stranger.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(VerificationError, match="nothing ties it"):
        verify_file(saved(tmp_path, list_file()), pem)


def test_keys__forged_step__is_not_trusted(keys, tmp_path):
    publish_night(0)
    with connect("pc_publishing") as connection:
        signing.rotate(connection, reason="yearly")
    publish_night(1, "AA")
    content = list_file("publication-2")
    content["roots"] = []
    verify(tmp_path, content, 0)
    content["keys"][1]["previous_signature"] = content["keys"][1]["signature"]
    with pytest.raises(VerificationError, match="nothing ties it"):
        verify(tmp_path, content, 0)


def test_keys__file_lost__is_an_error_with_instructions_and_nothing_is_published(keys):
    publish_night(0)
    (path,) = keys.glob("*.pem")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    content = path.read_bytes()
    path.unlink()
    with pytest.raises(PublishingError, match=r"put it back from your backup.*rotate --lost"):
        publish_night(1, "AA")
    assert list(keys.glob("*.pem")) == []
    assert rows("select count(*) from publishing.lists") == [{"count": 2}]
    path.write_bytes(content)
    publish_night(2, "AA")


def test_keys__another_file_in_its_place__is_an_error(keys):
    publish_night(0)
    (path,) = keys.glob("*.pem")
    path.write_bytes(
        Ed25519PrivateKey.generate().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    with pytest.raises(PublishingError, match="put the right file back"):
        publish_night(1, "AA")


def test_keys__lost_for_good__a_new_one_starts_untied_by_an_explicit_command(keys, tmp_path):
    publish_night(0)
    (path,) = keys.glob("*.pem")
    path.unlink()
    with connect("pc_publishing") as connection:
        with pytest.raises(PublishingError, match="missing"):
            signing.rotate(connection, reason="?")
        signing.rotate(connection, reason="lost in a fire", is_lost=True)
    publish_night(1, "AA")
    verify(tmp_path, list_file("publication-2"), 1)
    with pytest.raises(VerificationError, match="nothing ties it"):
        verify(tmp_path, list_file("publication-2"), 0)


@pytest.mark.parametrize("text", ["[", "[]", "{}", '{"document": {}}', '{"format": "property-credit-inclusion/1"}'])
def test_verify__something_else__says_that_it_cannot_be_read(keys, tmp_path, text):
    publish_night(0)
    path, public = tmp_path / "x.json", tmp_path / "public.key"
    path.write_text(text)
    public.write_text(public_keys()[0]["public_key"])
    with pytest.raises(UnreadableError):
        verify_file(path, public)


def test_verify__public_key_that_is_none__says_so(keys, tmp_path):
    publish_night(0)
    path = saved(tmp_path, list_file())
    with pytest.raises(UnreadableError, match="no public key"):
        verify_file(path, tmp_path / "nowhere")
    (tmp_path / "torn.pem").write_text("-----BEGIN PUBLIC KEY-----")
    with pytest.raises(UnreadableError, match="no public key"):
        verify_file(path, tmp_path / "torn.pem")


def test_make__document_of_a_quarter__is_canonical_and_its_lines_are_the_leaves():
    row = dict.fromkeys(ENTRY_FIELDS, "") | {"valid_from": NIGHT, "is_correction": False, "reasons": []}
    given_rows = [
        row | {"enterprise_name": name, "version_no": 1} for name in ('"entries":[]', "甲", '\\"entries\\":[]')
    ]
    about = {"kind": "quarter", "list_id": '"entries":[]', "as_of": "2026-10-01"}
    tree = merkle.PublishedTree([b"\x01" * 32])
    made = log.make(about, given_rows, tree)
    document = json.loads(made.document)
    assert made.document == rfc8785.dumps(document)
    assert [entry["enterprise_name"] for entry in document["entries"]] == [one["enterprise_name"] for one in given_rows]
    assert [merkle.leaf_hash(line) for line in made.files[0].content.splitlines()] == made.leaf_hashes
    assert document["tree"]["first_leaf"] == 1 and document["tree"]["root"] == tree.root().hex()


def test_verify__as_a_command__does_not_load_what_makes_tables():
    said = "import sys, property_credit.publishing.verify; sys.exit('polars' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", said], check=False).returncode == 0
