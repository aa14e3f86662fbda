"""Names against a register: the normal form, what is never one, the three outcomes, and real names labelled by eye."""

import csv
import os
import random
import time
from pathlib import Path

import polars
import pytest
from typer.testing import CliRunner

from property_credit.cli.main import app
from property_credit.entities import comparison, fitting, matching, model, names
from simulation import slips

LABELS = Path(__file__).parent / "matching_labels"
REAL = os.environ.get("REAL_DATA_DIR")
needs_real_files = pytest.mark.skipif(not REAL, reason="REAL_DATA_DIR is not set: real files are not in the project")
COMMUNITIES = (
    "富强花园一期 富强花园二期 阳光小区 阳光花园 金域蓝湾 沁园春景小区 自由路7号街坊 东湖雅居 阳光小区".split()
)
REGISTER = polars.DataFrame(
    {
        "entity": [f"c{place}" for place in range(1, 10)],
        "name": COMMUNITIES,
        "division": ["昆都仑区"] * 8 + ["青山区"],
    }
)
FIRMS = polars.DataFrame(
    {
        "entity": ["e1", "e2", "e3", "e4"],
        "name": [
            "包头市蓝岸物业服务有限责任公司",
            "内蒙古蒙蓝物业管理有限公司",
            "包头市蒙蓝物业服务有限公司",
            "鄂尔多斯市恒岸物业服务有限公司",
        ],
    }
)


def outcome(
    name: str, division: str | None = "昆都仑区", register: polars.DataFrame = REGISTER
) -> tuple[str, str | None]:
    kind = "community" if register is REGISTER else "enterprise"
    asked = polars.DataFrame({"name": [name], "division": [division]}, schema_overrides={"division": polars.String})
    row = matching.match(asked, register, kind).row(0, named=True)
    return row["outcome"], row["entity"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("陽光花園（一期）", "阳光花园1期"),
        ("阳光花园Ⅱ期", "阳光花园二期"),
        ("阳光花园第十二期", "阳光花园12期"),
        ("阳光南区二期", "阳光二期南区"),
        ("金域·蓝湾", "金域蓝湾 "),
        ("ＡＢ公寓", "AB公寓"),
        ("自由路七号街坊", "自由路7#街坊"),
        ("包钢家属院", "包钢职工宿舍"),
        ("阳光家园（原红星小区）", "阳光家园"),
    ],
)
def test_names__one_name_written_two_ways__is_one_form(one: str, other: str) -> None:
    first, second = names.normalized(polars.Series([one, other]), "community")["form"]
    assert first == second


@pytest.mark.parametrize(
    ("name", "core"),
    [
        ("包头市昆都仑区阳光小区", "阳光"),
        ("富强花园小区", "富强花园"),
        ("金域蓝湾3号楼2单元", "金域蓝湾"),
        ("东方明珠", "东方明珠"),
        ("幸福路12号院", "幸福路12号"),
        (None, ""),
    ],
)
def test_names__community__loses_what_tells_nothing(name: str | None, core: str) -> None:
    assert names.normalized(polars.Series([name], dtype=polars.String), "community")["core"].to_list() == [core]


def test_names__enterprise__is_place_brand_and_business() -> None:
    written = polars.Series(
        [
            "蓝岸物业（包头）有限公司",
            "包头市蓝岸物业服务有限责任公司昆区分公司",
            "蓝岸物业管理有限公司（阳光花园公共收益专户）",
        ]
    )
    normalized = names.normalized(written, "enterprise")
    assert normalized["core"].to_list() == ["蓝岸物业"] * 3
    assert normalized["place"].to_list() == ["包头", "包头", ""]
    assert normalized["branch"].to_list() == ["", "昆区分公司", ""]


@pytest.mark.parametrize(
    ("name", "entity"),
    [
        ("富强花園(Ⅱ期)", "c2"),
        ("金域蓝湾小区", "c5"),
        ("沁园春井小区", "c6"),
        ("包头市昆都仑区金域蓝湾", "c5"),
        ("阳光小区", "c3"),
    ],
)
def test_match__same_name_or_a_slip__is_linked(name: str, entity: str) -> None:
    assert outcome(name) == ("linked", entity)


@pytest.mark.parametrize(
    "name",
    [
        "富强花园三期",
        "富强花园",
        "自由路8号街坊",
        "西湖雅居",
        "东湖雅居二期",
        "阳光",
        "新金域蓝湾",
        "自由路7号街坊东区",
    ],
)
def test_match__phase_number_or_side_differs_or_is_unsaid__is_never_linked(name: str) -> None:
    assert outcome(name)[0] != "linked"


def test_match__name_of_two_divisions__waits_unless_the_division_is_said() -> None:
    assert outcome("阳光小区", "青山区") == ("linked", "c9")
    assert outcome("阳光小区", None) == ("waiting", None)
    assert outcome("金域蓝湾", "青山区") == ("waiting", None)  # stands in another division: a person looks


def test_match__waiting_name__shows_candidates_with_reasons() -> None:
    asked = polars.DataFrame({"name": ["富强花园"], "division": ["昆都仑区"]})
    row = matching.match(asked, REGISTER, "community").row(0, named=True)
    assert {candidate["entity"] for candidate in row["candidates"]} >= {"c1", "c2"}
    assert all(candidate["reason"] for candidate in row["candidates"])
    assert "期数" in row["reason"]


def test_match__nothing_like_it_or_blank__is_none_and_rows_keep_their_order() -> None:
    asked = polars.DataFrame({"name": ["某某某", None, "", "金域蓝湾", "某某某"], "division": ["昆都仑区"] * 5})
    answers = matching.match(asked, REGISTER, "community")
    assert answers["outcome"].to_list() == ["none", "none", "none", "linked", "none"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("蓝岸物业（包头）有限公司", ("linked", "e1")),
        ("包头蓝岸物业管理有限公司（富强花园公共收益专户）", ("linked", "e1")),
        ("内蒙古蒙蓝物业", ("linked", "e2")),
        ("蒙蓝物业", ("waiting", None)),  # two firms of that brand
        ("包头市蓝岸物业服务有限责任公司昆区分公司", ("waiting", None)),
    ],
)
def test_match__enterprise__place_and_branch_tell_firms_apart(name: str, expected: tuple[str, str | None]) -> None:
    assert outcome(name, None, FIRMS) == expected


def test_match__brand_of_another_city__is_never_linked() -> None:
    assert outcome("呼和浩特市蓝岸物业服务有限公司", None, FIRMS)[0] != "linked"


def test_match__rows_in_another_order__same_answers() -> None:
    written = ["富强花园一期", "金域蓝湾小区", "阳光", "沁园春井小区", "富强花园", "东湖雅居"]
    asked = polars.DataFrame({"name": written, "division": ["昆都仑区"] * len(written)})
    shuffled = asked.sample(fraction=1, shuffle=True, seed=7)
    straight = dict(zip(asked["name"], matching.match(asked, REGISTER, "community")["entity"], strict=True))
    again = matching.match(shuffled, REGISTER.sample(fraction=1, shuffle=True, seed=3), "community")["entity"]
    assert dict(zip(shuffled["name"], again, strict=True)) == straight


@pytest.mark.parametrize(
    ("written", "entity"),
    [
        ("金域蓝湾，友谊大街26号", "c5"),
        ("先锋道街道沁园春景小区", "c6"),
        ("沁园春景小区（昆都仑区）", "c6"),
        ("富强花园二期12号楼3单元", "c2"),
        ("富强花园二期12号楼501", "c2"),
        ("春沁园景小区", None),  # two places changed: a person looks
    ],
)
def test_match__place_around_the_name__is_read_past(written: str, entity: str | None) -> None:
    assert outcome(written)[1] == entity


@pytest.mark.parametrize(
    ("written", "division", "entity"),
    [
        ("丽景1319小区", "昆都仑区", "n1"),  # one number, in digits or in numerals
        ("丽景一三一九里", "昆都仑区", "n1"),  # a long number names it, whatever stands behind
        ("丽景一三一一九小区", "昆都仑区", "n1"),  # a digit typed twice
        ("丽景一三二九小区", "昆都仑区", None),  # another digit is another estate
        ("12号小区", "昆都仑区", None),  # a short number is never another one
        ("金金域蓝湾", "昆都仑区", "n2"),
        ("昆都仑区青山嘉园", "昆都仑区", "n3"),  # 青山 is its name: it does not lie in 青山区
        ("青山区青山嘉园", "青山区", "n4"),
        ("青山路街道青山嘉园", "青山区", "n4"),
        ("录都华庭", "昆都仑区", "n5"),  # ü and u
        ("万达花圆", "昆都仑区", "n6"),  # 家园 sounds like it too, and is further
    ],
)
def test_match__numbers_places_and_doubled_characters__are_read_as_they_are_meant(
    written: str, division: str, entity: str | None
) -> None:
    told = [
        ("n1", "丽景一三一九小区", "昆都仑区"), ("n2", "金域蓝湾", "昆都仑区"), ("n3", "青山嘉园", "昆都仑区"),
        ("n4", "青山嘉园", "青山区"), ("n5", "绿都华庭", "昆都仑区"), ("n6", "万达花园", "昆都仑区"),
        ("n7", "112号小区", "昆都仑区"), ("n8", "万达家园", "昆都仑区"),
    ]  # fmt: skip
    register = polars.DataFrame(told, schema=["entity", "name", "division"], orient="row")
    asked = polars.DataFrame({"name": [written], "division": [division]})
    assert matching.match(asked, register, "community")["entity"].to_list() == [entity]


def test_match__buildings_of_the_register__are_never_one() -> None:
    register = polars.DataFrame({"entity": ["a", "b"], "name": ["友谊大街12号楼", "友谊大街15号楼"]})
    asked = polars.DataFrame({"name": ["友谊大街12号楼", "友谊大街18号楼", "友谊大街"]})
    assert matching.match(asked, register, "community")["entity"].to_list() == ["a", None, None]


def test_match__slips_of_clerks__are_linked_rightly_or_wait_with_the_right_candidate() -> None:
    places = slips.make_places(1_200, seed=31)
    written = [slip for slip in slips.write_slips(places, 6_000, seed=32) if slip.can_be_told]
    told = [(place.community_id, place.name, place.district) for place in places]
    told += [(place.community_id, place.old_name, place.district) for place in places if place.old_name]
    register = polars.DataFrame(told, schema=["entity", "name", "division"], orient="row")
    spelled = [(slip.name, slip.district) for slip in written]
    asked = polars.DataFrame(spelled, schema=["name", "division"], orient="row")
    answers = matching.match(asked, register, "community")
    linked = right = shown = told_of = 0
    for slip, row in zip(written, answers.iter_rows(named=True), strict=True):
        told_of += slip.community_id is not None
        linked += row["outcome"] == "linked"
        right += row["outcome"] == "linked" and row["entity"] == slip.community_id
        shown += slip.community_id in [one["entity"] for one in row["candidates"] or []]
    assert right / linked >= 0.997
    assert right / told_of >= 0.95
    assert shown / (told_of - right) >= 0.95


def test_named_in__address__gives_the_name_that_stands_in_it() -> None:
    texts = polars.Series(["昆区友谊大街12号金域蓝湾3号楼", "金域蓝湾与沁园春景之间", None, "友谊大街"])
    assert matching.named_in(texts, REGISTER).to_list() == ["金域蓝湾", None, None, None]


def test_model__fitted_on_another_reading_of_names__is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "VERSION", "names-of-another-day")
    model.load.cache_clear()
    with pytest.raises(model.ModelError, match="fit it again"):
        model.load("community")
    model.load.cache_clear()


def test_fitting__labelled_pairs__weighs_an_equal_name_above_a_similar_one(tmp_path: Path) -> None:
    rows: list[tuple[str, str, str, str, int]] = []
    firsts, seconds = "云松柏桂兰梅竹荷莲菊", "岭泉溪峰谷湾洲岸台苑"
    for group, shift in (("a", 0), ("b", 3), ("c", 5)):
        for place, first in enumerate(firsts):
            name = f"{first}{seconds[(place + shift) % 10]}雅居"
            rows.append((group, name, "区", f"{group}{place}", 1))
            rows.append((group, name + "小区", "区", f"{group}{place}", 0))
            rows.append((group, f"{first}{seconds[(place + shift + 1) % 10]}雅居", "区", "", 0))  # of no register
    pairs = polars.DataFrame(rows, schema=["group", "name", "division", "entity", "is_register"], orient="row")
    best = fitting.evidence(pairs, "community", {})
    fitted = fitting.write(best, "community", {}, version="test", sample="made here", folder=tmp_path)
    assert fitted.weights["name"]["core"] > fitted.weights["name"].get("one_wrong_4", -9.0)
    assert (tmp_path / "community.yml").read_text("utf-8").startswith("version: test")


def noisy(name: str, chance: random.Random) -> str:
    place = chance.randrange(len(name))
    kind = chance.random()
    if kind < 0.3:
        return name + "小区"
    if kind < 0.6:
        return name[:place] + chance.choice("园花阳光城康福安宁") + name[place + 1 :]
    return name[:place] + name[place + 1 :] + chance.choice(["", "3号楼", "2栋"])


def region(communities: int, mentions: int) -> tuple[polars.DataFrame, polars.DataFrame]:
    chance = random.Random(2026)
    parts = "云松柏桂兰梅竹荷莲菊岭泉溪峰谷湾洲岸台苑锦绣瑞祥康泰和顺福安宁华明辉景丽佳美嘉怡"
    kinds = ["花园", "家园", "小区", "雅居", "公馆", "新村", "苑", "城"]
    written = [
        "".join(chance.sample(parts, chance.choice((2, 3, 4)))) + chance.choice(kinds) for _ in range(communities)
    ]
    divisions = [f"第{place % 40}区划" for place in range(communities)]
    register = polars.DataFrame({"entity": range(communities), "name": written, "division": divisions})
    chosen = [chance.randrange(communities) for _ in range(mentions)]
    asked = polars.DataFrame(
        {"name": [noisy(written[place], chance) + str(number) for number, place in enumerate(chosen)],
         "division": [divisions[place] for place in chosen]}
    )  # fmt: skip
    return register, asked


def test_match__more_mentions__take_time_in_proportion() -> None:
    register, asked = region(1_000, 6_000)
    matching.match(asked.head(10), register, "community")
    started = time.process_time()
    assert matching.match(asked, register, "community").height == 6_000
    assert time.process_time() - started < 6  # ten times what an idle core takes


@pytest.mark.long
@pytest.mark.timeout(600)
def test_match__a_million_names_against_20000_communities__within_a_minute_of_two_cores() -> None:
    register, asked = region(20_000, 1_000_000)
    started = time.process_time()
    assert matching.match(asked, register, "community").height == 1_000_000
    assert time.process_time() - started < 120  # of processor time: two cores for 60 s


def suppliers() -> polars.DataFrame:
    assert REAL is not None
    rows = []
    for path in sorted((Path(REAL) / "ledger_lambeth").glob("*payments.csv")):
        text = path.read_bytes().decode("latin1").replace("\r\n", "\n").replace("\r", "\n")
        column = 1 if path.name.startswith("2012-06") else 0
        for number, row in enumerate(csv.reader(text.split("\n")), start=1):
            if len(row) > column and len(row[column].strip()) > 3:
                rows.append((path.name, number, row[column].strip()))
    return polars.DataFrame(rows, schema=["file", "row", "name"], orient="row")


def businesses() -> polars.DataFrame:
    assert REAL is not None
    path = Path(REAL) / "inspections_sf_lives" / "businesses.csv"
    return polars.read_csv(path, encoding="cp1252", infer_schema=False).select("business_id", "name")


def figures(labelled: polars.DataFrame, answers: polars.DataFrame) -> tuple[int, int, int]:
    """Return of labelled pairs: linked rightly, linked wrongly, and how many are one entity."""
    both = labelled.with_columns(answers["outcome"], answers["entity"].cast(polars.String))
    is_linked = (both["outcome"] == "linked") & (both["entity"] == both["known"])
    is_same = both["is_same"] == 1
    return int((is_linked & is_same).sum()), int((is_linked & ~is_same).sum()), int(is_same.sum())


@needs_real_files
def test_match__suppliers_of_a_council__pairs_labelled_by_eye() -> None:
    labels, rows = polars.read_csv(LABELS / "suppliers.csv"), suppliers()
    first = rows.unique("name", maintain_order=True).with_columns(
        (polars.col("file") + ":" + polars.col("row").cast(polars.String)).alias("key")
    )
    named = {(file, row): name for file, row, name in rows.iter_rows()}
    asked = [named[file, row] for file, row in labels.select("file", "row").iter_rows()]
    known = labels.select((polars.col("known_file") + ":" + polars.col("known_row").cast(polars.String)).alias("known"))
    register = first.filter(~polars.col("name").is_in(asked)).select(polars.col("key").alias("entity"), "name")
    answers = matching.match(polars.DataFrame({"name": asked}), register, "enterprise")
    right, wrong, same = figures(labels.with_columns(known["known"]), answers)
    assert wrong == 0
    assert right >= 0.7 * same  # the rest waits for a person


@needs_real_files
def test_match__businesses_of_a_city__pairs_labelled_by_eye() -> None:
    labels = polars.read_csv(LABELS / "businesses.csv", infer_schema=False).with_columns(
        polars.col("is_same").cast(polars.Int8)
    )
    rows = businesses()
    named = dict(rows.iter_rows())
    known = labels["known_business_id"].unique().to_list()
    register = rows.filter(polars.col("business_id").is_in(known)).rename({"business_id": "entity"})
    answers = matching.match(
        polars.DataFrame({"name": [named[one] for one in labels["business_id"]]}), register, "enterprise"
    )
    right, wrong, same = figures(labels.with_columns(polars.col("known_business_id").alias("known")), answers)
    assert wrong == 0
    assert right >= 0.8 * same


@needs_real_files
def test_named_in__letters_of_citizens__community_labelled_by_eye() -> None:
    assert REAL is not None
    labels = polars.read_csv(LABELS / "letters.csv", infer_schema=False)
    titles: dict[tuple[str, str], str] = {}
    for file in labels["file"].unique():
        sheet = polars.read_excel(Path(REAL) / "complaints_zh_sample" / file, infer_schema_length=0)
        titles |= {(file, str(one)): str(title) for one, title in sheet.select("留言编号", "留言主题").iter_rows()}
    register = polars.DataFrame(
        {
            "entity": range(labels["name"].n_unique() - 1),
            "name": labels["name"].drop_nulls().unique(maintain_order=True),
        }
    )
    texts = polars.Series([titles[file, one] for file, one in labels.select("file", "letter_id").iter_rows()])
    named = matching.named_in(texts, register)
    pairs = list(zip(named, labels["name"], strict=True))
    assert [pair for pair in pairs if pair[0] is not None and pair[0] != pair[1]] == []
    assert sum(one == other is not None for one, other in pairs) >= 0.85 * labels["name"].count()


def test_names_match_command__two_files__writes_outcomes_and_names_a_missing_column(tmp_path: Path) -> None:
    REGISTER.write_csv(tmp_path / "register.csv")
    asked, out = tmp_path / "asked.csv", tmp_path / "out.csv"
    polars.DataFrame({"name": ["金域蓝湾小区", "富强花园"], "division": ["昆都仑区"] * 2}).write_csv(asked)
    words = ["names", "match", "community", str(asked), "--out", str(out), "--register"]
    answer = CliRunner().invoke(app, [*words, str(tmp_path / "register.csv")])
    assert answer.exit_code == 0, answer.output
    written = polars.read_csv(out)
    assert written["outcome"].to_list() == ["linked", "waiting"] and "c1" in written["candidates"][1]
    assert CliRunner().invoke(app, [*words, str(asked)]).exit_code == 2


def test_levels__every_level__is_weighed_by_both_models() -> None:
    for entity_type in ("community", "enterprise"):
        weights = model.load(entity_type).weights["name"]
        for level in comparison.LEVELS:
            assert any(value == level or value.startswith(f"{level}_") for value in weights), (entity_type, level)
