"""A study file: table, inputs, tasks, splits, settings and space as plain values, read from TOML and written with comments."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mtl_keras.errors import MTLError, check_mapping, describe, store

__all__ = ["SECTIONS", "StudyFile", "read_study_file"]

#: Keys of each section, with what a value must be. None: what uses the section knows its keys.
SECTIONS: dict[str, dict[str, str] | None] = {
    "table": dict.fromkeys(("path", "delimiter", "decimal", "encoding", "on_error"), "text") | {"missing": "texts"},
    "folder": {"path": "text", "levels": "texts", "on_error": "text"},
    "inputs": {
        **dict.fromkeys(("image", "root", "suffix"), "text"),
        "image_size": "size",
        **dict.fromkeys(("channels", "max_pixels"), "number"),
        "background": "color",
        "columns": "columns",
        "weight": "weight",
    },
    "tasks": None,
    "splits": None,
    "settings": None,
    "space": None,
}
TOP = {"name": "text", "summary": "text"}
WORDS = {
    "text": "a text",
    "texts": "a list of texts",
    "size": "a whole number, or two of them",
    "number": "a whole number",
    "color": "a whole number, or three of them",
    "weight": "the name of a column, or one for each task",
    "columns": "a table of kinds by column, such as { age = 'number' }",
}
EXAMPLE = {
    "text": '"labels"',
    "texts": '["NA"]',
    "size": "96",
    "number": "3",
    "color": "[255, 255, 255]",
    "columns": '{ age = "number" }',
    "weight": '"weight"',
}
#: A key that needs no quotation marks.
BARE = re.compile(r"[A-Za-z0-9_-]+")
HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(#.*)?")
#: One part of a key: in quotation marks of either kind, or bare.
QUOTED = r"""(?:"(?:[^"\\]|\\.)*"|'[^']*'|[A-Za-z0-9_-]+)"""
ENTRY = re.compile(rf"\s*({QUOTED}(?:\s*\.\s*{QUOTED})*)\s*=")
PART = re.compile(r""""((?:[^"\\]|\\.)*)"|'([^']*)'|([A-Za-z0-9_-]+)""")


@dataclass(frozen=True)
class StudyFile:
    """A study of a table or folder as plain values.

    Args:
        name: Name of the study.
        table: Of a table: its `path`, how a text table is written, and `on_error`, `"skip"` to leave out rows that cannot be
            used.
        folder: Of a tree of images instead: its `path`, the names of its `levels`, and `on_error`.
        inputs: `image` (a column), `root`, `suffix`, `image_size`, `channels`, `background` and `max_pixels`; or `columns`,
            kinds of input columns by name; or both, for a model of two inputs. Perhaps `weight`, a column of row weights, or
            one for each task.
        tasks: Of each task, its `kind` and fields.
        splits: Fields of `mtl_keras.data.Splits`.
        settings: Fields of `mtl_keras.search.Settings`.
        space: Ranges of the default search space.
        summary: A description in one line; default empty.
        path: The file it was read from, which relative paths are relative to; None (default) is the current folder.
        lines: Number of the line of each key of that file, by its path, e.g. `"tasks.garment.kind"`.

    Raises:
        MTLError: If a section or key is unknown, or a value is of another type.
    """

    name: str
    table: Mapping[str, Any] = field(default_factory=dict)
    folder: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    tasks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    splits: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    space: Mapping[str, Any] = field(default_factory=dict)
    summary: str = ""
    path: Path | None = field(default=None, compare=False)
    lines: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        for key in TOP:
            self._check(key, "text", getattr(self, key))
        for section, known in SECTIONS.items():
            values = check_mapping(section, getattr(self, section), of="a study file")
            store(self, **{section: values})
            for key, value in values.items():
                if known is not None:
                    self.check_key(section, key, known)
                    self._check(f"{section}.{key}", known[key], value)
        for name, fields in self.tasks.items():
            if not isinstance(fields, Mapping):
                raise self.error(
                    f"tasks.{name}",
                    f"A task must be a section. Received: tasks.{name} = {describe(fields)}. Write [tasks.{name}]",
                )
        self._check_whole()

    def _check_whole(self) -> None:
        """Check that the sections that must be there are there."""
        if bool(self.table) == bool(self.folder):
            raise self.error(
                "folder" if self.folder else "",
                f"A study file must have [table] or [folder]. Received: {'both' if self.table else 'neither'}. "
                f"{'Remove one of them' if self.table else 'Add [table] with path = ...'}",
            )
        section = "table" if self.table else "folder"
        needed = ("path",) if self.table else ("path", "levels")
        for key in needed:
            if key not in getattr(self, section):
                raise self.error(section, f"[{section}] must have {key}. Received: none. Add {key} = ...")
        if self.table and "image" not in self.inputs and "columns" not in self.inputs:
            raise self.error("inputs", "[inputs] must have image or columns, or both. Received: neither. Add one of them")
        if not self.tasks:
            raise self.error("", "A study file must have tasks. Received: none. Add a section such as [tasks.label]")

    def _check(self, key: str, kind: str, value: Any) -> None:
        """Check the type of one value."""
        number = isinstance(value, int) and not isinstance(value, bool)
        if kind == "text":
            right = isinstance(value, str)
        elif kind == "texts":
            right = isinstance(value, list | tuple) and all(isinstance(each, str) for each in value)
        elif kind == "size":
            right = number or _are_numbers(value, 2)
        elif kind == "number":
            right = number
        elif kind == "color":
            right = number or _are_numbers(value, 3)
        elif kind == "weight" and isinstance(value, str):
            right = True
        else:
            right = isinstance(value, Mapping) and len(value) > 0 and all(isinstance(each, str) for each in value.values())
        if not right:
            raise self.error(key, f"{key} must be {WORDS[kind]}. Received: {describe(value)}. Write e.g. {EXAMPLE[kind]}")

    def check_key(self, section: str, key: str, known: Mapping[str, Any]) -> None:
        """Check that a key of a section is known.

        Raises:
            MTLError: If it is not; the message names the line and the nearest key.
        """
        if key in known:
            return
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
        remedy = f"Did you mean {near[0]!r}?" if near else f"Expected one of {', '.join(known)}"
        raise self.error(f"{section}.{key}" if section else key, f"Unknown key in {_place(section)}: {key!r}. {remedy}")

    def error(self, key: str, message: str) -> MTLError:
        """Return an error about a key, with the file and the line of the key.

        Args:
            key: Its path, e.g. `"tasks.garment.kind"`; empty for the whole file.
            message: Rule, received value and remedy.
        """
        line = next((self.lines[part] for part in _upward(key) if part in self.lines), None)
        where = "" if self.path is None else f"{self.path}{'' if line is None else f', line {line}'}: "
        return MTLError(f"{where}{message}{'' if message.endswith(('.', '?')) else '.'}")

    @property
    def source(self) -> dict[str, Any]:
        """The section that says where its rows come from: `table` or `folder`."""
        return dict(self.table or self.folder)

    def with_source(self, **values: Any) -> StudyFile:
        """Return the same study with other values in that section."""
        section = {**self.source, **values}
        return replace(self, table=section) if self.table else replace(self, folder=section)

    @property
    def base(self) -> Path:
        """The folder that relative paths are relative to."""
        return Path() if self.path is None else self.path.parent

    def text(self, comments: Mapping[str, str] | None = None) -> str:
        """Return the file as TOML, with comments.

        Args:
            comments: Above a section (`"table"`, `"tasks.garment"`) or, behind an entry, of a key (`"inputs.image"`); default
                none.
        """
        notes = comments or {}
        lines = _comment_lines(notes.get("", ""))
        lines += [_entry(key, getattr(self, key), notes.get(key, "")) for key in TOP if key == "name" or getattr(self, key)]
        for section in SECTIONS:
            values = getattr(self, section)
            parts = {f"tasks.{_key(name)}": (f"tasks.{name}", fields) for name, fields in values.items()}
            for header, (path, entries) in (parts if section == "tasks" else {section: (section, values)}).items():
                if not entries and section != "tasks":
                    continue
                lines += ["", *_comment_lines(notes.get(path, "")), f"[{header}]"]
                nested = {key: value for key, value in entries.items() if path == "inputs" and isinstance(value, Mapping)}
                plain = {key: value for key, value in entries.items() if key not in nested}
                lines += [_entry(key, value, notes.get(f"{path}.{key}", "")) for key, value in plain.items()]
                for key, value in nested.items():
                    lines += ["", f"[{header}.{_key(key)}]"]
                    lines += [_entry(name, each, notes.get(f"{path}.{key}.{name}", "")) for name, each in value.items()]
        return "\n".join(lines) + "\n"


def read_study_file(path: str | Path) -> StudyFile:
    """Read a study file.

    Args:
        path: A `.toml` file.

    Raises:
        MTLError: If there is no such file, it is no TOML, a section or key is unknown, or a value is of another type. The
            message names the line, and the nearest key.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise MTLError(f"A study file must exist. Received: {path}, which does not. Check the path.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise MTLError(f"A study file must be readable, in UTF-8. Received: {path}: {error}. Correct it.") from error
    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise MTLError(f"A study file must be TOML. Received: {path}: {error}. Correct it there.") from error
    lines = _find_lines(text)
    known = {**TOP, **dict.fromkeys(SECTIONS, "")}
    # A file without sections, to report on keys that no file has.
    blank = StudyFile("study", table={"path": "-"}, inputs={"image": "-"}, tasks={"-": {}}, path=path, lines=lines)
    for key, value in values.items():
        blank.check_key("", key, known)
        if key in SECTIONS and not isinstance(value, Mapping):
            raise blank.error(key, f"{key} must be a section. Received: {key} = {describe(value)}. Write [{key}]")
    return StudyFile(**{"name": path.stem, **values}, path=path, lines=lines)


def _are_numbers(value: Any, count: int) -> bool:
    """Return whether a value is a list of that many whole numbers."""
    several = isinstance(value, list | tuple) and len(value) == count
    return several and all(isinstance(each, int) and not isinstance(each, bool) for each in value)


def _place(section: str) -> str:
    """Return a section in words."""
    return f"[{section}]" if section else "the study file"


def _upward(key: str) -> list[str]:
    """Return the path of a key and those of the sections around it, the nearest first."""
    parts = key.split(".") if key else []
    return [".".join(parts[:end]) for end in range(len(parts), 0, -1)]


def _find_lines(text: str) -> dict[str, int]:
    """Return the number of the line of each section and key, by its path. TOML's reader has none."""
    found: dict[str, int] = {}
    section: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if header := HEADER.fullmatch(line):
            section = _parts(header[1])
            parts = section
        elif entry := ENTRY.match(line):
            parts = [*section, *_parts(entry[1])]
        else:
            continue
        for end in range(1, len(parts) + 1):
            found.setdefault(".".join(parts[:end]), number)
    return found


def _parts(key: str) -> list[str]:
    """Return the parts of a dotted key."""
    return [json.loads(f'"{quoted}"') if quoted else literal or bare for quoted, literal, bare in PART.findall(key)]


def _key(name: str) -> str:
    """Return a key as TOML has it."""
    return name if BARE.fullmatch(name) else _quote(name)


def _quote(text: str) -> str:
    """Return a text as TOML has it."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(value: Any) -> str:
    """Return a value as TOML has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _quote(value)
    if isinstance(value, int | float):
        text = repr(value)
        return f"{text}.0" if isinstance(value, float) and text.lstrip("-").isdigit() else text
    if isinstance(value, list | tuple):
        return f"[{', '.join(_value(each) for each in value)}]"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_value(each)}" for key, each in value.items()) + " }" if value else "{}"
    if value is None:
        raise MTLError("A value of a study file must be set. Received: None. Leave its key out.")
    raise MTLError(f"A value of a study file must be a text, number, boolean, list or mapping. Received: {describe(value)}.")


def _comment_lines(text: str) -> list[str]:
    """Return a text as lines of comments."""
    return [f"# {_printable(line)}".rstrip() for line in text.split("\n")] if text else []


def _printable(text: str) -> str:
    """Return a text without the control characters that TOML refuses in a comment."""
    return "".join(sign if sign.isprintable() else " " for sign in text)


def _entry(key: str, value: Any, comment: str) -> str:
    """Return one line of the file."""
    return f"{_key(key)} = {_value(value)}" + (f"  # {' '.join(_printable(comment).split())}" if comment else "")
