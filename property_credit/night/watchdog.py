"""Tells operators what needs somebody, from outside Airflow: each cause one time, a reminder a day, and its end.

Owns what was told to whom, in a file of its own: it also speaks when the database or Airflow is down. Channels are
addresses that apprise knows: mail, webhook, WeCom, DingTalk.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg

from property_credit.night.health import Cause, causes, read
from property_credit.warehouse.channels import send
from property_credit.warehouse.connection import SchemaError
from property_credit.warehouse.embedded import EmbeddedServerError
from property_credit.warehouse.outbound import Outbound
from property_credit.warehouse.settings import get_settings

REMIND_AFTER = timedelta(days=1)
PATIENCE_SECONDS = 10.0  # for Airflow's health and for each channel
SHOWN = 20  # causes a message names


@dataclass(frozen=True)
class Round:
    """What a round came to.

    ``open``: what needs somebody now. ``message_count``: messages that channels took. ``faults``: a line for each
    channel that took none.
    """

    open: list[Cause]
    message_count: int = 0
    faults: list[str] = field(default_factory=list)


def look(now: datetime) -> list[Cause]:
    """Return everything that needs somebody at ``now``; what cannot be asked is a cause itself."""
    airflow = _airflow()
    try:
        return airflow + causes(read(now), now.date())
    except (psycopg.Error, EmbeddedServerError, SchemaError) as error:
        what = f"the warehouse cannot be read: {_one_line(error)}"
        return [*airflow, Cause("database", what, "look at the database's log; then property-credit status")]


def watch(now: datetime) -> Round:
    """Look, and tell every channel what is new to it, what still lasts after a day, and what is over.

    What a channel did not take is told to it again in the next round. The file of what was told is written in every
    round: its age says whether the watchdog itself is alive.
    """
    present = look(now)
    told, faults, count = _read_told(), [], 0
    _write_told(told)
    for number, address in enumerate(channels(), start=1):
        name = hashlib.sha256(address.encode()).hexdigest()[:16]  # an address holds a token: it is kept nowhere
        known = told.get(name, {})
        message = _message(present, known, now)
        if message is None:
            continue
        if send(address, *message):
            told[name] = _remembered(present, known, now)
            count += 1
            _write_told(told)
        else:
            faults.append(f"channel {number} of OPERATOR_CHANNELS took no message; it is tried again in the next round")
    return Round(present, count, faults)


def channels() -> list[str]:
    """Return the addresses of OPERATOR_CHANNELS, in their order."""
    given = get_settings().operator_channels
    return given.get_secret_value().split() if given else []


def _airflow() -> list[Cause]:
    url = get_settings().airflow_url
    if url is None:
        return []
    todo = "start it again (docker compose up -d, or property-credit up); nights are caught up in order"
    try:
        with Outbound(url, deadline_seconds=PATIENCE_SECONDS) as client:
            answer = client.get("/api/v2/monitor/health")
            answer.raise_for_status()
            parts = answer.json()
        sick = [part for part in ("metadatabase", "scheduler", "dag_processor") if parts[part]["status"] != "healthy"]
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        return [Cause("airflow", f"Airflow does not answer: {type(error).__name__}", todo)]
    return [Cause(f"airflow {part}", f"Airflow's {part} is not healthy", todo) for part in sick]


def _message(present: Sequence[Cause], known: Mapping[str, Any], now: datetime) -> tuple[str, str] | None:
    """Return title and text of what a channel should hear; None when it knows it all."""
    new = [cause for cause in present if cause.key not in known]
    keys = {cause.key for cause in present}
    lasting = [
        cause
        for cause in present
        if cause.key in known and now - datetime.fromisoformat(known[cause.key]["told_at"]) >= REMIND_AFTER
    ]
    over = [entry["what"] for key, entry in known.items() if key not in keys]
    if not (new or lasting or over):
        return None
    lines = []
    for heading, some in (("新 New", new), ("仍未解决 Still open", lasting)):
        if some:
            lines += [heading, *(f"- {cause.what}\n  → {cause.todo}" for cause in some[:SHOWN])]
            lines += [f"- and {len(some) - SHOWN} more: property-credit status"] if len(some) > SHOWN else []
    if over:
        lines += ["已解决 Over", *(f"- {what}" for what in over[:SHOWN])]
    state = f"{len(present)} 项待处理 need somebody" if present else "已恢复 all is well"
    return f"property-credit: {state}", "\n".join(lines)


def _remembered(present: Sequence[Cause], known: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    entries = {}
    for cause in present:
        before = known.get(cause.key)
        is_fresh = before is not None and now - datetime.fromisoformat(before["told_at"]) < REMIND_AFTER
        told_at = before["told_at"] if before and is_fresh else now.isoformat()
        entries[cause.key] = {"what": cause.what, "told_at": told_at}
    return entries


def _told_file() -> Path:
    return get_settings().data_dir / "watchdog" / "told.json"


def _read_told() -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(_told_file().read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # none yet, or cut off: people hear of it a second time
        return {}
    return told


def _write_told(told: Mapping[str, Any]) -> None:
    path = _told_file()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(told, ensure_ascii=False, indent=1), encoding="utf-8")
    os.replace(part, path)


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
