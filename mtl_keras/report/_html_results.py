"""Parts of a record's page that say what came out: results, classes, reliability, search, mistakes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Any

import numpy as np

from mtl_keras.pages import paragraph, scrolled
from mtl_keras.report._confusion_rows import confusion_counts
from mtl_keras.report._delivered import Delivered, Mistake, TaskDetails
from mtl_keras.report._findings import findings
from mtl_keras.report._html_parts import as_frame, frame_table, from_markdown, inline, items, prose
from mtl_keras.report._importance import FEWEST, importance
from mtl_keras.report._page import result_frame, search_outcome
from mtl_keras.report._record import Record
from mtl_keras.report._svg import coordinates, reliability_diagram
from mtl_keras.report._tables import trials_table
from mtl_keras.report._text import count_of, format_number
from mtl_keras.report._values import shown_tasks
from mtl_keras.report.statistics import mean

__all__ = ["classes", "loss_weights", "mistakes", "reliability", "results", "search"]

#: Of more classes or labels than this a table and diagrams show the first.
CLASSES, DIAGRAMS = 40, 12
RELIABILITY = (
    "Of rows with a probability of 0.8, eight of ten should be right: bars on the diagonal. Each bar is one of 15 bins of "
    "equal width, paler where it holds few rows. ECE, the expected calibration error, is the mean distance from the diagonal "
    "by number of rows (Guo et al. 2017). Of more than two classes it is the probability of the predicted class, of two that "
    "of the second, of a label set that of each label. Epoch and seed of the model were chosen on the validation split, which "
    "flatters it a little."
)
MISTAKES = (
    "The rows with the highest loss among the wrong ones on the {split} split, in brackets the probabilities of the classes. "
)
HEAT = (
    "Next to each image Grad-CAM marks in orange what speaks for the predicted class, or for the label or number that is "
    "farthest off, as far as this head of the network is concerned."
)


def results(record: Record) -> list[str]:
    """Return the tables, what they show, and what became of published claims."""
    table, legend = result_frame(record)
    parts = [frame_table(f"Results on the {record.split} split", table), paragraph(legend, "soft")]
    parts += [from_markdown(each.markdown, each.caption) for each in record.tables]
    shown = (*shown_tasks(record.metrics), "all")
    few = replace(record, metrics=[row for row in record.metrics if row["task"] in shown])
    parts.append(items(escape(each) for each in findings(few)))
    if record.claims:
        claims = items(f"{inline(row['claim'])} <strong>{inline(row['verdict'])}</strong>" for row in record.claims)
        parts += ["<h3>Published claims and what was found</h3>", claims]
    return parts


def classes(record: Record) -> list[str]:
    """Return precision, recall and F1 of each class: of all seeds of the first approach, else of the delivered model."""
    found = {}
    known = record.delivered
    for run in record.approaches[:1] if known is None else [known.run]:
        rows = [row for row in record.confusion if row["run"] == run and row["split"] == record.split]
        for task in dict.fromkeys(row["task"] for row in rows):
            own = [row for row in rows if row["task"] == task]
            names = record.class_names.get(task) or (known.tasks[task].classes if known and task in known.tasks else ())
            size = max(len(names), *(1 + max(row["true"], row["predicted"]) for row in own))
            counts = confusion_counts(own, size)
            summed = np.stack([counts.diagonal(), counts.sum(axis=0), counts.sum(axis=1)], axis=1)
            seeds = count_of(len({row["seed"] for row in own}), "seed")
            found[task] = (f"{task}, {run}, {record.split} split, {seeds}", list(names) or [*map(str, range(size))], summed)
    for task, each in {} if known is None else known.tasks.items():
        if known and each.counts and task not in found:
            title = f"{task}, delivered model, {known.split} split"
            found[task] = (title, list(each.classes), np.array(each.counts))
    return [_class_table(*each) for each in found.values()]


def _class_table(title: str, names: Sequence[str], counts: np.ndarray) -> str:
    """Return precision, recall and F1 of each class."""
    correct, predicted, labels = counts[:CLASSES].T.astype(float)
    shares = {"precision": (correct, predicted), "recall": (correct, labels), "F1": (2 * correct, predicted + labels)}
    columns = {name: np.divide(hits, n, np.full(len(n), np.nan), where=n > 0) for name, (hits, n) in shares.items()}
    more = f"; the first {CLASSES} of {len(names)} classes" if len(names) > CLASSES else ""
    shown = {name: [f"{value:.3f}" if value == value else "–" for value in each] for name, each in columns.items()}
    return frame_table(f"{title}{more}", as_frame({"class": names[:CLASSES], **shown, "n": labels.astype(int)}))


def reliability(known: Delivered | None) -> list[str]:
    """Return a diagram for each task with probabilities, and for each label of a set."""
    found = []
    for name, task in {} if known is None else known.tasks.items():
        labels = [name] if len(task.reliability) == 1 else [f"{name}, {label}" for label in task.classes]
        found += [(label, bins) for label, bins in zip(labels, task.reliability, strict=False) if bins.n]
    if not found or known is None:
        return []
    figures = "\n".join(
        f"<figure>{reliability_diagram(bins, label)}<figcaption>{escape(label)}: ECE {bins.ece:.3f}, n {bins.n:,}</figcaption>"
        "</figure>"
        for label, bins in found[:DIAGRAMS]
    )
    more = f"The first {DIAGRAMS} of {len(found)}." if len(found) > DIAGRAMS else ""
    head = paragraph(f"Of the delivered model on the {known.split} split.")
    return [head, f'<div class="group diagrams">\n{figures}\n</div>', paragraph(more, "soft"), paragraph(RELIABILITY, "soft")]


def search(trials: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the outcome of a search, its trials, and what its hyperparameters say."""
    if not trials:
        return []
    done: dict[int, list[Mapping[str, Any]]] = {}
    for row in trials:
        if row["status"] == "completed":
            done.setdefault(row["trial"], []).append(row)
    settings = [rows[0]["hyperparameters"] for rows in done.values()]
    skills = [mean([float(row["values"]["skill"]) for row in rows]) for rows in done.values()]
    parts = [prose(search_outcome(trials))]
    if len({str(each) for each in settings}) > 1:
        drawing = coordinates(settings, skills)
        text = "A line for each trial: stronger with a higher skill, the best in red. Wide axes are logarithmic."
        figure = scrolled("Parallel coordinates of the trials", drawing)
        parts.append(f"<figure>{figure}<figcaption>{text}</figcaption></figure>")
    parts += _importance(settings, skills)
    inner = frame_table("Trials, the best first", trials_table(trials))
    parts.append(f"<details><summary>All trials</summary>{inner}</details>")
    return parts


def _importance(settings: Sequence[Mapping[str, Any]], skills: Sequence[float]) -> list[str]:
    """Return how much each hyperparameter says about the skill, or why nothing is said."""
    found = importance(settings, skills)
    if found is None:
        return [paragraph(f"From {FEWEST} trials on it is shown which hyperparameters mattered.", "soft")] if settings else []
    about = (
        f"A random forest was fitted to {len(skills)} trials. It explains {100 * max(found.r2, 0):.0f} % of the variance of "
        "the skill in trials that a tree has not seen"
    )
    if found.r2 <= 0:
        return [paragraph(f"{about}: which hyperparameters mattered cannot be told from them.", "soft")]
    lines = [{"hyperparameter": name, "share": f"{100 * share:.0f} %"} for name, share in found.shares.items()]
    limits = (
        f"{about}. Shares: how much of it is lost where the values of one hyperparameter are shuffled between trials "
        "(permutation importance, on the trials that it was fitted to). They hold for the ranges that were searched, say "
        "nothing of cause, and with few trials they are rough."
    )
    return [frame_table("Importance of hyperparameters", as_frame(lines)), paragraph(limits, "soft")]


def loss_weights(record: Record) -> list[str]:
    """Return the weight of each task's loss in the first and the last epoch, the mean over seeds."""
    found: dict[tuple[str, str], dict[tuple[int, int], list[float]]] = {}
    for row in record.history:
        if row["metric"] == "loss_weight" and row["role"] == "approach":
            place = (row["phase"], row["epoch"])
            found.setdefault((row["run"], row["task"]), {}).setdefault(place, []).append(row["value"])
    if not found:
        return []
    lines = [
        {
            "approach": run,
            "task": task,
            "first epoch": format_number(mean(epochs[min(epochs)])),
            "last epoch": format_number(mean(epochs[max(epochs)])),
        }
        for (run, task), epochs in found.items()
    ]
    shown = frame_table("Weights of the tasks' losses, means over seeds", as_frame(lines))
    return [shown if len(lines) <= CLASSES else f"<details><summary>All weights</summary>{shown}</details>"]


def mistakes(known: Delivered | None) -> list[str]:
    """Return the worst mistakes of each task with their pictures."""
    if known is None or not any(task.mistakes for task in known.tasks.values()):
        return []
    heat = any(each.heat for task in known.tasks.values() for each in task.mistakes)
    parts = [paragraph(MISTAKES.format(split=known.split) + (HEAT if heat else ""), "soft")]
    for name, task in known.tasks.items():
        if task.mistakes:
            figures = "\n".join(_mistake(each, task) for each in task.mistakes)
            parts += [f"<h3>{escape(name)}</h3>", paragraph(_number_wrong(task, known.split))]
            parts.append(f'<div class="group">\n{figures}\n</div>')
    return parts


def _number_wrong(task: TaskDetails, split: str) -> str:
    """Return how many rows are wrong; numbers are never right."""
    labeled = f"{task.labeled.get(split, 0):,} labeled rows"
    return f"{task.wrong:,} of {labeled} are wrong." if task.wrong is not None else f"The farthest of {labeled}."


def _mistake(each: Mistake, task: TaskDetails) -> str:
    """Return one mistake."""
    caption = f"row {each.row}: true {each.truth}, predicted {each.predicted}"
    alts = (caption, f"{caption}; evidence for {each.explained or 'the prediction'}")
    pictures = "".join(
        f'<img src="{image}" alt="{escape(alt)}">' for image, alt in zip((each.image, each.heat), alts, strict=True) if image
    )
    # Of a class it is the prediction.
    shown = f"; map: {each.explained}" if each.heat and task.kind in ("MultiLabel", "Regression") and each.explained else ""
    kind = ' class="pair"' if pictures else ' class="text"'
    lines = f"true <strong>{escape(each.truth)}</strong><br>predicted {escape(each.predicted)}<br>row {each.row}{escape(shown)}"
    return f"<figure{kind}>{pictures}<figcaption>{lines}</figcaption></figure>"
