"""JAX's settings while a program is made and while it computes: the same for every user.

A user may change them through environment variables or `jax.config`, for code of their own.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import jax


@contextmanager
def own_settings() -> Iterator[None]:
    """Compute with the settings that change a run's bits as they must be, in this thread.

    Products of float32 are products of float32: by default GPUs round their factors to TF32 and
    TPUs to bfloat16. Products of bfloat16 stay as they are.
    """
    with ExitStack() as stack:
        for setting in (
            jax.enable_x64(False),
            jax.default_matmul_precision("highest"),
            jax.default_prng_impl("threefry2x32"),
            jax.threefry_partitionable(True),
            jax.softmax_custom_jvp(False),
            jax.numpy_dtype_promotion("standard"),
            jax.numpy_rank_promotion("allow"),
        ):
            stack.enter_context(setting)
        yield


class WithOwnSettings:
    """A jitted function that is traced and called under `own_settings`."""

    def __init__(self, function: Any):
        self._function = function

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        with own_settings():
            return self._function(*arguments, **options)

    def eval_shape(self, *arguments: Any, **options: Any) -> Any:
        """Shapes and types of the results, see `jax.jit`."""
        with own_settings():
            return self._function.eval_shape(*arguments, **options)

    def lower(self, *arguments: Any, **options: Any) -> Any:
        """Lower the function, see `jax.jit`."""
        with own_settings():
            return self._function.lower(*arguments, **options)
