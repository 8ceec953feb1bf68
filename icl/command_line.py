"""What the scripts share: arguments, and mistakes told in one line."""

import argparse
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from icl.errors import UserError

CONFIGS = Path(__file__).parent.parent / "configs"


def parse_arguments(description: str, default_config: str) -> argparse.Namespace:
    """CONFIG, key=value overrides and --out. Sets `config`, `overrides`, `out`."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "words",
        nargs="*",
        metavar="CONFIG | key=value",
        help=f"a YAML file (default: configs/{default_config}), and settings that replace its own",
    )
    parser.add_argument("--out", help="folder of the run (default: runs/, named by the settings)")
    arguments = parser.parse_intermixed_args()
    files = [word for word in arguments.words if _is_file(word)]
    if len(files) > 1:
        raise UserError(f"{files[1]}: not understood; allowed: one CONFIG, then KEY=VALUE")
    arguments.overrides = [word for word in arguments.words if not _is_file(word)]
    arguments.config = files[0] if files else str(CONFIGS / default_config)
    keys = [word.partition("=")[0] for word in arguments.overrides]
    for key in keys:
        if keys.count(key) > 1:
            raise UserError(f"{key}: given {keys.count(key)} times; allowed: once")
    if arguments.out == "":
        raise UserError("--out = : empty; allowed: a folder")
    if arguments.out is None:
        arguments.out = str(Path("runs") / _run_name(arguments.config, arguments.overrides))
    return arguments


def run_command(command: Callable[[], int]) -> None:
    """Run a script's main; mistakes are printed without a stack trace and exit with 2."""
    try:
        sys.exit(command())
    except UserError as error:
        for line in error.args:
            print(f"error: {line}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(
            f"error: {where}{error.strerror or error}; once mended, run the same command again",
            file=sys.stderr,
        )
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "RESOURCE_EXHAUSTED" not in str(error):
            raise
        print(
            f"error: out of memory ({str(error).splitlines()[0][:200]}); lower "
            "training.batch_size, the number of classes, or the network's size",
            file=sys.stderr,
        )
        sys.exit(2)


def _is_file(word: str) -> bool:
    return "=" not in word or word.endswith((".yaml", ".yml"))


def _run_name(config: str, overrides: list[str]) -> str:
    """The same for the same command, so that the command alone resumes its run."""
    name = ",".join([Path(config).stem, *sorted(overrides)])
    return re.sub(r"[^\w.,=+-]+", "_", name)[:150]
