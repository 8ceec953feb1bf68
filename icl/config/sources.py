"""Sources of exemplars, as settings.

Each source gives its numbers of classes and exemplars and the shape of an exemplar before any data
is read; None stands for what only its file has.
"""

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from icl.config.base import TINY, Settings, raise_all
from icl.config.parts import OneOf

MAX_BANK_BYTES = 2**35
IMAGE_RANKS = (2, 3)  # axes of an exemplar: height and width, and perhaps the channel

# Limits of sources that make classes and exemplars on demand.
ENDLESS_CLASSES = 2**30
ENDLESS_EXEMPLARS = 2**16


class OmniglotSource(Settings):
    """The Omniglot characters (Lake et al. 2015): 1,623 classes of 20 drawings."""

    kind: Literal["omniglot"] = "omniglot"
    size: int = Field(28, ge=4, le=105, description="pixels a side; 105 as published")

    num_classes: ClassVar[int] = 1623
    num_exemplars: ClassVar[int] = 20

    @property
    def shape(self) -> tuple[int, ...]:
        return self.size, self.size


class GlyphsSource(Settings):
    """Procedurally drawn characters, as varied as Omniglot's; no download."""

    kind: Literal["glyphs"] = "glyphs"
    size: int = Field(28, ge=8, le=128, description="pixels a side")
    num_classes: int = Field(1623, ge=2, le=1_000_000)
    num_exemplars: int = Field(20, ge=1, le=10_000)
    seed: int = Field(0, ge=0, lt=2**31)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.size, self.size

    @model_validator(mode="after")
    def _consistent(self) -> "GlyphsSource":
        size = self.num_classes * self.num_exemplars * self.size**2
        if size > MAX_BANK_BYTES:
            raise_all(
                [
                    "data.source.num_classes * data.source.num_exemplars * data.source.size ** 2 = "
                    f"{size:.3g} bytes; allowed: at most {MAX_BANK_BYTES:.3g}"
                ]
            )
        return self


class GaussianSource(Settings):
    """A mixture of Gaussians in `dim` dimensions (Reddy 2023); classes and exemplars have no limit.

    The mean of a class is N(0, I / dim); an exemplar is (mean + spread * N(0, I / dim)) /
    sqrt(1 + spread^2).
    """

    kind: Literal["gaussian"] = "gaussian"
    dim: int = Field(63, ge=1, le=4096)
    spread: float = Field(0.1, ge=0, le=1000, description="within-class s.d. over that of means")
    seed: int = Field(0, ge=0, lt=2**31)

    num_classes: ClassVar[int] = ENDLESS_CLASSES
    num_exemplars: ClassVar[int] = ENDLESS_EXEMPLARS

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.dim,)


class SymbolicSource(Settings):
    """Symbols without similarity: an exemplar is the number of its class."""

    kind: Literal["symbolic"] = "symbolic"
    num_classes: int = Field(1623, ge=2, le=10_000_000)

    num_exemplars: ClassVar[int] = 1
    shape: ClassVar[tuple[int, ...]] = ()


class FeaturesSource(Settings):
    """Vectors or images of the user: an array in a file, or a folder of one folder for each class.

    The array is [class, exemplar, dim], [class, exemplar, height, width] or [class, exemplar,
    height, width, channel] in a .npy, .npz, .h5, .hdf5 or .safetensors file. An array
    `num_exemplars` [class] beside it gives the number of exemplars of each class.
    """

    kind: Literal["features"] = "features"
    path: str = Field(min_length=1, description="of the file or the folder")
    key: str | None = Field(None, description="name of the array; null: the only one in the file")

    num_classes: ClassVar[None] = None
    num_exemplars: ClassVar[None] = None
    shape: ClassVar[None] = None


class MarkovSource(Settings):
    """Symbols from Markov chains whose rows are Dirichlet(concentration) (Edelman 2024, Park 2024).

    A context is a path of the chain as pairs (symbol, next symbol), the query its last symbol.
    num_chains: chains trained on, one drawn for each sequence; null: a new one for each.
    """

    kind: Literal["markov"] = "markov"
    num_symbols: int = Field(3, ge=2, le=512)
    concentration: float = Field(1.0, ge=TINY, le=1000)
    num_chains: int | None = Field(None, ge=1, le=1_000_000)
    seed: int = Field(0, ge=0, lt=2**31)

    num_exemplars: ClassVar[int] = 1
    shape: ClassVar[tuple[int, ...]] = ()

    @property
    def num_classes(self) -> int:
        return self.num_symbols


Source = Annotated[
    OmniglotSource | GlyphsSource | GaussianSource | SymbolicSource | FeaturesSource | MarkovSource,
    OneOf("source"),
]


class OwnSource(Settings):
    """What the settings of a registered source derive from: see `icl.register.source`."""

    kind: str

    if TYPE_CHECKING:  # each source has them, as fields or not; None: only its file knows

        @property
        def num_classes(self) -> int | None: ...
        @property
        def num_exemplars(self) -> int | None: ...
        @property
        def shape(self) -> tuple[int, ...] | None: ...


AnySource = Source | OwnSource
