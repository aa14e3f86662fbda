"""Golden replay: frozen inputs give the frozen grades of every method version, byte for byte."""

import pytest
from golden_region import GOLDEN, lines


@pytest.mark.parametrize("frozen", sorted(GOLDEN.glob("*.jsonl")), ids=lambda path: path.stem)
def test_golden__frozen_inputs__give_the_frozen_bytes(frozen):
    given = lines(frozen.stem)
    wanted = frozen.read_text(encoding="utf-8")
    for row, (a, b) in enumerate(zip(given.splitlines(), wanted.splitlines(), strict=False), start=1):
        assert a == b, f"{frozen.name}:{row} (python tests/golden_region.py freezes, for a version nobody has used yet)"
    assert given == wanted


def test_golden__a_method_with_one_number_changed__does_not_give_them(monkeypatch, tmp_path):
    from scoring.method import METHODS_DIR

    text = (METHODS_DIR / "2026.1.yml").read_text(encoding="utf-8")
    (tmp_path / "2026.1.yml").write_text(text.replace("[[0.02, 1], [0.20, 0]]", "[[0.02, 1], [0.21, 0]]"), "utf-8")
    monkeypatch.setattr("scoring.method.METHODS_DIR", tmp_path)
    assert lines("2026.1") != (GOLDEN / "2026.1.jsonl").read_text(encoding="utf-8")
