"""What README.md says of results, written from the raw rows of their records.

The text stands here, so that no figure of it can differ from the rows; `python -m tests.test_results --write` puts it between
the marks in README.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from mtl_keras.report import Difference, Record, read_record, scores_table, statistics

ROOT = Path(__file__).parent.parent
DIGITS, DIGITS_BEFORE, DIGITS_FIRST = "digits/2026-11-28", "digits/2026-11-24", "digits/2026-11-22"
SEARCHED, SEARCHED_LARGE = "cifar100/2026-11-24", "cifar100/2026-11-24-224px"
CIFAR100 = "cifar100/2026-11-25-originals"
LANDMARKS, FIRST_OWN, OWN_ALONE = "landmarks/2026-11-28", "landmarks/2026-11-24", "landmarks/2026-11-25-own"
EXPERIMENTS, ONE_MODEL = "cifar10_reconstruction/2026-11-27-experiments", "cifar10_reconstruction/2026-11-24-one-model"
BINARY, BINARY_FROZEN = "cifar100_binary/2026-11-26", "cifar100_binary/2026-11-26-frozen"
ALTERNATED, ALTERNATED_FROZEN = "two_datasets/2026-11-26", "two_datasets/2026-11-28-frozen"

CLOTHING, TWO_INPUTS, YEAST = "clothing/2026-11-28", "clothing_inputs/2026-11-28", "yeast/2026-11-28"

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


def spread(name: str, run: str, task: str, metric: str | None = None, kind: str = "best", digits: int = 3) -> str:
    """Return `mean ± SD`."""
    values = list(record(name).values(run, task, metric, epoch_kind=kind).values())
    return f"{number(statistics.mean(values), digits)} ± {number(statistics.sample_sd(values), digits)}"


def published(name: str, run: str, task: str, digits: int = 3) -> str:
    """Return a published value, the first of a run and task."""
    rows = record(name).published
    value = next(float(row["value"]) for row in rows if (row["run"], row["task"]) == (run, task))
    return number(value, digits)


def points(name: str, one: str, other: str, task: str | Sequence[str], kind: str = "best") -> str:
    """Return a difference in points, from five seeds on with its interval."""
    whole = record(name)
    rows: list[Any] = [{**row, "epoch_kind": "best"} for row in whole.metrics if row["epoch_kind"] == kind]
    return replace(whole, metrics=rows).difference(one, other, task).points


def about(name: str, run: str, rows_are: str = "images") -> str:
    """Return on what a run was trained and measured: rows, epochs, seeds, n of validation and test."""
    whole = record(name)
    budgets = [each for each in whole.budgets if each.run == run]
    tasks = [each.tasks[0] for each in budgets]
    labeled = {(row["task"], row["split"]): row["n"] for row in whole.metrics if row["run"] == run}
    n = {split: " and ".join(f"{labeled[task, split]:,}" for task in tasks) for split in ("validation", "test")}
    rows, seeds = " and ".join(f"{each.rows:,}" for each in budgets), len(whole.values(run, tasks[0]))
    counted = f"{seeds} seed{'s' if seeds > 1 else ''}"
    images = f"{rows} training {rows_are}, {n['validation']} for validation, {n['test']} for testing"
    return f"{images}, {budgets[0].epochs} epochs, {counted}"


def cifar100() -> str:
    """Return the paragraph on study 000."""
    run, written = ("lite0_enhanced_as_run", "lite0_before_as_run"), ("lite0_enhanced_as_written", "lite0_before_as_written")
    fine = [reached(CIFAR100, name, "fine") for name in (*run, *written)]
    last = [reached(CIFAR100, name, "fine", kind="last") for name in run]
    coarse = [reached(CIFAR100, name, "coarse", kind=kind) for kind in ("best", "last") for name in run]
    return f"""**CIFAR-100** ([notebook](notebooks/01_cifar100.ipynb), {link("record", CIFAR100)}; {about(CIFAR100, "initial")}; published: one run each on 50,000 images, last of 20 epochs, with ResNet50 of 15; 10,000 test images). The first network of the original gives the published accuracy: {spread(CIFAR100, "initial", "fine", kind="last")} fine at the last epoch (published {published(CIFAR100, "initial", "fine")}). Its *enhanced* heads were published as better than bare ones ({published(CIFAR100, "resnet50_enhanced", "fine")} against {published(CIFAR100, "resnet50_before", "fine")} for fine, {published(CIFAR100, "resnet50_enhanced", "coarse")} against {published(CIFAR100, "resnet50_before", "coarse")} for coarse at the last epoch; at the best epochs of the same runs .4387 against .4546 for fine), on ResNet50, whose ImageNet weights we could not load. On a frozen EfficientNet-Lite0, after at most 15 epochs at the learning rate of 1e-3 that the original really used, they are worse for fine ({fine[0]} against {fine[1]} at the best epoch, {last[0]} against {last[1]} at the last one) and about equal for coarse ({coarse[0]} against {coarse[1]}, {coarse[2]} against {coarse[3]}; 3 seeds, indicative). The rates that its text names never took effect; with them the enhanced heads reach {fine[2]} (1e-5) and the bare ones {fine[3]} (1e-4)."""


def landmarks() -> str:
    """Return the paragraph on study 003."""
    whole = record(LANDMARKS)
    order = whole.difference("landmark_first", "category_first", "landmark", "macro_f1")
    low, high = order.interval or (0.0, 0.0)
    f1 = {
        run: reached(LANDMARKS, run, "landmark", "macro_f1", digits=2)
        for run in ("landmark_first", "category_first", "parallel")
    }
    feature = reached(LANDMARKS, "category_as_feature", "landmark", "macro_f1", digits=2)
    return f"""**Landmarks** ([notebook](notebooks/03_landmarks.ipynb), {link("record", LANDMARKS)}; {about(LANDMARKS, "parallel")}, each seed with a random split of its own; published: one run on one split, 267 training photos in five versions each, 60 for validation, 90 for testing; 70 epochs for landmarks first, not published for the others). The original reports that training landmarks first is far better than training categories first (macro F1 .97 against .48). This holds: {f1["landmark_first"]} against {f1["category_first"]}, a difference of {order.mean:.2f} (95 % interval {low:.2f} to {high:.2f}, corrected for splits that share photos). Both have up to 70 epochs. Others are not confirmed: the category as a feature reaches {feature} (published .46), landmarks first is not shown to differ from joint training ({f1["parallel"]}; published .81), and the same first stage does not score .97 in one approach and .79 in another (here it is the same network, bit for bit). No gain of joint over single-task training is shown in either task after the corrections. The model that was tuned with this toolkit reaches a macro F1 of {spread(LANDMARKS, "own", "landmark", "macro_f1")} for landmarks and {spread(LANDMARKS, "own", "category", "macro_f1")} for categories ({about(LANDMARKS, "own")}; {reached(OWN_ALONE, "own", "landmark", "macro_f1")} and {reached(OWN_ALONE, "own", "category", "macro_f1")} in {link("an earlier record", OWN_ALONE)}); it was designed anew after a first test evaluation had given {reached(FIRST_OWN, "own", "landmark", "macro_f1")} and {reached(FIRST_OWN, "own", "category", "macro_f1")}, so that its test photos are no longer unseen."""


def reconstruction() -> str:
    """Return the paragraph on study 002."""
    fixed, two = "exp3", "exp4"
    return f"""**CIFAR-10: class, animal, and reconstruction from 32 numbers** ([notebook](notebooks/02_cifar10_reconstruction.ipynb)). Among the published values are a class accuracy of {published(EXPERIMENTS, "exp3", "class")} (experiment 3, about 410 epochs), an animal accuracy of .948 (a network for this task alone, 216 epochs, .951 at its best) and an error of .0118 (a network for the picture alone, 151 epochs, .0116 at its best), one run each on 50,000 images, measured on 10,000. One network with tuned loss weights reaches {reached(ONE_MODEL, "multi-task", "class", digits=4)}, {reached(ONE_MODEL, "multi-task", "animal", digits=4)} and {reached(ONE_MODEL, "multi-task", "image", digits=4)} at once ({link("record", ONE_MODEL)}; {about(ONE_MODEL, "multi-task")}, so that nothing is said of its spread). The experiments were repeated ({link("record", EXPERIMENTS)}; {about(EXPERIMENTS, "exp3")}; published: one run each of 100 to 850 epochs on 50,000 images, measured on 10,000), all of it indicative and at the best epoch. Against networks for one task, experiment 3 is worse in all three tasks: {points(EXPERIMENTS, "exp3", "exp3 single-task", "class")} points of class accuracy, {points(EXPERIMENTS, "exp3", "exp3 single-task", "animal")} of animal accuracy, an error of {reached(EXPERIMENTS, "exp3", "image", digits=4)} against {reached(EXPERIMENTS, "exp3 single-task", "image", digits=4)}. As published, neither uncertainty weighting ({reached(EXPERIMENTS, "uncertainty", "class")}) nor dynamic weight averaging ({reached(EXPERIMENTS, "dwa", "class")}) beats fixed weights ({reached(EXPERIMENTS, fixed, "class")}) on the class (at the last epoch {reached(EXPERIMENTS, "uncertainty", "class", kind="last")} and {reached(EXPERIMENTS, "dwa", "class", kind="last")} against {reached(EXPERIMENTS, fixed, "class", kind="last")}); both reach more on the animal ({reached(EXPERIMENTS, "uncertainty", "animal")} and {reached(EXPERIMENTS, "dwa", "animal")} against {reached(EXPERIMENTS, fixed, "animal")}). Two convolutions reconstruct better than three ({reached(EXPERIMENTS, two, "image", digits=4)} against {reached(EXPERIMENTS, fixed, "image", digits=4)}), as published, but that network has 571,630 parameters and no batch normalization, the other 74,766. Unlike published, it does not classify worse ({reached(EXPERIMENTS, two, "class")} against {reached(EXPERIMENTS, fixed, "class")}), and the geometric mean does learn to reconstruct ({reached(EXPERIMENTS, "geometric_mean", "image")}; published .063 on training data), with the lowest class accuracy of all ({reached(EXPERIMENTS, "geometric_mean", "class")})."""


def differences(name: str, kind: str = "best") -> list[Difference]:
    """Return the difference of each approach from the single-task baselines in each of the five tasks."""
    whole = record(name)
    rows: list[Any] = [{**row, "epoch_kind": "best"} for row in whole.metrics if row["epoch_kind"] == kind]
    whole = replace(whole, metrics=rows)
    pairs = [(run, task) for run in whole.approaches for task in FIVE if whole.values(run, task)]
    return [whole.difference(run, "single-task", task) for run, task in pairs]


def shown(name: str, kind: str = "best") -> tuple[int, int]:
    """Return how many of these are gains, and how many losses, after Holm's correction for all of them."""
    given = differences(name, kind)
    corrected = statistics.holm([each.p for each in given if each.p is not None])
    sure = [each.mean for each, p in zip(given, corrected, strict=True) if p < statistics.SIGNIFICANT]
    return sum(gain > 0 for gain in sure), sum(gain < 0 for gain in sure)


def binary() -> str:
    """Return the paragraph on study 001."""
    up = {kind: sum(each.mean > 0 for each in differences(BINARY, kind)) for kind in ("best", "last")}
    total = len(differences(BINARY))
    gains, losses = shown(BINARY_FROZEN)

    def both(run: str, task: str | Sequence[str]) -> str:
        best, last = (points(BINARY, run, "single-task", task, kind) for kind in ("best", "last"))
        return f"{best} (last epoch {last})"

    return f"""**CIFAR-100: three to fifty binary tasks** ([notebook](notebooks/04_cifar100_binary.ipynb), {link("record", BINARY)}: {about(BINARY, "tasks_5")}; {link("frozen backbone", BINARY_FROZEN)}: {about(BINARY_FROZEN, "tasks_5")}; published: 1 to 3 runs on 50,000 images, about 100 epochs, those of single tasks not stated; 10,000 test images). Published are gains of up to 2.5 points for tasks that are trained together, and losses of up to .5. From scratch, {up["best"]} of our {total} differences are gains and {total - up["best"]} are losses at the best epoch ({up["last"]} and {total - up["last"]} at the last one). In points, *big* among three tasks changes by {both("tasks_3", "big")}, *living* among twenty by {both("tasks_20", "living")} and among fifty by {both("tasks_50", "living")}, the mean over five tasks among five by {both("tasks_5", FIVE)} and among fifty by {both("tasks_50", FIVE)}. Three seeds are indicative. On a frozen pretrained backbone, joint training helps at the best epoch: five tasks together change by {points(BINARY_FROZEN, "tasks_5", "single-task", FIVE)} points against single-task training, among fifty by {points(BINARY_FROZEN, "tasks_50", "single-task", FIVE)}. Of {len(differences(BINARY_FROZEN))} differences of single tasks, Holm's correction leaves {gains} gains and {losses} losses; for *living* none is shown. Tasks with random labels stay at .50. Only the first five tasks have single-task baselines."""


def alternated() -> str:
    """Return the paragraph on study 004."""

    def both(name: str, run: str, task: str) -> str:
        best, last = (points(name, run, "single-task", task, kind) for kind in ("best", "last"))
        return f"{best} (last epoch {last})"

    return f"""**Two alternating data sets** ([notebook](notebooks/05_two_datasets.ipynb), {link("record", ALTERNATED)}: {about(ALTERNATED, "coin")}; {link("frozen backbone", ALTERNATED_FROZEN)}: the same images and epochs with 5 seeds; published: one run each on 50,000 and about 5,000 images, 63 to 102 epochs, 10,000 and about 5,000 test images). Published: by alternating at random, CIFAR-10 loses 8.1 points and clothing gains 2.9; by the best epochs of the same logs it is 4.9 and 1.7. That schedule also halves the training steps of CIFAR-10 and more than doubles those of clothing. Here it changes CIFAR-10 by {both(ALTERNATED, "coin", "class")} points and clothing by {both(ALTERNATED, "coin", "garment")}. With as many steps of each as in single-task training the changes are {both(ALTERNATED, "equal_steps", "class")} and {both(ALTERNATED, "equal_steps", "garment")}. In these 3 seeds most of the change goes with the number of steps; this is indicative. On a frozen backbone, random alternation changes CIFAR-10 by {both(ALTERNATED_FROZEN, "coin", "class")} and clothing by {both(ALTERNATED_FROZEN, "coin", "garment")}, equal steps by {both(ALTERNATED_FROZEN, "equal_steps", "class")} and {both(ALTERNATED_FROZEN, "equal_steps", "garment")} (95 % intervals, not corrected); after Holm's correction no difference is shown."""


def clothing() -> str:
    """Return the paragraph on the study of garments, which repeats nothing that was published."""
    whole, run, alone = record(CLOTHING), "together", "single-task"
    metrics = {"garment": "macro_f1", "kids": "auc"}
    given = {task: whole.difference(run, alone, task, metric) for task, metric in metrics.items()}
    corrected = statistics.holm([each.p for each in given.values() if each.p is not None])
    sure = [task for task, p in zip(given, corrected, strict=True) if p < statistics.SIGNIFICANT]
    judged = f"after Holm's correction the difference is shown for {' and '.join(sure) or 'neither'}"
    return f"""**Clothing: garments, and which are for children** ([notebook](notebooks/06_own_data.ipynb), {link("record", CLOTHING)}; {about(CLOTHING, run)}, each seed with a random split of its own; nothing is published). From one table of labels, on a frozen backbone, one network for both reaches a macro F1 of {spread(CLOTHING, run, "garment", "macro_f1")} for 17 garments and an AUC of {spread(CLOTHING, run, "kids", "auc")} for children's clothes. A network for one of them reaches {spread(CLOTHING, alone, "garment", "macro_f1")} and {spread(CLOTHING, alone, "kids", "auc")}: differences of {given["garment"].points} and {given["kids"].points} points (95 % intervals, corrected for splits that share photos); {judged}."""


def two_inputs() -> str:
    """Return the paragraph on what a second input brings, of which nothing was published."""
    return f"""**Clothing: what a second input brings** ({link("record", TWO_INPUTS)}; {about(TWO_INPUTS, "photo")}, each seed with a random split of its own, the same for both; nothing is published). {record(TWO_INPUTS).finding}"""


def yeast() -> str:
    """Return the paragraph on the study of genes, which repeats nothing that was published."""
    whole = record(YEAST)
    return f"""**Yeast: fourteen labels of a gene from 103 numbers** ({link("record", YEAST)}; {about(YEAST, "full", "genes").replace("seeds", "folds")}; nothing is published). {whole.finding}"""


def in_short() -> str:
    """Return which published claims survive, in plain words and with the signs and sizes of what was seen."""

    def two(name: str, one: str, other: str, tasks: Sequence[str], kind: str = "best") -> str:
        return " and ".join(points(name, one, other, task, kind) for task in tasks)

    whole, experiments, bare = record(LANDMARKS), record(EXPERIMENTS), "lite0_before_as_run"
    order, together, feature = (
        whole.difference(one, other, "landmark", "macro_f1")
        for one, other in (
            ("landmark_first", "category_first"),
            ("landmark_first", "parallel"),
            ("category_as_feature", "landmark_first"),
        )
    )
    weightings = {
        kind: " and ".join(points(EXPERIMENTS, run, "exp3", "class", kind) for run in ("uncertainty", "dwa"))
        for kind in ("best", "last")
    }
    heads = two(CIFAR100, "lite0_enhanced_as_run", bare, ("fine", "coarse"))
    gains, losses = shown(BINARY_FROZEN)
    scratch = {kind: signs_of(differences(BINARY, kind)) for kind in ("best", "last")}
    steps = {kind: two(ALTERNATED, "equal_steps", "single-task", ("class", "garment"), kind) for kind in ("best", "last")}
    # What is said in words is so in the rows.
    assert (order.judgment, together.judgment, feature.judgment) == ("better", "", "")
    assert all(experiments.difference(run, "exp3", "class").mean < 0 for run in ("uncertainty", "dwa"))
    assert (
        record(CIFAR100).difference("lite0_enhanced_as_run", bare, "fine").mean
        < 0
        < experiments.difference("exp4", "exp3", "class").mean
    )
    assert gains > losses
    return f"""In short, of the published claims (in points of accuracy or macro F1; budgets and numbers of images are below)
- **these hold here:** learning landmarks before categories beats the opposite order ({order.points}, ten splits); random labels cannot be learned (accuracy {random_labels(BINARY_FROZEN)} over five seeds and {random_labels(BINARY)} over three); neither uncertainty weighting nor dynamic weight averaging beats fixed loss weights on the class of CIFAR-10 at the best epoch ({weightings["best"]}; at the last epoch {weightings["last"]}; three seeds, indicative);
- **these are not confirmed:** heads that narrow to 8 units beat bare ones ({heads} for fine and coarse classes; three seeds, indicative, on another backbone); learning landmarks first beats training both tasks together ({together.points}, ten splits, no difference shown); the category as a feature harms the landmarks ({feature.points} against landmarks first, ten splits, no difference shown); two convolutions classify worse than three ({points(EXPERIMENTS, "exp4", "exp3", "class")}; three seeds, indicative);
- **this depends on the backbone:** binary tasks gain from being trained together. On frozen pretrained features, {gains} of {len(differences(BINARY_FROZEN))} differences are gains and {losses} are losses after Holm's correction (five seeds). From scratch, {scratch["best"]} at the best epoch and {scratch["last"]} at the last one (three seeds, indicative);
- **this was two effects in one:** alternating two data sets at random costs accuracy on one and gains some on the other. It also halves the training steps of the one and doubles those of the other. With the steps of single-task training the changes are {steps["best"]} at the best epoch and {steps["last"]} at the last one (three seeds, indicative).

Every value below is a mean over seeds on the test split at the epoch that is best on validation, unless it says otherwise; ± is the sample SD; brackets are 95 % intervals, which are given from five seeds on. Single-task baselines have the network and the hyperparameters of the joint model."""


def signs_of(given: Sequence[Difference]) -> str:
    """Return how many differences are gains and how many are losses, in the mean over seeds."""
    return f"{sum(each.mean > 0 for each in given)} are gains and {sum(each.mean < 0 for each in given)} losses"


def random_labels(name: str) -> str:
    """Return the mean accuracy on tasks with random labels."""
    whole = record(name)
    tasks = {task for task in (row["task"] for row in whole.metrics) if task.startswith(("coin", "random"))}
    return number(
        statistics.mean([whole.mean(run, task) for run in whole.approaches for task in tasks if whole.values(run, task)])
    )


def table(name: str, tasks: Mapping[str, str], *, metric: bool) -> str:
    """Return what one network and single-task networks reach, with their sample SDs."""
    columns = ["task", *(["metric"] if metric else []), "multi-task", "single-task", "trivial"]
    rows = {(row["task"], row["metric"]): row for row in scores_table(record(name).metrics).to_dict("records")}
    own = {task: row for (task, _), row in reversed(rows.items()) if task in tasks}
    lines = []
    for task, label in tasks.items():
        row = own[task]
        measured = f"{row['metric'].upper() if row['metric'] == 'mse' else row['metric']} {row['better']}"
        reached = [str(row[run]).partition(" (")[0] for run in ("multi-task", "single-task", "trivial")]
        lines.append([label, *([measured] if metric else []), *reached])
    return "\n".join(f"| {' | '.join(line)} |" for line in [columns, *lines]).replace(
        "|\n", f"|\n|{'---|' * len(columns)}\n", 1
    )


def digits() -> str:
    """Return the section on the digits."""
    whole, gain = record(DIGITS), list(record(DIGITS).values("multi-task", "all", "delta_m").values())
    pairs = {
        name: {task: record(name).difference("multi-task", "single-task", task) for task in ("digit", "parity")}
        for name in (DIGITS, DIGITS_BEFORE)
    }
    now, before, first = pairs[DIGITS], pairs[DIGITS_BEFORE], record(DIGITS_FIRST)
    assert now["digit"].mean > 0
    assert now["parity"].mean > 0 > before["parity"].mean
    assert whole.difference("multi-task", "single-task", "image").mean > 0, "an error"
    assert first.mean("multi-task", "image") > whole.mean("multi-task", "image")
    return f"""The digits study, run with `mtl-keras tune` ({link("record", DIGITS)}; mean ± sample SD; {about(DIGITS, "multi-task")}):

{table(DIGITS, {"digit": "digit", "parity": "parity", "image": "image"}, metric=True)}

One network is worse than three on the reconstruction: `delta_m`, the mean relative change over tasks, is {statistics.mean(gain):+.1f} % (SD {statistics.sample_sd(gain):.1f}), most of it from there. Of the two classifications nothing can be said from three seeds: the differences are {now["digit"].points} points on digits and {now["parity"].points} on parity, and the same search in an earlier version ({link("2026-11-24", DIGITS_BEFORE)}) gave {before["digit"].points} and {before["parity"].points}. The first search ({link("2026-11-22", DIGITS_FIRST)}) tried loss weights up to 10 only, too small for a loss as small as a mean squared error over pixels: its reconstruction was worse."""


def searched() -> str:
    """Return the section on the search on CIFAR-100."""
    gain = list(record(SEARCHED).values("multi-task", "all", "delta_m").values())
    validation = [number(record(SEARCHED).mean("multi-task", task, split="validation")) for task in ("fine", "coarse")]
    large = [spread(SEARCHED_LARGE, "multi-task", task, digits=4) for task in ("fine", "coarse")]
    coarse = record(SEARCHED_LARGE).difference("multi-task", "single-task", "coarse")
    return f"""Test accuracy ({link("record", SEARCHED)}; {about(SEARCHED, "multi-task")}; all choices were made on the validation split, where the same three seeds reach {validation[0]} and {validation[1]}; mean ± sample SD):

{table(SEARCHED, {"fine": "fine, 100 classes", "coarse": "coarse, 20 classes"}, metric=False)}

One network with one shared layer reaches about what two networks reach; three seeds are too few to show a difference. `delta_m` is {statistics.mean(gain):+.2f} % (SD {statistics.sample_sd(gain):.2f}).

![trials of the CIFAR-100 search](results/{SEARCHED}/trials.png)

At 224 px, with four cached views of each training image and the option to derive the coarse class from the fine one, the same study reaches {large[0]} and {large[1]} ({link("record", SEARCHED_LARGE)}; {about(SEARCHED_LARGE, "multi-task")}). The search chose to sum the probabilities of the fine classes, which changes the coarse class by {coarse.points} points against a single-task network, which does not see the fine labels (three seeds, indicative)."""


def studies() -> str:
    """Return the section on the reproduced studies."""
    return "\n\n".join(
        [
            in_short(),
            cifar100(),
            landmarks(),
            reconstruction(),
            binary(),
            sweep(),
            alternated(),
            approaches(),
            clothing(),
            two_inputs(),
            yeast(),
        ]
    )


#: What stands between the marks of this name.
SECTIONS = {"results table": digits, "cifar100 table": searched, "studies": studies}


def front_page(page: str) -> str:
    """Return README.md with what it says of results, from the raw rows."""
    for name, section in SECTIONS.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, _, rest = page.partition(begin)
        assert end in rest
        page = f"{before}{begin}\n{section()}\n{end}{rest.partition(end)[2]}"
    return page


def sweep() -> str:
    """Return the picture of study 001."""
    return f"![accuracy against the number of tasks](results/{BINARY_FROZEN}/task_sweep.png)"


def approaches() -> str:
    """Return the picture of study 003."""
    return f"![five approaches to the landmarks study](results/{LANDMARKS}/approaches.png)"
