"""Tables, pictures and records, made of numbers alone.

An `Evaluation` and a `Run.history` become rows (`metrics_rows`, `trivial_rows`, `history_rows`), rows become tables
(`scores_table`, `approaches_table`, `trials_table`) and pictures (`plot_...`), and all of them become a record on the disk
(`write_record`), which `write_summary` gathers into one page. Keras and TensorFlow are not needed to read a result.

Pictures are `matplotlib.figure.Figure` objects that belong to no window: the last line of a notebook cell shows them,
`figure.savefig(path)` writes them.

Example:
    >>> from mtl_keras import report
    >>> rows = report.history_rows(
    ...     [{"phase": 0, "epoch": 1, "digit_loss": 1.2, "val_digit_loss": 1.3}], ["digit"], run="multi-task", seed=0
    ... )
    >>> [(row["split"], row["task"], row["metric"], row["value"]) for row in rows]
    [('train', 'digit', 'loss', 1.2), ('validation', 'digit', 'loss', 1.3)]
    >>> figure = report.plot_history(rows)
"""

from __future__ import annotations

from mtl_keras.report._approaches import approaches_table, compare_runs, pairwise, points
from mtl_keras.report._baselines import approaches_of, baseline_of, is_baseline
from mtl_keras.report._comparison_figures import plot_approaches, plot_gains, plot_totals
from mtl_keras.report._delta import delta_m_rows
from mtl_keras.report._environment import environment
from mtl_keras.report._figures import plot_confusion, plot_history, plot_loss_weights, plot_reconstructions
from mtl_keras.report._ladder import ladder_table, plot_ladder, plot_ladder_losses
from mtl_keras.report._phases import phases_table
from mtl_keras.report._record import write_record
from mtl_keras.report._rows import HISTORY_COLUMNS, METRICS_COLUMNS, history_rows, metrics_rows, trivial_rows
from mtl_keras.report._statistics import interval, mean, paired_test, sample_sd, trial_skills
from mtl_keras.report._steps import plot_steps
from mtl_keras.report._summary import write_summary
from mtl_keras.report._tables import scores_table, to_markdown, trials_table
from mtl_keras.report._trials import plot_trials

__all__ = [
    # rows
    "HISTORY_COLUMNS",
    "METRICS_COLUMNS",
    "approaches_of",
    "delta_m_rows",
    "history_rows",
    "is_baseline",
    "metrics_rows",
    "trivial_rows",
    "baseline_of",
    # tables
    "approaches_table",
    "compare_runs",
    "interval",
    "ladder_table",
    "mean",
    "paired_test",
    "pairwise",
    "points",
    "sample_sd",
    "phases_table",
    "scores_table",
    "to_markdown",
    "trial_skills",
    "trials_table",
    # pictures
    "plot_approaches",
    "plot_confusion",
    "plot_gains",
    "plot_history",
    "plot_ladder",
    "plot_ladder_losses",
    "plot_loss_weights",
    "plot_reconstructions",
    "plot_steps",
    "plot_totals",
    "plot_trials",
    # files
    "environment",
    "write_record",
    "write_summary",
]
