"""Backbones: networks that turn images, rows of a table or other arrays into features.

A `Backbone` is a frozen value that says which network to use and how. `Backbone.apply` builds the network on a Keras tensor.
Resizing and preprocessing are part of the graph, so it takes `[0, 255]` images of any size:

    >>> import keras
    >>> import mtl_keras as mtl
    >>> images = keras.Input((32, 32, 3))
    >>> mtl.Backbone("EfficientNetLite0", image_size=128).apply(images).shape
    (None, 1280)

Every model of `keras.applications` is available under its own name. `EfficientNetLite0` gets its ImageNet weights from a pip
package and needs no further download. `SmallCNN` and `CifarEfficientNetB0` are for small images, `MLP` is for rows of a table,
and a Keras model of your own takes inputs of any shape:

    >>> series = keras.Sequential([keras.Input((None, 3)), keras.layers.LSTM(16)])
    >>> mtl.Backbone(series).apply(keras.Input((50, 3))).shape
    (None, 16)

A model of several inputs has a trunk for each of them, whose features are joined:

    >>> get({"photo": "SmallCNN", "row": "MLP"})
    Joined({'photo': Backbone('SmallCNN'), 'row': Backbone('MLP')})

To add a network, write `_my_net.py` with a subclass of `Family` and add it to `BACKBONES` in `_backbone.py`.
"""

from __future__ import annotations

from mtl_keras.backbones._backbone import BACKBONES, Backbone, names, offline_names
from mtl_keras.backbones._family import Family
from mtl_keras.backbones._joined import JOINS, Joined, from_config, get, trunk_name

__all__ = ["BACKBONES", "JOINS", "Backbone", "Family", "Joined", "from_config", "get", "names", "offline_names", "trunk_name"]
