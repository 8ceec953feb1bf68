"""Probes: measurements of the inside of a network while it trains, each a module of its name.

`icl.config.probes` lists them. What they measure with (alignment, tangent kernels, statistics of
weight matrices) serves one's own Python code too: docs/probes.md.
"""

from icl.probes.find import measure
from icl.probes.view import View

__all__ = ["View", "measure"]
