"""Several trunks, one for each input, whose features are joined."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from mtl_keras.backbones._backbone import Backbone
from mtl_keras.backbones._backbone import get as get_one
from mtl_keras.errors import MTLError, check_choice, check_input_name, check_mapping, describe, store
from mtl_keras.tables import Column

__all__ = ["JOINS", "Joined", "from_config", "get", "trunk_name"]


def _concatenate(features: list[Any], name: str) -> Any:
    return keras.layers.Concatenate(name=name)(features)


#: How the features `[batch, channels]` of several trunks become one: `(features, name of the last layer) -> features`.
JOINS: dict[str, Callable[[list[Any], str], Any]] = {"concatenate": _concatenate}
#: Name of the layer that joins features.
JOIN = "joined_features"


@dataclass(frozen=True, init=False, repr=False)
class Joined:
    """One trunk for each of several inputs. A frozen, hashable value that has the methods of a `Backbone`.

    Each trunk is a nested model `{input}_trunk` from its input to features `[batch, channels]`, preprocessing included.

    Args:
        trunks: By the name of the input, a `Backbone` or the name of one; at least two.
        join: How their features become one, a name of `JOINS`; default `"concatenate"`.

    Raises:
        MTLError: If there are fewer than two trunks, a name or a trunk is refused, or a trunk has no vector of features.

    Example:
        >>> import mtl_keras as mtl
        >>> mtl.backbones.Joined({"photo": "SmallCNN", "row": mtl.Backbone("MLP", width=16)})
        Joined({'photo': Backbone('SmallCNN'), 'row': Backbone('MLP', width=16)})
    """

    items: tuple[tuple[str, Backbone], ...]
    join: str

    def __init__(self, trunks: Mapping[str, Backbone | str], *, join: str = "concatenate") -> None:
        given = check_mapping("backbone", trunks, example="{'photo': 'SmallCNN', 'row': 'MLP'}")
        if len(given) < 2:
            raise MTLError(
                f"`backbone` of several inputs must have at least two of them. Received: {describe(given)}. Pass the backbone "
                "alone for one input."
            )
        items = tuple((check_input_name(name), get_one(trunk)) for name, trunk in given.items())
        for name, trunk in items:
            if trunk.pooling is None and trunk.returns_map:
                raise MTLError(
                    f"A backbone of several inputs must give a vector of features. Received: pooling=None for input {name!r}. "
                    "Pass pooling='avg', 'max' or 'flatten'."
                )
        store(self, items=items, join=check_choice("join", join, JOINS))

    def __repr__(self) -> str:
        join = "" if self.join == "concatenate" else f", join={self.join!r}"
        return f"Joined({self.trunks!r}{join})"

    @property
    def trunks(self) -> dict[str, Backbone]:
        """The backbone of each input."""
        return dict(self.items)

    @property
    def name(self) -> str:
        """The names of all trunks, for reports."""
        return " + ".join(trunk.name for _, trunk in self.items)

    @property
    def pooling(self) -> str:
        """What a `Backbone` has that gives a vector of features."""
        return "avg"

    @property
    def digest(self) -> dict[str, str] | None:
        """Digests of the weights of the user's own networks, by input; None if there are none."""
        return {name: trunk.digest for name, trunk in self.items if trunk.digest is not None} or None

    @property
    def columns(self) -> dict[str, tuple[Column, ...]]:
        """The columns that trunks take, by input."""
        return {name: trunk.columns for name, trunk in self.items if trunk.columns}

    def resolve(self) -> Joined:
        """Return the same with `"auto"` replaced by the actual values in each trunk."""
        return self._map(lambda trunk: trunk.resolve())

    def without_weights(self) -> Joined:
        """Return the same networks, with random weights."""
        return self._map(lambda trunk: trunk.without_weights())

    def for_columns(self, columns: Any) -> Joined:
        """Return the same with what `data.columns` says of the columns that each trunk takes; others are left as they are."""
        by_input = columns if isinstance(columns, Mapping) else {}
        return Joined({name: trunk.for_columns(by_input.get(name, ())) for name, trunk in self.items}, join=self.join)

    def with_columns(self, columns: Any) -> Joined:
        """Return the same where each `MLP` whose columns are not given takes those of its input, `data.columns`."""
        by_input = columns if isinstance(columns, Mapping) else {}
        return Joined({name: trunk.with_columns(by_input.get(name, ())) for name, trunk in self.items}, join=self.join)

    def config(self) -> dict[str, Any]:
        """Return trunks and join as JSON values."""
        return {"trunks": {name: trunk.config() for name, trunk in self.items}, "join": self.join}

    def check(self, image_shape: Any, *, files: bool = True) -> None:
        """Raise `MTLError` if a trunk is unavailable or does not accept its input.

        Args:
            image_shape: Shape of one input, by its name.
            files: As for `Backbone.check`.
        """
        if not isinstance(image_shape, Mapping) or image_shape.keys() != self.trunks.keys():
            received = f"inputs {', '.join(image_shape)}" if isinstance(image_shape, Mapping) else describe(image_shape)
            raise MTLError(
                f"Backbone and inputs must have the same names. Received: {received} for a backbone of "
                f"{', '.join(self.trunks)}. Pass image_shape=data.image_shape, and a backbone for each input."
            )
        for name, trunk in self.items:
            try:
                trunk.check(image_shape[name], files=files)
            except MTLError as error:
                raise MTLError(f"Input {name!r}: {error}") from error

    def apply(self, inputs: Mapping[str, Any]) -> Any:
        """Build each trunk on its symbolic input, and join the features.

        Args:
            inputs: Keras tensors by name.

        Returns:
            Keras tensor of features `[batch, channels]`.
        """
        features = []
        for name, trunk in self.items:
            own = keras.Input(inputs[name].shape[1:], dtype=inputs[name].dtype, name=name)
            vector = trunk.apply(own)
            if len(vector.shape) != 2:
                raise MTLError(
                    f"A backbone of several inputs must give a vector of features. Received: {list(vector.shape[1:])} for "
                    f"input {name!r}. End the network in pooling."
                )
            # A model of its own, so that layers of two trunks may have the same name.
            nested = keras.Model(own, vector, name=trunk_name(name))
            nested.supports_jit = nested.get_layer("backbone").supports_jit
            features.append(nested(inputs[name]))
        return JOINS[self.join](features, JOIN)

    def networks(self, model: keras.Model) -> dict[str, keras.Model]:
        """Return the nested models in a network that has this backbone, by input; see `Backbone.networks`."""
        return {name: model.get_layer(trunk_name(name)).get_layer("backbone") for name, _ in self.items}

    def _map(self, change: Callable[[Backbone], Backbone]) -> Joined:
        return Joined({name: change(trunk) for name, trunk in self.items}, join=self.join)


def trunk_name(name: str) -> str:
    """Return the name of the nested model from one of several inputs to its features."""
    return f"{name}_trunk"


def get(spec: Any) -> Backbone | Joined:
    """Return the backbone that `spec` describes.

    Args:
        spec: A name, a `Backbone`, a `Joined`, or a mapping of one of the first two for each input. That of a single input is
            the backbone itself.

    Raises:
        MTLError: If a name is unknown, or it is none of them.

    Example:
        >>> get("SmallCNN")
        Backbone('SmallCNN')
        >>> get({"photo": "SmallCNN"})
        Backbone('SmallCNN')
    """
    if isinstance(spec, Joined):
        return spec
    if not isinstance(spec, Mapping):
        return get_one(spec)
    if len(spec) == 1:
        ((name, trunk),) = spec.items()
        check_input_name(name)
        return get_one(trunk)
    return Joined(spec)


def from_config(config: Mapping[str, Any]) -> Backbone | Joined:
    """Create a backbone from the result of its `config`."""
    if "trunks" not in config:
        return Backbone.from_config(config)
    return Joined({name: Backbone.from_config(each) for name, each in config["trunks"].items()}, join=config["join"])
