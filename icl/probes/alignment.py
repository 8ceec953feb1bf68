"""Measures of how far learning moves a network; it is lazy if weights, states and kernel stay.

All functions take arrays and are jittable and vmappable. Alignments and ratios do not depend on the
scale of their arguments, from 1e-30 to 1e30. For hidden states or kernels that are all zero they
are 0 / 0, which is NaN; probes mask it (`unless_zero`).

Kernels and Gram matrices must be symmetric: ValueError. In a compiled function only their shape can
be checked.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from icl.models.scales import norm, scale_of
from icl.types import Masked

# Largest |K - K^T| / |K| by entries that rounding may leave.
ASYMMETRY = 1e-3

Gram = Float[Array, "n n"]
Hidden = Float[Array, "trial unit"]
Scalar = Float[Array, ""]


def weight_change_norm(weights: PyTree, initial: PyTree) -> Scalar:
    """Frobenius norm |W - W(0)| over all given weights; small: lazy (Liu et al. 2023)."""
    changes = jax.tree.leaves(jax.tree.map(jnp.subtract, weights, initial))
    return norm(jnp.concatenate([change.ravel() for change in changes]))


def sign_similarity(
    hidden: Float[Array, "*shape"], initial: Float[Array, "*shape"]
) -> Float[Array, ""]:
    """Share of unchanged signs, mean[sign h = sign h(0)] (the code of Liu et al. 2023).

    For ReLU units, the share that are still on or still off, because the sign of 0 is 0.
    """
    return jnp.mean(jnp.sign(hidden) == jnp.sign(initial), dtype=jnp.float32)


def representation_gram(hidden: Hidden) -> Float[Array, "trial trial"]:
    """Similarity of trials in uncentred hidden states, R = H H^T (Liu et al. 2023)."""
    return jnp.matmul(hidden, hidden.T, precision="highest")


def representation_alignment(hidden: Hidden, initial: Float[Array, "trial other"]) -> Scalar:
    """RA = <R, R(0)> / (|R| |R(0)|) of `representation_gram`; 1: lazy (Liu et al. 2023).

    Both arguments hold the same trials in the same order. A rotation of the units does not
    change RA.
    """
    return _cosine(_scale_free_gram(hidden), _scale_free_gram(initial))


def representation_rank(hidden: Hidden) -> Scalar:
    """`participation_ratio` of R."""
    return participation_ratio(_scale_free_gram(hidden))


def kernel_alignment(kernels: PyTree[Gram], initial: PyTree[Gram]) -> PyTree[Scalar]:
    """KA = <K, K(0)> / (|K| |K(0)|), Frobenius; 1: lazy (Liu et al. 2023).

    The alignment of Cristianini et al. 2001 between tangent kernels after and before learning. It
    is in [0, 1] for positive semi-definite matrices. A tree of kernels, such as those of each layer
    (`icl.probes.tangent_kernel.layer_kernels`), gives a tree of alignments.
    """
    for kernel in jax.tree.leaves((kernels, initial)):
        _check_symmetric(kernel)
    return jax.tree.map(_cosine, kernels, initial)


def kernel_target_alignment(kernel: Gram, targets: Float[Array, "n *dim"]) -> Scalar:
    """Share of the kernel along the targets, y^T K y / (|y|^2 tr K), in [0, 1].

    After Cristianini et al. 2001, with the trace in place of the norm: 1 if K is y y^T, and 1 / n
    if K prefers no direction. For multi-dimensional targets, tr(Y^T K Y) / (|Y|^2 tr K).
    """
    _check_symmetric(kernel)
    if len(targets) != len(kernel):
        raise ValueError(f"{len(targets)} targets of {len(kernel)} outputs")
    kernel, targets = _scaled(kernel), _scaled(targets).reshape(len(kernel), -1)
    along = jnp.vdot(targets, jnp.matmul(kernel, targets, precision="highest"))
    return along / (jnp.sum(targets**2) * jnp.trace(kernel))


def participation_ratio(gram: Gram) -> Scalar:
    """(sum of eigenvalues)^2 / sum of their squares = (tr K)^2 / |K|^2, from 1 to n.

    For a positive semi-definite K (Gao et al. 2017, who take the covariance of activity). It is
    another rank than `effective_rank` of weight matrices, `icl.probes.weight_statistics`.
    """
    _check_symmetric(gram)
    gram = _scaled(gram)
    return jnp.trace(gram) ** 2 / jnp.sum(gram**2)


def unless_zero(measure: Callable[..., Scalar], *arrays: Float[Array, "..."]) -> Masked:
    """`measure(*arrays)`, which is undefined where one of the arrays is all zeros."""
    is_something = [jnp.any(array != 0) for array in arrays]
    safe = [jnp.where(some, array, 1) for some, array in zip(is_something, arrays, strict=True)]
    return Masked(measure(*safe), jnp.all(jnp.stack(is_something)))


def _scale_free_gram(hidden: Hidden) -> Gram:
    """R up to a factor, of hidden states at any scale."""
    return representation_gram(hidden / scale_of(hidden))


def _check_symmetric(kernel: Float[Array, "..."]) -> None:
    """Raise ValueError for a matrix that is no kernel."""
    if kernel.ndim != 2 or kernel.shape[0] != kernel.shape[1]:
        raise ValueError(f"kernel of shape {kernel.shape}; allowed: a symmetric matrix")
    if isinstance(kernel, jax.core.Tracer):
        return
    values = np.asarray(kernel)
    difference, largest = np.abs(values - values.T).max(), np.abs(values).max()
    if difference > ASYMMETRY * largest:
        raise ValueError(
            f"kernel: differs from its transpose by up to {difference:.3g}; allowed: a symmetric "
            "matrix, such as H H^T of hidden states H"
        )


def _cosine(a: Gram, b: Gram) -> Scalar:
    a, b = _scaled(a), _scaled(b)
    return jnp.vdot(a, b, precision="highest") / (jnp.linalg.norm(a) * jnp.linalg.norm(b))


def _scaled(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Scale entries to at most 1, so that squares neither overflow float32 nor vanish."""
    return x / jnp.max(jnp.abs(x))
