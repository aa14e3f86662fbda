"""YAML with line numbers: reads a methodology file so that a fault can be shown with its line.

Owns the reading only; what a method may say is in ``scoring.schema``.
"""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import yaml

from scoring.errors import MethodError

Path_ = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """A parsed file: its plain content (fractions as Decimal, as written) and the line of every key and item."""

    path: Path
    content: Any
    lines: dict[Path_, int]

    def _known(self, location: Path_) -> Path_:
        """Return the parts of ``location`` that the file has; what only the validator knows (union tags) falls out."""
        known: Path_ = ()
        for part in location:
            if (*known, part) in self.lines:
                known = (*known, part)
        return known

    def line_of(self, location: Path_) -> int:
        """Return the line (1-based) of the deepest part of ``location`` that the file has."""
        return self.lines.get(self._known(location), 1)

    def name_of(self, location: Path_) -> str:
        """Return ``location`` as people write it, with a key that is missing from the file at its end."""
        known = self._known(location)
        missing = location[-1:] if location and location[-1:] != known[-1:] else ()
        return ".".join(str(part) for part in (*known, *missing))


def read(path: Path) -> Document:
    """Read a YAML file; MethodError when it cannot be read, is not UTF-8 YAML, or repeats a key."""
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (OSError, UnicodeDecodeError) as error:
        raise MethodError(f"{path}: cannot be read: {error}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise MethodError(f"{path}:{line}: not YAML: {error.problem}") from error
    if root is None:
        raise MethodError(f"{path}:1: the file is empty")
    lines: dict[Path_, int] = {}
    return Document(path=path, content=_build(path, root, (), lines), lines=lines)


def _build(path: Path, node: yaml.Node, at: Path_, lines: dict[Path_, int]) -> Any:
    if isinstance(node, yaml.MappingNode):
        mapping: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            key = _scalar(path, key_node)
            if key in mapping:
                raise MethodError(f"{path}:{key_node.start_mark.line + 1}: {key}: the key is given twice")
            lines[(*at, key)] = key_node.start_mark.line + 1
            mapping[key] = _build(path, value_node, (*at, key), lines)
        return mapping
    if isinstance(node, yaml.SequenceNode):
        items = []
        for index, item in enumerate(node.value):
            lines[(*at, index)] = item.start_mark.line + 1
            items.append(_build(path, item, (*at, index), lines))
        return items
    return _scalar(path, node)


def _scalar(path: Path, node: yaml.Node) -> Any:
    line = node.start_mark.line + 1
    if not isinstance(node, yaml.ScalarNode):
        raise MethodError(f"{path}:{line}: a key must be a plain word")
    kind = node.tag.rpartition(":")[2]
    if kind == "str":
        return node.value
    if kind == "null":
        return None
    if kind == "bool" and node.value.lower() in ("true", "false"):
        return node.value.lower() == "true"
    if kind in ("int", "float"):
        try:
            number = Decimal(node.value)
            return int(number) if kind == "int" else number
        except (InvalidOperation, ValueError):
            pass
    raise MethodError(f"{path}:{line}: {node.value!r} is read as {kind}; put it in quotes or write a plain number")
