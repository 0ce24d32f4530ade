"""From text to the numbers of its tokens and back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from skmultimodal._optional import import_optional

END = "<end>"
TOKENIZERS = ("auto", "bpe", "word")
_FEW_WORDS = 500  # up to so many different ones, a word is a token


class ReplyTokenizer:
    """Byte-level tokens: no character is unknown.

    A word is written with the space before it, and the first word too, so that it is
    the same token wherever it stands. Kept as a JSON string. `end` and `begin` have no
    text, so that none can be taken for them: they are the numbers behind all tokens.
    """

    def __init__(self, json: str):
        self.json = json
        library = _library()
        self._tokenizer = library.Tokenizer.from_str(json)
        self.n_tokens = self._tokenizer.get_vocab_size()

    @classmethod
    def learn(cls, texts: Iterable[str], kind: str, size: int) -> ReplyTokenizer:
        """Of at most `size` tokens, among them the 256 bytes."""
        counts = Counter(_spaced(text) for text in texts)
        library = _library()
        cut = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        words: Counter[str] = Counter()
        for text, count in counts.items():
            for word, _ in cut.pre_tokenize_str(text):
                words[word] += count
        if kind == "auto":
            kind = "word" if len(words) <= min(_FEW_WORDS, size - 256) else "bpe"
        if kind == "word":
            tokenizer = library.Tokenizer(_word_model(library, words, size))
        else:
            tokenizer = library.Tokenizer(library.models.BPE())
        tokenizer.pre_tokenizer = cut
        tokenizer.decoder = library.decoders.ByteLevel()
        if kind == "bpe":
            trainer = library.trainers.BpeTrainer(
                vocab_size=size,
                min_frequency=2,
                initial_alphabet=sorted(library.pre_tokenizers.ByteLevel.alphabet()),
                show_progress=False,
            )
            tokenizer.train_from_iterator(sorted(counts.elements()), trainer)
        return cls(tokenizer.to_str())

    @property
    def end(self) -> int:
        return self.n_tokens

    @property
    def begin(self) -> int:
        return self.n_tokens + 1

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """The tokens of each text, without begin and end."""
        new = list(dict.fromkeys(texts))
        found = self._tokenizer.encode_batch_fast(
            [_spaced(text) for text in new], add_special_tokens=False
        )
        known = {text: encoding.ids for text, encoding in zip(new, found)}
        return [known[text] for text in texts]

    def decode(self, tokens: Sequence[Sequence[int]]) -> list[str]:
        """The texts of tokens without begin and end."""
        texts = self._tokenizer.decode_batch(
            [list(part) for part in tokens], skip_special_tokens=False
        )
        return [text.removeprefix(" ") for text in texts]

    def surfaces(self) -> list[str]:
        """What each token looks like, the end last; part of a character as <0xE2>."""
        byte_of = {sign: byte for byte, sign in enumerate(_byte_signs())}
        shown = []
        for number in range(self.n_tokens):
            data = bytes(byte_of[s] for s in self._tokenizer.id_to_token(number))
            try:
                shown.append(data.decode())
            except UnicodeDecodeError:
                shown.append("".join(f"<0x{byte:02X}>" for byte in data))
        return [*shown, END]

    def __getstate__(self) -> dict[str, str]:
        return {"json": self.json}

    def __setstate__(self, state: dict[str, str]) -> None:
        self.__init__(state["json"])  # type: ignore[misc]


def _library() -> Any:
    purpose = "FusionGenerator"
    return import_optional("tokenizers", extra="generate", purpose=purpose)


def _spaced(text: str) -> str:
    """With a space before it, and without halves of surrogate pairs."""
    return f" {text}".encode(errors="replace").decode() if text else ""


def _word_model(library: Any, words: Counter[str], size: int) -> Any:
    """Whole words, the frequent ones first; others are spelled in bytes."""
    vocabulary = dict.fromkeys(sorted(library.pre_tokenizers.ByteLevel.alphabet()))
    for word in sorted(words, key=lambda word: (-words[word], word)):
        if len(vocabulary) >= size:
            break
        vocabulary[word] = None
    numbered = {token: number for number, token in enumerate(vocabulary)}
    return library.models.BPE(vocab=numbered, merges=[], ignore_merges=True)


def _byte_signs() -> list[str]:
    """The printable sign that stands for each byte in byte-level vocabularies."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    signs, extra = [], 256
    for byte in range(256):
        if byte in plain:
            signs.append(chr(byte))
        else:
            signs.append(chr(extra))
            extra += 1
    return signs
