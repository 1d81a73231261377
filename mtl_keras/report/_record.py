"""A result as a value, and as a folder that can be committed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from mtl_keras.errors import MTLError
from mtl_keras.files import atomic, read_json_lines, write_json
from mtl_keras.report._difference import Difference, difference
from mtl_keras.report._roles import approaches_of, roles_of
from mtl_keras.report._rows import (
    HISTORY_COLUMNS,
    METRICS_COLUMNS,
    HistoryRow,
    MetricsRow,
    read_csv,
    read_history,
    read_metrics,
    write_csv,
)
from mtl_keras.report._values import own_metrics, split_of, values_of
from mtl_keras.report.statistics import mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mtl_keras.evaluation import Evaluation

__all__ = ["Claim", "Picture", "Record", "Table", "read_record", "write_record"]

#: Holds what was written by hand or by a study: title, finding, notes, captions.
WRITTEN = "record.json"
#: Columns of published.csv.
PUBLISHED_COLUMNS = ("run", "task", "metric", "value", "note")
#: Entries of a claim.
CLAIM_KEYS = ("claim", "verdict")


class Claim(TypedDict):
    """What others claim, and what became of it here; a sentence each."""

    claim: str
    verdict: str


@dataclass(frozen=True)
class Picture:
    """A picture of a record. Notebooks display it.

    Args:
        name: Name of its file, e.g. `"curves.png"`.
        caption: A few words, e.g. `"training curves"`.
        draw: Returns the figure; None (default) for a picture that is already in the record's folder.

    Example:
        >>> from mtl_keras import report
        >>> rows = report.history_rows([{"phase": 0, "epoch": 1, "digit_loss": 1.2}], ["digit"], run="a", seed=0)
        >>> picture = report.Picture("curves.png", "training curves", lambda: report.plot_history(rows))
    """

    name: str
    caption: str
    draw: Callable[[], Figure] | None = None

    def _repr_png_(self) -> bytes | None:
        from mtl_keras.report._drawing import png

        return png(self.draw()) if self.draw else None


@dataclass(frozen=True)
class Table:
    """A table of a record. Notebooks display it.

    Args:
        markdown: The table, as from `to_markdown`.
        caption: What its columns mean, in a sentence.
    """

    markdown: str
    caption: str

    def _repr_markdown_(self) -> str:
        return f"{self.markdown}\n\n{self.caption}"


@dataclass(frozen=True, eq=False)
class Record:
    """All that a record consists of.

    Args:
        title: Heading of the page.
        question: What the result answers, in a sentence or two.
        command: How it was made, as typed.
        config: Resolved settings, plain JSON values.
        environment: As from `environment()`; `wall_seconds` is shown if it is there.
        metrics: Rows as from `metrics_rows` and `trivial_rows`.
        history: Rows as from `history_rows`.
        trials: Rows of trials.jsonl; empty (default) if nothing was searched.
        evaluation: Of the delivered model, for its confusion matrices and reconstructions; None (default) without one.
        finding: The result in one sentence; empty (default) has it written from the rows.
        notes: What the result does not say, a sentence each.
        published: What others report: rows with `run`, `task`, `metric`, `value` and `note` (the source).
        claims: What others claim, and what became of it.
        summaries: A line on each approach, by its label.
        plots: Pictures besides those that every record has. They come first; one with the name of a usual picture that has
            a `draw` replaces it.
        tables: Tables besides the usual one.

    Raises:
        MTLError: If a published row or a claim lacks an entry or has one too many.

    Example:
        >>> from mtl_keras import report
        >>> about = {"phase": 0, "epoch_kind": "best", "split": "test", "task": "digit", "metric": "accuracy", "n": 40}
        >>> about |= {"unit": "fraction of rows", "direction": "max", "role": "approach"}
        >>> rows = [{**about, "run": run, "seed": 0, "value": value} for run, value in (("a", 0.75), ("b", 0.5))]
        >>> record = report.Record("Two networks", "Which is better?", "python two.py", {}, {}, rows)
        >>> record.mean("a", "digit"), record.difference("a", "b", "digit").points
        (0.75, '+25.0')
    """

    title: str
    question: str
    command: str
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    metrics: Sequence[MetricsRow]
    history: Sequence[HistoryRow] = ()
    trials: Sequence[Mapping[str, Any]] = ()
    evaluation: Evaluation | None = None
    finding: str = ""
    notes: Sequence[str] = ()
    published: Sequence[Mapping[str, Any]] = ()
    claims: Sequence[Mapping[str, str]] = ()
    summaries: Mapping[str, str] = field(default_factory=dict)
    plots: Sequence[Picture] = ()
    tables: Sequence[Table] = ()

    def __post_init__(self) -> None:
        for name, keys, rows in (("published", PUBLISHED_COLUMNS, self.published), ("claims", CLAIM_KEYS, self.claims)):
            for row in rows:
                if set(row) != set(keys):
                    raise MTLError(
                        f"Each row of `{name}` must have {', '.join(keys)}. Received: {dict(row)}. Give these and no others."
                    )

    @property
    def split(self) -> str:
        """The split that the record is about: `"test"` where there are rows of it, else that of the evaluation."""
        if self.evaluation and all(row["split"] != "test" for row in self.metrics):
            return self.evaluation.split if self.metrics else "test"
        return split_of(self.metrics)

    @property
    def approaches(self) -> list[str]:
        """Labels of the approaches, in their order."""
        return approaches_of(roles_of(self.metrics))

    def values(
        self, run: str, task: str, metric: str | None = None, *, split: str | None = None, epoch_kind: str = "best"
    ) -> dict[Any, float]:
        """Return the values of one run by seed.

        Args:
            run: Label of an approach, of baselines, or `"trivial"`.
            task: A task, or `"all"`.
            metric: None (default) is the task's own metric, for `"all"` the skill.
            split: None (default) is the split that the record is about.
            epoch_kind: `"best"` (default) or `"last"`.

        Returns:
            Value by seed; empty where there is none.
        """
        split = split or self.split
        own = {"all": "skill"} | own_metrics(self.metrics, split)
        return values_of(self.metrics, split, epoch_kind).get(run, {}).get((task, metric or own.get(task, "")), {})

    def mean(
        self, run: str, task: str, metric: str | None = None, *, split: str | None = None, epoch_kind: str = "best"
    ) -> float:
        """Return the mean over seeds of `values`; NaN where there is none."""
        return mean(list(self.values(run, task, metric, split=split, epoch_kind=epoch_kind).values()))

    def difference(
        self, one: str, other: str, task: str | Sequence[str], metric: str | None = None, *, split: str | None = None
    ) -> Difference:
        """Return one approach minus another at the best epoch, paired by seed; see `Difference`.

        Args:
            one: Label of the approach in question.
            other: Label of the approach that it is compared with; may be `"single-task"`.
            task: A task, or `"all"`; of several the mean of their differences is taken for each seed.
            metric: None (default) is the task's own metric, for `"all"` the skill.
            split: None (default) is the split that the record is about.

        Raises:
            MTLError: If they share no seed.
        """
        return difference(self.metrics, one, other, task, metric, split or self.split)


def write_record(folder: str | Path, record: Record) -> None:
    """Write a record: config.json, environment.json, metrics.csv, history.csv, published.csv, record.json, pictures, page.

    The page, README.md, is written last. Files that a search appends to (trials.jsonl, test_evaluations.jsonl) stay as they
    are. Equal records give equal files.

    Args:
        folder: Created if it does not exist.
        record: What to write.

    Raises:
        MTLError: If the disk is full or the folder cannot be written.
    """
    from mtl_keras.report._finding import finding
    from mtl_keras.report._page import page
    from mtl_keras.report._pictures import pictures

    folder = Path(folder)
    # Keras logs in single precision: further digits only make the file grow.
    history: list[HistoryRow] = [{**row, "value": float(f"{row['value']:.7g}")} for row in record.history]
    record = replace(record, history=history, finding=record.finding or finding(record))
    write_json(folder / "config.json", record.config)
    write_json(folder / "environment.json", record.environment)
    write_csv(folder / "metrics.csv", METRICS_COLUMNS, record.metrics)
    write_csv(folder / "history.csv", HISTORY_COLUMNS, record.history)
    if record.published:
        write_csv(folder / "published.csv", PUBLISHED_COLUMNS, record.published)
    drawn = pictures(record)
    for picture in drawn:
        if picture.draw:
            _write_picture(folder / picture.name, picture.draw())
    write_json(
        folder / WRITTEN,
        {
            "title": record.title,
            "finding": record.finding,
            "question": record.question,
            "command": record.command,
            "notes": list(record.notes),
            "claims": [dict(row) for row in record.claims],
            "summaries": dict(record.summaries),
            "tables": [{"caption": table.caption, "markdown": table.markdown} for table in record.tables],
            "pictures": [{"name": picture.name, "caption": picture.caption} for picture in drawn],
        },
    )
    with atomic(folder / "README.md") as temporary:
        temporary.write_text(page(record, drawn), encoding="utf-8")


def read_record(folder: str | Path, *, history: bool = True) -> Record:
    """Read a record back.

    Args:
        folder: Of `write_record`, or of a run.
        history: Whether to read history.csv, by far the largest file; default True.

    Returns:
        The record. Its `plots` are the pictures in the folder, and its `evaluation` is None. `write_record` draws again what
        follows from rows and keeps the other pictures.

    Raises:
        MTLError: If the folder holds no record.
    """
    folder = Path(folder)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        environment = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
        metrics = read_metrics(folder / "metrics.csv")
        epochs = read_history(folder / "history.csv") if history else []
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise MTLError(
            f"A record must hold config.json, environment.json, metrics.csv and history.csv as write_record writes them. "
            f"Received: {folder} ({type(error).__name__}: {error}). Name the folder of a record."
        ) from error
    written: dict[str, Any] = {}
    if (folder / WRITTEN).exists():
        written = json.loads((folder / WRITTEN).read_text(encoding="utf-8"))
    named = {each["name"]: each["caption"] for each in written.get("pictures", ())}
    captions = named or {path.name: path.stem.replace("_", " ") for path in sorted(folder.glob("*.png"))}
    published = folder / "published.csv"
    return Record(
        title=written.get("title", folder.name),
        question=written.get("question", ""),
        command=written.get("command", environment.get("command", "")),
        config=config,
        environment=environment,
        metrics=metrics,
        history=epochs,
        trials=read_json_lines(folder / "trials.jsonl"),
        finding=written.get("finding", ""),
        notes=written.get("notes", ()),
        published=read_csv(published) if published.exists() else (),
        claims=written.get("claims", ()),
        summaries=written.get("summaries", {}),
        plots=[Picture(name, caption) for name, caption in captions.items() if (folder / name).exists()],
        tables=[Table(each["markdown"], each["caption"]) for each in written.get("tables", ())],
    )


def _write_picture(path: Path, figure: Figure) -> None:
    from mtl_keras.report._drawing import png

    with atomic(path) as temporary:
        temporary.write_bytes(png(figure))
