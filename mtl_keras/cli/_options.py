"""Options that several verbs have, and how they are read."""

from __future__ import annotations

import contextlib
import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from mtl_keras.cli._console import Work
    from mtl_keras.runs import Options
    from mtl_keras.search import Study

StudyArgument = Annotated[
    str,
    typer.Argument(
        help="Name of a study, a table, a folder of images, a study file (.toml), the folder of a run of these, or a Python "
        "file that defines STUDY.",
        metavar="[STUDY]",
    ),
]
Image = Annotated[
    str | None,
    typer.Option(help="Column of a table with the paths of images. [default: inferred]", metavar="COLUMN", show_default=False),
]
Inputs = Annotated[
    str | None,
    typer.Option(
        help="Input columns of a table, or patterns, divided by commas; a second input beside --image. "
        "[default: without images all that are no tasks]",
        metavar="NAME,...",
        show_default=False,
    ),
]
Tasks = Annotated[
    str | None,
    typer.Option(
        help="Columns to predict, or patterns such as 'Class*', divided by commas; 'grade:Ordinal' says of which kind. "
        "[default: all others, if there are images]",
        metavar="NAME,...",
        show_default=False,
    ),
]
Root = Annotated[
    str | None,
    typer.Option(help="Folder in which the images of a table lie. [default: looked for]", metavar="FOLDER", show_default=False),
]
SkipBad = Annotated[
    bool,
    typer.Option(
        "--skip-bad", help="Leave out rows of a table or folder that cannot be used, and list them in skipped.csv of the run."
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option(help="Root folder in which a data set is looked up as <name>/ and tfds/<name>/.", show_default=False),
]
CacheDir = Annotated[
    Path | None,
    typer.Option(
        help="Folder of the cache of decoded images and features. [default: $MTL_KERAS_CACHE_DIR or ~/.cache/mtl-keras]",
        show_default=False,
    ),
]
OutputDir = Annotated[Path | None, typer.Option(help="A new or empty folder. [default: runs/<study>/<n>]", show_default=False)]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="A setting of the study, or a hyperparameter to fix; repeatable.", show_default=False
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Continue in --output-dir, or in the newest run of the study.")]
Quick = Annotated[bool, typer.Option("--quick", help="Run the study's own small version, to see that it works.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line of standard output.")]
Strategy = Annotated[str, typer.Option(help="auto, none or mirrored (all GPUs of this host).")]
Epochs = Annotated[
    int | None, typer.Option(help="Maximum number of epochs of each training. [default: the study's]", show_default=False)
]
Seed = Annotated[
    int | None,
    typer.Option(help="Seed from which that of every training is derived. [default: the study's]", show_default=False),
]


def split_names(text: str | None) -> tuple[str, ...]:
    """Return names that are divided by commas. A name that has one is written in quotation marks."""
    if text is None:
        return ()
    return tuple(name.strip() for name in next(csv.reader([text], skipinitialspace=True), []) if name.strip())


def find_study(
    study: str,
    hints: dict[str, Any],
    *,
    resume: bool = False,
    command: str = "",
    output_dir: Path | None = None,
) -> Study:
    """Return the study that the arguments of a verb name.

    Args:
        study: The argument STUDY.
        hints: The options `image`, `inputs`, `tasks`, `root` and `skip_bad`.
        resume: Whether a run is resumed: that of a table is then the study that its folder keeps.
        command: The verb.
        output_dir: The option.
    """
    from mtl_keras.search import find_run, load_study, study_of_run

    if resume and not any(hints.values()) and (folder := find_run(study, command, output_dir)) is not None:
        return study_of_run(folder)
    return load_study(study, **read_hints(hints))


def read_hints(hints: dict[str, Any]) -> dict[str, Any]:
    """Return the options that say what the columns of a table are, as `load_study` takes them."""
    return {**hints, **{name: split_names(hints[name]) for name in ("inputs", "tasks")}}


def read_changes(pairs: list[str] | None, given: dict[str, Any]) -> dict[str, Any]:
    """Return `--set key=value` and the options that were given as one mapping.

    Raises:
        MTLError: If a pair has no `=`, or a key is given twice.
    """
    from mtl_keras.errors import MTLError

    changes: dict[str, Any] = {}
    for pair in pairs or []:
        key, found, text = pair.partition("=")
        if not found or not key:
            raise MTLError(f"--set must be KEY=VALUE. Received: {pair!r}. Pass e.g. --set learning_rate=0.001.")
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            value = text
        if key in changes:
            raise MTLError(
                f"A setting must be given once. Received: --set {key}={changes[key]} and --set {pair}. Drop one of them."
            )
        changes[key] = value
    for key, value in given.items():
        if value is not None and changes.setdefault(key, value) != value:
            option = key.replace("_", "-")
            raise MTLError(
                f"A setting must be given once. Received: --{option} {value} and --set {key}={changes[key]}. Drop one of them."
            )
    return changes


def work(as_json: bool, tensorflow: bool = True) -> Work:
    """Return the context in which a verb does its work; see `_console.Work`."""
    from mtl_keras.cli._console import Work

    return Work(as_json, sys.stdout, tensorflow)


@contextlib.contextmanager
def reporting(console: Work, **options: Any) -> Iterator[Options]:
    """Yield the options of a verb, with a reporter that shows progress on standard error for the length of a block."""
    from mtl_keras.cli._progress import ConsoleReporter
    from mtl_keras.runs import Options

    with ConsoleReporter(console.err, console.begin_training) as reporter:
        yield Options(reporter=reporter, **options)
