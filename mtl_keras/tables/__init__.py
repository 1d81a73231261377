"""Tables of your own: reading them, inferring what their columns are, and study files.

No Keras and no TensorFlow: what leaves TensorFlow is not made of it.
"""

from __future__ import annotations

from mtl_keras.tables._bytes import format_of
from mtl_keras.tables._files import IMAGE_SUFFIXES
from mtl_keras.tables._infer import Inference, InferredColumn, infer_columns
from mtl_keras.tables._read import Table, read_table

__all__ = ["IMAGE_SUFFIXES", "Inference", "InferredColumn", "Table", "format_of", "infer_columns", "read_table"]
