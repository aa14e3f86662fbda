"""Every world of the simulation, graded by several methods in a database of its own: the table of validation.

Owns the way from a world to its row and what is kept of it: a run that was broken off goes on with the next world. What
a row says is ``scoring.validation.worlds``.
"""

import contextlib
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from property_credit.cli.output import stderr as progress
from property_credit.cli.validation import (
    THROUGH,
    ValidationError,
    graded_again,
    loaded_night,
    offices,
    own_warehouse,
    refuse_file,
    timed,
)

if TYPE_CHECKING:
    from scoring.method import LoadedMethod
    from scoring.validation.measures import Measures
    from scoring.validation.worlds import Row, Table

ROOT = Path(__file__).resolve().parents[2]
CODE = ("simulation", "scoring", "dbt_project", "property_credit/ingestion")  # what a row is made by


def judge_worlds(
    names: Sequence[str] | None,
    *,
    methods: Sequence[str] | None,
    seeds: Sequence[int],
    firms: int | None,
    out: Path,
    trial_seed: int | None = None,
) -> "Table":
    """Grade each world by each method and return the table, written below ``out`` as worlds.json and worlds.md.

    Args:
        names: worlds, or paths of their files; None: all that come with the project.
        methods: versions; None: every file in scoring/methods.
        seeds: of each world; several are pooled.
        firms: enterprises of each; None: as its file says.
        trial_seed: judge each world also by the last method with the anchors and cut-offs that ``calibrate`` proposes
            from the world's own region of this seed, its trial cycle; that region judges nothing.
        out: a folder. A world that it holds already, made by the same code and with the same arguments, is not made
            again.

    Raises:
        SimulationError: there is no such world.
        MethodError: there is no such method.
        ScoringError: too few enterprises of a trial cycle can be rated.
        ValidationError: ``out`` is a file, the trial cycle's seed also judges, or a world's delivery was refused.
    """
    from scoring.method import METHODS_DIR, load
    from scoring.validation import worlds
    from simulation.worlds.world import load_world
    from simulation.worlds.world import names as all_worlds

    refuse_file(out)
    if trial_seed in seeds:
        raise ValidationError(f"seed {trial_seed} judges: a trial cycle needs a seed of its own")
    versions = list(methods or sorted(path.stem for path in METHODS_DIR.glob("*.yml")))
    wanted = [(str(name), load_world(name)) for name in names or all_worlds()]
    parameters: dict[str, Any] = {
        "methods": {version: load(version).sha256 for version in versions},
        "seeds": list(seeds), "firms": firms, "trial_seed": trial_seed, "through": str(THROUGH), "code": _code(),
    }  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    table = worlds.Table(rows, parameters)
    for name, world in wanted:
        inputs = parameters | {"world": hashlib.sha256(repr(world).encode()).hexdigest()[:16]}
        kept = out / f"world-{Path(name).stem}.json"
        judged = _kept(kept, inputs)
        if judged is None:
            judged = _judged(name, versions=versions, seeds=seeds, firms=firms, trial_seed=trial_seed)
            content = {"parameters": inputs, "rows": [asdict(row) for row in judged]}
            kept.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
        else:
            progress.print(f"[dim]·[/dim] {name}: as it was judged before")
        rows += judged
        worlds.write(table, out)
    return table


def _kept(path: Path, inputs: dict[str, Any]) -> "list[Row] | None":
    from scoring.validation.worlds import row_of

    if not path.is_file():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    return [row_of(row) for row in content["rows"]] if content["parameters"] == inputs else None


def _judged(
    name: str, *, versions: Sequence[str], seeds: Sequence[int], firms: int | None, trial_seed: int | None
) -> "list[Row]":
    from scoring.method import load
    from scoring.validation import worlds
    from scoring.validation.measures import pooled

    methods = [load(version) for version in versions]
    if trial_seed is not None:
        methods.append(_after_trial(name, versions[-1], seed=trial_seed, firms=firms))
    regions: dict[str, list[Measures]] = {loaded.version: [] for loaded in methods}
    for seed in seeds:
        for version, measures in _measured(name, methods=methods, seed=seed, firms=firms).items():
            regions[version].append(measures)
    return [worlds.row(Path(name).stem, loaded.method, pooled(regions[loaded.version])) for loaded in methods]


def _after_trial(name: str, version: str, *, seed: int, firms: int | None) -> "LoadedMethod":
    """Return ``version`` with what ``calibrate`` proposes from the world's own region of ``seed``."""
    from scoring.calibration import calibrate
    from scoring.method import LoadedMethod

    seconds: dict[str, float] = {}
    progress.print(f"[bold]{name}[/bold], trial cycle of seed {seed}")
    with _delivered(name, seed=seed, firms=firms, seconds=seconds), timed("calibrate", seconds):
        proposed = calibrate(THROUGH, version).proposed
    return LoadedMethod(proposed.model_copy(update={"version": f"{version}-trial"}), sha256="")


@contextlib.contextmanager
def _delivered(name: str, *, seed: int, firms: int | None, seconds: dict[str, float]) -> Iterator[dict[str, Any]]:
    """Give the manifest of a world's region that lies, loaded, in a database of its own while the block runs."""
    from simulation.worlds.region import simulate_world

    with own_warehouse(name, seed) as folder:
        with timed("simulate", seconds):
            simulate_world(name, seed=seed, out=folder, firms=firms, through=THROUGH)
        with offices(folder):
            loaded_night(THROUGH, seconds)
        yield json.loads((folder / "manifest.json").read_text("utf-8"))


def _measured(name: str, *, methods: "Sequence[LoadedMethod]", seed: int, firms: int | None) -> "dict[str, Measures]":
    from scoring.method import METHODS_DIR
    from scoring.validation.measures import measure
    from scoring.validation.night import Truth, read_night
    from scoring.validation.rescoring import under

    import polars as pl  # isort: skip

    seconds: dict[str, float] = {}
    measures: dict[str, Measures] = {}
    progress.print(f"[bold]{name}[/bold], seed {seed}")
    with _delivered(name, seed=seed, firms=firms, seconds=seconds) as manifest:
        events = pl.DataFrame(manifest["future_events"], schema={"uscc": pl.String, "kind": pl.String, "on": pl.String})
        guesses = {
            uscc: firm["best_guess"]
            for uscc, firm in manifest["truth"]["firms"].items()
            if firm.get("best_guess") is not None
        }
        truth = Truth(manifest["true_quality"], manifest["bought_complaints"], guesses)
        drop = {"bought": [name for names in truth.bought.values() for name in names]}
        for loaded in methods:
            if (METHODS_DIR / f"{loaded.version}.yml").is_file():
                graded_again(THROUGH, loaded.version, seconds)
                night = read_night(THROUGH, method_version=loaded.version, drop=drop)
            else:  # proposed from the trial cycle: counts as the method before it does, and has no file
                night = under(night, loaded)
            with timed(f"measure {loaded.version}", seconds):
                measures[loaded.version] = measure(night, events=events, later=None, truth=truth, is_varied=False)
    return measures


def _code() -> str:
    """Return a short hash of what simulates, counts, grades and judges: a row made by other code is made again."""
    digest = hashlib.sha256()
    for folder in CODE:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".yml", ".sql", ".csv") and "target" not in path.parts:
                digest.update(str(path.relative_to(ROOT)).encode())
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
