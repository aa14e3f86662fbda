"""The methodology file is data: what it says, what is refused and with which line."""

from decimal import Decimal
from pathlib import Path

import pytest
import yaml

from scoring.errors import MethodError
from scoring.method import METHODS_DIR, load, load_file, warehouse_variables

SOURCE = METHODS_DIR / "2026.1.yml"
# the table of §3: code → (maximum, first and last value of the curve)
TABLE = {
    "P01": ("10", None), "P02": ("6", ("0.02", "0.20")), "P03": ("4", ("0.02", "0.30")), "P04": ("5", None),
    "P05": ("3", ("1", "0.70")), "P06": ("4", ("0.98", "0.70")), "P07": ("2", ("0", "0.5")),
    "P08": ("4", ("0.98", "0.80")), "P09": ("3", None), "P10": ("3", ("1", "0.95")), "P11": ("3", None),
    "P12": ("1.5", None), "P13": ("1.5", ("0.98", "0.80")), "M01": ("4", ("0.97", "0.80")),
    "M02": ("4", ("0.95", "0.75")), "M03": ("4", ("0.92", "0.65")), "M04": ("5", ("0.60", "2.00")),
    "M05": ("2", ("0.03", "0.20")), "M06": ("6", ("0.90", "0.60")), "M07": ("3", ("0.95", "0.70")),
    "M08": ("2", ("0.02", "0.15")), "M09": ("4", None), "M10": ("3", ("0.95", "0.70")), "M11": ("3", ("0.98", "0.70")),
    "M12": ("2", ("1", "0")), "M13": ("3", ("1", "0")), "M14": ("2", None), "M15": ("1.5", ("0.95", "0.60")),
    "M16": ("1.5", ("0.98", "0.80")), "G01": ("2", None), "G02": ("1", None),
}  # fmt: skip


def changed(tmp_path: Path, old: str, new: str) -> tuple[Path, int]:
    """A copy of the method with one text replaced, and the line of the replacement."""
    text = SOURCE.read_text(encoding="utf-8")
    assert text.count(old) >= 1, old
    path = tmp_path / "changed.yml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return path, text[: text.index(old)].count("\n") + 1


def test_method__table_of_indicators__is_the_specified_one():
    method = load().method
    table = {
        code: (
            spec.max_points,
            (spec.formula.curve[0][0], spec.formula.curve[-1][0]) if hasattr(spec.formula, "curve") else None,
        )
        for code, spec in method.indicators.items()
    }
    expected = {
        code: (Decimal(most), tuple(map(Decimal, ends)) if ends else None) for code, (most, ends) in TABLE.items()
    }
    assert table == expected
    assert method.scale == ("AA", "A", "B") and set(method.caps) == {f"V{n}" for n in range(1, 8)} | {
        f"C{n}" for n in range(1, 5)
    }


@pytest.mark.parametrize(
    ("old", "new", "line_after", "reason"),
    [
        ("    max_points: 10\n", "    max_points: 10\n    weight: 3\n", 1, "indicators.P01.weight: unknown key"),
        ("{kind: deduction, scale: 10}", "{kind: deduction, scael: 10}", 0, "scale: missing"),
        ("kind: deduction, scale: 10", "kind: guess, scale: 10", 0, "formula: "),
        ("max_points: 10\n", "max_points: 11\n", None, "is 50, its indicators add up to 51"),
        ("    domain: compliance\n", "    domain: complaince\n", 0, "there is no domain 'complaince'"),
        ("    max_points: 10\n", "    max_points: ten\n", 0, "valid decimal"),
        ("[[0.02, 1], [0.20, 0]]", "[[0.02, 0], [0.20, 1]]", 0, "shares of a curve must fall from 1 to 0"),
        (
            "[[0.60, 1], [1.00, 0.6], [2.00, 0]]",
            "[[0.60, 1], [2.50, 0.6], [2.00, 0]]",
            0,
            "must only rise or only fall",
        ),
        ("min_score: 70", "min_score: 86", None, "AA must ask for more than A"),
        ("{code: B}", "{code: B, min_score: 10}", 0, "B is the last grade and takes everyone else"),
        ("    grade: B\n", "    grade: C\n", 0, "there is no grade 'C'"),
        ("    months: 12\n    serious", "    months: -12\n    serious", 0, "greater than 0"),
        ("no_exposure: zero", "no_exposure: prior", None, "prior needs a shrunk formula"),
        ("max_points: 1.5", "max_points: 1.505", 0, "more decimals than points_decimals"),
        ("full_before: 12", "full_before: 48", 0, "zero_from is before full_before"),
        ("m: [5, 200]", "m: [500, 200]", 0, "lower bound is above the upper"),
        ("    P01: {minor", "    P99: {minor", 0, "there is no indicator 'P99'"),
        ("points: 50}\n  market", "points: 49}\n  market", 0, "is 49, its indicators add up to 50"),
        ('version: "2026.1"', 'version: "2026.1"\nversion: "2026.2"', 1, "version: the key is given twice"),
        ('version: "2026.1"', "version: [2026", None, "not YAML"),
        ("draws: 500", "draws: 2026-01-01", 0, "put it in quotes"),
        ("core_domain_below_pct: 40", "months: 3", None, "source: score needs exactly one of"),
    ],
)
def test_method__unknown_or_contradictory_entry__is_refused_with_line_and_reason(
    tmp_path, old, new, line_after, reason
):
    path, line = changed(tmp_path, old, new)
    with pytest.raises(MethodError) as refusal:
        load_file(path)
    assert reason in str(refusal.value)
    if line_after is not None:
        assert f"changed.yml:{line + line_after}:" in str(refusal.value)


def test_method__several_faults__are_all_listed_in_order(tmp_path):
    path, _ = changed(tmp_path, "    max_points: 10\n", "    max_points: ten\n    weight: 3\n")
    with pytest.raises(MethodError) as refusal:
        load_file(path)
    assert len(str(refusal.value).splitlines()) == 2


def test_method__unknown_version_or_name_of_another__is_refused(monkeypatch, tmp_path):
    with pytest.raises(MethodError, match="there is no method '2031.9'; known: 2026.1"):
        load("2031.9")
    with pytest.raises(MethodError, match="there is no method"):
        load("../methods/2026.1")
    (tmp_path / "2027.1.yml").write_text(SOURCE.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr("scoring.method.METHODS_DIR", tmp_path)
    with pytest.raises(MethodError, match="its name says '2027.1'"):
        load("2027.1")


def test_method__comments_and_layout__do_not_change_its_hash(tmp_path):
    path, _ = changed(tmp_path, 'version: "2026.1"', '# a remark\n\nversion: "2026.1"')
    assert load_file(path).sha256 == load().sha256
    other, _ = changed(tmp_path, "min_score: 85", "min_score: 86")
    assert load_file(other).sha256 != load().sha256


def test_warehouse_variables__defaults_of_the_warehouse__are_the_methods():
    project = Path(__file__).parent.parent / "dbt_project" / "dbt_project.yml"
    defaults = yaml.safe_load(project.read_text(encoding="utf-8"))["vars"]
    # how complaints are watched [B 19], when a feed is silent and editions of reading are no method's; 2026.1 says
    # nothing of later readings
    for name in ("monitoring", "silence", "edition", "rules", "counting"):
        del defaults[name]
    given = warehouse_variables(load("2026.1").method)
    assert "counting" not in given

    def text_keys(value):
        return {str(key): text_keys(inner) for key, inner in value.items()} if isinstance(value, dict) else value

    def contains(ours, theirs):
        if isinstance(theirs, dict):
            return all(key in ours and contains(ours[key], value) for key, value in theirs.items())
        return ours == theirs

    wrong = {key: value for key, value in text_keys(defaults).items() if not contains(given.get(key), value)}
    assert not wrong
