"""Items of every source without a download, as sequences have them, and trials of every task."""

import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from icl.config.yaml import parse_config
from icl.data.batches import look_up
from icl.data.knobs import make_knobs
from icl.data.sources.load import load_exemplars
from icl.data.sources.on_device import exemplars_in_use, put_on_device
from icl.data.tasks import make_task, make_task_knobs
from icl.types import IndexSequence
from tests.golden.store import fingerprints

GLYPHS = {"kind": "glyphs", "size": 12, "num_classes": 20, "num_exemplars": 4}
ITEMS: dict[str, dict[str, Any]] = {
    "glyphs": {"source": GLYPHS},
    "other glyphs": {"source": GLYPHS | {"seed": 5, "size": 16}, "split_seed": 3},
    "transformed": {"source": GLYPHS, "flips_and_rotations": True, "num_classes": 100},
    "separated": {"source": GLYPHS, "exemplars": "separated", "num_classes": 40},
    "single": {"source": GLYPHS, "exemplars": "single"},
    "noise": {"source": GLYPHS, "noise_scale": 0.3},
    "random rare": {"source": GLYPHS, "random_rare_exemplars": True, "num_common_classes": 4},
    "gaussian": {"source": {"kind": "gaussian", "dim": 6, "spread": 0.5, "seed": 2}},
    "symbolic": {"source": {"kind": "symbolic", "num_classes": 30}},
    "features": {"source": {"kind": "features", "path": "features.npy"}},
    "markov": {"source": {"kind": "markov", "num_symbols": 5}, "num_holdout_classes": 0},
}
SYMBOLS = ("symbolic", "markov")

TASKS: dict[str, dict[str, Any]] = {
    "two_alternative": {},
    "match_to_sample": {"sigma": 2.0, "coherences": [20, 60]},
    "context_dependent": {"dim_ring": 4, "delay": 200},
    "digits": {"source": {"kind": "sklearn"}, "sigma": 0.1, "delay": 2},
    "fixation": {"kind": "two_alternative", "fixation": 200, "fixation_cue": "fixation_only"},
}

# Digests are of these programs as XLA compiles them if it is not asked for another way.
AS_RECORDED = {"xla_cpu_use_fusion_emitters": True}

NAMES = [*(f"items of {name}" for name in ITEMS), *(f"trials of {name}" for name in TASKS)]


def compute(name: str, folder: Path) -> dict[str, Any]:
    """The fingerprints of a bank and of what sequences look up in it, or of trials."""
    kind, _, rest = name.partition(" of ")
    return _items(rest, folder) if kind == "items" else _trials(rest)


def _items(name: str, folder: Path) -> dict[str, Any]:
    data = {"num_classes": 12, "num_holdout_classes": 4, "context_len": 8} | ITEMS[name]
    source = data["source"] = dict(data["source"])
    if name == "features":
        array = np.random.default_rng(0).standard_normal((18, 9, 4)).astype(np.float32)
        np.save(folder / source["path"], array)
        source["path"] = str(folder / source["path"])
    embedder = {"kind": "one_hot" if source["kind"] in SYMBOLS else "linear"}
    model = {"kind": "transformer", "embedder": embedder}
    tree = {"data": data, "model": model, "evaluation": {"conditions": ["train"]}}
    data = parse_config(tree).data
    loaded = load_exemplars(data.source)
    exemplars = put_on_device(data, loaded)
    in_use = exemplars_in_use(data, exemplars)
    knobs = make_knobs(data, exemplars.num_classes, in_use)
    key = jax.random.key(5, impl="threefry2x32")
    rng = np.random.default_rng(3)
    classes, numbers, labels = (
        jnp.asarray(rng.integers(0, bound, (16, 9)), jnp.int32)
        for bound in (min(exemplars.num_classes, 1000), in_use, 12)
    )
    zeros = jnp.zeros(16, jnp.int32)
    indices = IndexSequence(classes, numbers, labels, zeros + 1, zeros)

    @functools.partial(jax.jit, compiler_options=AS_RECORDED)
    def draw(key: jax.Array, arrays: Any) -> Any:
        return look_up(key, indices, exemplars, arrays, knobs)

    found = fingerprints(draw(key, exemplars.arrays)._asdict())
    facts = {"shape": list(exemplars.shape), "num_exemplars": exemplars.num_exemplars}
    bank = getattr(loaded, "exemplars", None)
    if bank is None:
        return {"sequences": found, "facts": facts}
    names = [loaded.names[0], loaded.names[-1]]
    return {"sequences": found, "facts": facts, "bank": fingerprints(bank), "names": names}


def _trials(name: str) -> dict[str, Any]:
    task_config = {"kind": name} | TASKS[name]
    config = parse_config({"task": task_config}).task
    task, knobs = make_task(config), make_task_knobs(config)
    key = jax.random.key(6, impl="threefry2x32")
    facts = {"shape": [task.num_steps, task.num_inputs, task.num_outputs]}
    for part in ("draw", "draw_test"):
        draw = jax.jit(getattr(task, part), static_argnums=1, compiler_options=AS_RECORDED)
        facts[part] = fingerprints(draw(key, 16, knobs, task.arrays)._asdict())
    return facts
