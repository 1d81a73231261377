"""Trunks: images in, features out.

A `Backbone` is a frozen value that says which network to use and how. `Backbone.apply` builds it on a Keras tensor, with
resizing and preprocessing inside the graph, so that `[0, 255]` images of any size can go in:

    >>> import keras
    >>> import mtl_keras as mtl
    >>> images = keras.Input((32, 32, 3))
    >>> mtl.Backbone("EfficientNetLite0", image_size=128).apply(images).shape
    (None, 1280)

Every model of `keras.applications` goes by its own name; `EfficientNetLite0` brings its ImageNet weights from pip and
needs no further download; `SmallCNN` and `CifarEfficientNetB0` are for small images.

To add a network, write `_my_net.py` with a subclass of `Family` and add it to `BACKBONES` in `_backbone.py`.
"""

from __future__ import annotations

from mtl_keras.backbones._backbone import BACKBONES, Backbone, names, offline_names

__all__ = ["BACKBONES", "Backbone", "names", "offline_names"]
