"""The search on internal folds.

Closed-form probes of every modality alone and of all together, and a few small nets,
predict the same folds. Then a pool of all of them, or the simplest that is not worse
than the best by more than a standard error, is taken: whichever the folds favour.

Where the rows are so many that those of one fold decide, the others are left out, and
the time goes into another fusion and into training what is kept on all rows.
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
from skmultimodal.heads.auto._cost import relative_cost, step_cost
from skmultimodal.heads.auto._pool import Target, fit_pool, out_of_fold_losses, pool
from skmultimodal.heads.auto._probes import BlockFeatures, cross_fit
from skmultimodal.heads.auto._report import Line, describe
from skmultimodal.heads.auto._short_list import (
    FIRST,
    Budget,
    Net,
    first_nets,
    further_nets,
)

PROBE = "linear"
_FOLDS = 4
_DECISIVE = 800  # rows of a fold that decide by themselves


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
        self.first = self.folds[0][1]  # rows that the first fold tests
        self.decisive = len(self.first) >= _DECISIVE
        # Which part of the tested rows one is of: weights are fitted on the others.
        # Copies are tested in no fold.
        self.part = np.full(len(data.x), -1)
        if self.decisive:
            self.folds = self.folds[:1]
            rng = np.random.default_rng(seed)
            self.part[self.first] = rng.permutation(len(self.first)) % _FOLDS
        else:
            for number, (_, test) in enumerate(self.folds):
                self.part[test] = number
        self.tested = np.flatnonzero(self.part >= 0)
        self.goal = _keep_balance(data.target, self.tested)
        self.target = self.goal.take(self.tested)

    def run(self) -> AutoFusion:
        if not len(self.tested):
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
        name = FIRST
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
        """The nets that go on after the first fold, and those that it ruled out."""
        nets = first_nets(self._enough_alone(probes))
        tried = [c for c in map(self._try, nets) if c.predictors]
        budget = self._budget(tried)
        tried += self._try_further(tried, budget)
        kept = self._rule_out(tried, budget.keeps_alone)
        for candidate in kept:
            if self.decisive:
                self._train(candidate, None)
            else:
                for number in range(1, len(self.folds)):
                    self._train(candidate, number)
            self._say(candidate)
        return kept, [c for c in tried if c not in kept]

    def _try(self, net: Net) -> Candidate:
        """Through the first fold."""
        empty = np.zeros(self.data.target.values.shape)
        found = Candidate(
            net.name, net.level, net.fusion, net.modality, empty, [], net.params
        )
        self._train(found, 0)
        return found

    def _budget(self, tried: list[Candidate]) -> Budget:
        share = len(self.folds[0][0]) / len(self.data.x)
        later = 1.0 if self.decisive else share * (len(self.folds) - 1)
        budget = Budget(len(self.layout), share, later)
        heads = [c.predictors[0] for c in tried]
        costs = [step_cost(head._recipe, heads[0].batch_size_) for head in heads]
        for candidate, cost in zip(tried, costs):
            alone = candidate.modality is not None
            (budget.alone if alone else budget.fusions).append(cost / costs[0])
        return budget

    def _try_further(self, tried: list[Candidate], budget: Budget) -> list[Candidate]:
        """What is costly, or for some data only, while the budget allows."""
        if len(self.layout) < 2 or not tried or tried[0].modality is not None:
            return []
        first = tried[0].predictors[0]
        here = [self.blocks.present(b.name, self.here) for b in self.layout]
        hides = self.head.modality_dropout > 0
        absent = 1 - float(np.mean(here))
        found = []
        for nets in further_nets(self.link.task, absent, hides, self.decisive):
            for net in nets:
                cost = relative_cost(first._recipe, net.fusion, first.batch_size_)
                if budget.allows(cost):
                    budget.fusions.append(cost)
                    found.append(self._try(net))
                    break
        return [c for c in found if c.predictors]

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

    def _train(self, candidate: Candidate, number: int | None) -> None:
        """On the rows of a fold; None: on all rows, where one fold has decided."""
        start = time.perf_counter()
        data, modality = self.data, candidate.modality
        has = self.blocks.present(modality, self.here)
        whole = np.arange(len(data.x)), np.arange(0)
        fold = whole if number is None else self.folds[number]
        train, test = (rows[has[rows]] for rows in fold)
        if not self._is_learnable(train):
            return  # says nothing in this fold
        columns = self.blocks.columns(modality)
        net = clone(self.head).set_params(
            fusion=candidate.fusion,
            random_state=self.seed + (len(self.folds) if number is None else number),
            **candidate.params,
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
        if number is None:  # the net of a part of the rows has done its work
            candidate.predictors.clear()
        candidate.predictors.append(net)
        candidate.folds += number is not None
        candidate.seconds += time.perf_counter() - start
        told = {"candidate": candidate.name, "fold": number}
        self.history += [told | epoch for epoch in net.history_]

    def _rule_out(self, tried: list[Candidate], keeps_alone: bool) -> list[Candidate]:
        """By the first fold: one fusion, and a modality alone that may be as good.

        The first fusion stays unless another is better by more than a standard error;
        a modality alone stays, where there is time, unless it is worse by more than
        that.
        """
        weight = self.goal.take(self.first).weight
        losses = [self._first_losses(candidate) for candidate in tried]
        best = 0
        for k, candidate in enumerate(tried):
            if candidate.modality is None:
                mean, error = moments(losses[k] - losses[best], weight)
                best = k if mean < -error else best
        kept = [tried[best]]
        for loss, candidate in zip(losses, tried):
            mean, error = moments(loss - losses[best], weight)
            if candidate.modality is not None and keeps_alone and mean <= error:
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
            gain, error = moments(losses[-1] - losses[simple], weight)
            # the net of all rows is better than the one that weights were fitted by
            if gain < (-error if self.decisive else 0):
                name, chosen = "stacking", found
        scores = np.stack([c.scores[self.tested] for c in chosen])
        weights = fit_pool(scores, self.target)
        lines = [
            Line(label, level, parts, *moments(loss, weight))
            for (label, level, parts), loss in zip(options, losses)
        ]
        first = self.goal.take(self.first).weight
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
        return out_of_fold_losses(scores, self.target, self.part[self.tested])

    def _first_losses(self, candidate: Candidate) -> np.ndarray:
        """Of the rows of the first fold, which have to do for its one weight too."""
        target, scores = self.goal.take(self.first), candidate.scores[None, self.first]
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
