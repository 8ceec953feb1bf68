"""Users may change settings of JAX: a run has the same bits, or says what may change them."""

from contextlib import ExitStack
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from icl.config.yaml import parse_config
from icl.problems.load import load_program
from icl.records.run_directory import EVENTS, METRICS, read_lines
from icl.runs.environment import changed_settings, describe_environment
from icl.runs.progress import Progress
from icl.runs.run import train

from ..messages import check_line

CHANGED = {
    "enable_x64": True,
    "default_matmul_precision": "bfloat16",
    "default_prng_impl": "rbg",
    "threefry_partitionable": False,
    "softmax_custom_jvp": True,
    "numpy_dtype_promotion": "strict",
    "numpy_rank_promotion": "raise",
}
SHORT = (
    "training.num_steps=10",
    "evaluation.every=5",
    "evaluation.conditions=[no_support]",
    "checkpoints.every=5",
)


def changed() -> ExitStack:
    """Settings of a user, as environment variables or `jax.config` make them."""
    stack = ExitStack()
    for name, value in CHANGED.items():
        stack.enter_context(getattr(jax, name)(value))
    return stack


def program_texts() -> list[str]:
    config = parse_config(
        {
            "task": {"kind": "two_alternative"},
            "model": {"kind": "gru", "width": 8},
            "connectivity": {"recurrent/reset_gate": {"kind": "gaussian", "rank": 2}},
            "evaluation": {"probes": ["representations"]},
        }
    )
    program = load_program(config)
    inputs, stop = program.inputs(config), jnp.int32(1)
    lowered = (
        program.init.lower(inputs),
        program.train.lower(program.shapes, stop, inputs, program.arrays),
        program.evaluate.lower(program.shapes, inputs, program.arrays),
    )
    return [part.as_text() for part in lowered]


def test_programs_do_not_depend_on_settings_and_multiply_in_whole_float32():
    texts = program_texts()
    with changed():
        assert program_texts() == texts
    for text in texts:
        products = [line for line in text.splitlines() if "stablehlo.dot_general" in line]
        assert products
        assert all("precision = [HIGHEST, HIGHEST]" in line for line in products)
        assert "f64" not in text


@pytest.mark.usefixtures("programs_made_once")
def test_a_run_has_the_same_bits_under_other_settings(small_config, tmp_path: Path):
    config = small_config(*SHORT)
    train(config, tmp_path / "usual", Progress())
    with changed():
        train(config, tmp_path / "changed", Progress())
    usual, other = (tmp_path / name / METRICS for name in ("usual", "changed"))
    assert usual.read_bytes() == other.read_bytes()


def test_settings_that_may_change_bits_are_recorded():
    before = describe_environment()["jax_settings"]
    assert before["jax_disable_jit"] == "False"
    with jax.disable_jit():
        now = describe_environment()["jax_settings"]
    events = [{"event": "start", "jax_settings": before}, {"event": "resume", "jax_settings": now}]
    check_line(changed_settings(events), "jax_disable_jit = True (was False)")
    assert changed_settings(events[:1]) == changed_settings([events[0]] * 2) == ""
    # An earlier release recorded no settings.
    assert changed_settings([{"event": "start"}, events[1]]) == ""


@pytest.mark.usefixtures("programs_made_once")
def test_a_resumption_under_other_settings_says_so(
    small_config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    config = small_config(*SHORT)
    monkeypatch.setenv("XLA_FLAGS", "--one")

    class Impatient(Progress):
        def advance(self, step: int, loss: float) -> None:
            if step > 5:  # whose checkpoint is made
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path, Impatient())
    monkeypatch.setenv("XLA_FLAGS", "--other")
    train(config, tmp_path, Progress())
    warnings = [e["text"] for e in read_lines(tmp_path / EVENTS) if e["event"] == "warning"]
    assert len(warnings) == 1
    check_line(warnings[0], "XLA_FLAGS = --other (was --one)")
    assert warnings[0] in capsys.readouterr().err
