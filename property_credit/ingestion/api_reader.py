"""A paged JSON API with a cursor: pages are kept byte for byte, numbers keep their digits, retries back off."""

import json
import re
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy
import polars

from property_credit.ingestion.blocks import Block, Flags, shown
from property_credit.ingestion.contract import IngestionError
from property_credit.ingestion.profile import Profile
from property_credit.warehouse.settings import get_settings

if TYPE_CHECKING:
    import httpx

TIMEOUT_SECONDS = 30.0  # without a byte
ANSWER_SECONDS, ANSWER_BYTES = 120.0, 64 << 20  # a whole answer, however it drips
PULL_PAGES, PULL_BYTES, PULL_SECONDS = 20_000, 2 << 30, 3600.0  # then the rest waits for the next pull
ATTEMPTS = 6
WAIT_AT_MOST_SECONDS = 60.0
NOT_TEXT = re.compile("[\x00\ud800-\udfff]")
ODD_BYTES = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])|\xed[\xa0-\xbf]|\x00")  # only in these is there NOT_TEXT
ODD_STARTS = (b"\\u", b"\xed", b"\x00")  # looked for first: a tenth of what the expression costs


@dataclass(frozen=True)
class Page:
    """One answer as it came, and the cursor it hands on (null: this was the last).

    ``cut_off`` says which limit ends the pull here although there is more: the next pull goes on from the cursor.
    """

    content: bytes
    next_cursor: str | None
    cut_off: str | None = None


def pull(profile: Profile, *, cursor: str | None, until: date) -> Iterator[Page]:
    """Yield the pages from ``cursor`` on (None: from the beginning) with what changed up to ``until``.

    Retries on a broken connection, 429 and 5xx. IngestionError when the address is not set, the server keeps failing,
    an answer is not the JSON that the profile describes, too long or too slow, or a cursor comes back.
    """
    import httpx
    import stamina

    base = getattr(get_settings(), profile.url_setting or "", None)
    if not base:
        raise IngestionError(f"profile {profile.name}: set {str(profile.url_setting).upper()} to the API's address")

    def is_passing(error: Exception) -> bool:
        if isinstance(error, httpx.HTTPStatusError):
            return error.response.status_code == 429 or error.response.status_code >= 500
        return isinstance(error, httpx.TransportError)

    started, pages, size = time.monotonic(), 0, 0
    seen = {cursor}
    with httpx.Client(base_url=base, timeout=TIMEOUT_SECONDS) as client:
        while True:
            query: dict[str, Any] = {profile.page_size_param: profile.page_size, profile.until_param: until.isoformat()}
            if cursor is not None:
                query[profile.cursor_param] = cursor
            try:
                for attempt in stamina.retry_context(on=is_passing, attempts=ATTEMPTS, timeout=WAIT_AT_MOST_SECONDS):
                    with attempt:
                        content = _answer(client, profile, query)
            except httpx.HTTPError as error:
                raise IngestionError(f"profile {profile.name}: {base}{profile.path}: {_told(error)}") from error
            document = _document(content, profile)
            if not document[profile.records]:
                return
            following = document.get(profile.next)
            next_cursor = None if following is None else str(following)
            is_last = next_cursor is None or next_cursor == cursor
            if not is_last and next_cursor in seen:
                raise IngestionError(
                    f"profile {profile.name}: page {pages + 1} hands on a cursor that was asked for before: the server "
                    "repeats itself; nothing was loaded"
                )
            seen.add(next_cursor)
            pages, size = pages + 1, size + len(content)
            cut_off = None if is_last else _limit(pages, size, time.monotonic() - started)
            yield Page(content=content, next_cursor=next_cursor, cut_off=cut_off)
            if is_last or cut_off:
                return
            cursor = next_cursor


def _answer(client: "httpx.Client", profile: Profile, query: dict[str, Any]) -> bytes:
    """Return the body of one answer; a watch closes the connection when it takes too long, even over its headers."""
    is_late = threading.Event()

    def give_up() -> None:
        is_late.set()
        client.close()

    watch = threading.Timer(ANSWER_SECONDS, give_up)
    watch.daemon = True
    watch.start()
    pieces, size = [], 0
    try:
        with client.stream("GET", profile.path, params=query) as answer:
            answer.raise_for_status()
            for piece in answer.iter_bytes():  # read whole by httpx, it costs 0.3 MiB a page for good
                size += len(piece)
                if size > ANSWER_BYTES or is_late.is_set():
                    break
                pieces.append(piece)
    except Exception:  # closed from under it by another thread, a connection may raise anything
        if not is_late.is_set():
            raise
    finally:
        watch.cancel()
    if is_late.is_set():
        raise IngestionError(f"profile {profile.name}: an answer took more than {ANSWER_SECONDS:.0f} s")
    if size > ANSWER_BYTES:
        raise IngestionError(f"profile {profile.name}: an answer has more than {ANSWER_BYTES >> 20} MiB")
    return b"".join(pieces)


def _limit(pages: int, size: int, seconds: float) -> str | None:
    """Say which limit of a pull is reached."""
    for value, limit, words in (
        (pages, PULL_PAGES, f"{PULL_PAGES} pages"),
        (size, PULL_BYTES, f"{PULL_BYTES >> 20} MiB"),
        (seconds, PULL_SECONDS, f"{PULL_SECONDS:.0f} s"),
    ):
        if value >= limit:
            return f"the pull was ended after {words}; the next one goes on from there"
    return None


def _told(error: Exception) -> str:
    """Return what a message may say of an HTTP error: never the query, which holds the cursor."""
    answer = getattr(error, "response", None)
    return f"the server answers {answer.status_code}" if answer is not None else f"{type(error).__name__}: {error}"


def read(pages: list[Path], profile: Profile) -> Iterator[Block]:
    """Yield a block a page; a row's number is the ordinal of its record in the pull."""
    number = 0
    for path in pages:
        content = path.read_bytes()
        records = _document(content, profile)[profile.records]
        has_odd_text = any(start in content for start in ODD_STARTS) and ODD_BYTES.search(content) is not None
        yield _block(records, number + 1, profile, has_odd_text=has_odd_text, has_empty_text=b'""' in content)
        number += len(records)


def _document(content: bytes, profile: Profile) -> dict[str, Any]:
    try:
        document = json.loads(content, parse_float=str, parse_int=str)
    except (ValueError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else type(error).__name__
        raise IngestionError(f"profile {profile.name}: the answer is not JSON: {reason}") from error
    if not isinstance(document, dict) or not isinstance(document.get(profile.records), list):
        raise IngestionError(f"profile {profile.name}: the answer has no list {profile.records!r}")
    if not all(isinstance(record, dict) for record in document[profile.records]):
        raise IngestionError(f"profile {profile.name}: an entry of {profile.records!r} is not an object")
    return document


def _columns(records: list[dict[str, Any]], profile: Profile) -> dict[str, Sequence[Any]]:
    """Return the values of each name that the profile uses, None where a record lacks it.

    IngestionError names what the profile does not know. Records mostly have the same names in the same order, and are
    then turned by whole rows.
    """
    used = [alias for names in profile.columns.values() for alias in names]
    used += sorted((profile.used_headers() | profile.match_headers()) - set(used))
    orders = set(map(tuple, records))
    unknown = sorted({name for names in orders for name in names} - set(used) - set(profile.ignore))
    if unknown:
        raise IngestionError(
            f"profile {profile.name}: unknown name {shown(unknown, sorted(set(used)), profile)}: "
            "add it to `columns` or to `ignore`"
        )
    if len(orders) != 1:
        return {name: [record.get(name) for record in records] for name in used}
    columns = dict(zip(orders.pop(), zip(*(record.values() for record in records), strict=True), strict=True))
    return {name: columns.get(name, ()) or [None] * len(records) for name in used}


def _block(
    records: list[dict[str, Any]], first_number: int, profile: Profile, *, has_odd_text: bool, has_empty_text: bool
) -> Block:
    odd = numpy.zeros(len(records), bool)
    columns: dict[str, polars.Series] = {}
    for name, values in _columns(records, profile).items():
        if has_odd_text:
            odd |= [value is not None and NOT_TEXT.search(value) is not None for value in map(_text, values)]
            values = [value and NOT_TEXT.sub("␀", value) for value in map(_text, values)]
        columns[name] = _texts(values, has_empty_text=has_empty_text)
    flags: Flags = {("TEXT_UNREADABLE", None): odd} if odd.any() else {}
    return Block(
        frame=polars.DataFrame(columns),
        row_numbers=numpy.arange(first_number, first_number + len(records), dtype=numpy.int64),
        payloads=lambda places: [
            NOT_TEXT.sub("␀", json.dumps(records[place], ensure_ascii=False, sort_keys=True)) for place in places
        ],
        flags=flags,
    )


def _texts(values: Sequence[Any], *, has_empty_text: bool) -> polars.Series:
    """Return the values as texts, the empty ones as null."""
    try:
        texts = polars.Series(values, dtype=polars.String)
    except TypeError:  # some are no texts
        return polars.Series(list(map(_text, values)), dtype=polars.String)
    return texts.set(texts == "", None) if has_empty_text and (texts == "").any() else texts


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
