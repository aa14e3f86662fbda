"""The feeds, one contract a file; ``get`` and ``NAMES`` are the registry."""

from importlib import import_module

from ingestion.contract import Feed, IngestionError

NAMES = (
    "enterprises",
    "communities",
    "contracts",
    "complaints",
    "inspections",
    "funds",
    "disclosures",
    "public_credit",
    "surveys",
    "personnel",
    "objections",
    "mediations",
    "lifts",
    "street_ratings",
    "standard_assessments",
    "handovers",
    "reporting_records",
    "inspectors",
    "inspector_ties",
    "owners_committees",
    "project_honours",
    "mashangban_enrolments",
    "replies",
    "fund_votes",
    "emergency_repairs",
    "related_parties",
)  # in the order in which they refer to one another


def get(name: str) -> Feed:
    """Return the contract of feed ``name``; IngestionError lists the known ones when there is none."""
    if name not in NAMES:
        raise IngestionError(f"there is no feed {name!r}; feeds are: {', '.join(NAMES)}")
    return import_module(f"ingestion.feeds.{name}").FEED
