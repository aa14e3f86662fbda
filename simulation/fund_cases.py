"""What goes wrong with the owners' money, and what only looks like it: planted into the ledgers with its truth.

Owns misuse of every kind that supervision looks for, innocent look-alikes, and accounts that do not add up. Random
streams of its own; the ledgers that it adds to are drawn as before.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from simulation.actors import FIRM, Communities, Managers
from simulation.fund_registers import LISTED_USES, VOTE_FAULTS, Emergency, Relation, Vote
from simulation.parameters import FundCases, SimulationError
from simulation.tables import NEVER
from simulation.tenures import Tenures

EARLIEST, LATEST = 330, 45  # days before the history's end between which cases lie
VOTE_FREE = 5_000.0  # CNY; below it a simplified procedure needs no vote of all owners
PURPOSE_WORDS = {
    "repair": "公共部位维修", "emergency_repair": "应急维修", "transfer": "转账", "reversal": "红冲",
    "other": "其他支出", "advertising_income": "电梯广告收入",
}  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """One planted ledger entry; ``amount`` is signed CNY, ``account`` one of fund, revenue, term or a full number."""

    community: int
    day: int
    amount: float
    purpose: str
    partner: str | None
    voucher: int
    account: str = "fund"
    vote_id: str | None = None
    emergency_id: str | None = None


@dataclass(frozen=True)
class Case:
    """What an office should find: ``subject`` may hold {0}, {1} … for the ids of the entries at ``entries``.

    ``on`` is the day that decides whether it is recent; it shows once the entries do, and not before ``known_from``.
    """

    kind: str
    subject: str
    on: int
    entries: tuple[int, ...] = ()
    known_from: int = NEVER


@dataclass
class Plot:
    """Everything planted so far."""

    entries: list[Entry] = field(default_factory=list)
    votes: list[Vote] = field(default_factory=list)
    emergencies: list[Emergency] = field(default_factory=list)
    relations: list[Relation] = field(default_factory=list)
    cases: list[Case] = field(default_factory=list)


class Planter:
    """Plants cases one after another, each in a community of its own while there are enough of them."""

    def __init__(
        self, managers: Managers, communities: Communities, tenures: Tenures, *, end_day: int, rng: np.random.Generator
    ) -> None:
        self._managers, self._communities, self._rng = managers, communities, rng
        self._end = end_day
        self.plot = Plot()
        everywhere = np.arange(len(communities.ids))
        holders = [tenures.manager_of(everywhere, np.full(len(everywhere), end_day - ago)) for ago in (EARLIEST, 0)]
        held = (holders[0] >= 0) & (holders[0] == holders[1]) & (managers.kind[holders[0]] == FIRM)
        self._holder = holders[0]
        self._places = self._drawn(np.flatnonzero(held))

    def _drawn(self, places: np.ndarray) -> Iterator[int]:
        if not places.size:
            raise SimulationError(
                "a part of the region holds no community that one firm managed throughout, and cases of misuse are "
                "planted in such communities: ask for more communities"
            )
        while True:
            yield from (int(place) for place in self._rng.permutation(places))

    def plant(self, want: FundCases) -> Plot:
        """Plant ``want.each`` cases of every kind and ``want.look_alikes`` of every innocent look-alike."""
        misuse = (self._unvoted, self._vote_invalid, self._vote_exceeded, self._emergency_outside_list, self._unfiled,
                  self._split, self._related, self._round_trip, self._shared_account)  # fmt: skip
        innocent = (self._instalments, self._refund, self._own_transfer, self._former_relative, self._just_enough,
                    self._small_jobs, self._recognised_emergency)  # fmt: skip
        for number in range(want.each):
            for make in misuse:
                make(number, next(self._places))
        for number in range(want.look_alikes):
            for make in innocent:
                make(number, next(self._places))
        return self.plot

    def _day(self) -> int:
        return int(self._end - self._rng.integers(LATEST, EARLIEST))

    def _amount(self, low: float = 8_000, high: float = 40_000) -> float:
        return round(float(self._rng.uniform(low, high)), 2)

    def _pay(self, place: int, day: int, amount: float, partner: str, purpose: str = "repair", **more: Any) -> int:
        """Add an entry and return its number; money out is a positive ``amount`` here."""
        voucher = more.pop("voucher", len(self.plot.entries))
        self.plot.entries.append(Entry(place, day, -amount, purpose, partner, voucher, **more))
        return len(self.plot.entries) - 1

    def _vote(self, place: int, day: int, amount: float, **more: Any) -> str:
        vote_id = f"BJ9{len(self.plot.votes):05d}"
        self.plot.votes.append(Vote(vote_id, place, day, amount, **more))
        return vote_id

    def _emergency(self, place: int, day: int, use_code: str, filed: int, recognised: int = NEVER) -> str:
        emergency_id = f"YJ9{len(self.plot.emergencies):05d}"
        self.plot.emergencies.append(Emergency(emergency_id, place, use_code, day, filed, recognised))
        return emergency_id

    def _relation(self, uscc: str, begins: int, ends: int = NEVER) -> tuple[str, str]:
        number = len(self.plot.relations)
        relation_id, name = f"GL{number:04d}", f"关联工程{number}号有限公司（模拟）"
        code = ("shareholder", "subsidiary", "same_controller", "executive")[number % 4]
        self.plot.relations.append(Relation(relation_id, uscc, name, code, begins, ends))
        return relation_id, name

    def _uscc(self, place: int) -> str:
        return str(self._managers.uscc[self._holder[place]])

    def _expect_alert(self, kind: str, subject: str, on: int, *entries: int, known_from: int = NEVER) -> None:
        self.plot.cases.append(Case(kind, subject, on, entries, known_from))

    # -- misuse ----------------------------------------------------------------------------------------------------

    def _unvoted(self, number: int, place: int) -> None:
        day, amount = self._day(), self._amount() if number % 4 else VOTE_FREE
        vote = (None, self._vote(place, day + 9, amount * 1.2), "BJ999999")[number % 3]  # none, afterwards, unheard of
        entry = self._pay(place, day, amount, "维修公司（模拟）", vote_id=vote)
        self._expect_alert("spending_without_vote", "{0}", day, entry)

    def _vote_invalid(self, number: int, place: int) -> None:
        day, amount = self._day(), self._amount()
        vote = self._vote(place, day - 20, amount * 1.1, fault=VOTE_FAULTS[number % len(VOTE_FAULTS)])
        self._expect_alert("vote_invalid", vote, day, self._pay(place, day, amount, "维修公司（模拟）", vote_id=vote))

    def _vote_exceeded(self, number: int, place: int) -> None:
        day, amount = self._day(), self._amount()
        vote = self._vote(place, day - 20, 2 * amount - 0.01)
        paid = [self._pay(place, day + late, amount, "维修公司（模拟）", vote_id=vote) for late in (0, 20)]
        self._expect_alert("vote_exceeded", vote, day, *paid)

    def _emergency_outside_list(self, number: int, place: int) -> None:
        day, amount = self._day(), self._amount()
        if number % 2:  # nothing on record
            entry = self._pay(place, day, amount, "应急抢修公司（模拟）", "emergency_repair")
            self._expect_alert("emergency_outside_list", "{0}", day, entry)
            return
        emergency = self._emergency(place, day - 3, "other", filed=day - 2)
        entry = self._pay(place, day, amount, "应急抢修公司（模拟）", "emergency_repair", emergency_id=emergency)
        self._expect_alert("emergency_outside_list", emergency, day, entry)

    def _unfiled(self, number: int, place: int) -> None:
        day, amount = self._day(), self._amount()
        use_code, filed = LISTED_USES[number % len(LISTED_USES)], (NEVER, day - 2 + 8)[number % 2]
        emergency = self._emergency(place, day - 2, use_code, filed=filed)
        entry = self._pay(place, day, amount, "应急抢修公司（模拟）", "emergency_repair", emergency_id=emergency)
        self._expect_alert("emergency_unfiled", emergency, day, entry, known_from=day - 2 + 8)

    def _split(self, number: int, place: int) -> None:
        day, parts = self._day(), 3 + number % 2
        partner = f"零星维修部{number}号（模拟）"
        paid = [
            self._pay(place, day + 4 * part, self._amount(VOTE_FREE * 0.5, VOTE_FREE - 0.01), partner)
            for part in range(parts)
        ]
        self._expect_alert("split_payments", str(self._communities.ids[place]), day, *paid)

    def _related(self, number: int, place: int) -> None:
        day, amount = self._day(), self._amount()
        relation, name = self._relation(self._uscc(place), day - (0 if number % 2 else 200), ends=day)
        written = name if number % 3 else name.replace("（", " (").replace("）", ")")  # the bank writes it its own way
        vote = self._vote(place, day - 20, amount)
        self._expect_alert("related_party_payment", relation, day, self._pay(place, day, amount, written, vote_id=vote))

    def _round_trip(self, number: int, place: int) -> None:
        day, amount = self._day(), self._amount()
        partner, back = f"过桥商贸{number}号（模拟）", round(amount * (1.0 if number % 2 else 0.985), 2)
        out = self._pay(place, day, amount, partner, "other")
        returned = self._pay(place, day + int(self._rng.integers(5, 31)), -back, partner, "other")
        self._expect_alert("round_trip", "{0}", day, out, returned)
        self._expect_alert("spending_without_vote", "{0}", day, out)

    def _shared_account(self, number: int, place: int) -> None:
        day, ids = self._day(), self._communities.ids
        account = ("fund", f"6228{str(ids[(place + 1) % len(ids)]).replace('-', '')}88")[number % 2]
        entry = self._pay(
            place, day, -self._amount(800, 3_000), "广告公司（模拟）", "advertising_income", account=account
        )
        if account == "fund":  # common revenue booked into the maintenance fund
            self._expect_alert("accounts_mixed", str(ids[place]), day, entry)
            return
        other = (place + 1) % len(ids)  # one account for two communities
        second = self._pay(other, day + 1, -self._amount(800, 3_000), "广告公司（模拟）", "advertising_income",
                           account=account)  # fmt: skip
        for where in (place, other):
            self._expect_alert("accounts_mixed", str(ids[where]), day, entry, second)

    # -- innocent --------------------------------------------------------------------------------------------------

    def _instalments(self, number: int, place: int) -> None:
        day, each = self._day(), self._amount(VOTE_FREE * 0.6, VOTE_FREE - 0.01)
        vote = self._vote(place, day - 15, 4 * each)
        for part in range(4):
            self._pay(place, day + 3 * part, each, "分期维修公司（模拟）", vote_id=vote)

    def _refund(self, number: int, place: int) -> None:
        day, amount, partner = self._day(), self._amount(), "维修公司（模拟）"
        if number % 2:  # the bank takes the whole entry back
            out = self._pay(place, day, amount, partner)
            self._pay(place, day + 2, -amount, partner, "reversal", voucher=self.plot.entries[out].voucher)
            return
        vote = self._vote(place, day - 30, amount)  # a retention of five per cent is paid back
        self._pay(place, day, amount, partner, vote_id=vote)
        self._pay(place, day + 20, -round(amount * 0.05, 2), partner, "other")

    def _own_transfer(self, number: int, place: int) -> None:
        day, amount, own = self._day(), self._amount(50_000, 90_000), "维修资金定期专户（模拟）"
        for account, sign in (("fund", 1), ("term", -1)):
            self._pay(place, day, sign * amount, own, "transfer", account=account)
            self._pay(place, day + 25, -sign * amount, own, "transfer", account=account)

    def _former_relative(self, number: int, place: int) -> None:
        day, amount = self._day(), self._amount()
        uscc = self._uscc(place)
        if number % 2:  # somebody else's relative
            uscc = next(str(code) for code in self._managers.uscc if code != uscc)
        _, name = self._relation(uscc, day - 400, ends=NEVER if number % 2 else day - 1)
        self._pay(place, day, amount, name, vote_id=self._vote(place, day - 20, amount))

    def _just_enough(self, number: int, place: int) -> None:
        day, amount = self._day(), self._amount()
        vote = self._vote(place, day - (20 if number % 2 else 0), amount, at_bound=True)
        self._pay(place, day, amount, "维修公司（模拟）", vote_id=vote)

    def _small_jobs(self, number: int, place: int) -> None:
        day, partner = self._day(), f"保洁维修部{number}号（模拟）"
        jobs = ((0, 2_400), (5, 2_500)) if number % 2 else ((-30, 4_000), (-10, 4_000), (10, 4_000))
        for late, amount in jobs:  # too little together, or too far apart
            self._pay(place, day + late, float(amount), partner)

    def _recognised_emergency(self, number: int, place: int) -> None:
        day, amount = self._day(), self._amount()
        emergency = self._emergency(place, day - 3, "other", filed=day - 3 + 7, recognised=day - 1)
        self._pay(place, day, amount, "应急抢修公司（模拟）", "emergency_repair", emergency_id=emergency)
