"""The verb that infers a study file from a table: `init`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtl_keras.cli._options import Image, Inputs, Json, Root, Tasks, split_names, work

if TYPE_CHECKING:
    from rich.console import Console

    from mtl_keras.tables import Inference

__all__ = ["escape_cell", "init"]

#: What a role is shown as; a column without one is left out.
LEFT_OUT = "left out"


def init(
    source: Annotated[str, typer.Argument(help="A table, or a folder of images.", metavar="TABLE")],
    image: Image = None,
    inputs: Inputs = None,
    tasks: Tasks = None,
    root: Root = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The study file to write. [default: none, the table is shown]", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the study file if it is there.")] = False,
    json_: Json = False,
) -> None:
    """Infer what the columns of a table are, show it, and write a study file that can be edited."""
    with work(json_, tensorflow=False) as console:
        from mtl_keras.data import draft_study, infer_source

        if output is not None:
            _check_output(output, force)
        found = infer_source(source, image=image, inputs=split_names(inputs), tasks=split_names(tasks), root=root)
        show_inference(console.out, found.inference, len(found.table.frame))
        draft = draft_study(found, output)
        if output is not None:
            from mtl_keras.files import atomic

            with atomic(output) as temporary:
                temporary.write_text(draft.text(), encoding="utf-8")
        wrote = "" if output is None else f"Wrote {output}. "
        hints = {"--image": image, "--inputs": inputs, "--tasks": tasks, "--root": root}
        given = [word for name, value in hints.items() if value is not None for word in (name, value)]
        then = next_step([source, *given], output, draft.unordered)
        console.out.print(f"{wrote}{then}", highlight=False, markup=False, soft_wrap=True)
        console.answer(
            {"source": str(source), "output": None if output is None else str(output), "columns": found.inference.config()}
        )


def next_step(named: Sequence[str], output: Path | None, unordered: Sequence[str]) -> str:
    """Return what to do after `init`, as one line.

    Args:
        named: The table, and the options that were given.
        output: The study file that was written, or None.
        unordered: Names of the tasks whose order has to be stated first.
    """
    state = f"state the order of {', '.join(unordered)} there, classes = [...] from the lowest to the highest"
    if output is not None:
        tune = shlex.join(["mtl-keras", "tune", str(output)])
        return f"Next: {state}, then: {tune}" if unordered else f"Next: {tune}"
    if unordered:
        return f"Next: {shlex.join(['mtl-keras', 'init', *named, '-o', 'study.toml'])}, and {state}"
    return f"Next: {shlex.join(['mtl-keras', 'tune', *named])}, or add -o study.toml to change what was inferred"


def _check_output(output: Path, force: bool) -> None:
    """Refuse a study file that is there, or cannot be written."""
    from mtl_keras.errors import MTLError
    from mtl_keras.files import check_folder

    if output.suffix.lower() != ".toml":
        raise MTLError(f"A study file must end in .toml. Received: {output}. Pass e.g. -o study.toml.")
    if output.is_dir():
        raise MTLError(f"A study file must be a file. Received: {output}, which is a folder. Pass e.g. -o {output}/study.toml.")
    if output.exists() and not force:
        raise MTLError(
            f"A study file must be new. Received: {output}, which is there. Pass another -o, or --force to replace it."
        )
    check_folder("output", output.parent)


def show_inference(out: Console, inference: Inference, rows: int) -> None:
    """Print a table of the columns: what they are, what they are for, and why."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, justify in (("column", "left"), ("kind", "left"), ("role", "left"), ("rows", "right"), ("missing", "right")):
        table.add_column(name, justify=justify, no_wrap=name in ("rows", "missing"))  # type: ignore[arg-type]
    table.add_column("values", justify="right")
    table.add_column("because", overflow="fold")
    for column in inference.columns:
        role = f"{column.role}: {column.task}" if column.task else column.role or LEFT_OUT
        missing = f"{column.missing:.1%}" if column.missing else ""
        cells = (column.name, column.kind, role, f"{column.count:,}", missing, f"{column.distinct:,}", column.reason)
        table.add_row(*(escape_cell(cell) for cell in cells))
    out.print(table, highlight=False)
    out.print(f"{rows:,} rows", highlight=False, markup=False)


def escape_cell(text: str) -> str:
    """Return a text of the table as it is, in one line."""
    from rich.markup import escape

    return escape("".join(letter if letter.isprintable() else "?" for letter in text))
