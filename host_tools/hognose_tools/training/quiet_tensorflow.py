# SPDX-License-Identifier: MIT
"""TensorFlow, loaded only when it is needed and without its greetings."""

import os
from types import ModuleType

from ..errors import UserError


def tensorflow() -> ModuleType:
    """The module `tensorflow`; UserError where it is not installed."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault(
        "CUDA_VISIBLE_DEVICES", "-1"
    )  # these networks are small: a GPU costs more than it saves
    # Its kernels round differently from one processor to the next; a seed shall mean one result.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    try:
        import tensorflow
    except ImportError as e:
        raise UserError(f"TensorFlow is needed for this: pip install 'hognose[train]' ({e})") from e
    tensorflow.get_logger().setLevel("ERROR")
    return tensorflow
