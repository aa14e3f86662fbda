"""Hand-made scoring marts for the tests of scoring: the columns that the warehouse promises, written as its role."""

from dataclasses import dataclass, field
from datetime import date

from own_warehouse import builder

from property_credit.warehouse.connection import connect

BUSINESS_DATE = date(2026, 10, 31)
KNOWN_UNTIL = "2026-11-01 00:30:00.123456+08"
EDITION = 1  # of the rules that the marts were built with
FEEDS = ("enterprises", "communities", "contracts", "complaints", "inspections", "funds", "disclosures")
FEEDS += ("public_credit", "surveys", "personnel", "objections", "mediations")

TABLES = """
    drop table if exists marts.mart_scoring__objections, marts.mart_scoring__disputed_counts,
      marts.mart_scoring__records, marts.mart_scoring__enterprises, marts.mart_scoring__indicator_counts,
      marts.mart_scoring__indicator_evidence, marts.mart_scoring__caps, marts.mart_scoring__stratum_months,
      marts.mart_scoring__feeds, marts.mart_scoring__findings, marts.mart_scoring__silences,
      marts.mart_scoring__departures;
    create table marts.mart_scoring__enterprises (uscc text, enterprise_name text, service_months numeric,
      household_months numeric, protected_household_months_ratio numeric, inspection_count integer,
      survey_response_count integer, project_count integer, region_code text, is_listed_without_basis boolean);
    create table marts.mart_scoring__indicator_counts (uscc text, indicator_code text, stratum_code text,
      window_months integer, numerator numeric, denominator numeric);
    create table marts.mart_scoring__indicator_evidence (uscc text, indicator_code text, evidence_id text,
      evidence_feed text, event_on date, weight numeric, summary_code text, finding_code text);
    create table marts.mart_scoring__caps (uscc text, cap_code text, evidence_id text, starts_on date, ends_on date,
      basis text, authority_name text, decision_no text, is_disputed boolean);
    create table marts.mart_scoring__stratum_months (stratum_code text, month date, complaint_count integer,
      household_months numeric);
    create table marts.mart_scoring__feeds (feed text, is_available boolean, latest_known_on date,
      latest_event_on date, is_stale boolean, known_until timestamptz, edition integer,
      is_scored boolean default true, counted_until date, decided_until timestamptz);
    create table marts.mart_scoring__silences (uscc text, feed text, is_silent boolean, from_on date,
      region_names text, title_zh text);
    create table marts.mart_scoring__objections (uscc text, objection_id text, target_type_code text, target_id text,
      filed_on date);
    create table marts.mart_scoring__disputed_counts (uscc text, indicator_code text, stratum_code text,
      window_months integer, numerator numeric, denominator numeric);
    create table marts.mart_scoring__findings (uscc text, indicator_code text, finding_code text, case_count bigint);
    create table marts.mart_scoring__departures (uscc text, departure_code text, since_on date, is_assumed boolean);
    create table marts.mart_scoring__records (uscc text, record_id text, record_type_code text, tier_code text,
      decided_on date, shown_on date);
"""

NEW, OLD = "commercial|lt10|lift", "old|ge30|no_lift"

# indicator: (stratum, window, numerator, denominator) of an enterprise that does everything right
GOOD = {
    "P01": [("all", 36, 0, 20)],
    "P02": [("all", 24, 4, 800)],
    "P03": [("all", 12, 0, 40)],
    "P04": [("all", 36, 0, 12)],
    "P05": [("all", 12, 20, 20)],
    "P06": [("all", 12, 80, 80)],
    "P07": [("all", 24, 0, 20000)],
    "P08": [("all", 12, 30, 30)],
    "P09": [("all", 36, 1, 1)],
    "P11": [("all", 0, 1, 1)],
    "P12": [("all", 12, 1, 1)],
    "P13": [("all", 0, 20, 20)],
    "M01": [(NEW, 12, 495, 500)],
    "M02": [(NEW, 12, 490, 500)],
    "M03": [(NEW, 12, 480, 500)],
    "M04": [(NEW, 12, 60, 24000), (NEW, 24, 80, 30000)],
    "M05": [(NEW, 12, 5, 500)],
    "M06": [("all", 12, "279.0", 300)],
    "M07": [("all", 12, 294, 300)],
    "M08": [("all", 24, 0, 40)],
    "M11": [("all", 12, 240, 240)],
    "M13": [("all", 12, 60, 60)],
    "M14": [("all", 24, 0, 1)],
    "M15": [("all", 24, 20, 20)],
    "G02": [("all", 12, 0, 1)],
}
BAD = GOOD | {
    "P02": [("all", 24, 160, 800)],
    "P03": [("all", 12, 12, 40)],
    "P06": [("all", 12, 50, 80)],
    "P08": [("all", 12, 20, 30)],
    "M01": [(OLD, 12, 350, 500)],
    "M02": [(OLD, 12, 300, 500)],
    "M03": [(OLD, 12, 250, 500)],
    "M04": [(OLD, 12, 400, 24000), (OLD, 24, 500, 30000)],
    "M05": [(OLD, 12, 100, 500)],
    "M06": [("all", 12, 180, 300)],
    "M07": [("all", 12, 200, 300)],
    "M11": [("all", 12, 180, 240)],
}


@dataclass
class Firm:
    """One enterprise of the hand-made region."""

    uscc: str
    name: str = "物业服务企业"
    service_months: float = 36
    household_months: float = 24000
    protected: float = 0
    inspections: int = 4
    responses: int = 300
    counts: dict = field(default_factory=lambda: dict(GOOD))
    listed_without_basis: bool = False
    caps: list = field(default_factory=list)  # (cap code, evidence id, starts on, ends on[, is disputed])
    evidence: list = field(default_factory=list)  # (indicator, evidence id, weight)
    objections: list = field(default_factory=list)  # (objection id, target type, target id, filed on)
    disputed: dict = field(default_factory=dict)  # like counts: the part that the objections dispute
    records: list = field(default_factory=list)  # (record id, type, tier, decided on, shown on)
    findings: list = field(default_factory=list)  # (indicator, deemed or pending, cases)
    silences: list = field(default_factory=list)  # (feed, in all its districts, from on, districts, title)
    departures: list = field(default_factory=list)  # (deregistered or not_serving, since)


def write_marts(firms, *, feeds=FEEDS, reverse=False):
    """Replace the scoring marts; ``reverse`` writes the same rows in the opposite physical order."""
    names = ("enterprises", "counts", "caps", "evidence", "disputed", "objections", "records", "findings", "silences")
    rows = {name: [] for name in names}
    for firm in firms:
        rows["enterprises"].append(
            (firm.uscc, firm.name, firm.service_months, firm.household_months, firm.protected, firm.inspections)
            + (firm.responses, 20, "150203", firm.listed_without_basis)
        )
        rows["counts"] += [(firm.uscc, code, *row) for code, counts in firm.counts.items() for row in counts]
        rows["disputed"] += [(firm.uscc, code, *row) for code, counts in firm.disputed.items() for row in counts]
        rows["objections"] += [(firm.uscc, *objection) for objection in firm.objections]
        rows["records"] += [(firm.uscc, *record) for record in firm.records]
        rows["silences"] += [(firm.uscc, *silence) for silence in firm.silences]
        rows["findings"] += [(firm.uscc, *finding) for finding in firm.findings]
        rows["caps"] += [(firm.uscc, *cap[:4], "依据", "某局", "文号1", *(cap[4:] or [False])) for cap in firm.caps]
        rows["evidence"] += [
            (firm.uscc, code, evidence_id, "complaints", BUSINESS_DATE, weight, "x", None)
            for code, evidence_id, weight in firm.evidence
        ]
    strata = [(NEW, date(2026, month, 1), 60, 20000) for month in range(1, 11)]
    strata += [(OLD, date(2026, month, 1), 108, 20000) for month in range(1, 11)]
    with builder() as connection:
        connection.execute(TABLES)
        for table, values in {
            "mart_scoring__enterprises": rows["enterprises"],
            "mart_scoring__indicator_counts": rows["counts"],
            "mart_scoring__caps": rows["caps"],
            "mart_scoring__indicator_evidence": rows["evidence"],
            "mart_scoring__stratum_months": strata,
            "mart_scoring__disputed_counts": rows["disputed"],
            "mart_scoring__objections": rows["objections"],
            "mart_scoring__records": rows["records"],
            "mart_scoring__findings": rows["findings"],
            "mart_scoring__silences": rows["silences"],
            "mart_scoring__feeds": [
                (feed, True, BUSINESS_DATE, BUSINESS_DATE, False, KNOWN_UNTIL, EDITION) for feed in feeds
            ],
        }.items():
            if values:
                marks = ", ".join(["%s"] * len(values[0]))
                ordered = reversed(values) if reverse else values
                connection.cursor().executemany(f"insert into marts.{table} values ({marks})", list(ordered))


def read(query, parameters=()):
    """Return rows as scoring sees them."""
    with connect("pc_scoring") as connection:
        return connection.execute(query, parameters).fetchall()


def inputs_of(firms, *, feeds=FEEDS, method=None):
    """Return the same marts as scoring's Inputs, without a database."""
    import polars as pl

    from scoring.inputs import CapCase, Departure, Finding, Inputs, Objection, Record, Silence

    firms = sorted(firms, key=lambda firm: firm.uscc)
    columns = ["indicator_code", "uscc", "stratum_code", "window_months", "numerator", "denominator"]

    # counted over the windows of 2026.1 unless another method is named
    windows = {
        code: spec.window_months or 0
        for code, spec in (method.indicators.items() if method else ())
        if spec.formula.kind != "relative_risk"
    }

    def frame(name):
        rows = sorted(
            (code, firm.uscc, stratum, str(windows.get(code, window)), str(x), str(n))
            for firm in firms
            for code, counts in getattr(firm, name).items()
            for stratum, window, x, n in counts
        )
        return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")

    evidence = [(code, firm.uscc, key) for firm in firms for code, key, _ in firm.evidence]
    return Inputs(
        enterprises=pl.DataFrame(
            {
                "uscc": [firm.uscc for firm in firms],
                "enterprise_name": [firm.name for firm in firms],
                "service_months": [str(firm.service_months) for firm in firms],
                "household_months": [str(firm.household_months) for firm in firms],
                "protected_ratio": [str(firm.protected) for firm in firms],
                "inspection_count": [str(firm.inspections) for firm in firms],
                "survey_response_count": [str(firm.responses) for firm in firms],
                "is_listed_without_basis": ["t" if firm.listed_without_basis else "f" for firm in firms],
            }
        ),
        counts=frame("counts"),
        disputed=frame("disputed"),
        objections={firm.uscc: [Objection(*row) for row in firm.objections] for firm in firms if firm.objections},
        records={firm.uscc: [Record(*row) for row in firm.records] for firm in firms if firm.records},
        findings={firm.uscc: [Finding(*row) for row in firm.findings] for firm in firms if firm.findings},
        silences={firm.uscc: [Silence(*row) for row in firm.silences] for firm in firms if firm.silences},
        departures={firm.uscc: [Departure(*row) for row in firm.departures] for firm in firms if firm.departures},
        evidence=pl.DataFrame(
            sorted(evidence),
            schema=dict.fromkeys(["indicator_code", "uscc", "evidence_id"], pl.String),
            orient="row",
        ),
        caps={
            firm.uscc: [
                CapCase(code, evidence, start, end, "依据", "某局", "文号1", *disputed)
                for code, evidence, start, end, *disputed in firm.caps
            ]
            for firm in firms
        },
        available_feeds=frozenset(feeds),
        sha256="",
    )


def a_fit(method=None):
    """Return round estimates that points can be worked out from by hand, of 2026.1 unless a method is given."""
    from decimal import Decimal

    from scoring.fit import Fit
    from scoring.method import load

    method = method or load("2026.1").method
    means = {"P02": "0.05", "P03": "0.10", "P07": "0.0001", "M01": "0.90", "M02": "0.85", "M03": "0.80", "M05": "0.08"}
    means |= {"M06": "0.80", "M07": "0.85", "M08": "0.05", "M10": "0.85", "M15": "0.85"}
    if method.indicators["P08"].is_shrunk:
        means["P08"] = "0.90"
    return Fit(
        fit_id="f0",
        rates={NEW: Decimal("0.003"), OLD: Decimal("0.0054"), "all": Decimal("0.004")},
        means={code: {"all": Decimal(mean)} for code, mean in means.items()},
        shrinkage={c: i.start_shrinkage for c, i in method.indicators.items() if i.start_shrinkage is not None},
    )


def decide(firms, *, business_date=BUSINESS_DATE, standings=None, method=None, feeds=FEEDS):
    """Return (decisions, points) by enterprise without a database."""
    from scoring.assessment import assessed
    from scoring.method import load

    method = method or load().method
    inputs = inputs_of(firms, feeds=feeds, method=method)
    [(_, scored, decisions)] = assessed(
        method, a_fit(method), inputs, business_date=business_date, standings=standings or {}
    )
    usccs = inputs.enterprises["uscc"].to_list()
    table = {
        uscc: {code: (scored.earned[row, at], scored.maximum[row, at]) for at, code in enumerate(scored.codes)}
        for row, uscc in enumerate(usccs)
    }
    return dict(zip(usccs, decisions, strict=True)), table
