"""The draw once more, written from docs/supervision-inspections.md alone: standard library, nothing of the house.

``python independent_draw.py frame.json SEED`` prints [community, [[authority, since, [inspectors], short], …]] of every
visit and what is put off. A test compares it with what the house drew.
"""

import json
import sys
from hashlib import sha256


def digest(*parts):
    return sha256("/".join(parts).encode()).hexdigest()


def main(path, seed):
    frame = json.load(open(path, encoding="utf-8"))
    people = {c["community_id"]: c for c in frame["communities"]}
    due = {
        (d["community_id"], d["authority_code"]): d["since"] for d in frame["deferred"] if d["community_id"] in people
    }
    waiting = {community for community, _ in due}
    accounts = {(a["authority_code"], a["rate_class"], a["region_code"]): a["units"] for a in frame["accounts"]}
    for rate in sorted(frame["rates"], key=lambda r: (r["authority_code"], r["rate_class"])):
        authority, name = rate["authority_code"], rate["rate_class"]
        districts = sorted({c["region_code"] for c in people.values() if c["rate_class"] == name})
        units, free, quota = {}, {}, {}
        for region in districts:
            here = [c for c in people.values() if (c["rate_class"], c["region_code"]) == (name, region)]
            units[region] = accounts.get((authority, name, region), 0)
            units[region] += len(here) * rate["yearly_rate"] * frame["accrued_months"]
            free[region] = [c for c in here if (c["community_id"], authority) not in due]
            quota[region] = min(max(0, units[region] // 120_000), len(free[region]))
        rest = max(0, sum(units.values()) // 120_000) - sum(quota.values())
        left = {region: units[region] - 120_000 * quota[region] for region in districts}
        for region in sorted(districts, key=lambda r: (-left[r], digest(seed, "stratum", name, r))):
            if rest > 0 and left[region] > 0 and quota[region] < len(free[region]):
                quota[region] += 1
                rest -= 1
        for region in districts:
            order = sorted(
                free[region],
                key=lambda c: (
                    c["drawn"].get(authority, 0),
                    max([0, *c["drawn"].values()]),
                    digest(seed, "community", c["community_id"]),
                ),
            )
            for community in order[: quota[region]]:
                due[community["community_id"], authority] = frame["month"]
    visited = set()
    for firm in {people[community]["uscc"] for community, _ in due}:
        mine = sorted({community for community, _ in due if people[community]["uscc"] == firm})
        mine.sort(key=lambda c: (c not in waiting, digest(seed, "community", c)))
        visited |= set(mine[: frame["rules"]["firm_visits_per_month"]])
    tied = {(t["inspector_code"], t["uscc"]) for t in frame["ties"]}
    wanted, busy, visits = frame["rules"]["inspectors_per_authority"], {}, {}
    for community in sorted(visited, key=lambda c: digest(seed, "visit", c)):
        region, firm = people[community]["region_code"], people[community]["uscc"]
        checks = []
        for authority in sorted(a for c, a in due if c == community):
            able = [i for i in frame["inspectors"] if i["authority_code"] == authority]
            able = [i for i in able if (i["inspector_code"], firm) not in tied]
            near = {i["inspector_code"] for i in able if i["region_code"] == region}
            city = {i["inspector_code"] for i in able if i["region_code"][:4] == region[:4]} - near
            team = []
            for group in (near, city):
                order = sorted(group, key=lambda i: (busy.get(i, 0), digest(seed, "inspector", community, i)))
                team += order[: wanted - len(team)]
            for inspector in team:
                busy[inspector] = busy.get(inspector, 0) + 1
            checks.append([authority, due[community, authority], team, wanted - len(team)])
        visits[community] = checks
    later = sorted([community, authority] for community, authority in due if community not in visited)
    json.dump({"visits": sorted(visits.items()), "put_off": later}, sys.stdout)


main(*sys.argv[1:])
