"""The rules of dbt-project-evaluator, read from a parsed project: each gives what breaks it, by name.

The package itself asks for a warehouse and for its own models in it; its rules are questions to the manifest. Names of
rules and limits are the package's own (https://dbt-labs.github.io/dbt-project-evaluator). Its rules on access are left
out: no other project refers to this one.
"""

import re
from collections import Counter

FANOUT, JOINS = 3, 7  # the package's limits: models fed by one, parents of one
PREFIX = {"staging": ("stg_",), "intermediate": ("int_",), "marts": ("fct_", "dim_", "mart_")}
EXTRACT = re.compile(r"extract\s*\(\s*\w+\s+from", re.IGNORECASE)  # extract(day from some.column) reads no table
HARD_CODED = re.compile(r"\b(?:from|join)\s+(?!lateral\b)[a-z_]+\.[a-z_]+", re.IGNORECASE)


class Project:
    """What the rules ask of a manifest."""

    def __init__(self, manifest, lookups=()):
        """``lookups``: what so many models ask that it is no parent of theirs, by unique id."""
        self.lookups = set(lookups)
        self.models = {key: one for key, one in manifest.nodes.items() if one.resource_type == "model"}
        self.sources, self.exposures = manifest.sources, manifest.exposures.values()
        self.tests = [one for one in manifest.nodes.values() if one.resource_type == "test"]

    def parents(self, model, kind):
        return sorted(key for key in set(model.depends_on.nodes) - self.lookups if key.startswith(f"{kind}."))

    def children(self, key):
        return [] if key in self.lookups else [one.name for one in self.models.values() if key in one.depends_on.nodes]

    def is_view(self, model):
        return model.config.materialized == "view"


def kind(test):
    metadata = getattr(test, "test_metadata", None)
    return metadata and metadata.name


def holds_its_key(model):
    """Say whether the database holds the model's primary key: a test of it would say what cannot be otherwise."""
    made = model.contract.enforced or "primary_key()" in model.raw_code or "latest_as_known(" in model.raw_code
    return bool(made and model.config.materialized != "view")


def name(key):
    return key.rpartition(".")[2]


def direct_join_to_source(project):
    return {
        one.name for one in project.models.values() if project.parents(one, "source") and project.parents(one, "model")
    }


def duplicate_sources(project):
    counts = Counter((one.schema, one.identifier) for one in project.sources.values())
    return {f"{schema}.{table}" for (schema, table), count in counts.items() if count > 1}


def hard_coded_references(project):
    return {one.name for one in project.models.values() if HARD_CODED.search(EXTRACT.sub("", one.raw_code))}


def model_fanout(project):
    """Models that feed more than three models which nothing comes after."""
    return {
        one.name
        for key, one in project.models.items()
        if sum(
            not project.children(child.unique_id) for child in project.models.values() if key in child.depends_on.nodes
        )
        > FANOUT
    }


def multiple_sources_joined(project):
    return {one.name for one in project.models.values() if len(project.parents(one, "source")) > 1}


def rejoining_of_upstream_concepts(project):
    """Models that read a model and also its only reader, which reads nothing else."""
    rejoined = set()
    for one in project.models.values():
        parents = project.parents(one, "model")
        for middle in parents:
            if len(project.children(middle)) == 1 and set(project.parents(project.models[middle], "model")) & set(
                parents
            ):
                rejoined.add(one.name)
    return rejoined


def root_models(project):
    return {one.name for one in project.models.values() if not one.depends_on.nodes}


def source_fanout(project):
    return {
        f"{one.source_name}.{one.name}" for key, one in project.sources.items() if len(set(project.children(key))) > 1
    }


def staging_dependent_on_staging(project):
    return {
        one.name
        for one in project.models.values()
        if one.schema == "staging"
        and any(project.models[key].schema == "staging" for key in project.parents(one, "model"))
    }


def staging_dependent_on_marts_or_intermediate(project):
    return {
        one.name
        for one in project.models.values()
        if one.schema == "staging"
        and any(project.models[key].schema != "staging" for key in project.parents(one, "model"))
    }


def marts_or_intermediate_dependent_on_source(project):
    return {one.name for one in project.models.values() if one.schema != "staging" and project.parents(one, "source")}


def unused_sources(project):
    return {
        f"{one.source_name}.{one.name}"
        for key, one in project.sources.items()
        if key not in project.lookups and not project.children(key)
    }


def too_many_joins(project):
    return {
        one.name
        for one in project.models.values()
        if len(project.parents(one, "model")) + len(project.parents(one, "source")) > JOINS
    }


def missing_primary_key_tests(project):
    keyed = {getattr(one, "attached_node", None) for one in project.tests if kind(one) == "unique_key"}
    return {one.name for key, one in project.models.items() if key not in keyed and not holds_its_key(one)}


def sources_without_freshness(project):
    return {
        f"{one.source_name}.{one.name}"
        for one in project.sources.values()
        if not (one.config.freshness or one.freshness) or not one.loaded_at_field
    }


def undocumented_models(project):
    return {one.name for one in project.models.values() if not one.description}


def undocumented_sources(project):
    return {one.source_name for one in project.sources.values() if not one.source_description}


def undocumented_source_tables(project):
    return {f"{one.source_name}.{one.name}" for one in project.sources.values() if not one.description}


def model_directories(project):
    return {one.name for one in project.models.values() if one.schema not in one.original_file_path.split("/")}


def model_naming_conventions(project):
    return {one.name for one in project.models.values() if not one.name.startswith(PREFIX[one.schema])}


def source_directories(project):
    return {
        f"{one.source_name}.{one.name}" for one in project.sources.values() if "/staging/" not in one.original_file_path
    }


def test_directories(project):
    """Tests that are written in another folder than the model that they test."""
    wrong = set()
    for one in project.tests:
        if getattr(one, "attached_node", None) in project.models:
            model = project.models[one.attached_node]
            if one.original_file_path.rpartition("/")[0] != model.original_file_path.rpartition("/")[0]:
                wrong.add(model.name)
    return wrong


def chained_views_dependencies(project):
    """Views on views on views, more than the package's five; here more than one on another."""
    return {
        one.name
        for one in project.models.values()
        if project.is_view(one) and any(project.is_view(project.models[key]) for key in project.parents(one, "model"))
    }


def exposure_parents_materializations(project):
    """What exposures read and that is worked out anew at every look, or is no model."""
    return {
        name(key)
        for one in project.exposures
        for key in one.depends_on.nodes
        if key.startswith("source.") or (key in project.models and project.is_view(project.models[key]))
    }


RULES = {
    rule.__name__: rule
    for rule in (
        direct_join_to_source, duplicate_sources, hard_coded_references, model_fanout, multiple_sources_joined,
        rejoining_of_upstream_concepts, root_models, source_fanout, staging_dependent_on_staging,
        staging_dependent_on_marts_or_intermediate, marts_or_intermediate_dependent_on_source, unused_sources,
        too_many_joins, missing_primary_key_tests, sources_without_freshness, undocumented_models, undocumented_sources,
        undocumented_source_tables, model_directories, model_naming_conventions, source_directories, test_directories,
        chained_views_dependencies, exposure_parents_materializations,
    )
}  # fmt: skip
