"""The transformer's forward pass once more: plain NumPy, float64, every loop written out.

It shares no code with `icl`: a network's parameters are all that it is given.
"""

import math
from typing import Any

import numpy as np

Params = dict[str, Any]


def layer_norm(x: np.ndarray, params: Params) -> np.ndarray:
    mean = x.mean(axis=-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-5) * params["scale"] + params["bias"]


def linear(x: np.ndarray, params: Params) -> np.ndarray:
    return x @ params["kernel"] + params["bias"]


def gelu(x: np.ndarray) -> np.ndarray:
    """With the tanh of Hendrycks and Gimpel 2016 in place of the normal distribution."""
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def softmax(scores: np.ndarray) -> np.ndarray:
    weights = np.exp(scores - scores.max())
    return weights / weights.sum()


def positions(num_tokens: int, width: int, max_time: float) -> np.ndarray:
    table = np.zeros((num_tokens, width))
    for position in range(num_tokens):
        for i in range(width // 2):
            angle = position / max_time ** (2 * i / width)
            table[position, i] = math.sin(angle)
            table[position, width // 2 + i] = math.cos(angle)
    return table


def attention(x: np.ndarray, params: Params, num_heads: int) -> tuple[np.ndarray, np.ndarray]:
    """Of one sequence [token, width]: the output, and the pattern [head, token, token]."""
    num_tokens, width = x.shape
    head_dim = width // num_heads
    q, k, v = np.split(linear(x, params["qkv"]), 3, axis=-1)
    pattern = np.zeros((num_heads, num_tokens, num_tokens))
    mixed = np.zeros((num_tokens, width))
    for head in range(num_heads):
        own = slice(head * head_dim, (head + 1) * head_dim)
        for t in range(num_tokens):
            scores = k[: t + 1, own] @ q[t, own] / math.sqrt(head_dim)
            pattern[head, t, : t + 1] = softmax(scores)
        mixed[:, own] = pattern[head] @ v[:, own]
    return linear(mixed, params["out"]), pattern


def transformer(
    params: Params,
    embedded: np.ndarray,
    labels: np.ndarray,
    num_layers: int,
    num_heads: int,
    max_time: float,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Logits [token, label] and each layer's pattern for one sequence.

    embedded: [item, width], the query last. labels: [context].
    """
    tokens = []
    for item, label in zip(embedded, labels, strict=False):
        tokens += [item, params["label_table"]["embedding"][label]]
    tokens.append(embedded[-1])
    x = np.array(tokens)
    x = x + positions(*x.shape, max_time)
    patterns = []
    for i in range(num_layers):
        block = params[f"block{i}"]
        update, pattern = attention(
            layer_norm(x, block["attention_norm"]), block["attention"], num_heads
        )
        patterns.append(pattern)
        x = x + update
        x = x + linear(
            gelu(linear(layer_norm(x, block["mlp_norm"]), block["mlp_in"])), block["mlp_out"]
        )
    return linear(layer_norm(x, params["norm"]), params["readout"]), patterns


def embed_linear(images: np.ndarray, params: Params, state: Params) -> np.ndarray:
    return linear(images.reshape(len(images), -1), params["out"])


def embed_mlp(images: np.ndarray, params: Params, state: Params) -> np.ndarray:
    pixels = (images - state["standardize"]["mean"]) / state["standardize"]["deviation"]
    hidden = linear(pixels.reshape(len(images), -1), params["hidden"])
    return linear(np.maximum(hidden, 0), params["out"])


def embed_pca(images: np.ndarray, params: Params, state: Params) -> np.ndarray:
    centred = images.reshape(len(images), -1) - state["mean"]
    return linear(centred @ state["components"], params["out"])


EMBED = {"linear": embed_linear, "mlp": embed_mlp, "pca": embed_pca}
