"""Configs by name: those that come with the package, and files of the user's own."""

import re
from hashlib import sha256
from pathlib import Path

import icl
from icl.errors import UserError, allowed

_PACKAGE = Path(icl.__file__).parent

# In a wheel the configs lie within the package, in a checkout beside it.
CONFIGS = next(
    (path for path in (_PACKAGE / "configs", _PACKAGE.parent / "configs") if path.is_dir()),
    _PACKAGE / "configs",
)
MAX_NAME = 150  # characters of a folder's name


def config_names() -> list[str]:
    """The names of all configs that come with the package, such as `chan2022/burstiness`."""
    return sorted(
        path.relative_to(CONFIGS).with_suffix("").as_posix() for path in CONFIGS.rglob("*.yaml")
    )


def find_config(word: str | Path) -> Path:
    """The file of a config, or a folder of grids.

    word: the path of a file or a folder, or the name of one in `configs/` without its ending, from
        any directory.

    Raises UserError where there is neither.
    """
    path, shipped = Path(word), CONFIGS / str(word).removeprefix("configs/")
    file = shipped.with_name(f"{shipped.name}.yaml")
    for found in (path, file, shipped):
        if found.is_file():
            return found
    for folder in (path, shipped):
        if folder.is_dir() and str(word):
            return folder
    names = config_names()
    inside = [name for name in names if Path(name).name == str(word)]  # without its folder
    known = allowed(inside[0] if inside else word, names, page="icl --help")
    raise UserError(f"{word}: no such file or config; {known}, or a YAML file")


def run_name(config: str | Path, overrides: list[str]) -> str:
    """Name the folder of a run or a sweep after its command, so that the same command resumes it.

    The name starts with that of the config: its place in `configs/`, or its path below the working
    directory, or else its folder and file. Different commands have different names: one that is
    too long ends in a digest of all of it.
    """
    path = Path(config).absolute()
    if path.is_relative_to(CONFIGS):
        place = path.relative_to(CONFIGS)
    elif path.is_relative_to(Path.cwd()):
        place = path.relative_to(Path.cwd())
    else:
        place = Path(path.parent.name, path.name)
    name = "-".join(place.with_suffix("").parts if path.suffix else place.parts)
    whole = ",".join([name, *sorted(overrides)])
    name = re.sub(r"[^\w.,=+-]+", "_", whole)
    if len(name) > MAX_NAME:
        digest = sha256(whole.encode()).hexdigest()[:8]
        name = f"{name[: MAX_NAME - 9]}-{digest}"
    return name
