"""Losses and metrics of Keras as plain values: by name, or by class and configuration.

Only what Keras itself has, or what was registered with `keras.saving.register_keras_serializable`, is created from a value: a
received file names no other code.
"""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import keras

from mtl_keras.errors import MTLError, describe
from mtl_keras.tasks._options import Frozen, freeze, thaw

__all__ = ["create", "to_value"]


def to_value(what: str, given: Any, module: ModuleType, kind: type, of: str) -> str | Frozen:
    """Return a loss or metric as a value from which `create` makes it: a function by its name, an object by its config.

    Args:
        what: `"loss"` or `"metric"`, for messages.
        given: A name, a configuration, or what Keras calls a loss or a metric itself.
        module: `keras.losses` or `keras.metrics`.
        kind: Base class of such objects.
        of: What it belongs to, for messages.

    Raises:
        MTLError: If Keras does not know it, or it cannot be stored.
    """
    remedy = f"Pass e.g. {'huber' if what == 'loss' else 'mae'!r}, or an object of keras.{module.__name__.split('.')[-1]}"
    try:
        found = create(given, module) if isinstance(given, str | Mapping) else given
    except Exception as error:  # noqa: BLE001  # whatever Keras raises
        said = " ".join(str(error).split())[:200].rstrip(".")
        raise _refuse(what, of, f"{describe(given)}: {said}", remedy) from None
    if isinstance(found, kind):
        return _describe_object(what, found, module, of, remedy)
    if not inspect.isfunction(found):
        raise _refuse(what, of, describe(given), remedy)
    name = _name_of(found, module)
    if name is None:
        raise _refuse(what, of, describe(given), "Register it with @keras.saving.register_keras_serializable()")
    return name


def create(value: str | Mapping[str, Any], module: ModuleType) -> Any:
    """Return a new object, or the function, that a value stands for."""
    return _create(freeze(value), module) if isinstance(value, str) else _create_object(freeze(value), module)


@functools.lru_cache(maxsize=256)
def _create(name: str, module: ModuleType) -> Any:
    registered = keras.saving.get_registered_object(name)
    found = module.get(name) if registered is None else registered
    return found() if inspect.isclass(found) else found


def _create_object(value: Frozen, module: ModuleType) -> Any:
    name, config = str(value.get("class_name")), thaw(value.get("config") or {})
    found = keras.saving.get_registered_object(name) or getattr(module, name, None)
    if not inspect.isclass(found):
        raise ValueError(f"{name!r} is no class that Keras knows")
    # A wrapper would create the function that its configuration names, from any module.
    if "fn" in config:
        raise ValueError("a wrapped function cannot be stored")
    kind: Any = found
    return kind.from_config(config)


def _describe_object(what: str, found: Any, module: ModuleType, of: str, remedy: str) -> Frozen:
    """Return class and configuration of an object, after checking that they give it back."""
    name = _name_of(type(found), module)
    if name is None:
        raise _refuse(what, of, describe(found), "Register its class with @keras.saving.register_keras_serializable()")
    try:
        # Keras leaves the delta of Huber's loss out of its configuration.
        config = {**getattr(found, "_fn_kwargs", {}), **found.get_config()}
        value = freeze(json.loads(json.dumps({"class_name": name, "config": config})))
        _create_object(value, module)
    except Exception as error:  # noqa: BLE001  # whatever Keras raises
        said = " ".join(str(error).split())[:200].rstrip(".")
        raise _refuse(what, of, f"{type(found).__name__} with a configuration that gives none back: {said}", remedy) from None
    return value


def _name_of(found: Callable[..., Any], module: ModuleType) -> str | None:
    """Return the name by which `create` finds a class or function; None if it does not."""
    name = found.__name__
    if getattr(module, name, None) is found:
        return name
    registered = keras.saving.get_registered_name(found)
    return registered if keras.saving.get_registered_object(registered) is found else None


def _refuse(what: str, of: str, received: str, remedy: str) -> MTLError:
    return MTLError(f"The {what} of {of} must be one that Keras knows. Received: {received}. {remedy}.")
