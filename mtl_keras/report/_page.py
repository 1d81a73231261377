"""The page that a record opens with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mtl_keras.report._approaches_table import approaches_table
from mtl_keras.report._difference import judge
from mtl_keras.report._record import Picture, Record
from mtl_keras.report._roles import approaches_of, baseline_of, baselines_of, roles_of
from mtl_keras.report._tables import is_comparison, scores_table, to_markdown, trials_table
from mtl_keras.report._text import count_of, format_number, subtract
from mtl_keras.report._values import TaskMetric, directions_of, main_metrics, shown_tasks, values_of
from mtl_keras.report.statistics import ENOUGH_SEEDS, interval, mean

__all__ = ["LEGEND", "page", "result_table"]

LEGEND = (
    "Mean ± sample SD (number of seeds) at the epoch that is best on validation; n: labeled rows; ↑: higher is better, "
    "↓: lower is better; trivial: majority class or mean image of the training rows."
)

COMPARISON_LEGEND = (
    "Mean ± sample SD (number of seeds) at the epoch that is best on validation and at the last epoch; − single-task: mean "
    "difference from the single-task baselines with the same seeds at the best epoch, "
    f"from {ENOUGH_SEEDS} seeds on with its 95 % paired t interval; p: paired t test; intervals and p values are not corrected "
    "for multiple comparisons; ↑: higher is better, ↓: lower is better; trivial: majority class or mean image of the training "
    "rows."
)

SPREAD_OF_SEEDS = (
    "The spread is over training seeds on one split of one data set. Other data, splits or hardware may differ by more."
)
SPREAD_OF_SPLITS = (
    "The spread is over splits of one data set, each with its own training seed. Other data or hardware may differ by more."
)


def page(record: Record, pictures: Sequence[Picture]) -> str:
    """Return the README.md of a record with these pictures, of which the first is shown and the others are linked."""
    shown = (*shown_tasks(record.metrics), "all")
    hidden = len({row["task"] for row in record.metrics} - set(shown))
    parts = [f"# {record.title}", f"**{record.finding}**", record.question, "## Setup", f"```sh\n{record.command}\n```"]
    parts.append(_environment(record.environment))
    if record.summaries:
        parts.append(_list(f"`{name}`: {text}" for name, text in record.summaries.items()))
    parts += [f"## Results on the {record.split} split", *result_table(record)]
    for table in record.tables:
        parts += [table.markdown.rstrip(), table.caption]
    if hidden:
        parts.append(f"{hidden} more tasks, which fewer approaches have, are in [metrics.csv](metrics.csv).")
    if record.published:
        parts.append(_sources(record.published))
    if record.trials:
        parts.append(_search(record.trials))
    if pictures:
        parts.append(f"![{pictures[0].caption}]({pictures[0].name})")
    if pictures[1:]:
        parts.append("More plots: " + ", ".join(f"[{each.caption}]({each.name})" for each in pictures[1:]) + ".")
    if record.claims:
        claims = _list(f"{row['claim']} **{row['verdict']}**" for row in record.claims)
        parts += ["## Published claims and what was found", claims]
    findings, limitations = _findings(replace(record, metrics=[row for row in record.metrics if row["task"] in shown]))
    parts += ["## Findings", _list(findings), "## Limitations", _list([*limitations, *record.notes])]
    return "\n\n".join(part for part in parts if part) + "\n"


def result_table(record: Record) -> list[str]:
    """Return the table of a record and what its columns mean."""
    shown, every = (*shown_tasks(record.metrics), "all"), {row["task"] for row in record.metrics}
    metrics = [row for row in record.metrics if row["task"] in shown]
    published = [row for row in record.published if row["task"] in shown]
    if not every <= set(shown):
        # Baselines have fewer tasks than the approaches: a mean over others is another quantity.
        baselines = baselines_of(roles_of(metrics))
        metrics = [row for row in metrics if not (row["task"] == "all" and row["run"] in baselines)]
    if is_comparison(metrics, published):
        return [to_markdown(approaches_table(metrics, record.split, published=published)).rstrip(), COMPARISON_LEGEND]
    return [to_markdown(scores_table(metrics, record.split)).rstrip(), LEGEND]


def _sources(published: Sequence[Mapping[str, Any]]) -> str:
    """Return where published values come from."""
    notes = list(dict.fromkeys(str(row["note"]) for row in published if row["note"]))
    return f"Published values: [published.csv](published.csv){'; ' if notes else ''}{'; '.join(notes)}."


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
    seconds, sessions = environment.get("wall_seconds"), len(environment.get("sessions", ()))
    wall = f" Wall time {seconds:.0f} s" if seconds is not None else " Wall time unknown" if sessions else ""
    wall += f" in {sessions} sessions." if sessions > 1 else "." if wall else ""
    return (
        f"{hardware}; {', '.join(versions)}; commit {environment.get('commit') or 'unknown'}.{wall} "
        "Resolved settings: [config.json](config.json). Environment: [environment.json](environment.json)."
    )


def _search(trials: Sequence[Mapping[str, Any]]) -> str:
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


def _findings(record: Record) -> tuple[list[str], list[str]]:
    """Return what the values show and what they leave open."""
    metrics, roles = record.metrics, roles_of(record.metrics)
    values, directions = values_of(metrics, record.split), directions_of(metrics)
    several = is_comparison(metrics)
    found, fewest = [], ENOUGH_SEEDS
    for run in approaches_of(roles):
        own, baselines = values.get(run, {}), values.get(baseline_of(run, values), {})
        pairs = {key: list(subtract(by_seed, baselines.get(key, {})).values()) for key, by_seed in own.items()}
        seeds = len({row["seed"] for row in metrics if row["run"] == run})
        fewest = min([fewest, seeds, *(len(each) for each in pairs.values() if each)])
        compared = {key: each for key, each in pairs.items() if key[0] != "all" and len(each) >= ENOUGH_SEEDS}
        skill, gains = (list(own.get(("all", metric), {}).values()) for metric in ("skill", "delta_m"))
        if several:
            main = {key: compared[key] for key in main_metrics(metrics, record.split) if key in compared}
            found.append(_in_short(run, skill, gains, main, directions))
            continue
        if skill:
            reached = f"{format_number(mean(skill))} over {count_of(seeds, 'seed')}"
            found.append(f"{run}: mean skill {reached} (0: trivial predictor, 1: perfect).")
        if gains:
            about = f"{run}: delta_m {mean(gains):+.2f} % over {count_of(len(gains), 'seed')}, the mean change relative to the"
            found.append(f"{about} single-task baselines (positive is better; {_interval_of(gains)}).")
        found += [_compared(run, key, directions[key], each) for key, each in compared.items()]
    open_points = []
    if fewest < ENOUGH_SEEDS:
        open_points.append(
            f"With {count_of(fewest, 'seed')}, differences between approaches are indicative; from {ENOUGH_SEEDS} seeds on an "
            "approach can be called better or worse."
        )
    if not baselines_of(roles):
        open_points.append("Whether sharing helped is not shown: the record has no single-task baselines.")
    split_per_seed = record.config.get("split_per_seed", record.config.get("by_split"))
    return found, [*open_points, SPREAD_OF_SPLITS if split_per_seed else SPREAD_OF_SEEDS]


def _in_short(
    run: str,
    skill: Sequence[float],
    gains: Sequence[float],
    compared: Mapping[TaskMetric, Sequence[float]],
    directions: Mapping[TaskMetric, str],
) -> str:
    """Return the result of one approach among several in a sentence."""
    parts = [f"mean skill {format_number(mean(skill))} over {count_of(len(skill), 'seed')}"] if skill else []
    if gains:
        parts.append(f"delta_m {mean(gains):+.2f} % ({_interval_of(gains)})")
    verdicts: dict[str, list[str]] = {"better": [], "worse": [], "": []}
    for key, differences in compared.items():
        verdicts[judge(*interval(differences), directions[key])].append(" ".join(key))
    for word, where in verdicts.items():
        if where:
            than = f"{word} than its single-task baselines" if word else "no difference from its single-task baselines shown"
            parts.append(f"{than} in {', '.join(where)}")
    return f"{run}: {'; '.join(parts) or 'see the table'}."


def _interval_of(gains: Sequence[float]) -> str:
    if len(gains) < ENOUGH_SEEDS:
        return "indicative"
    low, high = interval(gains)
    return f"95 % interval {low:+.2f} to {high:+.2f}"


def _compared(run: str, key: TaskMetric, direction: str, differences: Sequence[float]) -> str:
    """Return what the interval of one metric says."""
    low, high = interval(differences)
    shown = f"95 % interval {low:+.3g} to {high:+.3g}"
    word = judge(low, high, direction)
    if not word:
        return f"{run}: no difference from the single-task baseline shown in {' '.join(key)} ({shown})."
    return f"{run}: {word} than the single-task baseline in {' '.join(key)} ({shown})."


def _list(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)
