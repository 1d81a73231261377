"""The tables and pictures of a record of study 002: totals, loss weights and single-task networks, there and here."""

from __future__ import annotations

import mtl_keras as mtl

from ._cifar10_reconstruction_published import LISTED, METRICS, ORIGINALS, PARAMETERS, SHORT, SINGLE_TASK, THREE
from ._seen import MISSING, as_table, quote, quote_end

__all__ = ["plots", "tables", "totals_table"]


def tables(record: mtl.report.Record) -> list[mtl.report.Table]:
    """Return published and own totals, loss weights and single-task networks."""
    return [table(record) for table in (totals_table, weights_table, single_task_table)]


def totals_table(record: mtl.report.Record) -> mtl.report.Table:
    """Return the weighted totals of each experiment."""
    lines = []
    for run in record.approaches:
        original = ORIGINALS[run]
        epochs = {(row["phase"], row["epoch"]) for row in record.history if row["run"] == run}
        lines.append(
            {
                "experiment": run,
                "parameters": f"{PARAMETERS[run]:,}",
                "published epochs": f"about {original.epochs}",
                "published train": number(original.train),
                "published test": number(original.test),
                "epochs here": str(len(epochs)) if epochs else MISSING,
                "train here": quote_end(record, run),
                "validation here": quote_end(record, run, split="validation"),
            }
        )
    caption = (
        "Weighted totals of the losses at the last epoch, each under the weights of its own experiment, so that rows cannot be "
        'compared with each other. Published: one run each on 50,000 images, stopped by hand; its "validation" are the 10,000 '
        "test images. Here: means over seeds. Training losses are means over the batches of the epoch, with dropout. The "
        "original's geometric mean has another, unpublished formula; for uncertainty, whose total can be negative, and DWA no "
        "totals are stated."
    )
    return as_table(lines, caption)


def weights_table(record: mtl.report.Record) -> mtl.report.Table:
    """Return the loss weights at the end of training."""
    lines = []
    for run in (run for run in LISTED if run in record.approaches):
        listed = dict(zip(THREE, LISTED[run], strict=True))
        lines.append(
            {"weighting": run, "epochs": f"about {ORIGINALS[run].epochs}, published"} | {t: f"{listed[t]:.3f}" for t in THREE}
        )
        own = {task: quote_end(record, run, task, "loss_weight", form=".3f") for task in THREE}
        lines.append({"weighting": run, "epochs": f"{SHORT['epochs']}, here"} | own)
    caption = (
        "Loss weights at the end of training. Which quantity the original lists for uncertainty is not known (sigma, its "
        "square, or the weight); here it is the factor of the loss, exp(-s) / 2."
    )
    return as_table(lines, caption)


def single_task_table(record: mtl.report.Record) -> mtl.report.Table:
    """Return the published single-task networks, and ours where the network is the same."""
    run = next((run for run in ("exp3 single-task", "single-task") if run in {row["run"] for row in record.metrics}), "")
    lines = []
    for task, network, epochs, train, test, best in SINGLE_TASK:
        same = task != "image" or network.startswith("VI:")
        lines.append(
            {
                "task": f"{task} {METRICS[task]}",
                "published network": network,
                "epochs": str(epochs),
                "train, last": number(train),
                "test, last": number(test),
                "test, best": number(best),
                "here": quote(record, run, task, form=".4f") if same else MISSING,
            }
        )
    caption = (
        "Published single-task networks: one run each on 50,000 images, dropout .2, the best epoch chosen on the 10,000 test "
        f"images; those without a best value are read off plots or state none. Here: test, best epoch on validation, after "
        f"{SHORT['epochs']} epochs on {SHORT['train_rows']:,} images."
    )
    return as_table(lines, caption)


def number(value: float | None) -> str:
    """Return a published value as it was published."""
    return MISSING if value is None else f"{value:g}"


def plots(record: mtl.report.Record) -> list[mtl.report.Picture]:
    """Return the curves of each experiment: total, losses and metrics of all tasks, training and validation."""
    units = {row["metric"]: row["unit"] for row in record.metrics}
    if not record.history or len(record.approaches) < 2:
        return []

    def curves(run: str) -> mtl.report.Picture:
        rows = [row for row in record.history if row["run"] == run]
        return mtl.report.Picture(f"curves_{run}.png", f"curves of {run}", lambda: mtl.report.plot_history(rows, units=units))

    # Named first, it stays the picture that the page shows.
    return [mtl.report.Picture("approaches.png", "approaches"), *map(curves, record.approaches)]
