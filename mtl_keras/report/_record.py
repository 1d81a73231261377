"""A result on the disk: the folder that is committed."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtl_keras.files import atomic, write_json
from mtl_keras.report._figures import plot_confusion, plot_history, plot_loss_weights, plot_reconstructions
from mtl_keras.report._page import page
from mtl_keras.report._rows import HISTORY_COLUMNS, METRICS_COLUMNS
from mtl_keras.report._trials import plot_trials

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mtl_keras.evaluation import Evaluation

__all__ = ["write_csv", "write_record"]


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
    evaluation: Evaluation,
    notes: Iterable[str] = (),
) -> None:
    """Write a record: config.json, environment.json, metrics.csv, history.csv, pictures, and README.md as the last.

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
        evaluation: Of the delivered model; its confusion matrices and reconstructions are drawn.
        notes: What the result does not say, a sentence each.

    Raises:
        MTLError: If the disk is full or the folder cannot be written.
    """
    folder = Path(folder)
    write_json(folder / "config.json", config)
    write_json(folder / "environment.json", environment)
    write_csv(folder / "metrics.csv", METRICS_COLUMNS, metrics)
    # Keras logs in single precision: further digits are noise that only makes the file grow.
    rounded = ({**row, "value": float(f"{row['value']:.7g}")} for row in history)
    write_csv(folder / "history.csv", HISTORY_COLUMNS, rounded)
    pictures = _pictures(metrics, history, trials, evaluation)
    for name, draw in pictures.items():
        _write_picture(folder / name, draw())
    text = page(
        title=title,
        question=question,
        command=command,
        environment=environment,
        metrics=metrics,
        trials=trials,
        split="test" if any(row["split"] == "test" for row in metrics) else evaluation.split,
        pictures=list(pictures),
        notes=notes,
    )
    with atomic(folder / "README.md") as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows with full precision, atomically."""
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _pictures(
    metrics: Sequence[Mapping[str, Any]],
    history: Sequence[Mapping[str, Any]],
    trials: Sequence[Mapping[str, Any]],
    evaluation: Evaluation,
) -> dict[str, Callable[[], Figure]]:
    """Return how to draw each picture, by file name, the first being the one that the page shows."""
    units = {row["metric"]: row["unit"] for row in metrics}
    pictures: dict[str, Callable[[], Figure]] = {}
    if history:
        pictures["curves.png"] = lambda: plot_history(history, units=units)
    for task, counts in evaluation.confusion.items():
        title = f"{task}, {evaluation.split} split"
        names = evaluation.class_names.get(task)
        pictures[f"confusion_{task}.png"] = lambda c=counts, n=names, t=title: plot_confusion(c, n, t)  # type: ignore[misc]
    for task, (truth, prediction) in evaluation.examples.items():
        pictures[f"reconstruction_{task}.png"] = lambda t=truth, p=prediction: plot_reconstructions(t, p)  # type: ignore[misc]
    if trials:
        pictures["trials.png"] = lambda: plot_trials(trials)
    weights: dict[tuple[Any, ...], set[float]] = {}
    for row in history:
        if row["metric"] == "loss_weight":
            weights.setdefault((row["run"], row["seed"], row["task"]), set()).add(row["value"])
    if any(len(values) > 1 for values in weights.values()):
        pictures["loss_weights.png"] = lambda: plot_loss_weights(history)
    return pictures


def _write_picture(path: Path, figure: Figure) -> None:
    from mtl_keras.report._picture import png

    with atomic(path) as temporary:
        temporary.write_bytes(png(figure))
