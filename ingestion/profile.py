"""Source profiles: one YAML a source says how one office's export becomes rows of a feed, without code.

Owns the vocabulary of that YAML and its checks against the feed. Reads no data.
"""

import re
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from ingestion import feeds
from ingestion.contract import IngestionError

SOURCES = Path(__file__).parent / "sources"
TEMPLATE = re.compile(r"\{([^{}|]+)(\|hash)?\}")
ROW_VALUES = ("source_file", "row_number")  # what every template and capture may use beside the file's own headers


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, (str, int)) else value


def _as_text_keys(value: Any) -> Any:
    """YAML reads 是/否 as text, but 1, 0, yes and no as numbers and booleans: files only hold text."""
    if not isinstance(value, dict):
        return value
    return {_word(key): (None if found is None else _word(found)) for key, found in value.items()}


def _word(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _as_booleans(value: Any) -> Any:
    return {_word(key): found for key, found in value.items()} if isinstance(value, dict) else value


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
    """Named groups of ``pattern`` found in ``source`` become names that ``derive`` templates can use."""

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
    """Rows left out on purpose: ``column`` matches ``matches``; ``total_of`` compares its amount with the rows' sum."""

    column: str
    matches: str
    total_of: str | None = Field(default=None, description="A decimal field whose sum this row states.")

    @field_validator("matches")
    @classmethod
    def _compiles(cls, value: str) -> str:
        _compiled(value)
        return value


class Sign(Part):
    """The amount is negated where ``column`` is one of ``equals``."""

    class When(Part):
        """A header and the values that mean 'negative'."""

        column: str
        equals: Names

    negate_when: When


class Number(Part):
    """How numbers are written: ``remove`` is taken out first (thousands separators, currency signs)."""

    remove: Names = []


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
    format: Literal["csv", "xlsx", "json_api"]
    files: Names = Field(default=[], description="Names inside landing/<date>/<profile>/, with * and ?.")

    encoding: str = "utf-8"
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    quote: Literal['"', ""] = '"'
    line_ending: Literal["auto", "lf", "crlf", "cr"] = "auto"
    sheet: str | int = 1

    header: Header | None = None
    columns: dict[str, Names]
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
    skip_rows: list[SkipRow] = []

    url_setting: str | None = None
    path: str = ""
    cursor_param: str = "updated_since"
    page_size_param: str = "limit"
    page_size: int = Field(default=500, ge=1)
    until_param: str = "until"
    records: str = "data"
    next: str = "next_cursor"

    @model_validator(mode="after")
    def _fits_the_feed(self) -> "Profile":
        try:
            feed = feeds.get(self.feed)
        except IngestionError as error:
            raise ValueError(str(error)) from error
        known = set(feed.field_names)
        for key in ("columns", "constants", "derive", "dates", "codes", "numbers", "signs"):
            wrong = sorted(set(getattr(self, key)) - known)
            if wrong:
                raise ValueError(f"{key}: feed {self.feed} has no field {', '.join(wrong)}")
        given = [name for key in ("columns", "constants", "derive") for name in getattr(self, key)]
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
        aliases = [alias for names in self.columns.values() for alias in names]
        for alias in {alias for alias in aliases if aliases.count(alias) > 1}:
            raise ValueError(f"columns: the header {alias!r} is given to two fields; use derive for the second")
        if self.format == "json_api":
            if not (self.url_setting and self.path):
                raise ValueError("a json_api needs url_setting and path")
        elif not self.files:
            raise ValueError("files: say which files this profile reads")
        elif self.header is None:
            raise ValueError("header: say find: [...], row: N or none: true")
        return self

    def given_fields(self) -> set[str]:
        """Return the fields of the feed that this source can fill; the others are null in all its rows."""
        return {*self.columns, *self.constants, *self.derive}

    def reads(self, file_name: str) -> bool:
        """Say whether ``file_name`` is one of this source's files."""
        return any(fnmatchcase(file_name, pattern) for pattern in self.files)

    def used_headers(self) -> set[str]:
        """Return headers that are read by captures, templates, signs and skip rules."""
        captured = {name for capture in self.captures for name in capture.names}
        used = {capture.source for capture in self.captures}
        used |= {name for template in self.derive.values() for name, _hash in TEMPLATE.findall(template)}
        used |= {sign.negate_when.column for sign in self.signs.values()}
        used |= {rule.column for rule in self.skip_rows}
        return used - captured - set(ROW_VALUES) - set(self.columns)  # a template may also name a field


class _UniqueKeys(yaml.CSafeLoader):  # libyaml: a night reads every profile for every feed
    """A key written twice in a profile is an error, not the last one wins."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _value in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key!r} stands twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def load(path: Path) -> Profile:
    """Read one profile; its name is the file's name. IngestionError names the file, the key and what is wrong."""
    found = _read(path)
    if base := found.pop("extends", None):
        found = _extended(path, str(base), found)
    return _checked(path, found)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except OSError as error:
        raise IngestionError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise IngestionError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise IngestionError(f"{path}: a profile is a mapping of keys; see the others in {SOURCES}")
    return found


def _checked(path: Path, found: dict[str, Any]) -> Profile:
    try:
        return Profile(**{**found, "name": path.stem})
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
    found = _checked(other, stated).model_dump(exclude_unset=True, exclude={"name"})
    for key, value in own.items():
        old = found.get(key)
        found[key] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    return found


@cache
def load_all(folder: Path = SOURCES) -> tuple[Profile, ...]:
    """Read every profile of ``folder`` in the order of their names."""
    return tuple(load(path) for path in sorted(folder.glob("*.yml")))


def get(name: str, folder: Path = SOURCES) -> Profile:
    """Return the profile called ``name``; IngestionError lists the known ones when there is none."""
    path = folder / f"{name}.yml"
    if not path.exists():
        known = ", ".join(sorted(found.stem for found in folder.glob("*.yml"))) or "none"
        raise IngestionError(f"there is no source profile {name!r} in {folder}; profiles are: {known}")
    return load(path)
