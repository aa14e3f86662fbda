"""What an office sends over some nights besides news: backlogs, corrections, full and partial lists, other formats.

Owns the deliveries and the truth that a warehouse must end with, whatever it was sent twice, late, cut or in another
format: ``write`` leaves both in a folder. Must not know how a delivery is read; the profiles it writes are what such an
office would be given.
"""

import csv
import io
import json
import random
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import xlsxwriter

from simulation.credit_codes import make_code

FIRST_NIGHT = date(2026, 10, 1)
COMMUNITIES = tuple(f"C{number}" for number in range(1, 9))
PARTS = 2  # of the list of contracts
STATES = {"submitted": "待响应", "handling": "办理中", "responded": "已响应", "closed": "已办结"}
COMPLAINTS = ["工单", "小区", "时间", "状态", "更新"]
CONTRACTS = ["合同", "小区", "企业", "起始", "终止", "原因"]
ENTRIES = ["流水", "账号", "日期", "金额", "方向", "标志"]

_COMPLAINT_COLUMNS = (
    "columns: {complaint_id: 工单, community_id: 小区, submitted_at: 时间, status_code: 状态, updated_at: 更新}\n"
    'constants: {channel_code: hotline, category_code: lift, region_code: "150203"}\n'
)
PROFILES = {
    "complaints_csv": "feed: complaints\nformat: csv\nencoding: gb18030\n"
    + _COMPLAINT_COLUMNS
    + 'dates: {submitted_at: "%Y/%m/%d %H:%M", updated_at: "%Y/%m/%d %H:%M"}\n'
    + f"codes: {{status_code: {json.dumps({zh: code for code, zh in STATES.items()}, ensure_ascii=False)}}}\n",
    "complaints_xlsx": "feed: complaints\nformat: xlsx\n"
    + _COMPLAINT_COLUMNS
    + "dates: {submitted_at: excel, updated_at: excel}\n",
    "contracts": "feed: contracts\nformat: csv\n"
    "columns: {contract_id: 合同, community_id: 小区, uscc: 企业, starts_on: 起始, "
    "ended_on: 终止, end_reason_code: 原因}\n"
    'dates: {starts_on: "%Y-%m-%d", ended_on: "%Y-%m-%d"}\n'
    "full_list: {parts: '_(?P<part>[0-9]+)of(?P<of>[0-9]+)'}\n",
    "ledger": "feed: funds\nformat: csv\n"
    "columns: {entry_id: 流水, account_no: 账号, booked_on: 日期, amount: 金额}\n"
    "constants: {account_type_code: operating, currency_code: CNY}\n"
    'dates: {booked_on: "%Y%m%d"}\n'
    "signs: {amount: {negate_when: {column: 方向, equals: [借]}}}\n"
    'marks: {column: 标志, corrects: [更正], voids: [作废], plain: [""]}\n',
}


@dataclass(frozen=True)
class Delivery:
    """A file ``name`` of ``profile`` that comes for ``night``."""

    night: date
    profile: str
    name: str
    content: bytes


@dataclass
class Office:
    """The office's own books, which change from night to night; what it sends is cut from them."""

    choose: random.Random
    firms: tuple[str, ...]
    complaints: dict[str, dict[str, Any]] = field(default_factory=dict)
    contracts: dict[str, dict[str, Any]] = field(default_factory=dict)
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    left_out: dict[str, date] = field(default_factory=dict)  # contracts off the list, and since when

    def live(self, night: date) -> tuple[list[str], dict[str, str]]:
        """Let a day pass; return the complaints that changed and the mark of each entry that is new or changed."""
        listed = [key for key in self.contracts if key not in self.left_out]
        gone = [key for key in self.choose.sample(listed, min(1, len(listed))) if not self.contracts[key]["终止"]]
        back = [key for key in self.left_out if self.choose.random() < 0.3]
        self.left_out = {key: day for key, day in self.left_out.items() if key not in back} | dict.fromkeys(gone, night)
        changed = [self._complain(night) for _new in range(3)] + [self._move_on(night) for _old in range(4)]
        for number in range(2):
            key = f"K{night:%m%d}{number}"
            since = (night - timedelta(days=30)).isoformat()
            self.contracts[key] = {"小区": self._place(), "企业": self._firm(), "起始": since, "终止": "", "原因": ""}
        listed = [key for key in self.contracts if key not in self.left_out]
        self.contracts[self.choose.choice(listed)]["企业"] = self._firm()
        self.contracts[self.choose.choice(listed)] |= {"终止": night.isoformat(), "原因": "expired"}
        return changed, self._book(night)

    def _place(self) -> str:
        return self.choose.choice(COMMUNITIES)

    def _firm(self) -> str:
        return self.choose.choice(self.firms)

    def _complain(self, night: date) -> str:
        key = f"T{len(self.complaints):04}"
        at = datetime.combine(night, datetime.min.time()) + timedelta(minutes=self.choose.randrange(60, 600))
        self.complaints[key] = {"小区": self._place(), "时间": at, "状态": "submitted", "更新": at}
        return key

    def _move_on(self, night: date) -> str:
        key = self.choose.choice(list(self.complaints))
        at = datetime.combine(night, datetime.min.time()) + timedelta(minutes=self.choose.randrange(600, 1400))
        kept = self.complaints[key]
        if at > kept["更新"]:
            kept |= {"状态": self.choose.choice(list(STATES)), "更新": at}
        return key

    def _book(self, night: date) -> dict[str, str]:
        marks = {}
        standing = [key for key, entry in self.entries.items() if entry["标志"] != "作废"]
        for mark, key in zip(("更正", "作废"), self.choose.sample(standing, min(2, len(standing))), strict=False):
            self.entries[key]["标志"] = mark if mark == "作废" else ""
            if mark == "更正":
                self.entries[key]["金额"] += self.choose.randrange(1, 50)
            marks[key] = mark
        for number in range(4):
            key = f"E{night:%m%d}{number}"
            amount, way = self.choose.randrange(1, 9000), self.choose.choice("借贷")
            self.entries[key] = {"账号": "6222", "日期": f"{night:%Y%m%d}", "金额": amount, "方向": way, "标志": ""}
            marks[key] = ""
        return marks

    def truth(self) -> dict[str, dict[str, list[Any]]]:
        """Return what must stand in the end, by feed and key."""
        contracts: dict[str, list[Any]] = {}
        for key, row in self.contracts.items():
            end = [row["终止"] or None, row["原因"] or None]
            if key in self.left_out:
                end = [self.left_out[key].isoformat(), "vanished"]
            contracts[key] = [row["企业"], *end]
        return {
            "complaints": {key: [row["小区"], row["状态"]] for key, row in self.complaints.items()},
            "contracts": contracts,
            "funds": {
                key: [-row["金额"] if row["方向"] == "借" else row["金额"]]
                for key, row in self.entries.items()
                if row["标志"] != "作废"
            },
        }


def deliveries(*, seed: int, nights: int) -> tuple[list[Delivery], dict[str, dict[str, list[Any]]], tuple[str, ...]]:
    """Return what comes over ``nights`` nights, in the order it comes, the truth, and the firms' credit codes.

    Complaints come as they changed, some left out, and again in backlogs, older exports that come nights later, as text
    and as workbooks; contracts as a whole list in parts, or a part that did not change; entries with corrections
    and voids, and all of them again.
    """
    choose = random.Random(seed)
    office = Office(choose, tuple(make_code("91", "150203", f"MA{choose.randrange(10**6):06}") for _firm in range(3)))
    sent: list[Delivery] = []
    late: list[Delivery] = []
    for number in range(nights):
        night = FIRST_NIGHT + timedelta(days=number)
        changed, marks = office.live(night)
        is_last = number == nights - 1
        told = office.complaints if is_last else {key for key in changed if choose.random() < 0.7}
        sent.append(_complaints(office, night, sorted(told), "news"))
        if number % 3 == 2 and not is_last:
            late.append(_complaints(office, night, sorted(office.complaints), "backlog"))
        listed = sorted(key for key in office.contracts if key not in office.left_out)
        for part in range(PARTS):
            own = [[key, *office.contracts[key].values()] for key in listed if int(key[1:]) % PARTS == part]
            name = f"合同_{night:%Y%m%d}_{part + 1}of{PARTS}.csv"
            sent.append(Delivery(night, "contracts", name, _text(CONTRACTS, own, "utf-8")))
        rows = [[key, *office.entries[key].values()][:-1] + [mark] for key, mark in marks.items()]
        sent.append(Delivery(night, "ledger", f"流水_{night:%Y%m%d}.csv", _text(ENTRIES, rows, "utf-8")))
        if number % 4 == 3:
            whole = [[key, *row.values()] for key, row in office.entries.items()]
            sent.append(Delivery(night, "ledger", f"流水_全部_{night:%Y%m%d}.csv", _text(ENTRIES, whole, "utf-8")))
    last = FIRST_NIGHT + timedelta(days=nights - 1)
    for old in late:
        on = choose.randint(min(1, (last - old.night).days), (last - old.night).days)
        sent.append(Delivery(old.night + timedelta(days=on), old.profile, old.name, old.content))
    return sorted(sent, key=lambda one: one.night), office.truth(), office.firms


def _complaints(office: Office, night: date, keys: list[str], kind: str) -> Delivery:
    rows = [[key, *office.complaints[key].values()] for key in keys]
    if office.choose.random() < 0.5:
        return Delivery(night, "complaints_xlsx", f"{kind}_{night:%Y%m%d}.xlsx", _workbook(COMPLAINTS, rows))
    form = "%Y/%m/%d %H:%M"
    texts = [[key, place, f"{at:{form}}", STATES[state], f"{to:{form}}"] for key, place, at, state, to in rows]
    office.choose.shuffle(texts)
    return Delivery(night, "complaints_csv", f"{kind}_{night:%Y%m%d}.csv", _text(COMPLAINTS, texts, "gb18030"))


def _text(header: list[str], rows: list[list[Any]], encoding: str) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([header, *rows])
    return text.getvalue().encode(encoding)


def _workbook(header: list[str], rows: list[list[Any]]) -> bytes:
    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True, "default_date_format": "yyyy-mm-dd hh:mm"}) as book:
        sheet = book.add_worksheet("工单")
        for place, row in enumerate([header, *rows]):
            for column, value in enumerate(row):
                if isinstance(value, datetime):
                    sheet.write_datetime(place, column, value)
                else:
                    sheet.write_string(place, column, str(value))
    return content.getvalue()


def write(*, seed: int, nights: int, out: Path) -> None:
    """Write profiles, deliveries (``<night>/<profile>/<name>``) and ``truth.json`` below ``out``."""
    sent, truth, firms = deliveries(seed=seed, nights=nights)
    for name, text in PROFILES.items():
        (out / "profiles").mkdir(parents=True, exist_ok=True)
        lines = 'office_zh: 某旗县\nfiles: "*"\nheader: {row: 1}\n'
        (out / "profiles" / f"{name}.yml").write_text(text + lines, encoding="utf-8")
    for one in sent:
        folder = out / one.night.isoformat() / one.profile
        folder.mkdir(parents=True, exist_ok=True)
        (folder / one.name).write_bytes(one.content)
    told = {"truth": truth, "firms": firms, "communities": COMMUNITIES}
    (out / "truth.json").write_text(json.dumps(told, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
