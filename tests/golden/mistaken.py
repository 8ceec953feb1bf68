"""Mistakes that users make: settings, grids and arguments, by a name for each."""

from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
TASK = str(ROOT / "configs" / "liu2023" / "base.yaml")
SEEDS = {"seed": [0, 1]}
CLAIM = {
    "kind": "rises",
    "text": "ICL rises",
    "condition": "fewshot_holdout",
    "metric": "accuracy_in_context",
    "along": "data.p_bursty",
}
BURSTY = {"data.p_bursty": [0, 0.5, 1]}

SETTINGS: dict[str, tuple[str, ...]] = {
    "range": ("data.p_bursty=1.5",),
    "below": ("training.learning_rate=0", "training.num_steps=0", "seed=-1"),
    "unknown": ("data.p_burst=1",),
    "unknown nested": ("model.embedder.hidden=3", "training.lr=1"),
    "kind of value": ("data.num_classes=many", "model.residual=7"),
    "not whole": ("model.num_layers=1.5",),
    "several": ("data.p_bursty=2", "model.num_heads=0", "evaluation.every=0", "data.shots=0"),
    "shots and ways": ("data.shots=3", "data.ways=3", "model.num_heads=5"),
    "heads and width": ("model.width=30", "model.num_heads=4"),
    "rotary": ("model.positions={kind: rotary}", "model.width=24", "model.num_heads=8"),
    "rotary without attention": ("model.kind=lstm", "model.positions={kind: rotary}"),
    "shifted": ("model.positions={kind: shifted, size: 64}",),
    "short learned": ("model.positions={kind: learned, max_tokens: 4}",),
    "tied": ("model.readout=tied", "model.labels=one_hot"),
    "unknown kind": ("model.kind=perceptron",),
    "unknown source": ("data.source.kind=pictures",),
    "embedder": ("model.embedder={kind: one_hot}",),
    "symbols": ("data.source={kind: symbolic}", "model.embedder={kind: conv}"),
    "conditions": ("evaluation.conditions=[nothing]",),
    "conditions twice": ("evaluation.conditions=[no_support, no_support]",),
    "condition that cannot be": ("evaluation.conditions=[fewshot_holdout_exemplars, markov]",),
    "no held-out": ("data.num_holdout_classes=0", "evaluation.conditions=[fewshot_holdout]"),
    "few ways": ("evaluation.ways=1", "evaluation.shots=600"),
    "pairs": ("evaluation.conditions=[fewshot_holdout_pairs]",),
    "non-bursty": ("data.non_bursty=bursty",),
    "mixture": ("data.mixture={bursty: 0}",),
    "mixture of unknown": ("data.mixture={burst: 1, bursty: -1}",),
    "own family": ("data.families={bursty: {kind: bursty}}",),
    "pattern": (
        "data.families={mine: {kind: bursty, pattern: [3, 3, 3, 3]}}",
        "data.mixture={mine: 1}",
    ),
    "common": ("data.num_common_classes=0", "evaluation.conditions=[no_support_common]"),
    "too many classes": ("data.num_classes=5000",),
    "too many exemplars": ("data.num_exemplars=30", "data.num_holdout_exemplars=4"),
    "bank": ("data.source={kind: glyphs, num_classes: 1000000, num_exemplars: 10000}",),
    "labels": ("data.num_permuted_labels=9000", "data.num_holdout_pairs=3"),
    "rbg": ("data.num_sequences=50", "data.random_bits=rbg"),
    "noise of symbols": (
        "data.source={kind: symbolic}",
        "data.noise_scale=1",
        "model.embedder={kind: one_hot}",
    ),
    "connectivity": ("connectivity={recurrent: {kind: dale, fraction: 2, rank: 0}}",),
    "connectivity kind": ("connectivity={recurrent: {kind: random}}",),
    "motifs": ("connectivity={x: {kind: motifs, chain: 0.5}}",),
    "motifs sum": ("connectivity={x: {kind: motifs, convergent: 0.6, divergent: 0.6}}",),
    "block": ("connectivity={x: {kind: block, num_groups: 1, contrast: 0}}",),
    "cell types": ("connectivity={x: {kind: cell_types, fractions: [1, 1]}}",),
    "no such matrix": ("connectivity={nowhere: {kind: gaussian}}", "data.source={kind: gaussian}"),
    "rank too high": (
        "connectivity={'block0/mixer/qkv/query': {rank: 500, kind: own}}",
        "data.source={kind: gaussian}",
        "model.embedder={kind: linear}",
    ),
    "no file": (
        "connectivity={recurrent: {kind: file, path: none.npy}}",
        "data.source={kind: gaussian}",
        "model.embedder={kind: linear}",
    ),
    "features": ("data.source={kind: features, path: none.npy}",),
    "empty path": ("data.source={kind: features, path: ''}",),
    "twice": ("seed=1", "seed=2"),
    "not an override": ("nonsense=",),
    "no value": ("seed=[",),
    "missing file": ("nowhere.yaml",),
    "two files": ("a.yaml", "b.yaml"),
    "unwritable": ("--out", "/dev/null/run"),
    "task unknown": (TASK, "task.kind=chess"),
    "task duration": (TASK, "task.stimulus=150", "task.dt=100"),
    "task steps": (TASK, "task.fixation=1000000", "task.dt=1"),
    "task interim": (TASK, "training.interim_weight=0.5", "model.width=0"),
    "task of sequences": (TASK, "data.p_bursty=0.5", "model.num_layers=2"),
    "task network": (TASK, "model.kind=transformer"),
    "task rank": (TASK, "connectivity.recurrent.rank=900"),
}

GRIDS: dict[str, dict[str, Any]] = {
    "unknown": {"grid": SEEDS | {"data.p_burst": [0, 1]}},
    "empty": {"grid": {"seed": []}},
    "range": {"grid": SEEDS | {"data.p_bursty": [0, 2], "data.ways": [1, 9]}},
    "same cell": {"grid": SEEDS | {"data.p_bursty": [1, 1.0]}},
    "zip": {"zip": [{"model.width": [32, 64], "data.ways": [1, 2, 3]}]},
    "no grid": {},
    "scale": {"grid": SEEDS, "scales": {"a": "a.yaml"}, "scale": "b"},
    "settings": {"grid": SEEDS, "settings": {"data.p_bursty": 3, "model.width": 0}},
    "key": {"grid": SEEDS, "claim": []},
    "claim knob": {"grid": SEEDS, "claims": [CLAIM]},
    "claim metric": {"grid": SEEDS | BURSTY, "claims": [CLAIM | {"metric": "speed"}]},
    "claim condition": {"grid": SEEDS | BURSTY, "claims": [CLAIM | {"condition": "markov"}]},
    "claim where": {"grid": SEEDS | BURSTY, "claims": [CLAIM | {"where": {"seed": 9}}]},
    "claim kind": {"grid": SEEDS | BURSTY, "claims": [CLAIM | {"kind": "sinks"}]},
    "claim values": {"grid": SEEDS | BURSTY, "claims": [CLAIM | {"low": 0.7, "high": 0.2}]},
    "claim measure": {"grid": SEEDS | BURSTY, "claims": [CLAIM | {"metric": "kernel_alignment"}]},
    "claim each": {"grid": SEEDS | BURSTY, "claims": [CLAIM | {"each": {"data.p_bursty": 1}}]},
}

REPORTS: dict[str, tuple[str, ...]] = {
    "no sweep": ("EMPTY",),
    "missing": ("nowhere",),
    "format": ("EMPTY", "--export", "array.xls"),
    "grid without export": ("EMPTY", "--grid", "one"),
    "no file": ("EMPTY", "--out", ""),
    "no folder": (),
}

SWEEPS: dict[str, tuple[str, ...]] = {
    "nothing given": (),
    "engine": ("GRID", "--engine", "steam"),
    "log": ("GRID", "--log", "paper"),
    "unwritable": ("GRID", "--out", "/dev/null/x"),
    "swept": ("GRID", "seed=3"),
    "axis": ("GRID", "grid.data.p_bursty=[0, 2]"),
    "scale": ("GRID", "scale=large"),
    "option": ("GRID", "--speed"),
}
