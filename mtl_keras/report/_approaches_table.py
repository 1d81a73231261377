"""The long table, which compares several approaches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from mtl_keras.report._check import check_metrics, check_published, check_resplit, check_split
from mtl_keras.report._gains import Gain, gains_of
from mtl_keras.report._roles import TRIVIAL, approaches_of, baselines_of, roles_of
from mtl_keras.report._rows import MetricsRow, given_metrics
from mtl_keras.report._text import ARROWS, MISSING, format_difference, format_mean, format_number, format_p
from mtl_keras.report._values import directions_of, main_metrics, values_of
from mtl_keras.report.statistics import mean

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["approaches_table"]

COLUMNS = (
    "approach",
    "task",
    "metric",
    "better",
    "published",
    "best epoch",
    "last epoch",
    "− single-task",
    "p",
    "p, Holm",
    "trivial",
)


def approaches_table(
    metrics_rows: Iterable[MetricsRow],
    split: str = "test",
    *,
    metrics: Mapping[str, str] | None = None,
    published: Iterable[Mapping[str, Any]] = (),
    resplit: float = 0.0,
) -> pd.DataFrame:
    """Return what each approach reaches on one split as text, with a row for each task and approach.

    Args:
        metrics_rows: Rows as from `metrics_rows`, `trivial_rows` and `delta_m_rows`.
        split: `"test"` (default), `"validation"` or `"train"`.
        metrics: Metric of each task; default each task's own, the first of its rows. The skill and delta_m of the whole model
            follow as task `"all"` if there are rows of them.
        published: What others report: rows with `run`, `task`, `metric`, `value` (number or text) and `note`. Metrics and
            approaches that only they have get rows as well.
        resplit: Ratio of test to training rows if each seed has a random split of its own; 0 (default) if all share one. See
            `statistics.interval`.

    Returns:
        Columns `approach` (baselines after the approaches), `task`, `metric`, `better` (↑ or ↓), `published` (if there are
        any), `best epoch` and `last epoch` (mean ± sample SD (number of seeds)), `− single-task` (mean difference from the
        approach's baselines at the best epoch with its 95 % paired t interval, called indicative below 5 seeds; delta_m is
        itself a difference), `p` (of the paired t test, from 5 seeds on), `p, Holm` (the same, corrected for all tests of
        approaches in tasks in this table; those of delta_m, and of the skill, are corrected by themselves) and `trivial`. What
        is missing is "–", and `published` is left out if there are none.

    Raises:
        MTLError: If two rows hold the same value, or no row has a requested metric.

    Example:
        >>> about = {"run": "joint", "seed": 0, "phase": 0, "epoch_kind": "best", "split": "test", "task": "digit"}
        >>> about |= {"unit": "fraction of rows", "direction": "max", "role": "approach"}
        >>> approaches_table([{**about, "metric": "accuracy", "value": 0.9, "n": 40}])["best epoch"].tolist()
        ['0.9000 (1)']
    """
    import pandas as pd

    rows, reported = given_metrics(metrics_rows), check_published(published)
    split, metrics = check_split(split), None if metrics is None else check_metrics("metrics", metrics)
    resplit = check_resplit(resplit)
    best, last = values_of(rows, split), values_of(rows, split, "last")
    directions, runs = directions_of(rows), [*dict.fromkeys([*best, *last])]
    roles = roles_of([row for row in rows if row["run"] in runs], reported)
    approaches = approaches_of(roles)
    keys = main_metrics(rows, split, metrics, reported)
    gains = gains_of(best, approaches, keys, resplit)
    table = []
    for key in keys:
        trivial = list(best.get(TRIVIAL, {}).get(key, {}).values())
        reached = [mean(list(best[run][key].values())) for run in approaches if key in best.get(run, {})]
        for run in (*approaches, *baselines_of(roles)):
            own = best.get(run, {}).get(key, {})
            ends = list(last.get(run, {}).get(key, {}).values())
            reports = [str(row["value"]) for row in reported if (row["run"], row["task"], row["metric"]) == (run, *key)]
            if not (own or ends or reports):
                continue
            gain = gains.get((run, key), Gain({}, {}))
            cells = (
                *(run, *key, ARROWS.get(directions.get(key, ""), MISSING), "; ".join(reports) or MISSING),
                *(format_mean(list(own.values())), format_mean(ends), format_difference(gain.own, gain.baselines, resplit)),
                *(MISSING if p is None else format_p(p) for p in (gain.p, gain.corrected)),
                format_number(mean(trivial), reached[0] if reached else None),
            )
            table.append(dict(zip(COLUMNS, cells, strict=True)))
    return pd.DataFrame(table, columns=[name for name in COLUMNS if reported or name != "published"])
