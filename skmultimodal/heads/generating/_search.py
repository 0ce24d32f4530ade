"""Writing replies token by token: the most probable next one, or several at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

_NEVER = float("-inf")


class State(Protocol):
    """Where n replies are."""

    def take(self, index: Tensor) -> Any: ...

    def take_past(self, index: Tensor) -> Any: ...


class Steps(Protocol):
    """What a search asks of a net."""

    begin: int  # the input before the first token
    end: int

    def step(self, tokens: Tensor, state: Any) -> tuple[Tensor, Any]:
        """(n,) -> log-probabilities of the next token, (n, V)"""


@dataclass(frozen=True)
class Search:
    """How to look for the best reply."""

    max_length: int
    n_beams: int = 1
    length_penalty: float = 1.0
    no_repeat_ngram: int = 0

    def run(self, net: Steps, state: State, n: int, device: Any) -> list[list[int]]:
        """The tokens of n replies, without begin and end."""
        if self.n_beams == 1:
            return self._greedy(net, state, n, device)
        return self._beam(net, state, n, device)

    def _greedy(self, net: Steps, state: Any, n: int, device: Any) -> list[list[int]]:
        replies = torch.full((n, self.max_length), net.end, device=device)
        rows = torch.arange(n, device=device)  # those that still go on
        tokens = torch.full((n,), net.begin, device=device)
        for place in range(self.max_length):
            scores, state = net.step(tokens, state)
            scores = self._refuse_repeats(scores, replies[rows, :place], net.end)
            tokens = scores.argmax(1)
            replies[rows, place] = tokens
            live = tokens != net.end
            n_live = int(live.sum())
            if not n_live:
                break
            if n_live <= 0.7 * len(rows):
                kept = live.nonzero().squeeze(1)
                rows, tokens, state = rows[kept], tokens[kept], state.take(kept)
        return until_end(replies, net.end)

    def _beam(self, net: Steps, state: Any, n: int, device: Any) -> list[list[int]]:
        """Sums of log-likelihoods; finished replies divide theirs by length ** α."""
        k, end = self.n_beams, net.end
        total = torch.full((n, k), _NEVER, device=device)
        total[:, 0] = 0.0  # all beams are alike before the first token
        state = state.take(torch.arange(n, device=device).repeat_interleave(k))
        tokens = torch.full((n * k,), net.begin, device=device)
        told = torch.empty((n, k, 0), dtype=torch.long, device=device)
        found: list[list[tuple[float, list[int]]]] = [[] for _ in range(n)]
        rows = list(range(n))
        for place in range(self.max_length):
            scores, state = net.step(tokens, state)
            scores = self._refuse_repeats(scores, told.flatten(0, 1), end)
            n_outputs = scores.shape[1]
            joint = total.unsqueeze(2) + scores.view(len(rows), k, n_outputs)
            # the end of a beam is a candidate too: 2 k hold k that go on
            width = min(2 * k, k * n_outputs)
            best, where = joint.flatten(1).topk(width, dim=1)  # (rows, 2 k)
            beam, token = where // n_outputs, where % n_outputs
            self._collect(found, rows, best[:, :k], beam, token, told, end, place)
            best = best.masked_fill(token == end, _NEVER)
            total, chosen = best.topk(k, dim=1)  # (rows, k)
            beam, token = beam.gather(1, chosen), token.gather(1, chosen)
            told = torch.cat(
                [
                    told.gather(1, beam.unsqueeze(2).expand(-1, -1, place)),
                    token.unsqueeze(2),
                ],
                dim=2,
            )
            first = torch.arange(len(rows), device=device).unsqueeze(1) * k
            past = (first + beam).flatten()
            going = self._go_on(found, rows, total, place)
            if not any(going):
                return [_best(part) for part in found]
            if all(going):
                state = state.take_past(past)
            else:
                kept = torch.tensor(going, device=device).nonzero().squeeze(1)
                state = state.take(past.view(-1, k)[kept].flatten())
                total, told, token = total[kept], told[kept], token[kept]
                rows = [row for row, goes in zip(rows, going) if goes]
            tokens = token.flatten()
        for row, scores_, texts in zip(rows, total.tolist(), told.tolist()):
            for score, text in zip(scores_, texts):
                if score > _NEVER:
                    worth = self._worth(score, self.max_length)
                    found[row].append((worth, text))
        return [_best(part) for part in found]

    def _worth(self, score: float, length: int) -> float:
        return score / length**self.length_penalty

    def _collect(
        self,
        found: list[list[tuple[float, list[int]]]],
        rows: list[int],
        best: Tensor,
        beam: Tensor,
        token: Tensor,
        told: Tensor,
        end: int,
        place: int,
    ) -> None:
        """Keep the replies that end here and are among the k best candidates."""
        ended = (token[:, : best.shape[1]] == end) & (best > _NEVER)
        for r, j in ended.nonzero().tolist():
            worth = self._worth(float(best[r, j]), place + 1)
            found[rows[r]].append((worth, told[r, beam[r, j]].tolist()))

    def _go_on(
        self,
        found: list[list[tuple[float, list[int]]]],
        rows: list[int],
        total: Tensor,
        place: int,
    ) -> list[bool]:
        """Whether a row's beams may still beat the worst of its k best replies."""
        going = []
        for row, score in zip(rows, total[:, 0].tolist()):
            done = sorted(found[row], reverse=True)[: self.n_beams]
            found[row] = done
            hope = score > _NEVER
            if hope and len(done) == self.n_beams:
                hope = self._worth(score, place + 1) > done[-1][0]
            going.append(hope)
        return going

    def _refuse_repeats(self, scores: Tensor, told: Tensor, end: int) -> Tensor:
        """No run of `no_repeat_ngram` tokens twice: scores (n, V), told (n, T)"""
        size, length = self.no_repeat_ngram, told.shape[1]
        if not size or length < size:
            return scores
        runs = told.unfold(1, size, 1)  # (n, T - size + 1, size)
        last = told[:, length - size + 1 :].unsqueeze(1)  # (n, 1, size - 1)
        again = (runs[:, :, :-1] == last).all(2)  # (n, T - size + 1)
        times = torch.zeros_like(scores).scatter_add(
            1, runs[:, :, -1], again.to(scores.dtype)
        )
        refused = times > 0
        refused[:, end] = False
        return scores.masked_fill(refused, _NEVER)


def until_end(replies: Tensor, end: int) -> list[list[int]]:
    """(n, L) -> the tokens of each before its first end"""
    parts = replies.tolist()
    return [part[: part.index(end)] if end in part else part for part in parts]


def _best(found: list[tuple[float, list[int]]]) -> list[int]:
    return max(found, key=lambda pair: pair[0])[1]
