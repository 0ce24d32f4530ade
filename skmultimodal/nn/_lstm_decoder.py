"""A recurrent decoder that looks things up in a memory."""

from __future__ import annotations

from torch import Tensor, nn

from skmultimodal.nn._attention import Attention, FeedForward
from skmultimodal.nn._decoder_state import DecoderState
from skmultimodal.nn._dropout import Dropout


class LSTMDecoder(nn.Module):
    """LSTM layers, then attention to the memory (Luong et al., arXiv:1508.04025).

    What attention finds does not go back into the LSTM, so that a whole reply can be
    read at once in training. The summary of the memory is where the LSTM starts.
    """

    def __init__(self, d: int, n_layers: int, n_heads: int, dropout: float):
        super().__init__()
        self.n_layers = n_layers
        self.begin = nn.Linear(d, 2 * n_layers * d)
        self.layers = nn.ModuleList(
            nn.LSTM(d, d, batch_first=True) for _ in range(n_layers)
        )
        self.dropout = Dropout(dropout)
        self.norm = nn.LayerNorm(d)
        self.attention = Attention(d, n_heads, dropout)
        self.feed_forward = FeedForward(d, dropout)

    def start(self, memory: Tensor, present: Tensor, summary: Tensor) -> DecoderState:
        """memory: (n, S, d), present: (n, S), summary: (n, d)"""
        past = self.begin(summary).tanh().chunk(2 * self.n_layers, dim=1)
        keys, values = self.attention.read(memory)  # (n, h, S, d/h)
        return DecoderState((keys, values, present), past)

    def advance(self, x: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """The next L tokens, x: (n, L, d) -> (n, L, d)"""
        keys, values, present = state.memory
        past: list[Tensor] = []
        for k, layer in enumerate(self.layers):
            h, c = (t.unsqueeze(0) for t in state.past[2 * k : 2 * k + 2])
            z, (h, c) = layer(x, (h.contiguous(), c.contiguous()))
            x = x + self.dropout(z)
            past += [h[0], c[0]]
        seen = present[:, None, None, :]
        x = x + self.dropout(self.attention.attend(self.norm(x), keys, values, seen))
        return self.feed_forward(x), DecoderState(state.memory, tuple(past))

    def forward(
        self, x: Tensor, memory: Tensor, present: Tensor, summary: Tensor
    ) -> Tensor:
        """All tokens at once, x: (n, L, d) -> (n, L, d)"""
        return self.advance(x, self.start(memory, present, summary))[0]
