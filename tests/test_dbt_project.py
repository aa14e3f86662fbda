"""The dbt project's own rules, read from its manifest and files: layers, descriptions, keys, tests, one date."""

import re
from collections import defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from dbt_evaluator import holds_its_key

from property_credit.warehouse import transformation

READ = (".py", ".yml", ".sql")
INSIDE = {f"property_credit/{name}" for name in ("cli", "night", "warehouse")}  # they run the models, or tell of them
LAYERS = ("staging", "intermediate", "marts")
PROJECT = transformation.PROJECT_DIR
WALL_CLOCK = re.compile(
    r"\b(current_date|current_timestamp|localtimestamp|now\s*\(|clock_timestamp|statement_timestamp|run_started_at|modules\.datetime)",
    re.IGNORECASE,
)


@pytest.fixture(scope="module")
def manifest(migrated_template):
    """The parsed project."""
    with transformation._environment():
        return transformation._manifest_of("postgres")  # another test may have left it in scratch schemas


def models_of(manifest):
    return {key: node for key, node in manifest.nodes.items() if node.resource_type == "model"}


def wrong_edges(nodes, sources=()):
    """Edges that go backwards or skip the raw layer's only reader, as (from, to)."""
    wrong = []
    for key, node in nodes.items():
        for parent in node.depends_on.nodes:
            if parent.startswith("source.raw") or ".raw." in parent:
                if node.schema != "staging":
                    wrong.append((parent, key))
            elif parent in nodes and LAYERS.index(nodes[parent].schema) > LAYERS.index(node.schema):
                wrong.append((parent, key))
    return wrong


def test_models__all__lie_in_exactly_three_built_layers(manifest):
    assert {node.schema for node in models_of(manifest).values()} == set(LAYERS)
    for node in models_of(manifest).values():
        prefix = {"staging": ("stg_",), "intermediate": ("int_",), "marts": ("dim_", "fct_", "mart_")}[node.schema]
        assert node.name.startswith(prefix), node.name


def test_edges__all__go_forward_only(manifest):
    assert wrong_edges(models_of(manifest)) == []


def test_edges__a_backward_one__is_found(manifest):
    nodes = {key: node.__class__.from_dict(node.to_dict()) for key, node in models_of(manifest).items()}
    nodes["model.property_credit.stg_funds"].depends_on.nodes.append("model.property_credit.fct_fund_entries")
    nodes["model.property_credit.fct_fund_entries"].depends_on.nodes.append("source.property_credit.raw.funds")
    assert len(wrong_edges(nodes)) == 2


def test_models__all__are_described_with_their_grain_last(manifest):
    for node in models_of(manifest).values():
        assert re.search(r"One row per [^.]+\.$", node.description.strip()), node.name


def test_models__whose_key_the_database_does_not_hold__have_a_key_test_and_every_test_is_an_error(manifest):
    kinds = defaultdict(set)
    for node in manifest.nodes.values():
        if node.resource_type == "test":
            assert str(node.config.severity).lower() == "error" and node.config.enabled, node.name
            if getattr(node, "attached_node", None):
                kinds[node.attached_node].add(node.test_metadata.name)
    for key, node in models_of(manifest).items():
        assert "unique_key" in kinds[key] or holds_its_key(node), f"{node.name} has no key test"


def test_models__with_a_foreign_key__have_a_relationship_test(manifest):
    related = defaultdict(set)
    for node in manifest.nodes.values():
        if (
            node.resource_type == "test"
            and getattr(node, "attached_node", None)
            and node.test_metadata.name == "relationships"
        ):
            related[node.attached_node].add(node.column_name)
    owners = {"stg_communities", "stg_enterprises", "dim_community", "dim_enterprise"}
    for key, node in models_of(manifest).items():
        if node.schema != "marts" or node.name in owners:
            continue
        for column in ("uscc", "community_id", "region_code"):
            if column in node.columns and node.name != "dim_region":
                assert column in related[key], f"{node.name}.{column} has no relationship test"


def test_marts__all__have_an_enforced_contract(manifest):
    marts = [node for node in models_of(manifest).values() if node.schema == "marts"]
    assert len(marts) >= 14
    assert all(node.contract.enforced and node.columns for node in marts)


def test_sql__all__knows_no_date_but_the_business_date():
    for path in sorted(PROJECT.rglob("*.sql")):
        assert not WALL_CLOCK.search(path.read_text("utf-8")), f"{path} reads the wall clock"


@pytest.mark.parametrize("text", ["where a > current_date", "select now()", "NOW ()", "{{ run_started_at }}"])
def test_wall_clock__in_sql__is_found(text):
    assert WALL_CLOCK.search(text)


def test_sql__all__asks_for_the_night_by_its_macro():
    """Only the macro knows which night it is where none is given: a build in schemas of one's own."""
    named = {path.name for path in PROJECT.rglob("*.sql") if re.search(r"var\(.business_date", path.read_text("utf-8"))}
    assert named == {"dates.sql"}


def test_sql__all__stays_within_what_a_distributed_server_can_run():
    """Statements that a Citus coordinator refuses (measured): none is needed here."""
    refused = re.compile(r"\b(with\s+recursive|grouping\s+sets|merge\s+into|lateral)\b", re.IGNORECASE)
    for path in sorted((PROJECT / "models").rglob("*.sql")):
        assert not refused.search(path.read_text("utf-8")), path


def test_marts__of_complaints__carry_no_person_and_no_text(manifest):
    personal = {"reporter_name", "reporter_phone", "title", "content", "reply", "staff_name", "counterparty_name"}
    for node in models_of(manifest).values():
        assert not personal & set(node.columns), node.name
        assert not any(re.search(rf"\b{name}\b", node.raw_code) for name in personal), node.name


def test_variables__defaults__equal_method_2026_1():
    from scoring.method import load, warehouse_variables

    defaults = yaml.safe_load((PROJECT / "dbt_project.yml").read_text("utf-8"))["vars"]
    given = warehouse_variables(load("2026.1").method)

    def plain(value):
        if isinstance(value, dict):
            return {str(key): plain(inner) for key, inner in value.items()}
        return [plain(inner) for inner in value] if isinstance(value, list) else Decimal(str(value))

    # monitoring and silence grade nobody, the rules' editions are no method's, 2026.1 leaves counting out
    elsewhere = {"windows", "caps", "monitoring", "silence", "edition", "rules", "counting"}
    for name in set(defaults) - elsewhere:
        assert plain(defaults[name]) == plain(given[name]), name
    for name, months in defaults["windows"].items():
        assert given["windows"][name] == months, name
    for code, numbers in defaults["caps"].items():
        for name, value in numbers.items():
            wanted = given["caps"][code][name]
            assert value == ({"within_months": wanted["within_months"]} if name == "repeat" else wanted), (code, name)


def test_variables__given_by_a_method__are_laid_over_the_defaults():
    merged = transformation._variables(date(2026, 10, 31), {"windows": {"P02": 12}, "repeat_within_days": 15})
    assert merged["windows"]["P02"] == 12 and merged["windows"]["P01"] == 36
    assert merged["repeat_within_days"] == 15 and merged["business_date"] == "2026-10-31"


def test_seeds__codes__equal_the_contracts_code_lists():
    """Every code a feed may deliver has its label in the seed, and the seed has no other."""
    import csv

    with open(PROJECT / "seeds" / "codes.csv", encoding="utf-8", newline="") as handle:
        seeded = defaultdict(set)
        for row in csv.DictReader(handle):
            seeded[row["list_code"]].add(row["code"])
            assert row["label_zh"] and row["valid_from"]
    staged = {}
    for path in sorted((PROJECT / "models" / "staging").glob("stg_*.yml")):
        for model in yaml.safe_load(path.read_text("utf-8"))["models"]:
            for column in model.get("columns", []):
                for data_test in column.get("data_tests", []):
                    if "listed_code" in data_test:
                        list_code = data_test["listed_code"]["arguments"]["list_code"]
                        staged[model["name"].removeprefix("stg_"), column["name"]] = list_code
    from property_credit.ingestion import feeds

    for feed in map(feeds.get, feeds.NAMES):
        for field in feed.fields:
            if field.codes and (feed.name, field.name) in staged:
                list_code = staged[feed.name, field.name]
                ours = {"vanished"} if list_code == "end_reason" else set()  # given by the platform, by no office
                assert set(field.codes) | ours == seeded[list_code], (feed.name, field.name)
            elif field.codes and field.name != "currency_code":
                pytest.fail(f"{feed.name}.{field.name} has codes and no listed_code test")


def test_regions__the_high_tech_zone__has_a_statistical_code():
    lines = Path(PROJECT / "seeds" / "regions.csv").read_text("utf-8").splitlines()
    assert any(line.startswith("150271,稀土高新区,150200,district,statistical") for line in lines)
    assert any(line.startswith("152201,乌兰浩特市,") for line in lines)


def read_by(folders, names):
    """The models that the code and suites in ``folders`` name."""
    root = Path(transformation.PROJECT_DIR).parent
    texts = [
        path.read_text("utf-8") for folder in folders for path in (root / folder).rglob("*.*") if path.suffix in READ
    ]
    return set(re.findall(r"\b(?:mart|dim|fct|int|stg)_\w+", " ".join(texts))) & names


def test_exposures__all__depend_on_what_their_code_reads(manifest):
    names = {node.name for node in models_of(manifest).values()}
    assert manifest.exposures
    for exposure in manifest.exposures.values():
        expected = read_by(exposure.meta["folders"], names)
        assert {key.rpartition(".")[2] for key in exposure.depends_on.nodes} == expected, exposure.name
    exposed = {folder for exposure in manifest.exposures.values() for folder in exposure.meta["folders"]}
    others = {
        f"property_credit/{path.name}" for path in (PROJECT.parent / "property_credit").iterdir() if path.is_dir()
    }
    for folder in others - exposed - INSIDE:
        assert not read_by([folder], names), f"{folder} reads models and is in no exposure"
