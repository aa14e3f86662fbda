"""What the best possible score would say of every firm: the expected quality given all that offices know on the night.

Owns the reading of the record by somebody who knows how this world works (levels, loadings, variances, who readily
complains) and who does what against the record, but nobody's conduct: areas, habits, effects of communities, weeks,
visits and inspectors are unknown to it, as to everybody. No method can do better but by chance.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from simulation.actors import FIRM
from simulation.tables import Table, dates, day_number, random
from simulation.tenures import Tenures
from simulation.worlds.complaints import Scene, readiness
from simulation.worlds.conduct import quality_of, shaped
from simulation.worlds.events import HALF_YEAR, SeriousEvents, level_and_exposure
from simulation.worlds.world import AREAS, CATEGORIES, GROUPS, MECHANISMS, TYPES, Area, Mechanism, Shape, World

_GRID = np.linspace(-5, 5, 101)  # what conduct adds to a mechanism's level, on its link scale (points: ten times that)
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
_BURN_IN, _STEPS, _EVERY = 1000, 2800, 4
_MONTH_DAYS = 30.44
_SHAPES: tuple[Shape, ...] = ("linear", "threshold", "saturating", "late")


@dataclass(frozen=True)
class Stream:
    """What the record says of one mechanism: log likelihood (firm, grid), and how conduct enters it."""

    loglik: np.ndarray
    areas: dict[Area, float]
    shape: Shape
    age: float = 0.0
    scale: float = 1.0


@dataclass(frozen=True)
class Cases:
    """The rows of one kind: whose each is (index among ``count`` firms), and in which community (-1: none)."""

    firm: np.ndarray
    place: np.ndarray
    count: int

    def of(self, values: np.ndarray) -> np.ndarray:
        """Return the sum of values of each firm's cases."""
        return np.bincount(self.firm, weights=values, minlength=self.count)

    @property
    def spread(self) -> np.ndarray:
        """Return the sum of squared shares of each firm's communities: 1 over how many there are in effect."""
        pair = np.unique(np.stack([self.firm, self.place]), axis=1, return_counts=True)
        squares = np.bincount(pair[0][0], weights=pair[1].astype(float) ** 2, minlength=self.count)
        return squares / np.maximum(self.of(np.ones(len(self.firm))), 1) ** 2


def best_guesses(
    scene: Scene, tables: dict[str, Table], events: SeriousEvents, households: np.ndarray, *, first: date, through: date
) -> np.ndarray:
    """Return the expected quality of every manager given the record up to ``through``; NaN for who is no firm."""
    streams = [*_streams(scene, tables, first=first, through=through), *_of_events(scene, events, households)]
    firms = np.flatnonzero(scene.managers.kind == FIRM)
    quality = np.full(len(scene.managers.kind), np.nan)
    quality[firms] = _expected(scene, streams, firms)
    return quality


def _expected(scene: Scene, streams: list[Stream], firms: np.ndarray) -> np.ndarray:
    """Return posterior means of quality: random-walk Metropolis over the areas, all firms side by side."""
    world, end, rng = scene.world, scene.managers.end_day, random(scene.seed, "best guess")
    there = (scene.tenures.start <= end) & (scene.tenures.end >= end)
    who, where = scene.tenures.manager[there], scene.tenures.community[there]
    weight = scene.communities.households[where].astype(float)
    size = len(scene.managers.kind)
    total = np.bincount(who, weights=weight, minlength=size)[firms]
    old = np.bincount(who, weights=weight * scene.around.old[where], minlength=size)[firms] / np.maximum(total, 1)
    held = np.bincount(who, minlength=size)[firms]
    prior, likelihood = _Prior(world), _Likelihood(streams, old)
    areas = np.full((len(firms), len(AREAS)), world.areas.shift)
    now = prior.log(areas) + likelihood.log(areas)
    step = np.full((len(firms), 1), 0.35 * world.areas.spread)
    accepted, sums, kept = np.zeros(len(firms)), np.zeros(len(firms)), 0
    for number in range(_BURN_IN + _STEPS):
        tried = areas + step * rng.normal(0, 1, areas.shape)
        value = prior.log(tried) + likelihood.log(tried)
        better = np.log(rng.random(len(firms))) < value - now
        areas, now = np.where(better[:, None], tried, areas), np.where(better, value, now)
        accepted += better
        if number < _BURN_IN and number % 100 == 99:  # a quarter of the steps accepted is best for a walk like this
            step = step * np.where(accepted > 30, 1.25, np.where(accepted < 18, 0.8, 1.0))[:, None]
            accepted[:] = 0
        if number >= _BURN_IN and number % _EVERY == 0:
            newer = quality_of(world.quality, areas, old=np.zeros(len(firms), dtype=bool), held=held)
            older = quality_of(world.quality, areas, old=np.ones(len(firms), dtype=bool), held=held)
            sums, kept = sums + (1 - old) * newer + old * older, kept + 1
    return sums / kept


class _Prior:
    """How areas are drawn: two modes with the same covariance."""

    def __init__(self, world: World) -> None:
        want, size = world.areas, len(AREAS)
        cover = want.spread**2 * ((1 - want.correlation) * np.eye(size) + want.correlation)
        self._inverse = np.linalg.inv(cover)
        self._usual = np.full(size, want.shift)
        self._poor = self._usual + want.spread * want.poor_shift
        self._share = want.poor_share

    def log(self, areas: np.ndarray) -> np.ndarray:
        """Return the log density of each firm's areas, but for a constant."""
        modes = []
        for centre, share in ((self._usual, 1 - self._share), (self._poor, self._share)):
            away = areas - centre
            modes.append(np.log(max(share, 1e-300)) - 0.5 * np.einsum("fi,ij,fj->f", away, self._inverse, away))
        return np.logaddexp(*modes)


class _Likelihood:
    """All streams at once: what conduct adds to each mechanism, looked up on the grid."""

    def __init__(self, streams: list[Stream], old: np.ndarray) -> None:
        self._tables = np.stack([stream.loglik for stream in streams], axis=1)  # firm, stream, grid
        self._weights = {
            shape: np.array([[s.areas.get(a, 0.0) if s.shape == shape else 0.0 for s in streams] for a in AREAS])
            for shape in _SHAPES
        }
        self._age = np.array([stream.age for stream in streams])
        self._scale = np.array([stream.scale for stream in streams])
        self._old = old[:, None]

    def log(self, areas: np.ndarray) -> np.ndarray:
        """Return the log likelihood of each firm's areas."""
        added = sum(shaped(areas, shape) @ self._weights[shape] for shape in _SHAPES)
        neglect = np.maximum(-areas[:, [AREAS.index("upkeep")]], 0)
        added = added + self._age * self._old * (0.6 + neglect)
        place = np.clip((added / self._scale - _GRID[0]) / (_GRID[1] - _GRID[0]), 0, len(_GRID) - 1.001)
        low = place.astype(np.int64)
        firm, stream = np.indices(low.shape)
        left, right = self._tables[firm, stream, low], self._tables[firm, stream, low + 1]
        return (left + (place - low) * (right - left)).sum(axis=1)


def _measured(name: str, mechanism: Mechanism, mean: np.ndarray, variance: np.ndarray, base: float) -> Stream:
    """Return the stream of a mean on the link scale; NaN says nothing."""
    scale = 10.0 if MECHANISMS[name][0] == "points" else 1.0
    away = (np.nan_to_num(mean) - base)[:, None] - scale * _GRID
    loglik = np.where(np.isnan(mean)[:, None], 0.0, -0.5 * away**2 / np.maximum(variance, 1e-9)[:, None])
    return Stream(loglik, dict(mechanism.areas), mechanism.shape, mechanism.age, scale)


def _counted(mechanism: Mechanism, hits: np.ndarray, trials: np.ndarray, sigma: np.ndarray, base: np.ndarray) -> Stream:
    """Return the stream of a share: binomial, with ``sigma`` of habit and communities integrated out."""
    link = base[:, None, None] + _GRID[None, :, None] + sigma[:, None, None] * _NODES
    chance = np.clip(1 / (1 + np.exp(-link)), 0.002, 0.998)
    each = hits[:, None, None] * np.log(chance) + (trials - hits)[:, None, None] * np.log1p(-chance)
    return Stream(_integrated(each), dict(mechanism.areas), mechanism.shape, mechanism.age)


def _happened(
    areas: dict[Area, float], shape: Shape, age: float, count: np.ndarray, expected: np.ndarray, sigma: np.ndarray
) -> Stream:  # fmt: skip
    """Return the stream of counts: Poisson about ``expected`` at usual conduct, ``sigma`` integrated out."""
    link = _GRID[None, :, None] + sigma[:, None, None] * _NODES
    each = count[:, None, None] * link - expected[:, None, None] * np.exp(link)
    return Stream(_integrated(each), areas, shape, age)


def _integrated(each: np.ndarray) -> np.ndarray:
    top = each.max(axis=2, keepdims=True)
    return np.log((np.exp(each - top) * _WEIGHTS).sum(axis=2)) + top[:, :, 0]


def _logit(share: float) -> float:
    return float(np.log(share / (1 - share)))


class _Reader:
    """Reads the tables of a scene as cases of firms."""

    def __init__(self, scene: Scene, since: int, until: int) -> None:
        self.scene, self.since, self.until = scene, since, until
        self.day = dates(np.array([until]))[0]
        self.firms = np.flatnonzero(scene.managers.kind == FIRM)
        self.index = np.full(len(scene.managers.kind) + 1, -1)
        self.index[self.firms] = np.arange(len(self.firms))
        self._uscc = {uscc: number for number, uscc in enumerate(scene.managers.uscc)}
        self._places = {name: number for number, name in enumerate(scene.communities.ids)}

    def rows(self, frame: pl.DataFrame, day: str, without: np.ndarray | None = None) -> tuple[pl.DataFrame, Cases]:
        """Return the firms' rows within the time, and their cases; ``without`` the firms marked there."""
        days = frame[day].cast(pl.Date).cast(pl.Int32)
        frame = frame.filter((days >= self.since) & (days <= self.until))
        place = np.full(frame.height, -1)
        name = "_community_id" if "_community_id" in frame.columns else "community_id"
        if name in frame.columns:
            place = frame[name].replace_strict(self._places, default=-1, return_dtype=pl.Int64).to_numpy()
        if "uscc" in frame.columns:
            who = frame["uscc"].replace_strict(self._uscc, default=-1, return_dtype=pl.Int64).to_numpy()
        else:
            when = frame[day].cast(pl.Date).cast(pl.Int32).to_numpy().astype(np.int64)
            who = self.scene.tenures.manager_of(place, when)
        kept = self.index[who] >= 0
        if without is not None:
            kept &= ~without[who]
        return frame.filter(pl.Series(kept)), Cases(self.index[who[kept]], place[kept], len(self.firms))

    def mean(
        self, name: str, cases: Cases, values: np.ndarray, noise: float, *, together: float = 1.0, more: float = 0.0
    ) -> Stream:
        """Return the stream of the mean of values on the link scale; ``together``: cases that come as one."""
        mechanism = self.scene.world.mechanisms[name]
        count = cases.of(np.ones(len(values)))
        mean = np.where(count > 0, cases.of(values) / np.maximum(count, 1), np.nan)
        variance = (noise**2 + mechanism.week**2) * together / np.maximum(count, 1)
        variance = variance + mechanism.own**2 + (mechanism.community**2 + more) * cases.spread
        base = mechanism.level if MECHANISMS[name][0] == "points" else float(np.log(mechanism.level))
        return _measured(name, mechanism, mean, variance, base)

    def share(
        self, name: str, cases: Cases, hits: np.ndarray, trials: np.ndarray | None = None, *, between: float = 0.0,
        shift: float = 0.0,
    ) -> Stream:  # fmt: skip
        """Return the stream of a share; ``between``: variance between cases of several trials, on the logit scale."""
        mechanism = self.scene.world.mechanisms[name]
        each = np.ones(len(hits)) if trials is None else trials
        chance = mechanism.level
        effect = 1 + (each.mean() - 1 if len(each) else 0) * between * chance * (1 - chance)
        sigma = np.sqrt(mechanism.own**2 + mechanism.community**2 * cases.spread)
        base = np.full(cases.count, _logit(mechanism.level) + shift)
        return _counted(mechanism, cases.of(hits) / effect, cases.of(each) / effect, sigma, base)


def _streams(scene: Scene, tables: dict[str, Table], *, first: date, through: date) -> list[Stream]:
    """Return what every feed says; a part of the record that somebody falsified is left out."""
    since = max(day_number(first), scene.conduct.change_day)
    read = _Reader(scene, since, day_number(through))
    return [
        *_incidents(read, tables["complaints"].frame),
        *_clocks(read, tables["complaints"].frame),
        *_visits(read, tables["inspections"].frame),
        *_registers(read, {name: table.frame for name, table in tables.items()}),
    ]


def _incidents(read: _Reader, complaints: pl.DataFrame) -> list[Stream]:
    scene = read.scene
    world, hostile = scene.world, scene.hostile
    own = complaints.filter(~pl.col("_is_bought") & pl.col("repeat_of_id").is_null())
    frame, cases = read.rows(own.with_columns(pl.col("submitted_at").alias("_at")), "_at")
    category = frame["category_code"].replace_strict(
        {name: number for number, name in enumerate(CATEGORIES)}, return_dtype=pl.Int64
    )
    group = np.array([GROUPS.index(world.categories[name].group) for name in CATEGORIES])[category.to_numpy()]
    exposure, spread = _exposure(read, scene.tenures)
    if world.hushing is not None:
        exposure = exposure * np.where(hostile.hushes[read.firms], world.hushing.rate, 1.0)
    if world.regime_change is not None:
        exposure = exposure * world.regime_change.complaints
    streams = []
    for number, name in enumerate(GROUPS):
        mechanism = world.mechanisms[f"{name}_incidents"]
        of = [each for each in world.categories.values() if each.group == name]
        cluster = sum(each.share * each.cluster for each in of) / sum(each.share for each in of)
        extra = cluster - 1
        effect = cluster + (extra + extra**2 / 0.8) / cluster  # variance over mean of 1 + a negative binomial
        count = cases.of((group == number).astype(float)) / effect
        log_mean = mechanism.community**2 / 2 + mechanism.week**2 / 2
        expected = exposure * mechanism.level * np.exp(log_mean) / effect
        sigma = np.sqrt(mechanism.own**2 + mechanism.community**2 * spread + mechanism.week**2 / 40)
        streams.append(
            _happened(dict(mechanism.areas), mechanism.shape, mechanism.age, count, np.maximum(expected, 1e-9), sigma)
        )
    return streams


def _exposure(read: _Reader, tenures: Tenures) -> tuple[np.ndarray, np.ndarray]:
    """Return every firm's ready thousand household-months, and the sum of squared shares of its communities."""
    months = (np.minimum(tenures.end, read.until) - np.maximum(tenures.start, read.since) + 1) / _MONTH_DAYS
    ready = readiness(read.scene) * read.scene.communities.households / 1000
    index = read.index[tenures.manager]
    kept = (months > 0) & (index >= 0)
    amount = months[kept] * ready[tenures.community[kept]]
    total = np.bincount(index[kept], weights=amount, minlength=len(read.firms))
    squares = np.bincount(index[kept], weights=amount**2, minlength=len(read.firms))
    return total, squares / np.maximum(total, 1e-9) ** 2


def _clocks(read: _Reader, complaints: pl.DataFrame) -> list[Stream]:
    world, hostile = read.scene.world, read.scene.hostile
    own = complaints.filter(~pl.col("_is_bought"))
    frame, cases = read.rows(own, "submitted_at", without=hostile.closes_on_paper)

    def log_hours(since: str, until: str, kept: pl.Expr) -> tuple[Cases, np.ndarray]:
        span = (pl.col(until) - pl.col(since)).dt.total_seconds() / 3600
        known = kept & pl.col(until).is_not_null() & pl.col(since).is_not_null() & (span > 0)
        mask = frame.select(known.fill_null(value=False)).to_series().to_numpy()
        hours = frame.select(span.cast(pl.Float64)).to_series().to_numpy()[mask]
        return Cases(cases.firm[mask], cases.place[mask], cases.count), np.log(hours)

    by_day = pl.col("submitted_at").dt.hour().is_between(7, 21)
    streams = []
    for name, since, until, kept in (
        ("respond", "submitted_at", "responded_at", by_day),
        ("attend", "responded_at", "handled_at", pl.lit(value=True)),
        ("solve", "handled_at", "resolved_at", pl.col("paused_minutes") == 0),
    ):
        where, values = log_hours(since, until, kept)
        if name == "solve":
            work = {category: float(np.log(each.work)) for category, each in world.categories.items()}
            usual = frame["category_code"].replace_strict(work, return_dtype=pl.Float64).to_numpy()
            known = frame.select(
                (kept & pl.col(until).is_not_null() & (pl.col(until) > pl.col(since))).fill_null(value=False)
            )
            values = values - usual[known.to_series().to_numpy()]
        streams.append(read.mean(name, where, values, world.mechanisms[name].noise, together=1.6))
    done = (frame["closed_at"].is_not_null() | frame["_withdrawn_at"].is_not_null()).to_numpy()
    streams.append(read.share("stalls", cases, (~done).astype(float)))
    again = frame["complaint_id"].is_in(complaints["repeat_of_id"].drop_nulls().implode()).to_numpy()
    closed = frame["closed_at"].is_not_null().to_numpy()
    ended = Cases(cases.firm[closed], cases.place[closed], cases.count)
    streams.append(read.share("recurs", ended, again[closed].astype(float)))
    is_reached = (frame["_callback_at"].is_not_null() & (frame["callback_result_code"] != "unreachable")).to_numpy()
    waited = (frame["resolved_at"] - frame["submitted_at"]).dt.total_seconds().fill_null(0).to_numpy() / 3600
    shift = -0.7 * (np.log1p(np.clip(waited[is_reached], 0, 600) / 24).mean() - np.log(2)) if is_reached.any() else 0.0
    pleased = (frame["callback_result_code"] == "satisfied").to_numpy()[is_reached].astype(float)
    asked = Cases(cases.firm[is_reached], cases.place[is_reached], cases.count)
    streams.append(read.share("pleased", asked, pleased, shift=float(shift)))
    return streams


def _visits(read: _Reader, inspections: pl.DataFrame) -> list[Stream]:
    want, bought = read.scene.world.visits, read.scene.hostile.buys_inspections
    summaries, cases = read.rows(
        inspections.filter(pl.col("line_type_code") == "summary"), "inspected_on", without=bought
    )
    failed = summaries["failed_item_count"].to_numpy().astype(float)
    checked = summaries["checked_item_count"].to_numpy().astype(float)
    between = want.visit**2 + want.inspector**2
    change = read.scene.world.regime_change
    streams = [
        read.share("items", cases, failed, checked, between=between, shift=change.failures if change else 0.0)
    ]  # fmt: skip
    findings, cases = read.rows(
        inspections.filter(pl.col("line_type_code") == "finding"), "inspected_on", without=bought
    )
    severe = (findings["severity_code"] != "minor").to_numpy().astype(float)
    streams.append(read.share("general", cases, severe, between=0.0))
    allowed = (findings["order_due_on"] - findings["inspected_on"]).dt.total_days().to_numpy()
    taken = (findings["rectified_on"] - findings["inspected_on"]).dt.total_days().fill_null(300).to_numpy()
    noise = read.scene.world.mechanisms["rectify"].noise
    streams.append(read.mean("rectify", cases, np.log((taken - 0.4) / allowed), noise))
    return streams


def _registers(read: _Reader, frames: dict[str, pl.DataFrame]) -> list[Stream]:
    scene, streams = read.scene, []
    samples, mechanisms = scene.world.samples, scene.world.mechanisms
    quarterly = frames["disclosures"].filter(pl.col("disclosure_class_code").is_in(["c03", "c04"]))
    quarterly = quarterly.with_columns(pl.col("period_start_on").dt.offset_by("3mo").alias("_closing"))
    frame, cases = read.rows(quarterly, "_closing")
    lag = ((frame["published_on"] - frame["_closing"]).dt.total_days() + 1).to_numpy()
    silent = frame["published_on"].is_null().to_numpy()
    known = ~silent
    streams.append(read.share("silent", cases, silent.astype(float)))
    published = Cases(cases.firm[known], cases.place[known], cases.count)
    streams.append(
        read.mean("publish", published, np.log(np.maximum(lag[known] - 0.5, 0.5)), mechanisms["publish"].noise)
    )  # fmt: skip
    yearly = frames["disclosures"].filter(~pl.col("disclosure_class_code").is_in(["c03", "c04"]))
    frame, cases = read.rows(yearly.with_columns(pl.col("_seen").cast(pl.Int32).cast(pl.Date).alias("_on")), "_on")
    streams.append(read.share("classes", cases, frame["published_on"].is_not_null().to_numpy().astype(float)))

    frame, cases = read.rows(frames["reporting_records"], "due_on")
    in_time = (frame["submitted_on"] <= frame["due_on"]).fill_null(value=False).to_numpy().astype(float)
    streams.append(read.share("reports", cases, in_time))
    frame, cases = read.rows(frames["reporting_records"].filter(pl.col("_checked_on").is_not_null()), "due_on")
    items = frame["checked_item_count"].to_numpy().astype(float)
    streams.append(read.share("accuracy", cases, items - frame["wrong_item_count"].to_numpy(), items))
    frame, cases = read.rows(
        frames["mediations"].filter(pl.col("agreed_on").is_not_null() & (pl.col("due_on") <= read.day)), "agreed_on"
    )
    streams.append(
        read.share("agreements", cases, frame["performed_on"].is_not_null().to_numpy().astype(float))
    )  # fmt: skip
    staff = frames["personnel"].filter(pl.col("hired_on") <= read.day).with_columns(pl.lit(read.day).alias("_now"))
    frame, cases = read.rows(staff, "_now")
    streams.append(read.share("pre_job", cases, frame["pre_job_trained_on"].is_not_null().to_numpy().astype(float)))
    longer = staff.filter(pl.col("hired_on") < pl.lit(read.day) - pl.duration(days=90))
    frame, cases = read.rows(longer, "_now")
    trained = frame["continuing_trained_on"].is_not_null().to_numpy().astype(float)
    streams.append(read.share("continuing", cases, trained))
    frame, cases = read.rows(frames["standard_assessments"], "assessed_on")
    items = frame["item_count"].to_numpy().astype(float)
    hits = frame["conforming_item_count"].to_numpy().astype(float)
    streams.append(read.share("standard", cases, hits, items, between=2 * samples.assessor**2))

    frame, cases = read.rows(frames["surveys"], "surveyed_on")
    kind = scene.communities.type[cases.place]
    bias = np.array([samples.survey_bias[name] for name in TYPES])[kind]
    answers = frame["response_count"].to_numpy().astype(float)
    noise = float(np.sqrt((mechanisms["survey"].noise ** 2 / answers).mean() + 1.5**2)) if len(answers) else 1.0
    streams.append(read.mean("survey", cases, frame["satisfaction_score"].to_numpy() - bias, noise))
    frame, cases = read.rows(frames["street_ratings"], "rated_on")
    more = samples.rater**2
    streams.append(read.mean("rating", cases, frame["rating_score"].to_numpy(), mechanisms["rating"].noise, more=more))
    return streams


def _of_events(scene: Scene, events: SeriousEvents, households: np.ndarray) -> list[Stream]:
    """Return what the events up to the night say; luck is integrated out kind by kind."""
    want, end = scene.world.events, scene.managers.end_day
    firms = np.flatnonzero(scene.managers.kind == FIRM)
    level, size = level_and_exposure(scene.conduct, firms, households, seed=scene.seed)
    since = max(int(events.day.min()) if len(events.day) else end, scene.conduct.change_day)
    sigma = np.full(len(firms), want.frailty)
    streams = []
    for name, kind in want.kinds.items():
        before = events.of(name)
        before = before.where((before.day <= end) & (before.day >= since))
        count = np.bincount(before.manager, minlength=len(scene.managers.kind))[firms].astype(float)
        expected = level * kind.weight * size * (end - since) / HALF_YEAR
        streams.append(_happened(dict(kind.areas), kind.shape, 0.0, count, expected, sigma))
    return streams
