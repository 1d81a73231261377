"""CIFAR-10 and photos of clothing, alternated on one network; no image has both labels (study 004).

Each step uses one data set, drawn at random. The original's network, an EfficientNet-B0 in the style of CIFAR networks, is
trained from scratch. The original gave CIFAR-10 half the steps that it had alone, so that sharing and fewer steps were measured
together; a smaller data set gets more steps than alone, here 2.2 times as many. A second schedule gives each task as many steps
as alone. FashionRGB is unavailable: the second data set consists of the five most frequent garments of a CC0 collection, with
2,248 training images. CIFAR-10 is reduced to 10,000 training images and 10 epochs; the published runs used 50,000 and about
5,000 training images for 63 to 102 epochs. Compare differences, therefore, not levels.

    mtl-keras reproduce two_datasets --data-dir DIR --seeds 3

Expected time: 137 minutes on one core of a busy machine. Expected score: test accuracies at the best (last) epoch of .49 (.47)
for objects with random alternation, .57 (.56) with as many steps as alone and .55 (.56) alone; for garments .75 (.76), .72
(.70) and .70 (.71). On cached features of a frozen pretrained trunk with one trained layer that both tasks share (`pip install
"mtl-keras[offline]"`) it takes 6 minutes and reaches .81 to .82 and .85 to .86:

    mtl-keras reproduce two_datasets --data-dir DIR --seeds 5 --set pretrained=true

With domain-specific batch normalization, from scratch:

    mtl-keras reproduce two_datasets --data-dir DIR --seeds 3 --set domain_batch_norm=true

The search varies layers that both tasks share and the learning rate:

    mtl-keras tune two_datasets --data-dir DIR
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import mtl_keras as mtl

from ._seen import SIGNIFICANT, basis, corrected, in_points, measured_on

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

TASKS = mtl.Tasks(mtl.Classification("class", classes=10), mtl.Classification("garment", classes=5))
#: Training images of CIFAR-10 that are used, of 45,000.
CIFAR10_ROWS = 10_000


@dataclass(frozen=True)
class Settings(mtl.search.Settings):
    """Settings with a choice of the trunk and of its batch normalization.

    Args:
        domain_batch_norm: Whether batch normalization keeps separate moving statistics for each data set; not with a frozen
            trunk.
        pretrained: Whether to train one shared layer on cached features of a frozen EfficientNet-Lite0 instead of a network
            from scratch. Nothing is cropped or flipped then, since features are computed once.
    """

    domain_batch_norm: bool = False
    pretrained: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pretrained:
            object.__setattr__(self, "online", ())

    def new_backbone(self) -> mtl.Backbone:
        """Return the trunk: the pretrained one at 96 px, or the original's."""
        if self.pretrained:
            return mtl.Backbone("EfficientNetLite0", image_size=self.image_size or 96)
        return mtl.Backbone("CifarEfficientNetB0")


def few_of_cifar10(tasks: mtl.Tasks, data_dir: str | None, seed: int) -> mtl.data.Data:
    """Return CIFAR-10 with a part of its training images and all of its test images."""
    whole = mtl.data.load("cifar10", tasks, data_dir=data_dir, seed=seed)
    return replace(whole.subset(CIFAR10_ROWS, seed=seed), test=whole.test)


def plan(context: mtl.search.Context, shared: mtl.Head | None = None, learning_rate: float = 1e-3) -> mtl.Plan:
    """Return the original's network and training; on a frozen trunk one layer is trained."""
    settings = context.settings
    if shared is None:
        shared = mtl.Head(dense=(512,), dropout=0.2) if settings.pretrained else mtl.Head()
    recipe = mtl.Recipe(
        context.tasks,
        settings.new_backbone(),
        context.image_shape,
        shared,
        freeze=settings.pretrained,
        # Each data set has one task.
        batch_norm_groups=tuple((name,) for name in context.tasks) if settings.domain_batch_norm else (),
    )
    phase = mtl.Phase(
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        optimizer={"class_name": "Adam", "config": {"learning_rate": learning_rate}},
        patience=settings.patience,
    )
    return mtl.Plan(recipe, (phase,))


def space(hp: HyperParameters, context: mtl.search.Context) -> mtl.Plan:
    """Search depth, width and dropout of the layers that both tasks share, and the learning rate."""
    shared = mtl.search.dense_stack(hp, "shared", depth=(1, 2), width=(256, 512, 1024), dropout=(0.0, 0.2, 0.5))
    return plan(context, shared, hp.Float("learning_rate", 3e-4, 3e-3, sampling="log", default=1e-3))


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
    rows = []
    for (reported, task), values in REPORTS.items():
        kinds = ("README, last epoch" if run == "coin" else 'README, "best"', "best epoch of the log")
        for value, kind in zip(values, kinds, strict=True):
            if reported == run:
                note = f"{kind}; one run, {EPOCHS[run, task]} epochs, {IMAGES[task]}"
                rows.append({"run": run, "task": task, "metric": "accuracy", "value": value, "note": note})
    return tuple(rows)


CONFIGURATIONS = {
    "coin": mtl.search.Configuration(
        "In each iteration of an epoch of CIFAR-10 alone, each data set has a step with probability 1/2: about half as many "
        "steps of CIFAR-10 as alone, but about 2.2 times as many of the smaller clothing set (39 against 18 an epoch).",
        plan,
        {"sampling": "coin", "steps": None},
        baselines=True,
        published=(*published("coin"), *published("single-task")),
    ),
    "equal_steps": mtl.search.Configuration(
        "As many steps of each data set in an epoch as it has alone, in random order.",
        plan,
        {"sampling": "coin", "steps": "single-task"},
        baselines=True,
    ),
}


#: What is compared: an approach, another one, and the question that their difference answers.
PAIRS = (
    ("coin", "single-task", "random alternation against alone"),
    ("equal_steps", "single-task", "sharing with as many steps as alone"),
    ("coin", "equal_steps", "fewer or more steps, both shared"),
)
KINDS = ("best", "last")
#: The name of each task's data set in the history.
DATASETS = {"class": "cifar10", "garment": "clothing"}
#: Task, approach, other approach, kind of epoch.
Place = tuple[str, str, str, str]


def differences(record: mtl.report.Record) -> dict[Place, mtl.report.Difference]:
    """Return all differences that the claims are about, at the best and at the last epoch; they are one family of tests."""
    found = {}
    for task in TASKS:
        for one, other, _ in PAIRS:
            for kind in KINDS:
                mine, theirs = (record.values(run, task, epoch_kind=kind) for run in (one, other))
                if values := {seed: value - theirs[seed] for seed, value in mine.items() if seed in theirs}:
                    subject = f"{task} accuracy, {kind} epoch"
                    found[task, one, other, kind] = mtl.report.Difference(one, other, subject, "max", values, record.resplit)
    return found


def steps_of(record: mtl.report.Record, run: str, task: str) -> float | None:
    """Return how many steps of a task's data set an epoch of a run has, the mean over epochs and seeds; None without a log."""
    name = f"steps_{DATASETS[task]}"
    steps = [row["value"] for row in record.history if (row["run"], row["metric"]) == (run, name)]
    return mtl.report.statistics.mean(steps) if steps else None


def steps_against_alone(record: mtl.report.Record, task: str) -> str:
    """Return the steps of random alternation beside those of a training alone, which `equal_steps` has by definition."""
    random, alone = (steps_of(record, run, task) for run in ("coin", "equal_steps"))
    if random is None or alone is None:
        return ""
    name = "CIFAR-10" if task == "class" else "clothing"
    return (
        f" An epoch of coin has {random:.1f} steps of {name}, {random / alone:.2f} times the {alone:.0f} that it has alone and "
        "by equal_steps."
    )


def claims(record: mtl.report.Record) -> list[dict[str, str]]:
    """Compare the original's findings with these results, at the best and at the last epoch."""
    found = differences(record)
    points = dict(zip(found, in_points(found.values()), strict=True))

    def verdict(task: str) -> str:
        parts = []
        for one, other, question in PAIRS:
            own = [
                f"{points[task, one, other, kind]} at the {kind} epoch" for kind in KINDS if (task, one, other, kind) in points
            ]
            parts += [f"{question} ({one} − {other}): {', '.join(own)}"] if own else []
        on = measured_on(record, task)
        of = {place: each for place, each in found.items() if place[0] == task}
        return (
            f"Here, in points: {'; '.join(parts)} ({basis(list(found.values()))}{f'; {on}' if on else ''})."
            f"{steps_against_alone(record, task)} {judged(of, found)}"
        )

    return [
        {"claim": published_change(task), "verdict": verdict(task)} for task in TASKS if any(task == key[0] for key in found)
    ]


def published_change(task: str) -> str:
    """Return what the original reports to have changed."""
    alone, together = REPORTS["single-task", task], REPORTS["coin", task]
    reported, logged = (100 * (one - other) for one, other in zip(together, alone, strict=True))
    name = "CIFAR-10" if task == "class" else "Clothing (other photos than here)"
    return (
        f"{name} {'loses' if reported < 0 else 'gains'} {abs(reported):.1f} points by training on both, by the README "
        f"({abs(logged):.1f} by the best epochs of the logs; one run each; {IMAGES[task]}; {EPOCHS['single-task', task]} "
        f"epochs alone and {EPOCHS['coin', task]} together)."
    )


def judged(of: Mapping[Place, mtl.report.Difference], family: Mapping[Place, mtl.report.Difference]) -> str:
    """Return which differences of a task are shown, corrected for all of the family, and which their intervals alone would."""
    p = dict(zip(family, corrected(family.values()), strict=True))
    if all(p[place] is None for place in of):
        return "So few seeds decide none of it."
    shown: list[str] = []
    alone: list[str] = []
    for place, each in of.items():
        own, name = p[place], f"{place[1]} is {each.judgment} than {place[2]} at the {place[3]} epoch"
        if own is not None and each.judgment:
            (shown if own < SIGNIFICANT else alone).append(name)
    text = f"Shown after the correction: {', '.join(shown) or 'none'}."
    return text + (f" By the interval alone, not after the correction: {', '.join(alone)}." if alone else "")


def change_table(record: mtl.report.Record) -> mtl.report.Table:
    """Return what each task reaches alone and together, and by how many points it goes up or down, published and here."""
    import pandas as pd

    found = differences(record)
    points = dict(zip(found, in_points(found.values()), strict=True))
    lines: list[tuple[str, ...]] = []
    for task in TASKS:
        kinds = ("published, README", "published, best epochs of the logs")
        for alone, together, kind in zip(REPORTS["single-task", task], REPORTS["coin", task], kinds, strict=True):
            change = f"{arrow(together - alone)} {100 * (together - alone):+.1f}"
            lines.append((task, kind, "coin", f"{alone:g}", f"{together:g}", change, "–"))
        for place, each in found.items():
            if place[0] == task and place[2] == "single-task":
                one, kind = place[1], place[3]
                reached = [f"{record.mean(run, task, epoch_kind=kind):.3f}" for run in ("single-task", one)]
                change, steps = f"{arrow(each.mean)} {points[place]}", steps_of(record, one, task)
                lines.append((task, f"here, {kind} epoch", one, *reached, change, "–" if steps is None else f"{steps:.1f}"))
    columns = ["task", "measured", "together by", "alone", "together", "up or down, points", "steps an epoch"]
    on = f" ({basis(list(found.values()))})" if found else ""
    caption = (
        "Accuracy alone and together; arrows show the sign of the change. Published: one run each; the README's joint values "
        f"are those of the last epoch, and its garments those of FashionRGB. Here: means over seeds{on}. The single-task "
        "networks have the hyperparameters of the joint one. Steps are those of the task's data set, as in the joint training; "
        "equal_steps has as many as a training alone."
    )
    return mtl.report.Table(mtl.report.to_markdown(pd.DataFrame(lines, columns=columns)), caption)


def arrow(change: float) -> str:
    """Return the direction of a change."""
    return "⬆" if change > 0 else "⬇" if change < 0 else "="


def finding(record: mtl.report.Record) -> str:
    """Return what each task gains or loses by training on both, at the best and at the last epoch."""
    found = differences(record)
    points = dict(zip(found, in_points(found.values()), strict=True))
    parts = []
    for run, name in (("coin", "random alternation"), ("equal_steps", "as many steps as alone")):
        own = [
            f"{task} {points[task, run, 'single-task', kind]} at the {kind} epoch"
            for task in TASKS
            for kind in KINDS
            if (task, run, "single-task", kind) in points
        ]
        parts += [f"with {name} {', '.join(own)}"] if own else []
    steps = "".join(steps_against_alone(record, task) for task in TASKS)
    return (
        f"Change of the test accuracy by training on both data sets instead of alone, in points: {'; '.join(parts)} "
        f"({basis(list(found.values()))}).{steps}"
    )


STUDY = mtl.Study(
    name="two_datasets",
    summary="Objects and garments from two alternated data sets: what is lost by sharing, and what by fewer steps?",
    tasks=TASKS,
    data={few_of_cifar10: ("class",), "clothing": ("garment",)},
    image_shape=(32, 32, 3),
    space=space,
    settings=Settings(
        sampling="coin",
        online=("flip_lr", "crop"),
        epochs=10,
        batch_size=128,
        trials=6,
        n_final_seeds=3,
    ),
    quick={"trials": 2, "epochs": 1, "n_final_seeds": 2, "train_rows": 300},
    configurations=CONFIGURATIONS,
    claims=claims,
    finding=finding,
    tables=lambda record: [change_table(record)],
)
