"""What a record of study 000 says: claims, finding, and a table of accuracies next to their budgets."""

from __future__ import annotations

import math
from collections.abc import Sequence

import mtl_keras as mtl

from ._cifar100_published import ORIGINALS
from ._seen import MISSING, as_table, at_end, epochs_of, indicative, quote, quote_end, training_rows

__all__ = ["claims", "finding", "tables"]

TASKS = ("fine", "coarse")
#: Enhanced and bare heads on the frozen trunk, at the rate at which the original ran and at those of its code.
RUN = ("lite0_enhanced_as_run", "lite0_before_as_run")
WRITTEN = ("lite0_enhanced_as_written", "lite0_before_as_written")


def claims(record: mtl.report.Record) -> list[dict[str, str]]:
    """Compare the original's findings with these results."""
    differences = [record.difference(*RUN, task) for task in TASKS]
    verdicts = mtl.report.verdicts(differences)
    before, enhanced = ORIGINALS["resnet50_before"], ORIGINALS["resnet50_enhanced"]
    assert before.best
    assert enhanced.best
    return [
        {
            "claim": f"The enhanced heads are better than the bare ones (fine {enhanced.last[0]} against {before.last[0]}, "
            f"coarse {enhanced.last[1]} against {before.last[1]}; one run each, last epoch, learning rate 1e-3).",
            "verdict": f"On the frozen backbone at the same rate: {' '.join(verdicts)} By seed, fine "
            f"{quote(record, RUN[0], 'fine')} against {quote(record, RUN[1], 'fine')}, coarse "
            f"{quote(record, RUN[0], 'coarse')} against {quote(record, RUN[1], 'coarse')}. In the original too, the order for "
            f"fine depends on the epoch: at their best ones on the test images it has {enhanced.best[0]} against "
            f"{before.best[0]} for fine, {enhanced.best[1]} against {before.best[1]} for coarse.",
        },
        {
            "claim": "The learning rate was tuned to 1e-4 for the bare heads and 1e-5 for the enhanced ones.",
            "verdict": "Both ran at 1e-3, because Keras ignored the argument `lr`. At 1e-4 the bare heads reach fine "
            f"{quote(record, WRITTEN[1], 'fine')}, coarse {quote(record, WRITTEN[1], 'coarse')}; at 1e-5 the enhanced heads "
            f"reach fine {quote(record, WRITTEN[0], 'fine')}, coarse {quote(record, WRITTEN[0], 'coarse')}"
            f"{unfinished(record, WRITTEN[0])} ({indicative(record, WRITTEN[0])}). Heads and rate differ at once here, so this "
            "pair does not compare the heads.",
        },
        {
            "claim": f"ResNet50 reaches {before.last[0]} (B) and {enhanced.last[0]} (C) for fine.",
            "verdict": "Not repeated, because its ImageNet weights are not available. The rows of B and C are of trainings "
            "from scratch on 2,000 images and only show that both train: the training loss changes "
            f"{change_of_loss(record, 'resnet50_before')} and {change_of_loss(record, 'resnet50_enhanced')}.",
        },
    ]


def change_of_loss(record: mtl.report.Record, run: str) -> str:
    """Return the mean weighted training loss of the first and of the last epoch."""
    return f"from {quote_end(record, run, form='.2f', first=True)} to {quote_end(record, run, form='.2f')}"


def unfinished(record: mtl.report.Record, run: str) -> str:
    """Return a remark if the best epoch of a run is its last one, so that more epochs might help."""
    same = all(record.values(run, task) == record.values(run, task, epoch_kind="last") for task in TASKS)
    return " at the last epoch, so that more epochs might help" if same else ""


def finding(record: mtl.report.Record) -> str:
    """Compare the original's heads with each other, rate by rate, and with the searched model."""
    enhanced, bare, slow, slower, tuned = (record.mean(run, "fine") for run in (*RUN, *reversed(WRITTEN), "tuned"))
    return (
        f"On a frozen pretrained backbone, at the learning rate 1e-3 at which the original ran, its enhanced heads reach a "
        f"fine accuracy of {enhanced:.3f} and its bare heads {bare:.3f}; at the rates that its code asks for, the bare heads "
        f"reach {slow:.3f} (1e-4) and the enhanced ones {slower:.3f} (1e-5); the searched model reaches {tuned:.3f} "
        f"({indicative(record, 'tuned')})."
    )


def tables(record: mtl.report.Record) -> list[mtl.report.Table]:
    """Return published and own accuracies with their budgets."""
    lines = []
    for run in record.approaches:
        if original := ORIGINALS.get(run):
            about = {"": "published", "training images": "50,000", "epochs": str(original.epochs), "runs": "1"}
            lines.append({"configuration": run, **about, **cells(original.train, original.last, original.best or ())})
        about = {"": "here", "training images": training_rows(record, run), "epochs": epochs_of(record, run)}
        about["runs"] = str(len(record.values(run, "fine")))
        train = [mtl.report.statistics.mean([*at_end(record, run, task, "accuracy").values()]) for task in TASKS]
        last = [record.mean(run, task, epoch_kind="last") for task in TASKS]
        lines.append({"configuration": run, **about, **cells(train, last, [record.mean(run, task) for task in TASKS])})
    caption = (
        "Accuracies of fine / coarse next to their budgets, means over runs. Train: mean over the batches of the last epoch. "
        "Test, best epoch: published is the one that is best on the test images themselves, ours the one that is best on the "
        "validation images."
    )
    return [as_table(lines, caption)]


def cells(*pairs: Sequence[float]) -> dict[str, str]:
    """Return the accuracies of a line of the table, fine / coarse."""
    names = ("train, last epoch", "test, last epoch", "test, best epoch")
    return {
        name: " / ".join(MISSING if math.isnan(value) else f"{value:.4f}" for value in pair) or MISSING
        for name, pair in zip(names, pairs, strict=True)
    }
