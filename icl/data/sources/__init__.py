"""Sources of exemplars: each loads, draws or computes the exemplars of its classes."""

from icl.data.sources.load import load_exemplars
from icl.data.sources.on_device import put_on_device

__all__ = ["load_exemplars", "put_on_device"]
