"""Bars of the parts of a training step's time."""

import io

from matplotlib.figure import Figure

from benchmarks.parts import OF_PEAK

COLORS = {
    "drawing the batch": "#56B4E9",
    "forward": "#0072B2",
    "backward": "#009E73",
    "update": "#E69F00",
}


def draw_parts(parts: dict[str, dict[str, float]]) -> bytes:
    """Draw a PNG: shares of each network's step, and the share of the peak that it reaches."""
    figure = Figure(figsize=(8, 0.6 + 0.55 * len(parts)), layout="constrained", dpi=150)
    shares, peaks = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1))
    names = list(parts)
    left = dict.fromkeys(names, 0.0)
    for part, color in COLORS.items():
        widths = [parts[name][f"share: {part}"] for name in names]
        shares.barh(names, widths, left=list(left.values()), color=color, label=part)
        left = {name: left[name] + width for name, width in zip(names, widths, strict=True)}
    peaks.barh(names, [parts[name][OF_PEAK] for name in names], color="0.4")
    peaks.axvline(1, color="black", linewidth=0.8)
    peaks.set(xlim=(0, 1.02), title="useful operations\nover matrix-product peak")
    shares.set(title="time of each part alone / time of the whole step")
    shares.axvline(1, color="black", linewidth=0.8)
    shares.invert_yaxis()
    for axes in (shares, peaks):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
        axes.title.set_fontsize(8)
    handles, labels = shares.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
