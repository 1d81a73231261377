"""The one screen that a record opens with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mtl_keras.report._statistics import ENOUGH_SEEDS, interval, mean
from mtl_keras.report._tables import number, scores_table, seeds_of, to_markdown, trials_table

__all__ = ["LEGEND", "page"]

LEGEND = (
    "Mean ± sample SD (number of seeds) at the best epoch on validation; n = labelled rows; ↑ higher is better, ↓ lower is "
    "better; trivial = majority class or mean image of the training rows."
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
) -> str:
    """Return the README of a record."""
    says, says_not = _sayings(metrics, split)
    parts = [f"# {title}", question, "## Setting", f"```sh\n{command}\n```", _setting(environment)]
    parts += [f"## Result on the {split} split", to_markdown(scores_table(metrics, split)).rstrip(), LEGEND]
    if trials:
        parts.append(_search(trials))
    if pictures:
        parts.append(f"![{_caption(pictures[0])}]({pictures[0]})")
    if pictures[1:]:
        parts.append("More pictures: " + ", ".join(f"[{_caption(name)}]({name})" for name in pictures[1:]) + ".")
    parts += ["## What it says", _list(says)]
    parts += ["## What it does not say", _list([*says_not, *notes])]
    return "\n\n".join(parts) + "\n"


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
    values: dict[str, dict[tuple[str, str], dict[Any, float]]] = {}
    directions: dict[tuple[str, str], str] = {}
    for row in metrics:
        if row["split"] == split and (row["epoch_kind"] == "best" or row["run"] == "trivial"):
            key = (row["task"], row["metric"])
            values.setdefault(row["run"], {}).setdefault(key, {})[row["seed"]] = row["value"]
            directions[key] = row["direction"]
    twins = values.get("single-task", {})
    says, fewest = [], ENOUGH_SEEDS
    for run, figures in values.items():
        if run in ("single-task", "trivial"):
            continue
        seeds = seeds_of(metrics, run)
        fewest = min(fewest, seeds)
        if skill := figures.get(("all", "skill")):
            middle = number(mean(list(skill.values())))
            says.append(f"{run}: mean skill {middle} over {_seeds(seeds)}, where 0 is the trivial predictor and 1 perfection.")
        if gains := list(figures.get(("all", "delta_m"), {}).values()):
            says.append(_gained(run, gains))
        for key, by_seed in figures.items():
            pairs = [value - twins[key][seed] for seed, value in by_seed.items() if key in twins and seed in twins[key]]
            if key[0] != "all" and len(pairs) >= ENOUGH_SEEDS:
                says.append(_compared(run, key, directions[key], pairs))
            elif pairs:
                fewest = min(fewest, len(pairs))
    says_not = []
    if fewest < ENOUGH_SEEDS:
        says_not.append(
            f"With {_seeds(fewest)} differences between approaches are indicative; below {ENOUGH_SEEDS} none is called better."
        )
    if not twins:
        says_not.append("Whether sharing helped: there are no single-task twins here.")
    says_not.append(
        "The spread is that of training seeds on one split of one data set; other data, splits or hardware may differ by more."
    )
    return says, says_not


def _gained(run: str, gains: Sequence[float]) -> str:
    """Return what sharing gained over all tasks."""
    about = f"{run}: delta_m {mean(gains):+.2f} % over {_seeds(len(gains))}, the mean change against the single-task twins"
    if len(gains) < ENOUGH_SEEDS:
        return f"{about} (positive is better; indicative)."
    low, high = interval(gains)
    return f"{about} (positive is better; 95 % interval {low:+.2f} to {high:+.2f})."


def _compared(run: str, key: tuple[str, str], direction: str, differences: Sequence[float]) -> str:
    """Return the verdict of the interval."""
    low, high = interval(differences)
    shown = f"{low:+.3g} to {high:+.3g}"
    if low <= 0 <= high:
        return f"{run}: no difference to the single-task twin shown in {key[0]} {key[1]} (95 % interval {shown})."
    better = (low > 0) == (direction == "max")
    return f"{run}: {'better' if better else 'worse'} than the single-task twin in {key[0]} {key[1]} (95 % interval {shown})."


def _seeds(count: int) -> str:
    return f"{count} seed{'' if count == 1 else 's'}"


def _list(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _caption(name: str) -> str:
    known = {"curves.png": "training curves", "trials.png": "trials", "loss_weights.png": "loss weights"}
    kind, _, task = name.removesuffix(".png").partition("_")
    return known.get(name, f"{kind} of {task}")
