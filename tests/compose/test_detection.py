"""What "auto" takes a column for: as its cells say, else a guess that it tells."""

import inspect
import io
import warnings
import wave
import zipfile
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd
import polars as pl
import pytest
from PIL import Image

from skmultimodal.compose import ModalityTransformer, make_modality_transformer

RNG = np.random.default_rng(0)


def column(cells):
    """A column of objects, whatever the cells are."""
    out = np.empty(len(cells), dtype=object)
    for k, cell in enumerate(cells):
        out[k] = cell
    return pd.Series(out)


def detect(cells, **params):
    """The kind that a column is taken for, and the warning that tells a guess."""
    cells = cells if isinstance(cells, pd.Series) else column(cells)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        encode = make_modality_transformer(pd.DataFrame({"c": cells}), **params)
    [(_, encoder, _)] = encode.transformers
    kind = type(encoder).__name__.removesuffix("Encoder").lower()
    assert len(caught) <= 1
    return kind, str(caught[0].message) if caught else ""


def remedies(message):
    """The kinds that a warning offers: of the guess, and of what else it may be."""
    named = [
        kind
        for kind in ("image", "video", "series", "precomputed")
        if f"modalities={{'c': '{kind}'}}" in message
    ]
    return {*named, *(["audio"] if "AudioEncoder(sample_rate=...)" in message else [])}


def picture(k=0, size=(20, 24, 3)):
    """Colours that change smoothly, as in a photograph."""
    rng = np.random.default_rng(k)
    y, x = np.mgrid[: size[0], : size[1]] / max(size[:2])
    waves = [np.sin(3 * (a * x + b * y) + c) for a, b, c in rng.random((3, 3))]
    return (np.stack(waves, axis=2) * 127 + 128).astype(np.uint8)


def walks(n, *shape):
    return RNG.normal(size=(n, *shape)).cumsum(axis=1)


def heads(kind):
    file = io.BytesIO()
    Image.fromarray(picture()).save(file, format=kind)
    return file.getvalue()


def wav_bytes(samples=800, rate=8000):
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(np.zeros(samples, "<i2").tobytes())
    return file.getvalue()


EBML = b"\x1a\x45\xdf\xa3\x9fB\x82\x84webm"


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["a.wav", "b.FLAC", "c.mp3", "d.ogg", "e.m4a", "f.opus"], "audio"),
        (["a.mp4", "b.webm", "c.AVI", "d.mkv", "e.mov", "f.ogv"], "video"),
        (["a.gif", "b.heic", "c.jfif"], "image"),
        ([PurePosixPath("x/a.npy"), None, "b.npy"], "series"),
        ([wav_bytes(), None], "audio"),
        ([b"RF64\xff\xff\xff\xffWAVEds64"], "audio"),
        ([b"fLaC\x00\x00\x00\x22"], "audio"),
        ([b"ID3\x04\x00\x00", b"\xff\xfb\x90\x00", b"\xff\xf3\x40\xc0"], "audio"),
        ([b"\xff\xf1\x50\x80", b"\xff\xf9\x4c\x80"], "audio"),
        ([b"FORM\x00\x00\x00\x00AIFF", b".snd\x00\x00\x00\x18", b"caff\x00"], "audio"),
        ([b"\x00\x00\x00\x20ftypM4A \x00"], "audio"),
        ([b"OggS\x00\x02" + b"\x00" * 20 + b"\x01\x1e\x01vorbis"], "audio"),
        ([b"OggS\x00\x02" + b"\x00" * 20 + b"\x01\x13OpusHead"], "audio"),
        ([b"OggS\x00\x02" + b"\x00" * 20 + b"\x01\x2a\x80theora"], "video"),
        ([EBML + b"\x86\x86A_OPUS"], "audio"),
        ([EBML + b"\x86\x85V_VP9" + b"\x86\x86A_OPUS", EBML], "video"),
        ([b"\x00\x00\x00\x18ftypmp42", b"\x00\x00\x00\x14ftypqt  "], "video"),
        ([b"RIFF\x00\x00\x00\x00AVI LIST", b"\x00\x00\x01\xba\x44"], "video"),
        ([b"\x47" + b"\x00" * 187 + b"\x47" + b"\x00" * 187 + b"\x47"], "video"),
        ([b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", b"FLV\x01\x05"], "video"),
        ([b"\x93NUMPY\x01\x00"], "series"),
        ([heads("PNG"), heads("JPEG"), heads("WEBP"), heads("GIF")], "image"),
        ([heads("TIFF"), heads("BMP"), heads("PPM"), bytearray(heads("PNG"))], "image"),
        ([(16000, np.zeros(100, np.float32)), (8000, [0.0, 0.5])], "audio"),
        ([(16000, np.zeros((100, 2), np.int16)), "b.wav", None], "audio"),
        ([["a.wav", "b.wav"], [(8000, np.zeros(9)), (8000, np.zeros(9))]], "audio"),
        ([["a.mp4", "b.mp4"], "c.mp4"], "video"),
        ([np.zeros((3, 4, 4, 3), np.uint8)], "video"),
        ([np.zeros((5, 48, 48), np.uint8), np.zeros((7, 48, 48), np.uint8)], "video"),
        ([[np.zeros((5, 48, 48), np.uint8)] * 2], "video"),
        ([picture(), picture()[..., :1], picture()[..., 0], "a.png"], "image"),
        ([[picture(), picture(1)], [picture(2)]], "image"),
        ([picture() / 255.0, picture(1) / 255.0], "image"),
        ([picture()[..., 0] / 255.0, *[picture(k) for k in range(9)]], "image"),
        ([pd.Series([1.0, 2.0]), pd.DataFrame({"x": [1.0], "y": [2.0]})], "series"),
        ([[1.0], [1.0, 2.0], [3.0, None, 4.0]], "series"),
        ([np.arange(5.0), "b.npy", np.arange(7.0)], "series"),
        (list(walks(5, 50, 3)), "series"),
        ([walk.tolist() for walk in walks(5, 50, 3)], "series"),
        ([walk[: 20 + k] for k, walk in enumerate(walks(5, 50, 9))], "series"),
        ([np.array([[1.0, np.nan], [2.0, 3.0]])], "series"),
        ([list(walk) for walk in walks(5, 50, 9)], "series"),
        ([np.array([[0.5], [0.25]]), [[0.5], [0.25], [0.75]]], "series"),
        (list(RNG.normal(size=(40, 64)) * np.arange(1, 65)), "precomputed"),
        ([row / np.linalg.norm(row) for row in RNG.random((3, 64))], "precomputed"),
        ([[0.25, 0.5], [0.125, None]], "precomputed"),
        ([["see the first part", "and then the second"], ["one more of them"]], "text"),
        ([[("buyer", "is it still there?"), ("seller", "yes it is")]], "text"),
    ],
)
def test_cells_that_say_what_they_are(cells, kind):
    assert detect(cells) == (kind, "")


WAVES = [np.sin(np.arange(2000 + 10 * k) / 9.0) * 0.8 for k in range(6)]
PCM = [(30_000 * wave[:2000]).astype(np.int16) for wave in WAVES]


@pytest.mark.parametrize(
    ("cells", "guess", "others"),
    [
        (WAVES, "series", {"audio"}),
        (PCM, "series", {"precomputed", "audio"}),
        ([np.stack([w, w], 1) for w in WAVES], "series", {"audio"}),
        ([[w, w] for w in WAVES], "series", {"audio"}),
        (walks(30, 100), "series", {"precomputed"}),
        (RNG.normal(size=(50, 100)), "precomputed", {"series"}),
        (RNG.normal(size=(4, 384)), "precomputed", {"series"}),
        (RNG.normal(size=(6, 20, 64)), "series", {"image"}),
        (walks(6, 50, 3).transpose(0, 2, 1), "series", {"image"}),
        (RNG.random((4, 8, 8)), "image", {"series"}),
        ([picture(k)[..., 0] / 255 for k in range(3)], "image", {"series"}),
        ([picture(k)[..., 0].tolist() for k in range(3)], "image", {"series"}),
        ([[picture()[..., 0] / 255] * 2], "image", {"audio"}),
        (np.arange(20 * 30 * 9).reshape(3, 60, 30), "image", {"series"}),
        ([np.moveaxis(picture(), 2, 0)], "video", {"image"}),
        ([np.moveaxis(picture(), 2, 0) / 255], "video", {"image"}),
        (RNG.normal(size=(2, 30, 17, 3)), "image", set()),
        (RNG.normal(size=(2, 9, 12, 12)), "video", set()),
        (RNG.normal(size=(2, 5, 12, 12, 3)), "video", set()),
    ],
)
def test_cells_that_do_not_say_are_guessed_aloud(cells, guess, others):
    kind, message = detect(list(cells))
    assert kind == guess
    assert remedies(message) == {guess, *others}
    assert message.startswith("Column 'c' holds ")
    assert f"Give modalities={{'c': '{guess}'}} if the guess is right" in message
    if not others:
        assert "modalities={'c': MyEncoder()}" in message
    assert detect(list(cells), modalities={"c": guess}) == (guess, "")


def test_a_warning_says_how_to_turn_arrays_round():
    assert "cell.T" in detect(list(walks(6, 50, 3).transpose(0, 2, 1)))[1]
    assert "np.moveaxis(cell, 0, -1)" in detect([np.zeros((3, 20, 20))])[1]
    assert "np.moveaxis(cell, 1, -1)" in detect([np.zeros((7, 3, 20, 20))])[1]


@pytest.mark.parametrize("kind", ["audio", "video", "series", "image", "text"])
def test_every_kind_can_be_given(kind):
    cells = [np.arange(30.0), np.arange(40.0)]
    assert detect(cells, modalities={"c": kind}) == (kind, "")


def test_two_columns_of_one_kind_are_two_modalities():
    X = pd.DataFrame({"front": ["a.mp4"] * 3, "back": ["b.mp4"] * 3, "age": [1, 2, 3]})
    encode = make_modality_transformer(X)
    assert [(name, columns) for name, _, columns in encode.transformers] == [
        ("front", ["front"]),
        ("back", ["back"]),
        ("tabular", ["age"]),
    ]


def test_lists_of_polars_and_parquet_are_read_alike():
    cells = walks(5, 30, 2)
    polars = pl.DataFrame({"c": [cell.tolist() for cell in cells]})
    [(_, encoder, _)] = make_modality_transformer(polars).transformers
    assert type(encoder).__name__ == "SeriesEncoder"
    nested = [
        np.array([*map(np.array, cell), None], dtype=object)[:-1] for cell in cells
    ]
    assert nested[0].dtype == object
    assert detect(nested) == ("series", "")


@pytest.mark.parametrize(
    ("cells", "seen"),
    [
        (["a.mat"], "paths of .mat files"),
        ([b"\xff\xfe" + "abc".encode("utf-16-le")], "bytes of an unknown format"),
        ([b"BM and other letters"], "bytes of an unknown format"),
        ([(np.zeros(100), 8000)], "pairs of wave and sampling rate, in this order"),
        ([np.zeros((2, 2, 2, 2, 2))], "arrays of shape 2 x 2 x 2 x 2 x 2"),
        ([[[1.0, 2.0], [3.0]]], "lists of lists of different lengths"),
        ([[np.ones(20), np.ones(9)]], "need AudioEncoder(sample_rate=...)"),
        ([[1.0] * 9 + ["a"]], "lists that hold more than numbers"),
        ([np.zeros((4, 5)), np.zeros((4, 5, 3))], "arrays of several dimensions"),
        (["https://x.org/a.wav"], "addresses of media on the web"),
    ],
)
def test_what_no_encoder_reads_is_an_error(cells, seen):
    with pytest.raises(ValueError, match="Column 'c' holds") as caught:
        detect(cells)
    assert seen in str(caught.value)


GAPS = np.where(RNG.random((12, 30)) < 0.3, np.nan, RNG.normal(size=(12, 30)))
GAPS[:, 3] = np.nan


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (GAPS, "precomputed"),
        (GAPS * 1e300, "precomputed"),
        (np.where(np.isnan(GAPS), np.inf, GAPS), "precomputed"),
        ([row.tolist() for row in GAPS], "precomputed"),
        ([[None if np.isnan(x) else x for x in row] for row in GAPS], "precomputed"),
        (np.ones((3, 40)), "precomputed"),
        (RNG.random((3, 9, 9)) < 0.5, "image"),
        (np.ones((3, 9, 9)), "series"),
        ([np.stack([np.ones((9, 9, 3)), np.full((9, 9, 3), np.nan)])], "video"),
        ([RNG.normal(size=(100, 2)), RNG.normal(size=90)], "series"),
        ([np.float16(walk) for walk in walks(9, 40)], "series"),
    ],
)
def test_odd_numbers_are_guessed_without_noise(cells, kind):
    found, message = detect(list(cells))
    assert found == kind
    assert kind in remedies(message)


# Real data ---------------------------------------------------------------------------


def some(values, n=60):
    """Some rows, spread evenly."""
    return [values[k] for k in np.linspace(0, len(values) - 1, n).astype(int)]


def files_of(archive, n=20):
    with zipfile.ZipFile(archive) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")][:n]
        return names, [archive.read(name) for name in names]


def told(cells):
    """The kind where it is silent; where it is not, all that the warning offers."""
    kind, message = detect(cells)
    return {kind} if not message else remedies(message)


def test_petfinder(real_data):
    modalities = real_data("petfinder")["modalities"]
    assert told(some(modalities["text"])) == {"text"}
    for name in modalities["tabular"]:
        assert detect(modalities["tabular"][name].head(200)) == ("tabular", ""), name


def test_mfeat(real_data):
    for name, view in real_data("mfeat")["modalities"].items():
        kind, message = detect(some(view))
        assert kind == "precomputed", name
        smooth = name in ("fourier", "profile_correlations", "pixel_averages")
        assert remedies(message) == ({"precomputed", "series"} if smooth else set())
    pixels = real_data("mfeat")["modalities"]["pixel_averages"].reshape(-1, 16, 15)
    assert told(some(pixels)) == {"image", "series"}


def test_mmmo(real_data):
    data = real_data("mmmo")
    for name, cells in data["modalities"].items():
        cells = [cell for cell in some(cells) if not np.isnan(cell).all()]
        kind, message = detect(cells)
        assert kind == "series", name
        assert remedies(message) == {"series", "image"}
        pooled = [cell.mean(axis=0) for cell in cells]
        assert detect(pooled) == ("precomputed", ""), name


def test_basic_motions(real_data):
    for cells in real_data("basic_motions")["modalities"].values():
        assert told(cells.transpose(0, 2, 1)) == {"series"}
        assert detect(list(cells))[0] == "series"
        assert "cell.T" in detect(list(cells))[1]
        assert told([pd.DataFrame(cell.T) for cell in cells]) == {"series"}
        assert told(cells[:, 0]) == {"series", "precomputed"}
        assert told([cell[0, : 60 + k % 7] for k, cell in enumerate(cells)]) == {
            "series"
        }


def test_av_digits(real_data, tmp_path):
    modalities = real_data("av_digits")["modalities"]
    for pictures in (modalities["image"], modalities["image"] / 16):
        kind, message = detect(some(pictures))
        assert (kind, remedies(message)) == ("image", {"image", "series"})
    assert told([cell.astype(np.uint8) for cell in some(modalities["image"])]) == {
        "image"
    }
    waves = some(modalities["audio"])
    assert told([(8000, wave) for wave in waves]) == {"audio"}
    assert told(waves) == {"series", "audio"}
    assert told([(32768 * wave).astype(np.int16) for wave in waves]) == {
        "series",
        "audio",
    }


def test_houses(real_data):
    modalities = real_data("houses")["modalities"]
    photos = some(modalities["frontal"])
    assert told(photos) == {"image"}
    assert told([photo / 255 for photo in photos]) == {"image"}
    assert told([photo.astype(float) for photo in photos]) == {"image"}
    assert "image" in told([np.moveaxis(photo, 2, 0) / 255 for photo in photos])
    assert told([[a, b] for a, b in zip(photos, some(modalities["kitchen"]))]) == {
        "image"
    }
    for name in modalities["tabular"]:
        assert detect(modalities["tabular"][name]) == ("tabular", ""), name


def test_leaf(real_data):
    modalities = real_data("leaf")["modalities"]
    assert told(some(modalities["image"])) == {"image"}
    assert told([cell / 255 for cell in some(modalities["image"])]) == {
        "image",
        "series",
    }
    assert told(some(modalities["margin"])) == {"precomputed"}
    assert told(some(modalities["texture"])) == {"precomputed"}
    # a contour: distances from the centre, step by step
    assert told(some(modalities["shape"])) == {"series", "precomputed"}


def test_easy_vqa(real_data):
    data = real_data("easy_vqa")
    assert told(some(data["modalities"]["text"])) == {"text"}
    assert told(some(data["image_bank"])) == {"image"}


def test_tangrams(real_data):
    data = real_data("tangrams")
    history = some(data["modalities"]["history"], 300)
    assert told(history) == {"text"}
    assert told([[text for _, text in turns] for turns in history]) == {"text"}
    assert told(some(data["modalities"]["role"])) == {"tabular"}
    assert told(list(data["image_bank"])) == {"image"}


def test_fight_video(real_data):
    modalities = real_data("fight_video")["modalities"]
    assert told(some(modalities["mp4"])) == {"video"}
    assert told(some(modalities["frames"])) == {"video"}
    assert detect([cell / 255 for cell in some(modalities["frames"])])[0] == "video"
    waves = [wave for wave in modalities["audio"] if wave is not None]
    assert told(waves) == {"series", "audio"}
    assert told([None, *[(8000, wave) for wave in waves]]) == {"audio"}
    of_one_length = [wave[:10_000] for wave in waves if len(wave) >= 10_000]
    assert told(of_one_length) == {"series", "precomputed", "audio"}


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("av_digits/audio.zip", "audio"),
        ("houses/images.zip", "image"),
        ("easy_vqa/images.zip", "image"),
        ("fight_video/clips.zip", "video"),
        ("fight_video/audio.zip", "audio"),
    ],
)
def test_files_of_the_real_sets(real_data, file, kind):
    folder = Path(inspect.getfile(inspect.unwrap(real_data))).parent
    names, contents = files_of(folder / file)
    assert detect(names) == (kind, "")
    assert detect(contents) == (kind, "")


def test_what_is_chosen_is_encoded(real_data):
    digits = real_data("av_digits")["modalities"]
    motions = real_data("basic_motions")["modalities"]
    X = pd.DataFrame(
        {
            "voice": column([(8000, wave) for wave in digits["audio"][:12]]),
            "bare": column(digits["audio"][:12]),
            "digit": column(list(digits["image"][:12].astype(np.uint8))),
            "clip": column(real_data("fight_video")["modalities"]["mp4"][:12]),
            "motion": column([cell.T for cell in motions["gyroscope"][:12]]),
        }
    )
    encode = ModalityTransformer("auto")
    with pytest.warns(UserWarning, match="'bare' holds .* taken for series") as caught:
        Z = encode.fit_transform(X)
    assert len(caught) == 1
    assert {name: m.kind for name, m in encode.modalities_.items()} == {
        "voice": "audio",
        "bare": "series",
        "digit": "image",
        "clip": "video",
        "motion": "series",
    }
    assert np.isfinite(Z.to_numpy()).all()
