"""A simulator of how in-context and in-weights learning emerge while a network trains.

Importing this package is light: no JAX is loaded until a module that needs it is imported.
"""

__version__ = "0.1.0"
