"""dbt-project-evaluator's rules hold, or an exception stands beside its reason; keys stand where dbt's tools look."""

import copy
from collections import defaultdict

import pytest
from dbt_evaluator import RULES, Project, holds_its_key, kind

from property_credit.warehouse import transformation

MODEL, SOURCE = "model.property_credit.", "source.property_credit."
# numbers as they are tonight and what was taken back: asked by every staging model of its rows, joined to none
LOOKUPS = (
    f"{MODEL}stg_enterprise_codes",
    f"{MODEL}stg_community_numbers",
    f"{SOURCE}raw.withdrawn_rows",
)
NIGHTS = {
    "int_batches__listed",
    "int_feed_districts__covered",
    "int_feed_profiles__judged",
    "int_feed_silences__detected",
}
REGISTER = {"stg_community_numbers", "stg_community_successions", "stg_enterprise_codes", "stg_enterprise_successions"}
PERIODS = {"stg_community_periods", "stg_contract_periods"}
REPORTERS = {"stg_complaint_months__touched", "stg_complaint_reporters"}

# Of each rule the exceptions, and why each group is one. An exception that no longer breaks its rule fails as well.
EXCEPTIONS = {
    "direct_join_to_source": {
        "whether a feed is silent is asked of its deliveries, beside its rows": NIGHTS & {
            "int_feed_districts__covered", "int_feed_silences__detected",
        },
        "a value holds from a day on: all versions of a key, beside the one in force": PERIODS,
        "persons stay in raw: their counts are taken there for the months that staging says": REPORTERS,
    },
    "hard_coded_references": {"a function of raw that counts persons and shows none": {"stg_complaint_reporters"}},
    "model_fanout": {
        "the centre of a star, read by a mart for each of its consumers": {
            "dim_community", "fct_complaints", "fct_inspection_lines", "int_areas__expanded",
            "int_complaint_events__measured", "int_conformity_events__measured", "int_enterprises__summarised",
            "int_feed_districts__covered", "int_inspection_events__measured", "int_record_events__measured",
            "int_register_events__measured", "int_spells__resolved", "stg_communities",
        },
    },
    "multiple_sources_joined": {
        "a decision of the register is a decision, its number and its link": REGISTER,
        "a value holds from a day on, by deliveries and by the register": {"stg_community_periods"},
        "the age of a feed is that of its deliveries": {"mart_scoring__feeds"},
    },
    "rejoining_of_upstream_concepts": {
        "the step between sums or judges the rows; who reads it needs the rows beside their sums": {
            "int_complaint_windows__counted", "int_feed_silences__detected", "int_payment_alerts__detected",
            "int_spells__resolved", "int_tender_alerts__detected", "mart_scoring__indicator_counts",
            "mart_supervision__complaint_months", "mart_supervision__kpi_counts", "mart_supervision__reconciliations",
        },
    },
    "source_fanout": {
        "the register answers different questions: numbers, successors, periods": {
            "entities.decisions", "entities.identifiers", "entities.links",
        },
        "deliveries: their age, silences and districts": {"ops.batches"},
        "the version in force, and all versions by the day from which they hold": {
            "raw.communities", "raw.contracts", "raw.enterprises", "raw.complaints",
        },
    },
    "staging_dependent_on_staging": {
        "a value holds from a day on, under the numbers of tonight": PERIODS,
        "months whose complaints changed are looked up before persons are counted in raw": REPORTERS,
    },
    "marts_or_intermediate_dependent_on_source": {
        "what a night did is no row of a feed: there is nothing to stage": NIGHTS | {"mart_scoring__feeds"},
    },
    "unused_sources": {"read through raw.related_party_keys, which shows a hash of the name": {"raw.related_parties"}},
    "too_many_joins": {
        "a union of as many kinds of the same row": {
            "int_feed_profiles__placed", "int_own_events__measured", "int_register_events__measured",
            "mart_scorecards__indicator_evidence", "mart_scoring__indicator_counts", "mart_scoring__indicator_evidence",
            "mart_supervision__alert_candidates", "mart_supervision__kpi_counts",
        },
        "a page of a community, with one column of each of its facts": {"mart_scorecards__communities"},
    },
    "sources_without_freshness": {
        "written by people or by nights when there is something to write: no age is wrong": {
            "entities.decisions", "entities.identifiers", "entities.links", "ops.batches", "raw.withdrawn_rows",
            "supervision.alert_decisions",
        },
        "views of feeds whose own tables have a limit": {
            "raw.enterprise_name_keys", "raw.fund_counterparties", "raw.related_party_keys",
        },
    },
    "chained_views_dependencies": {
        "one view on one view, read by a fit or a page alone: a table would cost every night": {
            "mart_scoring__clusters", "mart_scoring__disputable_counts",
        },
    },
    "exposure_parents_materializations": {
        "read by a fit (one time a year) or for one enterprise at a time": {
            "mart_scoring__clusters", "mart_scoring__disputable_counts",
        },
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def manifest(migrated_template):
    """The parsed project, as files say it."""
    with transformation._environment():
        return transformation._manifest_of("postgres")


@pytest.mark.parametrize("rule", RULES)
def test_rule__of_the_evaluator__is_broken_by_what_is_listed_beside_its_reason_only(manifest, rule):
    breaks = RULES[rule](Project(manifest, LOOKUPS))
    listed = set().union(*EXCEPTIONS.get(rule, {}).values()) if rule in EXCEPTIONS else set()
    assert breaks == listed, f"new: {sorted(breaks - listed)}; mended: {sorted(listed - breaks)}"


def changed(node, **changes):
    other = copy.copy(node)
    for name, value in changes.items():
        setattr(other, name, value)
    return other


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("undocumented_models", {"description": ""}),
        ("hard_coded_references", {"raw_code": "select 1 from marts.fct_complaints"}),
        ("model_naming_conventions", {"name": "inspectors"}),
        ("model_directories", {"original_file_path": "models/other/x.sql"}),
        ("staging_dependent_on_marts_or_intermediate", {"schema": "staging"}),
    ],
)
def test_rule__broken_on_purpose__names_the_model(manifest, rule, changes):
    project = Project(manifest, LOOKUPS)
    key = f"{MODEL}mart_supervision__kpi_actuals"
    project.models[key] = changed(project.models[key], **changes)
    assert project.models[key].name in RULES[rule](project)


def test_keys__of_all_models__are_declared_and_held_or_tested_and_lie_where_their_rows_do(manifest):
    tested = defaultdict(list)
    for node in manifest.nodes.values():
        if node.resource_type == "test" and kind(node) == "unique_key":
            tested[node.attached_node] = [node.test_metadata.kwargs["columns"]]
    for key, model in Project(manifest).models.items():
        declared = [one.columns for one in model.constraints if one.type == "primary_key"]
        assert len(declared) == 1, f"{model.name} declares no primary key"
        expected = [] if holds_its_key(model) else declared
        assert tested[key] == expected, (
            f"{model.name}: {declared} is declared, {tested[key]} tested, {expected} should be"
        )
        assert model.primary_key == sorted(declared[0]), f"{model.name}: dbt's tools see {model.primary_key}"
        if model.config.materialized == "incremental":
            assert model.config.unique_key == declared[0], model.name
        by = model.config.meta.get("distributed_by", "local")
        if holds_its_key(model) and by not in ("reference", "local"):
            assert by in model.primary_key, f"{model.name}: a key without {by} cannot be held over a cluster's machines"
