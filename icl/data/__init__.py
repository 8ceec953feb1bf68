"""Data: exemplars from sources, sequences drawn as integers, and tasks over time.

`sources` gives exemplars: `load_exemplars`, then `put_on_device`. `families` makes one sequence as
integers (classes, exemplars, labels) from random bits and traced knobs; `knobs` makes these knobs
from a config. `batches` draws many sequences and looks up their exemplars last. `tasks` draws
trials.

This file imports nothing, so that `icl.data.bits` and `icl.data.classes` load without the config.
"""
