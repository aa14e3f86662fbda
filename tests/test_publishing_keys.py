"""A stolen key, holders and thresholds, encrypted files, witnesses and views of the log: by the commands people use."""

import copy
import hashlib
import json
from base64 import b64decode, b64encode
from datetime import date

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi.testclient import TestClient
from grade_rows import add_run, by_veto, uscc
from typer.testing import CliRunner

from property_credit.cli import output
from property_credit.cli.main import app
from property_credit.publishing import api, api_keys, merkle, messages, notes, roots, service, signing
from property_credit.publishing.errors import PublishingError
from property_credit.publishing.publish import publish
from property_credit.publishing.verify import VerificationError, verify_file
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings
from simulation import sandbox

NIGHTS = [date(2026, 10, 30), date(2026, 10, 31), date(2026, 11, 1)]
CODES = [uscc(n) for n in range(5)]


@pytest.fixture
def ask(warehouse_database, monkeypatch, tmp_path):
    """A night published under a first key, asked by a tendering key."""
    monkeypatch.setenv("KEYS_DIR", str(tmp_path / "keys"))
    get_settings.cache_clear()
    night(0, "A")
    monkeypatch.setattr(service.CURRENT, "service", service.Service(today=lambda: NIGHTS[2], max_age_seconds=0))
    key = api_keys.issue(scope="tendering", name="测试", rate_per_minute=100_000).text
    yield TestClient(api.served, headers={"Authorization": f"Bearer {key}"}).get
    service.service().close()


def night(number: int, grade: str) -> None:
    run = add_run(NIGHTS[number], {code: by_veto(grade, f"V{number}") for code in CODES})
    publish(run, NIGHTS[number])


def run(*arguments, code: int = 0) -> str:
    ran = CliRunner().invoke(app, [str(one) for one in arguments])
    assert ran.exit_code == code, ran.output
    return " ".join(ran.output.split())


def saved(tmp_path, content, name="saved.json"):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


def sign(key: Ed25519PrivateKey, document) -> str:
    return b64encode(key.sign(roots.canonical(document))).decode()


def public_of(key: Ed25519PrivateKey) -> str:
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return b64encode(raw).decode()


def forged_list(content: dict, key: Ed25519PrivateKey, key_id: str) -> dict:
    """A list that says AA, whole and signed as ours are, by a key that was stolen."""
    forged = copy.deepcopy(content)
    document, head = forged["document"], forged["tree_head"]["head"]
    for entry in document["entries"]:
        entry["grade"] = "AA"
    leaves = [merkle.leaf_hash(roots.canonical(entry)) for entry in document["entries"]]
    document["tree"]["root"] = head["root"] = merkle.root_of(
        document["tree"]["frontier"], document["tree"]["first_leaf"], leaves
    )
    head["document_sha256"] = hashlib.sha256(roots.canonical(document)).hexdigest()
    for signed, what in ((forged["signature"], document), (forged["tree_head"]["signature"], head)):
        signed.update(key_id=key_id, value=sign(key, what))
    return forged


@pytest.fixture
def stolen(ask, tmp_path):
    """The first key is stolen, and revoked by the command; gives the thief's copy and what readers hold."""
    before = ask("/v1/public-keys").json()
    old = before["keys"][0]
    thief = serialization.load_pem_private_key((tmp_path / "keys" / f"{old['key_id']}.pem").read_bytes(), None)
    early = ask("/v1/lists/2026-Q4").json()
    night(1, "B")
    run("signing-keys", "revoke", "--stolen-on", "2026-10-31", "--reason", "laptop stolen")
    after = ask("/v1/public-keys").json()
    return {
        "thief": thief,
        "old_id": old["key_id"],
        "early": early,
        "new_only": saved(tmp_path, after["keys"][-1]["public_key"], "new.key"),
        "old_only": saved(tmp_path, old["public_key"], "old.key"),
        "keys_after": saved(tmp_path, after, "after.json"),
        "keys_before": saved(tmp_path, {"roots": before["roots"]}, "before.json"),
    }


def test_stolen_key__new_lists_under_it__are_refused_whatever_they_bring_along(ask, stolen, tmp_path):
    fresh = ask("/v1/lists/publication-2").json()
    forged = forged_list(stolen["early"], stolen["thief"], stolen["old_id"])
    accomplice = Ed25519PrivateKey.generate()
    public = public_of(accomplice)
    step = {"key_id": roots.key_id_of(public), "public_key": public, "previous_key_id": stolen["old_id"]}
    said = {name: step[name] for name in ("key_id", "public_key", "previous_key_id")}
    statement = {"format": "property-credit-key/1", **said}
    step |= {"previous_signature": sign(stolen["thief"], statement), "signature": sign(accomplice, statement)}
    own_root = copy.deepcopy(fresh["roots"][-1])
    own_root["root"] |= {
        "version": own_root["root"]["version"] + 1,
        "past": [],
        "previous_sha256": roots.digest(own_root["root"]),
    }
    own_root["root"]["signing"] = {"key_id": stolen["old_id"], "public_key": public_of(stolen["thief"])}
    own_root["signatures"] = [{"key_id": stolen["old_id"], "value": sign(stolen["thief"], own_root["root"])}]
    anchored = forged_list(stolen["early"], stolen["thief"], stolen["old_id"])
    anchored["tree_head"]["anchor"] = ask("/v1/lists/2026-Q4").json()["tree_head"]["anchor"]
    forgeries = {
        "bare": forged,
        "without root documents": forged | {"roots": []},
        "with the true keys and roots": forged | {"keys": fresh["keys"], "roots": fresh["roots"]},
        "with the place of a true head": anchored | {"keys": fresh["keys"], "roots": fresh["roots"]},
        "with a root document of the thief's": forged | {"keys": fresh["keys"], "roots": [*fresh["roots"], own_root]},
        "handed over to an accomplice": forged_list(stolen["early"], accomplice, step["key_id"])
        | {"keys": [*fresh["keys"], step], "roots": fresh["roots"]},
        "of the old format": forged_list(
            stolen["early"] | {"document": stolen["early"]["document"] | {"format": "property-credit-list/1"}},
            stolen["thief"],
            stolen["old_id"],
        ),
    }
    for what, content in forgeries.items():
        for held in ("new_only", "keys_after"):
            with pytest.raises(
                VerificationError, match="nothing ties it|counts only with|none of the heads"
            ) as refused:
                print(what, held, verify_file(saved(tmp_path, content), stolen[held]))
            assert str(refused.value)
    verify_file(saved(tmp_path, forgeries["without root documents"]), stolen["old_only"])  # who holds only the old key


def test_stolen_key__lists_of_before__stay_good_by_their_place_in_the_log(ask, stolen, tmp_path):
    for name in ("publication-1", "2026-Q4", "publication-2"):
        again = ask(f"/v1/lists/{name}").json()
        for held in ("new_only", "keys_after", "keys_before"):
            assert verify_file(saved(tmp_path, again), stolen[held]).kind == "list"
    with pytest.raises(VerificationError, match="fetch the file again"):
        verify_file(saved(tmp_path, stolen["early"]), stolen["new_only"])
    verify_file(saved(tmp_path, stolen["early"]), stolen["old_only"])
    night(2, "A")
    for path in ("/v1/lists/publication-3", f"/v1/grades/{CODES[0]}/certificate", "/v1/log/consistency?first=5"):
        verify_file(saved(tmp_path, ask(path).json()), stolen["new_only"])
    head = ask("/v1/lists").json()["lists"]
    assert [one["list_id"] for one in head][::-1] == [
        "publication-1",
        "2026-Q4",
        "publication-2",
        "keys-2",
        "publication-3",
    ]
    assert ask("/v1/public-keys").json()["keys"][0]["status"] == "revoked"


def test_stolen_key__certificate__is_under_the_new_key_at_once(ask, stolen, tmp_path):
    content = ask(f"/v1/grades/{CODES[0]}/certificate", params={"as_of": "2026-10-31"}).json()
    assert content["tree_head"]["head"]["list_id"] == "keys-2"
    assert "version 1 (A" in verify_file(saved(tmp_path, content), stolen["new_only"]).said_en


def test_stolen_key__deliveries_under_it__are_refused_by_a_receiver(ask, stolen, tmp_path):
    known = sandbox.PublicKeys(tmp_path / "keys" / signing.PUBLIC_FILE).known()
    assert list(known) == [ask("/v1/public-keys").json()["keys"][-1]["key_id"]]
    with connect("pc_publishing") as connection:
        now = signing.current(connection)
    for key, is_taken in ((signing.SigningKey(stolen["old_id"], stolen["thief"]), False), (now, True)):
        request = httpx.Request(
            "POST",
            "http://r.example/v1/grades",
            headers={"Idempotency-Key": "t/1", "Content-Type": "application/json"},
            content=b"{}",
        )
        messages.sign(request, b"{}", key)
        assert (messages.problem_with_signature(request, b"{}", known) is None) == is_taken


def test_root__next_one__needs_thresholds_of_the_old_and_the_new_holders(ask, tmp_path):
    public = {
        name: run("signing-keys", "new-root-key", tmp_path / f"{name}.pem").split()[0]
        for name in ("甲", "乙", "丙", "贼")
    }
    holders = [part for name in ("甲", "乙", "丙") for part in ("--holder", f"{name}={public[name]}")]
    said = run("signing-keys", "root", "--threshold", 2, *holders, "--root-key", tmp_path / "甲.pem", code=2)
    assert "2 of the holders 甲, 乙, 丙 must sign, and 1 of their private keys" in said
    run(
        "signing-keys",
        "root",
        "--threshold",
        2,
        *holders,
        "--root-key",
        tmp_path / "甲.pem",
        "--root-key",
        tmp_path / "乙.pem",
    )
    said = run("signing-keys", "rotate", "--reason", "yearly", code=2)
    assert "0 of their private keys are here" in said
    thieves = ["--root-key", tmp_path / "贼.pem", "--root-key", tmp_path / "甲.pem"]
    assert "1 of their private keys" in run("signing-keys", "rotate", "--reason", "mine", *thieves, code=2)
    run(
        "signing-keys",
        "rotate",
        "--reason",
        "yearly",
        "--root-key",
        tmp_path / "丙.pem",
        "--root-key",
        tmp_path / "甲.pem",
    )
    documents = ask("/v1/public-keys").json()["roots"]
    assert [one["root"]["version"] for one in documents] == [1, 2, 3]
    for before, after in zip([None, *documents], documents, strict=False):
        assert roots.problem_with(after, before and before["root"]) is None
    lone = copy.deepcopy(documents[2])
    lone["signatures"] = lone["signatures"][:1]
    assert "not signed by the threshold of its own holders" in roots.problem_with(lone, documents[1]["root"])
    ours = copy.deepcopy(documents[1])
    ours["signatures"] = [
        one for one in ours["signatures"] if one["key_id"] != documents[0]["root"]["root"]["keys"][0]["key_id"]
    ]
    assert "of the holders of root 1" in roots.problem_with(ours, documents[0]["root"])
    skipped = copy.deepcopy(documents[2])
    assert "does not follow root 1" in roots.problem_with(skipped, documents[0]["root"])
    assert roots.newest([documents[0]], [lone, ours])["version"] == 1
    assert roots.newest([documents[0]], documents)["version"] == 3


def test_rotation__ordinary__is_followed_forward_by_the_old_key_and_back_by_place(ask, tmp_path):
    old = saved(tmp_path, ask("/v1/public-keys").json()["keys"][0]["public_key"], "old.key")
    run("signing-keys", "rotate", "--reason", "yearly")
    night(1, "B")
    new = saved(tmp_path, ask("/v1/public-keys").json()["keys"][-1]["public_key"], "new.key")
    for name in ("2026-Q4", "publication-2"):
        for held in (old, new):
            verify_file(saved(tmp_path, ask(f"/v1/lists/{name}").json()), held)


def test_files__encrypted__sign_with_the_passphrase_only(ask, monkeypatch, tmp_path):
    assert "set KEYS_PASSPHRASE" in run("signing-keys", "encrypt", code=2)
    monkeypatch.setenv("KEYS_PASSPHRASE", "一个长口令")
    get_settings.cache_clear()
    assert "2 private files" in run("signing-keys", "encrypt")
    for path in [*(tmp_path / "keys").glob("*.pem"), *(tmp_path / "keys" / "root").glob("*.pem")]:
        assert b"ENCRYPTED" in path.read_bytes() and path.stat().st_mode & 0o777 == 0o600
    night(1, "B")
    made = add_run(NIGHTS[2], {code: {"grade": "A"} for code in CODES})
    for wrong in ("", "another"):
        monkeypatch.setenv("KEYS_PASSPHRASE", wrong)
        get_settings.cache_clear()
        with pytest.raises(PublishingError, match="KEYS_PASSPHRASE"):
            publish(made, NIGHTS[2])


def test_holders__each_with_a_passphrase_of_its_own__sign_together_at_a_terminal(ask, monkeypatch, tmp_path):
    public = {}
    for name in ("甲", "乙"):
        monkeypatch.setenv("KEYS_PASSPHRASE", name)
        get_settings.cache_clear()
        public[name] = run("signing-keys", "new-root-key", tmp_path / f"{name}.pem").split()[0]
    monkeypatch.delenv("KEYS_PASSPHRASE")
    get_settings.cache_clear()
    change = ["signing-keys", "root", "--threshold", 2]
    for name in public:
        change += ["--holder", f"{name}={public[name]}", "--root-key", tmp_path / f"{name}.pem"]
    assert "set KEYS_PASSPHRASE" in run(*change, code=2)  # nobody sits there
    monkeypatch.setattr(output, "passphrase_of", lambda: lambda path: path.stem)
    run(*change)
    keys = [part for name in public for part in ("--root-key", tmp_path / f"{name}.pem")]
    assert "signs now" in run("signing-keys", "rotate", "--reason", "试", *keys)
    monkeypatch.setattr(output, "passphrase_of", lambda: lambda path: "wrong")
    assert "cannot be read" in run("signing-keys", "rotate", "--reason", "试", *keys, code=2)


def test_witnesses__two_of_three__cosign_and_a_split_view_is_told(ask, tmp_path):
    names = ("财政", "市场监管", "交易中心")
    public = {name: run("signing-keys", "new-root-key", tmp_path / f"{name}.pem").split()[0] for name in names}
    named = [part for name in names for part in ("--witness", f"{name}={public[name]}")]
    run("signing-keys", "root", "--threshold", 1, "--witness-threshold", 2, *named)
    held = saved(tmp_path, ask("/v1/public-keys").json(), "held.json")

    def cosign(name: str, note, *more, code=0) -> str:
        state = tmp_path / f"{name}.state"
        return run(
            "witness", "cosign", note, "--public-key", held, "--key", tmp_path / f"{name}.pem", "--name", name,
            "--state", state, *more, code=code,
        )  # fmt: skip

    first = saved(tmp_path, ask("/v1/log/checkpoint").text, "checkpoint")
    assert "2 witnesses must cosign a checkpoint, and 0 did" in run("verify", first, "--public-key", held, code=1)
    for name in names[:2]:
        run("witness", "add", saved(tmp_path, cosign(name, first), "line"))
    cosigned = saved(tmp_path, ask("/v1/log/checkpoint?cosigned=1").text, "cosigned")
    assert "财政" in run("verify", cosigned, "--public-key", held)
    assert verify_file(cosigned, held).cosigned_by == tuple(sorted(names[:2]))
    changed = cosigned.read_text().replace("\nmap ", "\nmap A", 1)
    run("verify", saved(tmp_path, changed, "changed"), "--public-key", held, code=2)
    size = notes.read(first.read_text()).size
    night(1, "B")
    grown = saved(tmp_path, ask("/v1/log/checkpoint").text, "grown")
    assert "give --proof" in cosign("财政", grown, code=1)
    proof = saved(tmp_path, ask(f"/v1/log/consistency?first={size}").text, "proof.json")
    cosign("财政", grown, "--proof", proof)
    assert "older than the kept one" in cosign("财政", first, code=1)
    # the log's own key shows somebody else another log of the same size
    checkpoint = notes.read(grown.read_text())
    with connect("pc_publishing") as connection:
        key = signing.current(connection)
    other = notes.text_of(checkpoint.origin, checkpoint.size, "ab" * 32, checkpoint.map_root)
    split = saved(tmp_path, notes.signed(other, checkpoint.origin, key.private), "split")
    assert "SPLIT VIEW" in cosign("财政", split, code=1) and len(list(tmp_path.glob("财政.state.split-view-*"))) == 1
    forged = saved(tmp_path, ask(f"/v1/log/consistency?first={size}").json() | {"proof": {"path": []}}, "forged.json")
    assert "consistency proof does not hold" in cosign("市场监管", grown, "--proof", forged, code=1)
    thief = Ed25519PrivateKey.generate()
    assert "cannot be read" in cosign("交易中心", tmp_path / "none", code=2)
    assert "cannot be read" in run("witness", "add", tmp_path / "none", code=2)
    line = notes.cosign(checkpoint, "交易中心", thief, 1)
    assert "no cosignature of one of our checkpoints" in run("witness", "add", saved(tmp_path, line, "line"), code=2)


def test_kept_head__another_view_of_the_same_log__is_told(ask, tmp_path):
    held = saved(tmp_path, ask("/v1/public-keys").json(), "held.json")
    kept = saved(tmp_path, ask("/v1/lists/2026-Q4").json(), "kept.json")
    size = json.loads(kept.read_text())["tree_head"]["head"]["tree_size"]
    night(1, "B")
    run(
        "verify", saved(tmp_path, ask(f"/v1/log/consistency?first={size}").json()), "--public-key", held, "--kept", kept
    )
    said = run(
        "verify", saved(tmp_path, ask("/v1/lists/publication-2").json()), "--public-key", held, "--kept", kept, code=1
    )
    assert f"consistency?first={size}" in said
    with connect("pc_publishing") as connection:
        key = signing.current(connection)
    forged = forged_list(json.loads(kept.read_text()), key.private, key.key_id)  # ours, but another view
    said = run("verify", saved(tmp_path, forged), "--public-key", held, "--kept", kept, code=1)
    assert "SPLIT VIEW" in said


def test_tiles__of_the_log__give_its_root_and_its_entries(ask):
    checkpoint = notes.read(ask("/v1/log/checkpoint").text)
    size = checkpoint.size
    tile = ask(f"/v1/log/tile/0/000.p/{size}").content
    hashes = [tile[at : at + 32] for at in range(0, len(tile), 32)]
    assert merkle.PublishedTree(hashes).root().hex() == checkpoint.root
    bundle, entries = ask(f"/v1/log/tile/entries/000.p/{size}").content, []
    while bundle:
        length = int.from_bytes(bundle[:2])
        entries.append(bundle[2 : 2 + length])
        bundle = bundle[2 + length :]
    assert [merkle.leaf_hash(entry) for entry in entries] == hashes
    held = ask("/v1/public-keys").json()["keys"][0]["public_key"]
    hashed = b64decode(checkpoint.lines[0].split(" ")[2])[:4]
    assert hashed == hashlib.sha256(checkpoint.origin.encode() + b"\n\x01" + b64decode(held)).digest()[:4]
    for wrong in (
        "0/000",
        f"0/000.p/{size + 1}",
        "0/1",
        "9/000.p/1",
        "0/x000/000.p/1",
        "entries/000",
        "0/000.p/0",
        "0/000.p/01",
        "x/000",
    ):
        answer = ask(f"/v1/log/tile/{wrong}")
        assert (answer.status_code, answer.json()["type"].rpartition(":")[2]) == (404, "no-tile"), wrong
    assert ask(f"/v1/log/tile/0/000.p/{size}", headers={"Authorization": ""}).status_code == 401
    assert ask("/v1/log/checkpoint?x=1").status_code == 422
