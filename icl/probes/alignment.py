"""How far learning has moved a network: lazy where weights, representations and kernel stay.

All are of arrays alone, jittable and vmappable. Where a measure is 0 / 0, as of hidden states or
kernels of zeros alone, it is NaN.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PyTree

Gram = Float[Array, "n n"]
Hidden = Float[Array, "trial unit"]
Scalar = Float[Array, ""]


def weight_change_norm(weights: PyTree, initial: PyTree) -> Scalar:
    """|W - W(0)|, Frobenius, over all the weights given; small: lazy (Liu et al. 2023)."""
    changes = jax.tree.leaves(jax.tree.map(jnp.subtract, weights, initial))
    return jnp.linalg.norm(jnp.concatenate([change.ravel() for change in changes]))


def sign_similarity(
    hidden: Float[Array, "*shape"], initial: Float[Array, "*shape"]
) -> Float[Array, ""]:
    """mean[sign h = sign h(0)]: activation patterns that stay (the code of Liu et al. 2023).

    Of ReLU units the share that are still on or still off, as the sign of 0 is 0.
    """
    return jnp.mean(jnp.sign(hidden) == jnp.sign(initial), dtype=jnp.float32)


def representation_gram(hidden: Hidden) -> Float[Array, "trial trial"]:
    """R = H H^T: how alike trials are in hidden states, which are not centred (Liu et al. 2023)."""
    return jnp.matmul(hidden, hidden.T, precision="highest")


def representation_alignment(hidden: Hidden, initial: Float[Array, "trial other"]) -> Scalar:
    """RA = <R, R(0)> / (|R| |R(0)|) of `representation_gram`; 1: lazy (Liu et al. 2023).

    Of the same trials in the same order; not changed by a rotation of the units.
    """
    return _cosine(representation_gram(hidden), representation_gram(initial))


def kernel_alignment(kernels: PyTree[Gram], initial: PyTree[Gram]) -> PyTree[Scalar]:
    """KA = <K, K(0)> / (|K| |K(0)|), Frobenius; 1: lazy (Liu et al. 2023).

    The alignment of Cristianini et al. 2001, of tangent kernels after and before learning; of two
    positive semi-definite matrices it is in [0, 1]. Of a tree of kernels, as those of each layer
    (`icl.probes.tangent_kernel.layer_kernels`), a tree of alignments.
    """
    return jax.tree.map(_cosine, kernels, initial)


def kernel_target_alignment(kernel: Gram, targets: Float[Array, "n *dim"]) -> Scalar:
    """y^T K y / (|y|^2 tr K): how much of the kernel is along the targets, in [0, 1].

    After Cristianini et al. 2001, with the trace in place of the norm: 1 where K is y y^T, and
    1 / n where K knows no direction. Of targets of several dimensions, tr(Y^T K Y) / (|Y|^2 tr K).
    """
    if len(targets) != len(kernel):
        raise ValueError(f"{len(targets)} targets of {len(kernel)} outputs")
    kernel, targets = _scaled(kernel), _scaled(targets).reshape(len(kernel), -1)
    along = jnp.vdot(targets, jnp.matmul(kernel, targets, precision="highest"))
    return along / (jnp.sum(targets**2) * jnp.trace(kernel))


def participation_ratio(gram: Gram) -> Scalar:
    """(sum of eigenvalues)^2 / sum of their squares = (tr K)^2 / |K|^2, from 1 to n.

    An effective rank (Gao et al. 2017, there of the covariance of activity) that needs no
    eigenvalue.
    """
    gram = _scaled(gram)
    return jnp.trace(gram) ** 2 / jnp.sum(gram**2)


def _cosine(a: Gram, b: Gram) -> Scalar:
    a, b = _scaled(a), _scaled(b)
    return jnp.vdot(a, b, precision="highest") / (jnp.linalg.norm(a) * jnp.linalg.norm(b))


def _scaled(x: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """To entries of at most 1, whose squares neither overflow float32 nor vanish."""
    return x / jnp.max(jnp.abs(x))
