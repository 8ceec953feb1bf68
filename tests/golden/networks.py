"""Networks as they begin: names, shapes and values of parameters, and what they answer."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from icl.config.networks import NETWORKS
from icl.config.yaml import parse_config
from icl.problems.load import load_program
from icl.types import Sequence
from tests.golden.items import AS_RECORDED
from tests.golden.store import fingerprints

GLYPHS = {"kind": "glyphs", "size": 12, "num_classes": 20, "num_exemplars": 5}
FRAME: dict[str, Any] = {
    "kind": "transformer",
    "num_layers": 2,
    "width": 16,
    "embedder": {"kind": "linear"},
}
HEADS = ("transformer", "linear_attention", "delta_net", "retention")

MIXERS = {kind: {"kind": kind} | ({"num_heads": 2} if kind in HEADS else {}) for kind in NETWORKS}
FRAMES: dict[str, dict[str, Any]] = {
    "learned positions": {"positions": {"kind": "learned", "max_tokens": 20}},
    "rotary": {"positions": {"kind": "rotary"}, "num_heads": 4},
    "shifted": {"positions": {"kind": "shifted", "size": 20}, "width": 40, "norm": "none"},
    "concatenated": {"tokens": "concatenated", "label_dim": 6, "positions": {"kind": "none"}},
    "fixed labels": {"labels": "fixed", "readout": "tied", "label_init_std": 0.1},
    "one-hot labels": {"labels": "one_hot", "width": 48, "readout_bias": False},
    "head": {"head": [12, 8], "head_bias": "scalar", "mlp_ratio": 0, "final_norm": False},
    "bare": {"residual": False, "attention_bias": False, "attention_out": False, "norm": "none"},
    "dropped": {"example_dropout": 0.3, "max_shift": 2, "compute_dtype": "bfloat16"},
    "tanh": {"kind": "rnn", "activation": "tanh"},
    "leak": {"kind": "ctrnn", "leak": 0.2},
}
EMBEDDERS: dict[str, dict[str, Any]] = {
    "mlp": {"kind": "mlp", "hidden_dim": 8},
    "pca": {"kind": "pca", "num_components": 6},
    "conv": {"kind": "conv", "channels": [4, 6]},
    "resnet": {"kind": "resnet"},
    "one_hot": {"kind": "one_hot"},
    "table": {"kind": "table", "init_std": 0.5},
    "identity": {"kind": "identity"},
}
SOURCES = {
    "one_hot": {"kind": "symbolic", "num_classes": 30},
    "table": {"kind": "symbolic", "num_classes": 30},
    "identity": {"kind": "gaussian", "dim": 16},
}
TASK_NETWORKS = {kind: {"kind": kind} for kind in ("rate", "gru", "lstm", "feed_forward")}

INITIALIZERS: dict[str, dict[str, Any]] = {
    "own": {"kind": "own", "gain": 2.0, "rank": 3},
    "gaussian": {"kind": "gaussian", "gain": 0.5},
    "orthogonal": {"kind": "orthogonal"},
    "log_normal": {"kind": "log_normal", "sigma": 0.7, "rank": 4},
    "sparse": {"kind": "sparse", "density": 0.3, "match": "norm"},
    "block": {"kind": "block", "num_groups": 3, "contrast": 5.0, "match": "spectral_radius"},
    "dale": {"kind": "dale", "match": "leading_eigenvalue"},
    "dale kept": {"kind": "dale", "kept": True, "balanced": False, "fraction": 0.6},
    "cell_types": {"kind": "cell_types", "match": "norm"},
    "motifs": {"kind": "motifs", "reciprocal": 0.2, "convergent": 0.1, "divergent": 0.2}
    | {"chain": 0.1, "density": 0.2},
    "file": {"kind": "file", "path": "matrix.npy", "match": "norm", "transposed": True},
    "aligned": {"kind": "aligned", "path": "matrix.npy", "rank": 4, "alignment": 0.6},
}

PATTERNS: dict[str, dict[str, Any]] = {
    "a transformer": {
        "block*/mixer/*": {"kind": "sparse", "density": 0.5, "match": "norm"},
        "block0/mixer/qkv/query": {"kind": "own", "rank": 2},
        "block*/mixer/qkv/key": {"kind": "orthogonal", "gain": 0.5},
        "block*/mlp_in": {"kind": "gaussian"},
    },
    "an lstm": {
        "block*/mixer/recurrent/*": {"kind": "orthogonal", "gain": 0.9},
        "block1/mixer/recurrent/forget*": {"kind": "own", "rank": 3},
        "readout": {"kind": "sparse", "density": 0.4},
    },
}

NAMES = [
    *(f"mixer {name}" for name in MIXERS),
    *(f"frame {name}" for name in FRAMES),
    *(f"embedder {name}" for name in EMBEDDERS),
    *(f"task network {name}" for name in TASK_NETWORKS),
    *(f"law {name}" for name in INITIALIZERS),
    *(f"laws of {name}" for name in PATTERNS),
]
# Fast enough to be compared on every run of the tests: of each room at least one.
QUICK = (
    "mixer transformer",
    "mixer lstm",
    "task network rate",
    "laws of a transformer",
)
SLOW = frozenset(NAMES) - frozenset(QUICK)


def compute(name: str, folder: Path) -> dict[str, Any]:
    """The fingerprints of a network's parameters, of its state and of its first answers."""
    np.save(folder / "matrix.npy", np.random.default_rng(1).standard_normal((24, 24)))
    program = load_program(parse_config(_tree(name, folder)))
    inputs = program.inputs(program.config)
    # As XLA compiles it if it is not asked for another way.
    init = program.init.lower(inputs).compile(compiler_options=AS_RECORDED)
    variables = init(inputs).variables
    found = {
        "num_parameters": program.num_parameters,
        "params": fingerprints(variables.params),
        "state": fingerprints(variables.state),
        "matrices": sorted(program.matrices(program.init(inputs))),
    }
    # An initializer makes the weights and nothing else.
    return found | ({} if "law" in name else {"logits": fingerprints(_logits(program, variables))})


def _logits(program: Any, variables: Any) -> jax.Array:
    """What the network answers on items that are the same on every machine."""
    rng = np.random.default_rng(2)
    if not hasattr(program.problem, "exemplars"):
        steps, channels = program.problem.task.num_steps, program.problem.task.num_inputs
        inputs = rng.standard_normal((3, steps, channels)).astype(np.float32)
        return jax.jit(program.problem.network.apply)(variables.params, inputs)[0]
    shape = (3, 9, *program.problem.exemplars.shape)
    is_symbols = program.problem.exemplars.shape == ()
    items = rng.integers(0, 12, shape) if is_symbols else rng.random(shape)
    sequence = Sequence(
        jnp.asarray(items, np.int32 if is_symbols else np.float32),
        jnp.asarray(rng.integers(0, 12, (3, 9)), np.int32),
        jnp.asarray(rng.integers(0, 2**32, 3), np.uint32),
    )
    return jax.jit(program.problem.network.apply)(variables, sequence)[0]


def _tree(name: str, folder: Path) -> dict[str, Any]:
    """The settings of a network, by its kind and name."""
    kind, rest = next(
        (kind, name.removeprefix(kind + " "))
        for kind in ("mixer", "frame", "embedder", "task network", "laws of", "law")
        if name.startswith(kind + " ")
    )
    if kind in ("task network", "law"):
        initializer = dict(INITIALIZERS.get(rest, {}))
        if "path" in initializer:
            initializer["path"] = str(folder / initializer["path"])
        model = TASK_NETWORKS.get(rest, {"kind": "rate"}) | {"width": 24}
        connectivity = {"recurrent": initializer} if initializer else {}
        task = {"kind": "match_to_sample"}
        return {"task": task, "model": model, "connectivity": connectivity, "seed": 4}
    data = {"source": SOURCES.get(rest, GLYPHS), "num_classes": 12, "num_holdout_classes": 4}
    own: dict[str, Any] = MIXERS.get(rest, {}) if kind == "mixer" else FRAMES.get(rest, {})
    tree = {"data": data, "model": {"num_heads": 2} | FRAME | own, "seed": 4}
    if kind == "embedder":
        tree["model"]["embedder"] = EMBEDDERS[rest]
    if kind == "laws of":
        tree["connectivity"] = PATTERNS[rest]
        tree["model"] |= {"kind": "lstm"} if "lstm" in rest else {}
    if tree["model"]["kind"] not in HEADS:
        tree["model"].pop("num_heads")
    return tree
