"""What every reader hands on: blocks of rows, all values text, each row with the number a person sees."""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from property_credit.ingestion.contract import IngestionError
from property_credit.ingestion.profile import Profile

if TYPE_CHECKING:
    import numpy
    import polars

JOINED_ROWS = 6_000
UNNAMED = "\x00"  # begins the name of a column without a header: nothing may stand in it
INDEX = f"{UNNAMED}0"
LONGEST_HEADER, LEAST_NAMED, MOST_NAMED = 40, 3, 20
VALUE = re.compile(r"[0-9]{4}|@")  # a number, a day or an address: no header
REPEATED = "\x01"  # begins the name of an ignored column whose header appears twice

RECEIPT_COLUMNS = ("退回：行号", "退回：原因", "退回：如何办理", "退回：重报期限")  # a file sent again may keep them

Flags = dict[tuple[str, str | None], "numpy.ndarray"]


@dataclass(frozen=True)
class Block:
    """Consecutive rows of one source.

    ``frame`` holds one text column a header (null: empty), ``row_numbers`` int64 of the same height,
    ``flags`` boolean masks of rows that the reader already knows to be wrong, by (reason code, header or None),
    ``payloads`` the original text of the rows at the given positions, ``skipped`` blank rows left out.
    """

    frame: "polars.DataFrame"
    row_numbers: "numpy.ndarray"
    payloads: Callable[[Sequence[int]], list[str]]
    flags: Flags = field(default_factory=dict)
    skipped: int = 0

    def where(self, mask: "numpy.ndarray") -> "Block":
        """Return the block of the rows that ``mask`` is true for; the others are left out and not counted."""
        import numpy
        import polars

        places = numpy.flatnonzero(mask)
        flags = {key: flag[places] for key, flag in self.flags.items()}
        return Block(
            frame=self.frame.filter(polars.Series(mask)),
            row_numbers=self.row_numbers[places],
            payloads=lambda chosen: self.payloads([int(places[place]) for place in chosen]),
            flags={key: flag for key, flag in flags.items() if flag.any()},
            skipped=self.skipped,
        )


def joined(blocks: Iterator[Block]) -> Iterator[Block]:
    """Yield the same rows in fewer blocks: what checking a block costs however small it is outweighs a few rows.

    Memory: blocks are joined until they have ``JOINED_ROWS`` rows together, and given on.
    """
    held: list[Block] = []
    for block in blocks:
        held.append(block)
        if sum(one.frame.height for one in held) >= JOINED_ROWS:
            yield _join(held)
            held = []
    if held:
        yield _join(held)


def _join(blocks: list[Block]) -> Block:
    import numpy
    import polars

    if len(blocks) == 1:
        return blocks[0]
    ends = numpy.cumsum([block.frame.height for block in blocks])
    keys = dict.fromkeys(key for block in blocks for key in block.flags)

    def payloads(places: Sequence[int]) -> list[str]:
        owners = numpy.searchsorted(ends, places, side="right")
        starts = ends - [block.frame.height for block in blocks]
        return [
            blocks[owner].payloads([int(place - starts[owner])])[0] for place, owner in zip(places, owners, strict=True)
        ]

    return Block(
        frame=polars.concat([block.frame for block in blocks], rechunk=True),
        row_numbers=numpy.concatenate([block.row_numbers for block in blocks]),
        payloads=payloads,
        flags={
            key: numpy.concatenate([block.flags.get(key, numpy.zeros(block.frame.height, bool)) for block in blocks])
            for key in keys
        },
        skipped=sum(block.skipped for block in blocks),
    )


def find_header(rows: Iterator[list[str]], profile: Profile, where: str) -> tuple[int, list[str]]:
    """Return the 1-based number of the header row and its trimmed headers.

    Consumes ``rows`` up to and including it. IngestionError when it is not where the profile says.
    """
    wanted = profile.header
    assert wanted is not None  # the profile's own check
    if wanted.none:
        return 0, list(wanted.names or [])
    seen = 0
    for number, row in enumerate(rows, start=1):
        seen = number
        headers = [clean_header(cell) for cell in row]
        if number == wanted.row or (wanted.find and set(wanted.find) <= set(headers)):
            return number, headers
        if number >= (wanted.row or wanted.within_rows):
            break
    if seen == 0:
        raise IngestionError(f"{where}: the file is empty")
    if wanted.row:
        raise IngestionError(f"{where}: row {wanted.row} should be the header, but the file has {seen} rows")
    raise IngestionError(
        f"{where}: none of the first {seen} rows holds the headers {', '.join(wanted.find or [])}; "
        f"is it another export, or is profile {profile.name}'s `encoding` or `header` wrong?"
    )


def clean_header(cell: str | None) -> str:
    """Return a header without the whitespace and line breaks that spreadsheets put into it."""
    return " ".join((cell or "").replace("\ufeff", "").split())


def check_headers(headers: list[str], profile: Profile, where: str) -> list[str]:
    """Return unique column names for ``headers``; IngestionError on one that is unknown, double or missing."""
    aliases = {alias: name for name, names in profile.columns.items() for alias in names}
    wide = profile.unpivot
    items = [header for header in headers if wide and wide.takes(header)]
    made = {wide.name, wide.value} if wide else set()
    if wide and not items:
        raise IngestionError(f"{where}: none of its columns is one of `unpivot`: {', '.join(wide.columns)}")
    used, ignored = profile.used_headers(), {*profile.ignore, *RECEIPT_COLUMNS, *items, *profile.match_headers()}
    unknown = [header for header in headers if header and header not in aliases | dict.fromkeys(used | ignored)]
    if unknown:
        raise IngestionError(
            f"{where}: unknown column {shown(unknown, headers, profile)}: "
            f"add it to `columns` or to `ignore` of profile {profile.name}"
        )
    twice = sorted({header for header in headers if header and headers.count(header) > 1 and header not in ignored})
    if twice:
        raise IngestionError(f"{where}: the column {shown(twice, headers, profile)} appears twice in the header")
    for name, names in profile.columns.items():
        present = [alias for alias in names if alias in headers]
        if len(present) > 1:
            raise IngestionError(
                f"{where}: the columns {' and '.join(present)} are both {name} to profile {profile.name}"
            )
        if not present and name not in profile.optional and made.isdisjoint(names):
            raise IngestionError(f"{where}: the column {' / '.join(names)} ({name}) is missing")
    for name, match in profile.match.items():
        if name not in profile.columns and {*match.name, *match.address, *made}.isdisjoint(headers):
            raise IngestionError(f"{where}: the column {' / '.join(match.name)} (the name of {name}) is missing")
    absent = sorted(used - set(headers) - set(aliases))
    if absent:
        raise IngestionError(f"{where}: the column {', '.join(absent)}, which profile {profile.name} uses, is missing")
    return [
        header if header and header not in headers[:place] else f"{REPEATED if header else UNNAMED}{place}"
        for place, header in enumerate(headers)
    ]


def shown(names: list[str], headers: list[str], profile: Profile) -> str:
    """Return headers as a message may show them: by name only where the row is a header and they look like one.

    A row of values that stands where the header should be, or behind it for want of a line end, is told by places.
    """
    needed = [aliases for name, aliases in profile.columns.items() if name not in profile.optional]
    present = sum(not set(aliases).isdisjoint(headers) for aliases in needed)
    is_header = 2 * present >= len(needed) and len(names) <= max(present, LEAST_NAMED)
    return ", ".join(
        name
        if is_header and len(name) <= LONGEST_HEADER and not VALUE.search(name)
        else f"number {headers.index(name) + 1 if name in headers else '?'} ({len(name)} characters)"
        for name in names[:MOST_NAMED]
    ) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")


def values_without_header(frame: "polars.DataFrame") -> Flags:
    """Return the mask of rows that hold a value under no header, if there are any.

    A first column without a header that only counts (0, 1, 2 …) is the index that some programs write.
    """
    import polars

    unnamed = [name for name in frame.columns if name.startswith(UNNAMED) and frame[name].null_count() < frame.height]
    if not unnamed:
        return {}
    cells = [polars.col(name).str.strip_chars() for name in unnamed]
    is_value = [
        (cell != "") & ~cell.str.contains("^[0-9]+$") if name == INDEX else cell != ""
        for name, cell in zip(unnamed, cells, strict=True)
    ]
    mask = frame.select(polars.any_horizontal(is_value).fill_null(False)).to_series().to_numpy()
    return {("ROW_WRONG_WIDTH", None): mask} if mask.any() else {}
