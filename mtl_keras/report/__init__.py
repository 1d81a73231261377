"""Tables, plots and records, made from numbers alone.

An `Evaluation` and a `Run.history` become rows (`metrics_rows`, `trivial_rows`, `history_rows`). Rows become tables
(`scores_table`, `approaches_table`, `trials_table`, `phases_table`) and plots (`plot_...`), and all of it together a `Record`,
which `write_record` and `read_record` keep in a folder. `write_summary` gathers records into one page. Reading a result needs
neither Keras nor TensorFlow.

Plots are `matplotlib.figure.Figure` objects outside of pyplot: the last line of a notebook cell displays one,
`figure.savefig(path)` saves it.

Means, intervals and tests are in `mtl_keras.report.statistics`.

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

from mtl_keras.report import statistics
from mtl_keras.report._approach_plots import plot_approaches, plot_gains
from mtl_keras.report._approaches_table import approaches_table
from mtl_keras.report._budget import Budget, merge_budgets, resplit_ratio
from mtl_keras.report._budget_table import budget_table
from mtl_keras.report._confusion import plot_confusion, plot_confusions
from mtl_keras.report._confusion_rows import ConfusionRow, confusion_counts, confusion_rows, read_confusion, write_confusion
from mtl_keras.report._delivered import Delivered, Mistake, Sample, TaskDetails
from mtl_keras.report._delta import delta_m_rows
from mtl_keras.report._difference import Difference, difference, verdicts
from mtl_keras.report._environment import environment
from mtl_keras.report._history import plot_history
from mtl_keras.report._index import write_index
from mtl_keras.report._loss_weights import plot_loss_weights
from mtl_keras.report._network import plot_network
from mtl_keras.report._phases import phases_table
from mtl_keras.report._reconstructions import plot_reconstructions
from mtl_keras.report._record import Claim, Picture, Record, Table
from mtl_keras.report._record_folder import read_record, write_page, write_record
from mtl_keras.report._roles import Role, with_roles
from mtl_keras.report._rows import HistoryRow, MetricsRow, history_rows, metrics_rows, trivial_rows
from mtl_keras.report._steps import plot_steps
from mtl_keras.report._summary import write_summary
from mtl_keras.report._tables import scores_table, to_markdown, trials_table
from mtl_keras.report._totals import plot_totals
from mtl_keras.report._trials import plot_trials
from mtl_keras.report._trials_log import TRIALS, read_trials

__all__ = [
    # rows
    "Budget",
    "ConfusionRow",
    "HistoryRow",
    "MetricsRow",
    "Role",
    "confusion_counts",
    "confusion_rows",
    "delta_m_rows",
    "history_rows",
    "merge_budgets",
    "metrics_rows",
    "resplit_ratio",
    "trivial_rows",
    "with_roles",
    # tables
    "approaches_table",
    "budget_table",
    "phases_table",
    "scores_table",
    "to_markdown",
    "trials_table",
    # comparisons
    "Difference",
    "difference",
    "statistics",
    "verdicts",
    # plots
    "plot_approaches",
    "plot_confusion",
    "plot_confusions",
    "plot_gains",
    "plot_history",
    "plot_loss_weights",
    "plot_network",
    "plot_reconstructions",
    "plot_steps",
    "plot_totals",
    "plot_trials",
    # records
    "TRIALS",
    "Claim",
    "Delivered",
    "Mistake",
    "Picture",
    "Record",
    "Sample",
    "Table",
    "TaskDetails",
    "environment",
    "read_confusion",
    "read_record",
    "read_trials",
    "write_confusion",
    "write_index",
    "write_page",
    "write_record",
    "write_summary",
]
