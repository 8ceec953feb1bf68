"""Comparison with public codes for the same experiments: python -m benchmarks.references.

The public codes do not run here. Each was measured alone on two cores of a similar machine, whose
matrix-product peak was then PEAK. Each side's sequences per second are divided by the peak of its
machine before they are compared. Both sides have the same network and batch. `benchmarks.kernel`
has a direct ratio of seconds, for the tangent kernel.
"""

from typing import NamedTuple

from benchmarks.machine import MATRIX_SIDE, matrix_product
from benchmarks.parts import train_steps
from benchmarks.reporting import Figures, median, parser_of, show
from icl.cli.arguments import run_command
from icl.config.find import CONFIGS
from icl.config.yaml import load_config
from icl.problems.load import load_program

TURNS = 9
PEAK = 197e9  # float32 operations per second of their machine


class Reference(NamedTuple):
    """A public code and the same network here.

    theirs: their sequences per second in the training step, without their input pipeline.
    config, words: config and settings of the same network and batch here, drawing included.
    num_sequences: number of sequences in one measurement.
    """

    theirs: float
    config: str
    words: tuple[str, ...] = ()
    num_sequences: int = 1024


PAPER = "chan2022/base.yaml"
GLYPHS = "data.source={kind: glyphs}"
DEEP = (GLYPHS, "model.embedder.kind=linear")
SINGH = "singh2024/base.yaml"
# One label per class; their code looks labels up by products with one-hot vectors.
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
    "Chan et al., 12 layers, ResNet, 105 x 105 pixels": Reference(
        14.6, PAPER, ("data.source={kind: glyphs, size: 105}",), num_sequences=128
    ),
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
    # Their number of classes is not known; here it is 1,600.
    "Singh et al., 12 layers, context 8": Reference(
        282,
        SINGH,
        (
            "data.num_classes=1600",
            "data.context_len=8",
            "data.shots=3",
            "evaluation.shots=4",
            "model.num_layers=12",
            "model.mlp_ratio=4",
            "model.positions={kind: sinusoidal, max_time: 30}",
            *OWN_LABELS,
        ),
    ),
    "Gaussian mixtures after Reddy, batch 128": Reference(7940, "reddy2023/base.yaml"),
}


def main() -> int:
    show(measure(), parser_of("Compare with public codes.").parse_args().json)
    return 0


def measure(turns: int = TURNS) -> dict[str, Figures]:
    """Figures by network: sequences/s here, and the ratio of both sides over their peaks."""
    return {name: _measure(reference, turns) for name, reference in REFERENCES.items()}


def _measure(reference: Reference, turns: int) -> Figures:
    config = load_config(CONFIGS / reference.config, list(reference.words))
    program = load_program(config)
    step = train_steps(program, config, reference.num_sequences)
    times = [(step(), matrix_product()) for _ in range(turns + 1)][1:]  # the first compiles
    rates = [config.training.batch_size / seconds for seconds, _ in times]
    peaks = [2 * MATRIX_SIDE**3 / seconds for _, seconds in times]
    theirs = reference.theirs / PEAK
    return {
        "times theirs, each over its machine's peak": median(
            [rate / peak / theirs for rate, peak in zip(rates, peaks, strict=True)]
        ),
        "sequences/s": median(rates),
        "theirs, sequences/s": reference.theirs,
    }


if __name__ == "__main__":
    run_command(main)
