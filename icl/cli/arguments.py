"""Command-line arguments of all commands, and user errors printed as single lines."""

import argparse
import os
import re
import shlex
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from icl.analysis.printing import unbroken_streams
from icl.config.find import CONFIGS, find_config, run_name
from icl.config.parts import PARTS, load_installed
from icl.errors import UserError, allowed, first_line
from icl.runs.options import Options

# Options of all commands that train, see `options_of`.
FLAGS = {"other-code": "go on with runs that other source code has trained, and record it"}
TEXTS = {"log": "tensorboard, wandb or loggers of your own, separated by commas"}


def parse_arguments(
    description: str,
    default_config: str | None,
    folder: str | None = "runs",
    flags: dict[str, str] | None = None,
    numbers: dict[str, str] | None = None,
    texts: dict[str, str] | None = None,
) -> argparse.Namespace:
    """Parse CONFIG, key=value overrides and --out into `config`, `overrides` and `out`.

    default_config: name of the config to use without CONFIG; None: `config` is then empty.
    folder: parent folder of the default --out; None: the script has no --out.
    flags: help by switch; True if given.
    numbers: help by option that takes a positive whole number; None if not given.
    texts: help by option that takes a text; empty if not given.

    Raises UserError.
    """
    parser = argparse.ArgumentParser(description=description)
    default = f" (default: {default_config})" if default_config else ""
    parser.add_argument(
        "words",
        nargs="*",
        metavar="CONFIG | key=value",
        help=f"a YAML file, or the name of one in configs/{default}; settings that replace its own",
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
    if files:
        arguments.config = str(find_config(files[0]))
    else:
        arguments.config = str(CONFIGS / f"{default_config}.yaml") if default_config else ""
    keys = [word.partition("=")[0] for word in arguments.overrides]
    for key in keys:
        if keys.count(key) > 1:
            raise UserError(f"{key}: given {keys.count(key)} times; allowed: once")
    if folder and arguments.out == "":
        raise UserError("--out = : empty; allowed: a folder")
    if folder and arguments.out is None and arguments.config:
        arguments.out = str(Path(folder) / run_name(arguments.config, arguments.overrides))
    return arguments


def parse_sweep_arguments() -> argparse.Namespace:
    """Parse the arguments of `icl sweep`, with `engine`, `ray`, FLAGS, TEXTS and its flags.

    Raises UserError.
    """
    arguments = parse_arguments(
        "Train a grid of networks.",
        None,
        flags=FLAGS
        | {
            "dry-run": "list the cells and groups of runs, and estimate time and memory",
            "watch": "follow a sweep that runs elsewhere",
        },
        texts=TEXTS
        | {
            "engine": "threads (single runs), vmap (groups of runs in one program) or auto",
            "ray": "auto, or the address of a Ray cluster to train on",
        },
    )
    if not arguments.config and not (arguments.watch and arguments.out):
        raise UserError("no grid given; allowed: a YAML file or a folder of them, then KEY=VALUE")
    arguments.engine = arguments.engine or "auto"
    _check_choices("engine", [arguments.engine], ("auto", "threads", "vmap"))
    return arguments


def options_of(arguments: argparse.Namespace) -> Options:
    """The options of runs that FLAGS and TEXTS ask for. Raises UserError."""
    loggers = arguments.log.split(",") if arguments.log else []
    _check_choices("log", loggers, logger_names())
    path = Path(arguments.config).absolute()
    folder = path if path.is_dir() else path.parent
    paper = folder.relative_to(CONFIGS).parts[:1] if folder.is_relative_to(CONFIGS) else ()
    return Options(arguments.other_code, tuple(dict.fromkeys(loggers)), paper)


def _check_choices(option: str, values: list[str], known: tuple[str, ...]) -> None:
    for value in values:
        if value not in known:
            raise UserError(f"--{option} = {value}; {allowed(value, known)}")


def logger_names() -> tuple[str, ...]:
    """The names that `--log` takes, those of registered loggers included."""
    load_installed()
    return ("tensorboard", "wandb", *PARTS["logger"])


def check_folder(out: str, option: str = "out") -> None:
    """Raise UserError if a folder cannot be created or written to; write nothing."""
    path = Path(out).absolute()
    there = next(p for p in (path, *path.parents) if p.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        why = "not a folder" if not there.is_dir() else "Permission denied"
        raise UserError(
            f"--{option} = {path}: cannot be written ({why}); allowed: a folder that can"
        )


def command_again() -> str:
    """Format the command that this process was started with, to run it again."""
    program, *words = sys.argv
    is_script = program.endswith(".py")
    start = [Path(sys.executable).name, program] if is_script else []
    name = shlex.join(start) if is_script else Path(program).name
    return f"{name} {shlex.join(words)}".strip()


def whole_number(option: str, text: str | None) -> int | None:
    """Convert the text of an option to a number; None if not given. Raises UserError."""
    if text is None or re.fullmatch(r"0*[1-9][0-9]{0,14}", text):
        return None if text is None else int(text)
    raise UserError(f"--{option} = {text}; allowed: a whole number of at least 1")


def run_command(command: Callable[[], int]) -> None:
    """Run a command's main and exit; print user errors as lines and exit with 2.

    The command goes on when nobody reads what it prints.
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
