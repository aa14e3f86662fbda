"""What a vendor starts from: receiver, generated client, conformance command, documents in a browser, webhooks."""

import contextlib
import importlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from grade_rows import add_run, uscc
from own_warehouse import copied_database, use_warehouse
from typer.testing import CliRunner

from property_credit.cli.main import app
from property_credit.publishing import api, api_keys, service
from property_credit.publishing.publish import publish
from property_credit.warehouse.settings import get_settings
from simulation import sandbox_process

NIGHT = date(2026, 11, 2)
DOCS = Path(__file__).parents[1] / "docs"
RECEIVER = DOCS / "receiver.py"


@pytest.fixture
def keys(tmp_path) -> Path:
    folder = tmp_path / "conformance-keys"
    first = CliRunner().invoke(app, ["conformance", "http://127.0.0.1:9", "--keys", str(folder)])
    assert first.exit_code == 2 and "call again" in " ".join(first.output.split())
    return folder


def serving(source: str, keys: Path, home: Path):
    """Run a receiver's source on a free port; gives the process and its address."""
    (home / "receiver.py").write_text(source, encoding="utf-8")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    log = (home / "receiver.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "receiver.py", str(keys / "public-keys.json"), str(port)], cwd=home, stdout=log, stderr=log
    )
    address, deadline = f"http://127.0.0.1:{port}", time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            httpx.get(f"{address}/received", trust_env=False)
            return process, address
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError((home / "receiver.log").read_text())


def conformance(address: str, keys: Path) -> tuple[int, dict[str, bool]]:
    ran = CliRunner().invoke(app, ["conformance", address, "--keys", str(keys), "--format", "json"])
    text = ran.output[ran.output.index("[") : ran.output.rindex("]") + 1]
    return ran.exit_code, {one["case"]: one["is_passed"] for one in json.loads(text)}


def test_conformance__receiver_of_the_docs__takes_every_fault_rightly(keys, tmp_path):
    source = RECEIVER.read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 60
    process, address = serving(source, keys, tmp_path)
    try:
        code, cases = conformance(address, keys)
    finally:
        process.terminate()
        process.wait()
    assert [case for case, is_passed in cases.items() if not is_passed] == [], (tmp_path / "receiver.log").read_text()
    assert code == 0 and len(cases) == 14


@pytest.mark.parametrize(
    ("line", "instead", "case"),
    [
        ("if wrong := problem_with(self, body):", "if False:", "not signed"),
        ("200 if known", "200 if True or known", "same key, another body"),
        ("> 600", "> 1e12", "signature an hour old"),
        ('if request.headers.get("Content-Digest") !=', "if False and", "body changed on the way"),
    ],
)
def test_conformance__receiver_that_does_not_check__is_told_which_case_failed(keys, tmp_path, line, instead, case):
    source = RECEIVER.read_text(encoding="utf-8")
    assert line in source
    process, address = serving(source.replace(line, instead).replace("known[", "known["), keys, tmp_path)
    try:
        code, cases = conformance(address, keys)
    finally:
        process.terminate()
        process.wait()
    assert code == 1 and cases[case] is False


def test_documents__in_a_browser__need_no_network():
    client = TestClient(api.app)
    page = client.get("/docs")
    assert page.status_code == 200 and "http" not in re.sub(r"<!doctype html>", "", page.text)
    for address in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert client.get(f"/{address}").status_code == 200, address
    assert client.get("/docs/nothing.js").status_code == 404
    assert "default-src 'self'" in page.headers["content-security-policy"]


def test_openapi__webhook__describes_what_a_receiver_gets():
    document = api.app.openapi()
    webhook = document["webhooks"]["v1/grades"]["post"]
    names = {one["name"] for one in webhook["parameters"]}
    assert {"idempotency-key", "signature-input", "signature", "content-digest"} <= names
    read = {tag for path in document["paths"].values() for one in path.values() for tag in one.get("tags", ["default"])}
    assert webhook["tags"] and not read & set(webhook["tags"])  # Java's generator writes one class for each tag
    assert "Receipt" in json.dumps(webhook["responses"]) and "Grade" in json.dumps(webhook["requestBody"])


def test_conformance__sandbox__refuses_every_forged_delivery_with_a_reason(keys, tmp_path, monkeypatch):
    monkeypatch.setenv("KEYS_DIR", str(keys))
    get_settings.cache_clear()
    with sandbox_process.running(tmp_path / "sandbox") as address:
        ran = CliRunner().invoke(app, ["conformance", address, "--keys", str(keys), "--format", "json"])
    cases = json.loads(ran.output[ran.output.index("[") : ran.output.rindex("]") + 1])
    assert [one["case"] for one in cases if not one["is_passed"]] == [], cases
    forged = [one["answered"] for one in cases if "401" in one["wanted"]]
    assert len(forged) == 6 and all(answer.startswith("401 {") and "sign" in answer for answer in forged), forged


def test_generated_client__from_the_document__reads_grades_with_types(migrated_template, tmp_path, monkeypatch):
    """A vendor generates its client from /openapi.json: answers have types, a refusal is a problem document."""
    description = tmp_path / "openapi.json"
    description.write_text(json.dumps(TestClient(api.app).get("/openapi.json").json()), encoding="utf-8")
    generate = [
        "generate",
        "--path",
        str(description),
        "--meta",
        "none",
        "--output-path",
        str(tmp_path / "credit_client"),
    ]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    command = [sys.executable, "-m", "openapi_python_client", *generate, "--fail-on-warning"]
    ran = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    monkeypatch.syspath_prepend(str(tmp_path))
    credit_client = importlib.import_module("credit_client")
    models = importlib.import_module("credit_client.models")
    get_grade = importlib.import_module("credit_client.api.default.get_grade_v1_grades_uscc_get")

    with copied_database(migrated_template) as name:
        use_warehouse(monkeypatch, name, tmp_path)
        monkeypatch.setenv("KEYS_DIR", str(tmp_path / "keys"))
        publish(add_run(NIGHT, {uscc(1): {"grade": "AA"}}), NIGHT)
        today = NIGHT + timedelta(days=1)
        with contextlib.closing(service.Service(today=lambda: today, max_age_seconds=0)) as serving_now:
            monkeypatch.setattr(service.CURRENT, "service", serving_now)
            token = api_keys.issue(scope="tendering", name="测试").text
            client = credit_client.AuthenticatedClient(base_url="http://testserver", token=token)
            client.set_httpx_client(TestClient(api.served, headers={"Authorization": f"Bearer {token}"}))
            answer = get_grade.sync(uscc(1), client=client)
            refused = get_grade.sync(uscc(2), client=client)
    assert isinstance(answer, models.OneGrade) and (answer.grade.uscc, answer.grade.grade) == (uscc(1), "AA")
    assert answer.grade.valid_from == NIGHT + timedelta(days=1) and answer.as_of >= today
    assert isinstance(refused, models.Problem) and refused.status == 404 and refused.type_.endswith(":no-grade")
