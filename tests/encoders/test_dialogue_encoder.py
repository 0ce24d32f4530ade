"""DialogueHistoryEncoder: every word is kept, exact in float32, newest turns first."""

import numpy as np
import pandas as pd
import pytest

from skmultimodal._dialogue_cells import unpack_turns
from skmultimodal._layout import layout_from_names
from skmultimodal.compose import ModalityTransformer, make_modality_transformer
from skmultimodal.encoders import DialogueHistoryEncoder, TextEncoder

TALK = [("bob", "Grüße, 日本 🙂!"), ("ann", "ok"), ("bob", "bye")]


def column(*cells):
    return pd.Series(list(cells), dtype=object, name="talk")


def said(encoder, z):
    """(role, text) of each turn, read from the bytes by hand."""
    steps = z.reshape(len(z), encoder.n_steps_, 3)
    rows = []
    for row in steps:
        turns = {}
        for code, role, turn in row[~np.isnan(row).any(axis=1)]:
            data = int(code).to_bytes(3, "big").rstrip(b"\0")
            turns.setdefault((-turn, int(role)), bytearray()).extend(data)
        rows.append([(role, turns[t, role].decode()) for t, role in sorted(turns)])
    return rows


class TestWhatIsKept:
    def test_any_character_survives_float32(self):
        encoder = DialogueHistoryEncoder()
        z = encoder.fit_transform(column(TALK, [("ann", "\x7f\uffff\U0010ffff")]))
        assert z.dtype == np.float32
        assert np.nanmax(z) < 2**24
        assert said(encoder, z) == [
            [(2, "Grüße, 日本 🙂!"), (1, "ok"), (2, "bye")],
            [(1, "\x7f\uffff\U0010ffff")],
        ]

    def test_the_head_reads_the_same(self):
        encoder = DialogueHistoryEncoder()
        z = encoder.fit_transform(column(TALK))
        turns = unpack_turns(z.reshape(-1, 3))
        assert turns == [(2, TALK[0][1]), (1, "ok"), (2, "bye")]

    def test_turns_are_counted_back_from_the_newest(self):
        encoder = DialogueHistoryEncoder()
        z = encoder.fit_transform(column(["abcd", "e", "f"])).reshape(-1, 3)
        np.testing.assert_array_equal(z[:, 2], [2, 2, 1, 0])

    @pytest.mark.parametrize(
        "cell",
        [
            [("ann", "hi"), ("bob", "ok")],
            [["ann", "hi"], ["bob", "ok"]],
            (("ann", "hi"), ("bob", "ok")),
            [{"role": "ann", "text": "hi"}, {"role": "bob", "content": "ok"}],
            np.array([["ann", "hi"], ["bob", "ok"]]),
            [("ann", "hi"), None, ("ann", ""), ("bob", None), ("bob", "ok")],
        ],
        ids=["pairs", "lists", "tuple", "dicts", "array", "gaps"],
    )
    def test_cells_that_say_the_same(self, cell):
        encoder = DialogueHistoryEncoder()
        z = encoder.fit_transform(column(cell))
        assert said(encoder, z) == [[(1, "hi"), (2, "ok")]]
        np.testing.assert_array_equal(z[0, 2::3], [1, 0])

    @pytest.mark.parametrize("cell", ["hi", ["hi"], [(None, "hi")], ("x", "hi")])
    def test_one_turn_of_an_unknown_role(self, cell):
        encoder = DialogueHistoryEncoder(roles=["ann"]).fit(column(TALK))
        assert said(encoder, encoder.transform(column(cell))) == [[(0, "hi")]]

    @pytest.mark.parametrize("cell", [None, np.nan, "", [], [("ann", "")], [None, ""]])
    def test_nothing_said_is_absent(self, cell):
        encoder = DialogueHistoryEncoder().fit(column(TALK))
        assert np.isnan(encoder.transform(column(cell))).all()

    def test_half_a_pair_of_surrogates_is_a_question_mark(self):
        encoder = DialogueHistoryEncoder()
        z = encoder.fit_transform(column("a\ud800\0b"))
        assert said(encoder, z) == [[(0, "a?b")]]


class TestRoles:
    def test_sorted_from_one(self):
        encoder = DialogueHistoryEncoder().fit(column(TALK, "nobody", [("Cy", "x")]))
        assert encoder.roles_ == ["Cy", "ann", "bob"]

    def test_given_order(self):
        encoder = DialogueHistoryEncoder(roles=["bob", "ann"])
        assert [r for r, _ in said(encoder, encoder.fit_transform([TALK]))[0]] == [
            1,
            2,
            1,
        ]

    @pytest.mark.parametrize("roles", [["a", "a"], ["a", 1]])
    def test_roles_are_different_strings(self, roles):
        with pytest.raises(ValueError, match="must be different strings"):
            DialogueHistoryEncoder(roles=roles).fit(column(TALK))


class TestTooLong:
    def test_whole_oldest_turns_go(self):
        encoder = DialogueHistoryEncoder(max_length=12)
        z = encoder.fit_transform(column([("a", "x" * 7), ("a", "yyyy"), ("b", "zz")]))
        assert said(encoder, z) == [[(1, "yyyy"), (2, "zz")]]
        assert encoder.n_steps_ == 3
        assert (encoder.n_cut_rows_, encoder.n_cut_characters_) == (1, 7)

    def test_no_older_turn_comes_back_into_the_room_left(self):
        encoder = DialogueHistoryEncoder(max_length=12)
        z = encoder.fit_transform(column(["a", "x" * 30, "bb"]))
        assert said(encoder, z) == [[(0, "bb")]]
        assert encoder.n_cut_characters_ == 31

    def test_a_last_turn_loses_its_beginning_at_a_character(self):
        encoder = DialogueHistoryEncoder(max_length=6)
        z = encoder.fit_transform(column(["old", "aüüü"]))  # a and three times two
        assert said(encoder, z) == [[(0, "üüü")]]
        z = encoder.transform(column("日本🙂"))  # 3 + 3 + 4 bytes
        assert said(encoder, z) == [[(0, "🙂")]]

    def test_counts_are_those_of_fit(self):
        encoder = DialogueHistoryEncoder(max_length=3).fit(column("abcd", "abc", "xyz"))
        assert (encoder.n_cut_rows_, encoder.n_cut_characters_) == (1, 1)
        encoder.transform(column("abcdefgh"))
        assert (encoder.n_cut_rows_, encoder.n_cut_characters_) == (1, 1)

    def test_verbose_says_it_once_a_call(self, capsys):
        encoder = DialogueHistoryEncoder(max_length=3, verbose=True)
        encoder.fit(column("abcd", "abcde", "x"))
        out = capsys.readouterr().out
        assert out.count("\n") == 1
        assert "2 of 3 rows of column 'talk'" in out
        assert "oldest 3 characters" in out

    def test_longer_than_any_of_fit(self):
        encoder = DialogueHistoryEncoder().fit(column("abc"))
        z = encoder.transform(column(["hello", "you there"]))
        assert said(encoder, z) == [[(0, "ere")]]


@pytest.mark.parametrize(
    "cell", [3, [3], [("ann", 3)], [("ann", "hi", "you")], [{"say": "hi"}], b"hi"]
)
def test_what_is_no_turn_is_named(cell):
    with pytest.raises(TypeError, match=r"column 'talk', row 1 \(label 1\) holds"):
        DialogueHistoryEncoder().fit(column("fine", cell))


class TestInAComposition:
    def test_names_are_those_of_a_sequence_block(self):
        X = pd.DataFrame({"talk": column(TALK, None, "hi")})
        encode = ModalityTransformer([("said", DialogueHistoryEncoder(), "talk")])
        block = layout_from_names(encode.fit_transform(X).columns)["said"]
        assert block.is_sequence
        assert block.features == ("utf8", "role", "turn")

    def test_auto_takes_it_when_asked(self):
        X = pd.DataFrame({"talk": column(TALK, "hi")})
        chosen = make_modality_transformer(X, modalities={"talk": "dialogue"})
        assert isinstance(chosen.transformers[0][1], DialogueHistoryEncoder)

    def test_auto_describes_dialogues_for_any_head(self):
        """Bytes are of no use to a classifier, which cannot read them."""
        X = pd.DataFrame({"talk": column(TALK, "hi")})
        chosen = make_modality_transformer(X)
        assert isinstance(chosen.transformers[0][1], TextEncoder)
