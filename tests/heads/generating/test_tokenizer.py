"""Text into tokens and back, whatever is in it."""

import pickle

import pytest

from skmultimodal.heads.generating._tokenizer import END, ReplyTokenizer

TEXTS = ["the red circle", "the blue square", "a red square", "the red one"] * 5
ODD = [
    "",
    " ",
    "  two before",
    "behind  ",
    "tab\tand\nline",
    "Grüße, 日本語 🙂",
    "<end> <begin> </s>",
    "circle",
    "\0",
]
kinds = pytest.mark.parametrize("kind", ["bpe", "word"])


@kinds
def test_what_was_never_seen_comes_back_too(kind):
    tokenizer = ReplyTokenizer.learn(TEXTS, kind, 300)
    assert tokenizer.decode(tokenizer.encode(ODD)) == ODD
    assert tokenizer.encode([""]) == [[]]
    assert tokenizer.decode([[]]) == [""]


@kinds
def test_no_text_is_taken_for_the_end(kind):
    tokenizer = ReplyTokenizer.learn([*TEXTS, END], kind, 300)
    tokens = [token for text in [*ODD, END] for token in tokenizer.encode([text])[0]]
    assert max(tokens) < tokenizer.n_tokens == tokenizer.end
    assert tokenizer.begin == tokenizer.end + 1


def test_a_word_is_one_token_wherever_it_stands():
    tokenizer = ReplyTokenizer.learn(TEXTS, "word", 300)
    assert tokenizer.n_tokens == 256 + 7
    (first,), (_, second, _) = tokenizer.encode(["red", "the red circle"])
    assert first == second
    assert len(tokenizer.encode(["green"])[0]) == len(" green")  # spelled in bytes


def test_frequent_words_come_first_where_there_is_little_room():
    tokenizer = ReplyTokenizer.learn(TEXTS, "word", 258)
    known = [len(tokenizer.encode([word])[0]) for word in ("the", "red", "square")]
    assert known == [1, 1, len(" square")]


def test_auto_takes_words_where_there_are_few():
    few = ReplyTokenizer.learn(TEXTS, "auto", 2000)
    assert few.n_tokens == 256 + 7
    many = [f"w{k} the red circle" for k in range(600)]
    assert len(ReplyTokenizer.learn(many, "auto", 2000).encode(["w3"])[0]) > 1
    assert ReplyTokenizer.learn(many, "auto", 2000).encode(["circle"])[0]


def test_pairs_are_merged_up_to_the_size_asked_for():
    tokenizer = ReplyTokenizer.learn(TEXTS, "bpe", 262)
    assert tokenizer.n_tokens == 262
    assert len(tokenizer.encode(["the red"])[0]) < len(" the red")


@kinds
def test_the_same_texts_in_any_order_give_the_same_tokeniser(kind):
    one = ReplyTokenizer.learn(TEXTS, kind, 280)
    assert ReplyTokenizer.learn(TEXTS[::-1], kind, 280).json == one.json


def test_travels_as_json():
    tokenizer = ReplyTokenizer.learn(TEXTS, "bpe", 300)
    assert tokenizer.__getstate__() == {"json": tokenizer.json}
    again = pickle.loads(pickle.dumps(tokenizer))
    assert again.encode(ODD) == tokenizer.encode(ODD)


def test_tokens_show_their_text():
    tokenizer = ReplyTokenizer.learn(TEXTS, "word", 300)
    surfaces = tokenizer.surfaces()
    assert len(surfaces) == tokenizer.n_tokens + 1
    assert surfaces[-1] == END
    assert surfaces[tokenizer.encode(["red"])[0][0]] == " red"
    assert surfaces[tokenizer.encode(["é"])[0][1]] == "<0xC3>"


def test_half_a_surrogate_pair_becomes_a_question_mark():
    tokenizer = ReplyTokenizer.learn(["a\ud800b"], "bpe", 300)
    assert tokenizer.decode(tokenizer.encode(["a\ud800b"])) == ["a?b"]
