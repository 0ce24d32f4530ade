"""The search on internal folds.

Closed-form probes of every modality alone and of all together, and a few small nets,
predict the same folds. Then a pool of all of them, or the simplest that is not worse
than the best by more than a standard error, is taken: whichever the folds favour.
"""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone

from skmultimodal._folds import draw_folds
from skmultimodal.fusion._base import known_fusions
from skmultimodal.heads._inputs import BlockInputs
from skmultimodal.heads.auto._chosen import AutoFusion, Blocks, Candidate, Link, cut
from skmultimodal.heads.auto._pool import Target, fit_pool, out_of_fold_losses, pool
from skmultimodal.heads.auto._probes import BlockFeatures, cross_fit
from skmultimodal.heads.auto._report import Line, describe

SHORT_LIST = ("concat", "gated")  # fusions whose step costs little more than the first
PROBE = "linear"
_FOLDS = 4


@dataclass
class Data:
    """The training rows, those that weigh something."""

    X: Any  # as it came
    y: Any  # as it came
    x: np.ndarray  # (n, n_columns) float32
    inputs: BlockInputs
    target: Target
    weight: np.ndarray | None  # as it came, without class weights
    groups: Any
    index: pd.Index | None
    valid: tuple[Any, Any] | None


def search(head: Any, data: Data, link: Link, seed: int, verbose: int) -> AutoFusion:
    """Choose how `head`, an estimator with ``fusion="auto"``, shall predict."""
    return _Search(head, data, link, seed, verbose).run()


class _Search:
    def __init__(self, head: Any, data: Data, link: Link, seed: int, verbose: int):
        self.head, self.data, self.link = head, data, link
        self.seed, self.verbose = seed, verbose
        self.layout = data.inputs.layout
        self.scaled, self.here = (t.numpy() for t in data.inputs(data.x))
        features = BlockFeatures.learn(self.scaled, self.here, self.layout, seed)
        self.blocks = Blocks(data.inputs, features)
        self.history: list[dict[str, Any]] = []
        self.folds = self._draw()
        self.fold = np.full(
            len(data.x), -1
        )  # that tests a row; copies are tested in none
        for number, (_, test) in enumerate(self.folds):
            self.fold[test] = number
        self.tested = np.flatnonzero(self.fold >= 0)
        self.goal = _keep_balance(data.target, self.tested)
        self.target = self.goal.take(self.tested)

    def run(self) -> AutoFusion:
        if len(self.folds) == 1:
            return self._without_folds()
        probes = self._probes()
        kept, dropped = self._nets(probes)
        return self._decide([*probes, *kept], dropped)

    def _draw(self) -> list[tuple[np.ndarray, np.ndarray]]:
        values, is_classes = self.data.target.values, self.link.task == "classification"
        if is_classes:
            values = _join_rare(values.argmax(1), _FOLDS)
        try:
            with warnings.catch_warnings():
                # few rows of a class mean fewer folds: nothing that a user could mend
                warnings.simplefilter("ignore", UserWarning)
                folds = draw_folds(
                    values,
                    index=self.data.index,
                    x=self.scaled,
                    groups=self.data.groups,
                    cv=_FOLDS,
                    stratify=is_classes,
                    random_state=self.seed,
                )
        except ValueError:  # too few rows that may be parted
            folds = []
        if folds and all(self._is_learnable(train) for train, _ in folds):
            return folds
        return [(np.arange(len(self.data.x)), np.arange(0))]

    def _is_learnable(self, rows: np.ndarray) -> bool:
        """Whether there are two classes among the rows, if y is classes."""
        values = self.data.target.values[rows]
        if self.link.task != "classification":
            return len(rows) > 0
        return int(values.any(axis=0).sum()) > 1

    def _without_folds(self) -> AutoFusion:
        """The first fusion, untried."""
        name = SHORT_LIST[0]
        empty = np.zeros(self.data.target.values.shape)
        only = Candidate(name, known_fusions()[name].level, name, None, empty, [])
        self._train(only, 0)
        only.folds = 0
        line = Line(name, only.level, [only], np.nan, np.nan)
        weights = np.ones(1)
        report = describe([line], name, [only], weights)
        report["weight"] = 1.0
        report.attrs["summary"] = (
            f"Chosen: {name}, without a trial: X has too few independent rows."
        )
        return AutoFusion(
            self.blocks, self.link, [only.bare()], weights, report, self.history
        )

    # Probes ------------------------------------------------------------------------

    def _probes(self) -> list[Candidate]:
        asked: list[tuple[str, str, str | None]]
        asked = [(f"{b.name} alone, linear", "single", b.name) for b in self.layout]
        if len(asked) > 1:
            asked.append(("all, linear", "feature", None))
        found = []
        for name, level, modality in asked:
            start = time.perf_counter()
            has = self.blocks.present(modality, self.here)
            weight = self.data.target.weight * has
            if not all(weight[train].any() for train, _ in self.folds):
                continue
            vector = self.blocks.vector(modality, self.scaled, self.here)
            scores, fitted = cross_fit(vector, self.goal, weight, self.folds)
            scores = np.where(has[:, None], scores, 0)
            probe = Candidate(name, level, PROBE, modality, scores, [fitted])
            probe.folds = len(self.folds)
            probe.seconds = time.perf_counter() - start
            found.append(probe)
            self._say(probe)
        return found

    # Nets --------------------------------------------------------------------------

    def _nets(self, probes: list[Candidate]) -> tuple[list[Candidate], list[Candidate]]:
        """The nets that go through all folds, and those that the first ruled out."""
        asked: list[tuple[str, str, str, str | None]] = []
        for name in SHORT_LIST if len(self.layout) > 1 else SHORT_LIST[:1]:
            fusion = known_fusions()[name]
            if self.link.task in fusion.tasks:
                asked.append((name, fusion.level, name, None))
        alone = self._enough_alone(probes)
        if alone is not None:
            asked.append((f"{alone} alone", "single", "concat", alone))
        tried = []
        for name, level, fusion_name, modality in asked:
            empty = np.zeros(self.data.target.values.shape)
            tried.append(Candidate(name, level, fusion_name, modality, empty, []))
            self._train(tried[-1], 0)
        tried = [c for c in tried if c.predictors]
        kept = self._rule_out(tried)
        for candidate in kept:
            for number in range(1, len(self.folds)):
                self._train(candidate, number)
            self._say(candidate)
        return kept, [c for c in tried if c not in kept]

    def _enough_alone(self, probes: list[Candidate]) -> str | None:
        """The modality whose probe is not clearly worse than the probe of all."""
        singles = [p for p in probes if p.modality is not None]
        if len(self.layout) == 1 or len(singles) == len(probes):
            return None
        losses = [self._losses([p]) for p in singles]
        means = [moments(loss, self.target.weight)[0] for loss in losses]
        best = int(np.argmin(means))
        together = self._losses([probes[-1]])
        worse, error = moments(losses[best] - together, self.target.weight)
        return singles[best].modality if worse <= error else None

    def _train(self, candidate: Candidate, number: int) -> None:
        start = time.perf_counter()
        data, modality = self.data, candidate.modality
        has = self.blocks.present(modality, self.here)
        train, test = (rows[has[rows]] for rows in self.folds[number])
        if not self._is_learnable(train):
            return  # says nothing in this fold
        columns = self.blocks.columns(modality)
        net = clone(self.head).set_params(
            fusion=candidate.fusion, random_state=self.seed + number
        )
        net._sized_for = len(data.x)  # smaller batches would take longer than all rows
        if modality is not None:
            net.set_params(modalities=None)
        given: dict[str, Any] = {}
        if data.weight is not None:
            given["sample_weight"] = data.weight[train]
        if data.groups is not None:
            given["groups"] = cut(data.groups, train)
        if data.valid is not None:
            X_val, y_val = data.valid
            given |= {"X_val": cut(X_val, None, columns), "y_val": y_val}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # said once, of all rows
            net.fit(cut(data.X, train, columns), np.asarray(data.y)[train], **given)
            if len(test):
                part = cut(data.X, test, columns)
                candidate.scores[test] = self.link.score(net, part)
        candidate.predictors.append(net)
        candidate.folds += 1
        candidate.seconds += time.perf_counter() - start
        told = {"candidate": candidate.name, "fold": number}
        self.history += [told | epoch for epoch in net.history_]

    def _rule_out(self, tried: list[Candidate]) -> list[Candidate]:
        """By the first fold: one fusion, and a modality alone that may be as good.

        The first fusion stays unless another is better by more than a standard error;
        a modality alone stays unless it is worse by more than that.
        """
        rows = np.flatnonzero(self.fold == 0)
        weight = self.goal.take(rows).weight
        losses = [self._first_losses(candidate) for candidate in tried]
        best = 0
        for k, candidate in enumerate(tried):
            if candidate.modality is None:
                mean, error = moments(losses[k] - losses[best], weight)
                best = k if mean < -error else best
        kept = [tried[best]]
        for loss, candidate in zip(losses, tried):
            mean, error = moments(loss - losses[best], weight)
            if candidate.modality is not None and mean <= error:
                kept.append(candidate)
        return kept

    # The decision ------------------------------------------------------------------

    def _decide(self, found: list[Candidate], dropped: list[Candidate]) -> AutoFusion:
        weight = self.target.weight
        singles = [c for c in found if c.level == "single" and c.fusion == PROBE]
        options = [(c.name, c.level, [c]) for c in found]
        if len(singles) > 1:
            options.insert(len(singles), ("all alone, linear", "decision", singles))
        losses = [self._losses(parts) for _, _, parts in options]
        means = [moments(loss, weight)[0] for loss in losses]
        best = int(np.argmin(means))
        simple = next(
            k
            for k, loss in enumerate(losses)
            if means[k] - means[best] <= moments(loss - losses[best], weight)[1]
        )
        name, chosen = options[simple][0], options[simple][2]
        if len(found) > 1:
            options.append(("stacking", "decision", found))
            losses.append(self._losses(found))
            if moments(losses[-1], weight)[0] < means[simple]:
                name, chosen = "stacking", found
        scores = np.stack([c.scores[self.tested] for c in chosen])
        weights = fit_pool(scores, self.target)
        lines = [
            Line(label, level, parts, *moments(loss, weight))
            for (label, level, parts), loss in zip(options, losses)
        ]
        first = self.goal.take(np.flatnonzero(self.fold == 0)).weight
        lines += [
            Line(c.name, c.level, [c], *moments(self._first_losses(c), first))
            for c in dropped
        ]
        used = [k for k in range(len(chosen)) if weights[k] > 0]
        return AutoFusion(
            self.blocks,
            self.link,
            [chosen[k].bare() for k in used],
            weights[used],
            describe(lines, name, chosen, weights),
            self.history,
        )

    def _losses(self, candidates: list[Candidate]) -> np.ndarray:
        """Of the tested rows, by weights from the other folds: (n_tested,)"""
        scores = np.stack([c.scores[self.tested] for c in candidates])
        return out_of_fold_losses(scores, self.target, self.fold[self.tested])

    def _first_losses(self, candidate: Candidate) -> np.ndarray:
        """Of the rows of the first fold, which have to do for its one weight too."""
        rows = np.flatnonzero(self.fold == 0)
        target, scores = self.goal.take(rows), candidate.scores[None, rows]
        weights = fit_pool(scores, target)
        return target.losses(pool(scores, weights, target.offset))

    def _say(self, candidate: Candidate) -> None:
        if self.verbose:
            mean, error = moments(self._losses([candidate]), self.target.weight)
            print(
                f"{candidate.name}: loss {mean:.4f} ± {error:.4f}, "
                f"{candidate.seconds:.1f} s"
            )


def _keep_balance(target: Target, tested: np.ndarray) -> Target:
    """Weights of tested rows that give classes the shares that they have in all rows.

    A sampler may have added rows of some: none is tested, and all count for its class.
    """
    if target.task != "classification" or not len(tested):
        return target
    whole = target.weight @ target.values  # (k,)
    part = target.weight[tested] @ target.values[tested]
    factor = np.where(part > 0, whole / np.maximum(part, 1e-12), 1.0)
    return replace(target, weight=target.weight * (target.values @ factor))


def _join_rare(classes: np.ndarray, fewest: int) -> np.ndarray:
    """Classes too rare for every fold to hold them, with the largest class.

    They would mean fewer folds, and so fewer training rows in each, for all.
    """
    counts = np.bincount(classes)
    return np.where(counts[classes] < fewest, counts.argmax(), classes)


def moments(values: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Weighted mean and its standard error."""
    total = weight.sum()
    mean = float(weight @ values / total)
    error = float(np.sqrt(((weight * (values - mean)) ** 2).sum()) / total)
    return mean, error
