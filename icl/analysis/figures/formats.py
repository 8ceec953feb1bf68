"""Figures as the content of files."""

import io

import matplotlib
from matplotlib.figure import Figure

FORMATS = ("pdf", "svg", "png")
# Text stays text, and the same data make the same bytes.
SETTINGS = {"svg.fonttype": "none", "pdf.fonttype": 42, "svg.hashsalt": "icl"}


class NotebookFigure(Figure):
    """A Matplotlib figure that a notebook shows, also where `pyplot` is not loaded."""

    def _repr_png_(self) -> bytes:
        return to_png(self)


def to_png(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def to_files(figure: Figure) -> dict[str, bytes]:
    """A figure for print as the content of a file, by format."""
    contents = {}
    figure.draw_without_rendering()  # computes the layout once for all formats
    figure.set_layout_engine("none")
    with matplotlib.rc_context(SETTINGS):
        for form in FORMATS:
            buffer = io.BytesIO()
            dates = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}
            figure.savefig(buffer, format=form, dpi=200, metadata=dates.get(form))
            contents[form] = buffer.getvalue()
    return contents
