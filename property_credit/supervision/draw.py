"""The draw of a month's inspections: from a published frame and a seed to visits, by arithmetic anybody can repeat.

Owns the algorithm, which needs integers, sorting and SHA-256 only (docs/supervision-inspections.md says it without
code). Must not read a database, a clock or a random number: the same frame and seed give the same bytes anywhere.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

FORMAT = "property-credit/inspection-draw/1"
RATE_UNIT = 10_000  # yearly rates are whole numbers of 1/10000
VISIT = 12 * RATE_UNIT  # what a stratum's account must hold for one check: twelve months of rate 1
CITY_DIGITS = 4  # of a region code: districts of one city are neighbours

Frame = Mapping[str, Any]
Due = dict[tuple[str, str], str]  # (community, authority) → month it was drawn for


def draw(frame: Frame, seed: str) -> dict[str, Any]:
    """Return the month's visits, what is put off to the next month, and the strata's accounts after it.

    ``frame`` is the published document (``supervision.draw_frame``); ``seed`` any text, taken as it is in UTF-8.

    1. Every community has a ticket: SHA-256 of ``<seed>/community/<community_id>``, hex.
    2. Every stratum (authority × rate class × district) has an account. Each month it grows by the yearly rate of each
       of its communities (``accrued_months`` of them where months were not drawn); ``VISIT`` of it is one check. What a
       class has in whole checks is given to its districts: the whole checks of each, then the rest by largest
       remainder, ties by SHA-256 of ``<seed>/stratum/<rate_class>/<region_code>``.
    3. In a stratum those come first whom the authority, then any authority, has drawn least this year, then by ticket.
       All authorities use the same tickets, so their checks fall on the same communities.
    4. What was put off last month and what is drawn now is merged per community into one visit. A firm gets no more
       than ``firm_visits_per_month``: what was put off before comes first, then by ticket; the rest is put off.
    5. Each authority of a visit sends inspectors of its district, never one tied to the firm, the least busy first,
       then by SHA-256 of ``<seed>/inspector/<community_id>/<inspector_code>``; where they do not suffice, others of
       the city.

    Sources: §7 of the methodology; the sortition by hash follows the idea of RFC 3797.
    """
    communities = {row["community_id"]: row for row in frame["communities"]}
    tickets = {name: _digest(seed, "community", name) for name in communities}
    due: Due = {}
    dropped = []
    for row in frame["deferred"]:
        if row["community_id"] in communities:
            due[row["community_id"], row["authority_code"]] = row["since"]
        else:
            dropped.append(row)
    put_off = set(due)
    accounts = _choose(frame, seed, tickets=tickets, due=due)
    kept, deferred = _cap(frame, communities, tickets, due, put_off)
    visits = _visits(communities, kept)
    _assign(frame, seed, visits)
    return {
        "format": FORMAT,
        "month": frame["month"],
        "visits": visits,
        "deferred": [
            {"community_id": community, "authority_code": authority, "since": since}
            for (community, authority), since in sorted(deferred.items())
        ],
        "dropped": dropped,
        "accounts": [
            {"authority_code": authority, "rate_class": rate_class, "region_code": region, "units": units}
            for (authority, rate_class, region), units in sorted(accounts.items())
        ],
        "counts": {
            "checks_drawn": len(due) - len(put_off),
            "checks_put_off_before": len(put_off),
            "checks": sum(len(visit["checks"]) for visit in visits),
            "visits": len(visits),
            "visits_saved_by_merging": sum(len(visit["checks"]) - 1 for visit in visits),
            "checks_put_off": len(deferred),
            "visits_short_of_inspectors": sum(
                any(check["short_count"] for check in visit["checks"]) for visit in visits
            ),
        },
    }


def _digest(*parts: str) -> str:
    return hashlib.sha256("/".join(parts).encode()).hexdigest()


def _choose(frame: Frame, seed: str, *, tickets: Mapping[str, str], due: Due) -> dict[tuple[str, str, str], int]:
    """Add this month's checks to ``due``; return the accounts after them."""
    accounts = {
        (row["authority_code"], row["rate_class"], row["region_code"]): row["units"] for row in frame["accounts"]
    }
    by_class: dict[str, dict[str, list[Mapping[str, Any]]]] = defaultdict(lambda: defaultdict(list))
    for row in frame["communities"]:
        by_class[row["rate_class"]][row["region_code"]].append(row)
    for rate in sorted(frame["rates"], key=lambda row: (row["authority_code"], row["rate_class"])):
        authority, rate_class = rate["authority_code"], rate["rate_class"]
        strata = by_class.get(rate_class, {})
        for region, rows in strata.items():
            key = (authority, rate_class, region)
            accounts[key] = accounts.get(key, 0) + rate["yearly_rate"] * len(rows) * frame["accrued_months"]
        may = {
            region: [row for row in rows if (row["community_id"], authority) not in due]
            for region, rows in strata.items()
        }
        held = {region: accounts[authority, rate_class, region] for region in strata}
        ties = {region: _digest(seed, "stratum", rate_class, region) for region in strata}
        for region, count in _quotas(held, {name: len(rows) for name, rows in may.items()}, ties).items():
            ranked = sorted(
                may[region],
                key=lambda row: (
                    row["drawn"].get(authority, 0),
                    max(row["drawn"].values(), default=0),
                    tickets[row["community_id"]],
                ),
            )
            for row in ranked[:count]:
                due[row["community_id"], authority] = frame["month"]
            accounts[authority, rate_class, region] -= VISIT * count
    return accounts


def _quotas(held: Mapping[str, int], available: Mapping[str, int], ties: Mapping[str, str]) -> dict[str, int]:
    """Return how many checks each district of a class gets: whole ones first, the rest by largest remainder.

    >>> _quotas({"a": 150_000, "b": 90_000, "c": 0}, {"a": 9, "b": 9, "c": 9}, {"a": "1", "b": "2", "c": "3"})
    {'a': 1, 'b': 1, 'c': 0}
    """
    quotas = {name: min(max(0, units // VISIT), available[name]) for name, units in held.items()}
    wanted = max(0, sum(held.values()) // VISIT)
    by_remainder = sorted(held, key=lambda name: (-(held[name] - VISIT * quotas[name]), ties[name]))
    for name in by_remainder:
        if sum(quotas.values()) >= wanted:
            break
        if quotas[name] < available[name] and held[name] > VISIT * quotas[name]:
            quotas[name] += 1
    return quotas


def _cap(
    frame: Frame,
    communities: Mapping[str, Mapping[str, Any]],
    tickets: Mapping[str, str],
    due: Due,
    put_off: Iterable[tuple[str, str]],
) -> tuple[Due, Due]:
    """Split what is due into what is visited and what the cap of visits per firm puts off."""
    waiting = {community for community, _authority in put_off}
    by_firm: dict[str, set[str]] = defaultdict(set)
    for community, _authority in due:
        by_firm[communities[community]["uscc"]].add(community)
    visited: set[str] = set()
    for names in by_firm.values():
        ranked = sorted(names, key=lambda name: (name not in waiting, tickets[name]))
        visited.update(ranked[: frame["rules"]["firm_visits_per_month"]])
    kept = {key: since for key, since in due.items() if key[0] in visited}
    return kept, {key: since for key, since in due.items() if key[0] not in visited}


def _visits(communities: Mapping[str, Mapping[str, Any]], kept: Due) -> list[dict[str, Any]]:
    checks: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for (community, authority), since in sorted(kept.items()):
        checks[community].append({"authority_code": authority, "since": since})
    return [
        {name: communities[community][name] for name in ("community_id", "region_code", "uscc", "rate_class")}
        | {"checks": checks[community]}
        for community in sorted(checks)
    ]


def _assign(frame: Frame, seed: str, visits: list[dict[str, Any]]) -> None:
    """Give every check its inspectors, visit by visit in the order of SHA-256 of ``<seed>/visit/<community_id>``."""
    wanted = frame["rules"]["inspectors_per_authority"]
    staff: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in frame["inspectors"]:
        staff[row["authority_code"]][row["inspector_code"]].add(row["region_code"])
    ties = {(row["inspector_code"], row["uscc"]) for row in frame["ties"]}
    load: dict[str, int] = defaultdict(int)
    for visit in sorted(visits, key=lambda row: _digest(seed, "visit", row["community_id"])):
        community, region = visit["community_id"], visit["region_code"]
        for check in visit["checks"]:
            free = {
                code: regions
                for code, regions in staff[check["authority_code"]].items()
                if (code, visit["uscc"]) not in ties
            }
            ranked = sorted(free, key=lambda code: (load[code], _digest(seed, "inspector", community, code)))
            near = [code for code in ranked if region in free[code]]
            others = [
                code
                for code in ranked
                if region not in free[code] and any(r[:CITY_DIGITS] == region[:CITY_DIGITS] for r in free[code])
            ]
            team = (near + others)[:wanted]
            for code in team:
                load[code] += 1
            check["inspectors"] = [
                {"inspector_code": code, "is_from_neighbour": region not in free[code]} for code in team
            ]
            check["short_count"] = wanted - len(team)
