"""Text of turns goes into numbers and comes back."""

import numpy as np
import pytest

from skmultimodal._dialogue_cells import (
    DIALOGUE_FEATURES,
    Turn,
    is_dialogue,
    pack_text,
    unpack_text,
    unpack_turns,
)


@pytest.mark.parametrize(
    "text", ["", "a", "abc", "abcd", "grüße", "日本語", "🙂 ok", "tab\tand\nline"]
)
def test_a_text_survives_float32(text):
    codes = np.array(pack_text(text), dtype=np.float32)
    assert unpack_text(codes) == text
    assert len(codes) == -(-len(text.encode()) // 3)


def test_the_numbers_are_the_bytes():
    assert pack_text("ab") == [ord("a") * 65536 + ord("b") * 256]
    assert max(pack_text("\U0010ffff" * 3)) < 2**24


def test_what_utf8_does_not_hold_is_replaced():
    assert unpack_text(pack_text("a\0b\ud800")) == "ab?"
    assert unpack_text(pack_text("é")[:1] + [0xC30000]) == "é\ufffd"


def test_turns_are_told_apart_by_number_and_role():
    rows = [[code, 1, 0] for code in pack_text("hello there")]
    rows += [[code, 2, 1] for code in pack_text("hi")]
    rows += [[code, 2, 2] for code in pack_text("again")]
    rows += [[np.nan] * 3] * 2
    steps = np.array(rows, dtype=np.float32)
    assert unpack_turns(steps) == [
        Turn(1, "hello there"),
        Turn(2, "hi"),
        Turn(2, "again"),
    ]
    assert unpack_turns(np.full((2, 3), np.nan, dtype=np.float32)) == []


def test_a_block_is_a_dialogue_by_its_features():
    assert is_dialogue(DIALOGUE_FEATURES)
    assert not is_dialogue(("utf8", "role"))
