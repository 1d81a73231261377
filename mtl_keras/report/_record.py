"""A result as a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict

from mtl_keras.errors import (
    MTLError,
    check_function,
    check_instance,
    check_instances,
    check_mapping,
    check_names,
    check_text,
    describe,
    store,
)
from mtl_keras.files import check_name
from mtl_keras.report._budget import Budget, resplit_ratio
from mtl_keras.report._check import check_environment, check_evaluation, check_trials
from mtl_keras.report._confusion_rows import ConfusionRow, given_confusion
from mtl_keras.report._delivered import Delivered
from mtl_keras.report._difference import Difference, difference
from mtl_keras.report._roles import approaches_of, roles_of
from mtl_keras.report._rows import HistoryRow, MetricsRow, given_history, given_metrics
from mtl_keras.report._values import own_metrics, split_of, values_of
from mtl_keras.report.statistics import mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mtl_keras.evaluation import Evaluation

__all__ = ["PUBLISHED_COLUMNS", "Claim", "Picture", "Record", "Table"]

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

    def __post_init__(self) -> None:
        check_name("a picture", self.name)
        check_text("caption", self.caption, of="a picture", example="training curves")
        if self.draw is not None:
            check_function("draw", self.draw, of="a picture")

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

    def __post_init__(self) -> None:
        check_text("markdown", self.markdown, of="a table", example="| a |")
        check_text("caption", self.caption, of="a table", example="What its columns mean.")

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
        confusion: Rows as from `confusion_rows`, of all seeds on the test split.
        budgets: What each approach was trained on.
        class_names: Names of the classes by task, where known.
        trials: Rows of trials.jsonl; empty (default) if nothing was searched.
        evaluation: Of the delivered model, for reconstructions, and for confusion matrices of tasks without `confusion`; None
            (default) without one.
        finding: The result in one sentence; empty (default) has it written from the rows.
        notes: What the result does not say, a sentence each.
        published: What others report: rows with `run`, `task`, `metric`, `value` and `note` (the source).
        claims: What others claim, and what became of it.
        summaries: A line on each approach, by its label.
        plots: Pictures besides those that every record has. They come first; one with the name of a usual picture that has
            a `draw` replaces it.
        tables: Tables besides the usual one.
        delivered: What only a process with the delivered model can compute; None (default) if it is unknown.

    Raises:
        MTLError: If a value is of another type, or a published row or a claim lacks an entry or has one too many.

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
    confusion: Sequence[ConfusionRow] = ()
    budgets: Sequence[Budget] = ()
    class_names: Mapping[str, Sequence[str]] = field(default_factory=dict)
    trials: Sequence[Mapping[str, Any]] = ()
    evaluation: Evaluation | None = None
    finding: str = ""
    notes: Sequence[str] = ()
    published: Sequence[Mapping[str, Any]] = ()
    claims: Sequence[Mapping[str, str]] = ()
    summaries: Mapping[str, str] = field(default_factory=dict)
    plots: Sequence[Picture] = ()
    tables: Sequence[Table] = ()
    delivered: Delivered | None = None

    def __post_init__(self) -> None:
        of = "a record"
        for name in ("title", "question", "command", "finding"):
            text = getattr(self, name)
            if name == "title" or not isinstance(text, str) or text:
                check_text(name, text, of=of)
        for name in ("config", "environment", "summaries", "class_names"):
            store(self, **{name: check_mapping(name, getattr(self, name), of=of)})
        check_environment(self.environment)
        store(self, metrics=given_metrics(self.metrics, "metrics"), history=given_history(self.history, "history"))
        store(self, confusion=given_confusion(self.confusion))
        for task, names in self.class_names.items():
            check_names(f"class_names[{task!r}]", names, of=of)
        store(self, trials=check_trials(self.trials, name="trials"))
        check_names("notes", self.notes, of=of)
        if self.evaluation is not None:
            check_evaluation(self.evaluation)
        if self.delivered is not None:
            check_instance("delivered", self.delivered, Delivered, "Pass mtl.report.Delivered(...), or None.", of=of)
        for name, kind in (
            ("budgets", Budget),
            ("plots", Picture),
            ("tables", Table),
            ("published", Mapping),
            ("claims", Mapping),
        ):
            check_instances(name, getattr(self, name), kind, of=of)
        for name, keys, rows in (("published", PUBLISHED_COLUMNS, self.published), ("claims", CLAIM_KEYS, self.claims)):
            for row in rows:
                if set(row) != set(keys):
                    raise MTLError(
                        f"Each row of `{name}` must have {', '.join(keys)}. Received: {dict(row)}. Give these and no others."
                    )
                for key in keys:
                    if key != "value" and not isinstance(row[key], str):
                        raise MTLError(f"Entries of `{name}` must be texts. Received: {key}={describe(row[key])}. Give a text.")

    @property
    def split(self) -> str:
        """The split that the record is about: `"test"` where there are rows of it, else that of the evaluation."""
        if self.evaluation and all(row["split"] != "test" for row in self.metrics):
            return self.evaluation.split if self.metrics else "test"
        return split_of(self.metrics)

    @property
    def resplit(self) -> float:
        """The ratio of test to training rows if each seed has a random split of its own, else 0; see `statistics.interval`.

        Of runs and tasks with other ratios it is the largest, with which the correction is strongest. It is 0 too where
        `budgets` do not say how many rows there were, as in records of earlier versions; the page says so.
        """
        return resplit_ratio(self.metrics, self.budgets, self.split) if self.split_per_seed else 0.0

    @property
    def split_per_seed(self) -> bool:
        """Whether each seed has a random split, or a fold, of its own."""
        return bool(self.config.get("split_per_seed", self.config.get("by_split")))

    @property
    def folds(self) -> int | None:
        """Number of folds that the seeds went through; None if the splits are no folds."""
        return self.config.get("folds")

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
        return difference(self.metrics, one, other, task, metric, split or self.split, self.resplit)
