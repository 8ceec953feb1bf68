"""Record the golden values anew: `python -m tests.golden [SUBJECT ...]`, all without a name.

Only for when a number, a digest, a file format or the field of a message is meant to change: the
difference that version control then shows has to be the one that was meant, and no other.
"""

import os
import sys
import tempfile
from pathlib import Path

import jax

from tests.golden.store import canary, save
from tests.golden.subjects import SUBJECTS
from tests.programs import XLA_FLAGS


def main(names: list[str]) -> None:
    # As in the tests, whose programs are compiled in this way.
    os.environ.setdefault("XLA_FLAGS", XLA_FLAGS)
    jax.config.update("jax_disable_most_optimizations", True)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["ICL_CACHE_DIR"] = str(Path(scratch) / "cache")
        jax.config.update("jax_compilation_cache_dir", str(Path(scratch) / "xla"))
        for name in names or SUBJECTS:
            values = {}
            for i, item in enumerate(SUBJECTS[name].names):
                folder = Path(scratch) / f"{name}{i}"
                folder.mkdir()
                values[item] = SUBJECTS[name].compute(item, folder)
            save(name, values)
            print(f"{name}: {len(values)} items")
    save("canary", {"canary": canary()})


if __name__ == "__main__":
    main(sys.argv[1:])
