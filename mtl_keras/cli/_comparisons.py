"""The verbs that compare: `compare` and `reproduce`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mtl_keras.cli._options import (
    CacheDir,
    DataDir,
    Epochs,
    Image,
    Inputs,
    Json,
    OutputDir,
    Quick,
    Resume,
    Root,
    Seed,
    Set,
    SkipBad,
    Strategy,
    StudyArgument,
    Tasks,
    find_study,
    read_changes,
    reporting,
    work,
)

if TYPE_CHECKING:
    from mtl_keras.cli._console import Work
    from mtl_keras.comparison import Comparison

__all__ = ["compare", "reproduce"]

Folds = Annotated[
    int | None,
    typer.Option(
        help="Divide the rows into this many parts, each of which is the test split of one training.", show_default=False
    ),
]


def compare(
    study: StudyArgument = "digits",
    approach: Annotated[
        list[str] | None,
        typer.Option(
            help="A loss weighting, `fixed`, or a configuration of the study; repeatable. "
            "[default: equal (with --fixed-from: fixed) and uncertainty]",
            show_default=False,
        ),
    ] = None,
    fixed_from: Annotated[
        str | None,
        typer.Option(
            help="Folder of a search, whose best configuration is compared; `fixed` is its loss weights.", show_default=False
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            help="Trainings of each approach and baseline, at least 2. [default: the folds, or 5]", show_default=False
        ),
    ] = None,
    folds: Folds = None,
    image: Image = None,
    inputs: Inputs = None,
    tasks: Tasks = None,
    root: Root = None,
    skip_bad: SkipBad = False,
    epochs: Epochs = None,
    seed: Seed = None,
    data_dir: DataDir = None,
    output_dir: OutputDir = None,
    cache_dir: CacheDir = None,
    resume: Resume = False,
    set_: Set = None,
    strategy: Strategy = "auto",
    quick: Quick = False,
    json_: Json = False,
) -> None:
    """Compare loss weightings or configurations from the same seeds, next to single-task baselines."""
    changes = read_changes(set_, {"epochs": epochs, "seed": seed, "folds": folds})
    where = {"data_dir": data_dir, "output_dir": output_dir, "cache_dir": cache_dir}
    with work(json_) as console:
        from mtl_keras.search import compare_study

        hints = {"image": image, "inputs": inputs, "tasks": tasks, "root": root, "skip_bad": skip_bad}
        found = find_study(study, hints, resume=resume, command="compare", output_dir=output_dir)
        approaches = approach or ["fixed" if fixed_from else "equal", "uncertainty"]
        with reporting(console, **where, resume=resume, quick=quick, strategy=strategy) as options:
            result = compare_study(found, approaches, changes, options, fixed_from=fixed_from, seeds=seeds)
        _show(console, result, found.name)


def reproduce(
    study: StudyArgument,
    configuration: Annotated[
        list[str] | None,
        typer.Option(help="A configuration of the study; repeatable. [default: all]", show_default=False),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(help="Trainings of each, at least 2. [default: the configuration's or the study's]", show_default=False),
    ] = None,
    folds: Folds = None,
    epochs: Epochs = None,
    seed: Seed = None,
    data_dir: DataDir = None,
    output_dir: OutputDir = None,
    cache_dir: CacheDir = None,
    resume: Resume = False,
    set_: Set = None,
    strategy: Strategy = "auto",
    quick: Quick = False,
    json_: Json = False,
) -> None:
    """Train every configuration that a study names, and write one record that compares them with the published results."""
    changes = read_changes(set_, {"epochs": epochs, "seed": seed, "folds": folds})
    where = {"data_dir": data_dir, "output_dir": output_dir, "cache_dir": cache_dir}
    with work(json_) as console:
        from mtl_keras.search import load_study, reproduce_study

        found = load_study(study)
        with reporting(console, **where, resume=resume, quick=quick, strategy=strategy) as options:
            result = reproduce_study(found, changes, options, configurations=configuration or (), seeds=seeds)
        _show(console, result, found.name)


def _show(console: Work, result: Comparison, study: str) -> None:
    """Print the table and where the record is."""
    from mtl_keras.cli._show import show_comparison

    show_comparison(console.out, result)
    means: dict[str, dict[str, dict[str, float]]] = {}
    values: dict[tuple[str, str, str], list[float]] = {}
    for row in result.metrics:
        if row["split"] == result.split and row["epoch_kind"] != "last":
            values.setdefault((row["run"], row["task"], row["metric"]), []).append(row["value"])
    for (run, task, metric), each in values.items():
        means.setdefault(run, {}).setdefault(task, {})[metric] = sum(each) / len(each)
    console.answer(
        {"study": study, "output_dir": str(result.output_dir), "split": result.split, "best": result.best, "means": means}
    )
