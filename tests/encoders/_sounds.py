"""A tone in the formats of sound and video files."""

import io

import numpy as np
import pytest

RATE = 16_000
TIME = np.arange(RATE) / RATE
TONE = (0.8 * np.sin(2 * np.pi * 440 * TIME)).astype(np.float32)
FORMATS = {
    "wav": ("WAV", "PCM_16"),
    "wav24": ("WAV", "PCM_24"),
    "wav8": ("WAV", "PCM_U8"),
    "wavfloat": ("WAV", "FLOAT"),
    "flac": ("FLAC", "PCM_16"),
    "ogg": ("OGG", "VORBIS"),
    "mp3": ("MP3", "MPEG_LAYER_III"),
    "aiff": ("AIFF", "PCM_16"),
}


def sound_bytes(samples, rate=RATE, kind="wav"):
    soundfile = pytest.importorskip("soundfile")
    buffer = io.BytesIO()
    form, subtype = FORMATS[kind]
    soundfile.write(buffer, samples, rate, format=form, subtype=subtype)
    return buffer.getvalue()


def film(with_sound, form="mp4", codec="aac"):
    av = pytest.importorskip("av")
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=form) as container:
        video = container.add_stream("mpeg4", rate=10)
        video.width = video.height = 32
        video.pix_fmt = "yuv420p"
        sound = None
        if with_sound:
            sound = container.add_stream(codec, rate=RATE, layout="mono")
        for _ in range(10):
            pixels = np.zeros((32, 32, 3), np.uint8)
            container.mux(video.encode(av.VideoFrame.from_ndarray(pixels, "rgb24")))
        container.mux(video.encode())
        if sound is not None:
            samples = (TONE * 2**15).astype(np.int16)[None]
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate = RATE
            container.mux(sound.encode(frame))
            container.mux(sound.encode())
    return buffer.getvalue()
