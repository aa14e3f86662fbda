"""Case files: what is in one, who may ask for it, and that every forged file in it is refused."""

import json
import re
import zipfile
from datetime import timedelta
from decimal import Decimal

import pytest
from region_pages import NIGHT, database_of
from typer.testing import CliRunner
from workbench_world import make_case, owner_sees, send, token_of, world_of

from property_credit.cli.main import app
from property_credit.night import case_files
from property_credit.publishing import case_file, signing
from property_credit.publishing.errors import PublishingError
from property_credit.publishing.roots import canonical
from property_credit.publishing.verify import VerificationError, verify_file
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings
from property_credit.workbench import case_files as asked_for

DAY = NIGHT + timedelta(days=1)
PHONE = "13904720001"


@pytest.fixture(scope="module")
def world(graded_region, tmp_path_factory):
    with database_of(graded_region), pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKBENCH_DAY", "nights")
        patch.setenv("ATTACHMENTS_DIR", str(tmp_path_factory.mktemp("attachments")))
        get_settings.cache_clear()
        yield world_of()
    get_settings.cache_clear()


@pytest.fixture(scope="module")
def bundle(world, tmp_path_factory):
    """A case file of an enterprise with a decided objection whose text names a telephone number."""
    made = make_case(world, "decided")
    owner = "alter table workbench.acts disable trigger all"  # no act says a number by itself in this region
    with connect() as connection:
        connection.execute(owner)
        connection.execute(
            "update workbench.acts set details = details || %s::jsonb where subject_id = %s and act_code = 'file'",
            (json.dumps({"reason": f"联系电话 {PHONE}，请核查"}, ensure_ascii=False), made),
        )
        connection.execute("alter table workbench.acts enable trigger all")
    path = tmp_path_factory.mktemp("case") / "case.zip"
    path.write_bytes(case_files.make(world.uscc, DAY, replays=False).content)
    return path


@pytest.fixture(scope="module")
def key_file(bundle):
    return signing.folder() / signing.PUBLIC_FILE


def files_of(path):
    with zipfile.ZipFile(path) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def rewritten(tmp_path, files):
    path = tmp_path / "forged.zip"
    with zipfile.ZipFile(path, "w") as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return path


def test_case_file__as_made__holds_every_part_and_is_verified_offline(world, bundle, key_file):
    files = files_of(bundle)
    assert set(files) == {case_file.MANIFEST, *case_file.FILES}
    verdict = verify_file(bundle, key_file)
    assert verdict.kind == "case-file" and world.uscc in verdict.said_zh
    assert any("未附重算" in zh for zh, _en in verdict.remarks)
    parts = {name: json.loads(text) for name, text in files.items() if name.endswith(".json")}
    evidence = parts["evidence.json"]
    assert evidence and any(one["rows"] for one in evidence)
    batches = {row["batch_id"] for one in evidence for row in one["rows"]}
    assert {one["batch_id"] for one in parts["inputs.json"]["batches"]} == batches
    assert [one["act_code"] for one in parts["decisions.json"]["acts"]] == ["file", "mark", "forward", "decide"]
    assert parts["notices.json"]["deliveries"], "the grade's own place in the outbox"
    grade = parts["grade.json"]
    total = sum(Decimal(one["points"]) for one in grade["pillars"]) + Decimal(grade["bonus"]["counted_points"])
    assert total == Decimal(grade["score"]) and "is_key_supervision" not in grade
    page = files["index.html"].decode()
    assert world.uscc in page and "异议不成立" in page and "<script" not in page and "http" not in page


def test_case_file__of_people__names_nobody(world, bundle):
    text = "\n".join(content.decode() for content in files_of(bundle).values())
    people = owner_sees(
        "select distinct unnest(array[reporter_name, reporter_phone]) from raw.complaints "
        "where reporter_name is not null"
    )
    known = [value for (value,) in people if value and len(value) > 2]
    assert len(known) > 50 and not [value for value in known if value in text]
    assert PHONE not in text and case_files.STRUCK_OUT in text
    assert not [name for name in world.secrets if f'"{name}"' in text], "accounts are known by their codes"


@pytest.mark.parametrize("name", [*case_file.FILES, case_file.MANIFEST])
def test_case_file__with_one_file_changed__is_refused(bundle, key_file, tmp_path, name):
    files = files_of(bundle)
    if name == case_file.MANIFEST:
        signed = json.loads(files[name])
        signed["manifest"]["grade"] = "AAA"
        files[name] = json.dumps(signed).encode()
    else:
        files[name] = files[name] + b" "
    with pytest.raises(VerificationError):
        verify_file(rewritten(tmp_path, files), key_file)


@pytest.mark.parametrize("name", case_file.FILES)
def test_case_file__with_a_changed_file_and_its_hash__is_refused_by_the_signature(bundle, key_file, tmp_path, name):
    files = files_of(bundle)
    files[name] += b"\n"
    signed = json.loads(files[case_file.MANIFEST])
    for one in signed["manifest"]["files"]:
        if one["name"] == name:
            one["bytes"], one["sha256"] = len(files[name]), case_file.hashlib.sha256(files[name]).hexdigest()
    files[case_file.MANIFEST] = json.dumps(signed).encode()
    with pytest.raises(VerificationError, match="changed after it was signed"):
        verify_file(rewritten(tmp_path, files), key_file)


def test_case_file__signed_by_a_stranger_who_brings_his_key__is_refused(bundle, key_file, tmp_path):
    signing.make_root_key(tmp_path / "stranger.pem")
    stranger = signing.read_file(tmp_path / "stranger.pem")
    files = files_of(bundle)
    signed = json.loads(files[case_file.MANIFEST])
    signed["signature"] |= {"key_id": stranger.key_id, "value": stranger.sign(canonical(signed["manifest"]))}
    public = case_file.json.loads(json.dumps(signed["keys"][-1])) | {"key_id": stranger.key_id}
    signed["keys"].append(public)
    files[case_file.MANIFEST] = json.dumps(signed).encode()
    with pytest.raises(VerificationError, match="nothing ties it"):
        verify_file(rewritten(tmp_path, files), key_file)


@pytest.mark.parametrize("how", ["added", "missing", "twice", "outside"])
def test_case_file__with_other_files__is_refused(bundle, key_file, tmp_path, how):
    files = list(files_of(bundle).items())
    if how == "added":
        files.append(("more.json", b"{}"))
    elif how == "missing":
        files = [one for one in files if one[0] != "notices.json"]
    elif how == "twice":
        files.append(("notices.json", b"{}"))
    else:
        files[-1] = ("../replay.json", files[-1][1])
    path = tmp_path / "odd.zip"
    with zipfile.ZipFile(path, "w") as opened, pytest.MonkeyPatch.context():
        for name, content in files:
            opened.writestr(name, content)
    with pytest.raises(VerificationError, match="missing, added or there twice"):
        verify_file(path, key_file)


RESIGNED = {  # what the maker itself must not have mixed up
    "another grade": ("manifest", lambda files, manifest: manifest.update(grade="AAA", status_code="rated")),
    "another day": ("manifest", lambda files, manifest: manifest.update(as_of="2027-01-01")),
    "another method": ("method.json", lambda files, _: files["method.json"] + b" "),
    "other inputs": ("run.json", lambda files, _: _with(files["run.json"], input_sha256="0" * 64)),
    "another score": ("grade.json", lambda files, _: _with(files["grade.json"], score="99.99")),
    "another run": ("grade.json", lambda files, _: _with(files["grade.json"], run_id="r0")),
    "another replay": ("replay.json", lambda files, _: _with(files["replay.json"], run_id="r0")),
}


def _with(content, **values):
    return json.dumps(json.loads(content) | values).encode()


@pytest.mark.parametrize("what", RESIGNED)
def test_case_file__whose_parts_do_not_fit__is_refused_though_it_is_signed(world, bundle, key_file, tmp_path, what):
    name, change = RESIGNED[what]
    files = files_of(bundle)
    manifest = json.loads(files.pop(case_file.MANIFEST))["manifest"]
    if name == "manifest":
        change(files, manifest)
    else:
        files[name] = change(files, manifest)
    about = {key: value for key, value in manifest.items() if key not in ("format", "files")}
    with connect("pc_publishing") as connection:
        content = case_file.packed(connection, about, files)
    path = tmp_path / "mixed.zip"
    path.write_bytes(content)
    with pytest.raises(VerificationError, match=r"another|not the one|not those|add up"):
        verify_file(path, key_file)


def test_command__makes_and_verifies__and_says_no_to_a_day_without_a_grade(world, tmp_path):
    path = tmp_path / "made.zip"
    asked = ["case-file", world.uscc, "--as-of", str(DAY), "--no-replay", "--out", str(path)]
    run = CliRunner().invoke(app, asked)
    assert run.exit_code == 0, run.output
    assert CliRunner().invoke(app, ["verify", str(path)]).exit_code == 0
    path.write_bytes(path.read_bytes().replace(b"index", b"indeX"))
    assert CliRunner().invoke(app, ["verify", str(path)]).exit_code == 1
    early = CliRunner().invoke(app, ["case-file", world.uscc, "--as-of", "2020-01-01"])
    assert early.exit_code in (1, 2) and "no published grade" in early.output
    assert CliRunner().invoke(app, ["case-file"]).exit_code == 2


def test_button__of_every_account__asks_for_what_is_its_own_and_fetches_it(world, tmp_path, key_file):
    allowed = {"企业甲", "旗县甲", "旗县乙", "旗县丙", "盟市", "自治区"}
    clients = {name: world.signed_in(name) for name in world.secrets}
    numbers = {}
    asking = {"uscc": world.uscc, "as_of": DAY.isoformat()}
    for name, client in clients.items():
        answer = send(client, "/case-files", asking, token=token_of(client))
        if name in allowed:
            assert answer.status_code == 303, (name, answer.text)
            numbers[name] = owner_sees(
                "select subject_id from workbench.acts where subject_kind = 'case_file' and account_name = %s", name
            )[0][0]
            again = send(client, "/case-files", asking)
            assert again.status_code == 409 and "正在制作" in again.text
            assert "制作中" in client.get("/case-files").text
            assert client.get(f"/case-files/{numbers[name]}").status_code == 404
            assert case_files.make_requested(replays=False)[numbers[name]] == "made"
        else:
            mine = name == "企业乙"  # an enterprise asks for its own, whatever the form says
            assert answer.status_code in ((303,) if mine else (403, 404)), name
    asked = owner_sees(
        "select distinct uscc from workbench.acts where account_name = '企业乙' and act_code = 'request'"
    )
    assert asked == [(world.other_uscc,)]
    number = numbers["企业甲"]
    case_files.make_requested(replays=False)
    assert case_files.make_requested(replays=False) == {}, "each request is answered one time"
    for name, client in clients.items():
        fetched, page = client.get(f"/case-files/{number}"), client.get("/case-files")
        if name in allowed:
            assert fetched.status_code == 200 and f'href="/case-files/{number}"' in page.text
            path = tmp_path / f"{name}.zip"
            path.write_bytes(fetched.content)
            assert verify_file(path, key_file).kind == "case-file"
            assert re.search(r"attachment; .*\.zip", fetched.headers["content-disposition"])
        else:
            assert fetched.status_code in (403, 404) and number not in page.text, name


def test_button__wrong_day_foreign_form_or_too_many__is_refused(world, monkeypatch):
    client = world.signed_in("旗县甲")
    for day in ("2020-01-01", "gestern", ""):
        assert send(client, "/case-files", {"uscc": world.uscc, "as_of": day}).status_code == 400
    assert send(client, "/case-files", {"uscc": world.other_uscc, "as_of": str(DAY)}).status_code == 404
    assert send(client, "/case-files", {"uscc": world.uscc, "as_of": str(DAY)}, token="foreign").status_code == 400
    late = send(client, "/case-files", {"uscc": world.uscc, "as_of": str(DAY + timedelta(days=1))})
    assert late.status_code == 400 and f"公开日志只到 {DAY}" in late.text  # nothing is proved of a day to come
    with pytest.raises(PublishingError, match=f"reaches to {DAY}"):
        case_files.make(world.uscc, DAY + timedelta(days=1), replays=False)
    so_far = "select count(*) from workbench.acts where subject_kind = 'case_file' and account_name = %s"
    most = owner_sees(so_far, "旗县甲")[0][0] + 1
    monkeypatch.setattr(asked_for, "MOST_A_DAY", most)
    assert send(client, "/case-files", {"uscc": world.uscc, "as_of": str(DAY)}).status_code == 303
    case_files.make_requested(replays=False)
    again = send(client, "/case-files", {"uscc": world.uscc, "as_of": str(DAY)})
    assert again.status_code == 409 and f"最多申请 {most} 份" in again.text


@pytest.mark.long
def test_case_file__computed_again__says_that_it_is_the_same(world, key_file, tmp_path):
    path = tmp_path / "replayed.zip"
    path.write_bytes(case_files.make(world.uscc, DAY).content)
    proof = json.loads(files_of(path)["replay.json"])
    assert proof["is_identical"] and proof["grade_count"] > 5
    assert not [zh for zh, _ in verify_file(path, key_file).remarks if "重算" in zh]
