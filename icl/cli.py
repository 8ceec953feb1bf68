"""Command-line arguments of the scripts, and user errors printed as single lines."""

import argparse
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from icl.analysis.printing import unbroken_streams
from icl.errors import UserError, first_line

CONFIGS = Path(__file__).parent.parent / "configs"


def parse_arguments(
    description: str,
    default_config: str | None,
    folder: str | None = "runs",
    flags: dict[str, str] | None = None,
    numbers: dict[str, str] | None = None,
    texts: dict[str, str] | None = None,
) -> argparse.Namespace:
    """Parse CONFIG, key=value overrides and --out into `config`, `overrides` and `out`.

    default_config: config to use without CONFIG; None: `config` is then empty.
    folder: parent folder of the default --out; None: the script has no --out.
    flags: help by switch; True if given.
    numbers: help by option that takes a positive whole number; None if not given.
    texts: help by option that takes a text; empty if not given.

    Raises UserError.
    """
    parser = argparse.ArgumentParser(description=description)
    default = f" (default: configs/{default_config})" if default_config else ""
    parser.add_argument(
        "words",
        nargs="*",
        metavar="CONFIG | key=value",
        help=f"a YAML file{default}, and settings that replace its own",
    )
    if folder:
        default_out = f"{folder}/, named by the settings"
        parser.add_argument("--out", help=f"folder of the run (default: {default_out})")
    for flag, meaning in (flags or {}).items():
        parser.add_argument(f"--{flag}", action="store_true", help=meaning)
    for option, meaning in (numbers or {}).items():
        parser.add_argument(f"--{option}", metavar="N", help=meaning)
    for option, meaning in (texts or {}).items():
        parser.add_argument(f"--{option}", default="", help=meaning)
    arguments = parser.parse_intermixed_args()
    for option in numbers or {}:
        setattr(arguments, option, whole_number(option, getattr(arguments, option)))
    files = [word for word in arguments.words if _is_file(word)]
    if len(files) > 1:
        raise UserError(f"{files[1]}: not understood; allowed: one CONFIG, then KEY=VALUE")
    arguments.overrides = [word for word in arguments.words if not _is_file(word)]
    default_file = str(CONFIGS / default_config) if default_config else ""
    arguments.config = files[0] if files else default_file
    keys = [word.partition("=")[0] for word in arguments.overrides]
    for key in keys:
        if keys.count(key) > 1:
            raise UserError(f"{key}: given {keys.count(key)} times; allowed: once")
    if folder and arguments.out == "":
        raise UserError("--out = : empty; allowed: a folder")
    if folder and arguments.out is None and arguments.config:
        arguments.out = str(Path(folder) / _run_name(arguments.config, arguments.overrides))
    return arguments


def parse_sweep_arguments() -> argparse.Namespace:
    """Parse the arguments of `scripts/sweep.py`, with `engine`, `ray`, `log` and its flags.

    Raises UserError.
    """
    arguments = parse_arguments(
        "Train a grid of networks.",
        None,
        flags={
            "dry-run": "list the cells and groups of runs, and estimate time and memory",
            "watch": "follow a sweep that runs elsewhere",
        },
        texts={
            "engine": "threads (single runs), vmap (groups of runs in one program) or auto",
            "ray": "auto, or the address of a Ray cluster to train on",
            "log": "tensorboard, wandb, or both, separated by a comma",
        },
    )
    if not arguments.config and not (arguments.watch and arguments.out):
        raise UserError("no grid given; allowed: a YAML file or a folder of them, then KEY=VALUE")
    arguments.engine = arguments.engine or "auto"
    loggers = arguments.log.split(",") if arguments.log else []
    for option, values, allowed in (
        ("engine", [arguments.engine], ("auto", "threads", "vmap")),
        ("log", loggers, ("tensorboard", "wandb")),
    ):
        for value in values:
            if value not in allowed:
                raise UserError(f"--{option} = {value}; allowed: {', '.join(allowed)}")
    arguments.log = tuple(dict.fromkeys(loggers))
    return arguments


def check_folder(out: str, option: str = "out") -> None:
    """Raise UserError if a folder cannot be created or written to; write nothing."""
    path = Path(out).absolute()
    there = next(p for p in (path, *path.parents) if p.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        why = "not a folder" if not there.is_dir() else "Permission denied"
        raise UserError(
            f"--{option} = {path}: cannot be written ({why}); allowed: a folder that can"
        )


def whole_number(option: str, text: str | None) -> int | None:
    """Convert the text of an option to a number; None if not given. Raises UserError."""
    if text is None or re.fullmatch(r"0*[1-9][0-9]{0,14}", text):
        return None if text is None else int(text)
    raise UserError(f"--{option} = {text}; allowed: a whole number of at least 1")


def run_command(command: Callable[[], int]) -> None:
    """Run a script's main and exit; print user errors as lines and exit with 2.

    The script goes on when nobody reads what it prints.
    """
    with unbroken_streams():
        _run(command)


def _run(command: Callable[[], int]) -> None:
    try:
        _check_working_directory()
        sys.exit(command())
    except UserError as error:
        for line in error.args:
            print(f"error: {line}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(
            f"error: {where}{error.strerror or error}; fix this and run the same command again",
            file=sys.stderr,
        )
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and "RESOURCE_EXHAUSTED" not in str(error):
            raise
        print(
            f"error: out of memory ({first_line(error)}); lower "
            "training.batch_size, the number of classes, or the network's size",
            file=sys.stderr,
        )
        sys.exit(2)


def _check_working_directory() -> None:
    """Raise UserError if the working directory was deleted."""
    try:
        os.getcwd()
    except FileNotFoundError:
        name = os.environ.get("PWD", "")
        raise UserError(
            f"working directory = {name}: was deleted; allowed: one that exists, change to it first"
        ) from None


def _is_file(word: str) -> bool:
    return "=" not in word or word.endswith((".yaml", ".yml"))


def _run_name(config: str, overrides: list[str]) -> str:
    """Name a run after its command, so that the same command resumes it."""
    name = ",".join([Path(config).stem, *sorted(overrides)])
    return re.sub(r"[^\w.,=+-]+", "_", name)[:150]
