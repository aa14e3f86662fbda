"""The sandbox tenant: invented grades in a warehouse of their own, under keys of their own, for a vendor's first hour.

Owns what is invented: a week of nights that bring each thing once that a client must cope with, and further nights when
somebody asks. Publishes through the same code as a real night. A warehouse says that it is invented before it publishes
anything and for good; every answer, document and head of it then says so. The list in force is never touched: another
database, another folder of keys, another name of the log.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from psycopg.types.json import Jsonb

from property_credit.publishing import api_keys, relay, subscribers
from property_credit.publishing.content import FIELDS
from property_credit.publishing.errors import PublishingError
from property_credit.publishing.publish import PublicationReport, publish
from property_credit.warehouse.business_date import arrival, end_of, last_closed
from property_credit.warehouse.connection import connect
from property_credit.warehouse.migrate import migrate
from property_credit.warehouse.settings import get_settings, settings_of
from simulation.credit_codes import make_codes

METHOD = "invented"  # the method's version in every grade
NIGHTS = 7
REGION, CITY, ABOVE = "150203", "150200", "150000"
SUBSCRIBER = "sandbox"
_GRADES = ("AA", "AA", "A", "A", "A", "A", "B", "B", "B", "B", "C", "C", "D")
_VETOED, _OBJECTING, _REPLYING, _RENAMED, _REPAIRED, _NEW, _LEAVING, _RECOMPUTED = 2, 3, 4, 5, 6, 13, 7, 8
_UNRATED, _DISHONEST = 14, 15
_MARTS = """
    create table if not exists marts.mart_publishing__corrections (uscc text, kind_code text, target_type_code text,
      target_id text, decided_on date, known_on date);
    create table if not exists marts.mart_publishing__notices (uscc text, kind_code text, notice_id text,
      starts_on date, ends_on date);
    create table if not exists marts.mart_publishing__regions (uscc text, region_code text);
    create table if not exists marts.mart_publishing__replies (uscc text, filed_on date, statement text);
    grant select on all tables in schema marts to pc_publishing;
"""


def home() -> Path:
    """Return the tenant's folder: its keys and who may ask."""
    return get_settings().data_dir / "sandbox-tenant"


@contextlib.contextmanager
def tenant() -> Iterator[Path]:
    """Point this process at the tenant's warehouse, keys and log for the length of the block; gives its folder.

    Raises PublishingError when the warehouse is on a server of one's own and the tenant has no database there.
    """
    settings, folder = get_settings(), home()
    if settings.warehouse_url and not settings.sandbox_warehouse_url:
        raise PublishingError(
            "the warehouse is on a server of your own: create another database there for the sandbox tenant, and name "
            "it in SANDBOX_WAREHOUSE_URL"
        )
    wanted = {"KEYS_DIR": str(folder / "keys"), "WAREHOUSE_DATABASE": f"{settings.warehouse_database}_sandbox"}
    if settings.sandbox_warehouse_url:
        wanted["WAREHOUSE_URL"] = settings.sandbox_warehouse_url
    with settings_of(wanted):
        yield folder


def make(*, through: date | None = None) -> dict[str, str]:
    """Make the tenant of this process's warehouse where there is none, and return a key of the API for each scope.

    Call it inside ``tenant()``. ``through``: the last night that is published; None: the last day that is over. The
    keys are kept in ``access.json`` in the tenant's folder: they open invented grades only.

    Raises PublishingError when the database has published something that was not invented.
    """
    migrate()
    folder = get_settings().keys_dir
    assert folder is not None
    known = folder.parent / "access.json"
    with connect() as owner:
        row = owner.execute(
            "select exists (select from publishing.invented), exists (select from publishing.publications)"
        ).fetchone()
        if row == (False, True):
            raise PublishingError(
                "this warehouse has published real grades: a sandbox tenant needs a database of its own"
            )
        if row == (False, False):
            owner.execute("insert into publishing.invented (said_at) values (%s)", (arrival(),))
            owner.execute(_MARTS)
    last = through or last_closed()
    if row != (True, True):
        for night in range(NIGHTS):
            publish_night(last - timedelta(days=NIGHTS - 1 - night))
    if known.exists():
        return dict(json.loads(known.read_text(encoding="utf-8")))
    keys = {
        scope: api_keys.issue(scope=scope, name="沙箱租户 sandbox", **bounds).text
        for scope, bounds in (
            ("tendering", {}),
            ("department", {"fields": ["grade", "status_code", "valid_from"]}),
            ("regulator", {"region_code": REGION}),
            ("enterprise", {"uscc": codes()[0]}),
        )
    }
    known.parent.mkdir(parents=True, exist_ok=True)
    known.touch(mode=0o600)
    known.write_text(json.dumps(keys, indent=1), encoding="utf-8")
    return keys


def codes() -> list[str]:
    """Return the credit codes of the invented enterprises: valid in form, and nobody's."""
    return make_codes(np.random.default_rng(20261001), prefix="91", region_codes=[REGION] * (_DISHONEST + 1))


def publish_night(night: date) -> PublicationReport:
    """Publish the grades of ``night``: of the first week what it has to show, later a veto that begins or ends.

    The first night brings a list; then, one a night: a veto that binds at once, a reply and an open objection, that
    objection upheld (a correction), a new name and a new enterprise, the veto's end, a record repaired.
    """
    with connect("pc_publishing") as connection:
        row = connection.execute("select count(*) from publishing.publications").fetchone()
    assert row is not None
    number, all_codes = int(row[0]), codes()
    _beside(number, night, all_codes)
    return publish(_run(night, _graded(number, all_codes)), night)


def _graded(number: int, all_codes: list[str]) -> dict[str, dict[str, Any]]:
    """Return the grades of the ``number``-th night, from 0, by credit code."""
    graded: dict[str, dict[str, Any]] = {}
    for place, code in enumerate(all_codes):
        if place == _NEW and number < 4:
            continue  # its first grade comes in the middle of the quarter
        name = f"示例物业{place + 1:02d}号{'新名' if place == _RENAMED and number >= 4 else ''}（虚构）"
        graded[code] = {"enterprise_name": name, "grade": _GRADES[place % len(_GRADES)]}
    graded[all_codes[_UNRATED]] |= {
        "grade": None,
        "status_code": "not_rated",
        "not_rated_reasons": [
            {"code": "SERVICE_MONTHS", "reason_zh": "服务不足12个月", "reason_en": "less than 12 months of service"}
        ],
    }
    decision: dict[str, Any] = {"basis": "虚构依据", "authority_name": "虚构机关", "decision_no": "虚构〔2026〕1号"}
    decision |= {"starts_on": "2026-05-01", "ends_on": None}
    graded[all_codes[_DISHONEST]] |= {
        "grade": None,
        "status_code": "serious_dishonesty",
        "caps": [_cap("V1", "no_grade", [decision])],
    }
    is_vetoed = number in (1, 2, 3, 4) or (number >= NIGHTS and (number - NIGHTS) % 2 == 0)
    if is_vetoed:
        graded[all_codes[_VETOED]] |= {"grade": "D", "caps": [_cap("V6", "at_most_D", [])]}
    if number >= 3:
        graded[all_codes[_OBJECTING]] |= {"grade": "AA"}
    if number >= 6:
        graded[all_codes[_REPAIRED]] |= {"grade": "A"}
    return graded


def _cap(code: str, effect: str, decisions: list[dict[str, Any]]) -> dict[str, Any]:
    words = {"reason_zh": "虚构否决", "reason_en": "an invented veto", "until": None}
    return {
        "code": code,
        "effect": effect,
        "evidence_ids": ["INVENTED-1"] * len(decisions),
        "decisions": decisions,
    } | words


def _beside(number: int, night: date, all_codes: list[str]) -> None:
    """Write what stands beside the grades of a night: regions, and the week's objection, reply and repair."""
    with connect() as owner:
        if number == 0:
            rows = [(code, region) for code in all_codes for region in (REGION, CITY, ABOVE)]
            with owner.cursor() as cursor:
                cursor.executemany("insert into marts.mart_publishing__regions values (%s, %s)", rows)
        if number == 2:
            owner.execute(
                "insert into marts.mart_publishing__replies values (%s, %s, '虚构声明：本公司已整改。')",
                (all_codes[_REPLYING], night),
            )
            owner.execute(
                "insert into marts.mart_publishing__notices values (%s, 'objection_open', 'INVENTED-2', %s, null)",
                (all_codes[_OBJECTING], night),
            )
        if number == 3:
            owner.execute("delete from marts.mart_publishing__notices")
        for at, place, kind in ((3, _OBJECTING, "objection_upheld"), (6, _REPAIRED, "repair")):
            if number == at:
                owner.execute(
                    "insert into marts.mart_publishing__corrections values (%s, %s, 'record', %s, %s, %s)",
                    (all_codes[place], kind, f"INVENTED-{at}", night, night),
                )


def _run(night: date, graded: Mapping[str, Mapping[str, Any]]) -> str:
    """Store the run of a night and its invented grades; return its id."""
    run_id = f"invented-{night}"
    names = ("enterprise_name", "grade", "status_code", "caps", "not_rated_reasons")
    with connect("pc_scoring") as connection:
        about = Jsonb({"title": "虚构等级，不按任何方法评定 invented grades, by no method"})
        connection.execute(
            "insert into scoring.methods values (%s, %s, %s, %s) on conflict do nothing", (METHOD, METHOD, about, night)
        )
        connection.execute(
            "insert into scoring.fits values (%s, %s, %s, %s, '{}') on conflict do nothing",
            (METHOD, METHOD, night, METHOD),
        )
        connection.execute(
            "insert into scoring.runs values (%s, %s, %s, %s, 'invented', %s, %s)",
            (run_id, night, METHOD, METHOD, len(graded), end_of(night)),
        )
        for code, given in graded.items():
            row = {"status_code": "rated", "caps": [], "not_rated_reasons": [], **given}
            values = [Jsonb(row[name]) if isinstance(row[name], list) else row[name] for name in names]
            connection.execute(
                "insert into scoring.grades (run_id, method_version, input_sha256, business_date, uscc, "
                "is_key_supervision, bonus_points, enterprise_name, grade, status_code, caps, not_rated_reasons) "
                "values (%s, %s, 'invented', %s, %s, false, 0, %s, %s, %s, %s, %s)",
                (run_id, METHOD, night, code, *values),
            )
    return run_id


def deliver_to(endpoint: str) -> relay.DeliveryReport:
    """Deliver every invented version that waits to a vendor's receiver; call it inside ``tenant()``.

    ``endpoint``: its base address. Raises PublishingError when it is none.
    """
    known = {row["subscriber"]: row for row in subscribers.subscribers()}
    if SUBSCRIBER in known:
        subscribers.change(SUBSCRIBER, endpoint=endpoint)
    else:
        subscribers.add(SUBSCRIBER, title_zh="沙箱租户的接收方", endpoint=endpoint, fields=list(FIELDS))
    return relay.deliver(SUBSCRIBER, is_asked=True)


def main() -> None:
    """Make the tenant where there is none, and serve its API until told to stop: what `make up` starts."""
    import argparse

    parser = argparse.ArgumentParser(description="the read API of the sandbox tenant: invented grades")
    parser.add_argument("--port", type=int, default=8700)
    serve(parser.parse_args().port)


def serve(port: int) -> None:
    """Serve the tenant's API on 127.0.0.1:``port`` until told to stop."""
    from property_credit.publishing.api import served
    from property_credit.warehouse import serving

    with tenant():
        make()
        serving.serve(serving.guarded(served), host="127.0.0.1", port=port)


if __name__ == "__main__":
    main()
