"""Rooms and files form no circle, files stay small, and importing the config stays light."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "icl").rglob("*.py"))

# Rooms from the bottom: a room may import those of the lines before, and not its neighbours.
ORDER = [
    {"errors"},
    {"types", "files"},
    {"config"},
    {"data", "models", "records", "theory", "register"},
    {"training"},
    {"evaluation", "probes", "interventions"},
    {"problems"},
    {"analysis"},
    {"description", "runs"},
    {"sweeps"},
    {"interface"},
    {"cli"},
    {"__main__"},
]


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


# What a run is about. Only `icl.problems` may ask which of them it has.
PROBLEMS = {"ExperimentConfig", "TaskExperimentConfig", "SequenceProblem", "TrialProblem"}
ROOTS = {"icl.config", "icl.config.experiment"}  # where the roots of the config are defined

NAMES = {name_of(path): path for path in MODULES}


def imports_of(path: Path) -> set[str]:
    """All modules that a file names in imports, those for types and within functions included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            # `from package import module` is an import of the module.
            found |= {
                whole if (whole := f"{node.module}.{alias.name}") in NAMES else node.module
                for alias in node.names
            }
    return found


def own_imports(path: Path) -> set[str]:
    return {module for module in imports_of(path) if module == "icl" or module.startswith("icl.")}


def room_of(module: str) -> str:
    return [*module.split("."), ""][1]


def level_of(module: str) -> int:
    room = room_of(module)
    if not room:  # the front door's version is anybody's
        return -1
    return next(level for level, rooms in enumerate(ORDER) if room in rooms)


@pytest.mark.parametrize("name", NAMES)
def test_a_room_imports_only_rooms_before_it(name: str):
    for module in own_imports(NAMES[name]):
        if room_of(module) != room_of(name):
            assert level_of(module) < level_of(name) or not room_of(name), f"{name}: {module}"


def test_files_form_no_circle():
    graph = {name: own_imports(path) - {"icl"} for name, path in NAMES.items() if name != "icl"}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


@pytest.mark.parametrize("name", [name for name in NAMES if room_of(name) == "analysis"])
def test_analysis_knows_records_but_no_problem(name: str):
    known = {"errors", "types", "files", "config", "models", "records", "theory", "probes"}
    assert {room_of(module) for module in own_imports(NAMES[name])} <= known | {"analysis"}


def names_in(node: ast.AST) -> set[str]:
    return {
        part.id if isinstance(part, ast.Name) else part.attr
        for part in ast.walk(node)
        if isinstance(part, ast.Name | ast.Attribute)
    }


def constants_in(node: ast.AST) -> set[object]:
    """The constant that an expression is, or those of a tuple, list or set."""
    match node:
        case ast.Constant(value=value):
            return {value}
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            return set().union(*map(constants_in, parts))
    return set()


def asks_for_the_problem(node: ast.AST) -> bool:
    """Whether a piece of code depends on which problem a run has."""
    match node:
        case ast.Call(
            func=ast.Name(id="getattr" | "hasattr"),
            args=[_, ast.Constant(value="data" | "task"), *_],
        ):
            return True
        case ast.Call(func=ast.Name(id="isinstance" | "issubclass"), args=[_, classes]):
            return bool(names_in(classes) & PROBLEMS)
        case ast.MatchClass(cls=cls):
            return bool(names_in(cls) & PROBLEMS)
        case ast.Compare(left=left, comparators=others):
            sides = [left, *others]
            if any("task" in constants_in(side) for side in sides):
                return True
            is_name = any(
                isinstance(side, ast.Attribute) and side.attr == "problem" for side in sides
            )
            return is_name or any(names_in(side) & PROBLEMS for side in sides)
    return False


@pytest.mark.parametrize(
    "name", [name for name in NAMES if room_of(name) != "problems" and name not in ROOTS]
)
def test_nothing_outside_problems_asks_which_problem_it_has(name: str):
    nodes = ast.walk(ast.parse(NAMES[name].read_text()))
    asked = [ast.unparse(node) for node in nodes if asks_for_the_problem(node)]
    assert not asked, asked


@pytest.mark.parametrize(
    "code",
    [
        "isinstance(config, ExperimentConfig)",
        "config.problem == 'sequences'",
        "type(program.problem) is TrialProblem",
        "'task' in record['conditions']",
        "name == 'task'",
        "name in ('train', 'task')",
        "('task', 'accuracy') != pair",
        "getattr(config, 'data', None)",
        "hasattr(config, 'task')",
    ],
)
def test_a_question_about_the_problem_is_found(code: str):
    assert any(asks_for_the_problem(node) for node in ast.walk(ast.parse(code)))


@pytest.mark.parametrize("name", NAMES)
def test_only_analysis_draws_and_nothing_pickles(name: str):
    imported = {module.partition(".")[0] for module in imports_of(NAMES[name])}
    assert not imported & {"matplotlib", "plotly"} or room_of(name) == "analysis"
    assert not imported & {"pickle", "cloudpickle", "dill", "joblib", "shelve"}


@pytest.mark.parametrize("name", NAMES)
def test_files_are_short(name: str):
    assert NAMES[name].read_text().count("\n") <= 350


@pytest.mark.parametrize("name", NAMES)
def test_functions_have_at_most_six_parameters(name: str):
    for node in ast.walk(ast.parse(NAMES[name].read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            own = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            assert len([one for one in own if one.arg not in ("self", "cls")]) <= 6, node.name


ROOM_DOORS = [name for name, path in NAMES.items() if path.stem == "__init__" and name != "icl"]


@pytest.mark.parametrize("name", ROOM_DOORS)
def test_doors_hold_no_logic(name: str):
    """A room's door has a docstring, imports and the list of what is public."""
    for node in ast.parse(NAMES[name].read_text()).body:
        is_text = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_name = isinstance(node, ast.Assign) and node.targets[0].id in ("__all__", "__version__")
        assert is_text or is_name or isinstance(node, ast.ImportFrom), ast.unparse(node)


TEXT_CALLS = {"read_text": 0, "write_text": 1, "open": 2}  # and the place of their encoding


def calls_without_encoding(code: str) -> list[str]:
    """The calls that read or write a text in the locale's encoding."""
    found = []
    for node in ast.walk(ast.parse(code)):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else ast.unparse(node.func)
        is_bytes = any("b" in str(part) for arg in node.args for part in constants_in(arg))
        given = len(node.args) > TEXT_CALLS.get(name, 0) or any(
            word.arg == "encoding" for word in node.keywords
        )
        is_open = name == "open" and isinstance(node.func, ast.Name) and not is_bytes
        if (name in ("read_text", "write_text") or is_open) and not given:
            found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize(
    "path",
    [path for room in ("icl", "scripts", "benchmarks") for path in (ROOT / room).rglob("*.py")],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_texts_have_one_encoding_in_all_locales(path: Path):
    assert calls_without_encoding(path.read_text(encoding="utf-8")) == []


def test_a_text_in_the_encoding_of_the_locale_is_found():
    code = "a.read_text(); b.write_text('x'); open(c); open(d, 'w')"
    assert len(calls_without_encoding(code)) == 4
    code = "a.read_text('utf-8'); b.write_text('x', encoding='utf-8'); open(c, 'rb')"
    assert calls_without_encoding(code) == []


def test_the_top_has_at_most_sixteen_rooms_and_four_files():
    doors = {"__pycache__", "__init__.py", "__main__.py", "py.typed"}
    entries = {path.name for path in (ROOT / "icl").iterdir()} - doors
    assert len(entries) <= 20, sorted(entries)


@pytest.mark.parametrize("path", sorted((ROOT / "scripts").glob("*.py")), ids=lambda p: p.stem)
def test_scripts_only_parse_call_and_print(path: Path):
    assert path.read_text().count("\n") <= 50


def test_mistakes_in_a_config_are_found_without_loading_jax():
    code = (
        "import sys; import icl.cli.main, icl.config.yaml, icl.config.grid, icl.runs.run; "
        "print([m for m in ('jax', 'orbax', 'matplotlib', 'xarray') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
