"""The campaign: worlds of odd deliveries, and loads whose process or server is killed, until the time is over.

    make siege                      # an hour with a new seed
    make siege SEED=7 SECONDS=60    # the same worlds again

A server of its own in a temporary folder; nothing of yours is touched. Every fault it finds is printed with its seed.
"""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

KILLS_EVERY = 40  # worlds
ROWS = 6_000


def main():
    """Run the campaign; exit 1 when anything was found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--seconds", type=float, default=3600)
    options = parser.parse_args()
    home = Path(tempfile.mkdtemp(prefix="siege-"))
    home.chmod(0o755)
    os.environ["DATA_DIR"] = str(home)
    try:
        sys.exit(1 if campaign(options.seed, options.seconds, home) else 0)
    finally:
        from property_credit.warehouse import embedded

        embedded.stop(home)
        shutil.rmtree(home, ignore_errors=True)


def campaign(seed, seconds, home):
    """Run worlds from ``seed`` on for ``seconds``; return how many went wrong."""
    import siege_world

    from property_credit.warehouse import data_key
    from property_credit.warehouse.migrate import migrate
    from property_credit.warehouse.settings import get_settings

    if seed % 2:
        os.environ["DATA_KEY"] = data_key.generate()[0]
        get_settings.cache_clear()
    migrate()
    siege_world.prepare()
    print(f"seed {seed}{', people sealed' * (seed % 2)}", flush=True)
    ends_at, count, killed, faults = time.monotonic() + seconds, 0, 0, 0
    while time.monotonic() < ends_at:
        wrong = siege_world.besiege(seed * 100_000 + count, home / "worlds")
        if count % KILLS_EVERY == 0:
            killed += 1
            wrong += kill(random.Random(seed * 100_000 + count), home, is_server=killed % 2 == 0)
        count += 1
        if wrong:
            faults += 1
            print("\n  ".join(wrong), flush=True)
        shutil.rmtree(home / "worlds", ignore_errors=True)
    print(f"{count:,} worlds, {killed:,} loads that were killed; {faults} faults", flush=True)
    return faults


def kill(chance, home, *, is_server=False, kills=3):
    """Load a large file in processes that are killed at random instants, or whose server is; judge what is left."""
    import siege_world

    from property_credit.ingestion import archive
    from property_credit.warehouse.settings import get_settings

    world = siege_world.World(chance.randrange(10**6), salt="k", feed_name="funds", dropped=frozenset(range(5)))
    world.format, world.encoding, world.delimiter = "csv", "utf-8", ","
    world.rows = [world._row(number) for number in range(ROWS)]
    world.cells = [[row[one.name] for one in world.fields] for row in world.rows]
    path, profile = world.written(home / "kills")
    for _kill in range(kills):
        loading = _loading(path, profile)
        time.sleep(chance.uniform(1, 6))
        if is_server:
            pid_file = get_settings().data_dir / "postgres" / "cluster" / "postmaster.pid"
            os.kill(int(pid_file.read_text().splitlines()[0]), signal.SIGKILL)
        else:
            loading.kill()
        loading.wait()
    whole = _loading(path, profile)
    if whole.wait() != 0:
        return [f"after {kills} kills the load does not end"]
    from property_credit.warehouse.connection import connect

    with connect() as owner:
        stands = owner.execute(
            "select count(*), count(distinct entry_id), count(distinct batch_id) from raw.funds where entry_id like %s",
            (f"W{world.seed}kN%",),
        ).fetchone()
    wrong = [] if stands == (ROWS, ROWS, 1) else [f"killed load: rows, keys, batches {stands} of {ROWS}"]
    return wrong + [f"archive: {one.place}: {one.why}" for one in archive.check() if world.feed.name in one.place]


def _loading(path, profile):
    code = (
        "import sys; from datetime import date; from property_credit.ingestion.load import ingest_file; "
        "ingest_file(feed='funds', profile=sys.argv[1], path=__import__('pathlib').Path(sys.argv[2]), "
        "business_date=date(2026, 10, 31))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, str(profile), str(path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


if __name__ == "__main__":
    main()
