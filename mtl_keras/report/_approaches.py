"""Many approaches side by side: the long table, and whether one is better than another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mtl_keras.errors import MTLError
from mtl_keras.report._baselines import TRIVIAL, approaches_of, baseline_of, is_baseline
from mtl_keras.report._statistics import ENOUGH_SEEDS, interval, mean, paired_test
from mtl_keras.report._text import ARROWS, NOTHING, difference, mean_and_sd, number, paired, probability
from mtl_keras.report._values import Values, chosen_figures, directions_of, values_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["approaches_table", "compare_runs", "judged", "pairwise", "points"]


def approaches_table(
    metrics_rows: Iterable[Mapping[str, Any]],
    split: str = "test",
    *,
    metrics: Mapping[str, str] | None = None,
    published: Iterable[Mapping[str, Any]] = (),
) -> pd.DataFrame:
    """Return what each approach reaches on one split, a row for each task and approach, as text.

    Args:
        metrics_rows: Rows as from `metrics_rows`, `trivial_rows` and `delta_m_rows`.
        split: `"test"` (default), `"validation"` or `"train"`.
        metrics: The metric that stands for each task; default each task's own, the first of its rows. Skill and delta_m
            follow as task `"all"` where the rows hold them.
        published: What others report: rows with `run`, `task`, `metric`, `value` (number or text) and `note`. A figure or
            an approach that only they know gets its row, too.

    Returns:
        Columns `approach` (baselines after the approaches), `task`, `metric`, `better` (↑ or ↓), `published` (if there is
        any), `best epoch` and `last epoch` (mean ± sample SD (number of seeds)), `− single-task` (mean difference to the
        approach's baselines at the best epoch with its 95 % paired t interval, called indicative below 5 seeds; delta_m is one
        already), `p` (of the paired t test, from 5 seeds on; not corrected for the number of rows) and `trivial`. What is
        missing is "–".

    Raises:
        MTLError: If two rows give the same figure, or no row has a metric that is asked for.

    Example:
        >>> about = {"run": "joint", "seed": 0, "phase": 0, "epoch_kind": "best", "split": "test", "task": "digit"}
        >>> row = {**about, "metric": "accuracy", "value": 0.9, "n": 40, "unit": "fraction of rows", "direction": "max"}
        >>> approaches_table([row])["best epoch"].tolist()
        ['0.9000 (1)']
    """
    import pandas as pd

    rows, told = list(metrics_rows), list(published)
    best, last = values_of(rows, split), values_of(rows, split, "last")
    directions = directions_of(rows)
    runs = [*dict.fromkeys([*best, *last])]
    labels = list(dict.fromkeys([*runs, *(str(row["run"]) for row in told)]))
    approaches = approaches_of(labels)
    table = []
    for key in chosen_figures(rows, split, metrics, told):
        trivial = list(best.get(TRIVIAL, {}).get(key, {}).values())
        reached = [mean(list(best[run][key].values())) for run in approaches if key in best.get(run, {})]
        for run in (*approaches, *filter(is_baseline, labels)):
            own = best.get(run, {}).get(key, {})
            # What delta_m is the mean of are differences already.
            baselines = (
                best.get(baseline_of(run, runs), {}).get(key, {}) if key != ("all", "delta_m") else dict.fromkeys(own, 0.0)
            )
            if key == ("all", "skill") and _tasks(best, run) != _tasks(best, baseline_of(run, runs)):
                # A mean over other tasks is another figure.
                baselines = {}
            ends = list(last.get(run, {}).get(key, {}).values())
            reports = [str(row["value"]) for row in told if (row["run"], row["task"], row["metric"]) == (run, *key)]
            if not (own or ends or reports):
                continue
            gains = [] if is_baseline(run) else list(paired(own, baselines).values())
            table.append(
                {
                    "approach": run,
                    "task": key[0],
                    "metric": key[1],
                    "better": ARROWS.get(directions.get(key, ""), NOTHING),
                    "published": "; ".join(reports) or NOTHING,
                    "best epoch": mean_and_sd(list(own.values())),
                    "last epoch": mean_and_sd(ends),
                    "− single-task": NOTHING if is_baseline(run) else difference(own, baselines),
                    "p": probability(paired_test(gains)) if len(gains) >= ENOUGH_SEEDS else NOTHING,
                    "trivial": number(mean(trivial), reached[0] if reached else None),
                }
            )
    columns = ["approach", "task", "metric", "better", "published", "best epoch", "last epoch", "− single-task", "p", "trivial"]
    return pd.DataFrame(table, columns=[name for name in columns if told or name != "published"])


def _tasks(values: Values, run: str) -> set[str]:
    return {task for task, _ in values.get(run, {}) if task != "all"}


def pairwise(
    metrics_rows: Iterable[Mapping[str, Any]], one: str, other: str, task: str, metric: str, split: str = "test"
) -> dict[Any, float]:
    """Return one approach's value minus another's, at the best epoch, for each seed that both have.

    Raises:
        MTLError: If they share no seed, or two rows give the same figure.
    """
    values = values_of(metrics_rows, split)
    mine, theirs = (values.get(run, {}).get((task, metric), {}) for run in (one, other))
    differences = paired(mine, theirs)
    if not differences:
        raise MTLError(
            f"Two runs are compared over seeds that both have. Received: {task} {metric} on the {split} split with seeds "
            f"{sorted(mine)} of {one!r} and {sorted(theirs)} of {other!r}. The rows' runs are {', '.join(values) or 'none'}."
        )
    return differences


def points(differences: Mapping[Any, float]) -> str:
    """Return a mean difference in points, which are hundredths, as text.

    Args:
        differences: By seed, as from `pairwise`.

    Returns:
        The mean, and from two seeds on its 95 % paired t interval, which is wide below five.

    Example:
        >>> points({0: 0.01, 1: 0.02, 2: 0.03})
        '+2.0 [-0.5, +4.5]'
    """
    values = [100 * value for value in differences.values()]
    middle = f"{mean(values):+.1f}"
    if len(values) < 2:
        return middle
    low, high = interval(values)
    return f"{middle} [{low:+.1f}, {high:+.1f}]"


def compare_runs(
    metrics_rows: Iterable[Mapping[str, Any]], one: str, other: str, task: str, metric: str, split: str = "test"
) -> dict[str, Any]:
    """Say whether one approach is better than another, over the seeds that both have.

    Args:
        metrics_rows: Rows as from `metrics_rows`.
        one: Label of the approach in question.
        other: Label of the one it is compared with.
        task: A task, or `"all"`.
        metric: A metric of it.
        split: `"test"` (default), `"validation"` or `"train"`.

    Returns:
        `difference` (mean of one - other), `low` and `high` (95 % paired t interval), `p` (paired t test), `n` (seeds) and
        `verdict`, a sentence. Below 5 seeds `low`, `high` and `p` are None, and the verdict calls it indicative.

    Raises:
        MTLError: If they share no seed.
    """
    rows = list(metrics_rows)
    differences = list(pairwise(rows, one, other, task, metric, split).values())
    n, middle = len(differences), mean(differences)
    about = f"{task} {metric}" if task != "all" else metric
    if n < ENOUGH_SEEDS:
        seeds = "1 seed" if n == 1 else f"{n} seeds"
        verdict = f"{one} − {other} in {about}: {middle:+.3g} over {seeds}, indicative."
        return {"difference": middle, "low": None, "high": None, "p": None, "n": n, "verdict": verdict}
    (low, high), p = interval(differences), paired_test(differences)
    word = judged(low, high, directions_of(rows)[task, metric])
    says = f"{one} is {word} than {other} in {about}" if word else f"{one} and {other}: no difference shown in {about}"
    verdict = f"{says}: {middle:+.3g} (95 % interval {low:+.3g} to {high:+.3g}, p {_equals(p)}, {n} seeds)."
    return {"difference": middle, "low": low, "high": high, "p": p, "n": n, "verdict": verdict}


def judged(low: float, high: float, direction: str) -> str:
    """Return `"better"`, `"worse"`, or nothing where the interval holds 0 or is none."""
    if not (low > 0 or high < 0):
        return ""
    return "better" if (low > 0) == (direction == "max") else "worse"


def _equals(p: float) -> str:
    text = probability(p)
    return text if text.startswith("<") else f"= {text}"
