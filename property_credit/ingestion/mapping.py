"""From an office's columns to a feed's fields, still as text: what to leave out, what to derive, which sign."""

import dataclasses
import re
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy
import polars
import polars_hash

from property_credit.ingestion import amounts, identifiers, mentions
from property_credit.ingestion.blocks import Block
from property_credit.ingestion.contract import Feed
from property_credit.ingestion.identifiers import Suspicion
from property_credit.ingestion.profile import TEMPLATE, Profile, SkipRow, Unpivot
from property_credit.ingestion.values import nulls, trimmed

TORN = ("TEXT_UNREADABLE", "ROW_WRONG_WIDTH", "QUOTE_OVER_ROWS")
UNPIVOT_STEP = 1000  # the third item of row 5 is told as 5003
BLANK = ("^$", r"^\s*$")
TOTAL = re.compile(r"[合总小共]计|[Tt][Oo][Tt][Aa][Ll]|[0-9０-９]\s*元")


@dataclass(frozen=True)
class Mapped:
    """Rows of a block as fields of the feed, all text and null where empty, and what was left out on purpose.

    ``stated_totals``: what the left-out rows state a field to sum up to (None: a total that could not be read).
    ``negated``: masks of rows whose amount has the other sign, ``unsigned`` of those whose sign nobody knows.
    ``suspects``: identifiers that need a second look. ``corrections`` and ``voids``: masks of rows that their office
    marked so; None where the profile knows no marks. ``mentions``: what rows write in place of a field's number
    (columns of ``mentions.written``), for the fields that the profile matches.
    """

    block: Block
    fields: polars.DataFrame
    skipped: int
    stated_totals: dict[str, Decimal | None]
    negated: dict[str, numpy.ndarray] = dataclasses.field(default_factory=dict)
    unsigned: dict[str, numpy.ndarray] = dataclasses.field(default_factory=dict)
    suspects: dict[str, Suspicion] = dataclasses.field(default_factory=dict)
    corrections: numpy.ndarray | None = None
    voids: numpy.ndarray | None = None
    mentions: dict[str, polars.DataFrame] = dataclasses.field(default_factory=dict)


class Mapper:
    """Applies one profile to the blocks of one file."""

    def __init__(self, feed: Feed, profile: Profile, source_file: str) -> None:
        self.feed, self.profile, self.source_file = feed, profile, source_file
        self._needed = [
            aliases
            for name, aliases in profile.columns.items()
            if feed.field(name).required and name not in profile.optional
        ]
        self._cleaned = [field.name for field in feed.fields if feed.is_identifier(field) or field.type == "uscc"]
        self._headers: list[str] = []
        self._texts: list[polars.Expr] = []  # for a file with these headers

    def map(self, block: Block) -> Mapped:
        """Return the block's rows as fields; blank rows and the profile's ``skip_rows`` are left out and counted."""
        stated = dict[str, Decimal | None]()
        came = block.frame.height
        block = self._without_blank_rows(block)
        blank = came - block.frame.height
        if self.profile.unpivot:
            block = _unpivoted(block, self.profile.unpivot)
        before = block.frame.height + blank
        for rule in self.profile.skip_rows:
            matching = self._matching(block, rule)
            if matching.any():
                if rule.total_of:
                    stated.update(self._total(block, matching, rule))
                block = block.where(~matching)
        skipped = before - block.frame.height + block.skipped
        block, negated, unsigned = self._signs(block)
        block, corrections, voids = self._marks(block)
        fields, suspects = self._fields(block)
        named = {
            name: mentions.written(block.frame, match, name, fields[name]) for name, match in self.profile.match.items()
        }
        return Mapped(block, fields, skipped, stated, negated, unsigned, suspects, corrections, voids, named)

    def _header(self, wanted: str, headers: list[str]) -> str | None:
        """Return the file's own header for ``wanted``: another alias of the same field where that is what it has."""
        if wanted in headers:
            return wanted
        for aliases in self.profile.columns.values():
            if wanted in aliases:
                return next((alias for alias in aliases if alias in headers), None)
        return None

    def _matching(self, block: Block, rule: SkipRow) -> numpy.ndarray:
        """Return the mask of rows that a skip rule leaves out; ``^$`` matches a blank cell of a row with others."""
        frame = block.frame
        header = self._header(rule.column, frame.columns) if rule.column else None
        if rule.column and header is None:
            return numpy.zeros(frame.height, bool)
        cells = polars.col(header) if header else polars.all()
        matched = cells.str.strip_chars().str.contains(rule.matches)
        if header:
            is_blank = rule.matches in BLANK  # not any pattern that an empty text happens to match
            is_match = frame.select(matched.fill_null(is_blank)).to_series()
        else:
            is_match = frame.select(polars.any_horizontal(matched.fill_null(False))).to_series()
        mask = is_match.to_numpy().copy()
        for code, flag in block.flags.items():
            if code[0] in TORN:
                mask &= ~flag  # what the reader could not tell apart is refused, not left out
        return mask

    def _without_blank_rows(self, block: Block) -> Block:
        first = self._needed[0] if self._needed else next(iter(self.profile.columns.values()))
        column = next((alias for alias in first if alias in block.frame.columns), block.frame.columns[0])
        shortest = block.frame.select(polars.col(column).str.strip_chars().str.len_bytes().min()).item()
        if shortest and not block.frame[column].null_count():
            return block
        filled = block.frame.select(
            polars.any_horizontal(polars.all().str.strip_chars().str.len_bytes() > 0).fill_null(False)
        )
        mask = filled.to_series().to_numpy().copy()
        for flag in block.flags.values():
            mask |= flag
        return block if mask.all() else block.where(mask)

    def _total(self, block: Block, matching: numpy.ndarray, rule: SkipRow) -> dict[str, Decimal | None]:
        """Return what the last of the matching rows states; in the field's own column, else in the matching cell."""
        name = str(rule.total_of)
        headers = block.frame.columns
        own = [alias for alias in self.profile.columns.get(name, []) if alias in headers]
        matched = self._header(rule.column, headers) if rule.column else None
        for row in reversed(block.frame.filter(polars.Series(matching)).rows(named=True)):
            cells = [row[header] for header in (*own, matched, *headers) if header]
            for cell in cells[: len(own)] + [cell for cell in cells[len(own) :] if cell and TOTAL.search(cell)]:
                stated = amounts.stated_total(cell, self.profile.numbers.get(name)) if cell else None
                if stated is not None:
                    return {name: stated}
        return {name: None}

    def _removed(self, name: str) -> list[str]:
        return self.profile.numbers[name].remove if name in self.profile.numbers else []

    def _fields(self, block: Block) -> tuple[polars.DataFrame, dict[str, Suspicion]]:
        profile, frame, height = self.profile, block.frame, block.frame.height
        if frame.columns != self._headers:
            self._headers, self._texts = frame.columns, self._texts_of(frame.columns)
        texts = frame.select(self._texts)
        suspects = self._suspects({name: texts[name] for name in texts.columns})
        shortest = texts.select(polars.all().str.len_bytes().min()).row(0)
        values = {
            column.name: self._value(column, length == 0)
            for column, length in zip(texts.get_columns(), shortest, strict=True)
        }
        values |= {name: identifiers.cleaned(values[name]) for name, kind in suspects.items() if kind == "dress"}
        if profile.derive:
            derived = self._derived(block, values)
            again = self._suspects(derived)
            values |= derived
            values |= {name: identifiers.cleaned(derived[name]) for name, kind in again.items() if kind == "dress"}
            suspects |= again
        columns: list[polars.Series] = []
        for field in self.feed.fields:
            if field.name in profile.constants:
                column = polars.repeat(profile.constants[field.name], height, dtype=polars.String, eager=True)
            else:
                column = values.get(field.name)  # type: ignore[assignment]
                if column is None:
                    column = nulls(polars.String(), height)
            for removed in self._removed(field.name) if field.type not in ("decimal", "integer") else ():
                column = column.str.replace_all(removed, "", literal=True)
            if profile.id_space and field.name in self.feed.own_ids:
                column = f"{profile.id_space}:" + column
            columns.append(column if column.name == field.name else column.alias(field.name))
        return polars.DataFrame(columns), suspects

    def _suspects(self, columns: dict[str, polars.Series]) -> dict[str, Suspicion]:
        kinds = {name: identifiers.suspicion(columns[name]) for name in self._cleaned if name in columns}
        return {name: kind for name, kind in kinds.items() if kind}

    def _texts_of(self, headers: list[str]) -> list[polars.Expr]:
        sources = {
            name: next((alias for alias in aliases if alias in headers), None)
            for name, aliases in self.profile.columns.items()
        }
        return [
            (polars.col(source).str.strip_chars() if self._is_trimmed(name) else polars.col(source)).alias(name)
            for name, source in sources.items()
            if source is not None
        ]

    def _is_trimmed(self, name: str) -> bool:
        """Say whether a column is trimmed here; a typed one is trimmed where it cannot be read as it stands."""
        return self.feed.field(name).type in ("text", "uscc") or bool(self.profile.nulls)

    def _value(self, column: polars.Series, has_empty: bool = False) -> polars.Series:
        if has_empty:
            column = column.set(column.str.len_bytes() == 0, None)
        if self.profile.nulls and column.null_count() < column.len():
            column = column.set(column.is_in(self.profile.nulls).fill_null(False), None)
        return column

    def _derived(self, block: Block, values: dict[str, polars.Series]) -> dict[str, polars.Series]:
        """Fill the templates; a template with a missing part is null."""
        height = block.frame.height
        own = {header: self._header(header, block.frame.columns) for header in self.profile.used_headers()}
        texts = {
            header: nulls(polars.String(), height) if source is None else self._value(trimmed(block.frame[source]))
            for header, source in own.items()
        }
        texts |= {name: trimmed(column) for name, column in values.items()}
        texts["source_file"] = polars.repeat(self.source_file, block.frame.height, dtype=polars.String, eager=True)
        texts["row_number"] = polars.Series(block.row_numbers).cast(polars.String)
        for capture in self.profile.captures:
            groups = texts[capture.source].str.extract_groups(capture.pattern).struct.unnest()
            texts |= {name: groups[name] for name in capture.names}
        derived = {}
        frame = polars.DataFrame([column.alias(name) for name, column in texts.items()])
        for name, template in self.profile.derive.items():
            parts: list[polars.Expr] = []
            end = 0
            for match in TEMPLATE.finditer(template):
                if match.start() > end:
                    parts.append(polars.lit(template[end : match.start()]))
                value = polars.col(match.group(1))
                if match.group(2):
                    value = polars_hash.col(match.group(1)).nchash.xxh3_64().cast(polars.String)
                parts.append(value)
                end = match.end()
            if end < len(template):
                parts.append(polars.lit(template[end:]))
            derived[name] = trimmed(frame.select(polars.concat_str(parts).alias(name))[name])
        return derived

    def _marks(self, block: Block) -> tuple[Block, numpy.ndarray | None, numpy.ndarray | None]:
        """Return masks of rows that correct or void earlier ones; a word that the profile does not know is flagged."""
        marks = self.profile.marks
        header = self._header(marks.column, block.frame.columns) if marks else None
        if marks is None or header is None:
            return block, None, None
        words = self._plain_words(block.frame[header])
        corrections, voids = (words.is_in(kind).to_numpy() for kind in (marks.corrects, marks.voids))
        unknown = ~corrections & ~voids & ~words.is_in(marks.plain).to_numpy()
        if unknown.any():
            block = replace(block, flags=block.flags | {("MARK_UNKNOWN", header): unknown})
        return block, corrections, voids

    @staticmethod
    def _plain_words(words: polars.Series) -> polars.Series:
        """Return sign words without what is only dress: white space, invisible characters, full-width letters."""
        words = words.str.strip_chars().fill_null("")
        return words if words.str.contains(r"^[ -~\p{Han}]*$").all() else identifiers.cleaned(words).fill_null("")

    def _signs(self, block: Block) -> tuple[Block, dict[str, numpy.ndarray], dict[str, numpy.ndarray]]:
        """Return masks of rows whose amount is negated, and of those whose word the profile does not map (flagged)."""
        negated, unsigned, flags = dict[str, numpy.ndarray](), dict[str, numpy.ndarray](), dict(block.flags)
        for name, sign in self.profile.signs.items():
            header = self._header(sign.negate_when.column, block.frame.columns)
            if header is None:
                continue
            words = self._plain_words(block.frame[header])
            negated[name] = words.is_in(sign.negate_when.equals).to_numpy()
            unsigned[name] = ~negated[name] & ~words.is_in(sign.kept_words()).to_numpy()
            if unsigned[name].any():
                key = ("SIGN_UNKNOWN", header)
                flags[key] = unsigned[name] | flags[key] if key in flags else unsigned[name]
        return (replace(block, flags=flags) if len(flags) > len(block.flags) else block), negated, unsigned


def _unpivoted(block: Block, wide: Unpivot) -> Block:
    """Return a block with a row for each filled cell of the wide columns, numbered by row and column."""
    items = [header for header in block.frame.columns if wide.takes(header)]
    others = [header for header in block.frame.columns if header not in items]
    row = numpy.repeat(numpy.arange(block.frame.height), len(items))
    place = numpy.tile(numpy.arange(len(items)), block.frame.height)
    cells = (
        block.frame.select(polars.concat_list(items).alias("cells")).explode("cells", empty_as_null=False).to_series()
    )
    is_filled = (cells.str.strip_chars().str.len_bytes() > 0).fill_null(False).to_numpy()
    is_filled |= _is_flagged(block)[row] & (place == 0)  # a torn row is told once
    row, place = row[is_filled], place[is_filled]
    long = block.frame.select(others)[row].with_columns(
        polars.Series(wide.name, [items[one] for one in place], dtype=polars.String),
        cells.filter(polars.Series(is_filled)).alias(wide.value),
    )
    return Block(
        frame=long,
        row_numbers=block.row_numbers[row] * UNPIVOT_STEP + place + 1,
        payloads=lambda chosen: block.payloads([int(row[one]) for one in chosen]),
        flags={key: flag[row] for key, flag in block.flags.items()},
        skipped=block.skipped,
    )


def _is_flagged(block: Block) -> numpy.ndarray:
    mask = numpy.zeros(block.frame.height, bool)
    for flag in block.flags.values():
        mask |= flag
    return mask
