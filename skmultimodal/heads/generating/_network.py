"""The whole net of the generator: memory, decoder, output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skmultimodal.heads._network import FusionBody, NetworkOutput, Recipe
from skmultimodal.heads.generating._examples import N_AGES
from skmultimodal.nn import Dropout
from skmultimodal.nn._decoder_state import DecoderState
from skmultimodal.nn._lstm_decoder import LSTMDecoder
from skmultimodal.nn._pointer import N_BEFORE, Pointer, Source, tokens_before
from skmultimodal.nn._transformer_decoder import TransformerDecoder

DECODERS: dict[str, type[LSTMDecoder] | type[TransformerDecoder]] = {
    "lstm": LSTMDecoder,
    "transformer": TransformerDecoder,
}
_HEAD_WIDTH = 16
_NOTHING = -2  # stands before the begin, and is no token of a history


@dataclass(frozen=True)
class GeneratorRecipe(Recipe):
    """All that it takes to build the net again; `n_outputs` counts tokens and end."""

    decoder: str = "lstm"
    n_layers: int = 1
    n_roles: int = 0  # 0: no dialogue
    copies: bool = False

    def build(self) -> GeneratorNetwork:  # type: ignore[override]
        return GeneratorNetwork(self)


class Context(NamedTuple):
    """What a decoder reads of n rows."""

    memory: Tensor  # (n, S, d)
    present: Tensor  # (n, S)
    summary: Tensor  # (n, d)
    said: Tensor  # (n, H, d), what was said before, and part of the memory
    history: Tensor  # (n, H, 3)
    loss: Tensor | None = None


class ReplyState(NamedTuple):
    """Where n replies are."""

    decoder: DecoderState
    source: Source | None = None  # what the pointer reads
    last: Tensor | None = None  # (n, N_BEFORE - 1), the newest token at the end

    def take(self, index: Tensor) -> ReplyState:
        decoder = self.decoder.take(index)
        if self.source is None or self.last is None:
            return ReplyState(decoder)
        source = Source(*(t.index_select(0, index) for t in self.source))
        return ReplyState(decoder, source, self.last.index_select(0, index))

    def take_past(self, index: Tensor) -> ReplyState:
        decoder = self.decoder.take_past(index)
        last = None if self.last is None else self.last.index_select(0, index)
        return ReplyState(decoder, self.source, last)


class GeneratorNetwork(nn.Module):
    """Columns, presence and history in, log-probabilities of a reply's tokens out."""

    def __init__(self, recipe: GeneratorRecipe):
        super().__init__()
        d, rate = recipe.embed_dim, recipe.dropout
        self.n_outputs = recipe.n_outputs
        self.begin = recipe.n_outputs  # the one input that is no output
        self.end = recipe.n_outputs - 1
        self.body = FusionBody(recipe) if len(recipe.layout) else None
        self.embedding = nn.Embedding(recipe.n_outputs + 1, d)
        nn.init.normal_(self.embedding.weight, std=d**-0.5)
        self.scale = d**0.5
        if self.body is None:
            self.nothing = nn.Parameter(torch.zeros(d))
        else:
            self.summarise = nn.Linear(self.body.fusion.d_out, d)
        self.history = None
        if recipe.n_roles:
            self.history = HistoryTokens(recipe.n_roles, d, rate)
        self.dropout = Dropout(rate)
        n_heads = count_heads(d)
        self.decoder = DECODERS[recipe.decoder](d, recipe.n_layers, n_heads, rate)
        self.norm = nn.LayerNorm(d)
        self.bias = nn.Parameter(torch.zeros(recipe.n_outputs))
        self.pointer = Pointer(d) if recipe.copies else None

    def embed(self, tokens: Tensor) -> Tensor:
        """(n, L) -> (n, L, d)"""
        return self.embedding(tokens) * self.scale

    def read(self, x: Tensor, present: Tensor, history: Tensor) -> Context:
        """x: (n, n_columns), present: (n, Σ T_m), history: (n, H, 3)"""
        n, loss = len(history), None
        if self.body is None:
            summary = self.nothing.expand(n, -1)
            parts, masks = [], []
        else:
            here = self.body.presence(present)
            tokens, out = self.body.fuse(x, here)
            summary, loss = self.summarise(out.fused), out.loss
            streams = tokens if out.tokens is None else out.tokens
            parts, masks = list(streams.values()), [here[m] for m in streams]
        always = torch.ones(n, 1, dtype=torch.bool, device=history.device)
        parts, masks = [summary.unsqueeze(1), *parts], [always, *masks]
        ids = history[:, :, 0].clamp_min(0).long()  # (n, H)
        there = history[:, :, 0] >= 0
        said = summary.new_zeros(n, 0, summary.shape[1])
        if self.history is not None and history.shape[1]:
            said = self.history(self.embed(ids), history, there)
            parts, masks = [*parts, said], [*masks, there]
        memory, mask = torch.cat(parts, dim=1), torch.cat(masks, dim=1)
        return Context(memory, mask, summary, said, history, loss)

    def start(self, context: Context) -> ReplyState:
        state = self.decoder.start(context.memory, context.present, context.summary)
        if self.pointer is None:
            return ReplyState(state)
        tokens, here = context.history[:, :, 0].long(), context.history[:, :, 0] >= 0
        tokens = tokens.clamp_min(0)
        age = context.history[:, :, 2]
        before = tokens_before(tokens, age != age.roll(1, dims=1), self.begin)
        source = self.pointer.read(context.said, tokens, before, here)
        nothing = tokens.new_full((len(tokens), N_BEFORE - 1), _NOTHING)
        return ReplyState(state, source, nothing)

    def advance(self, tokens: Tensor, state: ReplyState) -> tuple[Tensor, ReplyState]:
        """The next L tokens, (n, L) -> logits of those behind them, (n, L, V)"""
        x = self.dropout(self.embed(tokens))
        z, past = self.decoder.advance(x, state.decoder)
        z = self.norm(z)
        logits = F.linear(z, self.embedding.weight[: self.n_outputs], self.bias)
        if self.pointer is None or state.source is None or state.last is None:
            return logits, ReplyState(past)
        told = torch.cat([state.last, tokens], dim=1)  # (n, N_BEFORE - 1 + L)
        last = told.unfold(1, N_BEFORE, 1).flip(2)  # (n, L, N_BEFORE)
        logits = self.pointer(z, logits, state.source, last)
        return logits, ReplyState(past, state.source, told[:, 1 - N_BEFORE :])

    def step(self, tokens: Tensor, state: ReplyState) -> tuple[Tensor, ReplyState]:
        """The next token, (n,) -> log-probabilities of the one behind it, (n, V)"""
        logits, state = self.advance(tokens.unsqueeze(1), state)
        return logits[:, 0].float().log_softmax(1), state

    def forward(
        self, x: Tensor, present: Tensor, history: Tensor, y: Tensor
    ) -> NetworkOutput:
        """y: (n, L), the reply and its end -> logits of each of its tokens (n, L, V)"""
        context = self.read(x, present, history)
        first = y.new_full((len(y), 1), self.begin)
        tokens = torch.cat([first, y[:, :-1].clamp_min(0)], dim=1)
        output, _ = self.advance(tokens, self.start(context))
        return NetworkOutput(output, context.loss)


class HistoryTokens(nn.Module):
    """What was said before: each token with its neighbours, its role and its age."""

    def __init__(self, n_roles: int, d: int, dropout: float):
        super().__init__()
        self.role = nn.Embedding(n_roles, d)
        self.age = nn.Embedding(N_AGES, d)
        self.mix = nn.Conv1d(d, d, 5, padding=2)
        self.norm = nn.LayerNorm(d)
        self.dropout = Dropout(dropout)

    def forward(self, embedded: Tensor, history: Tensor, here: Tensor) -> Tensor:
        """embedded: (n, H, d), history: (n, H, 3), here: (n, H) -> (n, H, d)"""
        role, age = history[:, :, 1:].clamp_min(0).long().unbind(2)
        z = embedded + self.role(role) + self.age(age.clamp_max(N_AGES - 1))
        z = self.dropout(z).masked_fill(~here.unsqueeze(2), 0)
        around = self.mix(z.transpose(1, 2)).transpose(1, 2)
        return self.norm(z + self.dropout(F.gelu(around)))


def count_heads(d: int) -> int:
    """At most eight heads that divide d and are 16 or more wide."""
    return max(h for h in (1, 2, 4, 8) if d % h == 0 and d // h >= min(d, _HEAD_WIDTH))
