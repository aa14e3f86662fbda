"""A backfill is a reviewed file: tried in a copy of the warehouse, then swapped in, also by a swap that was killed."""

import json
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from own_warehouse import register_build
from small_town import NIGHT, everything
from typer.testing import CliRunner

from property_credit.cli.main import app
from property_credit.ingestion import profile as profiles
from property_credit.ingestion.load import ingest_file, no_check
from property_credit.night import backfill_trial, backfills
from property_credit.warehouse.connection import connect, parameters
from property_credit.warehouse.settings import get_settings
from property_credit.warehouse.task_runs import StoppedByGate

PROFILE = """\
feed: complaints
office_zh: 东区热线
format: csv
files: "*.csv"
header: {row: 1}
columns: {complaint_id: 号, submitted_at: 时间, responded_at: 响应, community_id: 小区, category_code: 类}
codes: {category_code: {电梯: lift}}
constants: {status_code: handling, channel_code: hotline, region_code: "150203", responsible_party_code: property,
  is_confirmed: "true"}
dates: {submitted_at: "%Y-%m-%d %H:%M", responded_at: "%Y-%m-%d %H:%M"}
"""
HEADER = "号,时间,响应,小区,类\n"
CAME = NIGHT - timedelta(days=20)
FILE = f"""\
nights: {{first: {CAME}, last: {NIGHT}}}
feeds: [complaints]
source: east
reason: the hotline's old export came late
"""
REVIEWED = FILE + "reviewer: 王工\n"


def row(number, day="2026-06-20", hour="18", category="电梯"):
    return f"E{number},{day} 09:00,{day} {hour}:00,C1,{category}\n"


def land(home, name, *rows, day=CAME):
    path = home / "landing" / str(day) / "east" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER + "".join(rows), encoding="utf-8")
    return path


def sources(monkeypatch, home):
    folder = home / "sources"
    folder.mkdir()
    (folder / "east.yml").write_text(PROFILE, encoding="utf-8")
    monkeypatch.setattr(profiles, "SOURCES", folder)
    return folder / "east.yml"


@pytest.fixture
def office(town, monkeypatch, tmp_path):
    """The town with an office: one file of its complaints was loaded, another came late; a registered build."""
    profile = sources(monkeypatch, tmp_path)
    path = land(tmp_path, "old.csv", row(1), row(2, category="停车"))
    done = ingest_file(
        feed="complaints", profile=str(profile), path=path, business_date=NIGHT, check=no_check, landed_on=CAME
    )
    assert (done.rows_accepted, done.rows_waiting) == (1, 1)  # nobody said yet what 停车 is
    land(tmp_path, "late.csv", row(3), row(4))
    register_build(NIGHT)
    return tmp_path


def written(home, text, name="2026-11-15-east.yml"):
    path = home / name
    path.write_text(text, encoding="utf-8")
    return path


def tried(file, *batch_ids):
    """A report as a trial of ``file`` would leave it, without the trial's work."""
    backfill = backfills.read(file)
    with connect() as owner:
        (now,) = owner.execute("select clock_timestamp()").fetchone()
    batches = [{"batch_id": name, "status": "loaded", "kind": "load"} for name in batch_ids]
    return backfills.Report(file.stem, backfill.sha(), backfills.code(), NIGHT, now, batches=batches)


def loads():
    with connect("pc_gatekeeper") as connection:
        return connection.execute(
            "select source_file, kind, rows_accepted, batch_id from ops.batches where source_profile = 'east'"
            " order by received_at"
        ).fetchall()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("late.yml", FILE, "is called <yyyy-mm-dd>-<what>.yml"),
        ("2026-11-15-x.yml", FILE.replace("complaints]", "complaint]"), "there is no feed complaint;"),
        ("2026-11-15-x.yml", FILE.replace("reason:", "because:"), "because: Extra inputs"),
        ("2026-11-15-x.yml", FILE.replace(str(NIGHT), "2020-01-01"), "nights: Value error, first comes after last"),
        ("2026-11-15-x.yml", FILE.replace("[complaints]", "[complaints, funds]"), "a source belongs to one feed"),
        ("2026-11-15-x.yml", "nights: [", "cannot be read"),
    ],
)
def test_file__that_says_something_else__is_refused_with_its_place(tmp_path, name, text, said):
    with pytest.raises(backfills.BackfillError, match=said.replace("[", r"\[")):
        backfills.read(written(tmp_path, text, name))


def test_load__of_late_files_and_a_mended_profile__reads_both_and_again_nothing(office):
    file = written(office, REVIEWED)
    profile = profiles.SOURCES / "east.yml"
    profile.write_text(PROFILE.replace("电梯: lift", "电梯: lift, 停车: parking"), encoding="utf-8")
    made = backfills.load(backfills.read(file), NIGHT)
    assert [(one.source_file, one.kind, one.rows_accepted) for one in made] == [
        ("old.csv", "reading", 1),  # 停车 came in, the other row is as it was
        ("late.csv", "load", 2),
    ]
    assert backfills.load(backfills.read(file), NIGHT) == []


def test_load__other_nights_or_another_office__is_left(office):
    early = REVIEWED.replace(f"last: {NIGHT}", f"last: {CAME - timedelta(days=1)}").replace(
        f"first: {CAME}", "first: 2026-01-01"
    )
    assert backfills.load(backfills.read(written(office, early)), NIGHT) == []
    with pytest.raises(Exception, match="feed complaints has no source profile west"):
        backfills.load(backfills.read(written(office, REVIEWED.replace("east", "west"))), NIGHT)


def test_load__everything_again__reads_each_delivery_one_time(office):
    file = written(office, REVIEWED + "read_again: true\n")
    first = backfills.load(backfills.read(file), NIGHT)
    assert [(one.source_file, one.kind) for one in first] == [("old.csv", "reading"), ("late.csv", "load")]
    ids = frozenset(one.batch_id for one in first)
    assert backfills.load(backfills.read(file), NIGHT, made=ids) == []
    assert len(backfills.load(backfills.read(file), NIGHT)) == 2  # without knowing of them it would again


@pytest.mark.parametrize("killed_after", ["the loads", "nothing"])
def test_swap__killed_and_run_again__does_what_is_left(office, killed_after):
    file = written(office, REVIEWED + "read_again: true\n")
    report = tried(file)
    made = backfills.load(backfills.read(file), NIGHT)  # half of a swap: its loads, by ids that the trial knew
    report = replace(report, batches=[backfills.plain(one) for one in made])
    ran = []

    def night(day):
        ran.append(day)
        if killed_after == "the loads" and len(ran) == 1:
            raise KeyboardInterrupt
        return 0

    if killed_after == "the loads":
        with pytest.raises(KeyboardInterrupt):
            backfills.swap(file, report, night)
    before = loads()
    assert backfills.swap(file, report, night) == 0
    assert loads() == before and ran[-1] == NIGHT and len(before) == 3
    with connect("pc_gatekeeper") as connection:
        (message,) = connection.execute("select message from ops.task_runs where dag = 'backfill'").fetchone()
    assert message == "2 batches stand, reviewed by 王工: the hotline's old export came late"


CHANGES = [
    ({"text": FILE}, "has no reviewer"),
    ({"text": REVIEWED.replace("came late", "came very late")}, "is another one than was tried"),
    ({"report": {"code": "x"}}, "the code, a profile or a gate has changed"),
    ({"report": {"night": NIGHT - timedelta(days=1)}}, "tried was the night of"),
    ({"report": {"problems": ["StoppedByGate: too many"]}}, "the trial was stopped"),
]


def test_swap__not_as_it_was_reviewed__is_refused_and_nothing_is_loaded(office):
    file = written(office, REVIEWED)
    report, before = tried(file), loads()
    for change, said in CHANGES:
        written(office, change.get("text", REVIEWED))
        with pytest.raises(backfills.BackfillError, match=said):
            backfills.swap(file, replace(report, **change.get("report", {})), lambda _night: 0)
    assert loads() == before
    done = CliRunner().invoke(app, ["backfill", "swap", str(file)])
    assert done.exit_code == 2
    assert "was not tried yet: `property-credit backfill compare" in " ".join(done.output.split())


def test_swap__the_office_sent_more_since_the_trial__is_refused(office):
    file = written(office, REVIEWED)
    report = tried(file)
    path = land(office, "other.csv", row(9), day=NIGHT)
    ingest_file(
        feed="complaints", profile=str(profiles.SOURCES / "east.yml"), path=path, business_date=NIGHT, check=no_check
    )
    with pytest.raises(backfills.BackfillError, match=r"east/other\.csv came since the trial"):
        backfills.swap(file, report, lambda _night: 0)


@pytest.mark.long
def test_compare__late_complaints_of_a_town__shows_rows_and_grades_and_leaves_production_as_it_was(
    built_town, monkeypatch, tmp_path
):
    monkeypatch.setattr(backfill_trial, "folder_of", lambda file: tmp_path / "reports" / file.stem)
    sources(monkeypatch, tmp_path)
    land(tmp_path, "late.csv", *(row(number) for number in range(1, 31)))
    before, entries = everything(), sorted(tmp_path.rglob("*.csv"))
    file = written(tmp_path, FILE)
    done = CliRunner().invoke(app, ["backfill", "compare", str(file), "--format", "json"])
    report = json.loads(done.output)
    assert [(one["source_file"], one["rows_new"]) for one in report["batches"]] == [("late.csv", 30)]
    tables = {one["table"]: (one["rows_before"], one["rows_after"]) for one in report["tables"]}
    assert tables["staging.stg_complaints"] == (4, 34) and tables["marts.fct_complaints"] == (4, 34)
    assert "marts.dim_enterprise" not in tables
    assert done.exit_code == bool(report["problems"])
    assert report["run_id"] and sum(report["grades"]["after"].values()) == 2
    assert everything() == before
    assert_nothing_left(tmp_path, file, entries)


def assert_nothing_left(home, file, entries):
    """In production stands no row, no file and no database of a trial."""
    assert sorted(home.rglob("*.csv")) == entries and [one[0] for one in loads()] in ([], ["old.csv"])
    with psycopg.connect(**parameters(database="postgres")) as opened:
        assert opened.execute("select datname from pg_database where datname like 'backfill%'").fetchall() == []
    assert not (home / "reports" / file.stem / "trial").exists()
    assert "## Loads" in (home / "reports" / file.stem / "report.md").read_text("utf-8")


def test_compare__in_a_copy__loads_there_and_leaves_production_as_it_was(office, monkeypatch, tmp_path):
    monkeypatch.setattr(backfill_trial, "folder_of", lambda file: tmp_path / "reports" / file.stem)
    worked = []

    def build(night):
        assert get_settings().warehouse_url and get_settings().archive_dir != tmp_path / "archive"
        worked.append([one[0] for one in loads()])

    monkeypatch.setattr(backfill_trial.warehouse_tasks, "build_models", build)
    monkeypatch.setattr(backfill_trial.supervision_tasks, "raise_alerts", lambda night: None)
    monkeypatch.setattr(backfill_trial.grading_tasks, "check_score_inputs", lambda night: None)

    def stop(night):
        raise StoppedByGate("grades look impossible")

    monkeypatch.setattr(backfill_trial.grading_tasks, "grade_enterprises", stop)
    entries, kept = sorted(tmp_path.rglob("*.csv")), sorted((tmp_path / "archive").rglob("*"))
    file = written(tmp_path, FILE)
    done = CliRunner().invoke(app, ["backfill", "compare", str(file), "--no-lists"])
    assert done.exit_code == 1 and "StoppedByGate: grades look impossible" in done.output
    assert worked == [["old.csv", "late.csv"]]
    assert "| complaints | east | late.csv | load | loaded | 2 |" in done.output
    assert sorted((tmp_path / "archive").rglob("*")) == kept
    assert_nothing_left(tmp_path, file, entries)
    with pytest.raises(backfills.BackfillError, match="the trial was stopped"):
        backfills.swap(written(tmp_path, REVIEWED), backfill_trial.kept_report(file), lambda night: 0)


def test_copy__of_a_link_in_landing__stays_a_link_that_is_not_followed(tmp_path):
    (tmp_path / "landing").mkdir()
    (tmp_path / "secret.csv").write_text("not for the trial")
    (tmp_path / "landing/own.csv").write_text("a delivery")
    (tmp_path / "landing/link.csv").symlink_to(tmp_path / "secret.csv")
    backfill_trial._link(tmp_path / "landing", tmp_path / "trial")
    assert (tmp_path / "trial/own.csv").samefile(tmp_path / "landing/own.csv")
    assert (tmp_path / "trial/link.csv").is_symlink()
