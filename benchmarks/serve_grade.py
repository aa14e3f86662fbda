"""How fast one grade and one certificate are served, as a ratio to bare Starlette serving the same bytes.

Both run under uvicorn with one worker. Ours checks the key, its scope and its rate, looks the grade up in the snapshot,
answers ETag questions and logs the access; the peer looks the finished bytes up in a dict by a path parameter. Rounds
are paired and the order turns each round. Requests are sent in bursts on each connection (HTTP/1.1 pipelining), so that
the client, which runs on the same cores, costs little; latencies are taken apart from that, one request at a time on
each connection.

    python -m benchmarks.serve_grade --rounds 5 --requests 20000 --out benchmarks/results/serve_grade.json
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NIGHT = date(2026, 10, 31)
ENTERPRISES = 2_000
CONNECTIONS, BURST = 8, 50
LATENCY_CONNECTIONS = 32
KINDS = {"grade": "", "certificate": "/certificate?as_of=2026-11-01"}
ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
PEER = """
import json, sys
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route
given = json.load(open(sys.argv[1]))
kinds = [({code: body.encode() for code, body in one["bodies"].items()}, one["headers"]) for one in given]
async def grade(request):
    bodies, headers = kinds[0]
    return Response(bodies[request.path_params["uscc"]], headers=headers)
async def certificate(request):
    bodies, headers = kinds[1]
    return Response(bodies[request.path_params["uscc"]], headers=headers)
app = Starlette(routes=[Route("/v1/grades/{uscc}", grade), Route("/v1/grades/{uscc}/certificate", certificate)])
import uvicorn
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning", access_log=False)
"""


def credit_code(number: int) -> str:
    """Return a valid, made-up credit code."""
    head = f"91150200MA0{number:06d}"
    weighted = sum(ALPHABET.index(character) * pow(3, index, 31) for index, character in enumerate(head))
    return head + ALPHABET[-weighted % 31]


def publish_grades() -> None:
    """Migrate the warehouse of DATA_DIR and publish a run of invented enterprises."""
    from psycopg.types.json import Jsonb

    from property_credit.publishing.publish import publish
    from property_credit.warehouse.business_date import end_of
    from property_credit.warehouse.connection import connect
    from property_credit.warehouse.migrate import migrate

    migrate()
    with connect("pc_scoring") as connection:
        connection.execute("insert into scoring.methods values ('2026.1', 'x', %s, %s)", (Jsonb({}), NIGHT))
        connection.execute("insert into scoring.fits values ('fit', '2026.1', %s, 'x', '{}')", (NIGHT,))
        connection.execute(
            "insert into scoring.runs values ('bench', %s, '2026.1', 'fit', 'input', %s, %s)",
            (NIGHT, ENTERPRISES, end_of(NIGHT)),
        )
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into scoring.grades (run_id, method_version, input_sha256, business_date, uscc, "
                "enterprise_name, grade, status_code, bonus_points, is_key_supervision) "
                "values ('bench', '2026.1', 'input', %s, %s, %s, 'A', 'rated', 0, false)",
                [(NIGHT, credit_code(number), f"测试物业服务有限公司{number:06d}") for number in range(ENTERPRISES)],
            )
    publish("bench", NIGHT)


class Target:
    """One server: its address and the bytes of a request for each enterprise; ``suffix``: what of a grade is asked."""

    def __init__(self, name: str, port: int, headers: dict[str, str], process: int, suffix: str = "") -> None:
        self.name, self.port, self._process = name, port, process
        lines = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
        self.requests = [
            f"GET /v1/grades/{credit_code(number)}{suffix} HTTP/1.1\r\nHost: 127.0.0.1\r\n{lines}\r\n".encode()
            for number in range(ENTERPRISES)
        ]

    def _cpu_seconds(self) -> float:
        """Return the processor time that the server has used (Linux)."""
        fields = Path(f"/proc/{self._process}/stat").read_text().rpartition(") ")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def measure(self, count: int) -> tuple[float, float]:
        """Return requests per second, and per second of the server's processor time, over requests in bursts."""
        each = count // CONNECTIONS // BURST
        pairs = [await asyncio.open_connection("127.0.0.1", self.port) for _ in range(CONNECTIONS)]
        lengths = await self._lengths(*pairs[0])
        used, started = self._cpu_seconds(), time.perf_counter()
        await asyncio.gather(*(self._bursts(pair, each, lengths, seed) for seed, pair in enumerate(pairs)))
        seconds, used = time.perf_counter() - started, self._cpu_seconds() - used
        for _, writer in pairs:
            writer.close()
        return each * CONNECTIONS * BURST / seconds, each * CONNECTIONS * BURST / used

    async def _bursts(
        self, pair: tuple[asyncio.StreamReader, asyncio.StreamWriter], bursts: int, lengths: list[int], seed: int
    ) -> None:
        reader, writer = pair
        for number in range(bursts):
            first = (seed * 37 + number * BURST) % (ENTERPRISES - BURST)
            writer.write(b"".join(self.requests[first : first + BURST]))
            await reader.readexactly(sum(lengths[first : first + BURST]))

    async def latencies(self, count: int) -> list[float]:
        """Return seconds from request to answer, one request at a time on each connection."""
        pairs = [await asyncio.open_connection("127.0.0.1", self.port) for _ in range(LATENCY_CONNECTIONS)]
        lengths = await self._lengths(*pairs[0])
        seconds: list[float] = []

        async def one(pair: tuple[asyncio.StreamReader, asyncio.StreamWriter], seed: int) -> None:
            reader, writer = pair
            for number in range(count // LATENCY_CONNECTIONS):
                started, asked = time.perf_counter(), (seed * 61 + number) % ENTERPRISES
                writer.write(self.requests[asked])
                await reader.readexactly(lengths[asked])
                seconds.append(time.perf_counter() - started)

        await asyncio.gather(*(one(pair, seed) for seed, pair in enumerate(pairs)))
        for _, writer in pairs:
            writer.close()
        return seconds

    async def _lengths(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> list[int]:
        """Return the length of every answer, from a first round that also brings each into the server's memory."""
        lengths = []
        for request in self.requests:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"{self.name} answered {head.splitlines()[0].decode()}")
            body = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            await reader.readexactly(body)
            lengths.append(len(head) + body)
        return lengths


def start(command: list[str], port: int, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start a server and wait until it listens."""
    import socket

    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    for _ in range(600):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return process
        except OSError:
            if process.poll() is not None:
                raise SystemExit(f"{command[1:3]} did not start") from None
            time.sleep(0.1)
    raise SystemExit(f"{command[1:3]} does not listen")


def free_port() -> int:
    """Return a port that nobody listens on."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def compare(ours: Target, peer: Target, *, rounds: int, requests: int) -> dict[str, object]:
    """Measure both in turns."""
    rates: dict[str, list[float]] = {ours.name: [], peer.name: []}
    by_processor: dict[str, list[float]] = {ours.name: [], peer.name: []}
    slow: dict[str, list[float]] = {ours.name: [], peer.name: []}
    for number in range(rounds):
        for target in (ours, peer) if number % 2 == 0 else (peer, ours):
            rate, processor_rate = await target.measure(requests)
            rates[target.name].append(rate)
            by_processor[target.name].append(processor_rate)
            slow[target.name] += await target.latencies(requests // 4)
    ratios = [mine / theirs for mine, theirs in zip(rates[ours.name], rates[peer.name], strict=True)]
    by_round = zip(by_processor[ours.name], by_processor[peer.name], strict=True)
    return {
        "ratio": round(statistics.median(ratios), 3),
        "ratio_by_processor_time": round(statistics.median(mine / theirs for mine, theirs in by_round), 3),
        "ratios": [round(one, 3) for one in ratios],
        **{f"{name}_per_second": round(statistics.median(values)) for name, values in rates.items()},
        **{f"{name}_p50_ms": round(1000 * statistics.median(values), 2) for name, values in slow.items()},
        **{f"{name}_p99_ms": round(1000 * statistics.quantiles(values, n=100)[98], 2) for name, values in slow.items()},
    }


def main() -> None:
    """Run the benchmark; exit 1 when a ratio is below its --at-least."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--at-least", type=float, default=0.9)
    parser.add_argument("--certificate-at-least", type=float, default=0.5)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="property-credit-bench-") as folder:
        Path(folder).chmod(0o755)
        result = run(Path(folder), rounds=arguments.rounds, requests=arguments.requests)
    print(json.dumps(result, indent=2))
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    ratio, certificate = result["ratio"], result["certificate"]
    assert isinstance(ratio, float) and isinstance(certificate, dict)
    is_enough = ratio >= arguments.at_least and certificate["ratio"] >= arguments.certificate_at_least
    sys.exit(0 if is_enough else 1)


def run(folder: Path, *, rounds: int, requests: int) -> dict[str, object]:
    """Prepare a warehouse in ``folder``, start both servers, compare them, stop everything."""
    os.environ["DATA_DIR"] = str(folder)
    os.environ.pop("WAREHOUSE_URL", None)
    import httpx

    from property_credit.publishing import api_keys
    from property_credit.warehouse import embedded

    publish_grades()
    key = api_keys.issue(scope="tendering", name="benchmark", rate_per_minute=1_000_000_000).text
    ports = (free_port(), free_port())
    authorization = {"Authorization": f"Bearer {key}"}
    processes = [
        start(
            [sys.executable, "-m", "property_credit.publishing.api", "--port", str(ports[0])],
            ports[0],
            dict(os.environ),
        )
    ]
    try:
        base = f"http://127.0.0.1:{ports[0]}/v1/grades"
        prepared, given, sizes = folder / "peer.json", [], {}
        with httpx.Client(headers={**authorization, "Accept-Encoding": "identity"}, trust_env=False) as client:
            for name, suffix in KINDS.items():
                answers = {code: client.get(f"{base}/{code}{suffix}") for code in map(credit_code, range(ENTERPRISES))}
                first = next(iter(answers.values()))
                left_out = ("date", "server", "content-length")
                headers = {key: value for key, value in first.headers.items() if key not in left_out}
                given.append({"bodies": {code: one.text for code, one in answers.items()}, "headers": headers})
                sizes[name] = len(first.content)
        prepared.write_text(json.dumps(given), encoding="utf-8")
        command = [sys.executable, "-c", PEER, str(prepared), str(ports[1])]
        processes.append(start(command, ports[1], dict(os.environ)))
        compared = {}
        for name, suffix in KINDS.items():
            ours, peer = (
                Target(server, port, authorization, process.pid, suffix)
                for server, port, process in zip(("ours", "starlette"), ports, processes, strict=True)
            )
            compared[name] = asyncio.run(compare(ours, peer, rounds=rounds, requests=requests))
            compared[name]["bytes"] = sizes[name]
    finally:
        for process in processes:
            process.terminate()
            process.wait(timeout=30)
        embedded.stop(folder)
    return {
        "name": "serve_grade",
        "what": "one grade, and one certificate, by key from memory, against bare Starlette: the same bytes",
        "floor": "bare Starlette, a route with a path parameter, the same bytes from a dict",
        **compared["grade"],
        "certificate": compared["certificate"],
        "rounds": rounds,
        "requests_a_round": requests,
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "load": os.getloadavg()},
    }


if __name__ == "__main__":
    main()
