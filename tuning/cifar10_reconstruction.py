"""Ten classes, animal or transport, and reconstruction with one small encoder on CIFAR-10 (study 002).

The configurations are the original's experiments 1 to 5, one of them with random labels as a fourth task, and its three ways to
combine losses without fixed weights. The encoder is that of its published baselines (8, 16 and 32 channels; the widths of the
experiments are not known), trained on 20,000 images for 12 epochs; the published runs took 100 to 850 epochs on 50,000.
Expected time: 4,869 s, or 81 minutes, on 2 busy cores. Expected score on test: a class accuracy of .40 to .50, an animal
accuracy of .89 to .90 and a reconstruction error of .013 to .022.

    mtl-keras reproduce cifar10_reconstruction --data-dir DIR --seeds 3

The search is for one model that does all three tasks with a bottleneck of 32 numbers, on all 45,000 training images: trials of
4 epochs, then one training of 30. Its network is wider, with 732,366 parameters. Expected time: about 25 minutes on 2 cores.
Expected score on test: .75, .96 and .0118. The published ones, each of another network, are .745 (experiment 3), .9477 and
.0118 (single-task baselines at the last epoch; .9512 and .0116 at their best on the test images).

    mtl-keras tune cifar10_reconstruction --data-dir DIR
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import mtl_keras as mtl

from ._seen import MISSING, at_end, format_values, indicative, quote

if TYPE_CHECKING:
    from keras_tuner import HyperParameters

ANIMALS = ("bird", "cat", "deer", "dog", "frog", "horse")
TRANSPORT = ("airplane", "automobile", "ship", "truck")

TASKS = mtl.Tasks(
    mtl.Classification("class", classes=10),
    mtl.Binary("animal", label=mtl.ClassMap("label", {"transport": TRANSPORT, "animal": ANIMALS})),
    mtl.Reconstruction("image"),
    mtl.Binary("coin", label=mtl.RandomLabels(seed=0)),
)
THREE = ("class", "animal", "image")

#: The original's head for classes: global max pooling and one dense layer.
CLASS_HEAD = mtl.Head(dense=(256,), pooling="max")


def encoder(convolutions: int, dropout: float, dropout_at: str = "each") -> mtl.Backbone:
    """Return the encoder of the published baselines: three strided convolutions (VI), or two around one pooling (V)."""
    shape: dict[str, Any] = (
        {"filters": (8, 16, 32), "strides": 2, "norm": "after"}
        if convolutions == 3
        else {"filters": (16, 32), "strides": 1, "pool": (2, 1), "norm": None}
    )
    return mtl.Backbone("SmallCNN", pooling=None, dropout=dropout, dropout_at=dropout_at, **shape)


def experiment(
    weighting: str | Mapping[str, float],
    *,
    convolutions: int = 3,
    dropout: float = 0.2,
    dropout_at: str = "each",
    tasks: Sequence[str] = THREE,
) -> Callable[[mtl.search.Context], mtl.Plan]:
    """Return one of the original's experiments."""

    def plan(context: mtl.search.Context) -> mtl.Plan:
        mirror = (
            mtl.Decoder(latent=32, filters=(32, 16, 8), dropout=dropout if dropout_at == "each" else 0.0, batch_norm=True)
            if convolutions == 3
            else mtl.Decoder(latent=32, filters=(32, 16), strides=(1, 2))
        )
        own = context.tasks.only(*tasks)
        recipe = mtl.Recipe(
            tasks=own,
            backbone=encoder(convolutions, dropout, dropout_at),
            image_shape=context.image_shape,
            heads={name: mirror if name == "image" else CLASS_HEAD for name in own},
        )
        phase = mtl.Phase(
            epochs=context.settings.epochs,
            batch_size=context.settings.batch_size,
            weighting=weighting,
            optimizer={"class_name": "Adam", "config": {"learning_rate": 1e-3, "clipnorm": 1.0}},
            patience=context.settings.patience,
        )
        return mtl.Plan(recipe, (phase,))

    return plan


def space(hp: HyperParameters, context: mtl.search.Context) -> mtl.Plan:
    """Search loss weights, learning rate and dropout of one wider network with the same bottleneck, without random labels."""
    settings = context.settings
    three = replace(context, tasks=context.tasks.only(*THREE))
    # A squared error of pixels in [0, 1] is about a hundred times smaller than a cross-entropy.
    weights = mtl.search.loss_weights(hp, three, low={"animal": 0.25, "image": 30.0}, high={"animal": 2.0, "image": 120.0})
    learning_rate = hp.Float("learning_rate", 1e-3, 4e-3, sampling="log", default=2e-3)
    # Without dropout short trials are best, but long trainings are not.
    dropout = hp.Choice("dropout", [0.1, 0.2], default=0.1)
    head = mtl.Head(dense=(256,), dropout=0.3, pooling="max")
    recipe = mtl.Recipe(
        tasks=three.tasks,
        backbone=mtl.Backbone("SmallCNN", pooling=None, filters=(64, 128, 256), dropout=dropout),
        image_shape=context.image_shape,
        heads={"class": head, "animal": head, "image": mtl.Decoder(latent=32, filters=(64, 32, 16), batch_norm=True)},
    )
    phase = mtl.Phase(
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        weighting=weights,
        optimizer={
            "class_name": "AdamW",
            "config": {"learning_rate": learning_rate, "weight_decay": 1e-4, "clipnorm": 1.0},
        },
        schedule="cosine",
        patience=settings.patience,
    )
    return mtl.Plan(recipe, (phase,))


@dataclass(frozen=True)
class Original:
    """What the original shows of one training: values read off its plots, and the totals that it states.

    Args:
        epochs: About how many epochs its plots show, until it was stopped by hand.
        values: Test metric of each task at the last epoch; empty where there is no plot of it.
        train: Weighted total of the training losses at the last epoch; None where none is stated.
        test: The same of the test losses.
        on_training: Tasks whose value is of the training images, because no test value is published.
    """

    epochs: int
    values: Mapping[str, float] = field(default_factory=dict)
    train: float | None = None
    test: float | None = None
    on_training: tuple[str, ...] = ()

    @property
    def published(self) -> tuple[dict[str, Any], ...]:
        """The values with their budget."""
        budget = f"last of about {self.epochs} epochs, one run; 50,000 training"
        test = f"read off its plots: test, {budget} and 10,000 test images"
        return tuple(
            {
                "task": task,
                "metric": TASKS[task].metric.name,
                "value": value,
                "note": f"{task}: TRAINING value, read off its plots, {budget} images; no test value"
                if task in self.on_training
                else test,
            }
            for task, value in self.values.items()
        )


ORIGINALS = {
    "exp1": Original(110, {}, 0.2414, 2.3439),
    "exp2": Original(845, {"class": 0.70, "animal": 0.943, "image": 0.0455}, 0.2515, 1.5522),
    "exp3": Original(410, {"class": 0.745, "animal": 0.945, "image": 0.048}, 0.2395, 0.4353),
    "exp4": Original(272, {"class": 0.55, "animal": 0.92, "image": 0.0165}, 0.4399, 0.6924),
    "exp5": Original(420, {"class": 0.72, "animal": 0.94, "image": 0.022, "coin": 0.5}, 0.2746, 0.5267),
    "geometric_mean": Original(121, {"class": 0.65, "animal": 0.947, "image": 0.063}, 0.3363, on_training=("image",)),
    "uncertainty": Original(235, {"class": 0.73, "animal": 0.95, "image": 0.023}),
    "dwa": Original(200, {"class": 0.735, "animal": 0.945, "image": 0.020}),
}

#: The original's single-task networks: task, what it is, epochs, training and test value at the last epoch, best test value.
SINGLE_TASK: tuple[tuple[str, str, int, float, float, float | None], ...] = (
    ("class", "three convolutions of unknown width, one dense layer", 290, 0.8527, 0.7418, None),
    ("animal", "8, 16, 32 channels with batch normalization, one dense layer", 216, 0.9872, 0.9477, 0.9512),
    ("image", "I: 8, 16, 32 channels, bottleneck 32", 70, 0.010, 0.012, None),
    ("image", "II: 8, 16, 32 channels, bottleneck 16", 50, 0.016, 0.017, None),
    ("image", "III: 8, 16 channels, bottleneck 8", 82, 0.022, 0.023, None),
    ("image", "IV: 4, 8 channels, bottleneck 8", 69, 0.023, 0.023, None),
    ("image", "V: 16, 32 channels, bottleneck 32", 151, 0.0110, 0.0118, 0.0116),
    ("image", "VI: 8, 16, 32 channels, bottleneck 32, batch normalization and dropout", 40, 0.0155, 0.0245, 0.0205),
)

#: The loss weights that the original lists for the end of its training, in the order of `THREE`.
LISTED = {"uncertainty": (0.9062182, 2.1785831, 0.811066), "dwa": (0.7590301, 1.4041971, 0.8367728)}

#: Parameters of each network, which a test counts: what the encoders differ in besides their depth.
PARAMETERS = dict.fromkeys(ORIGINALS, 74_766) | {"exp4": 571_630, "exp5": 83_471}

#: Common to all configurations; the published ones ran 100 to 850 epochs on 50,000 images until stopped by hand.
SHORT = {"train_rows": 20_000, "epochs": 12, "batch_size": 128, "online": ()}

CONFIGURATIONS = {
    "exp1": mtl.search.Configuration(
        "Three convolutions, weights 1, .5, 1, no dropout.",
        experiment({"class": 1.0, "animal": 0.5, "image": 1.0}, dropout=0.0),
        SHORT,
    ),
    "exp2": mtl.search.Configuration(
        "Three convolutions, weights 1, .5, 1, dropout after the last of them only.",
        experiment({"class": 1.0, "animal": 0.5, "image": 1.0}, dropout_at="last"),
        SHORT,
        published=ORIGINALS["exp2"].published,
    ),
    "exp3": mtl.search.Configuration(
        "Three convolutions, weights .5, .1, 1, dropout after each; the single-task baselines have this network and "
        "its hyperparameters.",
        experiment({"class": 0.5, "animal": 0.1, "image": 1.0}),
        SHORT,
        baselines=True,
        published=ORIGINALS["exp3"].published,
    ),
    "exp4": mtl.search.Configuration(
        "Two convolutions, weights .5, .1, 1, dropout after the last.",
        experiment({"class": 0.5, "animal": 0.1, "image": 1.0}, convolutions=2, dropout_at="last"),
        SHORT,
        published=ORIGINALS["exp4"].published,
    ),
    "exp5": mtl.search.Configuration(
        "Experiment 3 with random labels (task coin) as a fourth task of weight .1.",
        experiment({"class": 0.5, "animal": 0.1, "image": 1.0, "coin": 0.1}, tasks=(*THREE, "coin")),
        SHORT,
        published=ORIGINALS["exp5"].published,
    ),
    "geometric_mean": mtl.search.Configuration(
        "Experiment 3 with the geometric mean of the losses.",
        experiment("geometric_mean"),
        SHORT,
        published=ORIGINALS["geometric_mean"].published,
    ),
    "uncertainty": mtl.search.Configuration(
        "Experiment 3 weighted by uncertainty (Kendall et al. 2018).",
        experiment("uncertainty"),
        SHORT,
        published=ORIGINALS["uncertainty"].published,
    ),
    "dwa": mtl.search.Configuration(
        "Experiment 3 with dynamic weight averaging (Liu et al. 2019).",
        experiment("dwa"),
        SHORT,
        published=ORIGINALS["dwa"].published,
    ),
}


def claims(record: mtl.report.Record) -> list[dict[str, str]]:
    """Compare the original's findings with these results."""
    pairs = [
        *(
            ("uncertainty", "exp3", "class"),
            ("dwa", "exp3", "class"),
            ("uncertainty", "exp3", "image"),
            ("dwa", "exp3", "image"),
        ),
        *(("exp4", "exp3", "image"), ("exp4", "exp3", "class"), ("exp2", "exp1", "class")),
    ]
    differences = [record.difference(*pair) for pair in pairs]
    said = dict(zip(pairs, mtl.report.verdicts(differences), strict=True))
    error = {run: record.mean(run, "image") for run in ("exp3", "uncertainty", "dwa", "trivial")}
    mean_image = MISSING if math.isnan(error["trivial"]) else f"{error['trivial']:.4f}"
    numbers = {run: f"{PARAMETERS[run]:,} parameters" for run in ("exp3", "exp4")}
    return [
        {
            "claim": "Neither uncertainty (.73) nor DWA (.735) beats the fixed weights .5, .1, 1 (.745) on the class.",
            "verdict": f"At the best epoch: {said['uncertainty', 'exp3', 'class']} {said['dwa', 'exp3', 'class']} By seed: "
            f"{quote(record, 'uncertainty', 'class')} and {quote(record, 'dwa', 'class')} against "
            f"{quote(record, 'exp3', 'class')}. At the last epoch the differences are {at_last(record, 'uncertainty')} and "
            f"{at_last(record, 'dwa')}. On animal, at the best epoch, uncertainty is higher "
            f"{higher(record, 'uncertainty')} and DWA {higher(record, 'dwa')}. The lowest class accuracy of all "
            f"{len(record.approaches)} configurations is that of {lowest(record)}.",
        },
        {
            "claim": "Both roughly halve the reconstruction error of experiment 3 (.023 and .020 against .048).",
            "verdict": f"Here the error of uncertainty is {error['uncertainty'] / error['exp3']:.2f} times and that of DWA "
            f"{error['dwa'] / error['exp3']:.2f} times that of experiment 3. {said['uncertainty', 'exp3', 'image']} "
            f"{said['dwa', 'exp3', 'image']}",
        },
        {
            "claim": "With the geometric mean, the reconstruction error on the TRAINING images ends at .063, about that of the "
            "mean image; no test value is published.",
            "verdict": f"Here its training error at the last epoch, with dropout, is {end(record, 'geometric_mean', 'image')}, "
            f"and its test error at the best epoch {quote(record, 'geometric_mean', 'image', form='.4f')}; the test error of "
            f"the mean image is {mean_image} ({indicative(record, 'geometric_mean')}). This is with exp(mean log loss); the "
            "original's formula is not known.",
        },
        {
            "claim": "Two convolutions reconstruct better and classify worse than three.",
            "verdict": f"{said['exp4', 'exp3', 'image']} {said['exp4', 'exp3', 'class']} Depth is not the only difference: "
            f"experiment 4 has {numbers['exp4']}, most of them in the dense layers around the bottleneck, no batch "
            f"normalization and one dropout layer; experiment 3 has {numbers['exp3']}, batch normalization, and dropout after "
            "each layer, also of the decoder. This comparison cannot tell which of these matters.",
        },
        {
            "claim": f"With one dropout layer (experiment 2) the validation total is {ORIGINALS['exp2'].test}, without "
            f"(experiment 1) {ORIGINALS['exp1'].test}.",
            "verdict": f"After {SHORT['epochs']} epochs it is {total(record, 'exp2', 'validation')} against "
            f"{total(record, 'exp1', 'validation')}, with training totals of {total(record, 'exp2', 'train')} and "
            f"{total(record, 'exp1', 'train')} ({indicative(record, 'exp2')}); the published training totals, after about "
            f"{ORIGINALS['exp2'].epochs} and {ORIGINALS['exp1'].epochs} epochs, are {ORIGINALS['exp2'].train} and "
            f"{ORIGINALS['exp1'].train}, far below the validation ones. {said['exp2', 'exp1', 'class']}",
        },
        {
            "claim": "Random labels cannot be learned (validation accuracy .50, while the training accuracy rises to .63).",
            "verdict": f"Test accuracy {quote(record, 'exp5', 'coin')}, training accuracy at the last epoch "
            f"{end(record, 'exp5', 'coin', 'accuracy')}: {SHORT['epochs']} epochs are too few to learn them by heart "
            f"({indicative(record, 'exp5')}).",
        },
        {
            "claim": "Experiments are described by their total loss.",
            "verdict": "Totals under different weights or of different tasks cannot be compared. Those in the tables stand "
            "next to the published ones of the same weights; the first table has each task's own metric.",
        },
    ]


def end(record: mtl.report.Record, run: str, task: str, metric: str = "loss", split: str = "train", form: str = ".4f") -> str:
    """Return the mean over seeds of what a run logged in its last epoch."""
    values = [*at_end(record, run, task, metric, split).values()]
    return format(mtl.report.statistics.mean(values), form) if values else MISSING


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


def total(record: mtl.report.Record, run: str, split: str) -> str:
    """Return the mean weighted total of a run in its last epoch."""
    return end(record, run, "all", split=split)


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
                "train here": total(record, run, "train"),
                "validation here": total(record, run, "validation"),
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
        own = {task: end(record, run, task, "loss_weight", form=".3f") for task in THREE}
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
                "task": f"{task} {TASKS[task].metric.name}",
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


def as_table(lines: Sequence[Mapping[str, str]], caption: str) -> mtl.report.Table:
    """Return lines as a table of a record."""
    import pandas as pd

    return mtl.report.Table(mtl.report.to_markdown(pd.DataFrame(lines)), caption)


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


STUDY = mtl.Study(
    name="cifar10_reconstruction",
    summary="Ten classes, animal or transport, and reconstruction: what does one small encoder reach on each of them?",
    tasks=TASKS,
    data="cifar10",
    image_shape=(32, 32, 3),
    space=space,
    settings=mtl.search.Settings(
        trials=3,
        epochs=4,
        batch_size=128,
        n_final_seeds=1,
        final_epochs=30,
        baselines=False,
        tuner="bayesian",
        online=("flip_lr", "crop"),
    ),
    quick={"trials": 2, "epochs": 1, "final_epochs": 1, "n_final_seeds": 2, "train_rows": 500},
    configurations=CONFIGURATIONS,
    claims=claims,
    finding=finding,
    plots=plots,
    tables=tables,
)
