"""What README.md says of the studies, written from the raw rows of their records.

The text stands here, so that no figure of it can differ from the rows; `python -m tests.test_results --write` puts it between
the marks in README.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from mtl_keras.report import Record, read_record, statistics

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- studies: begin -->", "<!-- studies: end -->"

CIFAR100 = "cifar100/2026-11-25-originals"
LANDMARKS, OWN = "landmarks/2026-11-24", "landmarks/2026-11-25-own"
EXPERIMENTS, ONE_MODEL = "cifar10_reconstruction/2026-11-27-experiments", "cifar10_reconstruction/2026-11-24-one-model"
BINARY, BINARY_FROZEN = "cifar100_binary/2026-11-26", "cifar100_binary/2026-11-26-frozen"
ALTERNATED, ALTERNATED_FROZEN = "two_datasets/2026-11-26", "two_datasets/2026-11-26-frozen"

FIVE = ("living", "big", "equal", "half_4", "half_5")


@cache
def record(name: str) -> Record:
    """Return a committed record."""
    return read_record(ROOT / "results" / name, history=False)


def link(text: str, name: str) -> str:
    """Return a link to the page of a record."""
    return f"[{text}](results/{name}/README.md)"


def number(value: float, digits: int = 3) -> str:
    """Return a fraction as `.257`."""
    return f"{value:.{digits}f}".removeprefix("0")


def reached(name: str, run: str, task: str, metric: str | None = None, kind: str = "best", digits: int = 3) -> str:
    """Return what a run reaches in the mean over seeds."""
    return number(record(name).mean(run, task, metric, epoch_kind=kind), digits)


def spread(name: str, run: str, task: str, metric: str | None = None, kind: str = "best") -> str:
    """Return `mean ± SD`."""
    values = list(record(name).values(run, task, metric, epoch_kind=kind).values())
    return f"{number(statistics.mean(values))} ± {number(statistics.sample_sd(values))}"


def published(name: str, run: str, task: str, digits: int = 3) -> str:
    """Return a published value, the first of a run and task."""
    rows = record(name).published
    value = next(float(row["value"]) for row in rows if (row["run"], row["task"]) == (run, task))
    return number(value, digits)


def points(name: str, one: str, other: str, task: str | Sequence[str], kind: str = "best") -> str:
    """Return a difference in points, from five seeds on with its interval."""
    whole = record(name)
    if kind == "best":
        return whole.difference(one, other, task).points
    mine, theirs = (whole.values(run, str(task), epoch_kind=kind) for run in (one, other))
    values = [100 * (mine[seed] - theirs[seed]) for seed in mine if seed in theirs]
    low, high = statistics.interval(values)
    return f"{statistics.mean(values):+.1f} [{low:+.1f}, {high:+.1f}]"


def about(name: str, run: str) -> str:
    """Return on what a run was trained and measured: rows, epochs, seeds, n of validation and test."""
    whole = record(name)
    budgets = [each for each in whole.budgets if each.run == run]
    tasks = [each.tasks[0] for each in budgets]
    labeled = {(row["task"], row["split"]): row["n"] for row in whole.metrics if row["run"] == run}
    n = {split: " and ".join(f"{labeled[task, split]:,}" for task in tasks) for split in ("validation", "test")}
    rows, seeds = " and ".join(f"{each.rows:,}" for each in budgets), len(whole.values(run, tasks[0]))
    counted = f"{seeds} seed{'s' if seeds > 1 else ''}"
    images = f"{rows} training images, {n['validation']} for validation, {n['test']} for testing"
    return f"{images}, {budgets[0].epochs} epochs, {counted}"


def cifar100() -> str:
    """Return the paragraph on study 000."""
    run, written = ("lite0_enhanced_as_run", "lite0_before_as_run"), ("lite0_enhanced_as_written", "lite0_before_as_written")
    fine = [reached(CIFAR100, name, "fine") for name in (*run, *written)]
    return f"""**CIFAR-100** ([notebook](notebooks/01_cifar100.ipynb), {link("record", CIFAR100)}; {about(CIFAR100, "initial")}; published: one run on 50,000 images, last epoch). The first network of the original gives the published accuracy: {spread(CIFAR100, "initial", "fine", kind="last")} fine at the last epoch (published {published(CIFAR100, "initial", "fine")}). Its *enhanced* heads were published as better than bare ones ({published(CIFAR100, "resnet50_enhanced", "fine")} against {published(CIFAR100, "resnet50_before", "fine")}, on ResNet50, whose ImageNet weights we could not load). On a frozen EfficientNet-Lite0 they are worse, {fine[0]} against {fine[1]} at the learning rate of 1e-3 that the original really used (3 seeds, indicative). The rates that its text names never took effect; with them the enhanced heads reach {fine[2]} (1e-5) and the bare ones {fine[3]} (1e-4)."""


def landmarks() -> str:
    """Return the paragraph on study 003."""
    whole = record(LANDMARKS)
    order = whole.difference("landmark_first", "category_first", "landmark", "macro_f1")
    low, high = order.interval or (0.0, 0.0)
    f1 = {
        run: reached(LANDMARKS, run, "landmark", "macro_f1", digits=2)
        for run in ("landmark_first", "category_first", "parallel")
    }
    return f"""**Landmarks** ([notebook](notebooks/03_landmarks.ipynb), {link("record", LANDMARKS)}; {about(LANDMARKS, "parallel")}, each seed with a random split of its own; published: one split). The original reports that training landmarks first is far better than training categories first (macro F1 .97 against .48). This holds: {f1["landmark_first"]} against {f1["category_first"]}, a difference of {order.mean:.2f} (95 % interval {low:.2f} to {high:.2f}, corrected for splits that share photos). Two other findings are not confirmed: landmarks first is not shown to differ from joint training ({f1["parallel"]}), and the same first stage does not score .97 in one approach and .79 in another (here it is the same network, bit for bit). No gain of joint over single-task training is shown in either task after the corrections. The model that was tuned with this toolkit reaches {spread(OWN, "own", "landmark", "macro_f1")} and {spread(OWN, "own", "category", "macro_f1")} ({link("record", OWN)}); it was designed anew after a first test evaluation had given {reached(LANDMARKS, "own", "landmark", "macro_f1")} and {reached(LANDMARKS, "own", "category", "macro_f1")}, so that its test photos are no longer unseen."""


def reconstruction() -> str:
    """Return the paragraph on study 002."""
    fixed, two = "exp3", "exp4"
    return f"""**CIFAR-10: class, animal, and reconstruction from 32 numbers** ([notebook](notebooks/02_cifar10_reconstruction.ipynb)). The best published values come from three different experiments: {published(EXPERIMENTS, "exp3", "class")}, .948 and an error of .0118 (.0116 at its best epoch; the last two from networks for one task). One network with tuned loss weights reaches {reached(ONE_MODEL, "multi-task", "class", digits=4)}, {reached(ONE_MODEL, "multi-task", "animal", digits=4)} and {reached(ONE_MODEL, "multi-task", "image", digits=4)} at once ({link("record", ONE_MODEL)}; {about(ONE_MODEL, "multi-task")}, so that nothing is said of its spread). The experiments were repeated ({link("record", EXPERIMENTS)}; {about(EXPERIMENTS, "exp3")}; published: one run each of 100 to 850 epochs on 50,000 images), all of it indicative. As published, neither uncertainty weighting ({reached(EXPERIMENTS, "uncertainty", "class")}) nor dynamic weight averaging ({reached(EXPERIMENTS, "dwa", "class")}) beats fixed weights ({reached(EXPERIMENTS, fixed, "class")}) on the class. Two convolutions reconstruct better than three ({reached(EXPERIMENTS, two, "image", digits=4)} against {reached(EXPERIMENTS, fixed, "image", digits=4)}), as published, but that network has 571,630 parameters and no batch normalization, the other 74,766. Unlike published, it does not classify worse ({reached(EXPERIMENTS, two, "class")} against {reached(EXPERIMENTS, fixed, "class")}), and the geometric mean does learn to reconstruct ({reached(EXPERIMENTS, "geometric_mean", "image")}, published {published(EXPERIMENTS, "geometric_mean", "image")})."""


def signs(name: str) -> tuple[int, int]:
    """Return how many comparisons with the baselines there are, and how many of them are gains."""
    whole = record(name)
    pairs = [(run, task) for run in whole.approaches for task in FIVE if whole.values(run, task)]
    gains = [whole.difference(run, "single-task", task).mean for run, task in pairs]
    return len(gains), sum(gain > 0 for gain in gains)


def survivors(name: str) -> tuple[int, int]:
    """Return how many comparisons are better, and how many worse, after Holm's correction; tested even with few seeds."""
    whole = record(name)
    differences = [
        whole.difference(run, "single-task", task) for run in whole.approaches for task in FIVE if whole.values(run, task)
    ]
    corrected = statistics.holm([statistics.paired_test(list(each.values.values())) for each in differences])
    sure = [each.mean for each, p in zip(differences, corrected, strict=True) if p < 0.05]
    return sum(gain > 0 for gain in sure), sum(gain < 0 for gain in sure)


def binary() -> str:
    """Return the paragraph on study 001."""
    total, up = signs(BINARY)
    better, worse = survivors(BINARY)
    sure, _ = survivors(BINARY_FROZEN)
    assert (better, worse) == (0, 0)
    return f"""**CIFAR-100: three to fifty binary tasks** ([notebook](notebooks/04_cifar100_binary.ipynb), {link("record", BINARY)}: {about(BINARY, "tasks_5")}; {link("frozen backbone", BINARY_FROZEN)}: {about(BINARY_FROZEN, "tasks_5")}; published: 1 to 3 runs on 50,000 images, about 100 epochs). Published are gains of up to 2.5 points for tasks that are trained together, and losses of up to .5. From scratch, {up} of our {total} differences are gains and {total - up} are losses, from {points(BINARY, "tasks_3", "single-task", "big")} points (*big* among three tasks) to {points(BINARY, "tasks_50", "single-task", "living")} (*living* among fifty; {points(BINARY, "tasks_20", "single-task", "living")} among twenty); the mean over five tasks is {points(BINARY, "tasks_5", "single-task", FIVE)} among five and {points(BINARY, "tasks_50", "single-task", FIVE)} among fifty. Three seeds are indicative; if tested, none of the {total} would survive Holm's correction. On a frozen pretrained backbone, joint training helps: five tasks together gain {points(BINARY_FROZEN, "tasks_5", "single-task", FIVE)} points over single-task training, fifty {points(BINARY_FROZEN, "tasks_50", "single-task", FIVE)}; {sure} of {total} differences survive Holm's correction, all of them gains, most for the hardest tasks. *living* neither gains nor loses. Tasks with random labels stay at .50."""


def alternated() -> str:
    """Return the paragraph on study 004."""
    coin = {task: points(ALTERNATED, "coin", "single-task", task) for task in ("class", "garment")}
    equal = {task: points(ALTERNATED, "equal_steps", "single-task", task) for task in ("class", "garment")}
    frozen = {kind: points(ALTERNATED_FROZEN, "coin", "single-task", "class", kind) for kind in ("best", "last")}
    return f"""**Two alternating data sets** ([notebook](notebooks/05_two_datasets.ipynb), {link("record", ALTERNATED)}: {about(ALTERNATED, "coin")}; {link("frozen backbone", ALTERNATED_FROZEN)}: the same with 5 seeds; published: one run, 60,000 and 10,000 images, about 90 epochs, epochs chosen on test data). Published: by alternating at random, CIFAR-10 loses 8.1 points and clothing gains 2.9. That schedule also halves the training steps of CIFAR-10. Here it changes CIFAR-10 by {coin["class"]} points and clothing by {coin["garment"]}; with as many steps as in single-task training the changes are {equal["class"]} and {equal["garment"]}. So in these 3 seeds the loss goes with the number of steps, not with sharing; this is indicative. On a frozen backbone the change of CIFAR-10 is {frozen["best"]} at the best epoch and {frozen["last"]} at the last one (95 % intervals): at best epochs no difference is shown, at last epochs random alternation loses a point."""


def in_short() -> str:
    """Return which published claims survive, in plain words."""
    return """In short, of the published claims
- **these hold here:** learning landmarks before categories beats the opposite order (ten splits); random labels cannot be learned; neither uncertainty weighting nor dynamic weight averaging beats fixed loss weights on the class of CIFAR-10 (three seeds, indicative);
- **these do not:** heads that narrow to 8 units beat bare ones; learning landmarks first beats training both tasks together; two convolutions classify worse than three (three seeds, indicative);
- **this depends on the backbone:** binary tasks gain from being trained together. On frozen pretrained features they do (five seeds). From scratch there are as many losses as gains, and no difference is shown (three seeds);
- **this was two effects in one:** alternating two data sets costs accuracy. It also halves the training steps, and with as many steps as in single-task training no loss is seen (three seeds, indicative).

Every value below is a mean over seeds on the test split, ± is the sample SD, brackets are 95 % intervals, which are given from five seeds on. Single-task baselines have the network and the hyperparameters of the joint model."""


def section() -> str:
    """Return what stands between the marks in README.md."""
    return "\n\n".join([in_short(), cifar100(), landmarks(), reconstruction(), binary(), sweep(), alternated(), approaches()])


def sweep() -> str:
    """Return the picture of study 001."""
    return f"![accuracy against the number of tasks](results/{BINARY_FROZEN}/task_sweep.png)"


def approaches() -> str:
    """Return the picture of study 003."""
    return f"![five approaches to the landmarks study](results/{LANDMARKS}/approaches.png)"
