"""The net and the counts of words together, token by token."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from skmultimodal._layout import Layout
from skmultimodal.heads.generating._examples import PAD, Examples
from skmultimodal.heads.generating._gate import Gate
from skmultimodal.heads.generating._network import GeneratorNetwork, ReplyState
from skmultimodal.heads.generating._row_prior import Context, RowPrior
from skmultimodal.heads.generating._tokenizer import ReplyTokenizer
from skmultimodal.heads.generating._word_counts import BEGIN, Word
from skmultimodal.heads.generating._word_prior import WordPrior

_ROWS = 256


@dataclass(frozen=True)
class Place:
    """Where one reply is: behind these words, within a word of these tokens."""

    row: RowPrior
    context: Context = BEGIN
    prefix: Word = ()

    def behind(self, token: int) -> Place:
        if self.prefix == (self.row.end,):
            return self  # over: whoever goes on does not look
        if not (self.prefix and self.row.starts(token)):
            return Place(self.row, self.context, (*self.prefix, token))
        context = (*self.context[1:], self.row.number(self.prefix))
        return Place(self.row, context, (token,))

    def following(self) -> np.ndarray:
        """(n_tokens,)"""
        return self.row.following(self.context, self.prefix)


class MixtureState(NamedTuple):
    """Where n replies are."""

    net: ReplyState
    places: list[Place]

    def take(self, index: Tensor) -> MixtureState:
        return MixtureState(self.net.take(index), self._moved(index))

    def take_past(self, index: Tensor) -> MixtureState:
        return MixtureState(self.net.take_past(index), self._moved(index))

    def _moved(self, index: Tensor) -> list[Place]:
        return [self.places[k] for k in index.tolist()]


@dataclass
class Mixture:
    """Probabilities of a prior and a net, weighed by what both say of the context."""

    prior: WordPrior
    gate: Gate

    @classmethod
    def learn(
        cls,
        net: GeneratorNetwork,
        train: Examples,
        held: Examples,
        tokenizer: ReplyTokenizer,
        layout: Layout,
    ) -> Mixture:
        """Count in the training rows, weigh on rows held out, and count these, too."""
        prior = WordPrior.learn(train, held, _starts(tokenizer), layout)
        found, features = [], []
        for part, logp in _net_batches(net, held):
            counted = _counted(prior, part)  # (n, L, V)
            here = part.y != PAD
            token = part.y.clamp_min(0).unsqueeze(2)
            both = torch.cat([logp.exp().gather(2, token), counted.gather(2, token)], 2)
            found.append(both[here].numpy())
            features.append(_features(logp, counted)[here].numpy())
        gate = Gate.learn(np.concatenate(found), np.concatenate(features))
        return cls(prior.with_rows(held), gate)

    def mix(self, logp: Tensor, counted: Tensor) -> Tensor:
        """Log-probabilities of the next token: (..., V), (..., V) -> (..., V)"""
        weight = torch.from_numpy(self.gate(_features(logp, counted).numpy()))
        net, counts = weight.unsqueeze(-2).unbind(-1)  # (..., 1)
        return (net * logp.exp() + counts * counted).clamp_min(_TINY).log().float()

    def log_probabilities(self, net: GeneratorNetwork, part: Examples) -> Tensor:
        """Of all next tokens at each place of the replies: (n, L, V)"""
        logp = net(*part.inputs).output.float().log_softmax(2)
        return self.mix(logp.cpu(), _counted(self.prior, part)).to(logp.device)


class MixtureWriter:
    """A net that a search or a draw asks for the next token."""

    def __init__(self, net: GeneratorNetwork, mixture: Mixture):
        self._net = net
        self._mixture = mixture
        self.begin = net.begin
        self.end = net.end

    def start(self, part: Examples) -> MixtureState:
        context = self._net.read(part.x, part.present, part.history)
        places = [Place(row) for row in self._mixture.prior.read(part)]
        return MixtureState(self._net.start(context), places)

    def step(self, tokens: Tensor, state: MixtureState) -> tuple[Tensor, MixtureState]:
        """The next token, (n,) -> log-probabilities of the one behind it, (n, V)"""
        logp, net = self._net.step(tokens, state.net)
        places = state.places
        read = tokens.tolist()
        if read[:1] != [self.begin]:
            places = [place.behind(token) for place, token in zip(places, read)]
        counted = torch.from_numpy(np.stack([place.following() for place in places]))
        mixed = self._mixture.mix(logp.cpu(), counted).to(logp.device)
        return mixed, MixtureState(net, places)


_TINY = 1e-30


def _starts(tokenizer: ReplyTokenizer) -> np.ndarray:
    """Which tokens start a word: with a space, a mark, or the end. (n_tokens,)"""
    *shown, _ = tokenizer.surfaces()
    inside = [text[:1].isalnum() or text.startswith("<0x") for text in shown]
    return np.array([not within for within in inside] + [True])


def _net_batches(
    net: GeneratorNetwork, rows: Examples
) -> Iterator[tuple[Examples, Tensor]]:
    device = net.bias.device
    with torch.inference_mode():
        for index in torch.arange(len(rows)).split(_ROWS):
            part = rows.take(index)
            logits = net(*part.to(device).inputs).output
            yield part, logits.float().log_softmax(2).cpu()


def _counted(prior: WordPrior, part: Examples) -> Tensor:
    """What the counts say at each place of the replies: (n, L, V)"""
    n_tokens = len(prior.starts)
    found = np.full((*part.y.shape, n_tokens), 1 / n_tokens)
    for k, (row, reply) in enumerate(zip(prior.read(part), part.y.tolist())):
        place = Place(row)
        for step, token in enumerate(reply):
            if token == PAD:
                break
            found[k, step] = place.following()
            place = place.behind(token)
    return torch.from_numpy(found)


def _features(logp: Tensor, counted: Tensor) -> Tensor:
    """How sure either is: (..., V), (..., V) -> (..., 2)"""
    sure = logp.double().amax(-1), counted.amax(-1).log()
    return torch.stack(sure, dim=-1)
