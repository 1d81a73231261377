"""What the pages say is so: every Python example runs, every link leads somewhere, the page of options is what `--help` says.

Rewrite docs/command-line.md with `python -m tests.test_docs --write`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
OPTIONS = ROOT / "docs/command-line.md"


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "python")], ids=page_id)
def test_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    examples = blocks(page, "python")
    # One after the other in one module, as a reader would type them.
    exec(compile("\n".join(examples), page_id(page), "exec"), {"__name__": "example"})
    assert examples


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


def test_readme_begins_with_two_commands() -> None:
    first = blocks(ROOT / "README.md", r"\w*")[0]
    commands = first.splitlines()
    assert len(commands) == 2
    assert commands[0].endswith("mtl-keras tune")
    assert commands[1].endswith("pytest")
    assert all("-e " in command for command in commands)


def help_page() -> str:
    """The page of all verbs and options, from what `--help` shows, without the look that a version of typer gives it."""
    from typer.main import get_command

    from mtl_keras.cli._app import app

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
            parts.append("| | |\n|---|---|\n" + "\n".join(map(row, verb.params)))
        verbs = [(f"{name} {sub}", command) for sub, command in inner.items()] + verbs
    return "\n\n".join(parts) + "\n"


def row(parameter: Any) -> str:
    """One line of a verb's table."""
    name = parameter.name.upper() if parameter.param_type_name == "argument" else max(parameter.opts, key=len)
    takes = "" if parameter.param_type_name == "argument" or parameter.is_flag else f" {parameter.metavar or '...'}"
    default = parameter.default
    shown = default not in (None, False, "") and getattr(parameter, "show_default", True)
    value = getattr(default, "value", default)
    text = " ".join((parameter.help or "").split()) + (f" [default: {value}]" if shown else "")
    return f"| `{name}{takes}` | {text} |".replace("<", "\\<")


def test_the_options_page_is_what_help_says() -> None:
    assert OPTIONS.read_text(encoding="utf-8") == help_page(), "run: python -m tests.test_docs --write"


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    OPTIONS.write_text(help_page(), encoding="utf-8")
