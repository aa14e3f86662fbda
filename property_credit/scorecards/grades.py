"""How a published grade is written, ordered and compared with the one at the month's start."""

from typing import Any

from property_credit.scorecards import labels
from property_credit.scorecards.editions import Row
from property_credit.scorecards.facts import Facts, memoize


def badge(version: Row) -> dict[str, str]:
    """Return the text and the style class of a grade or of the status that stands for one."""
    if version["grade"]:
        return {"text": version["grade"], "kind": f"grade-{str(version['grade']).lower()}"}
    return {"text": labels.label(labels.STATUSES, version["status_code"]), "kind": version["status_code"]}


@memoize
def ranks(facts: Facts) -> dict[str, int]:
    """Return the rank of each grade of the method, the best is 0."""
    grades = [grade["code"] for grade in facts.method.get("grades", [])] or ["AA", "A", "B"]
    return {grade: rank for rank, grade in enumerate(grades)}


@memoize
def places_of(facts: Facts) -> dict[str, int]:
    """Return each enterprise's place in lists: best grade first, then by score, those without a score last."""
    by_grade = ranks(facts)

    def key(uscc: str) -> tuple[int, Any, str]:
        score = facts.scores.get(uscc)
        points = -score["score"] if score and score["score"] is not None else 0
        return by_grade.get(facts.standing[uscc]["grade"], len(by_grade)), points, uscc

    return {uscc: place for place, uscc in enumerate(sorted(facts.standing, key=key))}


@memoize
def moves(facts: Facts, uscc: str) -> dict[str, Any] | None:
    """Return how the grade moved since the month's first day, with why; None when it did not, or is the first one."""
    first = facts.business_date.replace(day=1)
    versions = facts.versions[uscc]
    earlier = [version for version in versions if version["valid_from"] <= first]
    if not earlier or badge(earlier[-1]) == badge(versions[-1]):
        return None
    before, after = earlier[-1], versions[-1]
    by_grade = ranks(facts)
    places = [by_grade.get(one["grade"]) for one in (before, after)]
    if after["status_code"] == "serious_dishonesty":
        direction = "down"
    elif places[0] is None or places[1] is None:
        direction = "other"
    else:
        direction = "up" if places[1] < places[0] else "down"
    return {
        "before": badge(before),
        "after": badge(after),
        "valid_from": after["valid_from"],
        "direction": direction,
        "reason": _reason(facts, uscc, direction, is_correction=after["is_correction"]),
    }


def _reason(facts: Facts, uscc: str, direction: str, *, is_correction: bool) -> str:
    score = facts.scores.get(uscc)
    if is_correction:
        return "更正：异议或修复后重新评级"
    if not score:
        return ""
    if score["not_rated_reasons"]:
        return "；".join(reason["reason_zh"] for reason in score["not_rated_reasons"])
    if direction == "down" and score["caps"]:
        return "；".join(cap["reason_zh"] for cap in score["caps"])
    return f"总分 {labels.fixed(score['score'])}"
