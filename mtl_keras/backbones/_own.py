"""A network of the user's own as a backbone, for inputs of any shape: time series, embeddings, token ids, images."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from mtl_keras.backbones._family import Family
from mtl_keras.errors import MTLError, check_mapping, check_text, describe

__all__ = ["OWN", "Own", "describe_network", "read_network"]

#: Name of the family, which stands for no network alone.
OWN = "own"
#: `weights` of a backbone that starts from those that the network had.
GIVEN = "own"
KEYS = ("config", "dtype", "input_shape", "output_shape")


class Own(Family):
    """A Keras model that the user has built.

    Options:
        network: Its configuration, with the shapes of input and output.
        digest: A digest of the weights that it had.
    """

    name = OWN
    rank = None
    channels = None
    options: Mapping[str, Any] = {"network": None, "digest": None}

    def read_option(self, name: str, value: Any) -> Any:
        # A text can be hashed.
        return json.dumps(value, sort_keys=True) if name == "network" and isinstance(value, Mapping) else value

    def option_config(self, name: str, value: Any) -> Any:
        return json.loads(value) if name == "network" else value

    def check_options(self, options: Mapping[str, Any]) -> None:
        for name in self.options:
            check_text(name, options[name], of="an own network")
        network = check_mapping("network", describe_network(options), of="an own network")
        if sorted(network) != [*KEYS]:
            raise MTLError(
                f"`network` of an own network must have {', '.join(KEYS)}. Received: {', '.join(network)}. Pass a Keras model: "
                "mtl.Backbone(network)."
            )

    def check(self, shape: tuple[int, ...], weights: str | None, options: Mapping[str, Any]) -> None:
        expected = describe_network(options)["input_shape"]
        if len(shape) != len(expected) or any(own not in (None, side) for own, side in zip(expected, shape, strict=True)):
            raise MTLError(
                f"Inputs must have the shape that the network takes, {expected}. Received: {[*shape]}. Build the network with "
                f"keras.Input({shape}), or pass other inputs."
            )

    def returns_map(self, options: Mapping[str, Any]) -> bool:
        return len(describe_network(options)["output_shape"]) == 3

    def input_dtype(self, options: Mapping[str, Any]) -> str:
        return str(describe_network(options)["dtype"])

    def network(
        self, shape: tuple[int, ...], weights: str | None, options: Mapping[str, Any], *, preprocessing: bool
    ) -> keras.Model:
        return _rebuild(describe_network(options)["config"])


def describe_network(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return configuration, type of the inputs, and shapes of input and output without the axis of rows."""
    found: dict[str, Any] = json.loads(options["network"])
    return found


def read_network(network: keras.Model) -> tuple[dict[str, Any], tuple[np.ndarray, ...]]:
    """Return the options that stand for a Keras model, and a copy of its weights.

    Raises:
        MTLError: If it is not a built functional or sequential model with one input and one output of features, or has layers
            that Keras does not load in safe mode.
    """
    _check(network)
    # Sequential models as well: the result is functional, with the layers in one list.
    functional = keras.Model(network.inputs, network.outputs[0])
    config = keras.saving.serialize_keras_object(functional)
    # The names that Keras gives models differ from process to process.
    config["config"]["name"] = "backbone"
    try:
        weights = tuple(np.array(weight) for weight in functional.get_weights())
        again = _rebuild(json.loads(json.dumps(config)))
        if [weight.shape for weight in again.get_weights()] != [weight.shape for weight in weights]:
            raise ValueError("its layers come back with other weights")
    # Whatever a layer that cannot be written or read raises, the remedy is the same.
    except Exception as error:
        raise MTLError(
            f"A network must be made of layers that Keras loads in safe mode. Received: {network.name!r}: "
            f"{' '.join(str(error).split())[:200]} Use built-in layers, no Lambda, or register your classes with "
            "keras.saving.register_keras_serializable."
        ) from error
    described = {
        "config": config,
        "dtype": str(keras.backend.standardize_dtype(network.inputs[0].dtype)),
        "input_shape": [*network.inputs[0].shape[1:]],
        "output_shape": [*network.outputs[0].shape[1:]],
    }
    return {"network": described, "digest": _digest(weights)}, weights


def _check(network: keras.Model) -> None:
    """Refuse a network that has no single input and output of features."""
    if not network.built or not (isinstance(network, keras.Sequential) or hasattr(network, "operations")):
        raise MTLError(
            f"A network must be a built keras.Sequential or functional keras.Model. Received: {describe(network)}. Create it "
            "with keras.Model(inputs, outputs), or begin the layers with keras.Input."
        )
    if len(network.inputs) != 1 or len(network.outputs) != 1:
        raise MTLError(
            f"A network must have one input and one output. Received: {len(network.inputs)} inputs and {len(network.outputs)} "
            "outputs. Cut it with keras.Model(inputs, features)."
        )
    shape = [*network.outputs[0].shape[1:]]
    if len(shape) not in (1, 3) or shape[-1] is None:
        raise MTLError(
            f"A network must return features [batch, n] or a map [batch, height, width, channels]. Received: output "
            f"{['batch', *shape]}. End it e.g. in GlobalAveragePooling1D or Flatten."
        )


def _rebuild(config: Mapping[str, Any]) -> keras.Model:
    """Return a network of a configuration, with new weights; no code runs that it holds."""
    network: keras.Model = keras.saving.deserialize_keras_object(dict(config), safe_mode=True)
    return network


def _digest(weights: Sequence[np.ndarray]) -> str:
    """Return a digest of arrays."""
    digest = hashlib.blake2b(digest_size=16)
    for weight in weights:
        digest.update(f"{weight.dtype} {weight.shape}".encode())
        digest.update(np.ascontiguousarray(weight).data if weight.size else b"")
    return digest.hexdigest()
