"""The verbs of the command line. Heavy imports are inside the functions, so that `--help` answers at once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mtl_keras.cli._check import check
from mtl_keras.cli._comparisons import compare, reproduce
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
from mtl_keras.cli._report import report
from mtl_keras.cli._tables import init
from mtl_keras.cli._usage import Verb

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
cache_app = typer.Typer(no_args_is_help=True, help="List or clear the cached features of frozen trunks.")
app.add_typer(cache_app, name="cache")


def _print_version(asked: bool) -> None:
    if asked:
        from mtl_keras.versions import package_versions

        typer.echo(f"mtl-keras {package_versions()['mtl-keras'] or 'of a checkout that was never installed'}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Compose, tune and evaluate networks that predict several things at once."""


class Split(StrEnum):
    train = "train"
    validation = "validation"
    test = "test"


@app.command(cls=Verb)
def tune(
    study: StudyArgument = "digits",
    image: Image = None,
    inputs: Inputs = None,
    tasks: Tasks = None,
    root: Root = None,
    skip_bad: SkipBad = False,
    trials: Annotated[
        int | None, typer.Option(help="Maximum number of trials. [default: the study's]", show_default=False)
    ] = None,
    epochs: Epochs = None,
    seed: Seed = None,
    n_final_seeds: Annotated[
        int | None,
        typer.Option(
            help="Trainings of the best configuration for the final results. [default: the study's]", show_default=False
        ),
    ] = None,
    tuner: Annotated[
        str | None, typer.Option(help="random, bayesian, hyperband or grid. [default: the study's]", show_default=False)
    ] = None,
    data_dir: DataDir = None,
    output_dir: OutputDir = None,
    cache_dir: CacheDir = None,
    resume: Resume = False,
    set_: Set = None,
    strategy: Strategy = "auto",
    quick: Quick = False,
    json_: Json = False,
) -> None:
    """Search depth, learning rate and loss weights; end with test results next to single-task baselines."""
    given = {"trials": trials, "epochs": epochs, "seed": seed, "n_final_seeds": n_final_seeds, "tuner": tuner}
    changes = read_changes(set_, given)
    where = {"data_dir": data_dir, "output_dir": output_dir, "cache_dir": cache_dir}
    with work(json_) as console:
        from mtl_keras.cli._show import show_result
        from mtl_keras.search import run_study

        hints = {"image": image, "inputs": inputs, "tasks": tasks, "root": root, "skip_bad": skip_bad}
        found = find_study(study, hints, resume=resume, command="tune", output_dir=output_dir)
        with reporting(console, **where, resume=resume, quick=quick, strategy=strategy) as options:
            result = run_study(found, changes, options)
        show_result(console.out, result)
        console.answer(result.summary())


@app.command(cls=Verb)
def train(
    study: StudyArgument = "digits",
    configuration: Annotated[
        str | None,
        typer.Option(help="A configuration that the study names. [default: none]", show_default=False),
    ] = None,
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
    """Train a named configuration, or the study's defaults with the values of --set, and evaluate it on validation."""
    changes = read_changes(set_, {"epochs": epochs, "seed": seed})
    where = {"data_dir": data_dir, "output_dir": output_dir, "cache_dir": cache_dir}
    with work(json_) as console:
        from mtl_keras.cli._show import show_evaluation
        from mtl_keras.search import train_study

        hints = {"image": image, "inputs": inputs, "tasks": tasks, "root": root, "skip_bad": skip_bad}
        found = find_study(study, hints, resume=resume, command="train", output_dir=output_dir)
        with reporting(console, **where, resume=resume, quick=quick, strategy=strategy) as options:
            folder, run, evaluation = train_study(found, changes, options, configuration=configuration)
        show_evaluation(console.out, evaluation, f"best epoch {run.best.epoch}; {folder}")
        console.answer(
            {"study": found.name, "output_dir": str(folder), "best_epoch": run.best.epoch, "validation": evaluation.values()}
        )


@app.command(cls=Verb)
def evaluate(
    folder: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    split: Annotated[Split, typer.Option(help="A test evaluation is logged in the folder.")] = Split.validation,
    study: Annotated[
        str | None,
        typer.Option(help="The study file of the run, which is executed. [default: the built-in study]", show_default=False),
    ] = None,
    data_dir: DataDir = None,
    cache_dir: CacheDir = None,
    json_: Json = False,
) -> None:
    """Evaluate the model of a finished run again, from its predictions."""
    with work(json_) as console:
        from mtl_keras.cli._show import show_evaluation
        from mtl_keras.search import evaluate_run

        evaluation = evaluate_run(folder, split.value, study=study, data_dir=data_dir, cache_dir=cache_dir)
        show_evaluation(console.out, evaluation, str(folder))
        console.answer(
            {"output_dir": str(folder), "split": split.value, "skill": evaluation.skill, "values": evaluation.values()}
        )


app.command(cls=Verb)(init)
app.command(cls=Verb)(check)
app.command(cls=Verb)(compare)
app.command(cls=Verb)(reproduce)
app.command(cls=Verb)(report)


@app.command(cls=Verb)
def studies(json_: Json = False) -> None:
    """List the studies that can be named."""
    with work(json_, tensorflow=False) as console:
        from mtl_keras.studies import study_summaries

        found = study_summaries()
        for name, summary in found.items():
            console.out.print(f"{name:<24} {summary}", highlight=False, markup=False, soft_wrap=True)
        console.answer({"studies": [{"name": name, "summary": summary} for name, summary in found.items()]})


def _cache_folder(given: Path | None) -> Path:
    """Return the folder of the cache, which need not exist."""
    from mtl_keras.data import cache
    from mtl_keras.files import check_source

    where = given or cache.default_cache_dir()
    if where.expanduser().exists():
        check_source("cache_dir", where)
    return where


@cache_app.command("list", cls=Verb)
def cache_list(cache_dir: CacheDir = None, json_: Json = False) -> None:
    """List the entries of the cache (decoded images, views and features) and their sizes."""
    with work(json_, tensorflow=False) as console:
        from mtl_keras.cli._show import show_cache
        from mtl_keras.data import cache

        where = _cache_folder(cache_dir)
        entries = cache.entries(where)
        show_cache(console.out, where, entries)
        if not where.expanduser().is_dir():
            console.out.print(f"There is no folder {where} yet.", highlight=False, markup=False, soft_wrap=True)
        console.answer(
            {
                "cache_dir": str(where),
                "bytes": sum(e.bytes for e in entries),
                "entries": [{"key": e.key, "bytes": e.bytes, "rows": e.rows, "complete": e.complete} for e in entries],
            }
        )


@cache_app.command("verify", cls=Verb)
def cache_verify(cache_dir: CacheDir = None, json_: Json = False) -> None:
    """Read all entries of the cache and compare their checksums; damaged blocks are computed again when they are needed."""
    with work(json_, tensorflow=False) as console:
        from mtl_keras.data import cache

        where = _cache_folder(cache_dir)
        count = sum(entry.complete for entry in cache.entries(where))
        damaged = cache.verify(where)
        for entry in damaged:
            console.out.print(f"{entry.key} is damaged", highlight=False, markup=False)
        text = f"{count - len(damaged)} of {count} complete entries in {where} are intact"
        console.out.print(text, highlight=False, markup=False, soft_wrap=True)
        console.answer({"cache_dir": str(where), "complete": count, "damaged": [entry.key for entry in damaged]})


@cache_app.command("clear", cls=Verb)
def cache_clear(
    keys: Annotated[list[str] | None, typer.Argument(help="Entries to remove. [default: all]", show_default=False)] = None,
    cache_dir: CacheDir = None,
    json_: Json = False,
) -> None:
    """Remove cached images and features. They are computed again when they are needed."""
    with work(json_, tensorflow=False) as console:
        from mtl_keras.data import cache

        where = _cache_folder(cache_dir)
        freed = cache.clear(where, keys or None)
        console.out.print(f"{freed / 1e6:.1f} MB freed in {where}", highlight=False, markup=False)
        console.answer({"cache_dir": str(where), "freed_bytes": freed})
