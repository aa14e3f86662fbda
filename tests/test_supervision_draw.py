"""The draw's arithmetic: rates met over a year, caps, merged visits, untied inspectors, the same bytes anywhere."""

import doctest
import json
import os
import subprocess
import sys
from collections import Counter
from copy import deepcopy
from pathlib import Path

import pytest

from property_credit.supervision import draw as drawing
from property_credit.supervision import draw_files, draw_frame, draw_seed
from property_credit.supervision.draw import draw
from property_credit.supervision.errors import SupervisionError

ROOT = Path(__file__).resolve().parent.parent
RATES = {"AA": 500, "A": 1500, "NR": 2000, "B": 3000, "full": 10_000}
CLASSES = ["AA"] * 10 + ["A"] * 40 + ["NR"] * 10 + ["B"] * 35 + ["full"] * 5
AUTHORITIES = ("fire", "housing", "market")


def frame(count=900, firms=90, month="2026-01", **changes):
    """A frame of ``count`` communities over five districts; housing draws at the full rates, the others at half."""
    return {
        "format": draw_frame.FORMAT,
        "month": month,
        "grades": {"list_id": "publication-1", "root": "ab" * 32},
        "rules": {"firm_visits_per_month": 4, "inspectors_per_authority": 2},
        "rates": [
            {"authority_code": authority, "rate_class": name}
            | {"yearly_rate": rate if authority == "housing" or name == "full" else rate // 2}
            for authority in AUTHORITIES
            for name, rate in RATES.items()
        ],
        "communities": [
            {
                "community_id": f"c{number:05d}",
                "region_code": f"15020{2 + number % 5}",
                "uscc": f"F{number % firms}",
                "rate_class": CLASSES[number * 7 % 100],
                "drawn": {},
            }
            for number in range(count)
        ],
        "inspectors": [
            {"inspector_code": f"{authority}{district}{n}", "authority_code": authority}
            | {"region_code": f"15020{district}"}
            for authority in AUTHORITIES
            for district in range(2, 7)
            for n in range(4)
        ],
        "ties": [],
        "accounts": [],
        "deferred": [],
        "accrued_months": 1,
        "previous_draw_sha256": None,
        **changes,
    }  # fmt: skip


def teams(made):
    return [
        (visit, check, inspector)
        for visit in made["visits"]
        for check in visit["checks"]
        for inspector in check["inspectors"]
    ]


@pytest.fixture(scope="module")
def year():
    """Twelve months drawn one after another, each frame from the draw before it."""
    now, made = frame(), []
    for number in range(1, 13):
        now = {**deepcopy(now), "month": f"2026-{number:02d}"}
        drawn = draw(now, f"seed {number}")
        made.append((now, drawn))
        now = {**deepcopy(now), "accounts": drawn["accounts"], "deferred": drawn["deferred"]}
        places = {row["community_id"]: row["drawn"] for row in now["communities"]}
        for visit in drawn["visits"]:
            for check in visit["checks"]:
                place = places[visit["community_id"]]
                place[check["authority_code"]] = place.get(check["authority_code"], 0) + 1
    return made


def test_examples__of_the_modules__hold():
    for module in (drawing, draw_frame, draw_seed):
        assert doctest.testmod(module).failed == 0


def test_year__of_every_authority_and_class__meets_its_rate(year):
    sizes = Counter(row["rate_class"] for row in year[0][0]["communities"])
    done = Counter(
        (check["authority_code"], visit["rate_class"])
        for _, made in year
        for visit in made["visits"]
        for check in visit["checks"]
    )
    for rate in year[0][0]["rates"]:
        due = sizes[rate["rate_class"]] * rate["yearly_rate"] / 10_000
        assert due - 1 < done[rate["authority_code"], rate["rate_class"]] <= due, rate


def test_year__of_every_stratum__is_no_more_than_one_check_off(year):
    frame_, done = year[0][0], Counter()
    for _, made in year:
        for visit in made["visits"]:
            for check in visit["checks"]:
                done[check["authority_code"], visit["rate_class"], visit["region_code"]] += 1
    sizes = Counter((row["rate_class"], row["region_code"]) for row in frame_["communities"])
    for rate in frame_["rates"]:
        for (rate_class, region), size in sizes.items():
            if rate_class == rate["rate_class"]:
                drawn = done[rate["authority_code"], rate_class, region]
                assert abs(drawn - size * rate["yearly_rate"] / 10_000) <= 1, (rate, region)


def test_year__of_the_full_class__visits_everybody_once_spread_over_the_months(year):
    visits = [
        (made["month"], visit["community_id"])
        for _, made in year
        for visit in made["visits"]
        if visit["rate_class"] == "full"
    ]
    wanted = {row["community_id"] for row in year[0][0]["communities"] if row["rate_class"] == "full"}
    assert len({name for _, name in visits}) == len(visits) and len(wanted) - len(visits) <= 1
    assert max(Counter(month for month, _ in visits).values()) <= len(wanted) / 12 + 2


def test_visits__of_several_authorities__are_merged_and_counted(year):
    for _, made in year:
        checks = sum(len(visit["checks"]) for visit in made["visits"])
        assert len({visit["community_id"] for visit in made["visits"]}) == len(made["visits"])
        assert made["counts"]["visits_saved_by_merging"] == checks - len(made["visits"])
    saved = sum(made["counts"]["visits_saved_by_merging"] for _, made in year)
    alone = sum(made["counts"]["checks"] for _, made in year)
    assert saved / alone > 0.4  # the same tickets: authorities fall on the same communities


def test_cap__of_a_firm__puts_off_and_comes_first_next_month():
    now = frame(60, firms=1)
    now["rates"] = [{"authority_code": "housing", "rate_class": "B", "yearly_rate": 10_000}]
    for row in now["communities"]:
        row["rate_class"] = "B"
    first = draw(now, "s")  # 60 communities of one firm, all due in the year: five this month, four may be visited
    assert len(first["visits"]) == 4 and first["counts"]["checks_put_off"] == 1
    put_off = first["deferred"][0]["community_id"]
    second = draw({**now, "accounts": first["accounts"], "deferred": first["deferred"], "month": "2026-02"}, "t")
    visits = {visit["community_id"]: visit for visit in second["visits"]}
    assert visits[put_off]["checks"][0]["since"] == "2026-01"
    assert len(second["visits"]) == 4 and second["counts"]["checks_put_off"] == 2
    gone = [row for row in now["communities"] if row["community_id"] != put_off]
    third = draw({**now, "communities": gone, "accounts": first["accounts"], "deferred": first["deferred"]}, "t")
    assert third["dropped"] == first["deferred"]  # nobody manages it any more: said, not lost


def test_inspectors__two_of_each_authority__of_the_district_never_tied_and_evenly_busy():
    now = frame()
    free = draw(now, "s")
    assert all(len(check["inspectors"]) == 2 for visit in free["visits"] for check in visit["checks"])
    assert not any(inspector["is_from_neighbour"] for _, _, inspector in teams(free))
    now["ties"] = sorted(
        ({"inspector_code": inspector["inspector_code"], "uscc": visit["uscc"]} for visit, _, inspector in teams(free)),
        key=lambda row: (row["inspector_code"], row["uscc"]),
    )
    tied = draw(now, "s")
    pairs = {(row["inspector_code"], row["uscc"]) for row in now["ties"]}
    assert not any((inspector["inspector_code"], visit["uscc"]) in pairs for visit, _, inspector in teams(tied))
    for made in (free, tied):
        busy = Counter(inspector["inspector_code"] for _, _, inspector in teams(made))
        for authority in AUTHORITIES:
            loads = [busy[row["inspector_code"]] for row in now["inspectors"] if row["authority_code"] == authority]
            assert max(loads) <= 2 + sum(loads) / len(loads) * 2


def test_inspectors__none_in_the_district__come_from_the_city_and_what_lacks_is_said():
    now = frame()
    now["inspectors"] = [
        row for row in now["inspectors"] if row["region_code"] == "150202" and row["authority_code"] != "market"
    ]
    made = draw(now, "s")
    assert any(inspector["is_from_neighbour"] for _, _, inspector in teams(made))
    lacking = [check for visit in made["visits"] for check in visit["checks"] if check["short_count"]]
    assert lacking and {check["authority_code"] for check in lacking} == {"market"}
    assert made["counts"]["visits_short_of_inspectors"] == sum(
        any(check["authority_code"] == "market" for check in visit["checks"]) for visit in made["visits"]
    )


def test_seed__another_one__draws_others_in_the_same_numbers():
    one, other = draw(frame(), "s"), draw(frame(), "t")
    names = [{visit["community_id"] for visit in made["visits"]} for made in (one, other)]
    assert names[0] != names[1]
    assert one["counts"]["checks_drawn"] == other["counts"]["checks_drawn"]


@pytest.fixture
def files(tmp_path):
    """A month's files as they are published, with a committed seed."""
    now, secret = frame(300), "5" * 64
    seed = draw_seed.from_secret(secret, root=now["grades"]["root"], month=now["month"])
    basis = {"kind": "committed", "secret": secret, "root": now["grades"]["root"], "list_id": "publication-1"}
    basis["commitment_sha256"] = draw_seed._sha256(secret)
    made = draw_files.document(now, seed, basis)
    draw_files.write(tmp_path, now, made, next_commitment=None)
    return tmp_path


def test_verify__on_a_machine_with_nothing_but_the_files__draws_the_same_bytes(files, tmp_path):
    verified = subprocess.run(
        [
            sys.executable,
            "-m",
            "property_credit.cli.main",
            "draw",
            "verify",
            str(files / "frame.json"),
            str(files / "draw.json"),
        ],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={
            "PATH": os.environ["PATH"],
            "PYTHONHASHSEED": "4711",
            "DATA_DIR": str(tmp_path / "nothing"),
            "WAREHOUSE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
            "COLUMNS": "200",
        },
        check=False,
    )
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "byte for byte" in verified.stdout and not (tmp_path / "nothing").exists()


def independently(path, seed):
    script = ROOT / "tests" / "independent_draw.py"
    ran = subprocess.run([sys.executable, "-I", str(script), str(path), seed], capture_output=True, check=True)
    return json.loads(ran.stdout)


@pytest.mark.parametrize("month", [1, 7, 12])
def test_draw__by_another_program_written_from_the_docs__is_the_same(year, month, tmp_path):
    now, made = year[month - 1]
    now = {**now, "inspectors": now["inspectors"][::3]}  # so few that neighbours have to help
    now["ties"] = [{"inspector_code": "housing20", "uscc": f"F{number}"} for number in range(0, 90, 2)]
    made = draw(now, f"种子 {month}")
    (tmp_path / "frame.json").write_bytes(draw_files.canonical(now))
    theirs = independently(tmp_path / "frame.json", f"种子 {month}")
    assert theirs["put_off"] == [[row["community_id"], row["authority_code"]] for row in made["deferred"]]
    assert theirs["visits"] == [
        [
            visit["community_id"],
            [
                [
                    check["authority_code"],
                    check["since"],
                    [one["inspector_code"] for one in check["inspectors"]],
                    check["short_count"],
                ]
                for check in visit["checks"]
            ],
        ]
        for visit in made["visits"]
    ]


def spoil(path, change):
    document = json.loads(path.read_text("utf-8"))
    change(document)
    path.write_text(json.dumps(document), "utf-8")


@pytest.mark.parametrize(
    ("file", "change", "red"),
    [
        ("draw.json", lambda made: made["visits"].pop(), {"draw 抽取结果"}),
        ("draw.json", lambda made: made["visits"][0]["checks"][0]["inspectors"].reverse(), {"draw 抽取结果"}),
        ("frame.json", lambda now: now["communities"].pop(0), {"frame 名单", "draw 抽取结果"}),
        ("draw.json", lambda made: made["seed_basis"].update(secret="6" * 64), {"commitment 承诺", "seed 种子"}),
        ("draw.json", lambda made: made["seed_basis"].update(root="cd" * 32), {"seed 种子"}),
    ],
)
def test_verify__a_file_that_was_changed__turns_red_where_it_was(files, file, change, red):
    spoil(files / file, change)
    checks = draw_files.verify(files / "frame.json", files / "draw.json")
    assert {check.name for check in checks if not check.is_met} == red


def test_verify__with_the_month_before__sees_an_account_that_was_changed(files, tmp_path):
    before = json.loads((files / "draw.json").read_text("utf-8"))
    later = frame(300, month="2026-02", accounts=before["accounts"], deferred=before["deferred"])
    later["previous_draw_sha256"] = draw_files.sha256(before)
    for name, is_met in (("kept", True), ("changed", False)):
        if not is_met:
            later["accounts"][0]["units"] += 1
        folder = tmp_path / name
        draw_files.write(folder, later, draw_files.document(later, "s", {"kind": "given"}), next_commitment=None)
        checks = draw_files.verify(folder / "frame.json", folder / "draw.json", files / "draw.json")
        assert [check.is_met for check in checks] == [True, True, is_met]


@pytest.mark.parametrize("name", ["month", "frame_sha256", "draw_sha256", "commitment_sha256"])
def test_verify__with_the_announcement__sees_a_promise_that_was_not_kept(files, name):
    paths = [files / "frame.json", files / "draw.json", None, files / "announcement.json"]
    assert all(check.is_met for check in draw_files.verify(*paths))
    spoil(files / "announcement.json", lambda promised: promised.update({name: "x"}))
    red = [check for check in draw_files.verify(*paths) if not check.is_met]
    assert [check.name for check in red] == ["announced 公告"] and name in red[0].detail


@pytest.mark.parametrize(
    ("file", "lost"), [("frame.json", "grades"), ("draw.json", "month"), ("frame.json", "accounts")]
)
def test_verify__a_file_that_lacks_something__says_so(files, file, lost):
    spoil(files / file, lambda document: document.pop(lost))
    with pytest.raises(SupervisionError, match="lacks what a draw needs"):
        draw_files.verify(files / "frame.json", files / "draw.json", None, files / "announcement.json")


def test_verify__a_file_that_is_no_frame__says_so(tmp_path):
    (tmp_path / "x.json").write_text("{}", "utf-8")
    with pytest.raises(SupervisionError, match="not a document of format"):
        draw_files.verify(tmp_path / "x.json", tmp_path / "x.json")


def test_files__for_people__hold_no_formula_and_say_who_goes(files):
    text = (files / "visits.csv").read_text("utf-8-sig")
    assert "住建" in text and text.count("\n") == 1 + len(json.loads((files / "draw.json").read_text())["visits"])
