"""The lock and the page of dependencies say the same as requirements.in."""

import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


def _asked_for() -> set[str]:
    lines = (PROJECT / "requirements.in").read_text().splitlines()
    return {re.split(r"[\[=<>]", line)[0].strip() for line in lines if line.strip() and not line.startswith("#")}


def test_dependencies_page__lists_exactly_what_is_asked_for():
    rows = re.findall(r"^\| ([a-z0-9-]+) \|", (PROJECT / "docs" / "dependencies.md").read_text(), re.MULTILINE)
    assert sorted(rows) == sorted(_asked_for())


def test_lock__pins_everything_with_hashes_and_names_no_address():
    text = (PROJECT / "requirements.lock").read_text()
    assert "http:" not in text
    assert "https:" not in text
    pins = re.split(r"\n(?=\S)", text.strip())
    assert all("==" in pin and "--hash=sha256:" in pin for pin in pins)
    pinned = {pin.split("==")[0].split("[")[0] for pin in pins}
    assert _asked_for() <= pinned
