"""A result on the disk: the folder that is committed."""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtl_keras.errors import MTLError
from mtl_keras.files import atomic, write_json
from mtl_keras.report._comparison_figures import plot_approaches, plot_gains, plot_totals
from mtl_keras.report._figures import plot_confusion, plot_history, plot_loss_weights, plot_reconstructions
from mtl_keras.report._ladder import is_ladder, plot_ladder, plot_ladder_losses
from mtl_keras.report._page import is_comparison, page
from mtl_keras.report._rows import HISTORY_COLUMNS, METRICS_COLUMNS
from mtl_keras.report._steps import STEPS, plot_steps
from mtl_keras.report._trials import plot_trials
from mtl_keras.report._values import shown_tasks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mtl_keras.evaluation import Evaluation

__all__ = ["PUBLISHED_COLUMNS", "write_csv", "write_record"]

#: Tasks whose training curves fit beside each other.
CURVES = 6
#: Columns of published.csv.
PUBLISHED_COLUMNS = ("run", "task", "metric", "value", "note")


def write_record(
    folder: str | Path,
    *,
    title: str,
    question: str,
    command: str,
    config: Mapping[str, Any],
    environment: Mapping[str, Any],
    metrics: Sequence[Mapping[str, Any]],
    history: Sequence[Mapping[str, Any]],
    trials: Sequence[Mapping[str, Any]],
    evaluation: Evaluation | None = None,
    notes: Iterable[str] = (),
    published: Sequence[Mapping[str, Any]] = (),
    claims: Sequence[Mapping[str, str]] = (),
    summaries: Mapping[str, str] | None = None,
    controls: Collection[str] = (),
) -> None:
    """Write a record: config.json, environment.json, metrics.csv, history.csv, pictures, and README.md as the last.

    A record of several approaches, or of one beside published figures, opens with `approaches_table` and `plot_approaches`; a
    ladder has `ladder_table`, `plot_ladder` and `plot_ladder_losses` too. Of more than a dozen tasks page and pictures show
    those that most approaches have; the files hold all.
    What the search itself appends to (trials.jsonl, test_evaluations.jsonl) is left as it is.

    Args:
        folder: Made if it does not exist.
        title: Heading of the page.
        question: What the result answers, in a sentence or two.
        command: How it was made, as typed.
        config: Resolved settings, plain JSON values.
        environment: As from `environment()`; `wall_seconds`, if there, is shown.
        metrics: Rows as from `metrics_rows` and `trivial_rows`; the page speaks of the test split where they hold one.
        history: Rows as from `history_rows`.
        trials: Rows of trials.jsonl; empty where nothing was searched.
        evaluation: Of the delivered model, if there is one; its confusion matrices and reconstructions are drawn.
        notes: What the result does not say, a sentence each.
        published: What others report, rows of `run`, `task`, `metric`, `value` and `note` (where it stands); written to
            published.csv and laid beside the approaches of the same labels.
        claims: What others claim, and what became of it here: `{"claim": sentence, "verdict": sentence}` each.
        summaries: A line on each approach, by its label.
        controls: Tasks that cannot be learned, for the pictures of a ladder.

    Raises:
        MTLError: If a published figure or a claim lacks one of its entries, the disk is full, or the folder cannot be
            written.
    """
    folder = Path(folder)
    _check("published", PUBLISHED_COLUMNS, published)
    _check("claims", ("claim", "verdict"), claims)
    write_json(folder / "config.json", config)
    write_json(folder / "environment.json", environment)
    write_csv(folder / "metrics.csv", METRICS_COLUMNS, metrics)
    # Keras logs in single precision: further digits are noise that only makes the file grow.
    rounded = ({**row, "value": float(f"{row['value']:.7g}")} for row in history)
    write_csv(folder / "history.csv", HISTORY_COLUMNS, rounded)
    if published:
        write_csv(folder / "published.csv", PUBLISHED_COLUMNS, published)
    splits = [row["split"] for row in metrics]
    split = "test" if "test" in splits or not splits else evaluation.split if evaluation else splits[0]
    shown = shown_tasks(metrics)
    few = [row for row in metrics if row["task"] in (*shown, "all")]
    curves = [row for row in history if row["task"] in (*shown[:CURVES], "all")]
    told = [row for row in published if row["task"] in (*shown, "all")]
    pictures = _comparison_pictures(few, curves, split, told) if is_comparison(metrics, published) else {}
    if is_ladder(metrics, split):
        ladder: dict[str, Callable[[], Figure]] = {
            "ladder.png": lambda: plot_ladder(metrics, split, controls=controls),
            "ladder_losses.png": lambda: plot_ladder_losses(history, controls=controls),
        }
        # Totals over equal tasks say nothing of rungs.
        pictures = ladder | {name: draw for name, draw in pictures.items() if name != "totals.png"}
    pictures |= _pictures(few, curves, trials, evaluation)
    for name, draw in pictures.items():
        _write_picture(folder / name, draw())
    text = page(
        title=title,
        question=question,
        command=command,
        environment=environment,
        metrics=metrics,
        trials=trials,
        split=split,
        pictures=list(pictures),
        notes=notes,
        published=published,
        claims=claims,
        summaries=summaries or {},
        split_per_seed=bool(config.get("split_per_seed")),
        controls=controls,
    )
    with atomic(folder / "README.md") as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows with full precision, atomically."""
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _check(name: str, keys: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Refuse rows that lack an entry or have one too many, before anything is written."""
    for row in rows:
        if set(row) != set(keys):
            raise MTLError(f"Each row of `{name}` has {', '.join(keys)}. Received: {dict(row)}. Give these and no others.")


def _comparison_pictures(
    metrics: Sequence[Mapping[str, Any]],
    history: Sequence[Mapping[str, Any]],
    split: str,
    published: Sequence[Mapping[str, Any]],
) -> dict[str, Callable[[], Figure]]:
    """Return how to draw what a record of many approaches opens with."""
    draws: dict[str, Callable[[], Figure]] = {
        "approaches.png": lambda: plot_approaches(metrics, split, published=published),
        "gains.png": lambda: plot_gains(metrics, split),
        "totals.png": lambda: plot_totals(history),
    }
    pictures: dict[str, Callable[[], Figure]] = {}
    for name, draw in draws.items():
        # A record is written with what there is: gains need baselines, totals a run that has all tasks.
        with suppress(MTLError):
            figure = draw()
            pictures[name] = lambda drawn=figure: drawn  # type: ignore[misc]
    return pictures


def _pictures(
    metrics: Sequence[Mapping[str, Any]],
    history: Sequence[Mapping[str, Any]],
    trials: Sequence[Mapping[str, Any]],
    evaluation: Evaluation | None,
) -> dict[str, Callable[[], Figure]]:
    """Return how to draw each picture, by file name, the first being the one that the page shows."""
    units = {row["metric"]: row["unit"] for row in metrics}
    pictures: dict[str, Callable[[], Figure]] = {}
    if history:
        pictures["curves.png"] = lambda: plot_history(history, units=units)
    if evaluation:
        pictures |= _model_pictures(evaluation, {row["task"] for row in metrics})
    if trials:
        pictures["trials.png"] = lambda: plot_trials(trials)
    if any(row["task"] == "all" and row["metric"].startswith(STEPS) for row in history):
        pictures["steps.png"] = lambda: plot_steps(history)
    weights: dict[tuple[Any, ...], set[float]] = {}
    for row in history:
        if row["metric"] == "loss_weight":
            weights.setdefault((row["run"], row["seed"], row["task"]), set()).add(row["value"])
    if any(len(values) > 1 for values in weights.values()):
        pictures["loss_weights.png"] = lambda: plot_loss_weights(history)
    return pictures


def _model_pictures(evaluation: Evaluation, shown: Collection[str]) -> dict[str, Callable[[], Figure]]:
    """Return how to draw what the delivered model confuses and reconstructs."""
    pictures: dict[str, Callable[[], Figure]] = {}
    for task, counts in evaluation.confusion.items():
        if task not in shown:
            continue
        title = f"{task}, {evaluation.split} split"
        names = evaluation.class_names.get(task)
        pictures[f"confusion_{task}.png"] = lambda c=counts, n=names, t=title: plot_confusion(c, n, t)  # type: ignore[misc]
    for task, (truth, prediction) in evaluation.examples.items():
        pictures[f"reconstruction_{task}.png"] = lambda t=truth, p=prediction: plot_reconstructions(t, p)  # type: ignore[misc]
    return pictures


def _write_picture(path: Path, figure: Figure) -> None:
    from mtl_keras.report._picture import png

    with atomic(path) as temporary:
        temporary.write_bytes(png(figure))
