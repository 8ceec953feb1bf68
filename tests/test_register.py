"""Registering parts: names, settings that do not fit, mistakes, and packages with entry points."""

import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar, Literal, get_args

import pytest
from pydantic import Field, create_model

import icl.register
from icl.cli.arguments import logger_names
from icl.config import parts
from icl.config.base import Settings, Traced
from icl.config.claims import METRIC_LABELS, Claim
from icl.config.conditions import CONDITIONS
from icl.config.connectivity import Connectivity, OwnConnectivity
from icl.config.embedders import Embedder
from icl.config.experiment import EXPERIMENTS
from icl.config.families import NAMED, Family, FewShotFamily
from icl.config.grid import make_sweep
from icl.config.networks import Model
from icl.config.parts import PARTS
from icl.config.probes import PROBES
from icl.config.sources import OwnSource, Source
from icl.config.sweeps import SweepConfig
from icl.config.tasks import TaskConfig
from icl.config.traced import TRACED, digest_of, program_of
from icl.config.training import LOSSES
from icl.config.used_parts import check_for_workers, describe_parts
from icl.config.yaml import dump_config, load_config, parse_config
from icl.config.yaml_text import read_yaml
from icl.errors import UserError
from icl.records.run_directory import CONFIG, RunDirectory
from icl.records.storage import Store
from icl.sweeps.progress import SweepProgress
from icl.sweeps.run import run_sweeps

from .conftest import QUICKSTART
from .messages import check_line, errors, refused
from .outside import install

pytestmark = pytest.mark.usefixtures("registry")
SPIRALS = ("data.source.kind=spirals", "data.num_classes=30", "data.num_holdout_classes=6")


class Spirals(OwnSource):
    kind: Literal["spirals"] = "spirals"
    turns: int = Field(2, ge=1)

    num_classes: ClassVar[int] = 40
    num_exemplars: ClassVar[int] = 6
    shape: ClassVar[tuple[int, ...]] = (2,)


def spirals(settings: Spirals) -> Any: ...


def other(*_: Any) -> Any: ...


def make(name: str, base: type[Settings] = Settings, **fields: Any) -> type[Settings]:
    """Settings of a part of this name."""
    return create_model("Made", __base__=base, kind=(Literal[name], name), **fields)


def schemas() -> list[dict[str, Any]]:
    return [model.model_json_schema() for model in (*EXPERIMENTS.values(), SweepConfig)]


def test_settings_are_read_checked_and_written_like_those_built_in():
    icl.register.source("spirals", spirals, settings=Spirals)
    config = load_config(QUICKSTART, [*SPIRALS, "data.source.turns=3"])
    assert config.data.source == Spirals(turns=3)
    assert parse_config(read_yaml(dump_config(config))) == config
    [line] = errors(*SPIRALS, "data.source.turns=0")
    check_line(line, "data.source.turns = 0", "at least 1")
    [line] = errors(*SPIRALS, "data.source.turn=3")
    check_line(line, "data.source.turn", "kind, turns")
    [line] = errors("data.source.kind=spiral")
    check_line(line, "data.source.kind = spiral", "glyphs", "spirals")
    [line] = errors("data.source.kind=spirals", "data.num_classes=35")
    check_line(line, "data.num_classes + data.num_holdout_classes = 35 + 23", "40")


def test_a_grid_sweeps_its_settings_and_a_program_depends_on_those_not_traced():
    icl.register.source("spirals", spirals, settings=Spirals)
    base = load_config(QUICKSTART, list(SPIRALS)).model_dump(mode="json")
    sweep = make_sweep("own", SweepConfig(base=base, grid={"data.source.turns": [1, 2]}))
    assert [cell.config.data.source.turns for cell in sweep.cells] == [1, 2]
    assert len({cell.digest for cell in sweep.cells}) == 2
    assert len({program_of(cell.config) for cell in sweep.cells}) == 2


@pytest.mark.parametrize(
    "union", [Source, Family, Model, Embedder, TaskConfig, Connectivity, Claim]
)
def test_without_registered_parts_a_union_is_that_of_its_kinds(union):
    whole = Annotated[get_args(union)[0], Field(discriminator="kind")]
    own, plain = (
        create_model("Root", __base__=Settings, part=(kind, ...)) for kind in (union, whole)
    )
    assert own.model_json_schema() == plain.model_json_schema()
    for wrong in ({"kind": "nothing"}, {}, 3):
        found = []
        for model in (own, plain):
            with pytest.raises(ValueError, match="part") as caught:
                model.model_validate({"part": wrong})
            found.append(caught.value.errors(include_url=False))
        assert found[0] == found[1]


def test_what_is_forgotten_leaves_nothing_behind():
    before = schemas(), dict(TRACED), dict(METRIC_LABELS), digest_of(load_config(QUICKSTART))
    lists = [[*table] for table in (PROBES, NAMED, CONDITIONS, LOSSES)]

    class Waves(OwnConnectivity):
        kind: Literal["waves"] = "waves"  # type: ignore[assignment]
        length: Annotated[float, Traced()] = 1.0

    icl.register.source("spirals", spirals, settings=Spirals)
    icl.register.initializer("waves", other, settings=Waves)
    icl.register.probe("sparsity", other)
    icl.register.loss("focal", other)
    icl.register.condition("wide", lambda: FewShotFamily(ways=8))
    assert digest_of(load_config(QUICKSTART)) == before[3]
    assert "connectivity.*.length" in TRACED
    assert schemas() != before[0]
    for sort, name in (
        ("source", "spirals"),
        ("initializer", "waves"),
        ("probe", "sparsity"),
        ("loss", "focal"),
        ("condition", "wide"),
    ):
        icl.register.forget(sort, name)
    assert (schemas(), dict(TRACED), dict(METRIC_LABELS)) == before[:3]
    assert [[*table] for table in (PROBES, NAMED, CONDITIONS, LOSSES)] == lists


def test_a_setting_of_a_part_within_a_part_is_found():
    """Settings registered first hold what is registered later."""
    network = make("plain", icl.config.networks.NetworkConfig)
    icl.register.network("plain", other, settings=network)
    icl.register.embedder("waves", other, settings=make("waves", size=(int, 3)))
    config = load_config(
        QUICKSTART, ["model={kind: plain, embedder: {kind: waves, size: 4}}", "seed=3"]
    )
    assert config.model.embedder.size == 4


NAMES = {
    "source": ("glyphs", "markov"),
    "family": ("few_shot",),
    "network": ("transformer", "hyena"),
    "embedder": ("mlp",),
    "task": ("digits",),
    "initializer": ("own",),
    "claim": ("rises",),
    "probe": ("weights",),
    "loss": ("cross_entropy",),
    "condition": ("no_support", "train", "task"),
    "logger": ("wandb",),
}


@pytest.mark.parametrize(("sort", "name"), [(s, n) for s, names in NAMES.items() for n in names])
def test_the_names_of_built_in_parts_are_taken(sort: str, name: str):
    base = icl.register.SETTINGS[sort][1] if sort in icl.register.SETTINGS else None
    options = {"settings": make(name, base)} if base else {}
    target = FewShotFamily if sort == "condition" else other
    assert set(NAMES) == set(PARTS)
    with refused(f"{sort} {name!r}", "a new name"):
        getattr(icl.register, sort)(name, target, **options)


def test_another_function_does_not_take_a_name_and_the_same_replaces_itself():
    icl.register.source("spirals", spirals, settings=Spirals)
    with refused("source 'spirals'", "a new name"):
        icl.register.source("spirals", other, settings=Spirals)
    more = make("spirals", Spirals, arms=(int, 5))
    icl.register.source("spirals", spirals, settings=more)
    assert load_config(QUICKSTART, [*SPIRALS, "data.source.arms=7"]).data.source.arms == 7


def test_a_probe_does_not_take_the_numbers_of_another():
    icl.register.probe("sparsity", other)
    number = {"weight_change": icl.config.probes.Measure("change")}
    with refused("probe 'mine'", "weight_change"):
        icl.register.probe("mine", other, numbers=number)
    assert "mine" not in PARTS["probe"]


@pytest.mark.parametrize(
    ("register", "named"),
    [
        (lambda: icl.register.source("x", other, settings=Spirals), ("source 'x'", 'Literal["x"]')),
        (
            lambda: icl.register.source("x", other, settings=make("x", OwnSource)),
            ("source 'x'", "num_classes"),
        ),
        (
            lambda: icl.register.network("x", other, settings=make("x")),
            ("network 'x'", "NetworkConfig"),
        ),
        (lambda: icl.register.loss("two words", other), ("loss 'two words'", "letters")),
        (lambda: icl.register.loss("x", partial(other)), ("loss 'x'", "module:function")),
        (lambda: icl.register.loss("x", "no address"), ("loss 'x'", "module:function")),
        (lambda: icl.register.condition("x", dict), ("condition x", "FewShotFamily")),
    ],
    ids=["kind", "numbers", "base", "name", "partial", "address", "family"],
)
def test_what_does_not_fit_is_refused(register, named: tuple[str, ...]):
    before = schemas()
    with pytest.raises(UserError) as caught:
        register()
    (line,) = caught.value.args
    assert all(text in line for text in named), line
    assert schemas() == before


def test_a_setting_marked_otherwise_than_in_another_kind_is_refused():
    """The marks decide which runs share a program: a name has one mark in all kinds."""

    class Unmarked(OwnConnectivity):
        kind: Literal["unmarked"] = "unmarked"  # type: ignore[assignment]
        sigma: float = 1.0

    before, marks = schemas(), dict(TRACED)
    with refused("initializer unmarked", "connectivity.*.sigma"):
        icl.register.initializer("unmarked", other, settings=Unmarked)
    assert (schemas(), dict(TRACED)) == (before, marks)


def test_loggers_are_names_of_the_command_line():
    assert logger_names() == ("tensorboard", "wandb")
    icl.register.logger("table", other)
    assert logger_names() == ("tensorboard", "wandb", "table")


PACKAGE = {
    "parts": """
from typing import ClassVar, Literal
import icl.register
from icl.config.sources import OwnSource

class Tones(OwnSource):
    kind: Literal["tones"] = "tones"
    num_classes: ClassVar[int] = 40
    num_exemplars: ClassVar[int] = 6
    shape: ClassVar[tuple[int, ...]] = (2,)

icl.register.source("tones", "sounds.draw:tones", settings=Tones)
""",
    "draw": "def tones(settings): return settings.kind",
}
TONES = ["data.source.kind=tones", "data.num_classes=30", "data.num_holdout_classes=6"]


@pytest.fixture
def sounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that is installed, before any config is read."""
    install(tmp_path / "site", "sounds", PACKAGE)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(parts, "_is_loaded", False)
    for name in ("sounds", "sounds.parts", "sounds.draw"):
        monkeypatch.setitem(sys.modules, name, None)
        monkeypatch.delitem(sys.modules, name)
    return tmp_path


def test_an_installed_package_is_found_when_the_first_config_is_read(sounds: Path):
    assert "tones" not in PARTS["source"]
    config = load_config(QUICKSTART, TONES)
    assert config.data.source.kind == "tones"
    assert "sounds.draw" not in sys.modules
    assert PARTS["source"]["tones"].load()(config.data.source) == "tones"
    assert describe_parts(config) == {
        "parts": [
            {
                "field": "data.source.kind",
                "sort": "source",
                "name": "tones",
                "package": "sounds",
                "version": "0.3",
            }
        ]
    }
    check_for_workers([config])


@pytest.mark.parametrize(
    ("code", "reason"),
    [("import nowhere", "nowhere"), (PACKAGE["parts"].replace('"tones"', '"glyphs"'), "'glyphs'")],
    ids=["broken", "taken"],
)
def test_a_package_that_fails_is_named(sounds: Path, code: str, reason: str):
    (sounds / "site" / "sounds" / "parts.py").write_text(code)
    for _ in range(2):  # the second config is refused like the first
        with pytest.raises(UserError) as caught:
            load_config(QUICKSTART, TONES)
        (line,) = caught.value.args
        assert line.startswith("package sounds: ")
        assert reason in line


def test_a_part_of_this_process_alone_is_not_for_workers_elsewhere():
    icl.register.source("spirals", spirals, settings=Spirals)
    icl.register.logger("table", other)
    own = load_config(QUICKSTART, list(SPIRALS))
    with refused("data.source.kind = spirals", "--ray", "icl.parts"):
        check_for_workers([load_config(QUICKSTART), own, own])
    check_for_workers([load_config(QUICKSTART)], ("wandb",))
    with refused("--log = table", "icl.parts"):
        check_for_workers([], ("table",))


def test_a_sweep_on_a_cluster_is_refused_before_anything_is_written(tmp_path: Path):
    icl.register.source("spirals", spirals, settings=Spirals)
    base = load_config(QUICKSTART, list(SPIRALS)).model_dump(mode="json")
    sweep = make_sweep("own", SweepConfig(base=base, grid={"seed": [0, 1]}))
    cluster: Any = SimpleNamespace(engine="threads", num_gpus=0)
    with refused("data.source.kind = spirals", "--ray", "icl.parts"):
        run_sweeps([sweep], Store(str(tmp_path / "new")), SweepProgress(), cluster=cluster)
    assert not (tmp_path / "new").exists()


def test_an_address_that_leads_nowhere_is_refused():
    icl.register.loss("focal", "sounds.nowhere:focal")
    with refused("loss focal = sounds.nowhere:focal", "module:function"):
        PARTS["loss"]["focal"].load()


@pytest.fixture
def spiral_run(tmp_path: Path) -> Path:
    """The folder of a run that used a part which is no longer registered."""
    icl.register.source("spirals", spirals, settings=Spirals)
    icl.register.condition("wide", lambda: FewShotFamily(ways=8))
    config = load_config(QUICKSTART, [*SPIRALS, "evaluation.conditions=[wide, no_support]"])
    with RunDirectory(tmp_path / "run", config) as directory:
        directory.begin(describe_parts(config))
    icl.register.forget("source", "spirals")
    icl.register.forget("condition", "wide")
    return tmp_path / "run"


def test_a_run_without_its_parts_names_them(spiral_run: Path, script):
    from icl.records import load
    from icl.runs.restore import restore_run

    def check(lines: tuple[str, ...]) -> None:
        assert len(lines) == 2
        check_line(lines[0], "data.source.kind = spirals", "spirals", "tests.test_register")
        check_line(lines[1], "evaluation.conditions = wide", "wide", "tests.test_register")

    for read in (load, restore_run):
        with pytest.raises(UserError) as caught:
            read(spiral_run)
        check(caught.value.args)
    with (
        pytest.raises(UserError) as caught,
        RunDirectory(spiral_run, load_config(QUICKSTART)),
    ):
        pass
    check(caught.value.args)
    done = script("train.py", *SPIRALS, "--out", spiral_run, cwd=spiral_run.parent)
    assert done.returncode == 2
    check(tuple(line.removeprefix("error: ") for line in done.stderr.splitlines()))


def test_other_mistakes_of_a_recorded_config_stay_as_they_are(spiral_run: Path):
    icl.register.source("spirals", spirals, settings=Spirals)
    icl.register.condition("wide", lambda: FewShotFamily(ways=8))
    file = spiral_run / CONFIG
    file.write_text(file.read_text().replace("turns: 2", "turns: 0"))
    from icl.records import load

    with refused("data.source.turns = 0", "at least 1"):
        load(spiral_run)


def test_records_say_which_source_text_a_part_had(tmp_path: Path):
    icl.register.source("spirals", spirals, settings=Spirals)
    config = load_config(QUICKSTART, list(SPIRALS))
    [described] = describe_parts(config)["parts"]
    assert described["module"] == "tests.test_register"
    assert len(described["sha256"]) == 16
    assert describe_parts(load_config(QUICKSTART)) == {}
