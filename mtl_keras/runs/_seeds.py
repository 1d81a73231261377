"""All seeds of a study are derived from the study's own seed."""

from __future__ import annotations

import random

import numpy as np

__all__ = ["FINAL", "ORACLE", "TRUNK", "derived_seed", "seed_layers"]

#: Second number of the seeds of final trainings, in place of a trial's number.
FINAL = 10**6
#: Second number of the seeds of frozen trunks with random weights.
TRUNK = 2 * 10**6
#: Second number of the seeds of keras-tuner's oracles.
ORACLE = 3 * 10**6


def derived_seed(*numbers: int) -> int:
    """Return a seed in `[0, 2^31)` derived from numbers such as the study's seed, the trial and the repetition.

    Example:
        >>> derived_seed(0, 1, 0)
        1982462498
    """
    return int(np.random.SeedSequence(numbers).generate_state(1)[0] >> 1)


def seed_layers(seed: int) -> None:
    """Set the seeds from which layers draw their initial weights and the seeds of their dropout.

    `keras.utils.set_random_seed` also seeds TensorFlow's stateful operations, which no Keras layer uses. TensorFlow would then
    prepare every traced function again, which takes seconds for a deep network.
    """
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002  # A user's own layers may draw from it.
