"""Recurrent cells once more: plain NumPy, float64, a token at a time, each gate written out.

It shares no code with `icl`: a cell's parameters and settings are all that it is given.
"""

from typing import Any

import numpy as np

Params = dict[str, Any]


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def relu(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, 0)


def part(params: Params, vector: np.ndarray, number: int) -> np.ndarray:
    """The product with one of the matrices of a layer, and with it its bias."""
    own = slice(number * len(vector), (number + 1) * len(vector))
    out = vector @ params["kernel"][:, own]
    return out + params["bias"][own] if "bias" in params else out


def rnn(x: np.ndarray, params: Params, config: Any) -> np.ndarray:
    """Hidden states [token, width] of one sequence [token, width]."""
    h, states = np.zeros(x.shape[1]), []
    for token in x:
        total = part(params["input"], token, 0) + part(params["recurrent"], h, 0)
        h = np.tanh(total) if config.activation == "tanh" else relu(total)
        states.append(h)
    return np.array(states)


def gru(x: np.ndarray, params: Params, config: Any) -> np.ndarray:
    inputs, recurrent = params["input"], params["recurrent"]
    h, states = np.zeros(x.shape[1]), []
    for token in x:
        reset = sigmoid(part(inputs, token, 0) + part(recurrent, h, 0))
        update = sigmoid(part(inputs, token, 1) + part(recurrent, h, 1))
        candidate = np.tanh(part(inputs, token, 2) + reset * part(recurrent, h, 2))
        h = update * h + (1 - update) * candidate
        states.append(h)
    return np.array(states)


def lstm(x: np.ndarray, params: Params, config: Any) -> np.ndarray:
    inputs, recurrent = params["input"], params["recurrent"]
    h, cell, states = np.zeros(x.shape[1]), np.zeros(x.shape[1]), []
    for token in x:
        input_gate = sigmoid(part(inputs, token, 0) + part(recurrent, h, 0))
        new = np.tanh(part(inputs, token, 1) + part(recurrent, h, 1))
        forget = sigmoid(part(inputs, token, 2) + part(recurrent, h, 2) + config.forget_bias)
        output_gate = sigmoid(part(inputs, token, 3) + part(recurrent, h, 3))
        cell = forget * cell + input_gate * new
        h = output_gate * np.tanh(cell)
        states.append(h)
    return np.array(states)


def ctrnn(x: np.ndarray, params: Params, config: Any) -> np.ndarray:
    h, states = np.zeros(x.shape[1]), []
    for token in x:
        drive = part(params["input"], token, 0) + part(params["recurrent"], h, 0)
        h = relu(h + config.leak * (drive - h))
        states.append(h)
    return np.array(states)


CELLS = {"rnn": rnn, "gru": gru, "lstm": lstm, "ctrnn": ctrnn}
