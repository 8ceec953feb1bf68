"""A simulator of how in-context and in-weights learning emerge while a network trains.

    import icl
    run = icl.train("quickstart", {"data.p_bursty": 0.5})
    run.plot()

`train` and `sweep` train, `load` opens what is on the disk, `describe` shows a config before
training, and `register` adds parts of your own. Importing this package is light: a name is loaded
when it is first used, and JAX when a network is first needed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from icl import register as register
    from icl.config.find import config_names
    from icl.config.yaml import load_config
    from icl.errors import Interrupted, UserError
    from icl.interface.description import Description, describe
    from icl.interface.run import Run
    from icl.interface.sweep import Sweep, sweep
    from icl.interface.train import load, train
    from icl.runs.options import Options
    from icl.types import Batch

__version__ = "0.1.0"

__all__ = [
    "Batch",
    "Description",
    "Interrupted",
    "Options",
    "Run",
    "Sweep",
    "UserError",
    "config_names",
    "describe",
    "load",
    "load_config",
    "sweep",
    "train",
]

_MODULES = {
    "Batch": "icl.types",
    "Description": "icl.interface.description",
    "Interrupted": "icl.errors",
    "Options": "icl.runs.options",
    "Run": "icl.interface.run",
    "Sweep": "icl.interface.sweep",
    "UserError": "icl.errors",
    "config_names": "icl.config.find",
    "describe": "icl.interface.description",
    "load": "icl.interface.train",
    "load_config": "icl.config.yaml",
    "sweep": "icl.interface.sweep",
    "train": "icl.interface.train",
}


def __getattr__(name: str) -> Any:
    if name == "register":  # a module, `icl.register.probe` and so on
        return import_module("icl.register")
    if name not in _MODULES:
        raise AttributeError(f"module 'icl' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "register"})
