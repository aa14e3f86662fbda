"""What the code imports, the two lists of requirements, the lock and the page of dependencies say the same."""

import ast
import json
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
OURS = {"property_credit", "scoring", "simulation", "wiring"}


def _asked_for(name: str) -> set[str]:
    lines = (PROJECT / name).read_text().splitlines()
    return {re.split(r"[\[=<>]", line)[0].strip() for line in lines if line.strip() and not line.startswith("#")}


def _imported(source: str) -> set[str]:
    """Return the top-level names of other people's modules that a Python text imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
    return names - OURS - sys.stdlib_module_names


def _undeclared(imported: set[str], asked_for: set[str]) -> set[str]:
    brought_by = packages_distributions()
    return {
        name
        for name in imported
        if not {re.sub(r"[_.]", "-", each).lower() for each in brought_by.get(name, ())} & asked_for
        and name not in {"airflow"}  # in parts; apache-airflow is asked for
    }


def test_imports__every_package_we_import__is_asked_for_by_name():
    files = [path for room in (*sorted(OURS - {"wiring"}), "dags") for path in (PROJECT / room).rglob("*.py")]
    imported = set().union(*(_imported(path.read_text("utf-8")) for path in files))
    assert {"polars", "numpy", "scipy"} <= imported
    assert _undeclared(imported, _asked_for("requirements.in")) == set()


def test_imports__a_package_nobody_asked_for__is_noticed():
    assert _undeclared(_imported("import numpy.linalg\nfrom scipy import stats"), {"numpy"}) == {"scipy"}


def test_dependencies_page__lists_exactly_what_is_asked_for():
    rows = re.findall(r"^\| ([a-z0-9-]+) \|", (PROJECT / "docs" / "dependencies.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(_asked_for("requirements.in") | _asked_for("requirements-development.in"))


def test_lock__pins_everything_with_hashes_and_names_no_address():
    text = (PROJECT / "requirements.lock").read_text()
    assert "http:" not in text
    assert "https:" not in text
    pins = re.split(r"\n(?=\S)", text.strip())
    assert all("==" in pin and "--hash=sha256:" in pin for pin in pins)
    pinned = {pin.split("==")[0].split("[")[0] for pin in pins}
    assert _asked_for("requirements.in") | _asked_for("requirements-development.in") <= pinned


def test_sbom__of_the_lock__names_every_pin_with_its_hashes_and_is_the_same_again(tmp_path):
    texts = []
    for name in ("first.json", "again.json"):
        subprocess.run(
            [
                *(sys.executable, "-m", "cyclonedx_py", "requirements", "requirements.lock"),
                *("--pyproject", "pyproject.toml", "--output-reproducible", "-o", tmp_path / name),
            ],
            cwd=PROJECT,
            check=True,
            capture_output=True,
        )
        texts.append((tmp_path / name).read_bytes())
    assert texts[0] == texts[1]
    components = {(one["name"].lower(), one["version"]): one for one in json.loads(texts[0])["components"]}
    pins = re.split(r"\n(?=\S)", (PROJECT / "requirements.lock").read_text().strip())
    for pin in pins:
        name, version = re.match(r"([^=\[]+)(?:\[[^\]]*\])?==([^\s;]+)", pin).groups()
        component = components[name.lower(), version]
        hashes = {one["content"] for one in component["externalReferences"][0]["hashes"]}
        assert hashes == set(re.findall(r"sha256:([0-9a-f]{64})", pin))
