"""What the pages say of the code is so: the drawing of its rooms, the links, the glossary's names."""

import ast
import re
import shutil

import architecture_drawing as architecture
import pytest

GLOSSARY = architecture.PROJECT / "docs" / "glossary.md"
CODE = (".py", ".sql", ".yml", ".toml", ".j2")
PAGES = sorted(path for path in [*architecture.PROJECT.glob("*.md"), *architecture.PROJECT.glob("docs/**/*.md")])


def test_drawing__as_the_code_is__stands_on_the_page():
    text = architecture.PAGE.read_text("utf-8")
    assert text == architecture.page_with(architecture.drawing(), text), "run python tests/architecture_drawing.py"


def test_drawing__a_new_import__changes_it(tmp_path):
    rooms = ("property_credit", *architecture.TOP)
    for path in (path for room in rooms for path in architecture.PROJECT.glob(f"{room}/**/*.py")):
        copy = tmp_path / path.relative_to(architecture.PROJECT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    assert architecture.drawing(tmp_path) == architecture.drawing()
    (tmp_path / "scoring" / "shortcut.py").write_text("from property_credit.publishing import log\n")
    assert ("scoring", "publishing") in architecture.edges(tmp_path)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_page__every_link_to_a_file__leads_to_one(page):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def table(heading, place):
    """Return what stands in backticks in the cells at ``place`` of the glossary's table below ``heading``."""
    section = GLOSSARY.read_text("utf-8").partition(heading)[2].partition("\n## ")[0]
    rows = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return {word for row in rows for word in re.findall(r"`([^`]+)`", row[place])}


def names_of(path):
    """Return every name in a file of Python and the file's own; tests' names are sentences and do not count."""
    names = {path.stem}
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.arg(arg=name):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.keyword(arg=str(name)) | ast.alias(asname=str(name)):
                names.add(name)
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.ExceptHandler(name=str(name)):
                names.add(name)
    return {name for name in names if not name.startswith("test_")}


def wrong_names(path, words):
    """Return the names of a file that are one of ``words`` or begin with one."""
    snake = {name: re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_") for name in names_of(path)}
    return {name for name, parts in snake.items() if parts.split("_")[0] in words}


def files_of(*kinds):
    """Return the project's own files whose names end in one of ``kinds``."""
    rooms = (
        "property_credit",
        "dags",
        "scoring",
        "simulation",
        "expectations",
        "dbt_project",
        "benchmarks",
        "docs",
        "tests",
    )
    paths = (path for room in rooms for path in (architecture.PROJECT / room).rglob("*"))
    return [path for path in paths if path.suffix in kinds and "migrations" not in path.parts]


def test_names__of_all_code__are_none_that_the_glossary_rules_out():
    words = table("## Words that are no names", 0)
    assert {"found", "once", "door"} <= words
    names = {str(path): wrong for path in files_of(".py") if (wrong := wrong_names(path, words))}
    assert names == {}, "a name says what the thing is: docs/glossary.md"


@pytest.mark.parametrize(
    "code",
    [
        "found = 1",
        "def f(found): ...",
        "f(found=1)",
        "night.found",
        "def found(): ...",
        "class Found: ...",
        "import json as found",
        "_found_here = 1",
        "(found := 1)",
        "[found for found in ()]",
        "lambda found: found",
        "try: ...\nexcept ValueError as found: ...",
        "match 1:\n  case found: ...",
    ],
)
def test_names__one_that_is_ruled_out__is_seen(code, tmp_path):
    path = tmp_path / "module.py"
    path.write_text(code)
    assert wrong_names(path, {"found"})
    path.write_text("not_found = profound = 'found'  # found\ndef test_row__is_found(): ...\n")
    assert not wrong_names(path, {"found"})


def unknown_terms(terms, texts):
    """Return the glossary's names in code that stand in no text and are no file's address."""
    words = {term: re.split(r" = |[ (]", term.rstrip("…"))[0] for term in terms}
    rooms = (architecture.PROJECT, architecture.PROJECT / "property_credit")
    return {
        term
        for term, word in words.items()
        if not any(word in text for text in texts) and not any(any(room.glob(word)) for room in rooms)
    }


def test_glossary__every_name_in_code__stands_in_code():
    terms = table("# Glossary", 2)
    texts = [path.read_text("utf-8") for path in files_of(*CODE)]
    assert len(terms) > 100 and unknown_terms(terms, texts) == set()
    assert unknown_terms({"no_such_column_code", "docs/no_such_page.md"}, ["texts"]) == {
        "no_such_column_code",
        "docs/no_such_page.md",
    }


def unknown_in_policy(text):
    """What a page of clauses names that is not there: feeds of its second column, models, KPIs, alerts of its last."""
    project = architecture.PROJECT
    seeds = project / "dbt_project" / "seeds"
    known = {path.stem for path in (project / "property_credit/ingestion/feeds").glob("*")}
    known |= {path.stem for path in (project / "dbt_project/models").rglob("*.sql")}
    for prefix, seed in (("kpi:", "kpi_definitions.csv"), ("alert:", "alert_kinds.csv")):
        lines = (seeds / seed).read_text("utf-8").splitlines()[1:]
        known |= {prefix + line.partition(",")[0] for line in lines}
    rows = [
        line.strip("|").split("|") for line in text.splitlines() if line.startswith("| A") or line.startswith("| B")
    ]
    cells = [cell for row in rows if len(row) == 5 for cell in (row[1], row[4])]
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)} - known


def test_policy__every_feed_model_kpi_and_alert__exists():
    text = (architecture.PROJECT / "docs" / "policy.md").read_text("utf-8")
    assert unknown_in_policy(text) == set()
    assert unknown_in_policy(text.replace("`kpi:management_coverage`", "`kpi:wishes`")) == {"kpi:wishes"}
    kpis = (architecture.PROJECT / "dbt_project/seeds/kpi_targets.csv").read_text("utf-8").splitlines()[1:]
    assert {f"kpi:{line.partition(',')[0]}" for line in kpis} <= set(re.findall(r"kpi:\w+", text))
