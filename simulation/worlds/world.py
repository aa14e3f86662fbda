"""A world's file: what it may say, read strictly. Owns the form of the files; no randomness, no data.

Scales of a file: a mechanism's ``level`` is in its own unit (``MECHANISMS``) for a firm whose areas are all 0; effects
are sigmas on the mechanism's link scale (log, logit or points).
"""

from collections.abc import Hashable
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from simulation.parameters import SimulationError

FOLDER = Path(__file__).resolve().parent / "files"

Area = Literal["upkeep", "daily", "response", "money", "candour", "people"]
AREAS: tuple[Area, ...] = ("upkeep", "daily", "response", "money", "candour", "people")
Shape = Literal["linear", "threshold", "saturating", "late"]
Among = Literal["any", "poor", "good"]
Group = Literal["fabric", "daily", "money", "manners"]
GROUPS: tuple[Group, ...] = ("fabric", "daily", "money", "manners")
TYPES = ("commercial", "old", "resettlement", "transferred", "abandoned", "affordable")
VISITS = ("random", "targeted", "complaint", "routine", "other")

# name: link, unit of its level
MECHANISMS: dict[str, tuple[Literal["log", "logit", "points"], str]] = {
    "fabric_incidents": ("log", "incidents a 1,000 household-months: heating, leaks, lifts, fire safety, facilities"),
    "daily_incidents": ("log", "incidents a 1,000 household-months: cleaning, security, parking, greening, noise"),
    "money_incidents": ("log", "incidents a 1,000 household-months: fees and funds"),
    "manners_incidents": ("log", "incidents a 1,000 household-months: attitude and the rest"),
    "respond": ("log", "hours from a complaint to the first answer, by day"),
    "attend": ("log", "hours from the answer until somebody is at work"),
    "solve": ("log", "hours of work and waiting until it is solved"),
    "stalls": ("logit", "share of complaints that are never brought to an end"),
    "recurs": ("logit", "share of complaints made again within a month of being closed"),
    "pleased": ("logit", "share of those called back who are satisfied, a day after complaining"),
    "items": ("logit", "share of the items of a visit that fail"),
    "general": ("logit", "share of failed items above minor"),
    "rectify": ("log", "time to put a finding right, relative to the time allowed"),
    "publish": ("log", "days from a quarter's end until its accounts are made public"),
    "silent": ("logit", "share of quarters never made public"),
    "classes": ("logit", "share of the yearly disclosures that are made"),
    "reports": ("logit", "share of reports to the platform made in time"),
    "accuracy": ("logit", "share of items of a spot check that are right"),
    "lifts": ("logit", "share of lifts inspected before the last inspection runs out"),
    "handover": ("logit", "share of handovers that are complete and in time"),
    "agreements": ("logit", "share of mediated agreements that are kept"),
    "pre_job": ("logit", "share of staff trained before they began"),
    "continuing": ("logit", "share of staff trained in the last year"),
    "standard": ("logit", "share of items of an assessment that conform"),
    "ledger": ("logit", "share of communities whose common revenue has an account of its own"),
    "votes": ("logit", "share of draws on the maintenance fund with the vote they need"),
    "street": ("logit", "share of exits of which the street is told, and that it attends"),
    "notice": ("logit", "share of exits with notice in time"),
    "honours": ("logit", "share of communities honoured within the history"),
    "filing": ("logit", "share of contracts filed completely"),
    "renewal": ("logit", "share of contracts renewed at their end"),
    "survey": ("points", "points of an owners' survey, of 100"),
    "rating": ("points", "points of a street's rating, of 100"),
}
CATEGORIES = (
    "heating", "water_leak", "cleaning", "security", "lift", "parking", "fees", "greening", "noise", "fire_safety",
    "facilities", "funds", "attitude", "other",
)  # fmt: skip
RECORDS = (
    "penalty/minor", "penalty/general", "penalty/serious", "overcharging", "serious_dishonesty", "fund_procedure",
    "fund_misuse", "accident", "fatal_accident", "fraud", "coercive_collection", "inspection_refusal", "judgment",
    "wage_arrears",
)  # fmt: skip
OUTCOMES = ("penalty/minor", "penalty/general", "penalty/serious", "major_finding", "dismissal", "abandonment")
# what no other feed refers to; the second kind is sent by the city, not by districts
BY_DISTRICT = (
    "inspections", "disclosures", "surveys", "mediations", "lifts", "street_ratings", "standard_assessments",
    "project_honours",
)  # fmt: skip
MAY_BE_MISSING = (*BY_DISTRICT, "personnel", "reporting_records", "public_credit")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Areas(_Section):
    """How a firm's areas of conduct are drawn: sd 1 and mean 0 for the usual firm, a second mode of poor ones."""

    correlation: float = Field(ge=0, le=0.9)
    spread: float = Field(gt=0, le=3)
    poor_share: float = Field(ge=0, lt=1)
    poor_shift: float
    shift: float = 0.0
    drift_per_year: float = Field(ge=0)


class Quality(_Section):
    """What makes quality of areas: weights, the exponent of the mean, and two interactions."""

    weights: dict[Area, float]
    weakest_link: float = Field(le=1)  # 1: the mean of the areas; the lower, the more the weakest one decides
    old_house_upkeep: float = Field(ge=1)
    strain: float = Field(ge=0, lt=1)
    strain_from: int = Field(ge=1)

    @model_validator(mode="after")
    def _weighs(self) -> "Quality":
        if set(self.weights) != set(AREAS) or min(self.weights.values()) < 0 or sum(self.weights.values()) <= 0:
            raise ValueError(f"weights must name each of {', '.join(AREAS)} once, none below 0, not all 0")
        return self


class Mechanism(_Section):
    """How one thing that can be seen follows from a firm's areas."""

    level: float
    areas: dict[Area, float]
    shape: Shape = "linear"
    own: float = Field(default=0.0, ge=0)  # the firm's own habit here, beside its areas
    community: float = Field(default=0.0, ge=0)
    week: float = Field(default=0.0, ge=0)
    age: float = 0.0  # more of it where poor upkeep meets an old house
    noise: float = Field(default=0.0, ge=0)  # of one case


class Category(_Section):
    """One category of complaints: its share of its group, its season, and how often the firm has to answer for it."""

    group: Group
    share: float = Field(gt=0)
    peak: int = Field(ge=1, le=12)
    swing: float = Field(ge=0, le=3)  # log amplitude between the peak and half a year later, halved
    answers: float = Field(ge=0, le=1)
    cluster: float = Field(ge=1)  # complaints an incident brings, at full readiness
    work: float = Field(gt=0)  # time to solve, relative to the mechanism's


class Reporting(_Section):
    """Who complains how readily, by which way, and what offices make of it; none of it is quality."""

    readiness: dict[str, float]  # complaints made of those that would be, by community type
    by_code: dict[str, float]  # of these, through 码上办
    district: float = Field(ge=0)
    takeover: float = Field(ge=1)
    confirmed: tuple[float, float]  # share looked into and confirmed, lowest and highest district
    undetermined: float = Field(ge=0, le=1)
    called_back: float = Field(ge=0, le=1)
    unreachable: float = Field(ge=0, le=1)
    yearly_trend: float = Field(gt=-1)

    @model_validator(mode="after")
    def _knows_types(self) -> "Reporting":
        for name in ("readiness", "by_code"):
            if set(getattr(self, name)) != set(TYPES):
                raise ValueError(f"{name} must name each of {', '.join(TYPES)} once")
        if min(self.readiness.values()) <= 0:
            raise ValueError("readiness must be above 0: where nobody complains nothing can be said")
        if min(self.by_code.values()) < 0 or max(self.by_code.values()) > 1:
            raise ValueError("by_code must be shares between 0 and 1")
        if not 0 <= self.confirmed[0] <= self.confirmed[1] <= 1:
            raise ValueError("confirmed must be two shares between 0 and 1, the lower first")
        return self


class Visits(_Section):
    """Inspections: how many, of which kinds, how many items, by whom."""

    per_community_year: float = Field(gt=0)
    kinds: dict[str, float]
    items: dict[str, tuple[int, int]]
    targeting: float = Field(ge=0)  # how strongly targeted visits go where complaints are
    inspectors_per_district: int = Field(ge=1)
    inspector: float = Field(ge=0)
    visit: float = Field(ge=0)
    hazard: float = Field(ge=0, le=1)
    confirmed: float = Field(ge=0, le=1)
    allowed_days: tuple[int, int]

    @model_validator(mode="after")
    def _knows_kinds(self) -> "Visits":
        for name in ("kinds", "items"):
            if set(getattr(self, name)) != set(VISITS):
                raise ValueError(f"{name} must name each of {', '.join(VISITS)} once")
        if min(low for low, _ in self.items.values()) < 1 or any(low > high for low, high in self.items.values()):
            raise ValueError("items must be pairs of whole numbers from 1, the lower first")
        if min(self.kinds.values()) < 0 or sum(self.kinds.values()) <= 0:
            raise ValueError("kinds must be weights of 0 or more, not all 0")
        if not 1 <= self.allowed_days[0] <= self.allowed_days[1]:
            raise ValueError("allowed_days must be two numbers of days from 1, the lower first")
        return self


class Event(_Section):
    """One kind of serious event: its weight among them, and the areas it follows from."""

    weight: float = Field(gt=0)
    areas: dict[Area, float]
    shape: Shape = "threshold"


class Events(_Section):
    """How often serious events happen; the level is solved for from ``share``, whatever the number of firms."""

    share: float = Field(gt=0, lt=1)  # firms with a penalty, major finding, dismissal or abandonment in half a year
    frailty: float = Field(ge=0)
    size_power: float = Field(ge=0, le=1)
    abandonment_recorded: float = Field(ge=0, le=1)
    listed: float = Field(ge=0, lt=1)
    commended: float = Field(ge=0, lt=1)
    kinds: dict[str, Event]

    @model_validator(mode="after")
    def _knows_kinds(self) -> "Events":
        known = {*RECORDS, *OUTCOMES}
        if unknown := sorted(set(self.kinds) - known):
            raise ValueError(f"kinds: unknown {', '.join(unknown)}; known: {', '.join(sorted(known))}")
        if missing := sorted(set(OUTCOMES) - set(self.kinds)):
            raise ValueError(f"kinds: {', '.join(missing)} must be there: they are what a grade should foretell")
        return self


class Samples(_Section):
    """How much the other offices see."""

    surveyed: float = Field(ge=0, le=1)  # of the communities, each half-year
    answers: float = Field(gt=0, le=1)  # of the households of a community surveyed
    survey_bias: dict[str, float]  # points by community type
    rated_by_street: float = Field(ge=0, le=1)  # of the communities, each quarter
    rated_by_community: float = Field(ge=0, le=1)
    rater: float = Field(ge=0)  # points
    assessed_a_year: float = Field(ge=0)
    assessor: float = Field(ge=0)

    @model_validator(mode="after")
    def _knows_types(self) -> "Samples":
        if set(self.survey_bias) != set(TYPES):
            raise ValueError(f"survey_bias must name each of {', '.join(TYPES)} once")
        return self


class Floods(_Section):
    """Complaints bought against a firm within days of each other."""

    victims: float = Field(ge=0, le=1)
    among: Among = "any"
    multiple: float = Field(gt=0)  # of the victim's usual complaints of a month
    least: int = Field(ge=0)
    days: int = Field(ge=1)
    within_days: int = Field(ge=30)  # before the night
    confirmed: float = Field(ge=0, le=1)


class Hushing(_Section):
    """Firms that talk or frighten their owners out of complaining."""

    share: float = Field(ge=0, le=1)
    among: Among = "any"
    rate: float = Field(ge=0, le=1)  # of the complaints that are still made


class BoughtInspections(_Section):
    """Firms whose inspectors look away."""

    share: float = Field(ge=0, le=1)
    among: Among = "any"
    failures: float = Field(ge=0, le=1)  # of the failed items that are still written down
    majors: float = Field(ge=0, le=1)  # of the major findings that are
    extra_a_year: float = Field(ge=0)  # friendly routine visits a community


class Missing(_Section):
    """Offices that send nothing: feeds nobody sends, and feeds that part of the districts do not send."""

    feeds: list[str] = []
    districts: dict[str, float] = {}  # feed → share of the communities whose district's office sends nothing

    @model_validator(mode="after")
    def _may_be_missing(self) -> "Missing":
        for name, said, known in (
            ("feeds", self.feeds, MAY_BE_MISSING),
            ("districts", self.districts, BY_DISTRICT),
        ):
            if unknown := sorted(set(said) - set(known)):
                raise ValueError(f"{name}: {', '.join(unknown)} cannot be missing; what can: {', '.join(known)}")
        if wrong := sorted(feed for feed, share in self.districts.items() if not 0 < share < 1):
            raise ValueError(f"districts: {', '.join(wrong)} must be a share between 0 and 1; for all of it use feeds")
        return self


class RegimeChange(_Section):
    """One day in the history after which much is different."""

    months_before: int = Field(ge=1)
    complaints: float = Field(gt=0)  # intake after it, relative to before
    failures: float  # added to the logit of failing after it
    respond: float = Field(gt=0)  # hours before it, relative to after
    renewed_firms: float = Field(ge=0, le=1)  # firms whose areas are drawn anew on that day


class PaperClosing(_Section):
    """Firms that answer and close at once, whatever has been done."""

    share: float = Field(ge=0, le=1)
    among: Among = "any"
    solve: float = Field(gt=0, le=1)  # hours to 'solved', relative to really solving it
    recurs: float  # added to the logit of being made again
    pleased: float  # added to the logit of being satisfied


class World(_Section):
    """One world. ``preset`` makes it the old simulator under that preset: nothing else may then be said."""

    title: str
    why: str
    ground: str = "city"  # preset that lends geography, kinds of communities, lags, dirt and the other registers
    preset: None = None
    firms: int = Field(ge=4)
    communities_per_firm: float = Field(ge=1.5)
    size_spread: float = Field(ge=0)
    sorting: float = 0.0  # > 0: poor firms hold the old communities
    committee_shift: float = 0.0
    areas: Areas
    quality: Quality
    mechanisms: dict[str, Mechanism]
    categories: dict[str, Category]
    reporting: Reporting
    visits: Visits
    events: Events
    samples: Samples
    floods: Floods | None = None
    hushing: Hushing | None = None
    bought_inspections: BoughtInspections | None = None
    missing: Missing | None = None
    regime_change: RegimeChange | None = None
    paper_closing: PaperClosing | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> "World":
        for name, known in (("mechanisms", tuple(MECHANISMS)), ("categories", CATEGORIES)):
            said = set(getattr(self, name))
            if unknown := sorted(said - set(known)):
                raise ValueError(f"{name}: unknown {', '.join(unknown)}; known: {', '.join(known)}")
            if lacking := sorted(set(known) - said):
                raise ValueError(f"{name}: {', '.join(lacking)} missing; `extends: base` brings all of them")
        for name, mechanism in self.mechanisms.items():
            link = MECHANISMS[name][0]
            if (link == "log" and mechanism.level <= 0) or (link == "logit" and not 0 < mechanism.level < 1):
                raise ValueError(
                    f"mechanisms.{name}.level must be {'above 0' if link == 'log' else 'between 0 and 1'}: "
                    f"{MECHANISMS[name][1]}"
                )
        return self


class OldWorld(_Section):
    """The simulator that the first method was developed on, under one of its presets."""

    title: str
    why: str
    preset: str
    firms: int = Field(ge=4)
    communities_per_firm: float = Field(ge=1.5)


class _Strict(yaml.SafeLoader):
    """YAML in which a key said twice is an error instead of the last one winning."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {name!r} is said twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


def names() -> list[str]:
    """Return the worlds that come with the project: ``base`` first, then by name."""
    stems = sorted(path.stem for path in FOLDER.glob("*.yml"))
    return sorted(stems, key=lambda name: name != "base")


def summaries() -> list[dict[str, str | int]]:
    """Return name, firms, title and reason of every world that comes with the project."""
    worlds = {name: load_world(name) for name in names()}
    return [{"world": name, "firms": it.firms, "title": it.title, "why": it.why} for name, it in worlds.items()]


def load_world(name: str | Path) -> World | OldWorld:
    """Return a world by name, or by the path of a file kept elsewhere (it ends in .yml or .yaml).

    A file may say ``extends`` with the name of a world here, or with a file beside it, and only what differs.

    Raises:
        SimulationError: no such world or file, or it says something unknown or impossible; says file, key, what to do.
    """
    path = _path(name)
    content = _merged_content(path, ())
    kind: type[World] | type[OldWorld] = OldWorld if content.get("preset") else World
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        raise SimulationError("\n".join([f"{path} is no world:", *map(_said, error.errors())])) from error


def _path(name: str | Path) -> Path:
    text = str(name)
    if text.endswith((".yml", ".yaml")) or "/" in text:
        path = Path(text)
        if not path.is_file():
            raise SimulationError(f"{path}: no such file; name a world ({', '.join(names())}) or the path of its file")
        return path
    path = FOLDER / f"{text}.yml"
    if not path.is_file():
        raise SimulationError(f"there is no world {text!r}; known: {', '.join(names())}; or give the path of a file")
    return path


def _merged_content(path: Path, below: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in below:
        raise SimulationError(f"{path}: extends itself; remove `extends` from one of the files")
    try:
        content = yaml.load(path.read_text("utf-8"), Loader=_Strict)
    except UnicodeDecodeError as error:
        raise SimulationError(f"{path}: not UTF-8 text; save it as UTF-8") from error
    except yaml.YAMLError as error:
        raise SimulationError(f"{path}: not readable as YAML: {error}") from error
    if not isinstance(content, dict):
        raise SimulationError(f"{path}: a world is a mapping of keys; begin with `extends: base` and `title:`")
    base = content.pop("extends", None)
    if base is None:
        return content
    if not isinstance(base, str):
        raise SimulationError(f"{path}: extends must be the name of a world or of a file beside this one")
    over = _path(path.parent / base if base.endswith((".yml", ".yaml")) else base)
    return _over(_merged_content(over, (*below, path.resolve())), content)


def _over(base: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in content.items():
        old = result.get(key)
        result[key] = _over(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result


def _said(error: Any) -> str:
    """Return one fault as '  key.key: what is wrong'; an unknown key says what may be done."""
    where = ".".join(str(part) for part in error["loc"]) or "the file"
    if error["type"] == "extra_forbidden":
        return f"  {where}: unknown key; remove it or correct its spelling (files/base.yml shows every key)"
    if error["type"] == "missing":
        return f"  {where}: missing; say it, or begin the file with `extends: base`"
    return f"  {where}: {error['msg'].removeprefix('Value error, ')}"
