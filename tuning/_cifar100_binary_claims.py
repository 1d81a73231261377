"""What a record of study 001 says: claims and finding, each difference at the best and at the last epoch."""

from __future__ import annotations

from collections.abc import Mapping

import mtl_keras as mtl

from ._cifar100_binary_published import NOTES, REPORTS, published_gains
from ._differences import KINDS, SIGNIFICANT, basis_at_each, corrected_of, difference_at, points_of
from ._seen import indicative, measured_on
from ._task_sweep import gains_of, is_random, mean_gains_of, tasks_of

__all__ = ["claims", "finding"]

#: The tasks that have single-task baselines.
FIRST_FIVE = tuple(REPORTS["tasks_5"])
#: Differences from the single-task baselines by approach and task.
Gains = Mapping[tuple[str, str], mtl.report.Difference]


def claims(record: mtl.report.Record) -> list[dict[str, str]]:
    """Compare the original's findings with these results, at the best and at the last epoch."""
    by_kind = {kind: gains_of(record, kind) for kind in KINDS}
    random = {run: [task for task in tasks if is_random(task)] for run, tasks in tasks_of(record).items()}
    return [
        *claims_of_approaches(record, by_kind),
        *claim_of_gains(by_kind),
        *claim_of_random_labels(record, random),
        *claim_of_average_loss(record, random),
    ]


def claims_of_approaches(record: mtl.report.Record, by_kind: Mapping[str, Gains]) -> list[dict[str, str]]:
    """Return for each reported approach its gains there and here."""
    if not by_kind["best"]:
        return []
    points = {kind: points_of(gains) for kind, gains in by_kind.items()}
    sweep = tasks_of(record)
    on = f"{basis_at_each(by_kind['best'].values())}; {measured_on(record, FIRST_FIVE[0])}"

    def seen(run: str) -> str:
        own = {
            kind: ", ".join(f"{task} {each[run, task]}" for task in sweep[run] if (run, task) in each)
            for kind, each in points.items()
        }
        return "; ".join(f"at the {kind} epoch {text}" for kind, text in own.items() if text)

    return [
        {
            "claim": f"{count_of(run)} trained together against each alone: {published_gains(run)} points, in the order of the "
            f"tasks, by the runs ({NOTES[run]}; alone: {NOTES['single-task']}).{unpaired(run)}",
            "verdict": f"Here, in points, {seen(run)} ({on}).",
        }
        for run in ("tasks_3", "tasks_5", "tasks_10")
        if run in sweep and seen(run)
    ]


def claim_of_gains(by_kind: Mapping[str, Gains]) -> list[dict[str, str]]:
    """Return how many tasks gain, if there are baselines."""
    if not by_kind["best"]:
        return []
    return [
        {
            "claim": "By the published values most tasks gain from being trained together, the hardest most; the first one "
            "loses among five and ten.",
            "verdict": f"{tally(by_kind)} The single-task networks have the hyperparameters of the joint ones, so that a "
            "gain may also be one of hyperparameters that suit them less.",
        }
    ]


def claim_of_random_labels(record: mtl.report.Record, random: Mapping[str, list[str]]) -> list[dict[str, str]]:
    """Return what the heads with random labels reach, if there are any."""
    values = [record.mean(run, task) for run, tasks in random.items() for task in tasks]
    if not values:
        return []
    return [
        {
            "claim": "Random labels cannot be learned.",
            "verdict": f"The mean {record.split} accuracy on {len(values)} heads with random labels is "
            f"{mtl.report.statistics.mean(values):.3f} ({indicative(record, next(run for run in random if random[run]))}); "
            "chance is .5.",
        }
    ]


def claim_of_average_loss(record: mtl.report.Record, random: Mapping[str, list[str]]) -> list[dict[str, str]]:
    """Return what random labels change for the other tasks, if an approach has both networks."""
    effects = {kind: effects_of(record, random, kind) for kind in KINDS}
    if not effects["best"]:
        return []
    each = "; ".join(
        f"at the {kind} epoch " + ", ".join(f"{run} − {pure} {text}" for (run, pure), text in points_of(own).items())
        for kind, own in effects.items()
        if own
    )
    return [
        {
            "claim": "Tasks with random labels raise the average loss.",
            "verdict": "That average includes their own loss, which cannot fall. The mean accuracy of the first five tasks "
            f"changes, in points, {each} ({basis_at_each(effects['best'].values())}).",
        }
    ]


def effects_of(record: mtl.report.Record, random: Mapping[str, list[str]], kind: str) -> Gains:
    """Return what tasks with random labels change in the mean of the first five tasks, by approach and that without them."""
    sweep = tasks_of(record)
    pairs = [(run, f"tasks_{len(sweep[run]) - len(tasks)}") for run, tasks in random.items() if tasks]
    found = {(run, pure): difference_at(record, run, pure, FIRST_FIVE, kind) for run, pure in pairs if pure in sweep}
    return {pair: each for pair, each in found.items() if each is not None}


def count_of(run: str) -> str:
    """Return `"5 tasks"` of `"tasks_5"`."""
    return f"{run.removeprefix('tasks_')} tasks"


def unpaired(run: str) -> str:
    """Return which tasks of a reported approach have no single-task networks, neither there nor here."""
    first, last = len(FIRST_FIVE) + 1, len(REPORTS[run])
    return f" Tasks {first} to {last} have no single-task networks, neither there nor here." if last >= first else ""


def tally(by_kind: Mapping[str, Gains]) -> str:
    """Return how many of all differences are gains and losses at each kind of epoch, and which.

    With fewer than five seeds nothing is tested: those are named in which all seeds agree at one of the epochs.
    """
    tested = any(each.p is not None for gains in by_kind.values() for each in gains.values())
    shown = {kind: (shown_of(gains, 1), shown_of(gains, -1)) for kind, gains in by_kind.items() if gains}
    parts = [counted(kind, by_kind[kind], *each, tested) for kind, each in shown.items()]
    if tested and len(shown) == len(KINDS):
        same = len(set.intersection(*({*gained, *lost} for gained, lost in shown.values())))
        parts.append(f"{same} of them are the same at both.")
    if not tested:
        parts.append("So few seeds are indicative.")
    named = [*dict.fromkeys(place for both in shown.values() for own in both for place in own)]
    named_for = "that are shown" if tested else "on which all seeds agree"
    parts.append(f"Those {named_for} at one epoch or both, in points: {at_both_epochs(by_kind, named) or 'none'}.")
    lower = [
        f"{task} in {run} {gains[run, task].points} at the {kind} epoch"
        for kind, gains in by_kind.items()
        for run, task in gains
        if gains[run, task].judgment == "worse" and (run, task) not in named
    ]
    if lower:
        parts.append(f"Losses by the interval alone, not after the correction: {', '.join(lower)}.")
    return " ".join(parts)


def counted(kind: str, gains: Gains, gained: list[tuple[str, str]], lost: list[tuple[str, str]], tested: bool) -> str:
    """Return how many of the differences at one kind of epoch are gains and losses."""
    up, down = (sum(sign * each.mean > 0 for each in gains.values()) for sign in (1, -1))
    tests = sum(each.p is not None for each in gains.values())
    if tested:
        text = f"{len(gained)} are gains and {len(lost)} losses after Holm's correction for {tests} tests"
    else:
        text = f"{up} are gains and {down} losses; all seeds agree on a gain in {len(gained)} and on a loss in {len(lost)}"
    return f"At the {kind} epoch, of {len(gains)} differences {text}."


def at_both_epochs(by_kind: Mapping[str, Gains], places: list[tuple[str, str]]) -> str:
    """Return the differences of some approaches and tasks at both kinds of epoch, in points."""
    points = {kind: points_of(gains) for kind, gains in by_kind.items()}
    return "; ".join(
        f"{task} in {run} "
        + ", ".join(f"{own[run, task]} at the {kind} epoch" for kind, own in points.items() if (run, task) in own)
        for run, task in places
    )


def shown_of(gains: Gains, sign: int) -> list[tuple[str, str]]:
    """Return the places of gains (1) or losses (-1) that tests show, or with too few seeds that all seeds agree on."""
    p = corrected_of(gains)

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
        each = [f"{points[run]} among {count_of(run)}" for run in ("tasks_5", "tasks_50") if run in points]
        shown += [f"{' and '.join(each)} at the {kind} epoch"] if each else []
        gains = gains_of(record, kind)
        if gains:
            least, most = (choose(gains, key=lambda place: gains[place].mean) for choose in (min, max))
            low, high = (f"{100 * gains[run, task].mean:+.1f} ({task} in {run})" for run, task in (least, most))
            ends.append(f"{low} to {high} at the {kind} epoch")
    return (
        f"Trained together instead of alone, the first five tasks change their mean test accuracy, in points, by "
        f"{'; '.join(shown)} ({basis_at_each(means['best'].values())}), and single tasks by {'; '.join(ends)}."
    )
