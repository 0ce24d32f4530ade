"""
Machines that hum, warm up and wear out
=======================================

A workshop watches its machines: a short recording of vibration along three axes, the
temperature over the last day, and a line in the maintenance book. Which one will fail
within the week? Each sensor sees another part of the trouble. Recordings differ in
length, loggers drop values, and some machines have no vibration sensor at all. A
:class:`~skmultimodal.encoders.SeriesEncoder` a sensor takes them as they are.
"""

# %%
# The machines
# ------------
#
# We make them up, so that we know what can be seen. A worn bearing adds a weak, quick
# ringing to the vibration: it changes the form of the signal more than its size. A
# clogged filter lets the temperature creep up in the course of the day. Old machines
# that were not serviced fail more often.

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.pipeline import Pipeline

from skmultimodal.compose import ModalitySelector, ModalityTransformer
from skmultimodal.encoders import SeriesEncoder, TabularEncoder
from skmultimodal.heads import FusionClassifier

rng = np.random.default_rng(0)
RATE = 200  # vibration: steps a second


def vibration(worn):
    """(steps, 3): the hum of the motor, and the ringing of a worn bearing."""
    time = np.arange(rng.integers(160, 320)) / RATE
    speed, size = rng.uniform(9, 16), rng.lognormal(0, 0.35)
    phase = rng.uniform(0, 2 * np.pi, 3)
    hum = np.sin(2 * np.pi * speed * time[:, None] + phase)
    hum += 0.4 * np.sin(4 * np.pi * speed * time[:, None] + 2 * phase)
    knocks = np.exp(-30 * ((time * speed * 0.6 + phase[0]) % 1) / speed)
    ringing = knocks * np.sin(2 * np.pi * rng.uniform(60, 80) * time)
    noise = rng.normal(scale=0.25, size=(len(time), 3))
    strength = rng.uniform(0.6, 1.4) if worn else 0
    return size * (hum + strength * ringing[:, None] * [1, 0.8, 0.3] + noise)


def temperature(clogged):
    """A Series with a value every 15 minutes, for those that the logger kept."""
    times = pd.date_range("2026-03-02", periods=96, freq="15min")
    hour = np.arange(96) / 4
    shift = 4 * np.tanh(hour - 7) - 4 * np.tanh(hour - rng.uniform(16, 20))
    creep = clogged * rng.uniform(0.3, 0.8) * np.maximum(hour - 5, 0)
    value = rng.normal(40, 5) + shift + creep + rng.normal(scale=1.0, size=96)
    kept = rng.random(96) > 0.1
    return pd.Series(value, index=times)[kept]


n = 320
worn, clogged = rng.random((2, n)) < 0.35
age = rng.gamma(4, 2, n).round(1)
weeks = rng.integers(0, 30, n)
risk = 3.5 * worn + 3.5 * clogged + 0.16 * (age - 8) + 0.05 * (weeks - 15) - 2.4
y = np.where(rng.logistic(size=n) < 2 * risk, "fails", "runs")
X = pd.DataFrame(
    {
        "age": age,
        "weeks_since_service": weeks,
        "vibration": [vibration(w) for w in worn],
        "temperature": [temperature(c) for c in clogged],
    }
)
X.loc[rng.random(n) < 0.15, "vibration"] = None
X.loc[rng.random(n) < 0.10, "temperature"] = None
X[["age", "weeks_since_service"]].assign(y=y).head()

# %%
# One encoder a sensor
# --------------------
#
# The encoder describes each channel by its level and spread, the form of its
# distribution, trend, runs, memory and spectrum. The index of times tells it where the
# logger dropped values: there are gaps in the series, not jumps.

names = ["table", "vibration", "temperature"]
pipeline = Pipeline(
    [
        (
            "encode",
            ModalityTransformer(
                [
                    ("table", TabularEncoder(), ["age", "weeks_since_service"]),
                    ("vibration", SeriesEncoder(), "vibration"),
                    ("temperature", SeriesEncoder(), "temperature"),
                ]
            ),
        ),
        ("select", ModalitySelector(names)),
        ("head", FusionClassifier(max_epochs=15, random_state=0)),
    ]
)
encoded = pipeline[:-1].fit_transform(X, y)
encoded.iloc[:5, [0, 1, 2, 3, 4, -2, -1]].round(2)

# %%
# What each of them tells
# -----------------------
#
# Each modality alone, then all of them: ROC AUC in cross-validation, on the same folds.

cv = RepeatedStratifiedKFold(n_splits=4, n_repeats=1, random_state=0)
scores = {}
for label, chosen in [(f"{name} alone", [name]) for name in names] + [("all", names)]:
    pipeline.set_params(select__modalities=chosen)
    scores[label] = cross_val_score(pipeline, X, y, cv=cv, scoring="roc_auc")
auc = pd.DataFrame(scores).agg(["mean", "std"]).T
auc.round(3)

# %%
# The picture: a sound machine above one that is not, and the scores. The ringing
# is hard to see in a signal and plain in its spectrum; the creeping temperature hides
# behind the rise of every working day.

figure = plt.figure(figsize=(11, 5.4), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=[2, 1])
grid = left.subplots(2, 3, width_ratios=[1.2, 0.9, 1.2])
calm, loud = "tab:blue", "tab:red"
has_both = X["vibration"].notna() & X["temperature"].notna()
sound = np.flatnonzero(has_both & ~worn & ~clogged & (y == "runs"))[0]
broken = np.flatnonzero(has_both & worn & clogged & (y == "fails"))[0]
for axes, row, colour in zip(grid, [sound, broken], [calm, loud]):
    signal, warmth = X["vibration"].iloc[row][:, 0], X["temperature"].iloc[row]
    time = np.arange(len(signal)) / RATE
    axes[0].plot(time, signal, color=colour, lw=0.8)
    axes[0].set(xlabel="seconds", xlim=(0, 0.8), ylim=(-4, 4))
    spectrum = np.abs(np.fft.rfft(signal * np.hanning(len(signal))))
    hertz = np.fft.rfftfreq(len(signal), 1 / RATE)
    axes[1].semilogy(hertz, spectrum / spectrum.max(), color=colour, lw=0.9)
    axes[1].axvspan(60, 80, color="0.9", zorder=0)
    axes[1].set(xlabel="hertz", ylim=(1e-3, 1.5), xlim=(0, RATE / 2))
    even = warmth.asfreq("15min")  # NaN where the logger dropped a value
    axes[2].plot(np.arange(len(even)) / 4, even, ".-", color=colour, lw=0.8, ms=3)
    axes[2].set(xlabel="hour of the day", xlim=(0, 24), ylim=(25, 65))
    axes[0].set_ylabel(f"machine {row}: {y[row]}", color=colour, fontsize=11)
for axes, title in zip(
    grid[0], ["vibration, axis 1", "its spectrum", "temperature, °C"]
):
    axes.set_title(title, loc="left", fontsize=10)
for axes in grid.flat:
    axes.spines[["top", "right"]].set_visible(False)
axes = right.subplots()
for place, (label, points) in enumerate(reversed(scores.items())):
    colour = "tab:gray" if "alone" in label else "tab:green"
    axes.plot(points, [place] * len(points), "o", color=colour, alpha=0.5, ms=6)
    axes.plot(points.mean(), place, "|", color=colour, ms=22, mew=2.5)
axes.set_yticks(range(len(scores)), list(reversed(scores)))
axes.set(xlim=(0.4, 1), ylim=(-0.5, len(scores) - 0.5))
axes.set_xlabel("ROC AUC")
axes.set_title("Will it fail within the week?", loc="left", fontsize=10)
axes.spines[["top", "right"]].set_visible(False)
axes.grid(axis="x", color="0.92")
plt.show()
