"""The transformer's forward pass once more: plain NumPy, float64, every loop written out.

It shares no code with `icl`: a network's parameters are all that it is given.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Params = dict[str, Any]
Edits = Mapping[str, Callable[[np.ndarray], np.ndarray]]


def layer_norm(x: np.ndarray, params: Params) -> np.ndarray:
    mean = x.mean(axis=-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-5) * params["scale"] + params["bias"]


def linear(x: np.ndarray, params: Params) -> np.ndarray:
    return x @ params["kernel"] + params.get("bias", 0)


def gelu(x: np.ndarray) -> np.ndarray:
    """GELU with the tanh of Hendrycks and Gimpel 2016 in place of the normal distribution."""
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


def rotated(x: np.ndarray, position: int, base: float) -> np.ndarray:
    """Entries i and i + half turned as complex numbers."""
    half = len(x) // 2
    turned = np.zeros_like(x)
    for i in range(half):
        angle = position / base ** (i / half)
        number = complex(x[i], x[half + i]) * complex(math.cos(angle), math.sin(angle))
        turned[i], turned[half + i] = number.real, number.imag
    return turned


def attention(
    x: np.ndarray,
    params: Params,
    num_heads: int,
    scale: float | None,
    rotary: float | None,
    edits: Edits,
) -> tuple[np.ndarray, np.ndarray]:
    """Output of one sequence [token, width], and the attention pattern [head, token, token].

    edits: of the pattern, `attention`, and of what heads read, `heads`: [token, head, dim].
    """
    num_tokens, width = x.shape
    head_dim = width // num_heads
    scale = scale or 1 / math.sqrt(head_dim)
    q, k, v = np.split(linear(x, params["qkv"]), 3, axis=-1)
    pattern = np.zeros((num_heads, num_tokens, num_tokens))
    mixed = np.zeros((num_tokens, width))
    for head in range(num_heads):
        own = slice(head * head_dim, (head + 1) * head_dim)
        queries, keys = q[:, own], k[:, own]
        if rotary:
            queries = np.array([rotated(row, t, rotary) for t, row in enumerate(queries)])
            keys = np.array([rotated(row, t, rotary) for t, row in enumerate(keys)])
        for t in range(num_tokens):
            pattern[head, t, : t + 1] = softmax(keys[: t + 1] @ queries[t] * scale)
    if "attention" in edits:
        pattern = edits["attention"](pattern)
    for head in range(num_heads):
        own = slice(head * head_dim, (head + 1) * head_dim)
        mixed[:, own] = pattern[head] @ v[:, own]
    if "heads" in edits:
        mixed = edits["heads"](mixed.reshape(num_tokens, num_heads, -1)).reshape(mixed.shape)
    return (linear(mixed, params["out"]) if "out" in params else mixed), pattern


def transformer(
    params: Params,
    state: Params,
    config: Any,
    embedded: np.ndarray,
    labels: np.ndarray,
    first_position: int = 0,
    edits: Mapping[int, Edits] | None = None,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Logits [token, label] and each layer's pattern for one sequence.

    embedded: [item, width], the query last. labels: [context].
    first_position: of shifted positions.
    edits: by layer, see `attention`.
    """
    table = (params.get("label_table") or state["label_table"])["embedding"]
    tokens = []
    for item, label in zip(embedded, labels, strict=False):
        if config.tokens == "concatenated":
            tokens.append(np.concatenate([item, table[label]]))
        else:
            tokens += [item, table[label]]
    query = embedded[-1]
    if config.tokens == "concatenated":
        query = np.concatenate([query, np.zeros(table.shape[1])])
    x = np.array([*tokens, query])
    rotary = None
    match config.positions.kind:
        case "sinusoidal":
            x = x + positions(*x.shape, config.positions.max_time)
        case "learned":
            x = x + params["position_table"][: len(x)]
        case "shifted":
            hot = np.eye(config.positions.size)[first_position : first_position + len(x)]
            x = np.concatenate([x, hot], axis=1)
        case "rotary":
            rotary = config.positions.base
    patterns = []

    def normed(x: np.ndarray, params: Params, name: str) -> np.ndarray:
        return layer_norm(x, params[name]) if config.norm == "pre" else x

    for i in range(config.num_layers):
        block = params[f"block{i}"]
        update, pattern = attention(
            normed(x, block, "mixer_norm"),
            block["mixer"],
            config.num_heads,
            config.attention_scale,
            rotary,
            (edits or {}).get(i, {}),
        )
        patterns.append(pattern)
        x = x * config.residual + update
        if config.mlp_ratio:
            hidden = gelu(linear(normed(x, block, "mlp_norm"), block["mlp_in"]))
            x = x * config.residual + linear(hidden, block["mlp_out"])
    x = normed(x, params, "norm")
    for i in range(len(config.head)):
        x = linear(x, params["head"][f"layer{i}"]) + params["head"].get(f"bias{i}", 0)
        x = np.maximum(x, 0)
    if config.readout == "tied":
        return x @ table.T + params.get("readout_bias", 0), patterns
    return linear(x, params["readout"]), patterns


def embed_linear(images: np.ndarray, params: Params, state: Params) -> np.ndarray:
    return linear(images.reshape(len(images), -1), params["out"])


def embed_mlp(images: np.ndarray, params: Params, state: Params) -> np.ndarray:
    pixels = (images - state["standardize"]["mean"]) / state["standardize"]["deviation"]
    hidden = linear(pixels.reshape(len(images), -1), params["hidden"])
    return linear(np.maximum(hidden, 0), params["out"])


def embed_pca(images: np.ndarray, params: Params, state: Params) -> np.ndarray:
    centred = images.reshape(len(images), -1) - state["mean"]
    return linear(centred @ state["components"], params["out"])


def embed_one_hot(symbols: np.ndarray, params: Params, state: Params) -> np.ndarray:
    one_hot = symbols[:, None] == np.arange(len(params["out"]["kernel"]))
    return linear(one_hot.astype(np.float64), params["out"])


def embed_table(symbols: np.ndarray, params: Params, state: Params) -> np.ndarray:
    return np.array([params["table"]["embedding"][symbol] for symbol in symbols])


EMBED = {
    "linear": embed_linear,
    "mlp": embed_mlp,
    "pca": embed_pca,
    "one_hot": embed_one_hot,
    "table": embed_table,
}
