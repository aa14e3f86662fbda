"""How the workbench holds up when all of an autonomous region's people use it at once.

300 officers and 5,000 enterprises are signed in, each with a session of its own; their requests come at a fixed rate,
whether or not earlier ones are answered (an open loop), through 90 kept connections. The ratio is p95 under that load
to the median of a single user who sends the same mix one request after another. What people do is mostly reading: an
enterprise its grade and cases, an officer worklists; three in a hundred requests are acts.

    python -m benchmarks.serve_workbench --rate 200 --seconds 30 --out benchmarks/results/serve_workbench.json
"""

import argparse
import asyncio
import base64
import contextlib
import json
import os
import platform
import random
import secrets
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parent.parent
CONNECTIONS = 90  # of one address at most 100 are taken
CLONED = (  # tables that know an enterprise by its code
    ("marts", "mart_scoring__enterprises"),
    ("marts", "mart_scoring__indicator_evidence"),
    ("marts", "mart_scorecards__indicator_evidence"),
    ("marts", "mart_scoring__records"),
    ("scoring", "grades"),
    ("scoring", "indicator_points"),
    ("publishing", "grade_versions"),
)
MIX = {  # role → (weight, path, is an act)
    "enterprise": ((70, "/my", False), (12, "/notices", False), (10, "/case-files", False), (5, "/replies", True)),
    "officer": ((45, "/cases", False), (25, "/alerts", False), (15, "/board", False), (15, "/notices", False)),
}
ENTERPRISE_SHARE = 0.7


@dataclass(frozen=True)
class User:
    """Somebody who is signed in: role, the cookie of a session, the token that its forms carry."""

    role: str
    cookie: str
    token: str


def main() -> None:
    """Prepare, serve, measure, write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=200, help="requests a second")
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--officers", type=int, default=300)
    parser.add_argument("--enterprises", type=int, default=5_000)
    parser.add_argument("--cases", type=int, default=300, help="objections that are open")
    parser.add_argument("--template", help="a database of DATA_DIR with a published night; default: one is made")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="serve-workbench-") as home, database(given.template, Path(home)):
        users = prepare(given.officers, given.enterprises, given.cases)
        with serving() as port:
            asyncio.run(load(port, users, rate=20, seconds=3))  # every worker has read its templates and areas
            alone = asyncio.run(one_user(port, users, count=150))
            answers = asyncio.run(load(port, users, rate=given.rate, seconds=given.seconds))
    taken = sorted(seconds for seconds, status in answers if status < 400)
    errors = Counter(status for _seconds, status in answers if status >= 400)
    p95, median = taken[int(len(taken) * 0.95)], statistics.median(alone)
    result = {
        "name": "serve_workbench",
        "what": "p95 under the load of all users at once, as a multiple of a single user's median",
        "ratio": round(p95 / median, 2),
        "requests_per_second_asked": given.rate,
        "requests_per_second": round(len(taken) / last_answer(answers, given.seconds), 1),
        "requests": len(answers),
        "errors": sum(errors.values()),
        "errors_by_status": dict(errors),
        "single_user_median_ms": round(median * 1000, 1),
        "load_median_ms": round(statistics.median(taken) * 1000, 1),
        "load_p95_ms": round(p95 * 1000, 1),
        "officers": given.officers,
        "enterprises": given.enterprises,
        "machine": {
            "processors": os.cpu_count(),
            "load_before": os.getloadavg()[0],
            "python": platform.python_version(),
        },
    }
    print(json.dumps(result, indent=1))
    if given.out:
        given.out.parent.mkdir(parents=True, exist_ok=True)
        given.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


@contextlib.contextmanager
def database(template: str | None, home: Path) -> Iterator[None]:
    """Work on a copy of ``template``, or on a small region's night that is made below ``home``."""
    import psycopg
    from psycopg import sql

    from property_credit.warehouse import connection, embedded
    from property_credit.warehouse.settings import get_settings

    name = f"bench_{uuid.uuid4().hex[:8]}"
    if template is None:
        os.environ["DATA_DIR"] = str(home)
        get_settings.cache_clear()
        make_night(home)
        template = get_settings().warehouse_database
    with psycopg.connect(**connection.parameters(database="postgres"), autocommit=True) as opened:
        opened.execute(sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template)))
    os.environ |= {"WAREHOUSE_DATABASE": name, "WORKBENCH_DAY": "nights"}
    get_settings.cache_clear()
    try:
        yield
    finally:
        with psycopg.connect(**connection.parameters(database="postgres"), autocommit=True) as opened:
            opened.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
        if os.environ["DATA_DIR"] == str(home):
            embedded.stop(home)


def make_night(home: Path) -> None:
    """Simulate a small region, build, grade and publish its night, as the night's tasks do."""
    from benchmarks.nightly_cost import LAST, load_base
    from property_credit.night import grading_tasks, publishing_tasks, supervision_tasks
    from property_credit.night.warehouse_tasks import build_models

    load_base(home, "hamlet")
    build_models(LAST)
    supervision_tasks.raise_alerts(LAST)
    supervision_tasks.keep_clocks(LAST)
    grading_tasks.check_score_inputs(LAST)
    grading_tasks.grade_enterprises(LAST)
    publishing_tasks.publish_grades(LAST)


def prepare(officers: int, enterprises: int, cases: int) -> list[User]:
    """Make the enterprises (copies of the region's), an account and a session of everybody, and open objections."""
    from benchmarks.serve_grade import credit_code
    from property_credit.warehouse import sign_in
    from property_credit.warehouse.business_date import arrival
    from property_credit.warehouse.connection import connect
    from property_credit.warehouse.migrate import migrate
    from property_credit.workbench import acts, areas
    from property_credit.workbench.rights import Place

    migrate()
    codes = [credit_code(number) for number in range(enterprises)]
    clone(codes)
    with connect("pc_workbench") as connection:
        tree = areas.read(connection)
    places = sorted(code for code, level in tree.levels.items() if level in ("district", "city", "region"))
    rows: list[tuple[str, str, str | None, str | None, str | None]] = [
        ("officer", f"经办{n:04d}", places[n % len(places)], None, f"B-{n:04d}") for n in range(officers)
    ]
    rows += [("enterprise", f"企业{n:05d}", None, code, None) for n, code in enumerate(codes)]
    now, users, sessions = arrival(), [], []
    for role, name, *_ in rows:
        held = secrets.token_urlsafe(32)
        users.append(User(role, *_cookie(held)))
        sessions.append((sign_in.digest(held), name, now, now + timedelta(hours=8)))
    with connect("pc_workbench") as connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into workbench.accounts (role_code, account_name, area_code, uscc, officer_code, created_at, "
            "changed_at) values (%s, %s, %s, %s, %s, %s, %s)",
            [(*row, now - timedelta(minutes=1), now - timedelta(minutes=1)) for row in rows],
        )
        cursor.executemany(
            "insert into workbench.sessions (session_digest, account_name, opened_at, ends_at) values (%s, %s, %s, %s)",
            sessions,
        )
        district = next(code for code in places if tree.levels[code] == "district")
        for number in range(cases):
            details = {"target_type_code": "complaint", "target_id": f"B{number}", "reason": "数据有误，请核查。"}
            place = Place(codes[number % enterprises], district)
            act = acts.Act("objection", f"B-{number:05d}", 0, "file", details, str(uuid.uuid4()), place)
            acts.record(connection, f"企业{number % enterprises:05d}", act)
    return users


def clone(codes: list[str]) -> None:
    """Copy an enterprise of the newest run, the one with most points to show, under every code of ``codes``."""
    from psycopg import sql

    from property_credit.warehouse.connection import connect

    with connect() as owner:
        row = owner.execute(
            "select uscc from scoring.indicator_points where run_id = (select run_id from scoring.runs where as_of is "
            "null and not is_shadow order by business_date desc, recorded_at desc limit 1) and exists (select from "
            "publishing.grade_versions where grade_versions.uscc = indicator_points.uscc) "
            "group by uscc order by sum(jsonb_array_length(evidence_ids)) desc limit 1"
        ).fetchone()
        assert row is not None
        for schema, name in CLONED:
            table = sql.Identifier(schema, name)
            columns = [
                one[0]
                for one in owner.execute(
                    "select column_name from information_schema.columns where table_schema = %s and table_name = %s "
                    "and is_generated = 'NEVER' order by ordinal_position",
                    (schema, name),
                )
            ]
            chosen = sql.SQL(", ").join(
                sql.SQL("codes.code") if one == "uscc" else sql.SQL("kept.{}").format(sql.Identifier(one))
                for one in columns
            )
            owner.execute(
                sql.SQL(
                    "insert into {} ({}) select {} from (select * from {} where uscc = %s) as kept "
                    "cross join unnest(%s::text[]) as codes (code)"
                ).format(table, sql.SQL(", ").join(map(sql.Identifier, columns)), chosen, table),
                (row[0], codes),
            )
        owner.execute("analyze")


def _cookie(held: str) -> tuple[str, str]:
    """Return the cookie of a session as the application signs it, and its forms' token."""
    import itsdangerous

    from property_credit.warehouse import sign_in

    token = secrets.token_urlsafe(16)
    data = base64.b64encode(json.dumps({"session": held, "token": token}).encode())
    return itsdangerous.TimestampSigner(sign_in.session_secret("workbench")).sign(data).decode(), token


@contextlib.contextmanager
def serving() -> Iterator[int]:
    """Serve the workbench as its command does, in a process of its own; give its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [sys.executable, "-m", "property_credit.cli.main", "workbench", "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        for _ in range(600):
            with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
                break
            if process.poll() is not None:
                raise SystemExit("the workbench ended")
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def request_of(user: User, chance: random.Random, port: int) -> bytes:
    """Return the bytes of what a user asks for next."""
    weights = MIX[user.role]
    _weight, path, is_act = chance.choices(weights, [one[0] for one in weights])[0]
    head = f"Host: 127.0.0.1:{port}\r\nCookie: workbench={user.cookie}\r\n"
    if not is_act:
        return f"GET {path} HTTP/1.1\r\n{head}\r\n".encode()
    form = {"token": user.token, "form_id": str(uuid.uuid4()), "statement": "我司已完成整改，欢迎监督。"}
    body = urlencode(form)
    kind = "Content-Type: application/x-www-form-urlencoded\r\n"
    return f"POST {path} HTTP/1.1\r\n{head}{kind}Content-Length: {len(body)}\r\n\r\n{body}".encode()


class Connection:
    """A kept connection; opened again when the server ended it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.pair: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, content: bytes) -> int:
        """Send a request and read its answer; return the status (599: the connection broke)."""
        for is_last_try in (False, True):
            is_fresh = self.pair is None
            try:
                if self.pair is None:
                    self.pair = await asyncio.open_connection("127.0.0.1", self.port)
                reader, writer = self.pair
                writer.write(content)
                head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
                lower = head.lower()
                length = int(lower.split(b"content-length: ")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
                if b"connection: close" in lower:
                    self.close()
                return int(head.split(b" ", 2)[1])
            except (OSError, asyncio.IncompleteReadError, TimeoutError, IndexError):
                self.close()
                if is_fresh or is_last_try:
                    return 599
        raise AssertionError

    def close(self) -> None:
        """End the connection."""
        if self.pair is not None:
            self.pair[1].close()
            self.pair = None


async def one_user(port: int, users: list[User], *, count: int) -> list[float]:
    """Return seconds of requests that one client sends one after another, in the load's own mix."""
    chance, connection, seconds = random.Random(1), Connection(port), []
    for _ in range(count):
        content = request_of(_somebody(users, chance), chance, port)
        started = time.perf_counter()
        if (status := await connection.ask(content)) >= 400:
            raise SystemExit(f"a single user's request was answered with {status}: {content[:80]!r}")
        seconds.append(time.perf_counter() - started)
    connection.close()
    return seconds


async def load(port: int, users: list[User], *, rate: int, seconds: int) -> list[tuple[float, int]]:
    """Send ``rate`` requests a second for ``seconds``; return (seconds since it was due, status) of each."""
    chance = random.Random(2)
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for _ in range(CONNECTIONS):
        free.put_nowait(Connection(port))
    answers: list[tuple[float, int]] = []

    async def one(due: float, content: bytes) -> None:
        connection = await free.get()
        try:
            status = await connection.ask(content)
        finally:
            free.put_nowait(connection)
        answers.append((time.perf_counter() - due, status))

    started, tasks, at = time.perf_counter(), [], 0.0
    while at < seconds:
        at += chance.expovariate(rate)
        content = request_of(_somebody(users, chance), chance, port)
        await asyncio.sleep(max(0.0, started + at - time.perf_counter()))
        tasks.append(asyncio.create_task(one(started + at, content)))
    await asyncio.gather(*tasks)
    while not free.empty():
        free.get_nowait().close()
    return answers


def _somebody(users: list[User], chance: random.Random) -> User:
    role = "enterprise" if chance.random() < ENTERPRISE_SHARE else "officer"
    while (user := chance.choice(users)).role != role:
        pass
    return user


def last_answer(answers: list[tuple[float, int]], seconds: int) -> float:
    """Return how long the load took until its last answer: where the server keeps up, little more than it was sent."""
    return seconds + max(0.0, answers[-1][0])


if __name__ == "__main__":
    main()
