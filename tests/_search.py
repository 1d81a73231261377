"""A small study whose parts the tests of the search share."""

from __future__ import annotations

from typing import Any

import numpy as np

import mtl_keras as mtl
from mtl_keras.runs import Plan
from mtl_keras.search import Context, Settings, Study, dense_stack, loss_weights

TASKS = mtl.Tasks(mtl.Classification("digit", classes=10), mtl.Binary("parity"))
SHAPE = (8, 8, 1)


def space(hp: Any, context: Context) -> Plan:
    """Has an integer, a conditional float and a float: what each tuner treats in its own way."""
    shared = dense_stack(hp, "shared", depth=(0, 1, 2), width=(4, 8), default_depth=1)
    weights = loss_weights(hp, context, only_if=("shared_depth", [1, 2]))
    rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log", default=1e-2)
    backbone, freeze = context.settings.new_backbone(), context.settings.freeze
    recipe = mtl.Recipe(context.tasks, backbone, context.image_shape, shared, freeze=freeze)
    adam = {"class_name": "Adam", "config": {"learning_rate": rate}}
    return Plan(recipe, (mtl.Phase(epochs=context.settings.epochs, weighting=weights, optimizer=adam),))


def one_rate(hp: Any, context: Context) -> Plan:
    rate = hp.Float("learning_rate", 1e-3, 1e-1, sampling="log")
    recipe = mtl.Recipe(context.tasks, context.settings.new_backbone(), context.image_shape)
    adam = {"class_name": "Adam", "config": {"learning_rate": rate}}
    return Plan(recipe, (mtl.Phase(epochs=context.settings.epochs, optimizer=adam),))


SMALL = Settings(backbone_options={"filters": [2]}, epochs=9)
STUDY = Study("made-up", "A study for tests.", TASKS, "digits", SHAPE, space, SMALL)


def images(n: int = 60) -> mtl.data.Data:
    x = np.random.default_rng(0).integers(0, 256, (n, *SHAPE), np.uint8)
    digit = np.arange(n) % 10
    return mtl.data.from_arrays(TASKS, (x, {"digit": digit, "parity": digit % 2}), validation_fraction=0.5)
