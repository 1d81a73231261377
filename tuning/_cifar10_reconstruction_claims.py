"""What a record of study 002 says: claims and finding."""

from __future__ import annotations

import math
from collections.abc import Mapping

import mtl_keras as mtl

from ._cifar10_reconstruction_published import ORIGINALS, PARAMETERS, SHORT, THREE
from ._seen import MISSING, format_values, indicative, quote, quote_end

__all__ = ["claims", "finding"]

#: The differences that claims are about, in the order of their tests: an experiment, another one, and the task.
PAIRS = (
    ("uncertainty", "exp3", "class"),
    ("dwa", "exp3", "class"),
    ("uncertainty", "exp3", "image"),
    ("dwa", "exp3", "image"),
    ("exp4", "exp3", "image"),
    ("exp4", "exp3", "class"),
    ("exp2", "exp1", "class"),
)
#: The sentence on each of them.
Verdicts = Mapping[tuple[str, str, str], str]


def claims(record: mtl.report.Record) -> list[dict[str, str]]:
    """Compare the original's findings with these results; all tests are corrected together."""
    verdicts = mtl.report.verdicts([record.difference(*pair) for pair in PAIRS])
    said = dict(zip(PAIRS, verdicts, strict=True))
    return [
        claim_of_weightings(record, said),
        claim_of_reconstruction(record, said),
        claim_of_geometric_mean(record),
        claim_of_depth(said),
        claim_of_dropout(record, said),
        claim_of_random_labels(record),
        {
            "claim": "Experiments are described by their total loss.",
            "verdict": "Totals under different weights or of different tasks cannot be compared. Those in the tables stand "
            "next to the published ones of the same weights; the first table has each task's own metric.",
        },
    ]


def claim_of_weightings(record: mtl.report.Record, said: Verdicts) -> dict[str, str]:
    """Return what the methods of weighting do to the class."""
    return {
        "claim": "Neither uncertainty (.73) nor DWA (.735) beats the fixed weights .5, .1, 1 (.745) on the class.",
        "verdict": f"At the best epoch: {said['uncertainty', 'exp3', 'class']} {said['dwa', 'exp3', 'class']} By seed: "
        f"{quote(record, 'uncertainty', 'class')} and {quote(record, 'dwa', 'class')} against "
        f"{quote(record, 'exp3', 'class')}. At the last epoch the differences are {at_last(record, 'uncertainty')} and "
        f"{at_last(record, 'dwa')}. On animal, at the best epoch, uncertainty is higher "
        f"{higher(record, 'uncertainty')} and DWA {higher(record, 'dwa')}. The lowest class accuracy of all "
        f"{len(record.approaches)} configurations is that of {lowest(record)}.",
    }


def claim_of_reconstruction(record: mtl.report.Record, said: Verdicts) -> dict[str, str]:
    """Return what the methods of weighting do to the reconstruction."""
    error = {run: record.mean(run, "image") for run in ("exp3", "uncertainty", "dwa")}
    return {
        "claim": "Both roughly halve the reconstruction error of experiment 3 (.023 and .020 against .048).",
        "verdict": f"Here the error of uncertainty is {error['uncertainty'] / error['exp3']:.2f} times and that of DWA "
        f"{error['dwa'] / error['exp3']:.2f} times that of experiment 3. {said['uncertainty', 'exp3', 'image']} "
        f"{said['dwa', 'exp3', 'image']}",
    }


def claim_of_geometric_mean(record: mtl.report.Record) -> dict[str, str]:
    """Return the reconstruction error with the geometric mean of the losses, beside that of the mean image."""
    trivial = record.mean("trivial", "image")
    return {
        "claim": "With the geometric mean, the reconstruction error on the TRAINING images ends at .063, about that of the "
        "mean image; no test value is published.",
        "verdict": f"Here its training error at the last epoch, with dropout, is "
        f"{quote_end(record, 'geometric_mean', 'image')}, and its test error at the best epoch "
        f"{quote(record, 'geometric_mean', 'image', form='.4f')}; the test error of the mean image is "
        f"{MISSING if math.isnan(trivial) else f'{trivial:.4f}'} ({indicative(record, 'geometric_mean')}). This is with "
        "exp(mean log loss); the original's formula is not known.",
    }


def claim_of_depth(said: Verdicts) -> dict[str, str]:
    """Return what the encoder of two convolutions does, and what else it differs in."""
    numbers = {run: f"{PARAMETERS[run]:,} parameters" for run in ("exp3", "exp4")}
    return {
        "claim": "Two convolutions reconstruct better and classify worse than three.",
        "verdict": f"{said['exp4', 'exp3', 'image']} {said['exp4', 'exp3', 'class']} Depth is not the only difference: "
        f"experiment 4 has {numbers['exp4']}, most of them in the dense layers around the bottleneck, no batch "
        f"normalization and one dropout layer; experiment 3 has {numbers['exp3']}, batch normalization, and dropout after "
        "each layer, also of the decoder. This comparison cannot tell which of these matters.",
    }


def claim_of_dropout(record: mtl.report.Record, said: Verdicts) -> dict[str, str]:
    """Return the totals with and without dropout."""
    one, none = ORIGINALS["exp2"], ORIGINALS["exp1"]
    total = {(run, split): quote_end(record, run, split=split) for run in ("exp1", "exp2") for split in ("train", "validation")}
    return {
        "claim": f"With one dropout layer (experiment 2) the validation total is {one.test}, without (experiment 1) "
        f"{none.test}.",
        "verdict": f"After {SHORT['epochs']} epochs it is {total['exp2', 'validation']} against {total['exp1', 'validation']}, "
        f"with training totals of {total['exp2', 'train']} and {total['exp1', 'train']} ({indicative(record, 'exp2')}); the "
        f"published training totals, after about {one.epochs} and {none.epochs} epochs, are {one.train} and {none.train}, far "
        f"below the validation ones. {said['exp2', 'exp1', 'class']}",
    }


def claim_of_random_labels(record: mtl.report.Record) -> dict[str, str]:
    """Return what the head with random labels reaches."""
    return {
        "claim": "Random labels cannot be learned (validation accuracy .50, while the training accuracy rises to .63).",
        "verdict": f"Test accuracy {quote(record, 'exp5', 'coin')}, training accuracy at the last epoch "
        f"{quote_end(record, 'exp5', 'coin', 'accuracy')}: {SHORT['epochs']} epochs are too few to learn them by heart "
        f"({indicative(record, 'exp5')}).",
    }


def at_last(record: mtl.report.Record, run: str) -> str:
    """Return what a run changes in the class accuracy of experiment 3 at the last epoch: mean and each seed."""
    own, fixed = (record.values(each, "class", epoch_kind="last") for each in (run, "exp3"))
    return format_values([own[seed] - fixed[seed] for seed in own if seed in fixed], "+.4f")


def higher(record: mtl.report.Record, run: str) -> str:
    """Return in how many seeds the animal accuracy of a run is above that of experiment 3."""
    gains = [*record.difference(run, "exp3", "animal").values.values()]
    return f"in {sum(gain > 0 for gain in gains)} of {len(gains)} seeds ({', '.join(f'{gain:+.4f}' for gain in gains)})"


def lowest(record: mtl.report.Record) -> str:
    """Return which approach has the lowest class accuracy at the best epoch, and its values."""
    run = min(record.approaches, key=lambda run: record.mean(run, "class"))
    return f"{run}: {quote(record, run, 'class')}"


def finding(record: mtl.report.Record) -> str:
    """Compare weighting methods, encoders, and one network with three."""
    fixed, uncertainty, dwa, two = (record.mean(run, "class") for run in ("exp3", "uncertainty", "dwa", "exp4"))
    return (
        f"After {SHORT['epochs']} epochs on {SHORT['train_rows']:,} images, class accuracy is {fixed:.3f} with fixed weights, "
        f"{uncertainty:.3f} with uncertainty weighting and {dwa:.3f} with DWA; an encoder of two convolutions "
        f"({PARAMETERS['exp4']:,} parameters) instead of three ({PARAMETERS['exp3']:,}) reaches {two:.3f} and changes the "
        f"reconstruction error from {record.mean('exp3', 'image'):.4f} to {record.mean('exp4', 'image'):.4f}"
        f"{against_single(record)} ({indicative(record, 'exp3')})."
    )


def against_single(record: mtl.report.Record) -> str:
    """Return what sharing changes in experiment 3, if the record has its baselines."""
    run = next((run for run in ("exp3 single-task", "single-task") if record.values(run, "class")), None)
    if run is None:
        return ""
    by_task = {task: record.difference("exp3", run, task).mean for task in THREE}
    return (
        f"; against single-task networks with the same hyperparameters, experiment 3 changes class accuracy by "
        f"{by_task['class']:+.3f}, animal accuracy by {by_task['animal']:+.3f} and reconstruction error by "
        f"{by_task['image']:+.4f}"
    )
