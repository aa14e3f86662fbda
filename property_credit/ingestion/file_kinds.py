"""What a file is by its first bytes, whatever its name says, and what its office can do about it."""

from pathlib import Path

HEAD_BYTES = 1024
WORKBOOK = "workbook"
KINDS = (
    (b"PK\x03\x04", WORKBOOK, "an .xlsx workbook or another ZIP archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole", "an old .xls workbook (BIFF), or a workbook with a password"),
    (b"%PDF", "pdf", "a PDF document"),
    (b"\x1f\x8b", "gzip", "a gzip archive"),
    (b"Rar!", "rar", "a RAR archive"),
    (b"7z\xbc\xaf", "7z", "a 7z archive"),
)
PAGES = (b"<html", b"<!doctype html", b"<table", b"<head", b"<body", b"<meta")
ADVICE = {
    WORKBOOK: "give it a profile with `format: xlsx`",
    "ole": "open it in a spreadsheet program and save it as .xlsx, without a password",
    "html": "a web page under a workbook's name: open it in a spreadsheet program and save it as .xlsx or CSV",
    "xml": "open it in a spreadsheet program and save it as .xlsx or CSV",
    "pdf": "ask the office for the table it was made from",
    "gzip": "unpack it first",
    "rar": "unpack it first",
    "7z": "unpack it first",
}


def kind_of(path: Path) -> tuple[str, str] | None:
    """Return the kind of a file that is no plain text, as a word and as people say it; None for text."""
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    for mark, kind, words in KINDS:
        if head.startswith(mark):
            return kind, words
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(PAGES) or (text.startswith(b"<?xml") and b"<html" in text):
        return "html", "an HTML page"
    if text.startswith((b"mime-version:", b"from: <saved by")):
        return "html", "a web archive (MHT)"
    if text.startswith(b"<?xml"):
        return "xml", "an XML document"
    return None
