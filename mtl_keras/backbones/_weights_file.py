"""A file with the weights of a backbone."""

from __future__ import annotations

import warnings
from pathlib import Path

import keras

from mtl_keras.errors import MTLError

__all__ = ["check_file", "load_file"]


def check_file(path: str) -> None:
    """Refuse a path that is not an existing `.weights.h5` file."""
    if not path.endswith(".weights.h5") or not Path(path).is_file():
        raise MTLError(
            f"`weights` must be 'auto', 'imagenet', None or an existing .weights.h5 file. Received: weights={path!r}. "
            "Write such a file with model.get_layer('backbone').save_weights(path)."
        )


def load_file(network: keras.Model, path: str, name: str) -> None:
    """Load the weights of the backbone `name` from a file, all of them or none.

    Raises:
        MTLError: If the file is not of the same network.
    """
    try:
        # Keras only warns about layers without weights in the file.
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)
            network.load_weights(path)
    except (ValueError, OSError, KeyError, UserWarning) as error:
        reason = " ".join(str(error).split())[:200]
        raise MTLError(
            f"`weights` must be a file of the same network. Received: {path!r} for {name}: {reason} "
            f"Pass a file that was written from a {name} with the same options."
        ) from error
