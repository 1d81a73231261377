"""The final figures: the best trial's configuration from several seeds, its single-task baselines, one look at the test data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mtl_keras.comparison import Approach, Figures, run_approaches
from mtl_keras.search._session import Session

__all__ = ["run_finals"]


def run_finals(session: Session, folder: Path, trial: int, values: Mapping[str, Any]) -> Figures:
    """Train what is missing of the final set, look at the test split once, and return all figures.

    Args:
        session: Open session.
        folder: The search's folder. Trainings that lie there already are not repeated, and a trial whose test figures
            are logged is not looked at again.
        trial: Number of the best trial.
        values: Its hyperparameters.
    """
    settings = session.resolved.settings
    plan = session.resolved.plan_of(values)
    if settings.final_epochs is not None:
        plan = replace(plan, phases=tuple(replace(phase, epochs=settings.final_epochs) for phase in plan.phases))
    baselines = ", and its single-task baselines" if settings.baselines else ""
    session.reporter.stage(f"Training the best configuration (trial {trial}) from {settings.n_final_seeds} seeds{baselines}")
    return run_approaches(
        session.trainer,
        folder,
        folder / "finals" / f"trial-{trial:03d}",
        [Approach("multi-task", plan, range(settings.n_final_seeds), lambda _: session.data, baselines=settings.baselines)],
        seed=settings.seed,
        what={"command": "tune", "trial": trial},
    )
