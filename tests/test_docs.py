"""Every Python example in the documentation runs, links are valid, and the generated pages are current.

Run `python -m tests.test_docs --write` to write docs/command-line.md and docs/api.md.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import is_dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, get_origin

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
#: The packages that docs/api.md covers: the top level, those that are its attributes, and modules to import by name.
PACKAGES = ("", "data", "tasks", "sharing", "weighting", "callbacks", "explain", "report", "search", "runs")
MODULES = ("model", "training", "prediction", "evaluation", "calibration", "comparison", "backbones", "errors")


def blocks(page: Path, language: str) -> list[str]:
    """Return the fenced code blocks of a page in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


def program(page: Path) -> str:
    """Return the Python blocks of a page as one program, with every line at its line number in the page."""
    lines, inside = [], False
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            inside = line == "```python"
            lines.append("")
        else:
            lines.append(line if inside else "")
    return "\n".join(lines)


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings of a page, as GitHub derives them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=page_id)
def test_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    # Dataclasses look up the module that they are defined in.
    module = ModuleType("example")
    monkeypatch.setitem(sys.modules, "example", module)
    exec(compile(program(page), str(page), "exec", dont_inherit=True), vars(module))


def test_the_rules_name_tests_that_exist() -> None:
    named = re.findall(r"`((?:\w+/)?test_\w+\.py)`", (ROOT / "docs" / "rules.md").read_text(encoding="utf-8"))
    assert len(named) > 20
    assert [name for name in named if not (ROOT / "tests" / name).is_file()] == []


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_are_valid(page: Path) -> None:
    broken = []
    for path, anchor in re.findall(r"\]\(([^)#]*)#?([^)]*)\)", page.read_text(encoding="utf-8")):
        target = page.parent / path if path else page
        if "://" not in path and (not target.exists() or (anchor and anchor not in anchors(target))):
            broken.append(f"{path}#{anchor}")
    assert broken == []


def test_readme_starts_with_two_commands() -> None:
    first = blocks(ROOT / "README.md", r"\w*")[0]
    commands = first.splitlines()
    assert len(commands) == 2
    assert commands[0].endswith("mtl-keras tune")
    assert commands[1].endswith("pytest -n auto")
    assert all("-e " in command for command in commands)


def command_line_page() -> str:
    """Return the page of all commands and options, in a format that does not depend on the version of typer."""
    from typer.main import get_command

    from mtl_keras.cli import app

    parts = ["# The command line", "Generated from the texts of `--help`; a test compares the two."]
    verbs = [("mtl-keras", get_command(app))]
    while verbs:
        name, verb = verbs.pop(0)
        arguments = [f"[{p.name.upper()}]" for p in verb.params if p.param_type_name == "argument" and not p.required]
        arguments += [p.name.upper() for p in verb.params if p.param_type_name == "argument" and p.required]
        parts += [f"## `{' '.join([name, *arguments])}`", " ".join((verb.help or "").split())]
        inner = getattr(verb, "commands", {})
        if inner:
            parts.append("\n".join(f"- `{name} {sub}`: {command.get_short_help_str(200)}" for sub, command in inner.items()))
        elif verb.params:
            parts.append("| | |\n|---|---|\n" + "\n".join(map(option_row, verb.params)))
        verbs = [(f"{name} {sub}", command) for sub, command in inner.items()] + verbs
    return "\n\n".join(parts) + "\n"


def option_row(parameter: Any) -> str:
    """Return one row of the table of a command."""
    name = parameter.name.upper() if parameter.param_type_name == "argument" else max(parameter.opts, key=len)
    metavar = "" if parameter.param_type_name == "argument" or parameter.is_flag else f" {parameter.metavar or '...'}"
    default = parameter.default
    show_default = default not in (None, False, "") and getattr(parameter, "show_default", True)
    value = getattr(default, "value", default)
    text = " ".join((parameter.help or "").split()) + (f" [default: {value}]" if show_default else "")
    return f"| `{name}{metavar}` | {text} |".replace("<", "\\<")


def api_page() -> str:
    """Return the page of all public names, their signatures without types, and the summaries of their docstrings."""
    import mtl_keras

    top = set(mtl_keras.__all__)
    modules = {name: import_module(f"mtl_keras.{name}" if name else "mtl_keras") for name in (*PACKAGES, *MODULES)}
    public = {id(getattr(module, name)) for module in modules.values() for name in module.__all__}
    parts = ["# Python API", "Generated from the docstrings; a test compares the two. `mtl` is `mtl_keras`."]
    for package, module in modules.items():
        names = [name for name in module.__all__ if name != "__version__" and not inspect.ismodule(getattr(module, name))]
        own = sorted((name for name in names if not package or name not in top), key=str.lower)
        heading = f"mtl_keras.{package}" if package in MODULES else f"mtl.{package}" if package else "mtl"
        parts += [f"## `{heading}`", summary(module)]
        if also := [f"`{name}`" for name in sorted(names, key=str.lower) if package and name in top]:
            parts.append(f"Also at the top level: {', '.join(also)}.")
        if own:
            parts.append("\n".join(entry(module, name, public) for name in own))
    return "\n\n".join(parts) + "\n"


def entry(module: ModuleType, name: str, public: Collection[int]) -> str:
    """Return the lines of one public name: its own, and one for each public method or property of a class.

    Args:
        module: The package that the name is public in.
        name: The name.
        public: Identities of all public values. Members of a public base class are listed there alone.
    """
    value = getattr(module, name)
    if inspect.isclass(value):
        bases = [base for base in value.__mro__ if base is value or id(base) not in public]
        members: dict[str, Any] = {}
        for base in bases:
            if base.__module__.startswith("mtl_keras"):
                members = {**vars(base), **members}
        lines = [member_line(member, definition) for member, definition in members.items()]
        return "\n".join([f"- `{name}{signature(value)}`: {summary(value)}", *filter(None, lines)])
    if callable(value) and not get_origin(value):
        return f"- `{name}{signature(value)}`: {summary(value)}"
    if get_origin(value):
        return f"- `{name}`: A type, `{str(value).replace('typing.', '')}`."
    # More names than that come from the version of a library.
    listed = isinstance(value, Mapping) and len(value) < 20
    return f"- `{name}`: {comment(module, name)}" + (f" Keys: {', '.join(f'`{key}`' for key in value)}." if listed else "")


def member_line(name: str, definition: Any) -> str | None:
    """Return the line of a method or property of a class; None for anything else, and for what has no docstring."""
    function = definition.__func__ if isinstance(definition, classmethod | staticmethod) else definition
    documented = definition.fget if isinstance(definition, property) else function
    if name.startswith("_") or not getattr(documented, "__doc__", None):
        return None
    if isinstance(definition, property):
        return f"  - `.{name}`: {summary(documented)}"
    if inspect.isfunction(function):
        return f"  - `.{name}{signature(function, 0 if isinstance(definition, staticmethod) else 1)}`: {summary(function)}"
    return None


def signature(value: Callable[..., Any], skip: int = 0) -> str:
    """Return a signature without annotations, and without its first `skip` parameters."""
    try:
        found = inspect.signature(value)
    except ValueError:  # e.g. a class of a library without a Python signature
        return "(...)"
    parameters = [
        p.replace(annotation=p.empty, default=p.default if p.default is p.empty else _Default(p.default))
        for p in list(found.parameters.values())[skip:]
    ]
    return str(found.replace(parameters=parameters, return_annotation=found.empty))


class _Default:
    """A default value whose text contains no addresses."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        if inspect.isfunction(self.value) or inspect.isclass(self.value):
            return self.value.__name__
        text = repr(self.value)
        return "..." if " at 0x" in text or text == "<factory>" else text


def summary(value: Any) -> str:
    """Return the first paragraph of a docstring, in one line."""
    text = inspect.getdoc(value) or ""
    if is_dataclass(value) and text.startswith(f"{getattr(value, '__name__', '')}("):
        text = ""  # the docstring that dataclasses generate
    assert text, f"{value!r} must have a docstring."
    return " ".join(text.partition("\n\n")[0].split())


def comment(module: ModuleType, name: str) -> str:
    """Return the `#:` comment of a constant, from the files of its package."""
    assert module.__file__
    home = Path(module.__file__)
    for path in sorted(home.parent.glob("*.py")) if home.name == "__init__.py" else [home]:
        found = re.search(rf"((?:^#: .*\n)+)^(?:\w+, )*{name}\b[^\n]*=", path.read_text(encoding="utf-8"), re.M)
        if found:
            return " ".join(line.removeprefix("#: ") for line in found.group(1).splitlines())
    raise AssertionError(f"{name} of {module.__name__} must have a `#:` comment.")


#: Generated page -> function that returns its text.
GENERATED = {ROOT / "docs/command-line.md": command_line_page, ROOT / "docs/api.md": api_page}


@pytest.mark.parametrize("page", GENERATED, ids=page_id)
def test_generated_pages_are_current(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == GENERATED[page](), "run: python -m tests.test_docs --write"


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    for target, generate in GENERATED.items():
        target.write_text(generate(), encoding="utf-8")
