"""Sweeps that were never run: learning curves by formula, with noise."""

import json
from typing import Any

import numpy as np
import xarray

CONDITIONS = ["fewshot_holdout", "fewshot_train", "no_support"]
KNOBS: dict[str, list[Any]] = {
    "data.p_bursty": [0.0, 0.2, 0.4, 0.6, 0.8, 1.0],
    "data.zipf_exponent": [0.0, 0.5, 1.0, 1.5, 2.0],
}


def make_sweep(
    knobs: dict[str, list[Any]] | None = None,
    num_seeds: int = 3,
    num_steps: int = 20,
    claims: list[dict[str, Any]] | None = None,
    noise: float = 0.02,
) -> xarray.Dataset:
    """In-context accuracy rises with the first knob's place and then decays; in-weights accuracy
    rises with the second's, or as the first's falls.
    """
    knobs = KNOBS if knobs is None else knobs
    rng = np.random.default_rng(0)
    sizes = [len(values) for values in knobs.values()]
    dims = (*knobs, "seed", "condition", "step")
    shape = (*sizes, num_seeds, len(CONDITIONS), num_steps)
    steps = 500 * np.arange(1, num_steps + 1)
    first, second = _places(sizes)
    rise = 1 / (1 + np.exp(-(steps - 3000) / 600))
    fade = 1 - 0.4 * np.clip((steps - 5000) / 5000, 0, 1)
    in_context = 0.5 + 0.48 * first[..., None] * rise * fade
    in_weights = 0.02 + 0.9 * second[..., None] * rise
    curves = np.stack([in_context, np.clip(in_context + 0.02, 0, 1), in_weights], axis=-2)
    values = curves[..., None, :, :] + noise * rng.standard_normal(shape)
    accuracy = xarray.DataArray(np.clip(values, 0, 1), dims=dims)
    chance = np.broadcast_to(np.array([0.5, 0.5, 0.0])[:, None], shape)
    run_dims, train_dims = dims[:-2], (*dims[:-2], "step")
    return xarray.Dataset(
        {
            "accuracy": accuracy,
            "accuracy_in_context": accuracy,
            "loss": -np.log(accuracy.clip(min=0.01)),
            "answers_in_context": accuracy,
            "accuracy_chance": (dims, np.full(shape, 0.02)),
            "accuracy_in_context_chance": (dims, chance),
            "accuracy_stderr": (dims, np.full(shape, 0.01)),
            "train_loss": (train_dims, np.ones((*sizes, num_seeds, num_steps))),
            "status": (run_dims, np.full((*sizes, num_seeds), "finished", dtype=object)),
        },
        coords={
            **knobs,
            "seed": np.arange(num_seeds),
            "condition": CONDITIONS,
            "step": steps,
        },
        attrs={
            "name": "synthetic",
            "sweep": "base: quickstart\ngrid:\n  data.p_bursty: [0, 1]\n",
            "base": "seed: 0\n",
            "missing": [],
            "claims": json.dumps(claims or []),
        },
    )


def with_starts(sweep: xarray.Dataset) -> xarray.Dataset:
    """Add the statistics of two initial matrices to a sweep.

    The effective rank of `recurrent` rises with the first knob's place, much less with the
    second's, and differs a little between seeds. That of `readout` is always the same.
    """
    dims, sizes = sweep.status.dims, sweep.status.shape
    first, second = _places(list(sizes[:-1]))
    ranks = 10 + 90 * first[..., None] + 5 * second[..., None] + np.arange(sizes[-1])
    both = np.stack([np.broadcast_to(ranks, sizes), np.full(sizes, 3.0)], axis=-1)
    found = sweep.assign_coords(matrix=["recurrent", "readout"])
    return found.assign(start_effective_rank=((*dims, "matrix"), both))


def _places(sizes: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Numbers from 0 to 1 along the first axis, and along the second or against the first."""
    if not sizes:
        return np.array(0.9), np.array(0.5)
    first = np.linspace(0, 1, sizes[0]).reshape(-1, *[1] * (len(sizes) - 1))
    if len(sizes) == 1:
        return first, 1 - first
    second = np.linspace(0, 1, sizes[1]).reshape(1, -1, *[1] * (len(sizes) - 2))
    return np.broadcast_to(first, sizes), np.broadcast_to(second, sizes)


def without(
    dataset: xarray.Dataset, status: str = "missing", **place: int | slice
) -> xarray.Dataset:
    """The sweep with one cell's runs gone, given the places along its axes."""
    is_it = xarray.full_like(dataset.status, False, dtype=bool)
    is_it[place] = True
    kept = dataset.map(
        lambda values: (
            values.where(~is_it)
            if values.dtype.kind == "f" and set(is_it.dims) <= set(values.dims)
            else values
        )
    )
    kept["status"] = dataset.status.where(~is_it, status)
    kept.attrs["missing"] = [f"{place}: {status}"]
    return kept
