"""A paged JSON API with a cursor: pages are kept byte for byte, numbers keep their digits, retries back off."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy
import polars

from ingestion.blocks import Block, Flags
from ingestion.contract import IngestionError
from ingestion.profile import Profile
from warehouse.settings import get_settings

TIMEOUT_SECONDS = 30.0
ATTEMPTS = 6
WAIT_AT_MOST_SECONDS = 60.0
NOT_TEXT = re.compile("[\x00\ud800-\udfff]")
ODD_BYTES = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])|\xed[\xa0-\xbf]|\x00")  # only in these is there NOT_TEXT
ODD_STARTS = (b"\\u", b"\xed", b"\x00")  # looked for first: a tenth of what the expression costs


@dataclass(frozen=True)
class Page:
    """One answer as it came, and the cursor it hands on (null: this was the last)."""

    content: bytes
    next_cursor: str | None


def pull(profile: Profile, *, cursor: str | None, until: date) -> Iterator[Page]:
    """Yield the pages from ``cursor`` on (None: from the beginning) with what changed up to ``until``.

    Retries on a broken connection, 429 and 5xx. IngestionError when the address is not set, the server keeps
    failing, or an answer is not the JSON that the profile describes.
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

    with httpx.Client(base_url=base, timeout=TIMEOUT_SECONDS) as client:
        while True:
            query: dict[str, Any] = {profile.page_size_param: profile.page_size, profile.until_param: until.isoformat()}
            if cursor is not None:
                query[profile.cursor_param] = cursor
            try:
                for attempt in stamina.retry_context(on=is_passing, attempts=ATTEMPTS, timeout=WAIT_AT_MOST_SECONDS):
                    with attempt, client.stream("GET", profile.path, params=query) as answer:
                        answer.raise_for_status()
                        content = b"".join(answer.iter_bytes())  # read whole by httpx, it costs 0.3 MiB a page for good
            except httpx.HTTPError as error:
                raise IngestionError(f"profile {profile.name}: {base}{profile.path}: {error}") from error
            document = _document(content, profile)
            if not document[profile.records]:
                return
            following = document.get(profile.next)
            page = Page(content=content, next_cursor=None if following is None else str(following))
            yield page
            if page.next_cursor is None or page.next_cursor == cursor:
                return
            cursor = page.next_cursor


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
        found = json.loads(content, parse_float=str, parse_int=str)
    except ValueError as error:
        raise IngestionError(f"profile {profile.name}: the answer is not JSON: {error}") from error
    if not isinstance(found, dict) or not isinstance(found.get(profile.records), list):
        raise IngestionError(f"profile {profile.name}: the answer has no list {profile.records!r}")
    if not all(isinstance(record, dict) for record in found[profile.records]):
        raise IngestionError(f"profile {profile.name}: an entry of {profile.records!r} is not an object")
    return found


def _columns(records: list[dict[str, Any]], profile: Profile) -> dict[str, Sequence[Any]]:
    """Return the values of each name that the profile uses, None where a record lacks it.

    IngestionError names what the profile does not know. Records mostly have the same names in the same order, and are
    then turned by whole rows.
    """
    used = [alias for names in profile.columns.values() for alias in names]
    used += sorted(profile.used_headers() - set(used))
    orders = set(map(tuple, records))
    unknown = sorted({name for names in orders for name in names} - set(used) - set(profile.ignore))
    if unknown:
        raise IngestionError(
            f"profile {profile.name}: unknown name {', '.join(unknown)}: add it to `columns` or to `ignore`"
        )
    if len(orders) != 1:
        return {name: [record.get(name) for record in records] for name in used}
    found = dict(zip(orders.pop(), zip(*(record.values() for record in records), strict=True), strict=True))
    return {name: found.get(name, ()) or [None] * len(records) for name in used}


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
        found = polars.Series(values, dtype=polars.String)
    except TypeError:  # some are no texts
        return polars.Series(list(map(_text, values)), dtype=polars.String)
    return found.set(found == "", None) if has_empty_text and (found == "").any() else found


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
