"""How good are written answers and replies? Three seeds, given splits, baselines beside.

easy_vqa: the answer is written, not chosen, with and without the picture; and as a
dialogue, where the history holds the questions and answers before it on the same
picture. tangrams: the next message of two people who talk about a figure, given what
was said in the trial, or also what the pair said of this figure in earlier trials; all
models go through one function, and everything was chosen on training games.

    python benchmarks/bench_generation.py [--parts easy_vqa dialogue tangrams]
        [--seeds 3] [--pictures 4000]
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from _real_data import anchors, load_raw
from _tables import RESULTS, keep, machine, table
from _text_baselines import (
    CountModel,
    Frequent,
    Message,
    Retrieval,
    consensus,
    text_figures,
)
from scipy.stats import wilcoxon

from skmultimodal.compose import ModalitySelector, ModalityTransformer
from skmultimodal.encoders import (
    DialogueHistoryEncoder,
    ImageEncoder,
    TabularEncoder,
    TextEncoder,
)
from skmultimodal.heads import FusionGenerator
from skmultimodal.metrics import exact_match_score

PARTS = ("easy_vqa", "dialogue", "tangrams")
FIGURES = ("ppl_word", "bits_per_char", "chrf", "bleu")
N_DRAWS = 20
ANSWERS: dict[str, Any] = {"max_epochs": 15, "embed_dim": 64, "dropout": 0.1}
MESSAGES: dict[str, Any] = {
    "vocabulary_size": 1000,
    "embed_dim": 96,
    "dropout": 0.5,
    "max_epochs": 20,
    "lr": 3e-3,
    "weight_decay": 0.1,
    "batch_size": 64,
    "early_stopping": True,
    "validation_fraction": 0.2,
    "n_iter_no_change": 3,
    "count_prior": True,
}


# --- easy_vqa -------------------------------------------------------------------------


def answers(part: str, seeds: int, n_pictures: int) -> list[dict[str, Any]]:
    """Exact match on the test questions, with and without the picture."""
    raw = load_raw("easy_vqa")
    train = raw["split"] == "train"
    pictures = pd.unique(raw["groups"][train])[:n_pictures]
    rows = ~train | np.isin(raw["groups"], pictures)
    questions = np.array(raw["modalities"]["text"], dtype=object)
    bank = list(raw["image_bank"])
    X = pd.DataFrame({"question": questions})
    X["image"] = _column(bank[k] for k in raw["modalities"]["image"])
    entries = [
        ("question", TextEncoder(random_state=0), "question"),
        ("image", ImageEncoder(), ["image"]),
    ]
    if part == "dialogue":
        X["talk"] = _column(_earlier(raw["groups"], raw["turn"], questions, raw["y"]))
        entries.append(("talk", DialogueHistoryEncoder(max_length=256), "talk"))
    X, y, train = X[rows], raw["y"][rows].astype(object), train[rows]
    encode = ModalityTransformer(entries).fit(X[train])
    Z, Z_test = encode.transform(X[train]), encode.transform(X[~train])
    found = []
    names = [name for name, *_ in entries]
    for kept in (names, [name for name in names if name != "image"]):
        select = ModalitySelector(kept)
        ours, theirs = select.fit_transform(Z), select.transform(Z_test)
        for seed in range(seeds):
            start = time.perf_counter()
            head = FusionGenerator(random_state=seed, **ANSWERS).fit(ours, y[train])
            seconds = time.perf_counter() - start
            match = exact_match_score(y[~train], head.predict(theirs))
            label = "with picture" if "image" in kept else "without picture"
            found.append(
                {"given": label, "seed": seed, "match": match, "seconds": seconds}
            )
            print(f"  {part} {label}, seed {seed}: {match:.4f} ({seconds:.0f} s)")
    return found


def _earlier(
    pictures: Sequence[Any], turn: np.ndarray, questions: np.ndarray, y: np.ndarray
) -> list[list[tuple[str, str]]]:
    """What was asked and answered before about the same picture."""
    found: list[list[tuple[str, str]]] = [[] for _ in questions]
    for _, rows in pd.Series(range(len(turn))).groupby(pictures, sort=False):
        said: list[tuple[str, str]] = []
        for k in sorted(rows, key=lambda k: turn[k]):
            found[k] = list(said)
            said += [("asker", questions[k]), ("answerer", y[k])]
    return found


def _answers_table(part: str, found: list[dict[str, Any]]) -> str:
    rows = []
    for given, limit in (("with picture", 0.97), ("without picture", 0.70)):
        scores = [run["match"] for run in found if run["given"] == given]
        seconds = np.mean([run["seconds"] for run in found if run["given"] == given])
        good = (np.mean(scores) >= limit) == (given == "with picture")
        bar = "≥ 0.97" if given == "with picture" else "≤ 0.70"
        if part == "dialogue" and given == "without picture":
            bar, good = "", None
        said = "" if good is None else f"{bar}: {'reached' if good else 'missed'}"
        rows.append([given, *_mean_sd(scores, 4), f"{seconds:.0f}", said])
    return table(["given", "exact match", "sd", "seconds", "bar"], rows)


# --- tangrams -------------------------------------------------------------------------


def messages(seeds: int) -> list[dict[str, Any]]:
    """Figures of ours and of the baselines in both contexts."""
    raw = load_raw("tangrams")
    train = raw["split"] == "train"
    figure = raw["modalities"]["image"]
    every = _messages(raw)
    said, games = [every[k] for k in np.flatnonzero(train)], raw["groups"][train]
    asked = [every[k] for k in np.flatnonzero(~train)]
    truth, lower = [m.text for m in asked], [m.text.lower() for m in asked]
    found = []

    def note(context: str, model: str, seed: int, figures: dict, **more: Any) -> None:
        found.append(
            {"context": context, "model": model, "seed": seed} | figures | more
        )
        shown = "  ".join(f"{k} {v:.4g}" for k, v in (figures | more).items())
        print(f"  tangrams {context}: {model}, seed {seed}: {shown}", flush=True)

    for context, use_game in (("trial", False), ("game", True)):
        counts = CountModel(use_game=use_game).fit(said, games)
        note(
            context,
            "baseline: interpolated word 3-gram, caches",
            0,
            text_figures(counts.log_likelihood(asked), lower, None),
        )
        for n in (1, 20):
            nearest = Retrieval(use_game=use_game, n_neighbours=n).fit(said)
            name = f"baseline: retrieval, {'nearest' if n == 1 else 'consensus of 20'}"
            note(context, name, 0, text_figures(None, truth, nearest.predict(asked)))
        X = _frame(raw, every, use_game)
        encode = _encoder(use_game)
        Z, Z_test = encode.fit_transform(X[train]), encode.transform(X[~train])
        other = X[~train].copy()
        other["image"] = _column(_other_pictures(raw, figure[~train]))
        Z_other = encode.transform(other)
        y = np.array([m.text.lower() for m in said], dtype=object)
        for seed in range(seeds):
            start = time.perf_counter()
            head = FusionGenerator(random_state=seed, **MESSAGES)
            head.fit(Z, y, groups=games)
            seconds = time.perf_counter() - start
            right = head.log_likelihood(Z_test, lower)
            wrong = head.log_likelihood(Z_other, lower)
            draws = head.sample(Z_test, n=N_DRAWS, temperature=0.7, random_state=seed)
            replies = [consensus(list(row)) for row in draws]
            note(
                context,
                "ours",
                seed,
                text_figures(right, lower, None) | text_figures(None, truth, replies),
                shuffled=text_figures(wrong, lower, None)["ppl_word"],
                p_shuffled=float(wilcoxon(right, wrong, alternative="greater").pvalue),
                greedy_chrf=text_figures(None, truth, head.predict(Z_test))["chrf"],
                seconds=seconds,
            )
    for name, keys in (("role", ()), ("role, figure, first", ("figure", "first"))):
        frequent = Frequent(*keys).fit(said).predict(asked)
        figures = text_figures(None, truth, frequent)
        note("trial", f"baseline: most frequent given {name}", 0, figures)
    return found


def _messages(raw: dict[str, Any]) -> list[Message]:
    """Each message with what was said in the trial, and before of the same figure."""
    figure, role = raw["modalities"]["image"], raw["modalities"]["role"]
    before: dict[tuple[Any, Any], list[tuple[Any, tuple[str, str]]]] = {}
    found = []
    for k, text in enumerate(raw["y"]):
        past = before.setdefault((raw["groups"][k], figure[k]), [])
        trial = raw["extra"]["trial"].iloc[k]
        game = [turn for then, turn in past if then != trial]
        now = raw["modalities"]["history"][k]
        found.append(Message(str(text), role[k], int(figure[k]), now, game))
        past.append((trial, (role[k], str(text))))
    return found


def _frame(
    raw: dict[str, Any], every: Sequence[Message], use_game: bool
) -> pd.DataFrame:
    """Role, picture and history; the role of a turn tells earlier trials apart."""
    X = pd.DataFrame({"role": [m.role for m in every]})
    X["image"] = _column(raw["image_bank"][m.figure] for m in every)
    histories = []
    for m in every:
        game = [(f"{role} before", text) for role, text in m.game] if use_game else []
        histories.append([(role, text.lower()) for role, text in [*game, *m.trial]])
    X["history"] = _column(histories)
    return X


def _encoder(use_game: bool) -> ModalityTransformer:
    history = DialogueHistoryEncoder(max_length=1536 if use_game else 768)
    picture = ImageEncoder(n_components=8, random_state=0)
    return ModalityTransformer(
        [
            ("role", TabularEncoder(), ["role"]),
            ("image", picture, ["image"]),
            ("history", history, "history"),
        ]
    )


def _other_pictures(raw: dict[str, Any], figure: np.ndarray) -> list[np.ndarray]:
    """A picture of another figure for each message."""
    n = len(raw["image_bank"])
    moved = np.random.default_rng(0).integers(1, n, size=len(figure))
    return [raw["image_bank"][k] for k in (figure + moved) % n]


def _messages_table(found: list[dict[str, Any]]) -> str:
    rows, verdicts = [], []
    for context in ("trial", "game"):
        runs = [run for run in found if run["context"] == context]
        for model in dict.fromkeys(run["model"] for run in runs):
            mine = [run for run in runs if run["model"] == model]
            cells = [context, model]
            for figure in FIGURES:
                values = [run[figure] for run in mine if figure in run]
                digits = 3 if figure == "bits_per_char" else 1
                shown = "" if not values else f"{np.mean(values):.{digits}f}"
                if len(values) > 1:
                    shown += f" ± {np.std(values, ddof=1):.{digits}f}"
                cells.append(shown)
            rows.append(cells)
        verdicts += _verdicts(context, runs)
    for figure, column in zip(FIGURES, range(2, 6)):
        for method, score in anchors("tangrams", figure):
            if not method.startswith("most frequent"):
                cells = ["", f"anchor: {method}", "", "", "", ""]
                cells[column] = f"{score:.3f}" if score < 10 else f"{score:.1f}"
                rows.append(cells)
    header = ["context", "model", "ppl a word", "bits a character", "chrF", "BLEU"]
    return "\n\n".join([table(header, rows), "\n".join(verdicts)])


def _verdicts(context: str, runs: list[dict[str, Any]]) -> list[str]:
    ours = [run for run in runs if run["model"] == "ours"]
    said = []
    for figure, best in (("ppl_word", min), ("bits_per_char", min), ("chrf", max)):
        theirs = best(r[figure] for r in runs if r["model"] != "ours" and figure in r)
        mean = float(np.mean([run[figure] for run in ours]))
        good = best(mean, theirs) == mean
        said.append(
            f"* {context}, {figure}: ours {mean:.3f}, best baseline {theirs:.3f}: "
            + ("better" if good else "worse")
        )
    wrong = np.mean([run["shuffled"] for run in ours])
    p = max(run["p_shuffled"] for run in ours)
    said.append(
        f"* {context}: ppl a word {np.mean([r['ppl_word'] for r in ours]):.1f} with the "
        f"right picture, {wrong:.1f} with another; Wilcoxon's signed-rank test over "
        f"messages, one-sided, largest p of {len(ours)} seeds {p:.1e}"
    )
    greedy = np.mean([run["greedy_chrf"] for run in ours])
    seconds = np.mean([run["seconds"] for run in ours])
    said.append(
        f"* {context}: chrF of the most probable next tokens (predict) {greedy:.1f}; "
        f"{seconds:.0f} s a fit"
    )
    return said


# --- the page -------------------------------------------------------------------------


def _column(values: Any) -> pd.Series:
    return pd.Series(list(values), dtype=object)


def _mean_sd(scores: list[float], digits: int) -> list[str]:
    spread = np.std(scores, ddof=1) if len(scores) > 1 else 0.0
    return [f"{np.mean(scores):.{digits}f}", f"{spread:.{digits}f}"]


def _page() -> str:
    parts = []
    for part in PARTS:
        path = RESULTS / "generation" / f"{part}.json"
        if not path.exists():
            continue
        kept = json.loads(path.read_text())
        shown = _messages_table if part == "tangrams" else None
        body = shown(kept["runs"]) if shown else _answers_table(part, kept["runs"])
        parts.append(f"## {part}\n\n{body}\n\n{kept['made']}")
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="*", default=list(PARTS), choices=PARTS)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--pictures", type=int, default=4000)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    (RESULTS / "generation").mkdir(parents=True, exist_ok=True)
    for part in options.parts:
        made = f"{options.seeds} seeds"
        if part == "tangrams":
            runs = messages(options.seeds)
        else:
            runs = answers(part, options.seeds, options.pictures)
            made += f", {options.pictures} training pictures"
        kept = {"runs": runs, "made": f"{made}. {machine()}"}
        keep(f"generation/{part}.json", json.dumps(kept, indent=1))
    page = _page()
    keep("generation.md", page)
    print(page)


if __name__ == "__main__":
    main()
