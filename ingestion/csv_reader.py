"""CSV of any size, by blocks: memory does not grow with the file, and blocks may be cut anywhere.

One block is converted to UTF-8, looked at (quotes, separators, blank lines) and parsed by polars when it is regular.
Anything else – a stray quote, a short or long row, a blank line – sends the few lines around it through the csv module,
which gives the same rows and says which are wrong. So a bad row costs milliseconds, wherever it stands.
"""

import csv
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy
import polars

from ingestion.blocks import UNNAMED, Block, Flags, check_headers, find_header, values_without_header
from ingestion.contract import IngestionError
from ingestion.profile import Profile
from ingestion.transcoding import Transcoder, Unreadable

BLOCK_BYTES = 11 << 19  # checking one costs 7 ms however small it is; 3.5 MiB took 65 MiB less memory, 5 % more time
FEW_BYTES = 64 << 10  # what goes through the csv module at a time
RECORD_BYTES = 32 << 20  # one row; a quote that is never closed would otherwise swallow the file
HEAD_BYTES = 1 << 20
NEW_LINE, QUOTE = 10, 34
BYTE_ORDER_MARK = "\ufeff".encode()

csv.field_size_limit(sys.maxsize)


def read(path: Path, profile: Profile, *, block_bytes: int = BLOCK_BYTES) -> Iterator[Block]:
    """Yield the rows below the header of ``path`` as blocks.

    IngestionError when the file is empty, has no such header, unknown columns, or a quote that is never closed.
    """
    name = path.name
    transcoder = Transcoder(profile.encoding)
    with path.open("rb") as stream:
        lines = _Lines(stream, transcoder, profile, block_bytes)
        if not lines.more():
            raise IngestionError(f"{name}: the file is empty")
        number, headers, consumed = _header(lines, profile, name)
        columns = check_headers(headers, profile, name)
        lines.drop(consumed)
        yield from _blocks(lines, profile, columns, name, number)


class _Lines:
    """Whole lines of UTF-8 not yet parsed, and which of them were unreadable."""

    def __init__(self, stream: BinaryIO, transcoder: Transcoder, profile: Profile, block_bytes: int) -> None:
        self.buffer = b""
        self.torn: set[int] = set()  # line numbers in buffer, from 0
        self.is_end = False
        self._raw = b""
        self._is_first = True
        self._stream, self._transcoder, self._block_bytes = stream, transcoder, block_bytes
        self._ending = profile.line_ending
        if self._ending == "auto":
            head = stream.read(HEAD_BYTES)
            stream.seek(0)
            self._ending = "lf" if b"\n" in head or b"\r" not in head else "cr"
        self._decoder = None if transcoder.is_line_safe else _Incremental(transcoder.codec)

    def more(self) -> bool:
        """Add at least one line; False at the end of the file."""
        while not self.is_end:
            chunk = self._stream.read(self._block_bytes)
            if self._decoder:
                chunk = self._decoder.decode(chunk)
            self.is_end = not chunk
            raw = self._raw + chunk if self._raw else chunk
            if not raw:
                return False
            raw = self._one_line_end(raw)
            cut = len(raw) if self.is_end else raw.rfind(b"\n") + 1
            self._raw = raw[cut:]
            if len(self._raw) > RECORD_BYTES:
                raise IngestionError(f"a line longer than {RECORD_BYTES >> 20} MiB: is this a text file?")
            if cut:
                self._add(raw[:cut] if cut < len(raw) else raw)
                return True
        return False

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
        if self._ending == "cr":
            return raw.replace(b"\r", b"\n")
        held = raw.endswith(b"\r") and not self.is_end  # its line feed may be in the next chunk
        raw = raw.replace(b"\r\n", b"\n")
        return raw[:-1].replace(b"\r", b" ") + b"\r" if held else raw.replace(b"\r", b" ")

    def _add(self, raw: bytes) -> None:
        base = self.buffer.count(b"\n") if self.buffer else 0
        text = self._to_utf8(raw, base)
        if self._is_first:
            text, self._is_first = text.removeprefix(BYTE_ORDER_MARK), False
        if self.is_end and text and not text.endswith(b"\n"):
            text += b"\n"
        self.buffer = self.buffer + text if self.buffer else text

    def _to_utf8(self, raw: bytes, first: int) -> bytes:
        """Return the lines from number ``first`` on as UTF-8; the torn ones are found by halving, and noted."""
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

    def decode(self, chunk: bytes) -> bytes:
        try:
            return self._decoder.decode(chunk, final=not chunk).encode()
        except UnicodeDecodeError as error:
            raise IngestionError(f"byte {error.start} cannot be read as {error.encoding}") from error


class _Records(Iterator[list[str]]):
    """The csv module over lines of bytes, with how many lines each record took and whether its quote was closed."""

    def __init__(self, lines: Sequence[bytes], profile: Profile) -> None:
        self._lines = lines
        self.taken = 0
        self.ran_out = False
        quoting = csv.QUOTE_MINIMAL if profile.quote else csv.QUOTE_NONE
        self._reader = csv.reader(
            self._feed(),
            delimiter=profile.delimiter,
            quotechar=profile.quote or None,
            quoting=quoting,  # type: ignore[arg-type]
        )

    def _feed(self) -> Iterator[str]:
        for line in self._lines:
            self.taken += 1
            yield line.decode() + "\n"
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
        is_all = len(part) == len(lines.buffer)
        is_end = is_all and lines.is_end
        shape = _Shape(part, profile)
        taken = len(part) if is_end and shape.is_closed else shape.complete
        block = _parse(part[:taken], profile, columns, number, shape, lines.torn)
        if block is not None:
            records, window = block.frame.height, min(2 * window, RECORD_BYTES)
        elif not shape.is_regular or taken or is_end:
            window = max(len(part) // 2, least)
            if len(lines.head(window)) < len(part):
                continue
            taken, records, block = _parse_slowly(part, profile, columns, number, lines.torn, is_end=is_end)
        if block is None or not taken:  # a quote is open here; its record ends further on
            least = window = 2 * len(part)
            if is_all:
                _grow(lines, name, number)
            continue
        least = FEW_BYTES
        number += records
        lines.drop(taken)
        yield block


def _grow(lines: _Lines, name: str, number: int) -> None:
    if len(lines.buffer) > RECORD_BYTES:
        raise IngestionError(
            f"{name}: row {number + 1}: a quote is opened and not closed within {RECORD_BYTES >> 20} MiB"
        )
    lines.more()


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
        found, separators = self._rows(size)
        return found == records and separators == records * (columns - 1)

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
    records = _Records(split, profile)
    first = count = 0
    for row in records:
        if records.ran_out and not is_end:
            break  # its quote is still open: it goes on in the next block
        count += 1
        last, start = records.taken, first
        first = last
        if not any(cell and not cell.isspace() for cell in row):
            continue
        rows.append((row + [""] * width)[:width] if len(row) != width else row)
        numbers.append(number + count)
        spans.append((start, last))
        wrong_width.append(len(row) < named or any(row[named:]))
        unreadable.append(bool(torn) and any(line in torn for line in range(start, last)))
    frame = polars.DataFrame(
        {column: [row[place] or None for row in rows] for place, column in enumerate(columns)},
        schema=dict.fromkeys(columns, polars.String),
    )
    flags: Flags = {
        ("TEXT_UNREADABLE", None): numpy.array(unreadable, bool),
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
