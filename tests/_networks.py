"""Networks of keras.applications that end after their first blocks: the whole path, built and saved in a moment."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import pytest

from mtl_keras.backbones import BACKBONES, Family


@contextlib.contextmanager
def truncated(name: str, last: str | None) -> Iterator[None]:
    """Let the backbone `name` end after its layer `last` inside a `with` block; None leaves it whole."""
    build = type(BACKBONES[name]).network

    def network(self: Family, *args: Any, **kwargs: Any) -> keras.Model:
        whole = build(self, *args, **kwargs)
        return keras.Model(whole.inputs, whole.get_layer(last).output, name="backbone")

    with pytest.MonkeyPatch.context() as patch:
        if last is not None:
            patch.setattr(type(BACKBONES[name]), "network", network)
        yield
