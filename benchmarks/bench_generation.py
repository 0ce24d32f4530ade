"""How good are written answers and replies? Given splits, baselines beside.

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
from collections.abc import Iterator, Sequence
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
CONTEXTS = ("trial", "game")  # what was said in the trial; also before of the figure
ANSWERS: dict[str, dict[str, Any]] = {
    "easy_vqa": {"max_epochs": 15, "dropout": 0.1},
    "dialogue": {"max_epochs": 10, "dropout": 0.1},
}
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
    "mbr_samples": 20,
}


# --- easy_vqa -------------------------------------------------------------------------


def answers(part: str, seeds: int, n_pictures: int) -> Iterator[dict[str, Any]]:
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
    names = [name for name, *_ in entries]
    kinds = {"with picture": names}
    if part == "easy_vqa":
        kinds["without picture"] = ["question"]
    for given, kept in kinds.items():
        select = ModalitySelector(kept)
        ours, theirs = select.fit_transform(Z), select.transform(Z_test)
        for seed in range(seeds):
            start = time.perf_counter()
            head = FusionGenerator(random_state=seed, **ANSWERS[part])
            head.fit(ours, y[train])
            seconds = time.perf_counter() - start
            match = exact_match_score(y[~train], head.predict(theirs))
            yield {"given": given, "seed": seed, "match": match, "seconds": seconds}


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


def _answers_table(found: list[dict[str, Any]]) -> str:
    rows = []
    for given, bar in (("with picture", "≥ 0.97"), ("without picture", "≤ 0.70")):
        runs = [run for run in found if run["given"] == given]
        if runs:
            mean = np.mean([run["match"] for run in runs])
            good = mean >= 0.97 if given == "with picture" else mean <= 0.70
            verdict = f"{bar}: {'reached' if good else 'missed'}"
            seconds = f"{np.mean([run['seconds'] for run in runs]):.0f}"
            match = _shown([run["match"] for run in runs], 4)
            rows.append([given, str(len(runs)), match, seconds, verdict])
    return table(["given", "seeds", "exact match", "seconds", "bar"], rows)


# --- tangrams -------------------------------------------------------------------------


def messages(seeds: int) -> Iterator[dict[str, Any]]:
    """Figures of the baselines and of ours, in both contexts."""
    raw = load_raw("tangrams")
    train = raw["split"] == "train"
    every = _messages(raw)
    said, games = [every[k] for k in np.flatnonzero(train)], raw["groups"][train]
    asked = [every[k] for k in np.flatnonzero(~train)]
    truth = [m.text for m in asked]
    for use_game in (False, True):
        context = {"context": CONTEXTS[use_game]}
        counts = CountModel(use_game=use_game).fit(said, games)
        lower = [text.lower() for text in truth]
        figures = text_figures(counts.log_likelihood(asked), lower, None)
        yield {**context, "model": "baseline: word 3-gram, caches", **figures}
        for n, what in ((1, "nearest"), (20, "consensus of 20")):
            nearest = Retrieval(use_game=use_game, n_neighbours=n).fit(said)
            figures = text_figures(None, truth, nearest.predict(asked))
            yield {**context, "model": f"baseline: retrieval, {what}", **figures}
    for what, keys in (("role", ()), ("role, figure, first", ("figure", "first"))):
        said_most = Frequent(*keys).fit(said).predict(asked)
        figures = text_figures(None, truth, said_most)
        model = f"baseline: most frequent given {what}"
        yield {"context": CONTEXTS[0], "model": model, **figures}
    for seed in range(seeds):
        for use_game in (False, True):
            figures = _ours(raw, every, use_game, seed)
            yield {
                "context": CONTEXTS[use_game],
                "model": "ours",
                "seed": seed,
            } | figures


def _ours(
    raw: dict[str, Any], every: Sequence[Message], use_game: bool, seed: int
) -> dict[str, float]:
    train = raw["split"] == "train"
    X = _frame(raw, every, use_game)
    encode = _encoder(use_game)
    Z, Z_test = encode.fit_transform(X[train]), encode.transform(X[~train])
    other = X[~train].copy()
    other["image"] = _other_pictures(raw, other.index)
    y = np.array([m.text.lower() for m in every], dtype=object)
    start = time.perf_counter()
    head = FusionGenerator(random_state=seed, **MESSAGES)
    head.fit(Z, y[train], groups=raw["groups"][train])
    seconds = time.perf_counter() - start
    right = head.log_likelihood(Z_test, y[~train])
    wrong = head.log_likelihood(encode.transform(other), y[~train])
    truth = [every[k].text for k in np.flatnonzero(~train)]
    replies = list(head.predict(Z_test))
    greedy = list(head.set_params(mbr_samples=0).predict(Z_test))
    return {
        **text_figures(right, list(y[~train]), None),
        **text_figures(None, truth, replies),
        "greedy_chrf": text_figures(None, truth, greedy)["chrf"],
        "shuffled": text_figures(wrong, list(y[~train]), None)["ppl_word"],
        "p_shuffled": float(wilcoxon(right, wrong, alternative="greater").pvalue),
        "seconds": seconds,
    }


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


def _other_pictures(raw: dict[str, Any], rows: Sequence[int]) -> pd.Series:
    """A picture of another figure for each of some messages."""
    bank = raw["image_bank"]
    moved = np.random.default_rng(0).integers(1, len(bank), size=len(rows))
    figure = (raw["modalities"]["image"][rows] + moved) % len(bank)
    return pd.Series([bank[k] for k in figure], index=rows, dtype=object)


def _messages_table(found: list[dict[str, Any]]) -> str:
    rows, verdicts = [], []
    for context in CONTEXTS:
        runs = [run for run in found if run["context"] == context]
        for model in dict.fromkeys(run["model"] for run in runs):
            mine = [run for run in runs if run["model"] == model]
            cells = [context, model]
            for figure in FIGURES:
                values = [run[figure] for run in mine if figure in run]
                cells.append(_shown(values, 3 if figure == "bits_per_char" else 1))
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
    if not ours:
        return []
    said = []
    for figure, best in (("ppl_word", min), ("bits_per_char", min), ("chrf", max)):
        theirs = [r[figure] for r in runs if r["model"] != "ours" and figure in r]
        theirs = best([*theirs, *_anchors(context, figure)])
        mean = float(np.mean([run[figure] for run in ours]))
        good = best(mean, theirs) == mean
        said.append(
            f"* {context}, {figure}: ours {mean:.3f}, best baseline or anchor "
            f"{theirs:.3f}: {'better' if good else 'worse'}"
        )
    wrong = np.mean([run["shuffled"] for run in ours])
    p = max(run["p_shuffled"] for run in ours)
    said.append(
        f"* {context}: ppl a word {np.mean([r['ppl_word'] for r in ours]):.1f} with "
        f"the right picture, {wrong:.1f} with another; Wilcoxon's signed-rank test "
        f"over messages, one-sided, largest p of {len(ours)} seeds {p:.1e}"
    )
    greedy = np.mean([run["greedy_chrf"] for run in ours])
    seconds = np.mean([run["seconds"] for run in ours])
    said.append(
        f"* {context}: chrF and BLEU are of predict with mbr_samples="
        f"{MESSAGES['mbr_samples']}; with 0 (the most probable next word each) chrF is "
        f"{greedy:.1f}; {seconds:.0f} s a fit"
    )
    return said


def _anchors(context: str, figure: str) -> list[float]:
    """Those of the same context; copies of a message are reported alone."""
    found = [(m, s) for m, s in anchors("tangrams", figure) if "copy" not in m]
    return [s for m, s in found if ("game" in m) == (context == "game")]


# --- the page -------------------------------------------------------------------------


def _column(values: Any) -> pd.Series:
    return pd.Series(list(values), dtype=object)


def _shown(values: list[float], digits: int) -> str:
    """Mean, and spread over seeds where there are several."""
    if not values:
        return ""
    mean = f"{np.mean(values):.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {np.std(values, ddof=1):.{digits}f}"


def _page() -> str:
    parts = []
    for part in PARTS:
        path = RESULTS / "generation" / f"{part}.json"
        if path.exists():
            kept = json.loads(path.read_text())
            shown = _messages_table if part == "tangrams" else _answers_table
            parts.append(f"## {part}\n\n{shown(kept['runs'])}\n\n{kept['made']}")
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
        made = machine()
        if part == "tangrams":
            results = messages(options.seeds)
        else:
            results = answers(part, options.seeds, options.pictures)
            made = f"{options.pictures} training pictures. {made}"
        runs = []
        for run in results:
            print(f"  {part}: {run}", flush=True)
            runs.append(run)
            kept = {"runs": runs, "made": made}
            keep(f"generation/{part}.json", json.dumps(kept, indent=1))
            keep("generation.md", _page())
    print(_page())


if __name__ == "__main__":
    main()
