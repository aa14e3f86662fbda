"""What an area's figures lack: feeds that say nothing of some of its districts for some days, in words.

Owns when a silence concerns a period and how it is told. Which days are silent is the warehouse's to say.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from functools import lru_cache
from typing import Any

from property_credit.scorecards.editions import Row
from property_credit.scorecards.facts import Facts
from property_credit.scorecards.figures import catalogue

NAMED = 3  # districts that a sentence names one by one
WHY = {
    "never_delivered": "从未接入",
    "not_delivered": "未报送",
    "office_not_delivered": "有报送单位未报送",
    "no_events": "报送中没有数据",
}


STOOD_STILL = {  # what a failed part of the night leaves as it was, in the words of the pages
    "supervise_region": "资金与退出预警、时限未更新，沿用上一次的结果",
    "watch_complaints": "码上办督办未更新，沿用上一次的结果",
    "grade_enterprises": "企业评级未完成，等级沿用最近一次发布",
    "publish_grades": "等级未发布或未送达，沿用最近一次发布",
    "close_month": "目标与抽查结果未归档",
}


def failures(facts: Facts) -> list[str]:
    """Say what failed or stood still in the night, once each; nothing in an edition from before 2026-12."""
    titles = {row["feed"]: row["title_zh"] for row in facts.rows("feeds")}
    rows = facts.edition.tables.get("failures", [])
    feeds = sorted(
        {titles[row["step"]] for row in rows if row["stage"].startswith("ingest_") and row["step"] in titles}
    )
    lines = [f"{'、'.join(feeds)}：本夜有报送未能入库，沿用此前的数据"] if feeds else []
    stages = {row["stage"] for row in rows}
    return lines + [words for stage, words in STOOD_STILL.items() if stage in stages]


def silent_in(facts: Facts, code: str, feeds: Iterable[str], first: date, last: date) -> list[Row]:
    """Return the silences of ``feeds`` in area ``code`` that fall into the days from ``first`` to ``last``."""
    wanted = set(feeds)
    return [
        row
        for row in facts.silences.get(code, ())
        if row["feed"] in wanted
        and row["until_on"] >= first.isoformat()
        and (row["from_on"] is None or row["from_on"] <= last.isoformat())
    ]


def reason(facts: Facts, code: str, feeds: Iterable[str], first: date, last: date) -> str | None:
    """Say what the days from ``first`` to ``last`` lack of ``feeds`` in area ``code``; None when nothing is missing."""
    silences = silent_in(facts, code, feeds, first, last)
    return "；".join(one["text"] for one in told(facts, code, silences)) if silences else None


def told(facts: Facts, code: str, silences: Iterable[Row]) -> list[dict[str, Any]]:
    """Return one line for each feed and span of days: the feed, the districts, and a sentence that names both."""
    lines: dict[tuple[str, str | None, str, str], list[Row]] = defaultdict(list)
    for row in silences:
        lines[row["title_zh"], row["from_on"], row["until_on"], row["reason_code"]].append(row)
    every = {row["region_code"] for row in facts.edition.tables["silences"]} & facts.areas.below(code)
    below = {one for one in facts.areas.below(code) if facts.areas.levels[one] == "district"} | every
    sentences = []
    for (title, first, last, why), rows in sorted(lines.items(), key=lambda item: (item[0][0], item[0][1] or "")):
        names = sorted({row["region_name"] for row in rows})
        where = "" if {row["region_code"] for row in rows} >= below and len(below) != 1 else "、".join(names[:NAMED])
        if where and len(names) > NAMED:
            where += f"等{len(names)}个旗县区"
        is_over = last < facts.business_date.isoformat()
        when = "" if first is None else f" {first} 至 {last} " if is_over else f"自 {first} 起"
        sentences.append({"feed": title, "count": len(names), "text": f"{where}{title}{when}{WHY[why]}"})
    return sentences


@lru_cache(maxsize=1)
def needed() -> frozenset[str]:
    """Return the feeds that some figure of the pages needs."""
    return frozenset(feed for entry in catalogue().values() for feed in entry.needs)


def stale(facts: Facts) -> list[Row]:
    """Return the feeds that grades or figures need and that are stale or were never delivered."""
    return [
        row
        for row in facts.rows("feeds")
        if (row["is_stale"] or not row["is_available"]) and (row.get("is_scored", True) or row["feed"] in needed())
    ]


def now_missing(facts: Facts, code: str) -> list[dict[str, Any]]:
    """Return what the month shown lacks in an area of that a figure needs, for the head of its page."""
    first = facts.business_date.replace(day=1)
    feeds = {row["feed"] for row in facts.silences.get(code, ())} & needed()
    return told(facts, code, silent_in(facts, code, feeds, first, facts.business_date))
