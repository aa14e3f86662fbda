"""Source profiles: one YAML a source says how one office's export becomes rows of a feed, without code.

Owns the vocabulary of that YAML and its checks against the feed. Reads no data.
"""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from property_credit.ingestion import feeds
from property_credit.ingestion.contract import IngestionError

SOURCES = Path(__file__).parent / "sources"
TEMPLATE = re.compile(r"\{([^{}|]+)(\|hash)?\}")
UNITS = {"元": 0, "角": -1, "分": -2, "百元": 2, "千元": 3, "万元": 4, "百万元": 6, "亿元": 8}  # powers of ten
ROW_VALUES = ("source_file", "row_number")  # what every template and capture may use beside the file's own headers


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, (str, int)) else value


def _as_text_keys(value: Any) -> Any:
    """YAML reads 是/否 as text, but 1, 0, yes and no as numbers and booleans: files only hold text."""
    if not isinstance(value, dict):
        return value
    return {_word(key): (None if code is None else _word(code)) for key, code in value.items()}


def _word(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _as_booleans(value: Any) -> Any:
    return {_word(key): item for key, item in value.items()} if isinstance(value, dict) else value


Names = Annotated[list[str], BeforeValidator(_as_list)]
CodeMap = Annotated[dict[str, str | None], BeforeValidator(_as_text_keys)]


class Part(BaseModel):
    """A part of a profile: an unknown key is an error, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Header(Part):
    """Where the header is: the first row that holds all of ``find``, the ``row``-th row, or there is none."""

    find: Names | None = None
    row: int | None = Field(default=None, ge=1)
    none: bool = False
    names: list[str] | None = None
    within_rows: int = Field(default=100, ge=1, le=1000, description="`find` looks no further than this.")

    @model_validator(mode="after")
    def _one_way(self) -> "Header":
        if sum((self.find is not None, self.row is not None, self.none)) != 1:
            raise ValueError("say exactly one of find: [...], row: N, none: true")
        if self.none != (self.names is not None):
            raise ValueError("`none: true` needs `names: [...]`, and only it does")
        return self


class Capture(Part):
    """Named groups of ``pattern``, matched in ``source``, become names that ``derive`` templates can use."""

    source: str = Field(description="A header, `source_file`, or a derived field's header.")
    pattern: str

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, value: str) -> str:
        compiled = _compiled(value)
        if not compiled.groupindex:
            raise ValueError(f"the pattern {value!r} has no named group (?P<name>…)")
        return value

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the groups."""
        return tuple(re.compile(self.pattern).groupindex)


class SkipRow(Part):
    """Rows left out on purpose: ``column`` matches ``matches``; ``total_of`` compares its amount with the rows' sum.

    Without ``column`` the pattern is tried on every cell of the row. ``^$`` matches a blank cell.
    """

    column: str | None = None
    matches: str
    total_of: str | None = Field(default=None, description="A decimal field whose sum this row states.")

    @field_validator("matches")
    @classmethod
    def _compiles(cls, value: str) -> str:
        _compiled(value)
        return value


OPPOSITES = [
    ("借", "贷"), ("借方", "贷方"), ("支", "收"), ("支出", "收入"), ("付", "收"), ("付款", "收款"), ("出", "入"),
    ("转出", "转入"), ("D", "C"), ("DR", "CR"), ("Dr", "Cr"), ("debit", "credit"), ("Debit", "Credit"), ("-", "+"),
    ("红", "蓝"), ("是", "否"), ("1", "0"), ("true", "false"), ("Y", "N"),
]  # fmt: skip


class FullList(Part):
    """The file is the whole list: of the office, or of the values that the file holds in the fields of ``scope``.

    ``parts``: a pattern with the groups ``part`` and ``of`` finds in a file's name which part of how many it is.
    Such a list is whole, and only then does something disappear from it, once all parts of one name have come.
    """

    scope: Names = []
    parts: str | None = None

    @field_validator("parts")
    @classmethod
    def _names_part_and_number(cls, value: str | None) -> str | None:
        if value is not None and not {"part", "of"} <= set(_compiled(value).groupindex):
            raise ValueError("parts: the pattern needs the groups (?P<part>[0-9]+) and (?P<of>[0-9]+)")
        return value

    def part_of(self, source_file: str) -> "ListPart | None":
        """Return which part of which list a file is; None: its name says that it is no part, and so a whole list."""
        match = re.search(self.parts, source_file) if self.parts else None
        if match is None:
            return None
        series = source_file[: match.start()] + source_file[match.end() :]
        return ListPart(series, int(match["part"]), int(match["of"]))


@dataclass(frozen=True)
class ListPart:
    """Part ``part`` (from 1) of ``of`` of the full list ``series``, which is the files' name without this."""

    series: str
    part: int
    of: int


def _as_full_list(value: Any) -> Any:
    return {} if value is True else None if value is False else value


class Sign(Part):
    """The amount is negated where ``negate_when.column`` is one of ``equals``, kept where it is one of ``keep_when``.

    Any other word refuses its row. ``keep_when`` may hold "" (blank); without it the opposites of ``equals`` are kept
    (借: 贷).
    """

    class When(Part):
        """A header and the values that mean 'negative'."""

        column: str
        equals: Names

    negate_when: When
    keep_when: Names = []

    @model_validator(mode="after")
    def _says_both_sides(self) -> "Sign":
        if not self.kept_words():
            raise ValueError(f"say which words of {self.negate_when.column} mean 'not negative': keep_when: [...]")
        if both := sorted(set(self.negate_when.equals) & set(self.keep_when)):
            raise ValueError(f"{', '.join(both)} cannot be negated and kept")
        return self

    def kept_words(self) -> list[str]:
        """Return the words under which an amount stands as it is."""
        if self.keep_when:
            return self.keep_when
        pairs = OPPOSITES + [(kept, negated) for negated, kept in OPPOSITES]
        negative = set(self.negate_when.equals)
        return sorted({kept for negated, kept in pairs if negated in negative} - negative)


class Marks(Part):
    """What a column says of earlier rows of the same number: this one corrects them, or makes the number void.

    A correction may change what cannot change otherwise. Words in neither list nor in ``plain`` refuse their row.
    """

    column: str
    corrects: Names = []
    voids: Names = []
    plain: Names = [""]

    @model_validator(mode="after")
    def _says_each_word_once(self) -> "Marks":
        words = [*self.corrects, *self.voids, *self.plain]
        if not (self.corrects or self.voids):
            raise ValueError("say which words correct or void an earlier row: corrects: [...], voids: [...]")
        if twice := sorted({word for word in words if words.count(word) > 1}):
            raise ValueError(f"{', '.join(twice)} cannot mean two things")
        return self


class Unpivot(Part):
    """A wide table, one column for each item, becomes a row for each item that has a cell.

    ``columns`` are headers, with * and ?; the new headers ``name`` and ``value`` take the column's header and the
    cell, and ``columns`` of the profile, captures and templates use them as if they stood in the file. A blank
    cell is no row. The third of these columns in row 5 of the file is told as row 5003.
    """

    columns: Names
    name: str
    value: str

    def takes(self, header: str) -> bool:
        """Say whether a column of the file is one of the items."""
        return any(fnmatchcase(header, pattern) for pattern in self.columns)


NUMBERED = {"community_id": "community", "uscc": "enterprise"}  # what a name can stand in place of


class Match(Part):
    """Who is meant where a row brings no number: under which headers it is written, each may have several words.

    ``name`` names the community or the enterprise (an account's holder, say); ``address`` is read where no name
    stands; ``street`` and ``within`` (the name or code of a division) say where it lies.
    """

    name: Names
    address: Names = []
    street: Names = []
    within: Names = []

    @property
    def headers(self) -> tuple[str, ...]:
        """Return every header that it reads."""
        return (*self.name, *self.address, *self.street, *self.within)


class Number(Part):
    """How numbers are written: ``remove`` is taken out first (thousands separators, which must stand in threes; signs).

    ``unit`` is what the column counts money in, when no unit stands in the cell itself.
    """

    remove: Names = []
    decimal: Literal[".", ","] = "."
    unit: Literal["元", "角", "分", "百元", "千元", "万元", "百万元", "亿元"] | None = None

    @property
    def takes_plain_digits(self) -> bool:
        """Say whether 1234.5 means just that under these keys."""
        return self.decimal == "." and self.unit in (None, "元")

    @property
    def groups_by_comma(self) -> bool:
        """Say whether 1,234 is one thousand and more."""
        return self.decimal == "." and "," in self.remove


def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error


class Profile(Part):
    """One source: which files, how to read them, and where each value goes.

    Every header of a file must be in ``columns``, in ``ignore``, or used by ``captures``, ``derive``, ``signs`` or
    ``skip_rows``; any other header refuses the file.
    """

    name: str
    feed: str
    office_zh: str
    note: str = Field(default="", description="What a colleague should know of this source.")
    format: Literal["csv", "xlsx", "json_api", "workbench"]
    files: Names = Field(default=[], description="Names inside landing/<date>/<profile>/, with * and ?.")

    encoding: str = "utf-8"
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    quote: Literal['"', ""] = '"'
    line_ending: Literal["auto", "lf", "crlf", "cr"] = "auto"
    sheet: str | int | list[str | int] = Field(
        default=1, description="A name (with * and ?), a number, a list of these, or `all`."
    )
    ignore_sheets: Names = Field(default=[], description="Names (with * and ?) of sheets whose rows are left out.")
    fill_down: Names = Field(default=[], description="Fields whose merged cells hold for every row that they cover.")

    header: Header | None = None
    columns: dict[str, Names]
    match: dict[str, Match] = Field(
        default={},
        description="Written in `columns`: `community_id: {match: {name: 小区名称}}`, with `column: 小区编码` beside "
        "`match` where some rows bring the number.",
    )
    optional: Names = Field(default=[], description="Fields of `columns` whose header a file may lack.")
    ignore: Names = []
    constants: CodeMap = {}
    captures: list[Capture] = []
    derive: dict[str, str] = {}
    dates: dict[str, Names] = {}
    codes: dict[str, CodeMap] = {}
    booleans: Annotated[dict[str, bool], BeforeValidator(_as_booleans)] = {}
    nulls: Names = Field(default=[], description="Texts that mean 'no value', such as - or 无.")
    numbers: dict[str, Number] = {}
    signs: dict[str, Sign] = {}
    marks: Marks | None = Field(default=None, description="A column that says 更正 or 作废 of an earlier row.")
    skip_rows: list[SkipRow] = []
    unpivot: Unpivot | None = None
    full_list: Annotated[FullList | None, BeforeValidator(_as_full_list)] = Field(
        default=None, description="true, or scope: [field]: what disappears from the next file ends with that day."
    )
    waive: dict[str, str] = Field(default={}, description="Row rules of the feed that do not hold here, each with why.")
    id_space: str | None = Field(
        default=None,
        pattern=r"^[^\s:/]{1,40}$",
        description="The office numbers its rows by itself: its ids become <id_space>:<id>, apart from other offices'.",
    )
    long_digits: Names = Field(default=[], description="Identifiers that do end in zeros beyond their 15th digit.")

    url_setting: str | None = None
    path: str = ""
    cursor_param: str = "updated_since"
    page_size_param: str = "limit"
    page_size: int = Field(default=500, ge=1)
    until_param: str = "until"
    records: str = "data"
    next: str = "next_cursor"

    @model_validator(mode="before")
    @classmethod
    def _takes_matches_apart(cls, given: Any) -> Any:
        """Take `match` out of the columns that say it: what is left is the header of the number, if there is one."""
        columns = given.get("columns") if isinstance(given, dict) else None
        if not isinstance(columns, dict):
            return given
        columns, matches = dict(columns), dict(given.get("match") or {})
        for name, said in list(columns.items()):
            if not isinstance(said, dict):
                continue
            if "match" not in said or set(said) - {"match", "column"}:
                raise ValueError(f"columns: {name}: say the header, or {{column: header, match: {{name: header}}}}")
            matches[name] = said["match"]
            columns[name] = said.get("column")
            if not columns[name]:
                del columns[name]
        return {**given, "columns": columns, **({"match": matches} if matches else {})}

    @model_validator(mode="after")
    def _fits_the_feed(self) -> "Profile":
        try:
            feed = feeds.get(self.feed)
        except IngestionError as error:
            raise ValueError(str(error)) from error
        known = set(feed.field_names)
        if self.full_list and feed.has_own_dag:
            raise ValueError(
                f"full_list: rows of feed {self.feed} are events, which do not end; only registers are lists"
            )
        if self.marks and not feed.immutable:
            raise ValueError(f"marks: feed {self.feed} has nothing that cannot change: send the corrected row as it is")
        if self.full_list and set(self.full_list.scope) - known:
            raise ValueError(f"full_list: feed {self.feed} has no field {', '.join(self.full_list.scope)}")
        for key in ("columns", "constants", "derive", "dates", "codes", "numbers", "signs", "long_digits", "fill_down"):
            wrong = sorted(set(getattr(self, key)) - known)
            if wrong:
                raise ValueError(f"{key}: feed {self.feed} has no field {', '.join(wrong)}")
        for name in self.match:
            if name not in NUMBERED or name not in known or name in feed.key:
                told = ", ".join(name for name in NUMBERED if name in known and name not in feed.key) or "nothing"
                raise ValueError(f"match: {name}: of feed {self.feed} a name can stand in place of {told}")
        given = [name for key in ("columns", "constants", "derive") for name in getattr(self, key)]
        given += [name for name in self.match if name not in self.columns]
        twice = sorted({name for name in given if given.count(name) > 1})
        if twice:
            raise ValueError(f"given more than once in columns, constants and derive: {', '.join(twice)}")
        missing = [field.name for field in feed.fields if field.required and field.name not in given]
        if missing:
            raise ValueError(f"no source for the required {', '.join(missing)}: add to columns, constants or derive")
        for name in given:
            field = feed.field(name)
            if field.is_date and name not in self.dates and name not in self.constants:
                raise ValueError(f"dates: say the format of {name}")
            if field.type == "boolean" and name in self.columns and not self.booleans:
                raise ValueError(f"booleans: say which words mean yes and no for {name}")
        for name, mapping in self.codes.items():
            wrong = sorted(
                {str(value) for value in mapping.values() if value is not None} - set(feed.field(name).codes)
            )
            if feed.field(name).codes and wrong:
                raise ValueError(f"codes: {name} of feed {self.feed} cannot be {', '.join(wrong)}")
        for name, value in self.constants.items():
            if feed.field(name).codes and value not in feed.field(name).codes:
                raise ValueError(f"constants: {name} of feed {self.feed} cannot be {value!r}")
        rules = {rule.code for rule in feed.rules}
        for code, reason in self.waive.items():
            if code not in rules:
                raise ValueError(f"waive: feed {self.feed} has no row rule {code}; it has {', '.join(sorted(rules))}")
            if not reason.strip():
                raise ValueError(f"waive: say why {code} does not hold for this source")
        for name, names in self.columns.items():
            unit = next((unit for alias in names for unit in UNITS if unit not in ("元", "分") and unit in alias), None)
            if feed.field(name).is_money and unit and self.numbers.get(name, Number()).unit is None:
                raise ValueError(f"numbers: the header {' / '.join(names)} says {unit}: {name}: {{unit: {unit}}}")
        aliases = [alias for names in self.columns.values() for alias in names]
        for alias in {alias for alias in aliases if aliases.count(alias) > 1}:
            raise ValueError(f"columns: the header {alias!r} is given to two fields; use derive for the second")
        if self.format == "json_api":
            if not (self.url_setting and self.path):
                raise ValueError("a json_api needs url_setting and path")
        elif self.format == "workbench":
            if self.files or self.header is None:
                raise ValueError("the workbench's acts come from the warehouse: a header, no files")
        elif not self.files:
            raise ValueError("files: say which files this profile reads")
        elif self.header is None:
            raise ValueError("header: say find: [...], row: N or none: true")
        return self

    def given_fields(self) -> set[str]:
        """Return the fields of the feed that this source can fill; the others are null in all its rows."""
        return {*self.columns, *self.match, *self.constants, *self.derive}

    def reads(self, file_name: str) -> bool:
        """Say whether ``file_name`` is one of this source's files."""
        return any(fnmatchcase(file_name, pattern) for pattern in self.files)

    def match_headers(self) -> set[str]:
        """Return headers that are read to match names; a file may lack those of a field that has its number."""
        return {header for match in self.match.values() for header in match.headers}

    def used_headers(self) -> set[str]:
        """Return headers that are read by captures, templates, signs and skip rules."""
        captured = {name for capture in self.captures for name in capture.names}
        used = {capture.source for capture in self.captures}
        used |= {name for template in self.derive.values() for name, _hash in TEMPLATE.findall(template)}
        used |= {sign.negate_when.column for sign in self.signs.values()}
        used |= {self.marks.column} if self.marks else set()
        used |= {rule.column for rule in self.skip_rows if rule.column}
        made = {self.unpivot.name, self.unpivot.value} if self.unpivot else set()
        return used - captured - set(ROW_VALUES) - set(self.columns) - made  # a template may also name a field


class _UniqueKeys(yaml.CSafeLoader):  # libyaml: a night reads every profile for every feed
    """A key written twice in a profile is an error, not the last one wins."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _value in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key!r} appears twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def load(path: Path) -> Profile:
    """Read one profile; its name is the file's name. IngestionError names the file, the key and what is wrong."""
    mapping = _read(path)
    if base := mapping.pop("extends", None):
        mapping = _extended(path, str(base), mapping)
    return _checked(path, mapping)


def _read(path: Path) -> dict[str, Any]:
    try:
        mapping = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except OSError as error:
        raise IngestionError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise IngestionError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(mapping, dict):
        raise IngestionError(f"{path}: a profile is a mapping of keys; see the others in {SOURCES}")
    return mapping


def _checked(path: Path, mapping: dict[str, Any]) -> Profile:
    try:
        return Profile(**{**mapping, "name": path.stem})
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in problem['loc']) or 'profile'}: "
            + ("unknown key" if problem["type"] == "extra_forbidden" else problem["msg"].removeprefix("Value error, "))
            for problem in error.errors()
        ]
        raise IngestionError(f"{path}: " + "; ".join(problems)) from error
    except TypeError as error:
        raise IngestionError(f"{path}: keys must be text: {error}") from error


def _extended(path: Path, base: str, own: dict[str, Any]) -> dict[str, Any]:
    """Return the keys of the profile ``base`` in the same folder with those of ``own`` in their place.

    A mapping is completed key by key, everything else is replaced. One step only: a base extends nothing itself.
    """
    other = path.with_name(f"{base}.yml")
    if not other.exists():
        raise IngestionError(f"{path}: extends: there is no {other.name} beside it")
    stated = _read(other)
    if "extends" in stated:
        raise IngestionError(f"{path}: extends: {base} extends another profile itself; name that one")
    merged = _checked(other, stated).model_dump(exclude_unset=True, exclude={"name"})
    for key, value in own.items():
        old = merged.get(key)
        merged[key] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


@cache
def load_all(folder: Path = SOURCES) -> tuple[Profile, ...]:
    """Read every profile of ``folder`` in the order of their names."""
    return tuple(load(path) for path in sorted(folder.glob("*.yml")))


def get(name: str, folder: Path = SOURCES) -> Profile:
    """Return the profile called ``name``; IngestionError lists the known ones when there is none."""
    path = folder / f"{name}.yml"
    if not path.exists():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.yml"))) or "none"
        raise IngestionError(f"there is no source profile {name!r} in {folder}; profiles are: {known}")
    return load(path)


def named(source: str) -> Profile:
    """Return the profile that people name: one in ingestion/sources, or the path of a .yml file."""
    return load(Path(source)) if source.endswith((".yml", ".yaml")) else get(source)
