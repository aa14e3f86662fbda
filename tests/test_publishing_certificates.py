"""Certificates of a day: what they prove, who checks them without us, and forgeries that nobody takes."""

import copy
import io
import json
import subprocess
import sys
from base64 import b64decode, b64encode
from datetime import date
from pathlib import Path

import polars as pl
import pymerkle
import pypdf
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi.testclient import TestClient
from grade_rows import add_run, by_veto, uscc
from own_warehouse import copied_database, use_warehouse

from property_credit.publishing import api, api_keys, certificate_pdf, log, merkle, prefix_map, roots, service, signing
from property_credit.publishing.publish import publish
from property_credit.publishing.verify import UnreadableError, VerificationError, verify_file
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings

NIGHTS = [date(2026, 10, 30), date(2026, 10, 31), date(2026, 11, 2)]
A, B, C, NOBODY = uscc(1), uscc(2), uscc(3), uscc(9)
CODES = [A, B, C, *(uscc(n) for n in range(20, 33))]
VERIFIER = Path(__file__).parents[1] / "docs" / "verifier.py"
# subjectPublicKeyInfo of an Ed25519 key begins so (RFC 8410)
SPKI = bytes.fromhex("302a300506032b6570032100")


@pytest.fixture(scope="module")
def ask(migrated_template, tmp_path_factory):
    """Three published nights, asked by a tendering key; nothing here changes them."""
    home = tmp_path_factory.mktemp("certificates")
    with copied_database(migrated_template) as name, pytest.MonkeyPatch.context() as patch:
        patch.setenv("KEYS_DIR", str(home / "keys"))
        use_warehouse(patch, name, home)
        grades = {code: {"grade": "A"} for code in CODES}
        publish(add_run(NIGHTS[0], grades), NIGHTS[0])
        publish(add_run(NIGHTS[1], grades | {A: by_veto("B")}), NIGHTS[1])
        publish(add_run(NIGHTS[2], grades | {A: by_veto("B"), B: by_veto("B")}), NIGHTS[2])
        served = service.Service(today=lambda: date(2026, 11, 9), max_age_seconds=0)
        patch.setattr(service.CURRENT, "service", served)
        key = api_keys.issue(scope="tendering", name="测试", rate_per_minute=100_000).text
        client = TestClient(api.served, headers={"Authorization": f"Bearer {key}"})
        yield client.get
        served.close()


@pytest.fixture(scope="module")
def key_file(ask, tmp_path_factory) -> Path:
    """The public key, as a stranger keeps it."""
    raw = b64decode(ask("/v1/public-keys").json()["keys"][-1]["public_key"])
    path = tmp_path_factory.mktemp("key") / "public.pem"
    body = b64encode(SPKI + raw).decode()
    path.write_text(f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
    return path


def saved(tmp_path: Path, content) -> Path:
    path = tmp_path / "saved.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


def by_stranger(path: Path, key_file: Path) -> subprocess.CompletedProcess[str]:
    """Run the verifier of the docs: standard library and openssl, nothing of ours to be imported."""
    command = [sys.executable, "-I", "-S", str(VERIFIER), str(path), str(key_file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def certificate(ask, code=A, as_of="2026-10-31") -> dict:
    answer = ask(f"/v1/grades/{code}/certificate", params={"as_of": as_of})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_certificate__of_a_day__says_what_was_in_force_and_what_it_replaces(ask, key_file, tmp_path):
    then = certificate(ask)
    assert then["as_of"] == "2026-10-31" and then["enterprises"][0]["entry"]["grade"] == "A"
    assert then["enterprises"][0]["supersedes"] is None
    verified = verify_file(saved(tmp_path, then), key_file)
    assert f"{A} on 2026-10-31: version 1 (A from 2026-10-31), and no later one was in force" in verified.said_en
    assert verified.remarks == (
        (f"{A}：该版已被替代：第 2 版自 2026-11-01 起", f"{A}: replaced since: version 2 binds from 2026-11-01"),
    )
    now = certificate(ask, as_of="2026-11-01")["enterprises"][0]
    assert (now["entry"]["grade"], now["supersedes"]["grade"]) == ("B", "A")
    before = certificate(ask, as_of="2026-10-30")
    assert before["enterprises"][0]["entry"] is None
    assert "had no published grade on 2026-10-30" in verify_file(saved(tmp_path, before), key_file).said_en
    newest = certificate(ask, as_of="2026-11-03")  # the last publication binds from this day on
    assert "published later may bind" in verify_file(saved(tmp_path, newest), key_file).remarks[-1][1]
    assert "a correction of that day may follow" in by_stranger(saved(tmp_path, newest), key_file).stdout


def test_certificate__of_a_day_that_the_log_does_not_reach__is_not_given(ask, key_file):
    """Six nights are behind: what they will publish for 9 November is not known, so nothing is proved of that day."""
    codes = {"codes": A}
    for path, more in ((f"/v1/grades/{A}/certificate", {}), ("/v1/certificates", codes)):
        refused = ask(path, params={**more, "as_of": "2026-11-04"})
        assert refused.status_code == 503 and refused.json()["type"].endswith(":no-proof-yet")
        assert "as_of=2026-11-03" in refused.json()["detail"] and refused.headers["retry-after"]
        assert ask(path, params=more).json()["as_of"] == "2026-11-03"
    assert ask(f"/v1/grades/{A}", params={"as_of": "2026-11-09"}).json()["grade"]["grade"] == "B"


def test_certificate__enterprise_that_was_never_published__is_proved_absent(ask, key_file, tmp_path):
    content = certificate(ask, NOBODY)
    assert content["enterprises"][0]["history"] == []
    assert "no published grade" in verify_file(saved(tmp_path, content), key_file).said_en
    assert by_stranger(saved(tmp_path, content), key_file).returncode == 0


def test_batch__bidders_of_a_tender__are_one_answer_under_one_head(ask, key_file, tmp_path):
    codes = [A, NOBODY, *CODES[1:]]
    content = ask("/v1/certificates", params={"codes": ",".join(codes), "as_of": "2026-11-01"}).json()
    assert [one["uscc"] for one in content["enterprises"]] == codes and "tree_head" in content
    verified = verify_file(saved(tmp_path, content), key_file)
    assert verified.said_en.count("no later one was in force") == len(CODES) and NOBODY in verified.said_en
    assert by_stranger(saved(tmp_path, content), key_file).returncode == 0
    service.service().log.flush()
    with connect("pc_publishing") as connection:
        logged = connection.execute(
            "select path from publishing.access_log where path like '/v1/certificates/%%'"
        ).fetchall()
    assert {row[0] for row in logged} >= {f"/v1/certificates/{code}" for code in codes}
    for wrong in ("", A + ",", f"{A},{A}", A[:-1] + "!", ",".join(["x"] * 201)):
        answer = ask("/v1/certificates", params={"codes": wrong})
        assert answer.status_code == 422 and answer.json()["errors"][0]["parameter"] == "codes", wrong


def test_stranger__every_kind_of_file__is_verified_with_openssl_alone(ask, key_file, tmp_path):
    for path in (
        f"/v1/grades/{A}/certificate?as_of=2026-10-31",
        "/v1/lists/2026-Q4",
        "/v1/lists/publication-3",
        f"/v1/log/inclusion/{A}?version_no=1",
        "/v1/log/consistency?first=16",
    ):
        ran = by_stranger(saved(tmp_path, ask(path).text), key_file)
        assert ran.returncode == 0, (path, ran.stderr)
    assert (
        "replaced from 2026-11-01"
        in by_stranger(saved(tmp_path, ask(f"/v1/log/inclusion/{A}?version_no=1").text), key_file).stdout
    )
    assert len(VERIFIER.read_text(encoding="utf-8").splitlines()) <= 150


def test_inclusion__old_format__counts_from_1_and_new_from_0(ask, key_file, tmp_path):
    deprecated = ask(f"/v1/log/inclusion/{A}?version_no=1&format=1")
    current = ask(f"/v1/log/inclusion/{A}?version_no=1")
    assert deprecated.headers["deprecation"].startswith("@") and "deprecation" not in current.headers  # RFC 9745
    old, new = deprecated.json(), current.json()
    assert (old["format"], new["format"]) == ("property-credit-inclusion/1", "property-credit-inclusion/2")
    assert old["leaf_index"] == new["leaf_index"] + 1 and old["proof"] == new["proof"]
    assert "does not say" in verify_file(saved(tmp_path, old), key_file).remarks[0][1]
    assert "version 2 binds" in verify_file(saved(tmp_path, new), key_file).remarks[0][1]


def test_map__after_each_publication__is_what_the_documents_alone_give(ask):
    """Whoever has every published document can rebuild the log and the map, and finds the signed roots."""
    names = [one["list_id"] for one in reversed(ask("/v1/lists").json()["lists"])]
    leaves, histories = [], {}
    for name in names:
        published = ask(f"/v1/lists/{name}").json()
        for entry in published["document"]["entries"]:
            leaf = merkle.leaf_hash(roots.canonical(entry))
            leaves.append(leaf)
            known = histories.setdefault(entry["uscc"], [])
            if entry["version_no"] == len(known) + 1:
                known.append([entry["version_no"], entry["valid_from"], leaf.hex()])
        head = published["tree_head"]["head"]
        assert merkle.PublishedTree(leaves).root().hex() == head["root"]
        rebuilt = log.map_of((code, roots.canonical(one).decode()) for code, one in histories.items())
        assert (rebuilt.root.hex(), len(rebuilt)) == (head["map_root"], head["map_size"])


def test_answer__a_second_time__comes_from_memory_with_the_same_bytes(ask, monkeypatch):
    path = f"/v1/grades/{C}/certificate?as_of=2026-11-01"
    first = ask(path)
    monkeypatch.setattr(service.service().store, "_max_age", 60.0)
    monkeypatch.setattr(service.service(), "fetch", None)
    again = ask(path)
    assert (again.content, again.headers["etag"], again.headers["data-as-of"]) == (
        first.content,
        first.headers["etag"],
        "2026-11-01",
    )


# --- forgeries: each with a reason, by our verifier and by the stranger's


def flipped(text: str) -> str:
    return ("0" if text[0] != "0" else "1") + text[1:]


def resigned(content: dict, key: Ed25519PrivateKey, part: str = "tree_head") -> dict:
    """Sign a head again by a key of the forger's."""
    signed = content[part]
    signed["signature"]["value"] = b64encode(key.sign(roots.canonical(signed["head"]))).decode()
    return content


def forged_certificates(content: dict, other: dict, absent: dict, stale: dict):
    """Every way to let a certificate say something else: name → changed file.

    ``stale``: what a certificate of the first night says, given out for a day after the veto.
    """

    def changed(change):
        forged = copy.deepcopy(content)
        change(forged, forged["enterprises"][0])
        return forged

    thief = Ed25519PrivateKey.generate()
    one = content["enterprises"][0]
    yield "a better grade", changed(lambda f, i: i["entry"].update(grade="AA"))
    yield "another name", changed(lambda f, i: i["entry"].update(enterprise_name="别家"))
    yield "another status", changed(lambda f, i: i["entry"].update(status_code="not_rated"))
    yield "another first day", changed(lambda f, i: i["entry"].update(valid_from="2026-01-01"))
    yield "another number", changed(lambda f, i: i["entry"].update(version_no=2))
    yield "a later day", changed(lambda f, i: f.update(as_of="2026-11-05"))
    yield "a day after its log ends", stale
    yield "nobody", changed(lambda f, i: f.update(enterprises=[]))
    yield "an earlier day", changed(lambda f, i: f.update(as_of="2026-10-01"))
    yield "another enterprise", changed(lambda f, i: i.update(uscc=B))
    yield "another's entry", changed(lambda f, i: i.update(entry=other["enterprises"][0]["entry"]))
    yield "history cut short", changed(lambda f, i: i["history"].pop())
    yield "history with a later first day", changed(lambda f, i: i["history"][1].__setitem__(1, "2026-12-01"))
    yield "history turned round", changed(lambda f, i: i["history"].reverse())
    yield "history of another leaf", changed(lambda f, i: i["history"][0].__setitem__(2, "00" * 32))
    yield "no history", changed(lambda f, i: i.update(history=[], entry=None))
    yield "no entry", changed(lambda f, i: i.update(entry=None))
    yield (
        "absent by another's proof",
        changed(lambda f, i: i.update(history=[], entry=None, map_proof=absent["enterprises"][0]["map_proof"])),
    )
    yield (
        "absent by its own leaf",
        changed(
            lambda f, i: i.update(
                history=[],
                entry=None,
                map_proof={
                    "siblings": i["map_proof"]["siblings"],
                    "other": {
                        "key": prefix_map.key_of(A).hex(),
                        "value": __import__("hashlib").sha256(roots.canonical(one["history"])).hexdigest(),
                    },
                },
            )
        ),
    )
    yield "map proof of another", changed(lambda f, i: i.update(map_proof=other["enterprises"][0]["map_proof"]))
    yield "map proof shortened", changed(lambda f, i: i["map_proof"]["siblings"].pop())
    yield (
        "map proof changed",
        changed(lambda f, i: i["map_proof"]["siblings"].__setitem__(0, flipped(i["map_proof"]["siblings"][0]))),
    )
    yield "map root of its own", changed(lambda f, i: f["tree_head"]["head"].update(map_root="ab" * 32))
    yield "leaf index", changed(lambda f, i: i.update(leaf_index=i["leaf_index"] + 1))
    yield "leaf index below zero", changed(lambda f, i: i.update(leaf_index=-1))
    yield "inclusion path shortened", changed(lambda f, i: i["proof"]["path"].pop())
    yield (
        "inclusion path changed",
        changed(lambda f, i: i["proof"]["path"].__setitem__(0, flipped(i["proof"]["path"][0]))),
    )
    yield "what it replaces", changed(lambda f, i: i.update(supersedes=other["enterprises"][0]["entry"]))
    yield "head: root", changed(lambda f, i: f["tree_head"]["head"].update(root="cd" * 32))
    yield "head: size", changed(lambda f, i: f["tree_head"]["head"].update(tree_size=1))
    yield "head: day", changed(lambda f, i: f["tree_head"]["head"].update(as_of="2027-01-01"))
    yield "head signed by a thief", resigned(changed(lambda f, i: i["entry"].update(grade="AA")), thief)
    yield "head without signature", changed(lambda f, i: f["tree_head"]["signature"].update(value=""))
    yield "head under another key's name", changed(lambda f, i: f["tree_head"]["signature"].update(key_id="0" * 32))


def test_certificate__forged__is_refused_with_a_reason_by_both_verifiers(ask, key_file, tmp_path):
    content, other, absent = certificate(ask), certificate(ask, B), certificate(ask, NOBODY)
    first = ask("/v1/lists/publication-1").json()
    with connect("pc_api") as connection:
        histories = connection.execute(log.HISTORIES, {"tree_size": first["tree_head"]["head"]["tree_size"]}).fetchall()
    stale, item = copy.deepcopy(content) | {"tree_head": first["tree_head"]}, content["enterprises"][0]
    tree = merkle.PublishedTree(merkle.leaf_hash(roots.canonical(one)) for one in first["document"]["entries"])
    map_proof = log.map_of(histories).prove(prefix_map.key_of(A))
    stale["enterprises"] = [
        item | {"history": item["history"][:1], "map_proof": map_proof, "proof": tree.prove_inclusion(1)}
    ]
    assert (
        verify_file(saved(tmp_path, stale), key_file) and by_stranger(saved(tmp_path, stale), key_file).returncode == 0
    )
    stale["as_of"] = "2026-11-05"
    count = 0
    for name, forged in forged_certificates(content, other, absent, stale):
        path = saved(tmp_path, forged)
        with pytest.raises((VerificationError, UnreadableError)) as refused:
            print(name, verify_file(path, key_file))
        assert str(refused.value), name
        if name not in ("head under another key's name",):  # the stranger knows one key, whatever it is called
            ran = by_stranger(path, key_file)
            assert ran.returncode == 1 and "NOT VERIFIED" in ran.stderr, (name, ran.stdout)
        count += 1
    assert count == 34


def forged_others(ask):
    """Lists, heads and proofs that say something else: name → changed file."""
    listed, earlier = ask("/v1/lists/2026-Q4").json(), ask("/v1/lists/publication-1").json()
    proof, grown = ask(f"/v1/log/inclusion/{A}?version_no=1").json(), ask("/v1/log/consistency?first=16").json()

    def changed(content, change):
        forged = copy.deepcopy(content)
        change(forged)
        return forged

    yield "list: grade", changed(listed, lambda f: f["document"]["entries"][0].update(grade="AA"))
    yield "list: entry left out", changed(listed, lambda f: f["document"]["entries"].pop())
    yield "list: entries turned round", changed(listed, lambda f: f["document"]["entries"].reverse())
    yield "list: name", changed(listed, lambda f: f["document"].update(list_id="2027-Q1"))
    yield "list: day", changed(listed, lambda f: f["document"].update(as_of="2027-01-01"))
    yield "list: another's head", changed(listed, lambda f: f.update(tree_head=earlier["tree_head"]))
    yield "list: frontier", changed(listed, lambda f: f["document"]["tree"]["frontier"].append("00" * 32))
    yield "inclusion: entry", changed(proof, lambda f: f["entry"].update(grade="AA"))
    yield "inclusion: not replaced", changed(proof, lambda f: f["history"].pop())
    yield "inclusion: index", changed(proof, lambda f: f.update(leaf_index=f["leaf_index"] + 1))
    yield (
        "inclusion: counted as the old format does",
        changed(proof, lambda f: f.update(format="property-credit-inclusion/1")),
    )
    yield "consistency: path", changed(grown, lambda f: f["proof"]["path"].pop())
    yield (
        "consistency: heads exchanged",
        changed(grown, lambda f: f.update(first_head=f["second_head"], second_head=f["first_head"])),
    )
    yield "consistency: root", changed(grown, lambda f: f["first_head"]["head"].update(root="00" * 32))


def test_lists_heads_and_proofs__forged__are_refused_with_a_reason_by_both_verifiers(ask, key_file, tmp_path):
    count = 0
    for name, forged in forged_others(ask):
        path, count = saved(tmp_path, forged), count + 1
        with pytest.raises((VerificationError, UnreadableError)) as refused:
            print(name, verify_file(path, key_file))
        assert str(refused.value), name
        if name != "inclusion: counted as the old format does":  # the stranger's knows one format
            ran = by_stranger(path, key_file)
            assert ran.returncode == 1 and "NOT VERIFIED" in ran.stderr, name
    assert count == 14  # with 34 certificates and the six deliveries of test_publishing_adoption: 54 forgeries


def test_verifier__itself_broken__takes_a_forgery(ask, key_file, tmp_path):
    """The proof that the forgeries above are caught by the checks: without the map check one passes."""
    content = certificate(ask)
    content["enterprises"][0]["history"].pop()
    source = VERIFIER.read_text(encoding="utf-8").replace(
        'need(node_hash.hex() == root, "the map', 'need(True, "the map'
    )
    broken = tmp_path / "broken.py"
    broken.write_text(source, encoding="utf-8")
    command = [sys.executable, "-I", "-S", str(broken), str(saved(tmp_path, content)), str(key_file)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_keys__under_test__are_not_those_of_this_machine(ask):
    assert get_settings().keys_dir is not None and signing.folder().parent.name.startswith("certificates")


def test_vectors__in_the_docs__verify_and_break(tmp_path):
    vectors = json.loads((VERIFIER.parent / "vectors.json").read_text(encoding="utf-8"))
    held = tmp_path / "held.key"
    held.write_text(vectors["public_key"])
    assert {"list", "inclusion", "consistency", "certificate", "checkpoint"} == set(vectors["files"])
    for kind, content in vectors["files"].items():
        assert verify_file(saved(tmp_path, content), held).kind == kind
        text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
        broken = (
            text.replace("\n", "\n1", 1) if kind == "checkpoint" else text.replace('"tree_size": ', '"tree_size": 1', 1)
        )
        with pytest.raises((VerificationError, UnreadableError)):
            print(kind, verify_file(saved(tmp_path, broken), held))


def test_pdf__to_print__says_the_same_and_its_code_ties_it_to_the_file(ask):
    path = f"/v1/grades/{A}/certificate?as_of=2026-11-01"
    answer, content = ask(f"{path}&format=pdf"), ask(path).json()
    assert answer.headers["content-type"] == "application/pdf" and answer.headers["data-as-of"] == "2026-11-01"
    text = pypdf.PdfReader(io.BytesIO(answer.content)).pages[0].extract_text()
    head = content["tree_head"]["head"]
    for part in (
        A,
        "物业服务企业信用等级证明",
        "2026-11-01",
        head["root"],
        certificate_pdf.fingerprint(content_of(content)),
    ):
        assert part in text, (part, text)
    code = certificate_pdf.code_text(content_of(content))
    assert f"{A}=2:B" in code and head["root"] in code and len(code) < 600


def content_of(answer: dict) -> dict:
    return {name: value for name, value in answer.items() if name != "data"}


def test_log__another_implementation_of_rfc_9162__has_the_same_root_and_proofs(ask):
    entries = []
    for name in [one["list_id"] for one in reversed(ask("/v1/lists").json()["lists"])]:
        entries += ask(f"/v1/lists/{name}").json()["document"]["entries"]
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for entry in entries:
        tree.append_entry(roots.canonical(entry))
    head = ask("/v1/log/heads?limit=500").json()["heads"][-1]["head"]
    assert tree.get_state().hex() == head["root"] and tree.get_size() == head["tree_size"]
    proof = ask(f"/v1/log/inclusion/{A}?version_no=1").json()
    theirs = tree.prove_inclusion(proof["leaf_index"] + 1)
    pymerkle.verify_inclusion(merkle.leaf_hash(roots.canonical(proof["entry"])), bytes.fromhex(head["root"]), theirs)
    assert [node.hex() for node in theirs.path][1:] == proof["proof"]["path"]


def test_bulk__files_of_a_list__are_whole_resumable_and_signed(ask, key_file, tmp_path):
    manifest = ask("/v1/lists/2026-Q4/files").json()
    entries = ask("/v1/lists/2026-Q4").json()["document"]["entries"]
    files = {}
    for one in manifest["manifest"]["files"]:
        address = f"/v1/lists/2026-Q4/files/{one['name']}"
        whole = ask(address)
        tag = whole.headers["etag"]
        assert (len(whole.content), tag) == (one["bytes"], f'"{one["sha256"]}"')
        half = one["bytes"] // 2
        rest = ask(address, headers={"Range": f"bytes={half}-", "If-Range": tag})
        assert (rest.status_code, whole.content[:half] + rest.content) == (206, whole.content)
        assert rest.headers["content-range"] == f"bytes {half}-{one['bytes'] - 1}/{one['bytes']}"
        assert ask(address, headers={"Range": "bytes=0-1", "If-Range": '"older"'}).content == whole.content
        assert ask(address, headers={"Range": "bytes=-5"}).content == whole.content[-5:]
        assert ask(address, headers={"If-None-Match": tag}).status_code == 304
        for wrong in ("bytes=99999999-", "bytes=5-2", "bytes=-", "bytes=0-1,3-4", "pages=1-2", "bytes=-0"):
            assert ask(address, headers={"Range": wrong}).status_code == 416, wrong
        files[one["name"]] = tmp_path / one["name"]
        files[one["name"]].write_bytes(whole.content)
    assert [json.loads(line) for line in files["2026-Q4.jsonl"].read_bytes().splitlines()] == entries
    for frame in (pl.read_csv(files["2026-Q4.csv"], try_parse_dates=True), pl.read_parquet(files["2026-Q4.parquet"])):
        assert frame["uscc"].to_list() == [one["uscc"] for one in entries]
        assert frame["valid_from"].dtype == pl.Date and frame["enterprise_name"][0] == entries[0]["enterprise_name"]
    path = saved(tmp_path, manifest)
    assert "files checked: 2026-Q4.jsonl, 2026-Q4.csv" in verify_file(path, key_file, data=list(files.values())).said_en
    files["2026-Q4.csv"].write_bytes(files["2026-Q4.csv"].read_bytes().replace(b",A,", b",B,", 1))
    with pytest.raises(VerificationError, match="is not the file that was published"):
        verify_file(path, key_file, data=[files["2026-Q4.csv"]])
    manifest["manifest"]["files"][1]["sha256"] = "0" * 64
    with pytest.raises(VerificationError, match="another manifest"):
        verify_file(saved(tmp_path, manifest), key_file)
    for nothing in ("2026-Q4/files/x.csv", "2026-Q4/files/%00", "%00/files/2026-Q4.csv"):
        assert ask(f"/v1/lists/{nothing}").status_code == 404


def test_format_1__files_of_before_it_ended__go_on_verifying(tmp_path):
    """Files that were published and saved before heads carried a map, and leaves were counted from 0."""
    kept = json.loads((Path(__file__).parent / "golden" / "published_format_1.json").read_text(encoding="utf-8"))
    held = tmp_path / "held.key"
    held.write_text(kept["public_key"])
    assert kept["files"]["list"]["document"]["format"] == "property-credit-list/1"
    assert kept["files"]["inclusion"]["format"] == "property-credit-inclusion/1"
    for kind, content in kept["files"].items():
        assert verify_file(saved(tmp_path, content), held).kind == kind
    kept["files"]["inclusion"]["leaf_index"] -= 1  # as the new format would count
    with pytest.raises(VerificationError, match="inclusion proof does not hold"):
        verify_file(saved(tmp_path, kept["files"]["inclusion"]), held)
