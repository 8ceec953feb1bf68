"""Beside public codes of this kind: python -m benchmarks.references.

Their figures were measured on two cores of a machine of this kind, each code alone on it, whose
matrix-product peak in that hour was PEAK. They are not run here: what is compared is sequences a
second over the peak of the machine each was measured on, the same network and batch on both sides.
Only the kernel's is a plain ratio of seconds, see `benchmarks.kernel` for one within a run.
"""

import statistics
from typing import NamedTuple

from benchmarks.machine import MATRIX_SIDE, matrix_product
from benchmarks.parts import train_steps
from benchmarks.tell import parser_of, tell
from icl.command_line import CONFIGS, run_command
from icl.data.exemplars import load_exemplars
from icl.experiment import make_program
from icl.records.config_file import load_config

TURNS = 9
PEAK = 197e9  # of their machine, float32 operations a second


class Reference(NamedTuple):
    """theirs: sequences a second of the training step, their input pipeline left out.

    config, words: the same network and batch here, drawing included.
    """

    theirs: float
    config: str
    words: tuple[str, ...] = ()


PAPER = "chan2022/base.yaml"
GLYPHS = "data.source={kind: glyphs}"
DEEP = (GLYPHS, "model.embedder.kind=linear")
SINGH = "singh2024/base.yaml"
# A label for each class: theirs are looked up by products with one-hot vectors.
OWN_LABELS = (
    "data.num_meanings=null",
    "data.num_holdout_pairs=0",
    "data.mixture={bursty: 1}",
    "evaluation.conditions=[fewshot_holdout]",
)
# Chan et al. 2022 (Haiku), Singh et al. 2023 and 2024 (Equinox, the whole loop), the
# Gaussian-mixture code after Reddy 2023 (JAX).
REFERENCES: dict[str, Reference] = {
    "Chan et al., 12 layers, linear encoder": Reference(300, PAPER, DEEP),
    "Chan et al., 12 layers, symbols": Reference(
        334,
        PAPER,
        ("data.source={kind: symbolic, num_classes: 1623}", "model.embedder={kind: table}"),
    ),
    "Chan et al., 12 layers, ResNet": Reference(151, PAPER, (GLYPHS,)),
    "Chan et al., LSTM, 12 layers, linear encoder": Reference(1006, "chan2022/lstm.yaml", DEEP),
    "Chan et al., RNN, 12 layers, linear encoder": Reference(
        2552, "chan2022/lstm.yaml", (*DEEP, "model.kind=rnn")
    ),
    "Singh et al., 2 layers of attention, 50 classes": Reference(5194, SINGH),
    "Singh et al., 2 layers of attention, 1,600 classes": Reference(
        3017, SINGH, ("data.num_classes=1600", *OWN_LABELS)
    ),
    "Singh et al., 2 layers of attention, 12,800 classes": Reference(
        801, SINGH, ("data.num_classes=12800", *OWN_LABELS)
    ),
    "Gaussian mixtures after Reddy, batch 128": Reference(7940, "reddy2023/base.yaml"),
}


def main() -> int:
    tell(measure(), parser_of("Compare with public codes.").parse_args().json)
    return 0


def measure(turns: int = TURNS) -> dict[str, dict[str, float]]:
    """By network: sequences a second here, and the ratio of both sides over their peaks."""
    return {name: _measure(reference, turns) for name, reference in REFERENCES.items()}


def _measure(reference: Reference, turns: int) -> dict[str, float]:
    config = load_config(CONFIGS / reference.config, list(reference.words))
    step = train_steps(make_program(config, load_exemplars(config.data.source)), config)
    times = [(step(), matrix_product()) for _ in range(turns + 1)][1:]  # the first compiles
    rates = [config.training.batch_size / seconds for seconds, _ in times]
    peaks = [2 * MATRIX_SIDE**3 / seconds for _, seconds in times]
    own = statistics.median(rate / peak for rate, peak in zip(rates, peaks, strict=True))
    return {
        "times theirs, each over its machine's peak": own / (reference.theirs / PEAK),
        "sequences/s": statistics.median(rates),
        "theirs, sequences/s": reference.theirs,
    }


if __name__ == "__main__":
    run_command(main)
