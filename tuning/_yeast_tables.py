"""What a record of the study `yeast` says: one network for all labels against one model for each, by mean AUC and macro F1."""

from __future__ import annotations

import mtl_keras as mtl

from ._differences import KINDS, SIGNIFICANT, corrected_of, difference_at, points_of
from ._seen import MISSING, as_table, format_values

__all__ = ["LABELS", "compared_tables", "finding"]

LABELS = tuple(f"Class{i}" for i in range(1, 15))
METRICS = {"auc": "AUC", "macro_f1": "macro F1"}
#: Which labels of the training rows are known, by configuration.
KNOWN = {"full": "with all labels", "half": "with half of them removed"}
SINGLE = "single-task"
#: Models of scikit-learn for one label each, by the end of their runs' labels.
MODELS = {"gradient boosting": "scikit-learn's gradient boosting", "scikit-learn MLP": "scikit-learn's MLP"}
#: Configuration, the other model, metric, kind of epoch.
Place = tuple[str, str, str, str]


def run_of(configuration: str, other: str) -> str:
    """Return the label of a run of models of one label each, trained on the labels of a configuration."""
    return f"{configuration} {SINGLE}" if other == SINGLE else f"{configuration} {SINGLE} {other}"


def means_of(record: mtl.report.Record) -> dict[Place, mtl.report.Difference]:
    """Return one network minus models of one label each, by the mean over labels; they are one family of tests.

    Networks are compared at the best and at the last epoch, and the models of scikit-learn with the network's best one.
    """
    found = {
        (configuration, other, metric, kind): difference_at(
            record, configuration, run_of(configuration, other), LABELS, kind, metric
        )
        for configuration in KNOWN
        for other, kinds in {SINGLE: KINDS, **dict.fromkeys(MODELS, KINDS[:1])}.items()
        for metric in METRICS
        for kind in kinds
    }
    return {place: each for place, each in found.items() if each is not None}


def over_labels(record: mtl.report.Record, run: str, metric: str, kind: str) -> list[float]:
    """Return the mean over labels for each seed."""
    values = [record.values(run, label, metric, epoch_kind=kind) for label in LABELS]
    return [mtl.report.statistics.mean([each[seed] for each in values]) for seed in values[0]]


def compared_tables(record: mtl.report.Record) -> list[mtl.report.Table]:
    """Return the means over labels, and for each label the difference of the network from the other models."""
    return [means_table(record), labels_table(record)] if means_of(record) else []


def means_table(record: mtl.report.Record) -> mtl.report.Table:
    """Return the mean over labels of each model, and its difference from one network for all."""
    found = means_of(record)
    points = points_of(found)
    names = {"": "one network", SINGLE: "14 networks"} | {other: f"14 models of {name}" for other, name in MODELS.items()}
    lines = []
    for configuration, known in KNOWN.items():
        for other, kind in [
            ("", "best"),
            (SINGLE, "best"),
            ("", "last"),
            (SINGLE, "last"),
            *((each, "best") for each in MODELS),
        ]:
            run = run_of(configuration, other) if other else configuration
            if not record.values(run, LABELS[0], epoch_kind=kind):
                continue
            epoch = MISSING if other in MODELS else kind
            line = {"training labels": known.removeprefix("with "), "model": names[other], "epoch": epoch}
            for metric, words in METRICS.items():
                line[words] = format_values(over_labels(record, run, metric, kind))
                line[f"one network − these, {words}"] = points.get((configuration, other, metric, kind), MISSING)
            lines.append(line)
    caption = (
        f"Means over the 14 labels on the test rows, ± sample SD over {folds(record)}; differences in points with 95 % "
        f"intervals and p by Holm's correction for the {len(found)} tests of this table. A label is predicted where its "
        "probability is above 0.5. The best epoch is that of the highest AUC on validation, of one network the mean over "
        "labels. Models of scikit-learn are compared with the best epoch of the network. They are trained on the same training "
        "rows and labels, use no validation rows, and have their defaults, but for standardized inputs, a layer of 256 and "
        "early stopping on a tenth of the training rows (MLP)."
    )
    return as_table(lines, caption)


def labels_table(record: mtl.report.Record) -> mtl.report.Table:
    """Return the difference in AUC of one network from the other models in each label."""
    differences = {
        (configuration, other, label): difference_at(
            record, configuration, run_of(configuration, other), [label], "best", "auc"
        )
        for label in LABELS
        for configuration in KNOWN
        for other in (SINGLE, *MODELS)
    }
    found = {place: each for place, each in differences.items() if each is not None}
    points, compared = points_of(found), dict.fromkeys(place[:2] for place in found)
    lines = [
        {"label": label, "share of 1": f"{share(record, label):.3f}"}
        | {
            f"{configuration}: − {'networks' if other == SINGLE else other}": points[configuration, other, label]
            for configuration, other in compared
        }
        for label in LABELS
    ]
    caption = (
        "AUC of one network minus that of models of one label each (single-task networks, and models of scikit-learn), in "
        f"points at the best epoch, over {folds(record)}; 95 % intervals, p by Holm's correction for the {len(found)} tests of "
        "this table. Share of 1: of the test rows."
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
    points, p = points_of(found), corrected_of(found)

    def changes(other: str, metric: str) -> str:
        parts = []
        for configuration, known in KNOWN.items():
            best, last = (points.get((configuration, other, metric, kind)) for kind in KINDS)
            parts.append(f"{best}{'' if last is None else f' (last epoch {last})'} {known}")
        return " and ".join(parts)

    parts = [f"the mean {words} by {changes(SINGLE, metric)}" for metric, words in METRICS.items()]
    text = f"In points against 14 networks of one label each, one network for all of them changes {', and '.join(parts)}"
    boosting = next(iter(MODELS))
    if any(place[1] == boosting for place in found):
        text += f"; against {MODELS[boosting]} it changes the mean AUC by {changes(boosting, 'auc')}"
    shown = [
        f"{each.judgment} than {'networks of one label' if place[1] == SINGLE else MODELS[place[1]]} by {METRICS[place[2]]} "
        f"{KNOWN[place[0]]} at the {place[3]} epoch"
        for place, each in found.items()
        if (own := p[place]) is not None and own < SIGNIFICANT
    ]
    tested = sum(each is not None for each in p.values())
    basis = f"over {folds(record)}" + (f"; p by Holm's correction for {tested} tests" if tested else ", indicative")
    return f"{text} ({basis}): {', '.join(shown) or 'no difference is shown'}."
