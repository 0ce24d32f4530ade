"""Rows of text and media of every kind, in memory and in files."""

import wave

import numpy as np
import pandas as pd
from PIL import Image

RATE = 8000
WORDS = np.array("the a red blue old new house boat sea hill runs sleeps".split())  # noqa: SIM905


def sentence(rng, n=9):
    return " ".join(rng.choice(WORDS, n)) + " today"


def tone(pitch, seconds=0.25):
    return np.sin(2 * np.pi * pitch * np.arange(int(RATE * seconds)) / RATE)


def picture(rng, size=(12, 16)):
    return rng.integers(0, 256, (*size, 3), dtype=np.uint8)


def rows(n=30, seed=0):
    """A frame with a text, a picture, a recording, a series and a clip in each row."""
    rng = np.random.default_rng(seed)
    columns = {name: np.empty(n, dtype=object) for name in ("voice", "trace", "clip")}
    for k in range(n):
        columns["voice"][k] = (RATE, tone(300 + 40 * k))
        columns["trace"][k] = rng.standard_normal((25, 2)).cumsum(axis=0)
        columns["clip"][k] = rng.integers(0, 256, (10, 12, 16, 3), dtype=np.uint8)
    photos = np.empty(n, dtype=object)
    photos[:] = [picture(rng) for _ in range(n)]
    return pd.DataFrame(
        {
            "note": [sentence(rng) for _ in range(n)],
            "photo": photos,
            **columns,
            "age": rng.integers(20, 60, n),
        },
        index=[f"row{k}" for k in range(n)],
    )


def save_photos(folder, n, size=(20, 24), seed=0):
    """Paths of different pictures, relative to the folder."""
    rng = np.random.default_rng(seed)
    names = [f"{k}.png" for k in range(n)]
    for name in names:
        Image.fromarray(picture(rng, size)).save(folder / name)
    return names


def save_voices(folder, n):
    names = [f"{k}.wav" for k in range(n)]
    for k, name in enumerate(names):
        with wave.open(str(folder / name), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            samples = tone(300 + 50 * k) * 2**14
            file.writeframes(samples.astype("<i2").tobytes())
    return names
