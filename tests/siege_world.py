"""One seed, one world: a delivery of any feed in any format with odd cells and damage, and a judge of its own.

The judge knows what was written and what each oddity may do; it shares no code with the loader but the contracts.
"""

import contextlib
import csv
import io
import random
import re
import string
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import xlsxwriter
import yaml
from psycopg import sql

from property_credit.ingestion import feeds, sealing
from property_credit.ingestion.contract import IngestionError
from property_credit.ingestion.load import ingest_file
from property_credit.warehouse.business_date import ZONE
from property_credit.warehouse.connection import connect
from property_credit.warehouse.credit_codes import why_wrong
from property_credit.warehouse.settings import get_settings

DAY = date(2026, 10, 31)
MARK = "密语"  # stands in every personal text: no message may quote it
ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
PLACES = ("150203", "1502", "150203001", "150203001001", "2026-10", "2026Q3", "0472-1234567")
EXCLUDED = {  # fields that others shut out: a desk is an office's or a firm's; parts add up; nothing owed, no reasons
    "contacts": ("area_code",),
    "tender_bids": ("credit_score",),
    "fee_collections": tuple(f"unpaid_{why}_amount" for why in ("service", "quality", "vacant", "hardship", "other")),
}
NEEDS_MORE = ("entered",)  # a code with which other fields must be empty
ENCODINGS = ("utf-8", "utf-8-sig", "gb18030", "utf-16")
COMMUNITIES = [f"SC{number:03d}" for number in range(20)]
CONTRACTS, TENDERS = ([f"S{letter}{number:03d}" for number in range(20)] for letter in "KT")
REFUSED, SAME, ANY = "refused", "same", "any"  # what an odd cell may do: never in, in as it was, or in some way told
DAMAGE = (
    "cut short",
    "no byte",
    "header only",
    "noise inside",
    "another header",
    "no header",
    "a ZIP archive",
    "a web page",
)


def credit_codes(count):
    """Return that many codes of enterprises with right check digits."""
    codes = []
    for number in range(count):
        body = f"91150203{number:09d}"
        codes += [body + last for last in ALPHABET if why_wrong(body + last) is None][:1]
    return codes


ENTERPRISES = credit_codes(20)
REGISTERED = {"communities": COMMUNITIES, "enterprises": ENTERPRISES, "contracts": CONTRACTS, "tenders": TENDERS}


@dataclass
class World:
    """A delivery, before and after its oddities. ``salt`` gives the same world with other keys."""

    seed: int
    salt: str = ""
    dropped: frozenset[int] = frozenset()  # oddities that are left out, by number: to find the one that matters
    feed_name: str | None = None
    damage: str | None = None
    rows: list[dict[str, str]] = field(default_factory=list)
    cells: list[list[str]] = field(default_factory=list)
    oddities: list[tuple[int, str, str]] = field(default_factory=list)  # row, what, effect

    def __post_init__(self):
        """Make the world from its seed."""
        self.random = random.Random(self.seed)
        self.feed = feeds.get(self.feed_name or self.random.choice(feeds.NAMES))
        self.format = self.random.choice(("csv", "csv", "xlsx"))
        self.encoding = self.random.choice(ENCODINGS)
        self.delimiter = self.random.choice(",;\t|")
        self.line_end = self.random.choice(("\n", "\r\n"))
        self.fields = [one for one in self.feed.fields if one.required or one.name in self.feed.key or self._takes(one)]
        self.rows = [self._row(number) for number in range(self.random.randint(3, 40))]
        self.cells = [[row[one.name] for one in self.fields] for row in self.rows]
        for number in range(self.random.randint(0, 5)):
            self._add_oddity(number)
        if self.random.random() < 0.25 and not self.dropped:
            self.damage = self.random.choice(DAMAGE)

    def _takes(self, one):
        is_plain = not one.references or one.references in REGISTERED
        if one.name in EXCLUDED.get(self.feed.name, ()):
            return False
        return one.name != "repeat_of_id" and not one.name.startswith("same_matter") and is_plain

    def _row(self, number):
        day, count = DAY - timedelta(days=self.random.randint(30, 300)), self.random.randint(1, 9)
        return {one.name: self._value(one, number, day, count) for one in self.fields}

    def _value(self, one, number, day, count):
        """Return a good value; days and counts of a row are equal, so that none is before or more than another."""
        if one.references == "communities" or (one.name == "community_id" and one.name not in self.feed.key):
            return COMMUNITIES[number % len(COMMUNITIES)]
        if one.references in ("contracts", "tenders"):
            return REGISTERED[one.references][number % 20]
        if one.type == "uscc":
            return ENTERPRISES[(number + one.name.startswith("other")) % len(ENTERPRISES)]
        if one.pattern:
            return next(text for text in PLACES if re.fullmatch(one.pattern, text))
        if one.name in self.feed.key and one.type == "text":
            return self._key(number)
        match one.type:
            case "date":
                return day.isoformat()
            case "timestamp":
                return f"{day} 08:00:00"
            case "integer" | "decimal":
                least, largest = one.bounds
                return str(int(max(least or 0, min(count, largest or count))))
            case "boolean":
                return self.random.choice(("true", "false"))
            case "code":
                return self.random.choice([code for code in one.codes if code not in NEEDS_MORE])
        return f"{MARK}{one.name}{number}" if one.personal else f"字{number}"

    def _key(self, number):
        return f"W{self.seed}{self.salt}N{number:03d}"

    def _add_oddity(self, number):
        place = self.random.randrange(len(self.rows))
        column = self.random.randrange(len(self.fields))
        one, kind = self.fields[column], self.random.randrange(9)
        noise = "".join(self.random.choices(string.ascii_lowercase, k=6))
        is_key = one.name in self.feed.key
        choices = [
            ("blank", "", REFUSED if one.required else ANY),
            ("spaces around", f"  {self.cells[place][column]} ", SAME if not is_key else ANY),
            ("a word", noise, REFUSED if one.type in ("date", "timestamp", "integer", "decimal", "boolean") else ANY),
            ("an unknown code", noise, REFUSED if one.type in ("code", "uscc") else ANY),
            ("too long", noise * 5_000, REFUSED if one.type != "boolean" else ANY),
            ("a formula", "=1+1", REFUSED if one.type not in ("text",) else ANY),
            ("a quote", 'a"b', ANY),
            ("a line break", "a\nb", ANY),
            ("a far year", "0001-01-01", REFUSED if one.type in ("date", "timestamp") else ANY),
        ]
        what, text, effect = choices[kind]
        if number in self.dropped or any(place == other for other, _what, _effect in self.oddities):
            return
        self.oddities.append((place, f"{what} in {one.name} of row {place}", effect))
        self.cells[place][column] = text

    def profile(self):
        """Return the source profile that reads this world's file."""
        dates = {one.name: ["%Y-%m-%d %H:%M:%S" if one.type == "timestamp" else "%Y-%m-%d"] for one in self.fields
                 if one.is_date}  # fmt: skip
        text = {
            "feed": self.feed.name,
            "office_zh": f"围攻{self.seed}{self.salt}",
            "format": self.format,
            "files": ["*"],
            "header": {"row": 1},
            "booleans": {"true": True, "false": False},
            "columns": {one.name: f"列{one.name}" for one in self.fields},
            "dates": dates,
        }
        if self.format == "csv":
            text |= {"encoding": self.encoding, "delimiter": self.delimiter}
        return yaml.safe_dump(text, allow_unicode=True)

    def content(self):
        """Return the file's bytes, damage included."""
        headers = [f"列{one.name}" for one in self.fields]
        if self.damage == "another header":
            headers[0] = "别的列"
        rows = [headers, *([] if self.damage == "header only" else self.cells)][self.damage == "no header" :]
        whole = self._workbook(rows) if self.format == "xlsx" else self._text(rows)
        match self.damage:
            case "cut short":
                return whole[: self.random.randrange(len(whole))]
            case "no byte":
                return b""
            case "noise inside":
                place = self.random.randrange(len(whole))
                return whole[:place] + self.random.randbytes(self.random.randint(1, 40)) + whole[place:]
            case "a ZIP archive":
                return b"PK\x03\x04" + self.random.randbytes(200)
            case "a web page":
                return b"<html><table><tr><td>1</td></tr></table></html>"
        return whole

    def _text(self, rows):
        stream = io.StringIO()
        csv.writer(stream, delimiter=self.delimiter, lineterminator=self.line_end).writerows(rows)
        return stream.getvalue().encode(self.encoding)

    def _workbook(self, rows):
        stream = io.BytesIO()
        book = xlsxwriter.Workbook(stream, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
        sheet = book.add_worksheet()
        for place, row in enumerate(rows):
            for column, text in enumerate(row):
                sheet.write_string(place, column, text[:32_000])
        book.close()
        return stream.getvalue()

    def deliver(self, folder: Path):
        """Write file and profile, load them; return the report, or the error that says why nothing was loaded."""
        path, profile = self.written(folder)
        try:
            return ingest_file(feed=self.feed.name, profile=str(profile), path=path, business_date=DAY)
        except IngestionError as error:
            return error

    def written(self, folder: Path):
        """Write file and profile; return their paths."""
        place = folder / f"world-{self.seed}{self.salt}"
        place.mkdir(parents=True, exist_ok=True)
        (place / "siege.yml").write_text(self.profile(), encoding="utf-8")
        path = place / f"delivery.{self.format}"
        if not path.exists():
            path.write_bytes(self.content())
        return path, place / "siege.yml"


def prepare():
    """Put the registers that worlds refer to into raw."""
    came = {"batch_id": "siege", "known_on": "2026-01-01", "received_at": "2026-01-01", "row_hash": 1}
    with connect() as owner:
        for name, keys in REGISTERED.items():
            world = World(0, feed_name=name)
            for number, key in enumerate(keys):
                row = world._row(number) | {world.feed.key[0]: key} | came | {"row_number": number}
                owner.execute(
                    sql.SQL("insert into {} ({}) values ({})").format(
                        sql.Identifier("raw", name),
                        sql.SQL(", ").join(map(sql.Identifier, row)),
                        sql.SQL(", ").join(sql.Placeholder() for _value in row),
                    ),
                    list(row.values()),
                )


def problems(world, report):
    """Return what is wrong with what became of a world, as the judge counts it."""
    if isinstance(report, IngestionError):
        return [f"a message quotes {MARK}"] if MARK in str(report) else []
    with connect() as owner:
        stored = owner.execute(
            sql.SQL("select row_number, {} from {} where batch_id = %s").format(
                sql.SQL(", ").join(sql.Identifier(one.name) for one in world.fields),
                sql.Identifier("raw", world.feed.name),
            ),
            (report.batch_id,),
        ).fetchall()
        stored = _opened(owner, world, stored)
        aside = owner.execute(
            "select row_number from quarantine.rejected_rows where batch_id = %s", (report.batch_id,)
        ).fetchall()
        lines = owner.execute(
            "select status, coalesce(refusal, '') from ops.batches where batch_id = %s", (report.batch_id,)
        ).fetchall()
    wrong = [f"a message quotes {MARK}"] if MARK in f"{report.message} {report.reasons} {lines}" else []
    if len(lines) != 1 or lines[0][0] != report.status:
        wrong.append(f"ops.batches says {lines}, the report {report.status}")
    if report.status == "refused":
        return wrong + ([f"{len(stored)} rows of a refused file are in raw"] if stored or aside else [])
    told = report.rows_accepted + report.rows_rejected + report.rows_waiting + report.rows_duplicate
    if report.rows_in != told:
        wrong.append(f"{report.rows_in} rows came in, {told} are told of")
    if len(stored) != report.rows_accepted or len(aside) != report.rows_rejected + report.rows_waiting:
        wrong.append(f"raw holds {len(stored)} and quarantine {len(aside)}: {report}")
    return wrong + _rows(world, report, {row[0] - 2: tuple(row[1:]) for row in stored}, {row[0] - 2 for row in aside})


def _opened(owner, world, stored):
    """Return stored rows with what is sealed in them in plain; where a key is given, nothing personal is plain."""
    rows = [list(row) for row in stored]
    for at, one in enumerate(world.fields, start=1):
        if one.name in world.feed.sealed_fields and get_settings().data_key:
            values = [row[at] for row in rows if row[at] is not None]
            assert all(value.startswith(sealing.MARK) for value in values), one.name
            plain = iter(sealing.unseal(owner, world.feed.name, one.name, values))
            for row in rows:
                row[at] = None if row[at] is None else next(plain)
    return rows


def _rows(world, report, stored, aside):
    """Judge row by row: values that are in are those that were written, and what was not touched is in."""
    odd = {place: (what, effect) for place, what, effect in world.oddities}
    if world.damage:  # a row that was cut reads as another good one: nobody can tell
        return []
    if world.format == "csv" and any("line break" in what for what, _effect in odd.values()):
        return _by_key(world, stored, odd)
    wrong = []
    if report.rows_in + report.rows_skipped != len(world.rows):
        wrong.append(f"{len(world.rows)} rows were written, {report.rows_in} came in")
    seen = set()
    for place, row in enumerate(world.rows):
        what, effect = odd.get(place, ("nothing", SAME))
        key = tuple(row[name] for name in world.feed.key)
        is_repeat = key in seen or not any(part.startswith("W") for part in key)  # other worlds have this key too
        seen.add(key)
        if effect == REFUSED and place in stored:
            wrong.append(f"{what}: it is in raw")
        elif effect == SAME and place not in stored and not is_repeat:
            wrong.append(f"row {place} ({what}) is not in raw")
        elif effect == SAME and place in stored and (difference := _differs(world, row, stored[place])):
            wrong.append(f"row {place} ({what}): {difference}")
        elif place not in stored and place not in aside and not is_repeat:
            wrong.append(f"row {place} ({what}) is nowhere")
    return wrong


def _by_key(world, stored, odd):
    """Judge by key where it is not known which line a row stands in: what is in raw was written so, unless touched."""
    names = [one.name for one in world.fields]
    keys = [names.index(name) for name in world.feed.key]
    written, touched = {}, set()
    for place, row in enumerate(world.rows):
        key = tuple(row[name] for name in world.feed.key)
        written.setdefault(key, []).append(row)
        touched |= {key} if place in odd else set()
    wrong = []
    for values in stored.values():
        key = tuple(str(values[at]) for at in keys)
        differences = [_differs(world, row, values) for row in written.get(key, ())]
        if key not in touched and differences and all(differences):
            wrong.append(f"{key}: {differences[0]}")
    return wrong


def _differs(world, row, values):
    for one, value in zip(world.fields, values, strict=True):
        text = row[one.name]
        if isinstance(value, datetime):
            value = f"{value.astimezone(ZONE):%Y-%m-%d %H:%M:%S}"
        if one.type == "decimal":
            is_same = value is not None and float(value) == float(text)
        elif one.type == "boolean":
            is_same = value is (text == "true")
        else:
            is_same = str(value) == text
        if not is_same:
            return f"{one.name} is {value!r} and was written as {text!r}"
    return ""


def besiege(seed, folder, *, feed_name=None):
    """Deliver the world of ``seed`` twice and judge it; return what is wrong, with the fewest oddities that show it."""
    world = World(seed, feed_name=feed_name)
    wrong = _judged(world, folder)
    if not wrong:
        return []
    left: frozenset[int] = frozenset()
    for number in range(5):
        tried = World(seed, salt=f"x{number}", dropped=left | {number}, feed_name=feed_name)
        with contextlib.suppress(Exception):
            if _judged(tried, folder):
                left |= {number}
    smallest = World(seed, dropped=left, feed_name=feed_name)
    told = [what for _place, what, _effect in smallest.oddities]
    return [
        f"seed {seed}, {world.feed.name} as {world.format} in {world.encoding}, damage {world.damage}, {told}",
        *wrong,
    ]


def _judged(world, folder):
    try:
        report = world.deliver(folder)
        wrong = problems(world, report)
        again = world.deliver(folder)
    except Exception as error:  # any other error than the one that people are told is a fault
        return [f"{type(error).__name__}: {str(error)[:300]}"]
    if not isinstance(report, IngestionError) and report.status == "loaded" and again.status != "seen before":
        wrong.append(f"delivered again it is {again.status}")
    return wrong
