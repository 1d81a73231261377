"""The final trainings of a search: the best configuration from several seeds, with baselines and one test evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mtl_keras.comparison import Approach, Results, run_approaches
from mtl_keras.search._prepare import Prepared

__all__ = ["run_finals"]


def run_finals(prepared: Prepared, folder: Path, trial: int, values: Mapping[str, Any]) -> Results:
    """Train what is missing of the final trainings, evaluate the test split once, and return all results.

    Args:
        prepared: Study, data and trainer.
        folder: Folder of the search. Trainings that are finished there are not repeated, and neither is a logged test
            evaluation of the same trial.
        trial: Number of the best trial.
        values: Its hyperparameters.
    """
    resolved, trainer = prepared.resolved, prepared.trainer
    settings = resolved.settings
    plan = resolved.plan_of(values)
    if settings.final_epochs is not None:
        plan = replace(plan, phases=tuple(replace(phase, epochs=settings.final_epochs) for phase in plan.phases))
    baselines = ", and its single-task baselines" if settings.baselines else ""
    seeds_of = f"{settings.n_final_seeds} seed{'s' * (settings.n_final_seeds > 1)}"
    trainer.reporter.on_stage(f"Training the best configuration (trial {trial}) from {seeds_of}{baselines}")
    seeds = range(settings.n_final_seeds)
    return run_approaches(
        trainer,
        folder,
        folder / "finals" / f"trial-{trial:03d}",
        [Approach("multi-task", plan, seeds, lambda _: prepared.data, baselines=settings.baselines)],
        seed=settings.seed,
        what={"command": "tune", "trial": trial},
    )
