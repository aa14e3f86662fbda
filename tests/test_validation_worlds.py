"""The table of worlds: its verdicts, its worst world, and a run that goes on where it was broken off."""

import json

import numpy as np
import polars as pl
import pytest
from test_validation_gates import fewer_draws, happened, stated, town, with_peers  # noqa: F401

from property_credit.cli import worlds as command
from property_credit.cli.validation import ValidationError
from scoring.method import LoadedMethod, load
from scoring.validation import worlds
from scoring.validation.measures import Measures, with_events
from scoring.validation.verdicts import CANNOT_TELL, MET, MISSED, NOT_MEASURED

METHOD = load("2026.2").method


def measures(*, size=700, inside=0.9, old_effect=0.0, noise=2.0, wrong=False, floods=()):
    firms = town(size=size, noise=noise, old_effect=old_effect)
    if wrong:
        firms = firms.with_columns((150 - pl.col("score")).alias("score"))
    firms = with_peers(with_events(firms, happened(firms, 0.5 - 0.45 * firms["quality"].to_numpy())), best=0.3)
    rng = np.random.default_rng(8)
    known = firms.select("uscc", "old_share", (pl.col("quality") + 0.1 * pl.Series(rng.normal(size=size))).alias("P02"))
    return Measures(firms, None, {}, stated(inside, firms), firms, [], [], list(floods), known)


def fell(uscc, grade):
    return {"uscc": uscc, "bought": 9, "grade": grade, "grade_without": "A", "points": -1.0}


def test_row__a_good_score__meets_every_aim():
    row = worlds.row("base", METHOD, measures(size=6000, floods=[fell("x", "A")]))
    statuses = {name: cell.status for name, cell in row.cells.items()}
    assert set(statuses.values()) == {MET}, row.cells
    assert row.cells["truth"].aim == "≥ 0.9" and row.cells["floods"].shown == "0 / 1"
    assert sum(row.grades.values()) == row.rated == 6000 and row.peers["score"] > 0.9 > row.peers["plain_mean"]


@pytest.mark.parametrize(
    ("heading", "broken"),
    [
        ("truth", {"wrong": True}), ("peers_quality", {"wrong": True}), ("peers_event", {"wrong": True}),
        ("auc_size", {"wrong": True}), ("auc_attained", {"wrong": True}), ("old_share", {"old_effect": -20.0}),
        ("coverage", {"inside": 0.7}), ("floods", {"floods": [fell("x", "B")]}),
    ],
)  # fmt: skip
def test_row__broken_on_purpose__is_a_miss_and_printed_as_one(heading, broken):
    row = worlds.row("levels", METHOD, measures(**broken))
    assert row.cells[heading].status == MISSED and row.cells["truth"].aim == "≥ 0.8"
    page = worlds.markdown(worlds.Table([row], {}))
    assert f"✗ {row.cells[heading].shown}" in page and worlds.Table([row], {}).exit_code == 1


def test_row__everybody_in_one_grade_and_a_small_world__are_a_miss_and_cannot_tell():
    alike = measures()
    one_grade = alike.firms.with_columns(pl.lit("A").alias("grade"))
    assert worlds.row("base", METHOD, Measures(**{**vars(alike), "firms": one_grade})).cells["grades"].status == MISSED
    small = worlds.row("base", METHOD, measures(size=60))
    assert small.cells["old_share"].status == small.cells["coverage"].status == CANNOT_TELL
    tiny = worlds.row("base", METHOD, measures(size=12))
    assert {cell.status for cell in tiny.cells.values()} <= {NOT_MEASURED, CANNOT_TELL}


def test_worst__is_the_world_furthest_off__and_not_the_mean():
    rows = [worlds.row(name, METHOD, measured) for name, measured in (
        ("base", measures()), ("wide", measures(inside=0.7)), ("levels", measures(wrong=True)),
    )]  # fmt: skip
    table = worlds.Table(rows, {})
    worst = table.worst(METHOD.version)
    assert worst["truth"].world == "levels" and worst["coverage"].world == "wide" and "floods" not in worst
    assert any("levels: ✗" in line for line in worlds.markdown(table).splitlines())


def test_row_of__what_was_kept__is_the_row_again():
    row = worlds.row("base", METHOD, measures(size=200))
    assert worlds.row_of(json.loads(json.dumps(worlds.asdict(row)))) == row


def test_judge_worlds__broken_off_and_run_again__makes_only_what_is_missing(tmp_path, monkeypatch):
    made = []

    def measured(name, *, methods, seed, firms):
        made.append((name, seed))
        if len(made) == 3:
            raise KeyboardInterrupt
        return {loaded.version: measures(size=60) for loaded in methods}

    monkeypatch.setattr(command, "_measured", measured)
    asked = {"methods": ["2026.2"], "seeds": [1, 2], "firms": 30, "out": tmp_path / "table"}
    with pytest.raises(KeyboardInterrupt):
        command.judge_worlds(["base", "wide"], **asked)
    assert "| base | 2026.2 | 120 |" in (tmp_path / "table" / "worlds.md").read_text("utf-8")
    table = command.judge_worlds(["base", "wide"], **asked)
    assert made == [("base", 1), ("base", 2), ("wide", 1), ("wide", 1), ("wide", 2)]
    assert [(row.world, row.method) for row in table.rows] == [("base", "2026.2"), ("wide", "2026.2")]
    command.judge_worlds(["base"], **(asked | {"firms": 31}))
    assert len(made) == 7  # other arguments: made again


def test_judge_worlds__into_a_file__is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValidationError, match="name a folder"):
        command.judge_worlds(["base"], methods=None, seeds=[1], firms=None, out=tmp_path / "file")


def test_judge_worlds__with_a_trial_cycle__judges_what_it_proposes_and_never_by_its_seed(tmp_path, monkeypatch):
    def after_trial(name, version, *, seed, firms):
        assert (name, version, seed) == ("base", "2026.2", 3)
        return LoadedMethod(METHOD.model_copy(update={"version": "2026.2-trial"}), sha256="")

    monkeypatch.setattr(command, "_after_trial", after_trial)
    monkeypatch.setattr(command, "_measured", lambda name, *, methods, seed, firms: {
        loaded.version: measures(size=60) for loaded in methods
    })  # fmt: skip
    asked = {"methods": ["2026.2"], "firms": 30, "trial_seed": 3}
    table = command.judge_worlds(["base"], seeds=[1], out=tmp_path, **asked)
    assert [row.method for row in table.rows] == ["2026.2", "2026.2-trial"]
    with pytest.raises(ValidationError, match="seed 3 judges"):
        command.judge_worlds(["base"], seeds=[3], out=tmp_path, **asked)


def test_page__signals_and_misclassification__stand_below_the_table():
    judged = Measures(**{**vars(measures()), "signals": {"P02": 0.72}, "misclassified": {"A|B small": 0.11}})
    page = worlds.markdown(worlds.Table([worlds.row("base", METHOD, judged)], {}))
    assert "| P02 | 72%–72% |" in page and "| base | 2026.2 | 11.0% |" in page


@pytest.mark.long
def test_judge_worlds__a_real_world_by_both_methods__has_every_figure(migrated_template, tmp_path):
    table = command.judge_worlds(["base"], methods=["2026.1", "2026.2"], seeds=[1], firms=60, out=tmp_path)
    for row in table.rows:
        assert {name for name, cell in row.cells.items() if cell.status == NOT_MEASURED} <= {
            "floods", "auc_size", "auc_attained", "peers_event",
        }  # fmt: skip
        assert row.rated > 40
