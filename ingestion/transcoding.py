"""Bytes of an office's encoding become UTF-8: one table of characters on every path, glibc's iconv where it is right.

CPython's GB18030 table dates from 2000, glibc's from 2005: 25 two-byte codes and 19 four-byte ones differ (private
use there, real characters here; measured 2026 with glibc 2.36). The newer characters are the ones kept: what CPython
decodes is translated to them, and what glibc refuses is always left to CPython.
"""

import codecs
import ctypes
import ctypes.util
from functools import cache

from ingestion.contract import IngestionError

GB18030_NAMES = frozenset({"gb18030", "gbk", "gb2312", "cp936"})  # each is read as its superset
# CPython's private-use character for a two-byte code -> the character GB 18030-2005 gives that code
_TWO_BYTE = {
    0xE78D: 0xFE10, 0xE78E: 0xFE12, 0xE78F: 0xFE11, 0xE790: 0xFE13, 0xE791: 0xFE14, 0xE792: 0xFE15, 0xE793: 0xFE16,
    0xE794: 0xFE17, 0xE795: 0xFE18, 0xE796: 0xFE19, 0xE816: 0x20087, 0xE817: 0x20089, 0xE818: 0x200CC,
    0xE81E: 0x9FB4, 0xE826: 0x9FB5, 0xE82B: 0x9FB6, 0xE82C: 0x9FB7, 0xE831: 0x215D7, 0xE832: 0x9FB8, 0xE83B: 0x2298F,
    0xE843: 0x9FB9, 0xE854: 0x9FBA, 0xE855: 0x241FE, 0xE864: 0x9FBB,
}  # fmt: skip
GB18030_2005 = {**_TWO_BYTE, 0xE7C7: 0x1E3F, 0x1E3F: 0xE7C7}  # A8BC and 8135F437 changed places
_E2BIG_FACTOR = 1.5  # two bytes become at most three


class Unreadable(Exception):
    """Some bytes of the block mean nothing in the declared encoding."""


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
