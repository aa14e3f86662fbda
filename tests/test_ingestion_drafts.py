"""Drafted profiles and their check: known exports drafted blind, nothing called sure that is wrong; wide tables."""

import csv
import os
from datetime import date
from pathlib import Path

import polars
import pytest
import yaml
from typer.testing import CliRunner

from property_credit.cli.main import app
from property_credit.ingestion import dates, drafts, exports, preview
from property_credit.ingestion import profile as profiles
from property_credit.ingestion.blocks import find_header
from property_credit.ingestion.contract import IngestionError
from property_credit.ingestion.profile import Profile
from simulation.region import simulate

NIGHT = date(2026, 10, 31)
LEAST_RIGHT = 0.85
REAL = os.environ.get("REAL_DATA_DIR")
OF_REAL_FILES = Path(__file__).parent / "source_profiles"
LEDGER = """交易流水号,记账日期,借贷标志,发生额,摘要
T20260001,2026-10-05,借,"1,200.00",电梯维修
T20260002,2026-10-06,贷,"3,000.00",停车收入
合计,,,"1,800.00",
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    home = tmp_path_factory.mktemp("hamlet")
    simulate(preset="hamlet", seed=2026, out=home, through=NIGHT, nights=0, dirt=False)
    return [path for path in home.rglob("*") if path.suffix in (".csv", ".xlsx")]


class Score:
    """Of drafts against the profiles that people wrote: columns right of all, and what is wrong though called sure."""

    def __init__(self) -> None:
        self.right = self.all = 0
        self.wrong: list[tuple[str, str]] = []
        self.figures: list[tuple[str, int, int]] = []

    def add(self, profile: Profile, path: Path, hidden: list[str]) -> None:
        made = drafts.draft(path, feed=profile.feed, hidden=hidden)
        truth = {alias: name for name, aliases in profile.columns.items() for alias in aliases}
        document = yaml.safe_load(made.text)
        before = (self.right, self.all)
        for place in made.places:
            header = place.column.header
            wanted = truth.get(header)
            is_right = place.field == wanted or (place.field is None and header in profile.used_headers())
            self.all += 1
            self.right += is_right
            if not is_right and place.certainty == "sure":
                self.wrong.append((path.name, header))
            if is_right and wanted in profile.dates and place.column.values:
                self._add_dates(path.name, place.column, document["dates"][wanted], profile.dates[wanted])
        if made.export.format != profile.format or not self._reads(made.export, profile):
            self.wrong.append((path.name, f"read as {made.export.format}, {made.export.encoding}"))
        self.figures.append((profile.name, self.right - before[0], self.all - before[1]))
        if profile.format == "csv" and made.export.header_row != header_row(made.export, profile):
            self.wrong.append((path.name, f"header in row {made.export.header_row}"))

    def _add_dates(self, name: str, column: exports.Column, drafted: list[str], written: list[str]) -> None:
        texts = polars.Series(list(column.values), dtype=polars.String)
        ours, theirs = dates.parse_timestamps(texts, drafted), dates.parse_timestamps(texts, written)
        if (ours.is_not_null() & theirs.is_not_null() & (ours != theirs)).any() and not column.other_formats:
            self.wrong.append((name, f"{column.header}: {drafted}"))
        if ours.null_count() > theirs.null_count():
            self.wrong.append((name, f"{column.header}: {drafted} reads less than {written}"))

    @staticmethod
    def _reads(export: exports.Export, profile: Profile) -> bool:
        if profile.format == "xlsx":
            return True
        data = export.path.read_bytes()
        return data.decode(export.encoding, "replace").lstrip("\ufeff") == data.decode(
            profile.encoding, "replace"
        ).lstrip("\ufeff")


def header_row(export: exports.Export, profile: Profile) -> int:
    text = export.path.read_bytes().decode(profile.encoding, "replace").replace("\r\n", "\n").replace("\r", "\n")
    return find_header(csv.reader(text.split("\n")), profile, export.path.name)[0]


def test_draft__every_profile_of_the_sample_region__blind(exported: list[Path]) -> None:
    score, drafted = Score(), 0
    for profile in profiles.load_all():
        files = [path for path in exported if path.parent.name == profile.name]
        if profile.format == "json_api" or not files:
            continue
        of_feed = [other.name for other in profiles.load_all() if other.feed == profile.feed]
        score.add(profile, max(files, key=lambda path: path.stat().st_size), of_feed)
        drafted += 1
    assert drafted >= 20
    assert score.wrong == []
    assert score.right / score.all >= LEAST_RIGHT, score.figures


@pytest.mark.skipif(not REAL, reason="REAL_DATA_DIR is not set: real files are not in the project")
def test_draft__every_real_file_with_a_profile__blind() -> None:
    score = Score()
    for path in sorted(OF_REAL_FILES.glob("*.yml")):
        profile = profiles.load(path)
        for file in sorted(Path(str(REAL)).glob("*/*")):
            if profile.reads(file.name):
                score.add(profile, file, [])
    assert score.all > 20
    assert score.wrong == []
    assert score.right / score.all >= LEAST_RIGHT, score.figures


@pytest.mark.skipif(not REAL, reason="REAL_DATA_DIR is not set: real files are not in the project")
def test_look__every_real_table__has_a_header_that_is_none_of_its_values() -> None:
    for path in sorted(Path(str(REAL)).glob("*/*")):
        if path.suffix in (".csv", ".xlsx"):
            assert all(not exports.NUMBER.match(column.header) for column in exports.look(path).columns), path.name


def written(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_look__encoding_of_a_ledger__is_found(tmp_path: Path, encoding: str) -> None:
    assert exports.look(written(tmp_path, "a.csv", LEDGER.encode(encoding))).encoding == encoding


def test_look__western_letters__are_no_gb18030(tmp_path: Path) -> None:
    text = "name,town\nCafé Zoë,Saint-Étienne\nPeña,Málaga\nNaïve,Besançon\n"
    assert exports.look(written(tmp_path, "a.csv", text.encode("cp1252"))).encoding == "cp1252"


def test_look__title_rows_totals_and_delimiter__are_found(tmp_path: Path) -> None:
    text = "包头市某银行\n2026年10月\n" + LEDGER.replace('"', "").replace(",", "\t").replace("1\t200", "1,200")
    export = exports.look(written(tmp_path, "a.txt", text.encode("gb18030")))
    assert (export.header_row, export.delimiter) == (3, "\t")
    assert export.totals == (("交易流水号", "合计"),)


def test_draft__days_that_could_be_months__are_a_guess_with_a_question(tmp_path: Path) -> None:
    text = "交易流水号,交易日期,发生额\nT1,05/06/2026,1.00\nT2,07/08/2026,2.00\n"
    made = drafts.draft(written(tmp_path, "a.csv", text.encode()), feed="funds")
    line = next(line for line in made.text.splitlines() if "%d/%m/%Y" in line)
    assert "guess" in line and "%m/%d/%Y" in line
    assert any("day or month" in question for question in made.questions)


def test_draft__ledger__signs_and_totals_are_written_and_nothing_missing_is_made_up(tmp_path: Path) -> None:
    made = drafts.draft(written(tmp_path, "明细_202610.csv", LEDGER.encode()), feed="funds")
    document = yaml.safe_load(made.text)
    assert document["signs"]["amount"]["negate_when"] == {"column": "借贷标志", "equals": ["借"]}
    assert document["skip_rows"] == [{"column": "交易流水号", "matches": "^合计$", "total_of": "amount"}]
    assert document["numbers"]["amount"] == {"remove": [","]}
    assert document["files"] == "明细_*.csv"
    path = tmp_path / "draft.yml"
    drafts.save(made, path)
    with pytest.raises(IngestionError, match="office_zh.*required|required.*office_zh|no source for the required"):
        profiles.load(path)
    with pytest.raises(IngestionError, match="stands already"):
        drafts.save(made, path)


@pytest.mark.parametrize(
    ("data", "told"), [(b"", "empty"), (b"%PDF-1.7", "PDF"), (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "BIFF")]
)
def test_draft__no_table__says_what_to_do(tmp_path: Path, data: bytes, told: str) -> None:
    with pytest.raises(IngestionError, match=told):
        drafts.draft(written(tmp_path, "a.csv", data))


def test_draft__few_rows_with_a_torn_day_and_codes_under_a_text_s_header__are_told_apart(tmp_path: Path) -> None:
    rows = ["T1,2026年10月02日 08:30,办理中", "T2,2026年10月33日 09:00,已办结", "T3,2026年10月04日 10:15,已办结"]
    text = "\n".join(["单号,反映时间,办理结果", *rows, ""])
    made = drafts.draft(written(tmp_path, "a.csv", text.encode()), feed="complaints")
    assert {place.column.header: place.field for place in made.places}["反映时间"] == "submitted_at"
    assert all(place.certainty != "sure" for place in made.places if place.column.header == "办理结果")


NAMED = """单号,小区编号,小区,旗县区,反映时间,问题类型,责任,办理结果
T11,,阳光小区二期,土默特右旗,2026年10月02日 08:30,暖气不热,物业,办理中
T12,150221C0001,阳光小区,土默特右旗,2026年10月02日 09:30,暖气不热,物业,办理中
"""


def test_draft__names_where_numbers_are_missing__are_a_guess_to_match_them(tmp_path: Path) -> None:
    def drafted(text: str) -> drafts.Draft:
        return drafts.draft(written(tmp_path, "a.csv", text.encode()), feed="complaints", hidden=["hotline_backlog"])

    def of_community(made: drafts.Draft) -> object:
        (line,) = (line for line in made.text.splitlines() if line.startswith("  community_id:"))
        return yaml.safe_load(line)["community_id"]

    made = drafted(NAMED)
    names = {"name": "小区", "within": "旗县区"}
    assert of_community(made) == {"column": "小区编号", "match": names}
    assert any("whether 小区 says who is meant" in question for question in made.questions)
    assert not {"小区", "旗县区"} & set(yaml.safe_load(made.text).get("ignore", []))
    without = "\n".join(",".join(line.split(",")[:1] + line.split(",")[2:]) for line in NAMED.splitlines()) + "\n"
    assert of_community(drafted(without)) == {"match": names}
    assert of_community(drafted(NAMED.replace("T11,,", "T11,150221C0002,"))) == "小区编号"  # nobody needs the names


WIDE = """feed: inspections
office_zh: 测试
format: csv
files: "*.csv"
header: {find: [检查单号, 日期]}
columns: {inspection_id: 检查单号, inspected_on: 日期, line_code: 项目, finding: 结果}
constants: {line_type_code: finding, authority_code: housing, inspection_type_code: routine, is_confirmed: "true"}
dates: {inspected_on: "%Y-%m-%d"}
ignore: [检查人]
unpivot: {columns: ["项_*"], name: 项目, value: 结果}
"""
TABLE = """检查单号,日期,检查人,项_消防,项_电梯
J1,2026-10-01,甲,通道堵塞,
J2,2026-10-02,乙,灭火器过期,年检过期
J3,2026-10-03,丙,,
"""


def test_unpivot__wide_table__is_a_row_for_each_filled_item(tmp_path: Path) -> None:
    profile = profiles.load(written(tmp_path, "wide.yml", WIDE.encode()))
    report = preview.preview(profile, written(tmp_path, "a.csv", TABLE.encode()), NIGHT, with_registers=False)
    assert report.refusal == "" and report.counts["accepted"] == 3
    names = [name for name, _zh in report.fields]
    told = [
        (row.number, *(row.values[names.index(name)] for name in ("inspection_id", "line_code", "finding")))
        for row in report.rows
    ]
    assert told == [
        (2001, "J1", "项_消防", "通道堵塞"),
        (3001, "J2", "项_消防", "灭火器过期"),
        (3002, "J2", "项_电梯", "年检过期"),
    ]


def test_unpivot__no_such_columns__refuses_the_file(tmp_path: Path) -> None:
    profile = profiles.load(written(tmp_path, "wide.yml", WIDE.encode()))
    table = TABLE.replace("项_", "题_")
    report = preview.preview(profile, written(tmp_path, "a.csv", table.encode()), NIGHT, with_registers=False)
    assert "unpivot" in report.refusal


def test_check__file_with_a_bad_row__says_so_on_the_page_and_leaves_with_1(tmp_path: Path) -> None:
    profile = written(tmp_path, "wide.yml", WIDE.encode())
    file = written(tmp_path, "a.csv", TABLE.replace("2026-10-02", "昨天<b>").encode())
    page = tmp_path / "page.html"
    answer = CliRunner().invoke(app, ["sources", "check", str(profile), str(file), "--page", str(page)])
    assert answer.exit_code == 1
    assert "row 3001, refused" in answer.output
    assert "TYPE_INVALID_DATE 2" in page.read_text("utf-8") and "昨天" not in page.read_text("utf-8")


def test_check__personal_values__are_on_no_page(exported: list[Path], tmp_path: Path) -> None:
    profile = profiles.get("hotline_backlog")
    file = next(path for path in exported if path.parent.name == profile.name)
    report = preview.preview(profile, file, NIGHT, with_registers=False)
    place = [name for name, _zh in report.fields].index("reporter_phone")
    values = {row.values[place] for row in report.rows}
    assert report.counts["accepted"] > 100 and values <= {"", preview.HIDDEN} and preview.HIDDEN in values


def test_draft_command__prints_a_profile_and_says_what_to_decide(tmp_path: Path) -> None:
    file = written(tmp_path, "a.csv", LEDGER.encode())
    out = tmp_path / "bank.yml"
    answer = CliRunner().invoke(app, ["sources", "draft", str(file), "--feed", "funds", "--out", str(out)])
    assert answer.exit_code == 0 and out.exists()
    assert "say the office's name" in answer.output
