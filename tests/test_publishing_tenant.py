"""The sandbox tenant: invented grades that say so in every answer, signed by keys that nobody takes for ours."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from base64 import b64decode, b64encode
from datetime import date
from pathlib import Path

import psycopg
import pytest
import uvicorn
from fastapi.testclient import TestClient
from grade_rows import add_run, uscc
from own_warehouse import copied_database, use_warehouse
from test_publishing_adoption import RECEIVER, serving
from typer.testing import CliRunner

from property_credit.cli.main import app
from property_credit.publishing import api, api_keys, service
from property_credit.publishing.errors import PublishingError
from property_credit.publishing.publish import publish
from property_credit.publishing.verify import INVENTED, VerificationError, verify_file
from property_credit.warehouse import connection as ground
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings
from simulation import sandbox_tenant

LAST = date(2026, 11, 20)
VERIFIER = Path(__file__).parents[1] / "docs" / "verifier.py"
SPKI = bytes.fromhex("302a300506032b6570032100")


@pytest.fixture(scope="module")
def production(migrated_template, tmp_path_factory):
    """A warehouse with a published grade and the file of its public keys, around which the tenant is made."""
    home = tmp_path_factory.mktemp("production")
    with copied_database(migrated_template) as name, pytest.MonkeyPatch.context() as patch:
        use_warehouse(patch, name, home)
        patch.setattr(sandbox_tenant, "home", lambda: home / "sandbox-tenant")
        patch.setenv("KEYS_DIR", str(home / "keys"))
        get_settings.cache_clear()
        publish(add_run(date(2026, 11, 2), {uscc(1): {"grade": "A"}}), date(2026, 11, 2))
        maintenance = ground.parameters(database="postgres")
        with psycopg.connect(**maintenance, autocommit=True) as opened:
            opened.execute(f"create database {name}_sandbox template {migrated_template}")
        try:
            yield home / "keys" / "public-keys.json"
        finally:
            with psycopg.connect(**maintenance, autocommit=True) as opened:
                opened.execute(f"drop database if exists {name}_sandbox with (force)")


@pytest.fixture(scope="module")
def keys(production):
    """The tenant, made; gives its keys of the API by scope."""
    with sandbox_tenant.tenant():
        return sandbox_tenant.make(through=LAST)


@pytest.fixture
def ask(keys, monkeypatch):
    """Ask the tenant's API by the key of a scope."""
    with sandbox_tenant.tenant():
        served = service.Service(today=lambda: LAST, max_age_seconds=0)
        monkeypatch.setattr(service.CURRENT, "service", served)
        client = TestClient(api.served)
        yield lambda path, scope="tendering": client.get(path, headers={"Authorization": f"Bearer {keys[scope]}"})
        served.close()


def test_every_answer__of_the_tenant__is_marked_as_invented(ask):
    first = sandbox_tenant.codes()[0]
    for path in (
        "/openapi.json", "/docs", "/status", "/healthz", "/v1/public-keys", "/v1/log/checkpoint", "/nothing",
        f"/v1/grades/{first}", f"/v1/grades/{uscc(1)}", "/v1/grades/x", "/v1/grades", "/v1/grades?as_of=x",
        "/v1/grades/changes", "/v1/lists", "/v1/lists/2026-Q4", "/v1/lists/2026-Q4/files", "/v1/log/heads",
        "/v1/lists/2026-Q4/files/2026-Q4.csv", "/v1/log/tile/0/000.p/8", f"/v1/grades/{first}/certificate?format=pdf",
        f"/v1/grades/{first}/certificate", f"/v1/certificates?codes={first}", f"/v1/log/inclusion/{first}",
        "/v1/log/consistency?first=15", "/v1/methods/invented",
    ):  # fmt: skip
        answer = ask(path)
        assert answer.headers["data-invented"] == "true", path
        if answer.headers["content-type"] == "application/json" and path != "/openapi.json":
            assert answer.json()["data"]["is_invented"] is True, path
    service.service().store._max_age = 60  # the fast path answers a second question from memory
    for _ in range(2):
        answer = ask(f"/v1/grades/{first}")
        assert answer.headers["data-invented"] == "true" and "虚构" in answer.json()["grade"]["enterprise_name"]
    assert ask(f"/v1/enterprises/{first}", "enterprise").headers["data-invented"] == "true"
    assert "data-invented" in TestClient(api.served).get("/v1/grades").headers  # without a key, too


def test_first_answer__of_a_process_that_read_nothing_yet__is_marked(keys, monkeypatch):
    for path in ("/docs", "/nothing"):
        with sandbox_tenant.tenant():
            served = service.Service(today=lambda: LAST)
            monkeypatch.setattr(service.CURRENT, "service", served)
            assert TestClient(api.served).get(path).headers["data-invented"] == "true"
            served.close()


def test_production__its_answers__carry_no_mark(production, monkeypatch):
    served = service.Service(today=lambda: LAST)
    monkeypatch.setattr(service.CURRENT, "service", served)
    token = api_keys.issue(scope="tendering", name="测试").text
    answer = TestClient(api.served).get(f"/v1/grades/{uscc(1)}", headers={"Authorization": f"Bearer {token}"})
    served.close()
    assert answer.json()["data"]["is_invented"] is False and "data-invented" not in answer.headers
    with connect("pc_publishing") as connection:
        heads = connection.execute("select head, document from publishing.lists").fetchall()
    assert heads and not any("is_invented" in text for row in heads for text in row)


def test_verifiers__that_hold_our_key__refuse_everything_of_the_tenant(ask, production, tmp_path):
    first, file = sandbox_tenant.codes()[0], tmp_path / "file.json"
    ours = json.loads(production.read_text())["keys"][-1]["public_key"]
    theirs = ask("/v1/public-keys").json()
    (tmp_path / "theirs.json").write_text(json.dumps(theirs))
    for name, public in (("ours.pem", ours), ("theirs.pem", theirs["keys"][-1]["public_key"])):
        body = b64encode(SPKI + b64decode(public)).decode()
        (tmp_path / name).write_text(f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")

    def stranger(key):
        command = [sys.executable, "-I", "-S", str(VERIFIER), str(file), str(tmp_path / key)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    for path in (
        f"/v1/grades/{first}/certificate", f"/v1/certificates?codes={first}", "/v1/lists/2026-Q4",
        "/v1/lists/publication-2", f"/v1/log/inclusion/{first}", "/v1/log/consistency?first=15",
        "/v1/lists/2026-Q4/files", "/v1/log/checkpoint",
    ):  # fmt: skip
        file.write_text(ask(path).text, encoding="utf-8")
        with pytest.raises(VerificationError):
            print(path, verify_file(file, production))
        assert verify_file(file, tmp_path / "theirs.json").remarks[0] == INVENTED, path
        if path not in (
            "/v1/lists/2026-Q4/files",
            "/v1/log/checkpoint",
        ):  # the page of the docs reads documents and proofs
            assert stranger("ours.pem").returncode == 1 and "NOT VERIFIED" in stranger("ours.pem").stderr, path
            assert "INVENTED" in stranger("theirs.pem").stdout, (path, stranger("theirs.pem").stderr)


def test_week__of_the_tenant__brings_what_a_client_must_cope_with(ask):
    changes = ask("/v1/grades/changes?limit=500").json()["changes"]
    assert all("虚构" in one["enterprise_name"] and one["method_version"] == "invented" for one in changes)
    assert {one["status_code"] for one in changes} == {"rated", "not_rated", "serious_dishonesty"}
    assert {one["correction"]["code"] for one in changes if one["is_correction"]} == {"objection_upheld", "repair"}
    assert {"AA", "A", "B", "C", "D"} <= {one["grade"] for one in changes}
    assert any(one["notices"] for one in changes) and any(one["reply"] for one in changes)
    assert any(one["former_names"] for one in changes) and max(one["version_no"] for one in changes) >= 3
    assert ask("/v1/grades", "regulator").json()["grades"] == ask("/v1/grades").json()["grades"]
    assert set(ask("/v1/grades", "department").json()["grades"][0]) == {"uscc", "grade", "status_code", "valid_from"}


def test_receiver__of_the_docs__takes_the_tenants_deliveries_by_its_keys_and_none_by_ours(keys, production, tmp_path):
    with sandbox_tenant.tenant() as folder:
        for held, is_taken in ((production.parent, False), (folder / "keys", True)):
            home = tmp_path / held.parent.name
            home.mkdir()
            process, address = serving(RECEIVER.read_text(encoding="utf-8"), held, home)
            try:
                report = sandbox_tenant.deliver_to(address)
            finally:
                process.terminate()
                process.wait()
            took = json.loads((home / "received.json").read_text()) if is_taken else {}
            assert (report.delivered_count, report.pending_count) == ((16, 0) if is_taken else (0, 16)), report
            assert all("虚构" in one["body"] for one in took.values()) and len(took) == report.delivered_count


TERMINAL = """
set -eu
curl -fsS "$API/v1/public-keys" > keys.json
curl -fsS -H "Authorization: Bearer $KEY" "$API/v1/grades/$CODE/certificate" > certificate.json
curl -fsS -H "Authorization: Bearer $KEY" "$API/v1/lists/2026-Q4" > list.json
curl -fsS "$API/v1/log/checkpoint" > checkpoint
python3 -I -S -c 'import json; print(json.load(open("keys.json"))["keys"][-1]["public_key"])' > public.b64
(printf '\\060\\052\\060\\005\\006\\003\\053\\145\\160\\003\\041\\000'; base64 -d public.b64) |
  openssl pkey -pubin -inform DER -out public.pem
python3 -I -S "$VERIFIER" certificate.json public.pem
python3 -I -S "$VERIFIER" list.json public.pem
head -1 checkpoint
"""


@pytest.mark.skipif(
    not shutil.which("curl") or not shutil.which("openssl"), reason="curl and openssl are not installed"
)
def test_terminal__curl_openssl_and_no_page__fetches_and_checks_what_is_published(keys, tmp_path, monkeypatch):
    """Nothing but a shell: what is published is fetched over HTTP and checked, and no answer needs a browser."""
    with sandbox_tenant.tenant(), served_api(monkeypatch) as address:
        environment = {"PATH": os.environ["PATH"], "TERM": "dumb", "API": address, "KEY": keys["tendering"]}
        environment |= {"CODE": sandbox_tenant.codes()[0], "VERIFIER": str(VERIFIER)}
        ran = subprocess.run(
            ["sh", "-c", TERMINAL], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
    assert ran.returncode == 0, ran.stderr
    certificate, whole_list, origin = ran.stdout.splitlines()
    assert "INVENTED" in certificate and f"{sandbox_tenant.codes()[0]}: AA" in certificate
    assert "2026-Q4: 15 entries, signed and in the log" in whole_list and origin == "property-credit/invented"
    assert "<html" not in "".join((tmp_path / name).read_text() for name in ("keys.json", "list.json", "checkpoint"))


@contextlib.contextmanager
def served_api(monkeypatch):
    """The API on a port of its own, of this process's warehouse."""
    served = service.Service(today=lambda: LAST)
    monkeypatch.setattr(service.CURRENT, "service", served)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = uvicorn.Config(api.served, host="127.0.0.1", port=port, log_level="warning", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)


def test_invented__said_too_late_or_taken_back__is_refused(keys, production):
    with connect() as owner, pytest.raises(psycopg.errors.RaiseException, match="does not become invented"):
        owner.execute("insert into publishing.invented (said_at) values (now())")
    with pytest.raises(PublishingError, match="real grades"):
        sandbox_tenant.make()
    with sandbox_tenant.tenant():
        for statement in ("delete from publishing.invented", "truncate publishing.invented"):
            with connect() as owner, pytest.raises(psycopg.errors.RaiseException):
                owner.execute(statement)
        with connect("pc_publishing") as role, pytest.raises(psycopg.errors.InsufficientPrivilege):
            role.execute("insert into publishing.invented (said_at) values (now())")


def test_commands__of_the_tenant__make_publish_and_show_its_keys(keys, production):
    shown = CliRunner().invoke(app, ["tenant", "make", "--format", "json"])
    assert {one["scope"]: one["key"] for one in json.loads(shown.stdout)} == keys
    published = CliRunner().invoke(app, ["tenant", "publish"])
    assert published.exit_code == 0 and "invented versions" in published.stdout
    away = CliRunner().invoke(app, ["tenant", "deliver", "http://127.0.0.1:9"])
    assert away.exit_code == 1 and "wait" in away.stdout


def test_tenant__beside_a_server_of_ones_own__asks_for_its_database(monkeypatch):
    monkeypatch.setenv("WAREHOUSE_URL", "postgresql://owner@db.example/warehouse")
    get_settings.cache_clear()
    try:
        ran = CliRunner().invoke(app, ["tenant", "make"])
        assert ran.exit_code == 2 and "SANDBOX_WAREHOUSE_URL" in " ".join(ran.output.split())
    finally:
        monkeypatch.undo()
        get_settings.cache_clear()
