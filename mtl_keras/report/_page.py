"""The one screen that a record opens with."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from mtl_keras.report._approaches import approaches_table, judged
from mtl_keras.report._baselines import approaches_of, baseline_of, is_baseline
from mtl_keras.report._ladder import is_ladder, ladder_table
from mtl_keras.report._statistics import ENOUGH_SEEDS, interval, mean
from mtl_keras.report._tables import scores_table, seeds_of, to_markdown, trials_table
from mtl_keras.report._text import number, paired
from mtl_keras.report._values import chosen_figures, directions_of, shown_tasks, values_of

__all__ = ["LEGEND", "is_comparison", "page", "result"]

LEGEND = (
    "Mean ± sample SD (number of seeds) at the best epoch on validation; n = labeled rows; ↑ higher is better, ↓ lower is "
    "better; trivial = majority class or mean image of the training rows."
)

COMPARISON_LEGEND = (
    "Mean ± sample SD (number of seeds) at the best epoch on validation and at the last; − single-task = mean difference to "
    f"the single-task baselines of the same seeds at the best epoch, from {ENOUGH_SEEDS} seeds on with its 95 % paired t interval "
    "and the p of the paired t test, neither corrected for the number of comparisons; ↑ higher is better, ↓ lower is better; "
    "trivial = majority class or mean image of the training rows."
)

SPREAD_OF_SEEDS = (
    "The spread is that of training seeds on one split of one data set; other data, splits or hardware may differ by more."
)
SPREAD_OF_SPLITS = (
    "The spread is that of splits of one data set, each with a training seed of its own; other data or hardware may differ by "
    "more."
)


def page(
    *,
    title: str,
    question: str,
    command: str,
    environment: Mapping[str, Any],
    metrics: Sequence[Mapping[str, Any]],
    trials: Sequence[Mapping[str, Any]],
    split: str,
    pictures: Sequence[str],
    notes: Iterable[str],
    published: Sequence[Mapping[str, Any]] = (),
    claims: Sequence[Mapping[str, str]] = (),
    summaries: Mapping[str, str] | None = None,
    split_per_seed: bool = False,
    controls: Collection[str] = (),
) -> str:
    """Return the README of a record; `split_per_seed` says that each seed has a split of its own."""
    shown = (*shown_tasks(metrics), "all")
    left = len({row["task"] for row in metrics} - set(shown))
    says, says_not = _sayings([row for row in metrics if row["task"] in shown], split)
    parts = [f"# {title}", question, "## Setting", f"```sh\n{command}\n```", _setting(environment)]
    if summaries:
        parts.append(_list(f"`{name}`: {text}" for name, text in summaries.items()))
    parts += [f"## Result on the {split} split", *result(metrics, split, published)]
    if is_ladder(metrics, split):
        about = (
            "Over an approach's tasks that can be learned, and over its controls, which cannot; skill: 0 trivial, 1 perfect."
        )
        parts += [to_markdown(ladder_table(metrics, split, controls=controls)).rstrip(), about]
    if left:
        parts.append(f"{left} more tasks, which fewer approaches have, are in [metrics.csv](metrics.csv).")
    if published:
        parts.append(_sources(published))
    if trials:
        parts.append(_search(trials))
    if pictures:
        parts.append(f"![{_caption(pictures[0])}]({pictures[0]})")
    if pictures[1:]:
        parts.append("More pictures: " + ", ".join(f"[{_caption(name)}]({name})" for name in pictures[1:]) + ".")
    if claims:
        parts += ["## What became of the published claims", _list(f"{row['claim']} **{row['verdict']}**" for row in claims)]
    parts += ["## What it says", _list(says)]
    says_not.append(SPREAD_OF_SPLITS if split_per_seed else SPREAD_OF_SEEDS)
    parts += ["## What it does not say", _list([*says_not, *notes])]
    return "\n\n".join(parts) + "\n"


def is_comparison(metrics: Iterable[Mapping[str, Any]], published: Sequence[Mapping[str, Any]] = ()) -> bool:
    """Return whether a record is one of many approaches, or one beside what others report: it gets the long table."""
    return bool(published) or len(approaches_of(row["run"] for row in metrics)) > 1


def result(metrics: Sequence[Mapping[str, Any]], split: str, published: Sequence[Mapping[str, Any]] = ()) -> list[str]:
    """Return the table of a record and what its columns mean."""
    shown, every = (*shown_tasks(metrics), "all"), {row["task"] for row in metrics}
    metrics, published = ([row for row in rows if row["task"] in shown] for rows in (metrics, published))
    if not every <= set(shown):
        # The baselines are those of fewer tasks: a mean over others is another figure.
        metrics = [row for row in metrics if not (row["task"] == "all" and is_baseline(row["run"]))]
    if is_comparison(metrics, published):
        return [to_markdown(approaches_table(metrics, split, published=published)).rstrip(), COMPARISON_LEGEND]
    return [to_markdown(scores_table(metrics, split)).rstrip(), LEGEND]


def _sources(published: Sequence[Mapping[str, Any]]) -> str:
    """Return where published figures come from."""
    notes = list(dict.fromkeys(str(row["note"]) for row in published if row["note"]))
    return f"Published figures: [published.csv](published.csv){'; ' if notes else ''}{'; '.join(notes)}."


def _setting(environment: Mapping[str, Any]) -> str:
    """Return hardware, versions and wall time in a sentence or two."""
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
        "Resolved settings: [config.json](config.json); all of the environment: [environment.json](environment.json)."
    )


def _search(trials: Sequence[Mapping[str, Any]]) -> str:
    """Return what the search came to, in a sentence."""
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
    return f"{count} Best is trial {best['trial']} with skill {number(float(best['skill']))} on validation: {settings}."


def _sayings(metrics: Sequence[Mapping[str, Any]], split: str) -> tuple[list[str], list[str]]:
    """Return what the figures show and what they leave open."""
    values, directions = values_of(metrics, split), directions_of(metrics)
    many = is_comparison(metrics)
    says, fewest = [], ENOUGH_SEEDS
    for run in approaches_of(values):
        figures, baselines = values[run], values.get(baseline_of(run, values), {})
        pairs = {key: list(paired(by_seed, baselines.get(key, {})).values()) for key, by_seed in figures.items()}
        fewest = min([fewest, seeds_of(metrics, run), *(len(each) for each in pairs.values() if each)])
        compared = {key: each for key, each in pairs.items() if key[0] != "all" and len(each) >= ENOUGH_SEEDS}
        skill, gains = (list(figures.get(("all", metric), {}).values()) for metric in ("skill", "delta_m"))
        if many:
            own = {key: compared[key] for key in chosen_figures(metrics, split) if key in compared}
            says.append(_in_short(run, skill, gains, own, directions))
            continue
        if skill:
            middle, seeds = number(mean(skill)), _seeds(seeds_of(metrics, run))
            says.append(f"{run}: mean skill {middle} over {seeds}, where 0 is the trivial predictor and 1 perfection.")
        if gains:
            says.append(_gained(run, gains))
        says += [_compared(run, key, directions[key], each) for key, each in compared.items()]
    says_not = []
    if fewest < ENOUGH_SEEDS:
        says_not.append(
            f"With {_seeds(fewest)} differences between approaches are indicative; below {ENOUGH_SEEDS} none is called better."
        )
    if not any(map(is_baseline, values)):
        says_not.append("Whether sharing helped: there are no single-task baselines here.")
    return says, says_not


def _in_short(
    run: str,
    skill: Sequence[float],
    gains: Sequence[float],
    compared: Mapping[tuple[str, str], Sequence[float]],
    directions: Mapping[tuple[str, str], str],
) -> str:
    """Return what one approach among many came to, in a sentence."""
    parts = [f"mean skill {number(mean(skill))} over {_seeds(len(skill))}"] if skill else []
    if gains:
        low, high = interval(gains) if len(gains) >= ENOUGH_SEEDS else (0.0, 0.0)
        sure = f"95 % interval {low:+.2f} to {high:+.2f}" if len(gains) >= ENOUGH_SEEDS else "indicative"
        parts.append(f"delta_m {mean(gains):+.2f} % ({sure})")
    verdicts: dict[str, list[str]] = {"better": [], "worse": [], "": []}
    for key, differences in compared.items():
        verdicts[judged(*interval(differences), directions[key])].append(f"{key[0]} {key[1]}")
    for word, where in verdicts.items():
        if where:
            than = f"{word} than its baselines in" if word else "no difference to its baselines shown in"
            parts.append(f"{than} {', '.join(where)}")
    return f"{run}: {'; '.join(parts) or 'nothing but what the table holds'}."


def _gained(run: str, gains: Sequence[float]) -> str:
    """Return what sharing gained over all tasks."""
    about = f"{run}: delta_m {mean(gains):+.2f} % over {_seeds(len(gains))}, the mean change against the single-task baselines"
    if len(gains) < ENOUGH_SEEDS:
        return f"{about} (positive is better; indicative)."
    low, high = interval(gains)
    return f"{about} (positive is better; 95 % interval {low:+.2f} to {high:+.2f})."


def _compared(run: str, key: tuple[str, str], direction: str, differences: Sequence[float]) -> str:
    """Return the verdict of the interval."""
    low, high = interval(differences)
    shown = f"{low:+.3g} to {high:+.3g}"
    word = judged(low, high, direction)
    if not word:
        return f"{run}: no difference to the single-task baseline shown in {key[0]} {key[1]} (95 % interval {shown})."
    return f"{run}: {word} than the single-task baseline in {key[0]} {key[1]} (95 % interval {shown})."


def _seeds(count: int) -> str:
    return f"{count} seed{'' if count == 1 else 's'}"


def _list(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _caption(name: str) -> str:
    known = {"curves.png": "training curves", "trials.png": "trials", "loss_weights.png": "loss weights"}
    known |= {"steps.png": "shares of the data sets", "ladder.png": "what tasks reach against their number"}
    known |= {"ladder_losses.png": "sum and average of the losses"}
    known |= {
        "approaches.png": "approaches",
        "totals.png": "unweighted totals",
        "gains.png": "gains on the single-task baselines",
    }
    kind, _, task = name.removesuffix(".png").partition("_")
    return known.get(name, f"{kind} of {task}")
