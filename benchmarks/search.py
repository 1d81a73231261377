"""Compare a search over a frozen pretrained backbone with a plain KerasTuner script.

    python -m benchmarks.search DATA_DIR

Both sides use the same backbone, space, trials, epochs, seeds and oracle: 6 trials of 5 epochs on 5,000 CIFAR-100 images
at 96 px with EfficientNet-Lite0. The search starts with an empty feature cache, so that its time includes extraction. The
extrapolation to 40 trials of 10 epochs on 50,000 images is computed from these measurements and labeled as such.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import keras
import keras_tuner as kt

import mtl_keras as mtl
from benchmarks._measure import report
from mtl_keras import weighting

TRIALS, EPOCHS = 6, 5
CHANGES: dict[str, Any] = {
    "trials": TRIALS,
    "epochs": EPOCHS,
    "image_size": 96,
    "train_rows": 5_000,
    "batch_size": 128,
    "tuner": "random",
}


def ours(prepared: mtl.search.Prepared, folder: Path) -> tuple[float, list[dict[str, Any]]]:
    """Run our trials; return seconds and the log."""
    began = time.perf_counter()
    rows = mtl.search.run_trials(prepared, folder)
    return time.perf_counter() - began, rows


def plain(resolved: mtl.search.Resolved, data: mtl.data.Data, folder: Path) -> tuple[float, list[float], list[dict[str, Any]]]:
    """Run the same search the plain way; return seconds, and scores and hyperparameters of the trials."""
    study, settings, tasks = resolved.study, resolved.settings, data.tasks
    assert study.space is not None
    space = study.space

    def build(hp: kt.HyperParameters) -> keras.Model:
        plan = space(hp, resolved.context)
        phase = plan.phases[0]
        model = mtl.build_model(plan.recipe).plain()
        weights = weighting.get(phase.weighting).state(tuple(tasks))["weights"]
        model.compile(
            phase.new_optimizer(-(-len(data.train) // phase.batch_size) * phase.epochs),
            loss=dict.fromkeys(tasks, "sparse_categorical_crossentropy"),
            loss_weights=dict(zip(tasks, map(float, weights), strict=True)),
            metrics={name: ["accuracy"] for name in tasks},
            jit_compile=False,
        )
        return model

    class MeanAccuracy(keras.callbacks.Callback):
        def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
            assert logs is not None
            logs["val_mean_accuracy"] = sum(logs[f"val_{name}_accuracy"] for name in tasks) / len(tasks)

    began = time.perf_counter()
    tuner = kt.RandomSearch(
        build,
        objective=kt.Objective("val_mean_accuracy", "max"),
        max_trials=settings.trials,
        seed=mtl.search.oracle_seed(settings.seed),
        directory=folder,
        project_name="plain",
    )
    tuner.search(
        data.train.x,
        dict(data.train.y),
        validation_data=(data.validation.x, dict(data.validation.y)),
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        callbacks=[MeanAccuracy()],
        verbose=0,
    )
    seconds = time.perf_counter() - began
    trials = sorted(tuner.oracle.trials.values(), key=lambda trial: int(trial.trial_id))
    return seconds, [trial.score for trial in trials], [active_values(trial.hyperparameters) for trial in trials]


def active_values(hp: kt.HyperParameters) -> dict[str, Any]:
    """Return the values of the hyperparameters whose conditions hold."""
    return {parameter.name: hp.values[parameter.name] for parameter in hp.space if hp.is_active(parameter)}


def main() -> None:
    """Run the benchmark and print its figures."""
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        options = mtl.runs.Options(sys.argv[1], place / "ours", place / "cache", strategy="none")
        prepared = mtl.search.prepare(mtl.load_study("cifar100"), "tune", CHANGES, options)
        mine, rows = ours(prepared, place / "ours")
        theirs, scores, proposed = plain(prepared.resolved, prepared.data, place)
    if proposed != [row["hyperparameters"] for row in rows]:
        raise SystemExit(f"Both sides must try the same trials. Received: {proposed} and {rows}.")
    tasks = list(prepared.data.tasks)
    reached = [sum(row["values"][f"{name}_accuracy"] for name in tasks) / len(tasks) for row in rows]
    heads = sum(row["training_seconds"] for row in rows)
    outside = [row["seconds"] - row["training_seconds"] for row in rows]
    extraction = mine - sum(row["seconds"] for row in rows[1:]) - rows[0]["training_seconds"] - outside[-1]
    scale = 10.0 * (40 * 10) / (TRIALS * EPOCHS)
    report(
        "search",
        {
            "ours, s": mine,
            "plain KerasTuner, s": theirs,
            "ratio": theirs / mine,
            "of ours: features, s": extraction,
            "of ours: training heads, s": heads,
            "outside training, a trial": outside[1:],
            "best mean validation accuracy, ours": max(reached),
            "best mean validation accuracy, plain": max(scores),
            "mean validation accuracy by trial, ours": ", ".join(f"{value:.3f}" for value in reached),
            "mean validation accuracy by trial, plain": ", ".join(f"{value:.3f}" for value in scores),
            "EXTRAPOLATED to 40 trials x 10 epochs x 50,000 images: ours, s": extraction * 10 + heads * scale,
            "EXTRAPOLATED: plain, s": theirs * scale,
            "EXTRAPOLATED: ratio": theirs * scale / (extraction * 10 + heads * scale),
        },
        "at least 8",
    )


if __name__ == "__main__":
    main()
