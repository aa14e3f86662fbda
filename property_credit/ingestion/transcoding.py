"""Bytes of an office's encoding become UTF-8: one table of characters on every path, glibc's iconv where it is right.

CPython's GB18030 table dates from 2000, glibc's from 2005: 25 two-byte codes and 19 four-byte ones differ (private
use there, real characters here; measured 2026 with glibc 2.36). The newer characters are the ones kept: what CPython
decodes is translated to them, and what glibc refuses is always left to CPython.
"""

import codecs
import ctypes
import ctypes.util
import re
from functools import cache

from property_credit.ingestion.contract import IngestionError

GB18030_NAMES = frozenset({"gb18030", "gbk", "gb2312", "cp936"})  # each is read as its superset
# CPython's private-use character for a two-byte code -> the character GB 18030-2005 gives that code
_TWO_BYTE = {
    0xE78D: 0xFE10, 0xE78E: 0xFE12, 0xE78F: 0xFE11, 0xE790: 0xFE13, 0xE791: 0xFE14, 0xE792: 0xFE15, 0xE793: 0xFE16,
    0xE794: 0xFE17, 0xE795: 0xFE18, 0xE796: 0xFE19, 0xE816: 0x20087, 0xE817: 0x20089, 0xE818: 0x200CC,
    0xE81E: 0x9FB4, 0xE826: 0x9FB5, 0xE82B: 0x9FB6, 0xE82C: 0x9FB7, 0xE831: 0x215D7, 0xE832: 0x9FB8, 0xE83B: 0x2298F,
    0xE843: 0x9FB9, 0xE854: 0x9FBA, 0xE855: 0x241FE, 0xE864: 0x9FBB,
}  # fmt: skip
GB18030_2005 = {**_TWO_BYTE, 0xE7C7: 0x1E3F, 0x1E3F: 0xE7C7}  # A8BC and 8135F437 changed places
HIGH_BYTES, PAIRED_SHARE = re.compile(rb"[\x81-\xfe]+"), 0.95  # accents of Latin texts stand alone
PAIRS = re.compile(rb"(?:[\xa1-\xf7][\xa1-\xfe])+")  # GB 2312, which nearly every simplified text keeps to
RARE_LEADS = bytes(range(0xCD, 0xE0))  # in UTF-8 first bytes of Greek to Arabic letters
SAMPLE_BYTES, ODD_SHARE = 64 << 10, 0.2
LEAST_HAN = 4  # 联通 reads as either, and so does 业业业业
_E2BIG_FACTOR = 1.5  # two bytes become at most three


class Unreadable(Exception):
    """Some bytes of the block mean nothing in the declared encoding."""


def other_encoding(block: bytes, codec: str) -> str | None:
    """Return the encoding that ``block`` really has, where it reads as ``codec`` too but certainly was not meant so.

    UTF-8 gives itself away: chance hardly makes a text of another encoding valid UTF-8, and never one with several
    Chinese characters. GB 18030 read as an encoding of single bytes does by its pairs of high bytes. Only headers in
    ASCII let such a file come this far.
    """
    if codec == "utf-8" or block.isascii():
        return None
    try:
        text = block.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    han = sum("\u4e00" <= character <= "\u9fff" for character in text)
    has_single_bytes = codec.startswith(("cp125", "iso8859", "latin"))
    if han >= LEAST_HAN or (has_single_bytes and text and len(block) - len(text) >= LEAST_HAN):
        return "utf-8"
    if codec == "gb18030" and _is_big5(block[:SAMPLE_BYTES]):
        return "big5"
    if has_single_bytes:
        runs = [len(run) for run in HIGH_BYTES.findall(block)]
        paired = sum(length for length in runs if length % 2 == 0)
        if paired >= 2 * LEAST_HAN and paired > PAIRED_SHARE * sum(runs):
            return "gb18030"
    return None


def _is_big5(sample: bytes) -> bool:
    """Say whether a text is Big5: the second byte of a character lies below 0x80 in many, in few of GB 18030."""
    lengths = [len(run) for run in HIGH_BYTES.findall(sample)]
    odd = sum(length % 2 for length in lengths)
    if odd < 2 * LEAST_HAN or odd < ODD_SHARE * len(lengths):
        return False
    try:
        sample[: sample.rfind(b"\n") + 1].decode("big5")
    except UnicodeDecodeError:
        return False
    return True


def gb18030_lines(block: bytes) -> list[int]:
    """Return the places of lines, among those said to be UTF-8, whose bytes beyond ASCII are GB 18030.

    They are pairs of its frequent characters throughout, and read as UTF-8 either not at all or as letters (Armenian,
    Arabic) that stand in no file of a Chinese office: 摘要 is ժҪ.
    """
    return [place for place, line in enumerate(block.split(b"\n")) if not line.isascii() and _is_gb18030(line)]


def has_rare_letters(block: bytes) -> bool:
    """Say whether bytes stand in ``block`` that begin such letters in UTF-8."""
    return len(block.translate(None, RARE_LEADS)) < len(block)


def _is_gb18030(line: bytes) -> bool:
    if not all(PAIRS.fullmatch(run) for run in HIGH_BYTES.findall(line)):
        return False
    try:
        return all("\u0370" <= character <= "\u07ff" for character in line.decode() if character > "\x7f")
    except UnicodeDecodeError:
        return True


def utf16_of(head: bytes) -> str | None:
    """Return utf-16-le or utf-16-be where the first bytes of a file are that: its mark, or zeros in one half alone."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16-le" if head.startswith(b"\xff\xfe") else "utf-16-be"
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if max(even, odd) < LEAST_HAN or min(even, odd):
        return None
    return "utf-16-le" if odd else "utf-16-be"


class Transcoder:
    """Turns whole lines of one encoding into UTF-8; ``method`` says which way is used (for the benchmark's report)."""

    def __init__(self, encoding: str) -> None:
        try:
            self.codec = codecs.lookup("gb18030" if encoding.lower() in GB18030_NAMES else encoding).name
        except LookupError as error:
            raise IngestionError(f"encoding {encoding!r} is not known; write gb18030, utf-8, cp1252 …") from error
        self.codec = "utf-8" if self.codec == "utf-8-sig" else self.codec
        self.is_line_safe = not self.codec.startswith(("utf-16", "utf-32", "utf-7", "iso2022", "hz"))
        self._iconv = Iconv() if self.codec == "gb18030" and iconv_is_right() else None
        self.method = "iconv" if self._iconv else "codecs"

    def to_utf8(self, block: bytes) -> bytes:
        """Return ``block`` as UTF-8; Unreadable when any byte of it is wrong."""
        if self._iconv:
            converted = self._iconv.convert(block)
            if converted is not None:
                return converted
        try:
            text = block.decode(self.codec)
        except UnicodeDecodeError as error:
            raise Unreadable(str(error)) from error
        return block if self.codec == "utf-8" else self._translated(text).encode()

    def line_to_utf8(self, line: bytes) -> tuple[bytes, bool]:
        r"""Return one line as UTF-8 and whether it was readable; wrong bytes stand as ``\x81``."""
        try:
            return self._translated(line.decode(self.codec)).encode(), True
        except UnicodeDecodeError:
            return self._translated(line.decode(self.codec, errors="backslashreplace")).encode(), False

    def _translated(self, text: str) -> str:
        return text.translate(GB18030_2005) if self.codec == "gb18030" else text


class Iconv:
    """glibc's ``iconv`` from GB18030 to UTF-8, with one buffer that is used again; not for two threads at once."""

    def __init__(self) -> None:
        library = _library()
        if library is None:
            raise OSError("there is no iconv in this C library")
        self._library = library
        self._handle = library.iconv_open(b"UTF-8", b"GB18030")
        if self._handle == ctypes.c_void_p(-1).value:
            raise OSError("iconv knows no GB18030")
        self._buffer = ctypes.create_string_buffer(1)

    def __del__(self) -> None:
        if getattr(self, "_handle", None) not in (None, ctypes.c_void_p(-1).value):
            self._library.iconv_close(self._handle)

    def convert(self, block: bytes) -> bytes | None:
        """Return ``block`` as UTF-8, or None when iconv does not take all of it."""
        room = int(len(block) * _E2BIG_FACTOR) + 16
        if len(self._buffer) < room:
            self._buffer = ctypes.create_string_buffer(room)
        source = ctypes.c_char_p(block)
        source_left = ctypes.c_size_t(len(block))
        target = ctypes.c_void_p(ctypes.addressof(self._buffer))
        target_left = ctypes.c_size_t(len(self._buffer))
        self._library.iconv(self._handle, None, None, None, None)
        outcome = self._library.iconv(
            self._handle,
            ctypes.byref(source),
            ctypes.byref(source_left),
            ctypes.byref(target),
            ctypes.byref(target_left),
        )
        if outcome == ctypes.c_size_t(-1).value or source_left.value:
            return None
        return ctypes.string_at(self._buffer, len(self._buffer) - target_left.value)


@cache
def _library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(None)
        library.iconv_open.restype = ctypes.c_void_p
        library.iconv_open.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
        library.iconv.restype = ctypes.c_size_t
        library.iconv.argtypes = [ctypes.c_void_p] * 5
        library.iconv_close.argtypes = [ctypes.c_void_p]
    except (OSError, AttributeError):
        return None
    return library


def differing_codes() -> dict[bytes, str]:
    """Return the codes on which C libraries disagree, each with the character that this project gives it."""
    two_byte = {chr(private).encode("gb18030"): chr(kept) for private, kept in _TWO_BYTE.items()}
    four_byte = {chr(kept).encode("gb18030"): chr(kept) for kept in _TWO_BYTE.values()}
    swapped = {chr(other).encode("gb18030"): chr(GB18030_2005[other]) for other in (0xE7C7, 0x1E3F)}
    return {**two_byte, **four_byte, **swapped}


@cache
def iconv_is_right() -> bool:
    """Say whether this machine's iconv may be used: it gives our character, or refuses, for every doubtful code."""
    try:
        iconv = Iconv()
    except OSError:
        return False
    probe = "包头市稀土高新区，１２３ €".encode("gb18030")
    if iconv.convert(probe) != probe.decode("gb18030").encode():
        return False
    return all(iconv.convert(code) in (character.encode(), None) for code, character in differing_codes().items())
