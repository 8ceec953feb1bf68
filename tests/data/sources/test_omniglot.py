"""Omniglot: small fakes for every way in and every error, then the data themselves."""

import hashlib
import io
import os
import shutil
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
from PIL import Image

from icl.config.sources import OmniglotSource
from icl.data.sources import omniglot
from icl.data.sources.omniglot import Part, load_omniglot
from icl.errors import UserError

from ...conftest import shared_folder

FAKE_PARTS = (Part("images_background", "", 3), Part("images_evaluation", "", 2))
SOURCE = OmniglotSource(size=28)


def png(ink: np.ndarray, mode: str = "1") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.where(ink, 0, 255).astype(np.uint8)).convert(mode).save(buffer, "PNG")
    return buffer.getvalue()


def fake_ink(part: int, character: int, drawing: int) -> np.ndarray:
    return np.random.default_rng([part, character, drawing]).random((105, 105)) < 0.1


def fake_files(part: int, num_characters: int) -> dict[str, bytes]:
    """Alphabets `A` with one character, `B` with the others."""
    return {
        f"{'AB'[c > 0]}/character{max(c, 1):02}/{c:04}_{d + 1:02}.png": png(fake_ink(part, c, d))
        for c in range(num_characters)
        for d in range(20)
    }


FILES = [fake_files(number, part.num_characters) for number, part in enumerate(FAKE_PARTS)]
FIRST = "A/character01/0000_01.png"


def write_zip(path: Path, files: dict[str, bytes], prefix: str) -> None:
    with ZipFile(path, "w", ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(prefix + name, data)


def write_tree(path: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("ICL_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def folder(tmp_path, cache, monkeypatch) -> Path:
    """Small zip files in place of the data."""
    path = tmp_path / "data"
    path.mkdir()
    for part, files in zip(FAKE_PARTS, FILES, strict=True):
        write_zip(path / f"{part.name}.zip", files, f"{part.name}/")
    monkeypatch.setenv("ICL_OMNIGLOT_DIR", str(path))
    monkeypatch.setattr(omniglot, "PARTS", FAKE_PARTS)
    return path


@pytest.fixture
def fails(folder, cache):
    """Loading is a UserError of one line with these words, and leaves no cache."""

    def check(*words: str) -> None:
        with pytest.raises(UserError) as caught:
            load_omniglot(SOURCE)
        for word in words:
            assert word in str(caught.value)
        assert "\n" not in str(caught.value)
        assert not cache.exists()

    return check


def assert_fake(bank, size: int = 28) -> None:
    assert bank.exemplars.shape == (5, 20, size, size)
    assert bank.exemplars.dtype == np.uint8
    assert bank.names == (
        "images_background/A/character01",
        "images_background/B/character01",
        "images_background/B/character02",
        "images_evaluation/A/character01",
        "images_evaluation/B/character01",
    )
    for index, (part, character) in enumerate([(0, 0), (0, 1), (0, 2), (1, 0), (1, 1)]):
        for drawing in (0, 7, 19):
            expected = averages(fake_ink(part, character, drawing) * 255.0, size)
            np.testing.assert_allclose(bank.exemplars[index, drawing], expected, atol=0.501)


def averages(image: np.ndarray, size: int) -> np.ndarray:
    """Shrink by brute force: every pixel split in size x size, then blocks of 105 x 105."""
    fine = image.repeat(size, axis=0).reshape(size, 105, 105).mean(axis=1)
    return fine.repeat(size, axis=1).reshape(size, size, 105).mean(axis=2)


@pytest.mark.parametrize("size", [4, 13, 28, 35, 104, 105])
def test_from_zips(folder, size):
    assert_fake(load_omniglot(OmniglotSource(size=size)), size)


def test_as_published_at_full_size(folder):
    bank = load_omniglot(OmniglotSource(size=105))
    np.testing.assert_array_equal(bank.exemplars[1, 2], fake_ink(0, 1, 2) * 255)


def test_from_folders(folder):
    for part, files in zip(FAKE_PARTS, FILES, strict=True):
        (folder / f"{part.name}.zip").unlink()
        write_tree(folder / part.name, files)
    (folder / FAKE_PARTS[0].name / "A/character01/._0000_01.png").write_bytes(b"stray")
    assert_fake(load_omniglot(SOURCE))


def test_repacked_zips_with_stray_entries(folder):
    """Entries come in another order, without the top folder or with more, and with stray ones."""
    for part, files, prefix in zip(FAKE_PARTS, FILES, ("", "x/../y\\"), strict=True):
        stray = {
            "A/": b"",
            "A/character01/": b"",
            "README.png": b"text",
            "A/notes/1.png": b"no character",
            "A/character01/.DS_Store": b"binary",
        }
        apple = {f"__MACOSX/{name}": b"stray" for name in files}
        apple |= {f"A/character01/._{number}.png": b"stray" for number in range(3)}
        names = sorted(files, reverse=True)
        write_zip(folder / f"{part.name}.zip", stray | apple | {n: files[n] for n in names}, prefix)
    assert_fake(load_omniglot(SOURCE))


def test_other_png_modes(folder):
    files = FILES[0] | {FIRST: png(fake_ink(0, 0, 0), "L")}
    files["A/character01/0000_02.png"] = png(fake_ink(0, 0, 1), "RGB")
    write_zip(folder / "images_background.zip", files, "")
    assert_fake(load_omniglot(SOURCE))


def test_decoded_once(folder, cache, monkeypatch):
    load_omniglot(SOURCE)
    monkeypatch.setattr(omniglot, "_decode_all", None)
    assert_fake(load_omniglot(SOURCE))
    assert len(list(cache.iterdir())) == 1


@pytest.mark.parametrize("unpacked", [False, True])
def test_edited_data_are_decoded_again(folder, unpacked):
    path, files = folder / "images_background.zip", FILES[0]
    if unpacked:
        path.unlink()
        path = folder / "images_background"
        write_tree(path, files)
    load_omniglot(SOURCE)
    edited = {FIRST: png(np.ones((105, 105), bool))}
    if unpacked:
        write_tree(path, edited)
    else:
        write_zip(path, files | edited, "")
    assert (load_omniglot(SOURCE).exemplars[0, 0] == 255).all()


@pytest.mark.parametrize("size", [4, 13, 28, 64, 104, 105])
def test_area_averages_keep_the_ink(size):
    """Weights cover each pixel once, and each cell equally: all of paper stays, all of ink too."""
    weights = omniglot._area_weights(size)
    np.testing.assert_array_equal(weights.sum(axis=0), size)
    np.testing.assert_array_equal(weights.sum(axis=1), 105)
    ink = np.full((1, 105, 105), 255, np.uint8)
    assert (omniglot._shrink(ink, weights) == 255).all()
    assert (omniglot._shrink(0 * ink, weights) == 0).all()


def test_missing_folder(folder, fails):
    shutil.rmtree(folder)
    fails("ICL_OMNIGLOT_DIR", str(folder), "images_background.zip", "unset")


def test_missing_file(folder, fails):
    (folder / "images_evaluation.zip").unlink()
    fails("ICL_OMNIGLOT_DIR", str(folder), "images_evaluation.zip", "unset")


def test_folder_behind_a_file(folder, fails, monkeypatch):
    monkeypatch.setenv("ICL_OMNIGLOT_DIR", str(folder / "images_background.zip"))
    fails("ICL_OMNIGLOT_DIR")


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_truncated_zip(folder, fails, kept):
    path = folder / "images_evaluation.zip"
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    fails(str(path), "found", "expected", "replace")


def test_flipped_byte_in_a_zip(folder, fails):
    path = folder / "images_background.zip"
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0x55
    path.write_bytes(data)
    fails(str(path), "replace")


def test_flipped_byte_in_a_folder(folder, fails):
    (folder / "images_background.zip").unlink()
    data = bytearray(FILES[0][FIRST])
    data[len(data) // 2] ^= 0x55
    write_tree(folder / "images_background", FILES[0] | {FIRST: bytes(data)})
    fails(str(folder / "images_background"), FIRST, "expected: a PNG")


def test_swapped_parts(folder, fails):
    shutil.copy(folder / "images_evaluation.zip", folder / "images_background.zip")
    fails("images_background.zip", "2 characters", "3 characters")


@pytest.mark.parametrize("unpacked", [False, True])
def test_partial(folder, fails, unpacked):
    files = {name: data for name, data in FILES[0].items() if name != FIRST}
    if unpacked:
        (folder / "images_background.zip").unlink()
        write_tree(folder / "images_background", files)
    else:
        write_zip(folder / "images_background.zip", files, "images_background/")
    fails("images_background", "19 drawings of A/character01", "20")


def test_empty_folder(folder, fails):
    (folder / "images_background.zip").unlink()
    (folder / "images_background").mkdir()
    fails("images_background", "0 characters", "3 characters")


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "a PNG"),
        (b"no image", "a PNG"),
        (FILES[0][FIRST][:-30], "a PNG"),
        (png(np.zeros((105, 104), bool)), "104 x 105 pixels"),
        (png(np.zeros((3000, 3000), bool)), "3000 x 3000 pixels"),
    ],
    ids=["empty", "text", "truncated", "narrow", "large"],
)
def test_broken_drawing(folder, fails, data, word):
    write_zip(folder / "images_background.zip", FILES[0] | {FIRST: data}, "images_background/")
    fails(str(folder / "images_background.zip"), FIRST, word)


def test_absurd_size(folder, fails):
    bomb = FILES[0] | {FIRST: FILES[0][FIRST] + bytes(50_000_000)}
    write_zip(folder / "images_background.zip", bomb, "images_background/")
    fails("images_background.zip", "bytes", "replace")


def test_the_same_drawing_twice(folder, fails):
    files = FILES[0] | {"copy/" + FIRST: FILES[0][FIRST]}
    write_zip(folder / "images_background.zip", files, "")
    fails("images_background.zip", "two files", FIRST)


def test_downloaded_once(folder, cache, monkeypatch):
    """Through file: URLs; the second load touches neither network nor archives."""
    parts = [
        part._replace(md5=hashlib.md5((folder / f"{part.name}.zip").read_bytes()).hexdigest())
        for part in FAKE_PARTS
    ]
    monkeypatch.setattr(omniglot, "PARTS", tuple(parts))
    monkeypatch.setattr(omniglot, "MIRRORS", (folder.as_uri(),))
    monkeypatch.delenv("ICL_OMNIGLOT_DIR")
    assert_fake(load_omniglot(SOURCE))
    assert (cache / "omniglot-28.npz").exists()
    shutil.rmtree(folder)
    shutil.rmtree(cache / "omniglot")
    assert_fake(load_omniglot(SOURCE))


def test_without_a_network(folder, cache, monkeypatch):
    monkeypatch.setattr(omniglot, "MIRRORS", ("http://127.0.0.1:9",))
    monkeypatch.setattr("icl.files.RETRIES", 0)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("ICL_OMNIGLOT_DIR")
    with pytest.raises(UserError, match="ICL_OMNIGLOT_DIR") as caught:
        load_omniglot(SOURCE)
    assert "\n" not in str(caught.value)
    assert not list(cache.glob("*.npz"))


@pytest.fixture(scope="module")
def published_folder() -> Path:
    if not (folder := os.environ.get("ICL_OMNIGLOT_DIR")):
        pytest.skip("ICL_OMNIGLOT_DIR is unset: no folder with the published Omniglot")
    return Path(folder)


@pytest.fixture(scope="module")
def published(published_folder, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ICL_CACHE_DIR", str(shared_folder(tmp_path_factory) / "cache"))
        return load_omniglot(SOURCE)


@pytest.fixture(scope="module")
def as_published(published_folder) -> dict[omniglot.Drawing, np.ndarray]:
    """Every seventh drawing of the second archive, at full size."""
    path = omniglot._find(published_folder)[1]
    drawings = omniglot._read(path, omniglot.PARTS[1], 20)
    return {name: omniglot._decode(drawings[name], path, name) for name in sorted(drawings)[::7]}


def test_published_characters(published):
    assert published.exemplars.shape == (1623, 20, 28, 28)
    assert len(set(published.names)) == 1623
    assert len({name.split("/")[1] for name in published.names}) == 50
    assert published.names[0] == "images_background/Alphabet_of_the_Magi/character01"
    assert published.names[963] == "images_background/Tifinagh/character55"
    assert published.names[964] == "images_evaluation/Angelic/character01"


def test_published_ink(published):
    """Full ink is 255: lines are thin, so most of a drawing is paper."""
    assert abs(published.exemplars.mean() / 255 - 0.081) < 0.002
    assert not np.isin(published.exemplars, (0, 255)).all()
    assert published.exemplars.any(axis=(2, 3)).all()


def test_published_at_full_size(published, as_published):
    """Black and white; and the small ones are their averages, in the same order."""
    evaluation = published.exemplars[964:].reshape(-1, 28, 28)[::7]
    for small, full in zip(evaluation, as_published.values(), strict=True):
        assert np.isin(full, (0, 255)).all()
        assert abs(small.mean() - full.mean()) < 0.5
    np.testing.assert_allclose(small, averages(full.astype(np.float64), 28), atol=0.501)
