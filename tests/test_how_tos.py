"""The how-to pages are followed to the letter: a newcomer who does what they say gets what they promise."""

import sys

import pytest
from how_to import Copy, blocks


@pytest.fixture
def copy(tmp_path):
    made = Copy(tmp_path)
    yield made
    made.stop()


@pytest.mark.slow
def test_add_a_source__followed__reads_the_county_export(copy):
    copy.follow("add-a-source.md")


@pytest.mark.slow
def test_add_a_check__followed__stops_what_it_is_for(copy):
    copy.follow("add-a-check.md")


def test_add_a_figure__its_blocks__give_a_figure_that_a_page_shows_and_a_statement_computes(tmp_path):
    """What takes minutes, the walk of all pages, is left to the long test below."""
    made = Copy(tmp_path)
    made.follow("add-a-figure.md", without=("bash", "console"))
    made.run(
        f"""cd tests && PYTHONPATH=.. {sys.executable} - <<'END'
from scorecard_figures import STATEMENTS
from property_credit.scorecards.figures import catalogue
from property_credit.scorecards.render import environment
assert catalogue()["communities.managed"].label == "有管理人的小区"
assert "current_uscc" in STATEMENTS["communities.managed"]
assert '"communities.managed"' in environment().loader.get_source(environment(), "area.html.j2")[0]
END"""
    )


@pytest.mark.long
def test_add_a_figure__followed__every_figure_of_every_page_is_computed_again(copy):
    copy.follow("add-a-figure.md")


def test_add_an_indicator__its_blocks__give_a_version_that_loads_and_points_that_add_up(tmp_path):
    """What takes minutes, grading history under both versions, is left to the long test below."""
    made = Copy(tmp_path)
    made.run(next(block.text for block in blocks("add-an-indicator.md") if block.language == "bash"))
    made.follow("add-an-indicator.md", without=("bash", "console"))
    added = made.run(
        f"""{sys.executable} - <<'END'
from scoring.method import load
added = load("2027.1").method.indicators["M17"]
print(added.measure.kind, added.max_points)
END"""
    )
    assert added.split() == ["bands", "1"]


@pytest.mark.long
def test_add_an_indicator__followed__tells_whom_it_moves(copy):
    copy.follow("add-an-indicator.md")


def test_page__a_step_that_no_longer_works__is_red(tmp_path):
    made = Copy(tmp_path)
    (tmp_path / "expectations" / "batch_gate.yml").write_text("suite: other\n", "utf-8")
    with pytest.raises(AssertionError, match="patch does not apply"):
        made.follow("add-a-check.md", without=("bash", "console"))


def test_blocks__a_console_line_that_was_not_printed__is_red(tmp_path):
    made = Copy(tmp_path)
    assert any(block.language == "console" for block in blocks("add-a-source.md"))
    with pytest.raises(AssertionError, match="not printed"):
        made.follow("add-a-source.md", without=("bash",))
