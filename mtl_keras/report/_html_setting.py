"""Parts of a record's page that say what was done: setting, data, model card, environment."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from mtl_keras.pages import paragraph, scrolled
from mtl_keras.report._budget_table import budget_table
from mtl_keras.report._delivered import Delivered
from mtl_keras.report._findings import limitations
from mtl_keras.report._html_parts import as_frame, frame_table, inline, items
from mtl_keras.report._page import BUDGET_LEGEND, commits
from mtl_keras.report._record import Record
from mtl_keras.report._text import count_of, join_words
from mtl_keras.report._values import shown_tasks

__all__ = ["card", "data", "environment", "setting"]

#: Of more classes than this no numbers of rows are shown; of a longer configuration none is.
CLASSES, LONG = 40, 20_000
#: With fewer labeled rows the values of a class are called uncertain.
FEW = 30
SPLITS = ("train", "validation", "test")


def setting(record: Record) -> list[str]:
    """Return command, approaches, budgets and configuration."""
    parts = [paragraph("Command"), scrolled("Command", f"<pre>{escape(record.command)}</pre>")] if record.command else []
    parts.append(items(f"<code>{escape(name)}</code>: {inline(text)}" for name, text in record.summaries.items()))
    shown = (*shown_tasks(record.metrics), "all")
    if record.budgets:
        title = "What each approach was trained and measured on"
        parts += [frame_table(title, budget_table(record, shown)), paragraph(BUDGET_LEGEND, "soft")]
    parts.append(paragraph(f"Hardware: {_hardware(record.environment)}. {commits(record.environment).capitalize()}.", "soft"))
    text = json.dumps(record.config, indent=1, ensure_ascii=False, default=str)
    if record.config and len(text) <= LONG:
        inner = scrolled("Resolved settings", f"<pre>{escape(text)}</pre>")
        parts.append(f"<details><summary>Resolved settings</summary>{inner}</details>")
    return parts


def data(record: Record) -> list[str]:
    """Return numbers of rows, of missing labels and of rows of each class, and some rows."""
    if (known := record.delivered) is None:
        return []
    splits = [split for split in SPLITS if split in known.rows]
    own = " Each seed has a split of its own; these are the rows of the delivered model." if record.split_per_seed else ""
    parts = [paragraph(f"Inputs are {_inputs(known)}.{own}")]
    lines = [
        {
            "task": name,
            "kind": task.kind,
            **{f"labeled, {split}": task.labeled.get(split, 0) for split in splits},
            "missing": _percent(_missing(known, name)),
        }
        for name, task in known.tasks.items()
    ]
    total = {"task": "all rows", "kind": "", **{f"labeled, {split}": known.rows[split] for split in splits}, "missing": ""}
    parts.append(frame_table("Labeled rows", as_frame([*lines, total]), sortable=False))
    for name, task in known.tasks.items():
        if task.class_rows and len(task.classes) <= CLASSES:
            counts: dict[str, Sequence[Any]] = {"class": task.classes}
            counts |= {split: task.class_rows[split] for split in splits if split in task.class_rows}
            inner = frame_table(f"Rows of each class of {name}", as_frame(counts))
            parts.append(f"<details><summary>Classes of {escape(name)}</summary>{inner}</details>")
    if known.samples:
        figures = "\n".join(
            f'<figure><img src="{each.image}" alt="{escape(each.text)}"><figcaption>{escape(each.text)}</figcaption></figure>'
            for each in known.samples
            if each.image
        )
        parts.append(f'{paragraph("Some training rows")}<div class="group">\n{figures}\n</div>')
    return parts


def card(record: Record) -> list[str]:
    """Return what the model is for, and what was not tested."""
    known = record.delivered
    if known is None:
        return []
    kinds = join_words(f"{name} ({task.kind})" for name, task in known.tasks.items())
    trained = f"{known.rows.get('train', 0):,} training rows"
    study = record.config.get("study")
    of = f" of the study {study}" if isinstance(study, str) else ""
    limits = [escape(each) for each in limitations(record)]
    limits += [inline(each) for each in record.notes]
    for name, task in known.tasks.items():
        if (share := _missing(known, name)) > 0:
            limits.append(escape(f"{_percent(share)} of the rows have no label of {name}: nothing is known of these."))
        if few := sum(labels < FEW for _, _, labels in task.counts):
            which = f"{few} of {len(task.classes)} classes of {name}"
            limits.append(escape(f"{which} have fewer than {FEW} labeled rows on {known.split}: their values are uncertain."))
    untested = (
        "Not tested: data from elsewhere, such as other cameras, places, times or groups of people; inputs that show none "
    )
    untested += "of the classes; changes of the data after training."
    photos = sum(bool(each.image) for each in known.samples) + sum(
        bool(each.image) for task in known.tasks.values() for each in task.mistakes
    )
    holds = f"This page contains {count_of(photos, 'image')} of the data: share it as you may share these." if photos else ""
    return [
        paragraph(
            f"The delivered model{of} is that of {known.run}, seed {known.seed}. It predicts {kinds} from {_inputs(known)}."
        ),
        paragraph(
            f"Intended use: to predict these for inputs like the {trained} it learned from. Any other use needs a test of its "
            "own; what the predictions decide is for whoever uses them to justify."
        ),
        "<h3>Limits</h3>",
        items([*limits, escape(untested)]),
        paragraph(holds),
    ]


def environment(record: Record) -> list[str]:
    """Return versions, hardware and sessions."""
    known = record.environment
    packages = {"Python": known.get("python"), **known.get("packages", {})}
    versions = [{"package": name, "version": str(version)} for name, version in packages.items() if version]
    parts = [paragraph(f"{_hardware(known)}. {known.get('platform', '')}".strip())]
    if versions:
        parts.append(frame_table("Versions", as_frame(versions), sortable=False))
    sessions = [
        {
            "began": str(each.get("began", "")),
            "seconds": _seconds(each.get("wall_seconds")),
            "commit": str(each.get("commit") or "unknown")[:12],
            "command": str(each.get("command", "")),
        }
        for each in known.get("sessions", ())
    ]
    if sessions:
        parts.append(frame_table("Sessions", as_frame(sessions), sortable=False))
    return parts


def _hardware(known: Mapping[str, Any]) -> str:
    """Return hardware and wall time in words; nothing of what is unknown."""
    cores, ram = known.get("cores"), known.get("ram_gib")
    parts = [str(known.get("cpu") or ""), f"{cores} cores" if cores else "", f"{ram} GiB RAM" if ram else ""]
    parts += [*(known.get("gpus") or ())]
    if known.get("wall_seconds") is not None:
        parts.append(f"wall time {known['wall_seconds']:,.0f} s")
    return ", ".join(part for part in parts if part) or "unknown"


def _inputs(known: Delivered) -> str:
    """Return the inputs in words."""
    several = len(known.inputs) > 1
    return join_words(_shape(shape) + (f" ({name})" if several else "") for name, shape in known.inputs.items())


def _shape(shape: Sequence[int]) -> str:
    """Return one input in words."""
    if len(shape) == 3 and shape[-1] in (1, 3):
        size = f"{shape[0]} x {shape[1]} px" if shape[0] and shape[1] else "any size"
        return f"{'gray' if shape[-1] == 1 else 'color'} images of {size}"
    return f"rows of {count_of(shape[0], 'column')}" if len(shape) == 1 else f"arrays of shape {list(shape)}"


def _missing(known: Delivered, task: str) -> float:
    """Return the share of all rows without a label of a task."""
    rows = sum(known.rows.values())
    return 1 - sum(known.tasks[task].labeled.values()) / rows if rows else 0.0


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _seconds(value: Any) -> str:
    return f"{value:,.0f}" if isinstance(value, int | float) else "unknown"
