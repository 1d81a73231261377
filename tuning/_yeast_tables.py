"""What a record of the study `yeast` says: one network for all labels against one model for each, by mean AUC and macro F1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import mtl_keras as mtl

from ._differences import points_of
from ._seen import MISSING, as_table, format_values

__all__ = ["LABELS", "MODELS", "compared_tables", "finding", "label_of_run"]

LABELS = tuple(f"Class{i}" for i in range(1, 15))
METRICS = {"auc": "AUC", "macro_f1": "macro F1"}
#: Which labels of the training rows are known, by configuration.
KNOWN = {"full": "with all labels", "half": "with half of them removed"}
SINGLE = "single-task"
#: Models of scikit-learn for one label each, by the end of their runs' labels.
MODELS = {"gradient boosting": "scikit-learn's gradient boosting", "scikit-learn MLP": "scikit-learn's MLP"}
#: Configuration, the other model, tasks, metric.
Place = tuple[str, str, str, str]


def label_of_run(configuration: str, model: str) -> str:
    """Return the label of the models of scikit-learn that are trained on the labels of a configuration."""
    return f"{configuration} {SINGLE} {model}"


def differences(
    record: mtl.report.Record, others: Sequence[str], by: Mapping[str, Sequence[str]]
) -> dict[Place, mtl.report.Difference]:
    """Return one network minus models of one label, by configuration, model, name of the tasks, and metric."""
    return {
        (configuration, other, name, metric): record.difference(configuration, label, tasks, metric)
        for configuration in KNOWN
        for other in others
        for name, tasks in by.items()
        for metric in METRICS
        if record.values(label := run_of(configuration, other), LABELS[0], metric)
        and record.values(configuration, LABELS[0], metric)
    }


def run_of(configuration: str, other: str) -> str:
    """Return the label of a run of models of one label."""
    return f"{configuration} {SINGLE}" if other == SINGLE else label_of_run(configuration, other)


def means_of(record: mtl.report.Record) -> dict[Place, mtl.report.Difference]:
    """Return the differences of the means over labels; they are one family of tests."""
    return differences(record, (SINGLE, *MODELS), {"all": LABELS})


def over_labels(record: mtl.report.Record, run: str, metric: str) -> list[float]:
    """Return the mean over labels for each seed."""
    values = [record.values(run, label, metric) for label in LABELS]
    return [mtl.report.statistics.mean([each[seed] for each in values]) for seed in values[0]]


def compared_tables(record: mtl.report.Record) -> list[mtl.report.Table]:
    """Return the means over labels, and for each label the difference of the network from the other models."""
    return [means_table(record), labels_table(record)] if means_of(record) else []


def means_table(record: mtl.report.Record) -> mtl.report.Table:
    """Return the mean over labels of each model, and its difference from one network for all."""
    found = means_of(record)
    points = points_of(found)
    lines = []
    for configuration, known in KNOWN.items():
        runs = {"one network": configuration, "a network each": f"{configuration} {SINGLE}"}
        runs |= {f"{name}, a model each": label_of_run(configuration, model) for model, name in MODELS.items()}
        others = dict(zip(runs, (None, SINGLE, *MODELS), strict=True))
        for name, run in runs.items():
            if not record.values(run, LABELS[0]):
                continue
            line = {"training labels": known.removeprefix("with "), "model": name}
            for metric, words in METRICS.items():
                line[words] = format_values(over_labels(record, run, metric))
                other = others[name]
                line[f"one network − it, {words}, points"] = (
                    MISSING if other is None else points[configuration, other, "all", metric]
                )
            lines.append(line)
    caption = (
        f"Means over the 14 labels on the test rows, ± sample SD over {folds(record)}; differences with 95 % intervals, p by "
        f"Holm's correction for the {len(found)} tests of this table. A label is predicted where its probability is above 0.5. "
        "Networks are those of the epoch that is best on validation; models of scikit-learn are trained on the same training "
        "rows and labels, use no validation rows, and have their defaults but for standardized inputs and early stopping on a "
        "tenth of the training rows (MLP)."
    )
    return as_table(lines, caption)


def labels_table(record: mtl.report.Record) -> mtl.report.Table:
    """Return the difference in AUC of one network from the other models in each label."""
    found = {
        place: each
        for place, each in differences(record, (SINGLE, *MODELS), {label: [label] for label in LABELS}).items()
        if place[3] == "auc"
    }
    points, others = points_of(found), dict.fromkeys(other for _, other, _, _ in found)
    lines = [
        {"label": label, "share of 1": f"{share(record, label):.3f}"}
        | {
            f"{configuration}: − {'networks' if other == SINGLE else other}": points.get(
                (configuration, other, label, "auc"), MISSING
            )
            for configuration in KNOWN
            for other in others
        }
        for label in LABELS
    ]
    caption = (
        "AUC of one network minus that of models of one label each (single-task networks, and models of scikit-learn), in "
        f"points, over {folds(record)}; 95 % intervals, p by Holm's correction for the {len(found)} tests of this table. Share "
        "of 1: of the test rows."
    )
    return as_table(lines, caption)


def share(record: mtl.report.Record, label: str) -> float:
    """Return the share of test rows that have a label."""
    counts = {
        value: sum(row["count"] for row in record.confusion if (row["task"], str(row["true"])) == (label, value))
        for value in "01"
    }
    return counts["1"] / max(sum(counts.values()), 1)


def folds(record: mtl.report.Record) -> str:
    """Return what the spread is over, in words."""
    seeds = len(record.values(next(iter(KNOWN)), LABELS[0]))
    return f"{seeds} {'folds' if record.folds else 'seeds'}"


def finding(record: mtl.report.Record) -> str:
    """Return what one network gains or loses against models of one label, by the mean over labels."""
    found = means_of(record)
    points = points_of(found)
    parts = []
    names = {SINGLE: "14 networks of one label"} | {model: f"14 models of {name}" for model, name in MODELS.items()}
    for other, name in names.items():
        own = [
            f"{words} {' and '.join(f'{points[place]} {known}' for place, known in places.items())}"
            for metric, words in METRICS.items()
            if (places := {(c, other, "all", metric): known for c, known in KNOWN.items()}).keys() <= points.keys()
        ]
        parts += [f"against {name}, {'; '.join(own)}"] if own else []
    return (
        f"What one network for all 14 labels gains (+) or loses (−) in points of the mean over labels: {'. '.join(parts)} "
        f"(over {folds(record)}; p by Holm's correction for {len(found)} tests)."
    )
