"""
Will the pump last? A table and a sound
=======================================

An inspector holds a phone to each pump of a waterworks for a second, and notes how old
it is, how hot it runs and how much it carries. Which pumps need repair within a year?
``AudioEncoder`` turns the recordings into numbers, ``FusionClassifier`` weighs them
with the table.
"""

# %%
# The recordings
# --------------
#
# We make them up, so that we know what can be heard. A healthy pump hums at the speed
# of its motor. A worn bearing knocks many times a second, a worn seal hisses. Every
# phone is at another distance, and the next pump is never far.

import tempfile

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.signal import butter, sosfilt
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import Pipeline

from skmultimodal import unpack
from skmultimodal.compose import ModalitySelector, ModalityTransformer
from skmultimodal.encoders import AudioEncoder, TabularEncoder
from skmultimodal.heads import FusionClassifier

rng = np.random.default_rng(0)
RATE = 16_000
TIME = np.arange(RATE) / RATE
HISS = butter(4, [2500, 6000], "bandpass", fs=RATE, output="sos")
KNOCK = butter(2, [900, 1600], "bandpass", fs=RATE, output="sos")


def hum(speed):
    """A motor: harmonics of its speed, which wavers a little."""
    phase = 2 * np.pi * np.cumsum(speed + 0.5 * np.sin(2 * np.pi * 2 * TIME)) / RATE
    return sum(rng.uniform(0.2, 1) * np.sin(k * phase) / k for k in range(1, 16))


def recording(fault):
    """A second of a pump, as (rate, wave) in 16 bits."""
    wave = hum(rng.uniform(80, 140)) + 0.3 * hum(rng.uniform(80, 140))
    wave += 0.12 * rng.normal(size=RATE)
    strength = rng.uniform(0.5, 1.3)
    if fault == "bearing":
        hits = np.zeros(RATE)
        period = RATE / rng.uniform(9, 15)
        hits[np.arange(rng.uniform(0, period), RATE, period).astype(int)] = 50
        wave += strength * sosfilt(KNOCK, hits)
    elif fault == "seal":
        wave += 0.4 * strength * sosfilt(HISS, rng.normal(size=RATE))
    wave *= rng.uniform(0.1, 0.9) / np.abs(wave).max()
    return RATE, (wave * 2**15).astype(np.int16)


# %%
# A fault that can be heard matters more in a pump that is old and runs hot.

n = 300
faults = rng.choice(["none", "bearing", "seal"], n, p=[0.5, 0.25, 0.25])
X = pd.DataFrame(
    {
        "age": rng.gamma(4, 2, n).round(1),
        "heat": rng.normal(55, 8, n).round(),
        "load": rng.uniform(0.3, 1, n).round(2),
        "sound": [recording(fault) for fault in faults],
    }
)
worn = np.select([faults == "bearing", faults == "seal"], [3, 2])
strain = 0.2 * (X["age"] - 8) + 0.07 * (X["heat"] - 55) + 2 * (X["load"] - 0.65)
y = np.where(rng.logistic(size=n) < 2 * (worn + strain - 1.2), "repair", "lasts")
X.loc[rng.random(n) < 0.15, "sound"] = None  # nobody was there to listen
X.drop(columns="sound").head()

# %%
# What the encoder hears
# ----------------------
#
# A cell is a path, bytes, an array or, as here, a pair (rate, wave). With
# ``output="sequence"`` the encoder gives its log-mel spectrogram: how loud each of 64
# bands of pitch is in each step of time, from 0, silence, to 1.

listen = AudioEncoder(output="sequence", step=0.02, max_steps=50)
heard = ModalityTransformer([("sound", listen, "sound")]).fit_transform(X)
pictures = unpack(heard)["sound"]
pictures.shape

# %%
# One search
# ----------
#
# By default a recording becomes one vector: statistics of that spectrogram, and its
# course. The ``store`` keeps the vectors, so that the search describes each recording
# once, whatever the number of folds and candidates.

store = tempfile.TemporaryDirectory()
encoders = [
    ("table", TabularEncoder(), ["age", "heat", "load"]),
    ("sound", AudioEncoder(store=store.name), "sound"),
]
pipeline = Pipeline(
    [
        ("encode", ModalityTransformer(encoders)),
        ("select", ModalitySelector(["table", "sound"])),
        ("head", FusionClassifier(max_epochs=15, random_state=0)),
    ]
)
names = {
    "the table alone": (["table"], "concat"),
    "the sound alone": (["sound"], "concat"),
    "concat": (["table", "sound"], "concat"),
    "gated": (["table", "sound"], "gated"),
    "cross-attention": (["table", "sound"], "cross_attention"),
}
search = GridSearchCV(
    pipeline,
    [
        {"select__modalities": [modalities], "head__fusion": [fusion]}
        for modalities, fusion in names.values()
    ],
    scoring="roc_auc",
    cv=StratifiedKFold(3, shuffle=True, random_state=0),
).fit(X, y)
store.cleanup()
folds = np.array([search.cv_results_[f"split{k}_test_score"] for k in range(3)])
auc = pd.DataFrame({"mean": folds.mean(0), "sd": folds.std(0, ddof=1)}, list(names))
auc.round(3)

# %%
# A knock is a row of upright lines, a hiss a bright cloud, the hum the stripes below.
# Neither the table nor the sound knows what both know together.

figure = plt.figure(figsize=(10, 4.6), layout="constrained")
left, scores = figure.subfigures(1, 2, width_ratios=[1.1, 1])
mel = 2595 * np.log10(1 + np.array([20, RATE / 2]) / 700)
hertz = np.array([200, 500, 1000, 2000, 4000])
places = np.interp(2595 * np.log10(1 + hertz / 700), mel, [0, 64])
titles = {"none": "healthy", "bearing": "a bearing knocks", "seal": "a seal hisses"}
panels = left.subplots(2, 3, sharex=True, sharey=True)
for column, (fault, title) in zip(panels.T, titles.items()):
    rows = np.flatnonzero((faults == fault) & X["sound"].notna())[:2]
    column[0].set_title(title, fontsize=10)
    for axes, row in zip(column, rows):
        axes.imshow(
            pictures[row].T,
            origin="lower",
            aspect="auto",
            extent=(0, 1, 0, 64),
            cmap="magma",
            vmin=0.3,
            vmax=1,
        )
        axes.set_yticks(places, [f"{h / 1000:g}" for h in hertz])
left.supxlabel("seconds", fontsize=9)
left.supylabel("kHz", fontsize=9)
axes = scores.subplots()
heights = np.arange(len(names))[::-1]
for height, name, points in zip(heights, names, folds.T):
    colour = "tab:gray" if "alone" in name else "tab:blue"
    axes.plot(points, [height] * len(points), "o", color=colour, alpha=0.45, ms=6)
    axes.plot(points.mean(), height, "|", color=colour, ms=20, mew=2.5)
axes.set_yticks(heights, names)
axes.set(xlim=(0.5, 1), ylim=(-0.6, len(names) - 0.4))
axes.set_xlabel("ROC AUC (dots: folds; bar: mean)")
axes.set_title("Which pumps need repair?", loc="left")
axes.spines[["top", "right"]].set_visible(False)
axes.grid(axis="x", color="0.92")
plt.show()
