"""The decision tasks once more, trial by trial and millisecond by millisecond, without noise."""

import numpy as np


def schedule(config) -> list[str]:
    """The period of each step."""
    names = ["fixation", "stimulus", "sample", "delay", "test", "decision"]
    ends, now = [], 0
    for name in names:
        if hasattr(config, name):
            now += getattr(config, name)
            ends.append((now, name))
    return [next(name for end, name in ends if t < end) for t in range(0, now, config.dt)]


def ring(direction: float, coherence: float, size: int) -> list[float]:
    """direction: in units of the spacing of the ring."""
    return [
        0.5 * (1 + coherence / 100 * np.cos(2 * np.pi * (i - direction) / size))
        for i in range(size)
    ]


def fixation(config, period: str) -> float:
    if config.fixation_cue == "fixation_only":
        return float(period == "fixation")
    return float(period != "decision")


def two_alternative(config, direction: int, coherence: float):
    """Inputs [step, channel] and targets [step]."""
    inputs, targets = [], []
    for period in schedule(config):
        shown = ring(direction, coherence, config.dim_ring)
        stimulus = shown if period == "stimulus" else [0.0] * config.dim_ring
        inputs.append([fixation(config, period), *stimulus])
        targets.append(1 + direction if period == "decision" else 0)
    return np.array(inputs), np.array(targets)


def match_to_sample(config, sample: int, is_match: bool, coherence: float):
    """Inputs [step, channel] and targets [step]."""
    size = config.dim_ring
    inputs, targets = [], []
    for period in schedule(config):
        stimulus = [0.0] * size
        if period == "sample":
            stimulus = ring(sample, coherence, size)
        if period == "test":
            stimulus = ring(sample if is_match else sample + size / 2, coherence, size)
        inputs.append([fixation(config, period), *stimulus])
        targets.append((1 if is_match else 2) if period == "decision" else 0)
    return np.array(inputs), np.array(targets)


def context_dependent(config, directions, coherences, context: int):
    """Inputs [step, channel] and targets [step]."""
    size = config.dim_ring
    inputs, targets = [], []
    for period in schedule(config):
        stimuli = [0.0] * (2 * size)
        if period == "stimulus":
            stimuli = ring(directions[0], coherences[0], size)
            stimuli += ring(directions[1], coherences[1], size)
        cues = [1.0, 0.0] if context == 0 else [0.0, 1.0]
        inputs.append([fixation(config, period), *stimuli, *cues])
        targets.append(1 + directions[context] if period == "decision" else 0)
    return np.array(inputs), np.array(targets)


def every_trial(config) -> list[tuple[np.ndarray, np.ndarray]]:
    """All trials that there are, each as probable as any other."""
    directions, coherences = range(config.dim_ring), config.coherences
    if config.kind == "two_alternative":
        return [two_alternative(config, d, c) for d in directions for c in coherences]
    if config.kind == "match_to_sample":
        return [
            match_to_sample(config, d, m, c)
            for d in directions
            for m in (True, False)
            for c in coherences
        ]
    return [
        context_dependent(config, (d, e), (c, f), context)
        for d in directions
        for e in directions
        for c in coherences
        for f in coherences
        for context in (0, 1)
    ]
