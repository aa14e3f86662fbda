"""From an office's columns to a feed's fields, still as text: what to leave out, what to derive, which sign."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

import numpy
import polars
import polars_hash

from ingestion.blocks import Block
from ingestion.contract import Feed
from ingestion.profile import TEMPLATE, Profile
from ingestion.values import nulls, trimmed


@dataclass(frozen=True)
class Mapped:
    """Rows of a block as fields of the feed, all text and null where empty, and what was left out on purpose."""

    block: Block
    fields: polars.DataFrame
    skipped: int
    stated_totals: dict[str, Decimal]


class Mapper:
    """Applies one profile to the blocks of one file."""

    def __init__(self, feed: Feed, profile: Profile, source_file: str) -> None:
        self.feed, self.profile, self.source_file = feed, profile, source_file
        self._needed = [
            aliases
            for name, aliases in profile.columns.items()
            if feed.field(name).required and name not in profile.optional
        ]
        self._headers: list[str] = []
        self._texts: list[polars.Expr] = []  # for a file with these headers

    def map(self, block: Block) -> Mapped:
        """Return the block's rows as fields; blank rows and the profile's ``skip_rows`` are left out and counted."""
        before, stated = block.frame.height, {}
        block = self._without_blank_rows(block)
        for rule in self.profile.skip_rows:
            if rule.column not in block.frame.columns:
                continue
            found = block.frame[rule.column].str.strip_chars().str.contains(rule.matches).fill_null(False).to_numpy()
            if found.any():
                if rule.total_of:
                    stated.update(self._total(block, found, rule.total_of))
                block = block.where(~found)
        return Mapped(block, self._fields(block), before - block.frame.height + block.skipped, stated)

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

    def _total(self, block: Block, found: numpy.ndarray, name: str) -> dict[str, Decimal]:
        column = next((alias for alias in self.profile.columns[name] if alias in block.frame.columns), None)
        if column is None:
            return {}
        for text in block.frame[column].filter(polars.Series(found)).drop_nulls():
            for removed in self._removed(name):
                text = text.replace(removed, "")
            try:
                return {name: Decimal(text.strip())}
            except InvalidOperation:
                continue
        return {}

    def _removed(self, name: str) -> list[str]:
        return self.profile.numbers[name].remove if name in self.profile.numbers else []

    def _fields(self, block: Block) -> polars.DataFrame:
        profile, frame, height = self.profile, block.frame, block.frame.height
        if frame.columns != self._headers:
            self._headers, self._texts = frame.columns, self._texts_of(frame.columns)
        texts = frame.select(self._texts)
        shortest = texts.select(polars.all().str.len_bytes().min()).row(0)
        found = {
            column.name: self._value(column, length == 0)
            for column, length in zip(texts.get_columns(), shortest, strict=True)
        }
        if profile.derive:
            found |= self._derived(block, found)
        columns: list[polars.Series] = []
        for field in self.feed.fields:
            if field.name in profile.constants:
                column = polars.repeat(profile.constants[field.name], height, dtype=polars.String, eager=True)
            else:
                column = found.get(field.name)  # type: ignore[assignment]
                if column is None:
                    column = nulls(polars.String(), height)
            for removed in self._removed(field.name):
                column = column.str.replace_all(removed, "", literal=True)
            columns.append(column if column.name == field.name else column.alias(field.name))
        fields = polars.DataFrame(columns)
        for name, sign in profile.signs.items():
            fields = fields.with_columns(self._negated(frame, fields[name], sign.negate_when).alias(name))
        return fields

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
        return self.feed.field(name).type in ("text", "uscc") or bool(self.profile.nulls) or name in self.profile.signs

    def _value(self, column: polars.Series, has_empty: bool = False) -> polars.Series:
        if has_empty:
            column = column.set(column.str.len_bytes() == 0, None)
        if self.profile.nulls and column.null_count() < column.len():
            column = column.set(column.is_in(self.profile.nulls).fill_null(False), None)
        return column

    def _derived(self, block: Block, found: dict[str, polars.Series]) -> dict[str, polars.Series]:
        """Fill the templates; a template with a missing part is null."""
        texts = {header: self._value(trimmed(block.frame[header])) for header in self.profile.used_headers()}
        texts |= {name: trimmed(column) for name, column in found.items()}
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

    @staticmethod
    def _negated(frame: polars.DataFrame, column: polars.Series, when: object) -> polars.Series:
        is_negative = frame[when.column].str.strip_chars().is_in(when.equals).fill_null(False)  # type: ignore[attr-defined]
        flipped = polars.select(
            polars.when(column.str.starts_with("-"))
            .then(column.str.slice(1))
            .otherwise(polars.concat_str([polars.lit("-"), column.str.strip_prefix("+")]))
        ).to_series()
        return flipped.zip_with(is_negative, column)
