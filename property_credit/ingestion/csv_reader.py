"""CSV of any size, by blocks: memory does not grow with the file, and blocks may be cut anywhere.

One block is converted to UTF-8, looked at (quotes, separators, blank lines) and parsed by polars when it is regular.
Anything else – a stray quote, a short or long row, a blank line – sends the few lines around it through the csv module,
which gives the same rows and says which are wrong. So a bad row costs milliseconds, wherever it stands. The lines of a
block are reconciled with its rows: a quoted value that runs over what look like rows refuses these, one by one.
"""

import csv
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy
import polars

from property_credit.ingestion import feeds, file_kinds
from property_credit.ingestion.blocks import UNNAMED, Block, Flags, check_headers, find_header, values_without_header
from property_credit.ingestion.contract import IngestionError
from property_credit.ingestion.profile import Profile
from property_credit.ingestion.transcoding import (
    LEAST_HAN,
    Transcoder,
    Unreadable,
    gb18030_lines,
    has_rare_letters,
    other_encoding,
    utf16_of,
)

BLOCK_BYTES = 11 << 19  # checking one costs 7 ms however small it is; 3.5 MiB took 65 MiB less memory, 5 % more time
FEW_BYTES = 64 << 10  # what goes through the csv module at a time
RECORD_BYTES = 8 << 20  # one line, of two million characters in any encoding
SURPLUS_CELLS = (
    1 << 20
)  # values beyond what the rows should have; polars takes 500 bytes for each before it refuses them
BLOCK_CELLS = 4 << 20  # blank lines are rows of nulls until they are told apart: 16 bytes a value
LOOK_AHEAD = 512 << 10  # a quote that is not closed by then was never meant to be: the longest text has 80 KiB
HEAD_BYTES = 1 << 20
NEW_LINE, QUOTE = 10, 34
BYTE_ORDER_MARK = "\ufeff".encode()
TYPED = re.compile(r"[-+−(（¥￥$£€]?\s*[0-9０-９.]|[-/—]$")  # begins like a date or a number

csv.field_size_limit(sys.maxsize)


def read(path: Path, profile: Profile, *, block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """Yield the rows below the header of ``path`` as blocks.

    IngestionError when the file is empty, has no such header, or unknown columns.
    """
    name = path.name
    if kind := file_kinds.kind_of(path):
        raise IngestionError(f"{name}: not a text file but {kind[1]}: {file_kinds.ADVICE[kind[0]]}")
    transcoder = Transcoder(profile.encoding)
    with path.open("rb") as stream:
        wide = utf16_of(stream.read(file_kinds.HEAD_BYTES))
        stream.seek(0)
        if wide and not transcoder.codec.startswith("utf-16"):
            raise IngestionError(f"{name}: the text is {wide}, the profile says {transcoder.codec}: correct `encoding`")
        if wide and transcoder.codec == "utf-16" and not stream.peek(2).startswith((b"\xff\xfe", b"\xfe\xff")):
            transcoder.codec = wide  # without its mark
        lines = _Lines(stream, transcoder, profile, block_bytes, name)
        if not lines.more():
            raise IngestionError(f"{name}: the file is empty")
        number, headers, consumed = _header(lines, profile, name)
        columns = check_headers(headers, profile, name)
        lines.drop(consumed)
        yield from _blocks(lines, profile, columns, name, number)


class _Lines:
    """Whole lines of UTF-8 not yet parsed, and which of them were unreadable."""

    def __init__(self, stream: BinaryIO, transcoder: Transcoder, profile: Profile, block_bytes: int, name: str) -> None:
        self.buffer = b""
        self.torn: set[int] = set()  # line numbers in buffer, from 0
        self.is_end = False
        self._name = name
        self._raw = b""
        self._is_first = True
        self._stream, self._transcoder, self._block_bytes = stream, transcoder, block_bytes
        self._ending: str = profile.line_ending
        if self._ending == "auto":
            head = stream.read(HEAD_BYTES)
            stream.seek(0)
            alone = head.count(b"\r") - head.count(b"\r\n")
            self._ending = "cr" if alone > head.count(b"\n") else "mixed"
        self._delimiter = profile.delimiter.encode()
        self._delimiters: int | None = None  # in a row, where lone carriage returns must be told apart
        self._decoder = None if transcoder.is_line_safe else _Incremental(transcoder.codec)

    def more(self) -> bool:
        """Add at least one line; False at the end of the file."""
        while not self.is_end:
            chunk = self._stream.read(self._block_bytes)
            if self._decoder:
                chunk = self._decoder.decode(chunk, self._name)
            self.is_end = not chunk
            raw = self._raw + chunk if self._raw else chunk
            if not raw:
                return False
            cut = len(raw) if self.is_end else self._last_line_end(raw)
            self._raw = raw[cut:]
            if len(self._raw) > RECORD_BYTES:
                raise IngestionError(f"{self._name}: a line longer than {RECORD_BYTES >> 20} MiB: is this a text file?")
            if cut:
                self._add(self._one_line_end(raw[:cut] if cut < len(raw) else raw))
                return True
        return False

    def _last_line_end(self, raw: bytes) -> int:
        end = raw.rfind(b"\n") + 1
        # a carriage return at the very end may be half of a line end
        return max(end, raw.rfind(b"\r", 0, len(raw) - 1) + 1) if self._ending == "cr" else end

    def drop(self, size: int) -> None:
        """Forget the first ``size`` bytes, which end a line."""
        if self.torn:
            gone = self.buffer.count(b"\n", 0, size)
            self.torn = {line - gone for line in self.torn if line >= gone}
        self.buffer = self.buffer[size:]

    def head(self, size: int) -> bytes:
        """Return the first whole lines: ``size`` bytes, and what the last line has beyond them."""
        if size >= len(self.buffer):
            return self.buffer
        return self.buffer[: self.buffer.find(b"\n", size - 1) + 1]

    def _one_line_end(self, raw: bytes) -> bytes:
        if b"\r" not in raw:
            return raw
        raw = raw.replace(b"\r\n", b"\n")
        if self._ending == "cr":
            return raw.replace(b"\r", b"\n")
        if b"\r" not in raw or self._ending != "mixed":
            return raw.replace(b"\r", b" ")
        lines = raw.split(b"\n")
        if self._delimiters is None:
            counts = Counter(line.count(self._delimiter) for line in lines if b"\r" not in line and line)
            counts = counts or Counter(line.count(self._delimiter) for line in raw.split(b"\r"))
            self._delimiters = counts.most_common(1)[0][0]
        return b"\n".join(self._rows_of(line) if b"\r" in line else line for line in lines)

    def _rows_of(self, line: bytes) -> bytes:
        """Return a line with lone carriage returns as the rows it is made of; one inside a text becomes a space."""
        rows: list[bytes] = []
        is_whole = True
        for part in line.split(b"\r"):
            if is_whole and (part.count(self._delimiter) >= (self._delimiters or 1) or not rows):
                rows.append(part)
            else:
                rows[-1] += b" " + part
            is_whole = rows[-1].count(self._delimiter) >= (self._delimiters or 1)
        return b"\n".join(rows)

    def _add(self, raw: bytes) -> None:
        if self._transcoder.codec != "utf-8" and self._decoder is None:
            if other := other_encoding(raw, self._transcoder.codec):
                raise IngestionError(
                    f"{self._name}: the text is {other}, the profile says {self._transcoder.codec}: correct `encoding`"
                )
        base = self.buffer.count(b"\n") if self.buffer else 0
        text = self._to_utf8(raw, base)
        if self._transcoder.codec == "utf-8" and (self.torn or has_rare_letters(raw)):
            self._note_gb18030(raw, base)
        if self._is_first:
            text, self._is_first = text.removeprefix(BYTE_ORDER_MARK), False
        if self.is_end and text and not text.endswith(b"\n"):
            text += b"\n"
        self.buffer = self.buffer + text if self.buffer else text

    def _note_gb18030(self, raw: bytes, first: int) -> None:
        """Note lines of GB 18030 in a file that should be UTF-8; IngestionError where most of it is so."""
        places = gb18030_lines(raw)
        if len(places) >= LEAST_HAN and 2 * len(places) > sum(not line.isascii() for line in raw.split(b"\n")):
            raise IngestionError(f"{self._name}: the text is gb18030, the profile says utf-8: correct `encoding`")
        self.torn |= {first + place for place in places}

    def _to_utf8(self, raw: bytes, first: int) -> bytes:
        """Return the lines from number ``first`` on as UTF-8; torn ones are located by halving and noted."""
        try:
            text = raw if self._decoder else self._transcoder.to_utf8(raw)
            if b"\x00" not in text:
                return text
        except Unreadable:
            pass
        middle = raw.rfind(b"\n", 0, len(raw) // 2) + 1 or raw.find(b"\n") + 1
        if 0 < middle < len(raw):
            count = raw.count(b"\n", 0, middle)
            return self._to_utf8(raw[:middle], first) + self._to_utf8(raw[middle:], first + count)
        self.torn.add(first)
        line = raw.removesuffix(b"\n")
        converted = line if self._decoder else self._transcoder.line_to_utf8(line)[0]
        return converted.replace(b"\x00", "␀".encode()) + raw[len(line) :]


class _Incremental:
    """Encodings whose line feeds are not one byte (UTF-16): decoded as a stream, an error refuses the file."""

    def __init__(self, codec: str) -> None:
        import codecs

        self._decoder = codecs.getincrementaldecoder(codec)()

    def decode(self, chunk: bytes, name: str) -> bytes:
        try:
            return self._decoder.decode(chunk, final=not chunk).encode()
        except UnicodeDecodeError as error:
            raise IngestionError(f"{name}: byte {error.start} cannot be read as {error.encoding}") from error


class _Records(Iterator[list[str]]):
    """The csv module over lines of bytes, with how many lines each record took and whether its quote was closed."""

    def __init__(self, lines: Sequence[bytes], profile: Profile, start: int = 0) -> None:
        self._lines, self._start = lines, start
        self.taken = start
        self.ran_out = False
        quoting = csv.QUOTE_MINIMAL if profile.quote else csv.QUOTE_NONE
        self._reader = csv.reader(
            self._feed(),
            delimiter=profile.delimiter,
            quotechar=profile.quote or None,
            quoting=quoting,  # type: ignore[arg-type]
        )

    def _feed(self) -> Iterator[str]:
        for place in range(self._start, len(self._lines)):
            self.taken += 1
            yield self._lines[place].decode() + "\n"
        self.ran_out = True

    def __next__(self) -> list[str]:
        return next(self._reader)


def _header(lines: _Lines, profile: Profile, name: str) -> tuple[int, list[str], int]:
    """Return the header's row number, its headers and the bytes up to its end."""
    while True:
        split = lines.buffer[:-1].split(b"\n")
        records = _Records(split, profile)
        is_all = lines.is_end or len(lines.buffer) >= HEAD_BYTES
        try:
            number, headers = find_header(records, profile, name)
            if is_all or not records.ran_out:
                break
        except IngestionError:
            if is_all:
                raise
        lines.more()
    taken = records.taken if number else 0
    if lines.torn & set(range(taken)):
        raise IngestionError(f"{name}: row {number}: the header cannot be read as {profile.encoding}")
    return number, headers, sum(len(line) + 1 for line in split[:taken])


def _blocks(lines: _Lines, profile: Profile, columns: list[str], name: str, number: int) -> Iterator[Block]:
    """Yield blocks: of all lines at hand, or, where these are not regular, of few at a time until they are again."""
    window, least = RECORD_BYTES, FEW_BYTES
    while True:
        if not lines.buffer and not lines.more():
            return
        part = lines.head(window)
        if (cells := part.count(b"\n") * len(columns)) > BLOCK_CELLS:
            part = lines.head(len(part) * BLOCK_CELLS // cells)
        is_all = len(part) == len(lines.buffer)
        is_end = is_all and lines.is_end
        shape = _Shape(part, profile)
        taken = len(part) if is_end and shape.is_closed else shape.complete
        block = _parse(part[:taken], profile, columns, number, shape, lines.torn)
        if block is not None:
            records, window = block.frame.height, min(2 * window, RECORD_BYTES)
        elif not shape.is_regular or taken or is_end or len(part) > 2 * LOOK_AHEAD:
            window = max(len(part) // 2, least)
            if len(lines.head(window)) < len(part):
                continue
            taken, records, block = _parse_slowly(part, profile, columns, number, lines.torn, is_end=is_end)
        if block is None or not taken:  # a quote is open here; its record ends further on
            least = window = 2 * len(part)
            if is_all:
                lines.more()
            continue
        least = FEW_BYTES
        number += records
        lines.drop(taken)
        yield block


class _Shape:
    """Where the quotes of a buffer are, whether each stands where a quote may, and where the last row ends."""

    def __init__(self, buffer: bytes, profile: Profile) -> None:
        self.buffer, self.delimiter = buffer, profile.delimiter
        self.is_regular, self.is_closed, self.complete = True, True, len(buffer)
        self.quotes = numpy.empty(0, dtype=numpy.int64)
        if len(profile.delimiter.encode()) != 1:
            self.is_regular = False
            return
        if not profile.quote or b'"' not in buffer:
            return
        octets = numpy.frombuffer(buffer, dtype=numpy.uint8)
        self.quotes = quotes = numpy.flatnonzero(octets == QUOTE)
        beside = (ord(profile.delimiter), NEW_LINE, QUOTE)
        opening, closing = quotes[0::2], quotes[1::2]
        before = numpy.where(opening > 0, octets[opening - 1], NEW_LINE)
        after = octets[numpy.minimum(closing + 1, len(octets) - 1)]  # the buffer ends with a line feed
        # an opening quote after a quote is the second half of "" only when that quote is its neighbour, as it is here
        self.is_regular = bool(numpy.isin(before, beside).all() and numpy.isin(after, beside).all())
        self.is_closed = len(quotes) % 2 == 0
        if self.is_regular and not self.is_closed:
            end = buffer.rfind(b"\n", 0, int(quotes[-1]))
            while end >= 0 and numpy.searchsorted(quotes, end) % 2:
                end = buffer.rfind(b"\n", 0, end)
            self.complete = end + 1

    def fits(self, size: int, *, records: int, columns: int) -> bool:
        """Say whether the first ``size`` bytes hold ``records`` rows with ``columns`` values each."""
        rows, separators = self._rows(size)
        return rows == records and separators == records * (columns - 1)

    def hides_rows(self, size: int, columns: int, *, has_types: bool) -> bool:
        """Say whether a quoted value goes over more lines than a text has, or over one with a row's delimiters."""
        octets = numpy.frombuffer(self.buffer, dtype=numpy.uint8, count=size)
        ends = numpy.flatnonzero(octets == NEW_LINE)
        is_inside = numpy.searchsorted(self.quotes, ends) % 2 == 1
        if not is_inside.any():
            return False
        quotes = self.quotes[: numpy.searchsorted(self.quotes, size)]
        if (quotes[1::2] - quotes[0::2][: len(quotes) // 2] > LOOK_AHEAD // 2).any():
            return True
        places = numpy.flatnonzero(is_inside)
        delimiters = numpy.flatnonzero(octets == ord(self.delimiter))
        starts, stops = ends[places], ends[numpy.minimum(places + 1, len(ends) - 1)]
        counts = numpy.searchsorted(delimiters, stops) - numpy.searchsorted(delimiters, starts)
        return has_types and bool((counts >= columns - 1).any())

    def _rows(self, size: int) -> tuple[int, int]:
        """Return how many records and separators (outside quotes) the first ``size`` bytes hold."""
        part = self.buffer if size == len(self.buffer) else self.buffer[:size]
        octets = numpy.frombuffer(part, dtype=numpy.uint8)
        records = int(numpy.count_nonzero(octets == NEW_LINE))
        separators = int(numpy.count_nonzero(octets == ord(self.delimiter)))
        if len(self.quotes):
            quoted = b"".join(part.split(b'"')[1::2])
            records -= quoted.count(b"\n")
            separators -= quoted.count(self.delimiter.encode())
        return records, separators


def _parse(
    data: bytes, profile: Profile, columns: list[str], number: int, shape: _Shape, torn: set[int]
) -> Block | None:
    """Return the block of a regular buffer; None where polars alone could lose or invent something."""
    if not data or not shape.is_regular:
        return None
    if data.count(profile.delimiter.encode()) - data.count(b"\n") * len(columns) > SURPLUS_CELLS:
        return None
    if len(columns) == 1 and (b'""' in data or b"\n\n" in data or data.startswith(b"\n")):
        return None  # an empty value and a blank line look the same
    try:
        frame = polars.read_csv(
            data,
            has_header=False,
            schema=dict.fromkeys(columns, polars.String),
            separator=profile.delimiter,
            quote_char=profile.quote or None,
        )
    except polars.exceptions.PolarsError:
        return None
    if data.count(b"\n") != frame.height:  # lines that are no rows: inside a text, or swallowed by a quote
        has_types = bool(_typed_places(profile, columns))
        if shape.hides_rows(len(data), len(columns), has_types=has_types):
            return None
    # polars fills a short or blank row with nulls and refuses a long one: no null in the last column, no such row
    is_full = frame[frame.columns[-1]].null_count() == 0
    if not is_full and not shape.fits(len(data), records=frame.height, columns=len(columns)):
        return None
    records = frame.height
    return Block(
        frame=frame,
        row_numbers=numpy.arange(number + 1, number + 1 + records, dtype=numpy.int64),
        payloads=partial(_payloads, data, shape.quotes),
        flags=_torn_rows(data, shape.quotes, torn, records) | values_without_header(frame),
    )


def _torn_rows(data: bytes, quotes: numpy.ndarray, torn: set[int], records: int) -> Flags:
    """Return the mask of rows with a torn line, if there are any; a quoted value may make a row of many lines."""
    if not torn:
        return {}
    starts = numpy.concatenate([[0], _line_ends(data)[:-1] + 1])
    lines = [line for line in torn if line < len(starts)]
    if not lines:
        return {}
    mask = numpy.zeros(records, bool)
    mask[numpy.searchsorted(_record_ends(data, quotes), starts[lines])] = True
    return {("TEXT_UNREADABLE", None): mask}


def _line_ends(data: bytes) -> numpy.ndarray:
    return numpy.flatnonzero(numpy.frombuffer(data, dtype=numpy.uint8) == NEW_LINE)


def _record_ends(data: bytes, quotes: numpy.ndarray) -> numpy.ndarray:
    ends = _line_ends(data)
    return ends[numpy.searchsorted(quotes, ends) % 2 == 0] if len(quotes) else ends


def _payloads(data: bytes, quotes: numpy.ndarray, places: Sequence[int]) -> list[str]:
    ends = _record_ends(data, quotes)
    return [data[(ends[place - 1] + 1 if place else 0) : ends[place]].decode() for place in places]


class _Rows:
    """Rows of a few lines, one by one: the careful reading."""

    def __init__(self, split: list[bytes], profile: Profile, columns: list[str], *, is_end: bool) -> None:
        self.split, self.profile, self.columns, self.is_end = split, profile, columns, is_end
        self.typed = _typed_places(profile, columns)

    def spans(self) -> Iterator[tuple[int, int, list[str], bool]]:
        """Yield of each record its first line, the line after it, its values, and whether a quote ran over rows.

        A record whose quote is still open is left to the next block, unless the file ends or LOOK_AHEAD bytes went by:
        then its first line is refused alone and the lines after it are read for themselves. One that is closed, but
        over lines that look like rows, is refused line by line as far as it reaches.
        """
        place = 0
        records = _Records(self.split, self.profile)
        while (row := next(records, None)) is not None:
            end, again = records.taken, False
            if end - place > 1 or records.ran_out:
                size = sum(map(len, self.split[place:end])) + end - place
                if records.ran_out and not self.is_end and size <= LOOK_AHEAD:
                    return
                if records.ran_out or size > LOOK_AHEAD:
                    again = True
                elif self._runs_over_rows(place, end):
                    again = _is_closed(
                        self.split[end - 1], self.profile
                    )  # what closed it opens another: none closes it
                    if not again:
                        starts = [place, *filter(self._looks_like_a_row, range(place + 1, end)), end]
                        for first, after in zip(starts, starts[1:], strict=False):
                            yield first, after, self._cells(first), True
                        place = end
                        continue
            if again:
                yield place, place + 1, self._cells(place), True
                end = place + 1
                records = _Records(self.split, self.profile, end)
            else:
                yield place, end, row, False
            place = end

    def _runs_over_rows(self, first: int, end: int) -> bool:
        """Say whether a closed record holds lines that look like rows; where no column is typed, only if it is torn."""
        if not self.typed and not _is_torn(self.split[first:end], self.profile):
            return False
        return any(map(self._looks_like_a_row, range(first + 1, end)))

    def _looks_like_a_row(self, line: int) -> bool:
        """Say whether a line has a row's number of values, and in the typed columns what could be dates and numbers."""
        alone = _cells_alone(self.split[line], self.profile)
        by_delimiter = self.split[line].decode().split(self.profile.delimiter)
        return any(len(cells) == len(self.columns) and self._is_plausible(cells) for cells in (alone, by_delimiter))

    def _is_plausible(self, cells: list[str]) -> bool:
        texts = [cells[place].strip(' "') for place in self.typed]
        return not texts or (any(texts) and all(not text or TYPED.match(text) for text in texts))

    def _cells(self, line: int) -> list[str]:
        return _cells_alone(self.split[line], self.profile)


def _typed_places(profile: Profile, columns: list[str]) -> list[int]:
    """Return the places of columns that hold dates and numbers."""
    feed = feeds.get(profile.feed)
    aliases = {
        alias
        for name, names in profile.columns.items()
        for alias in names
        if feed.field(name).type in ("date", "timestamp", "decimal", "integer")
        and "chinese" not in profile.dates.get(name, [])
    }
    return [place for place, column in enumerate(columns) if column in aliases]


def _cells_alone(line: bytes, profile: Profile) -> list[str]:
    return next(_Records([line], profile), [])


def _is_closed(line: bytes, profile: Profile) -> bool:
    """Say whether every quote of the line is closed in it, and stands where a quote may."""
    shape = _Shape(line + b"\n", profile)
    return shape.is_regular and shape.is_closed


def _is_torn(lines: list[bytes], profile: Profile) -> bool:
    """Say whether a quote of the record stands where none may: one that was meant to open closes another."""
    return not _Shape(b"\n".join(lines) + b"\n", profile).is_regular


def _parse_slowly(
    data: bytes, profile: Profile, columns: list[str], number: int, torn: set[int], *, is_end: bool
) -> tuple[int, int, Block]:
    """Return the bytes taken, the records seen (blank ones too) and the block, from the csv module's reading."""
    split = data[:-1].split(b"\n")
    width = len(columns)
    named = max((place for place, column in enumerate(columns, 1) if not column.startswith(UNNAMED)), default=width)
    rows: list[list[str]] = []
    numbers: list[int] = []
    spans: list[tuple[int, int]] = []
    wrong_width: list[bool] = []
    unreadable: list[bool] = []
    over_rows: list[bool] = []
    first = count = 0
    for start, last, row, is_over_rows in _Rows(split, profile, columns, is_end=is_end).spans():
        count += 1
        first = last
        if not is_over_rows and not any(cell and not cell.isspace() for cell in row):
            continue
        rows.append((row + [""] * width)[:width] if len(row) != width else row)
        numbers.append(number + count)
        spans.append((start, last))
        wrong_width.append(not is_over_rows and (len(row) < named or any(row[named:])))
        unreadable.append(bool(torn) and any(line in torn for line in range(start, last)))
        over_rows.append(is_over_rows)
    frame = polars.DataFrame(
        {column: [row[place] or None for row in rows] for place, column in enumerate(columns)},
        schema=dict.fromkeys(columns, polars.String),
    )
    flags: Flags = {
        ("TEXT_UNREADABLE", None): numpy.array(unreadable, bool),
        ("QUOTE_OVER_ROWS", None): numpy.array(over_rows, bool),
        ("ROW_WRONG_WIDTH", None): numpy.array(wrong_width, bool),
    }
    block = Block(
        frame=frame,
        row_numbers=numpy.array(numbers, dtype=numpy.int64),
        payloads=lambda places: [b"\n".join(split[slice(*spans[place])]).decode() for place in places],
        flags={key: mask for key, mask in flags.items() if mask.any()},
        skipped=count - len(rows),
    )
    return sum(len(line) + 1 for line in split[:first]), count, block
