"""Options that several verbs have, and how they are read."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

StudyArgument = Annotated[str, typer.Argument(help="Name of a study, or a Python file that defines STUDY.", metavar="[STUDY]")]
DataDir = Annotated[
    Path | None, typer.Option(help="Root in which a data set is looked for as <name>/ and tfds/<name>/.", show_default=False)
]
CacheDir = Annotated[
    Path | None,
    typer.Option(help="Folder of the feature cache. [default: $MTL_KERAS_CACHE_DIR or ~/.cache/mtl-keras]", show_default=False),
]
OutputDir = Annotated[Path | None, typer.Option(help="A new or empty folder. [default: runs/<study>/<n>]", show_default=False)]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="A setting of the study, or a hyperparameter to fix; repeatable.", show_default=False
    ),
]
Resume = Annotated[bool, typer.Option("--resume", help="Go on in --output-dir, or in the newest run of the study.")]
Quick = Annotated[bool, typer.Option("--quick", help="The study's own small version, to see that it works.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line of standard output.")]
Strategy = Annotated[str, typer.Option(help="auto, none or mirrored (all GPUs of this host).")]
Epochs = Annotated[int | None, typer.Option(help="Epochs of each training at most. [default: the study's]", show_default=False)]
Seed = Annotated[
    int | None, typer.Option(help="Every training's seed follows from it. [default: the study's]", show_default=False)
]


def read_changes(pairs: list[str] | None, given: dict[str, Any]) -> dict[str, Any]:
    """Return `--set key=value` and the options that were given as one mapping.

    Raises:
        MTLError: If a pair has no `=`, or says something else than an option for the same key.
    """
    from mtl_keras.errors import MTLError

    changes: dict[str, Any] = {}
    for pair in pairs or []:
        key, found, text = pair.partition("=")
        if not found or not key:
            raise MTLError(f"--set takes KEY=VALUE. Received: {pair!r}. Give e.g. --set learning_rate=0.001.")
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            value = text
        changes[key] = value
    for key, value in given.items():
        if value is not None and changes.setdefault(key, value) != value:
            option = key.replace("_", "-")
            raise MTLError(f"A setting is given once. Received: --{option} {value} and --set {key}={changes[key]}. Drop one.")
    return changes


def work(as_json: bool, tensorflow: bool = True) -> Any:
    """Return the context in which a verb does its work; see `_console.Work`."""
    from mtl_keras.cli._console import Work

    return Work(as_json, sys.stdout, tensorflow)
