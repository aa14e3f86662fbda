"""The enterprises of an area: who to call and why, and the directory."""

from collections.abc import Mapping
from typing import Any

from property_credit.scorecards.facts import Facts, memoize
from property_credit.scorecards.grades import badge, moves, places_of

DIRECTORY_PAGE = 200
CALLED = 2  # areas and enterprises that the first screen names with their telephones; more stand below it


@memoize
def in_order(facts: Facts, code: str) -> list[str]:
    """Return the credit codes of an area's enterprises, best grade first, then by score."""
    places = places_of(facts)
    return sorted(facts.area_enterprises.get(code, []), key=places.__getitem__)


def calls(facts: Facts, code: str) -> dict[str, list[dict[str, Any]]]:
    """Return the enterprises to call: under key supervision, moved, vetoed. Each with the reason."""
    key, vetoes, moved = [], [], []
    first = facts.business_date.replace(day=1).isoformat()
    for uscc in in_order(facts, code):
        score = facts.scores.get(uscc)
        line = {"uscc": uscc, "name": facts.standing[uscc]["enterprise_name"], "badge": badge(facts.standing[uscc])}
        if score and score["is_key_supervision"]:
            lost = (score["lift"] or {}).get("lost", [])[:3]
            names = "、".join(_indicator(facts, row["indicator_code"]) for row in lost)
            key.append(line | {"score": score["score"], "reason": f"失分最多：{names}" if names else ""})
        for cap in score["caps"] if score else []:
            if cap["code"].startswith("V"):
                decisions = cap.get("decisions") or []
                vetoes.append(
                    line
                    | {
                        "cap": cap["code"],
                        "reason": cap["reason_zh"],
                        "until": cap.get("until"),
                        "evidence": cap.get("evidence_ids") or [],
                        "is_new": any(str(one["starts_on"]) >= first for one in decisions),
                    }
                )
        move = moves(facts, uscc)
        if move:
            moved.append(line | move)
    vetoes.sort(key=lambda one: not one["is_new"])
    return {"key": key, "vetoes": vetoes, "moves": moved}


def desks(facts: Facts, holder: str) -> list[dict[str, str]]:
    """Return the posts of an office or an enterprise that can be called, each with its telephone; never a person."""
    return [
        {"post": facts.word("contacts_post", row["post_code"]), "telephone": row["telephone"]}
        for row in facts.contacts.get(holder, [])
    ]


def whom_to_call(
    facts: Facts, code: str, lists: Mapping[str, list[dict[str, Any]]], areas: list[tuple[str, str]]
) -> list[dict[str, Any]]:
    """Return whom a regulator of an area calls first, and why: areas below, then enterprises, each with its desks.

    ``lists``: what ``calls`` returned; ``areas``: (area code, reason), an area named twice is called once.
    """
    reasons: dict[str, list[str]] = {}
    for below, reason in areas:
        reasons.setdefault(below, []).append(reason)
    lines = [
        {
            "name": facts.areas.names[below],
            "href": f"{below}.html",
            "reason": "、".join(dict.fromkeys(said)),
            "desks": desks(facts, below),
        }
        for below, said in reasons.items()
    ][:CALLED]
    firms: dict[str, dict[str, Any]] = {}
    for name, reason in (("vetoes", "否决"), ("key", "重点监管")):
        for one in sorted(lists[name], key=lambda line: not line.get("is_new")):
            line = {
                "name": one["name"],
                "href": f"../enterprise/{one['uscc']}.html",
                "desks": desks(facts, one["uscc"]),
            }
            firms.setdefault(one["uscc"], line | {"reason": reason if not one.get("is_new") else "本月新增否决"})
    return lines + list(firms.values())[:CALLED]


def _indicator(facts: Facts, code: str) -> str:
    return str(facts.method.get("indicators", {}).get(code, {}).get("name", {}).get("zh", code))


def directory(facts: Facts, code: str) -> list[dict[str, Any]]:
    """Return the enterprises of an area, best grade first."""
    lines = []
    for uscc in in_order(facts, code):
        score = facts.scores.get(uscc)
        lines.append(
            {
                "uscc": uscc,
                "href": f"../enterprise/{uscc}.html#score",
                "name": facts.standing[uscc]["enterprise_name"],
                "badge": badge(facts.standing[uscc]),
                "score": score["score"] if score else None,
                "is_key_supervision": bool(score and score["is_key_supervision"]),
                "caps": [cap["code"] for cap in score["caps"]] if score else [],
                "served": facts.served.get((code, uscc), 0),
            }
        )
    return lines
