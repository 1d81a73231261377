"""Every seed of a study follows from its own: one function, and the streams that it is asked for."""

from __future__ import annotations

import random

import numpy as np

__all__ = ["FINAL", "ORACLE", "TRUNK", "derived_seed", "seed_draws"]

#: Stand where a trial's number stands in its seed, far above any trial.
FINAL, TRUNK, ORACLE = 10**6, 2 * 10**6, 3 * 10**6


def derived_seed(*numbers: int) -> int:
    """Return a seed in `[0, 2^31)` that follows from numbers such as study seed, trial and execution."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0] >> 1)


def seed_draws(seed: int) -> None:
    """Seed what layers draw their initial weights and the seeds of their dropout from.

    `keras.utils.set_random_seed` seeds TensorFlow's stateful operations as well, which no layer of Keras uses. TensorFlow would
    then prepare every function anew that it has traced, which takes seconds for a deep network.
    """
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  # Layers of the user's may draw from it.
