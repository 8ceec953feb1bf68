"""The picture of a task's trials names its channels and answers."""

import numpy as np
from matplotlib.figure import Figure

from icl.analysis.figures.trials import channel_names, output_name, trials_figure
from icl.config.tasks import ContextDependentTask, DigitsTask, MatchToSampleTask, TwoAlternativeTask
from icl.types import ShownTrials


def drawn(trials: ShownTrials) -> Figure:
    """The figure, laid out."""
    figure = trials_figure(trials)
    figure.draw_without_rendering()
    return figure


def trials_of(task, targets: list[int]) -> ShownTrials:
    kinds = tuple(task.input_channels.items()), tuple(task.output_channels.items())
    inputs = np.random.default_rng(0).random((len(targets), task.num_steps, task.num_inputs))
    ends = np.zeros((len(targets), task.num_steps), dtype=int)
    ends[:, -1] = targets
    return ShownTrials(inputs.astype(np.float32), ends, *kinds)


def test_channels_and_answers_are_called_by_their_kinds():
    first, *others, _ = drawn(trials_of(TwoAlternativeTask(), [1, 2, 1])).axes
    names = [label.get_text() for label in first.get_yticklabels()]
    assert names == ["fixation", "ring 1", "ring 2"]
    titles = [axes.get_title() for axes in (first, *others)]
    assert titles == ["answer:\ndirection 1", "answer:\ndirection 2", "answer:\ndirection 1"]
    assert [line.get_ydata()[0] for line in first.lines] == [0.5]  # between the two kinds
    assert first.get_ylim() == (2.5, -0.5)  # read from above


def test_many_channels_are_called_by_their_kinds_alone():
    first, *_ = drawn(trials_of(ContextDependentTask(dim_ring=8), [0, 8])).axes
    names = {label.get_text(): label.get_position()[1] for label in first.get_yticklabels()}
    assert names == {
        "fixation": 0.0,
        "ring of modality 0\n(8)": 4.5,
        "ring of modality 1\n(8)": 12.5,
        "context\n(2)": 17.5,
    }
    assert [line.get_ydata()[0] for line in first.lines] == [0.5, 8.5, 16.5]


def test_one_kind_of_channels_names_the_axis():
    first, second, _ = drawn(trials_of(DigitsTask(), [3, 0])).axes
    assert first.get_ylabel() == "pixels of a row"
    assert [axes.get_title() for axes in (first, second)] == [
        "answer:\ndigit 3",
        "answer:\ndigit 0",
    ]


def test_without_names_there_are_numbers():
    shown = ShownTrials(np.zeros((2, 4, 3), np.float32), np.ones((2, 4), int))
    first, *_ = drawn(shown).axes
    assert first.get_ylabel() == "input channel"
    assert first.get_title() == "answer:\n1"


def test_names():
    channels = tuple(ContextDependentTask().input_channels.items())
    assert channel_names(channels) == [
        "fixation",
        "ring of modality 0, 1",
        "ring of modality 0, 2",
        "ring of modality 1, 1",
        "ring of modality 1, 2",
        "context 1",
        "context 2",
    ]
    outputs = tuple(MatchToSampleTask().output_channels.items())
    assert [output_name(outputs, i) for i in range(3)] == ["fixate", "match", "opposite"]
