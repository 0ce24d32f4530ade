"""Whatever is done to a file: it decodes, or its row follows `on_error`."""

import io
import os

import pytest

from ._corpus import ENCODERS, files
from ._mutations import mutated

KINDS = list(ENCODERS)
# libtiff and libmpg123 write notes to the error stream: Python cannot silence them.
MAY_PRINT = ("tiff", "mp3")
SEED = int(os.environ.get("SKMULTIMODAL_FUZZ_SEED", "0"))


def _fuzz(nursery, kind, corpus, n_cases, tmp_path):
    worker = nursery.worker(ENCODERS[kind], corpus[0], kind in MAY_PRINT)
    path = str(tmp_path / f"case.{kind[-3:]}")
    counts = {"decoded": 0, "refused": 0, "absent": 0}
    wrong = []
    for number in range(n_cases):
        how, data = mutated(corpus, SEED, number)
        found = worker.run(data, path if number % 2 else None)
        if found["outcome"] in counts:
            counts[found["outcome"]] += 1
            continue
        kept = tmp_path / f"{kind}-{SEED}-{number}"
        kept.write_bytes(data)
        wrong.append(f"case {number} ({how}), kept as {kept}: {found['outcome']}")
    worker.close()
    assert not wrong, f"{len(wrong)} of {n_cases}:\n" + "\n".join(wrong[:5])
    return counts


@pytest.mark.parametrize("kind", KINDS)
def test_fifty_damaged_files(kind, nursery, tmp_path):
    counts = _fuzz(nursery, kind, files(kind), 50, tmp_path)
    assert counts["refused"] >= 5  # else nothing was damaged


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_five_hundred_damaged_files(kind, nursery, tmp_path):
    counts = _fuzz(nursery, kind, files(kind), 500, tmp_path)
    assert counts["refused"] >= 50
    assert counts["decoded"] >= 5


def test_damaged_recordings_of_digits(real_data, nursery, tmp_path):
    soundfile = pytest.importorskip("soundfile")
    digits = real_data("av_digits")
    corpus = []
    for wave in digits["modalities"]["audio"][:4]:
        buffer = io.BytesIO()
        soundfile.write(buffer, wave, digits["sample_rate"], format="WAV")
        corpus.append(buffer.getvalue())
    _fuzz(nursery, "wav", corpus, 50, tmp_path)


def test_damaged_clips_of_fights(real_data, nursery, tmp_path):
    pytest.importorskip("av")
    clips = sorted(real_data("fight_video")["modalities"]["mp4"], key=len)
    _fuzz(nursery, "mp4", clips[:4], 20, tmp_path)
