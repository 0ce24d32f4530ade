"""Rows in, text and likelihoods out: a trained net, what counts say, a tokeniser."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from skmultimodal.heads.generating._allowed import ReplyTree
from skmultimodal.heads.generating._consensus import most_agreed
from skmultimodal.heads.generating._examples import PAD, Examples
from skmultimodal.heads.generating._mixture import Mixture, MixtureWriter
from skmultimodal.heads.generating._network import GeneratorNetwork
from skmultimodal.heads.generating._reader import ReplyReader
from skmultimodal.heads.generating._sampling import sample
from skmultimodal.heads.generating._search import Search
from skmultimodal.heads.generating._trainer import TokenLoss

_ROWS = 256  # that are written or read at a time


@dataclass(frozen=True)
class Writing:
    """Writes replies to encoded rows, and says how likely given ones are.

    x: (n, n_columns) everywhere
    """

    net: GeneratorNetwork
    reader: ReplyReader
    mixture: Mixture | None

    def best(self, x: np.ndarray, search: Search) -> np.ndarray:
        """The reply that the search finds: (n,) of str"""
        replies: list[list[int]] = []
        with torch.inference_mode():
            for part in self._parts(x, max(_ROWS // search.n_beams, 1)):
                state = self._start(part)
                replies += search.run(self._writer, state, len(part), part.x.device)
        return self._texts(replies)

    def drawn(
        self,
        x: np.ndarray,
        n: int,
        *,
        max_length: int,
        temperature: float,
        top_p: float,
        seed: int,
    ) -> np.ndarray:
        """Replies by chance, n a row: (n_rows, n) of str"""
        generator = torch.Generator().manual_seed(seed)

        def uniform(n_rows: int) -> Tensor:
            shape = (n_rows, n, max_length)
            return torch.rand(shape, generator=generator, dtype=torch.float64)

        return self._drawn(x, n, uniform, temperature=temperature, top_p=top_p)

    def agreed(self, x: np.ndarray, n: int, max_length: int) -> np.ndarray:
        """Of n replies by chance the one most like the others: (n_rows,) of str

        The same numbers draw the replies of each row: what is written for one does not
        depend on the rows beside it.
        """
        generator = torch.Generator().manual_seed(0)
        same = torch.rand((n, max_length), generator=generator, dtype=torch.float64)
        drawn = self._drawn(x, n, lambda n_rows: same.expand(n_rows, -1, -1))
        return np.array([most_agreed(list(row)) for row in drawn], dtype=object)

    def _drawn(
        self,
        x: np.ndarray,
        n: int,
        uniform: Callable[[int], Tensor],
        **how: float,
    ) -> np.ndarray:
        replies: list[list[int]] = []
        with torch.inference_mode():
            for part in self._parts(x, max(_ROWS // n, 1)):
                rows = torch.arange(len(part), device=part.x.device)
                replies += sample(
                    self._writer,
                    self._start(part).take(rows.repeat_interleave(n)),
                    uniform(len(part)).flatten(0, 1),
                    part.x.device,
                    **how,
                )
        return self._texts(replies).reshape(len(x), n)

    def next_tokens(self, x: np.ndarray, prefixes: list[str]) -> np.ndarray:
        """Probability of each token behind what was written so far: (n, V)"""
        found = []
        with torch.inference_mode():
            for part in self._parts(x, _ROWS, prefixes):
                logits = self._logits(part)
                last = (part.y != PAD).sum(1) - 1
                rows = torch.arange(len(part), device=last.device)
                found.append(logits[rows, last].double().softmax(1).cpu())
        return torch.cat(found).numpy()

    def likelihoods(
        self, x: np.ndarray, texts: Sequence[str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Log-likelihood and number of tokens of each text, its end among them."""
        loss = TokenLoss().eval()
        total, lengths = [], []
        with torch.inference_mode():
            for part in self._parts(x, _ROWS, list(texts)):
                count = (part.y != PAD).sum(1)
                mean = loss.per_sample(self._logits(part).float(), part.y)
                total.append((-mean.double() * count).cpu())
                lengths.append(count.cpu())
        return torch.cat(total).numpy(), torch.cat(lengths).numpy()

    def of_each(self, x: np.ndarray, texts: list[str]) -> np.ndarray:
        """Log-likelihood of each text for each row: (n, n_texts)"""
        tokenizer = self.reader.tokenizer
        tree = ReplyTree(tokenizer.encode(texts), tokenizer.end)
        found = []
        with torch.inference_mode():
            for part in self._parts(x, max(4 * _ROWS // len(texts), 1)):
                state, device = self._start(part), part.x.device
                found.append(tree.score(self._writer, state, len(part), device).cpu())
        return torch.cat(found).numpy()

    def _parts(
        self, x: np.ndarray, size: int, texts: list[str] | None = None
    ) -> Iterator[Examples]:
        """Rows and their replies, some at a time, where the net is."""
        device = self.net.bias.device
        for start in range(0, len(x), size):
            rows = slice(start, start + size)
            told = None if texts is None else texts[rows]
            part = self.reader(x[rows], told, first_row=start).to(device)
            yield part.take(torch.arange(len(part), device=device))

    @property
    def _writer(self) -> Any:
        """The net, or the net and the counts, as a search asks them."""
        if self.mixture is None:
            return self.net
        return MixtureWriter(self.net, self.mixture)

    def _start(self, part: Examples) -> Any:
        if self.mixture is not None:
            return self._writer.start(part)
        return self.net.start(self.net.read(part.x, part.present, part.history))

    def _logits(self, part: Examples) -> Tensor:
        """Of all next tokens at each place of the replies: (n, L, V)"""
        if self.mixture is not None:
            return self.mixture.log_probabilities(self.net, part)
        return self.net(*part.inputs).output

    def _texts(self, replies: list[list[int]]) -> np.ndarray:
        return np.array(self.reader.tokenizer.decode(replies), dtype=object)
