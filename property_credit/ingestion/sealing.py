"""What is personal in a row, sealed under a key of its person before anything of it is stored; DATA_KEY is above them.

A sealed value is ``sealed:<person>:<year>:<text>``. The person is known by a keyed digest: the same person has the same
one, so that counting and matching go on. Sealing is deterministic (AES-SIV): the same value of the same person is the
same text, so hashes and duplicates are those of sealed rows. Destroying the key erases every value of the person, or of
a year, in every copy of the database; the digests stay, and counts with them.

A delivery that brings an erased person again stays erased: its row takes the sealed values that stand in raw.
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence
from datetime import date
from typing import Any

import polars
import psycopg
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from psycopg import sql

from property_credit.ingestion.contract import Feed
from property_credit.warehouse import data_key

MARK = "sealed:"
ALWAYS = -1  # the year of a line that erases a person, or a feed's years, for good
KEY_BYTES = 32
ERASED = "（个人信息已删除）"  # what stands for a value whose key is gone
KNOWN = """
select token, year, wrapped from raw.person_keys
where feed = any(%(feeds)s) and token = any(%(tokens)s)
"""
ADD = """
insert into raw.person_keys (feed, token, year, wrapped, made_at)
select %(feed)s, token, year, wrapped, clock_timestamp()
from unnest(%(tokens)s::text[], %(years)s::int[], %(wrapped)s::bytea[]) as new (token, year, wrapped)
on conflict do nothing
"""
Key = tuple[str, int]  # a person and a year


class Keys:
    """The keys of persons of one feed, as far as they were asked for. ``stores``: keys that are missing are made."""

    def __init__(self, feed: str, connection: psycopg.Connection, *, stores: bool = True) -> None:
        self._feed, self._connection, self._stores = feed, connection, stores
        self._above = AESSIV(data_key.derived("keys of persons", 64))
        self._known: dict[Key, AESSIV | None] = {}
        row = connection.execute(
            "select max(year) from raw.person_keys where feed = %s and token = '*'", (feed,)
        ).fetchone()
        self._kept_from: int | None = row[0] if row else None

    def of(self, wanted: Sequence[Key]) -> dict[Key, AESSIV | None]:
        """Return the ciphers of persons and years; None where the key was destroyed."""
        missing = sorted(set(wanted) - self._known.keys())
        if missing:
            self._read(missing)
            new = [key for key in missing if key not in self._known]
            if new and self._stores:
                wrapped = [self._above.encrypt(os.urandom(KEY_BYTES), self._bound(key)) for key in new]
                tokens, years = zip(*new, strict=True)
                values = {"feed": self._feed, "tokens": list(tokens), "years": list(years), "wrapped": wrapped}
                self._connection.execute(ADD, values)
                self._read(new)  # a neighbour may have made one in between
            for key in new:
                self._known.setdefault(key, AESSIV(os.urandom(KEY_BYTES)))
        return self._known

    def _bound(self, key: Key) -> list[bytes]:
        """Return what a wrapped key is bound to: in another line it opens nothing."""
        return [f"{self._feed}\n{key[0]}\n{key[1]}".encode()]

    def _read(self, wanted: Sequence[Key]) -> None:
        values = {"feeds": [self._feed], "tokens": list({token for token, _year in wanted})}
        wrapped_keys = {(token, year): wrapped for token, year, wrapped in self._connection.execute(KNOWN, values)}
        for token, year in wanted:
            is_over = self._kept_from is not None and 0 < year < self._kept_from
            if is_over or (token, ALWAYS) in wrapped_keys or wrapped_keys.get((token, year), b"") is None:
                self._known[token, year] = None
            elif (token, year) in wrapped_keys:
                self._known[token, year] = AESSIV(
                    self._above.decrypt(bytes(wrapped_keys[token, year]), self._bound((token, year)))
                )


class Sealer:
    """Seals the rows of one batch of a feed that has personal fields."""

    def __init__(
        self, feed: Feed, connection: psycopg.Connection, *, delivery_id: str, day: date, stores: bool, passes: bool
    ) -> None:
        """Take ``connection``, which commits by itself; ``passes``: values that are sealed are left as they are."""
        self.feed, self._connection, self._passes = feed, connection, passes
        self._keys = Keys(feed.name, connection, stores=stores)
        self._personal = feed.sealed_fields
        self._delivery = (delivery_id, day.year)

    def seal(self, typed: polars.DataFrame) -> polars.DataFrame:
        """Return the typed rows with what is personal in them sealed."""
        names = [name for name in self._personal if typed[name].null_count() < typed.height]
        if not names:
            return typed
        values = {name: typed[name].to_list() for name in names}
        owners = list(zip(self.tokens(typed), self._years(typed), strict=True))
        ciphers = self._keys.of(owners)
        erased = [place for place, owner in enumerate(owners) if ciphers[owner] is None]
        standing = self._standing(typed, erased) if erased else {}
        columns = []
        for name in names:
            about = [f"{self.feed.name}.{name}".encode()]
            texts = values[name]
            for place, (text, owner) in enumerate(zip(texts, owners, strict=True)):
                if text is None or (self._passes and text.startswith(MARK)):
                    continue
                cipher = ciphers[owner]
                if cipher is None:
                    texts[place] = _standing_value(standing.get(place), name, owner)
                else:
                    texts[place] = _text(owner, cipher.encrypt(text.encode() or b"\0", about))
            columns.append(polars.Series(name, texts, polars.String))
        return typed.with_columns(columns)

    def seal_payloads(self, payloads: list[str]) -> list[str]:
        """Return the original text of refused rows under a key of their delivery: whose they are cannot be read."""
        cipher = self._keys.of([self._delivery])[self._delivery]
        if cipher is None:
            return [_text(self._delivery, b"") for _payload in payloads]
        return [_text(self._delivery, cipher.encrypt(text.encode() or b"\0", [b"payload"])) for text in payloads]

    def tokens(self, typed: polars.DataFrame) -> list[str]:
        """Return the person of each row; one that begins with "-" stands for a row that names nobody."""
        return tokens(self.feed, typed, self._connection, passes=self._passes)

    def _years(self, typed: polars.DataFrame) -> list[int]:
        if not self.feed.kept_years:
            return [0] * typed.height
        column = typed[self.feed.event_field]
        if isinstance(column.dtype, polars.Datetime):
            column = column.dt.convert_time_zone("Asia/Shanghai")
        return column.dt.year().fill_null(0).to_list()

    def _standing(self, typed: polars.DataFrame, places: list[int]) -> dict[int, dict[str, Any]]:
        """Return, by place, the version in raw that each row repeats: of its own change time, else the newest."""
        key = self.feed.key[0]
        rows = typed[places].select(key, self.feed.changed_field).rows()
        query = sql.SQL(
            "select {}, {}, {} from {} where {} = any(%s) order by received_at desc, row_number desc"
        ).format(
            sql.Identifier(key),
            sql.Identifier(self.feed.changed_field),
            sql.SQL(", ").join(map(sql.Identifier, self._personal)),
            sql.Identifier("raw", self.feed.name),
            sql.Identifier(key),
        )
        newest: dict[str, dict[str, Any]] = {}
        exact: dict[tuple[str, Any], dict[str, Any]] = {}
        for number, changed_at, *values in self._connection.execute(query, ([row[0] for row in rows],)):
            version = dict(zip(self._personal, values, strict=True))
            newest.setdefault(number, version)
            exact.setdefault((number, changed_at), version)
        stands = {place: exact.get(row) or newest.get(row[0]) for place, row in zip(places, rows, strict=True)}
        return {place: version for place, version in stands.items() if version is not None}


def sealer(
    feed: Feed,
    connection: psycopg.Connection,
    *,
    delivery_id: str,
    day: date,
    stores: bool = True,
    passes: bool = False,
) -> Sealer | None:
    """Return what seals rows of ``feed``; None where nothing of it is personal, or no DATA_KEY is given."""
    if not feed.person or data_key.identity() is None:
        return None
    return Sealer(feed, connection, delivery_id=delivery_id, day=day, stores=stores, passes=passes)


def tokens(feed: Feed, typed: polars.DataFrame, connection: psycopg.Connection, *, passes: bool = False) -> list[str]:
    """Return the person of each row of ``typed``, as ``feed.person`` says; "-…" where it names nobody.

    With ``passes``, a row with a value that is sealed already keeps its person.
    """
    digits = typed.select(
        polars.coalesce(
            *(
                (polars.col(name).str.replace_all("[^0-9]", "") if name.endswith("_phone") else polars.col(name))
                .str.strip_chars(" ")
                .replace("", None)
                for name in feed.person
            )
        )
    ).to_series()
    secret = data_key.derived("persons")
    if feed.is_party:
        named = _party_keys(connection, digits.drop_nulls().unique().to_list())
        people = [named[text] if text is not None else None for text in digits]
    else:
        people = [digest(secret, feed, text) if text is not None else None for text in digits]
    rows = [
        "-" + digest(secret, feed, key or "") if person is None else person
        for key, person in zip(typed[feed.key[0]], people, strict=True)
    ]
    if passes:
        for name in feed.sealed_fields:
            for place, text in enumerate(typed[name]):
                if text is not None and text.startswith(MARK):
                    rows[place] = text.split(":", 2)[1]
    return rows


def digest(secret: bytes, feed: Feed, text: str) -> str:
    """Return the digest that stands for a person of ``feed``, known by ``text``."""
    return hmac.new(secret, f"{feed.name}\n{text}".encode(), hashlib.sha256).hexdigest()[:32]


def _party_keys(connection: psycopg.Connection, names: list[str]) -> dict[str, str]:
    """Return the keys of names as the views of parties make them: payments and parties meet in them."""
    rows = connection.execute("select name, party_key from raw.party_keys(%s)", (names,)).fetchall()
    return {name: party_key for name, party_key in rows}


def unseal(connection: psycopg.Connection, feed: str, about: str, values: Sequence[str]) -> list[str]:
    """Return values in plain; ``ERASED`` where the key is gone. ``about`` is the field, or "payload" of refused rows.

    Values that are not sealed are returned as they are. DataKeyError when no key is given and one of them is.
    """
    if not any(value.startswith(MARK) for value in values):
        return list(values)
    parts = [value.split(":", 3) if value.startswith(MARK) else None for value in values]
    keys = Keys(feed, connection, stores=False)
    ciphers = keys.of([(part[1], int(part[2])) for part in parts if part])
    bound = [about.encode() if about == "payload" else f"{feed}.{about}".encode()]
    return [
        value if part is None else _plain(ciphers[part[1], int(part[2])], part[3], bound)
        for value, part in zip(values, parts, strict=True)
    ]


def _plain(cipher: AESSIV | None, text: str, bound: list[bytes]) -> str:
    if cipher is None or not text:
        return ERASED
    try:
        plain = cipher.decrypt(base64.b64decode(text), bound)
    except InvalidTag:
        return ERASED
    return "" if plain == b"\0" else plain.decode()


def _text(owner: Key, octets: bytes) -> str:
    return f"{MARK}{owner[0]}:{owner[1]}:{base64.b64encode(octets).decode()}"


def _standing_value(version: dict[str, Any] | None, name: str, owner: Key) -> str:
    """Return what stands for an erased value: what its version in raw has, else that it was erased."""
    stands = version.get(name) if version else None
    return stands if stands and stands.startswith(f"{MARK}{owner[0]}:") else _text(owner, b"")
