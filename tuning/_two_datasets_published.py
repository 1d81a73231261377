"""What the original of study 004 reports: accuracies alone and together, and what they were trained and measured on."""

from __future__ import annotations

from typing import Any

__all__ = ["REPORTS", "published", "published_change"]

#: What the original's README reports, one run each, and the best epoch of the log of that run, by approach and task. Of what is
#: called "best" there, the joint values are those of the last epoch.
REPORTS: dict[tuple[str, str], tuple[float, float]] = {
    ("single-task", "class"): (0.887, 0.8898),
    ("single-task", "garment"): (0.774, 0.7889),
    ("coin", "class"): (0.806, 0.841),
    ("coin", "garment"): (0.803, 0.8055),
}
#: Epochs in the original's logs.
EPOCHS = {("single-task", "class"): 63, ("single-task", "garment"): 102, ("coin", "class"): 86, ("coin", "garment"): 86}
#: Images of the original's data sets.
IMAGES = {
    "class": "50,000 images; 10,000 test images",
    "garment": "FashionRGB: about 5,000 images; about 5,000 test images",
}


def published(run: str) -> tuple[dict[str, Any], ...]:
    """Return what the original's README reports of an approach, and the best epochs of its log."""
    kinds = ("original's README, last epoch" if run == "coin" else 'original\'s README, "best"', "best epoch of its log")
    return tuple(
        {
            "run": run,
            "task": task,
            "metric": "accuracy",
            "value": value,
            "note": f"{kind}; one run, {EPOCHS[run, task]} epochs, {IMAGES[task]}",
        }
        for (reported, task), values in REPORTS.items()
        if reported == run
        for value, kind in zip(values, kinds, strict=True)
    )


def published_change(task: str) -> str:
    """Return what the original reports to have changed."""
    alone, together = REPORTS["single-task", task], REPORTS["coin", task]
    reported, logged = (100 * (one - other) for one, other in zip(together, alone, strict=True))
    name = "CIFAR-10" if task == "class" else "Clothing (other photos than here)"
    return (
        f"{name} {'loses' if reported < 0 else 'gains'} {abs(reported):.1f} points by training on both, by the original's "
        f"README ({abs(logged):.1f} by the best epochs of its logs; one run each; {IMAGES[task]}; "
        f"{EPOCHS['single-task', task]} epochs alone and {EPOCHS['coin', task]} together)."
    )
