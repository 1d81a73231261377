"""The page that a record opens with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mtl_keras.report._approaches_table import approaches_table
from mtl_keras.report._budget_table import budget_table
from mtl_keras.report._findings import findings, limitations
from mtl_keras.report._markdown import code, escaped, link
from mtl_keras.report._record import Picture, Record
from mtl_keras.report._roles import baselines_of, roles_of
from mtl_keras.report._tables import is_comparison, scores_table, to_markdown, trials_table
from mtl_keras.report._text import MISSING, format_number, join_words
from mtl_keras.report._values import shown_tasks
from mtl_keras.report.statistics import ENOUGH_SEEDS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LEGEND", "budgets", "commits", "page", "result_frame", "result_table", "search_outcome"]

TRIVIAL_LEGEND = "trivial: majority class, median rank, mean number or mean image of the training rows."
LEGEND = (
    "Mean ± sample SD (number of seeds) at the epoch that is best on validation; n: labeled rows; ↑: higher is better, "
    f"↓: lower is better; {TRIVIAL_LEGEND}"
)

COMPARISON_LEGEND = (
    "Mean ± sample SD (number of seeds) at the epoch that is best on validation and at the last epoch; − single-task: mean "
    "difference from the single-task baselines with the same seeds at the best epoch, "
    f"from {ENOUGH_SEEDS} seeds on with its 95 % paired t interval, not corrected for multiple comparisons; "
)
TESTS_LEGEND = (
    "p: paired t test; p, Holm: the same, corrected by Holm's method for all tests of approaches in tasks in this table "
    "(delta_m and skill, which summarize these, each by itself); "
)
RESPLIT_LEGEND = (
    "Intervals and tests take into account that the splits are random parts of one data set (Nadeau and Bengio 2003, "
    "ratio of test to training rows {ratio:.3f}); "
)
BUDGET_LEGEND = (
    "Training rows: originals with a label, without their augmented views; epochs: at most, over all phases; seeds: "
    "trainings; n: labeled rows that values are computed from."
)
PUBLISHED_LEGEND = " Published: where the published values come from ([published.csv]({file}))."
LAST_LEGEND = f"↑: higher is better, ↓: lower is better; {TRIVIAL_LEGEND}"


def page(record: Record, pictures: Sequence[Picture]) -> str:
    """Return the README.md of a record with these pictures, of which the first is shown and the others are linked."""
    record = escaped(record)
    shown = (*shown_tasks(record.metrics), "all")
    hidden = {row["task"] for row in record.metrics} - set(shown)
    parts = [f"# {record.title}", f"**{record.finding}**", record.question, "## Setup", f"```sh\n{record.command}\n```"]
    parts.append(_environment(record.environment))
    if record.summaries:
        parts.append(_list(f"{code(name)}: {text}" for name, text in record.summaries.items()))
    parts += [f"## Results on the {record.split} split", *result_table(record)]
    for table in record.tables:
        parts += [table.markdown.rstrip(), table.caption]
    if hidden:
        parts.append(_describe_hidden(record, hidden, shown))
    parts += budgets(record)
    if record.trials:
        parts.append(search_outcome(record.trials))
    if pictures:
        parts.append(f"!{link(pictures[0].caption, pictures[0].name)}")
    if pictures[1:]:
        parts.append("More plots: " + ", ".join(link(each.caption, each.name) for each in pictures[1:]) + ".")
    if record.claims:
        claims = _list(f"{row['claim']} **{row['verdict']}**" for row in record.claims)
        parts += ["## Published claims and what was found", claims]
    few = replace(record, metrics=[row for row in record.metrics if row["task"] in shown])
    parts += ["## Findings", _list(findings(few)), "## Limitations", _list([*limitations(few), *record.notes])]
    return "\n\n".join(part for part in parts if part) + "\n"


def result_table(record: Record) -> list[str]:
    """Return the table of a record and what its columns mean, as Markdown."""
    table, legend = result_frame(record)
    return [to_markdown(table).rstrip(), legend]


def result_frame(record: Record) -> tuple[pd.DataFrame, str]:
    """Return the table of a record and what its columns mean."""
    shown, every = (*shown_tasks(record.metrics), "all"), {row["task"] for row in record.metrics}
    metrics = [row for row in record.metrics if row["task"] in shown]
    published = [row for row in record.published if row["task"] in shown]
    if not every <= set(shown):
        # Baselines have fewer tasks than the approaches: a mean over others is another quantity.
        baselines = baselines_of(roles_of(metrics))
        metrics = [row for row in metrics if not (row["task"] == "all" and row["run"] in baselines)]
    if is_comparison(metrics, published):
        table = approaches_table(metrics, record.split, published=published, resplit=record.resplit)
        tested = TESTS_LEGEND if (table["p"] != MISSING).any() else ""
        if not tested:
            # With few seeds there are no tests.
            table = table.drop(columns=["p", "p, Holm"])
        resplit = RESPLIT_LEGEND.format(ratio=record.resplit) if tested and record.resplit else ""
        return table, f"{COMPARISON_LEGEND}{tested}{resplit}{LAST_LEGEND}"
    table = scores_table(metrics, record.split, resplit=record.resplit)
    differs = any("−" in column and table[column].str.contains("[", regex=False).any() for column in table.columns)
    resplit = f" {RESPLIT_LEGEND.format(ratio=record.resplit).rstrip('; ')}." if differs and record.resplit else ""
    return table, f"{LEGEND}{resplit}"


def _describe_hidden(record: Record, hidden: set[str], shown: Sequence[str]) -> str:
    """Return in one sentence how many tasks the page leaves out, and why if fewer approaches have them."""
    having = {task: len({row["run"] for row in record.metrics if row["task"] == task}) for task in {*hidden, *shown}}
    fewer = max(having[task] for task in hidden) < min(having[task] for task in shown if task in having and task != "all")
    many = f"{len(hidden)} more {'task' if len(hidden) == 1 else 'tasks'}"
    which = ", which fewer approaches have," if fewer else ""
    return f"{many}{which} {'is' if len(hidden) == 1 else 'are'} in [metrics.csv](metrics.csv)."


def budgets(record: Record, folder: str = "") -> list[str]:
    """Return the table of what approaches and published values stand on, and what its columns mean; nothing if it is unknown.

    Args:
        record: The record.
        folder: Path from the page to the record, with a slash at its end; default empty.
    """
    shown, file = (*shown_tasks(record.metrics), "all"), f"{quote(folder)}published.csv"
    if record.budgets:
        legend = BUDGET_LEGEND + (PUBLISHED_LEGEND.format(file=file) if record.published else "")
        table = to_markdown(budget_table(record, shown)).rstrip()
        return ["What each approach was trained and measured on:", table, legend]
    notes = list(dict.fromkeys(str(row["note"]) for row in record.published if row["note"]))
    return [f"Published values: [published.csv]({file}){'; ' if notes else ''}{'; '.join(notes)}."] if record.published else []


def _environment(environment: Mapping[str, Any]) -> str:
    """Return hardware, versions and wall time."""
    packages = environment.get("packages", {})
    versions = [f"Python {environment.get('python', '?')}"]
    versions += [f"{name} {version}" for name, version in packages.items() if version]
    hardware = (
        f"{environment.get('cpu', '?')}, {environment.get('cores', '?')} cores, {environment.get('ram_gib', '?')} GiB RAM"
    )
    if gpus := environment.get("gpus"):
        hardware += f", {', '.join(gpus)}"
    trained = commits(environment)
    seconds, sessions = environment.get("wall_seconds"), len(environment.get("sessions", ()))
    wall = f" Wall time {seconds:.0f} s" if seconds is not None else " Wall time unknown" if sessions else ""
    wall += f" in {sessions} sessions." if sessions > 1 else "." if wall else ""
    return (
        f"{hardware}; {', '.join(versions)}; {trained}.{wall} "
        "Resolved settings: [config.json](config.json). Environment: [environment.json](environment.json)."
    )


def commits(environment: Mapping[str, Any]) -> str:
    """Return the commits that trained: those of the sessions that trained, or, of a record without any, that of the process."""
    # Sessions of earlier versions have neither commits nor numbers of trainings of their own.
    trained = [each for each in environment.get("sessions", ()) if each.get("trainings", 1) and "commit" in each]
    found = list(dict.fromkeys(each["commit"] or "unknown" for each in trained or [{"commit": environment.get("commit")}]))
    return f"commit{'s' if len(found) > 1 else ''} {join_words(found)}"


def search_outcome(trials: Sequence[Mapping[str, Any]]) -> str:
    """Return the outcome of the search."""
    table = trials_table(trials)
    failed = int((table["status"] != "completed").sum())
    count = f"Search: {len(table)} trials, {failed} failed ([trials.jsonl](trials.jsonl))."
    if failed == len(table):
        return count
    best = table.iloc[0]
    chosen = next(row["hyperparameters"] for row in trials if row["trial"] == best["trial"])
    settings = ", ".join(
        f"{name} = {value:.4g}" if isinstance(value, float) else f"{name} = {value}" for name, value in chosen.items()
    )
    skill = format_number(float(best["skill"]))
    return f"{count} The best is trial {best['trial']} with a validation skill of {skill}: {settings}."


def _list(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)
