"""A store under encoders, compositions and searches: what is encoded how often."""

import os
import pickle
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from joblib.externals.loky import get_reusable_executor
from PIL import Image
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from skmultimodal import multimodal_pipeline
from skmultimodal.compose import ModalityTransformer
from skmultimodal.encoders import EmbeddingStore, ImageEncoder, TabularEncoder

COUNTING = """
    import os
    import torch

    class Counting(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Conv2d(3, 4, 3, bias={bias})

        def forward(self, x):
            with open({log!r}, "a") as log:  # one short write stays whole
                log.write(f"{{len(x)}}\\n")
            return self.layer(x)

    def make():
        return Counting()
"""


class Count:
    """How many pictures a network was given, in all processes."""

    def __init__(self, name, log):
        self.model, self.log = f"{name}:make", log

    def __call__(self):
        """Pictures since the last call."""
        lines = self.log.read_text().split() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return sum(map(int, lines))


@pytest.fixture
def count(tmp_path, monkeypatch, request):
    folder = tmp_path / "modules"
    folder.mkdir()
    name = f"counting_{abs(hash(request.node.name))}"
    source = textwrap.dedent(COUNTING).format(log=str(tmp_path / "log"), bias=True)
    (folder / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(str(folder))
    yield Count(name, tmp_path / "log")
    sys.modules.pop(name, None)


@pytest.fixture
def photos(tmp_path):
    """Paths of 60 different pictures, as old as pictures mostly are."""
    rng = np.random.default_rng(0)
    paths = []
    for k in range(60):
        path = tmp_path / f"{k}.png"
        pixels = rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)
        pixels[:, :, 0] //= 1 + 3 * (k % 2)
        Image.fromarray(pixels).save(path)
        paths.append(str(path))
    return paths


def encoder(count, **params):
    return ImageEncoder(model=count.model, size=16, batch_size=8, **params)


def test_what_is_stored_is_not_encoded_again(count, photos, tmp_path):
    store = tmp_path / "store"
    cold = encoder(count, store=store).fit_transform(photos)
    assert count() == 60
    warm = encoder(count, store=EmbeddingStore(store)).fit(photos).transform(photos)
    assert count() == 0
    np.testing.assert_array_equal(warm, cold)
    np.testing.assert_array_equal(encoder(count).fit_transform(photos), cold)
    assert EmbeddingStore(store).info()["n_vectors"] == 60


def test_content_counts_not_how_a_cell_gives_it(count, photos, tmp_path):
    store = tmp_path / "store"
    encoder(count, store=store).fit(photos)
    count()
    data = [Path(path).read_bytes() for path in photos]
    (tmp_path / "copy.png").write_bytes(data[3])
    z = encoder(count, store=store).fit_transform([*data, str(tmp_path / "copy.png")])
    assert count() == 0
    np.testing.assert_array_equal(z[-1], z[3])


def test_equal_cells_are_encoded_once_though_their_paths_differ(
    count, photos, tmp_path
):
    (tmp_path / "copy.png").write_bytes(Path(photos[0]).read_bytes())
    column = [photos[0], str(tmp_path / "copy.png"), photos[0]]
    z = encoder(count, store=tmp_path / "store").fit_transform(column)
    assert count() == 1
    np.testing.assert_array_equal(z[0], z[1])


@pytest.mark.parametrize("restored", [False, True])
def test_a_changed_file_behind_the_same_path_is_noticed(
    count, photos, tmp_path, restored
):
    store = tmp_path / "store"
    fitted = encoder(count, store=store).fit(photos)
    before = fitted.transform(photos)
    count()
    status = os.stat(photos[5])
    pixels = np.asarray(Image.open(photos[5])).copy()
    pixels[0, 0] ^= 255
    Image.fromarray(pixels).save(photos[5])
    if restored:  # the time of the last change says nothing then
        os.utime(photos[5], ns=(status.st_atime_ns, status.st_mtime_ns))
    after = fitted.transform(photos)
    assert count() == 1
    assert (after[5] != before[5]).any()
    np.testing.assert_array_equal(np.delete(after, 5, 0), np.delete(before, 5, 0))


def test_a_file_that_changes_while_it_is_encoded_is_not_kept(
    count, photos, tmp_path, monkeypatch
):
    from skmultimodal.encoders import _media

    digest = _media.file_digest

    def then_changed(path):
        found = digest(path)
        if path == photos[5]:
            Image.fromarray(np.zeros((12, 12, 3), np.uint8)).save(path)
        return found

    store = tmp_path / "store"
    with monkeypatch.context() as patched:
        patched.setattr(_media, "file_digest", then_changed)
        z = encoder(count, store=store).fit_transform(photos)
    assert EmbeddingStore(store).info()["n_vectors"] == 59
    np.testing.assert_array_equal(encoder(count).fit_transform(photos), z)


@pytest.mark.parametrize(
    "other", [{"size": 20}, {"output": "sequence"}, {"output": "sequence", "grid": 2}]
)
def test_other_parameters_have_other_keys(count, photos, tmp_path, other):
    store = tmp_path / "store"
    encoder(count, store=store).fit(photos)
    count()
    found = encoder(count, store=store).set_params(**other).fit_transform(photos)
    assert count() == 60
    expected = encoder(count).set_params(**other).fit_transform(photos)
    np.testing.assert_array_equal(found, expected)


def test_other_weights_have_other_keys(count, photos, tmp_path):
    store = tmp_path / "store"
    encoder(count, store=store).fit(photos)
    count()
    name = count.model.partition(":")[0]
    other = f"{name}_other"
    source = textwrap.dedent(COUNTING).format(log=str(count.log), bias=False)
    (tmp_path / "modules" / f"{other}.py").write_text(source)
    ImageEncoder(model=f"{other}:make", size=16, store=store).fit(photos)
    assert count() == 60


def test_a_reduction_is_learned_and_not_stored(count, photos, tmp_path):
    store = tmp_path / "store"
    params = {"n_components": 2, "random_state": 0}
    first = encoder(count, store=store, **params).fit_transform(photos[:30])
    second = encoder(count, store=store, **params).fit_transform(photos)
    assert count() == 60
    plain = encoder(count, **params)
    np.testing.assert_array_equal(plain.fit_transform(photos[:30]), first)
    np.testing.assert_array_equal(plain.fit_transform(photos), second)


def test_what_cannot_be_read_is_not_stored_and_follows_on_error(
    count, photos, tmp_path
):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    column = [*photos, str(tmp_path / "broken.png"), str(tmp_path / "nowhere.png")]
    store = tmp_path / "store"
    for _ in range(2):
        with pytest.warns(UserWarning, match="2 of 62 different pictures cannot be"):
            z = encoder(count, store=store, on_error="warn").fit_transform(column)
        assert np.isnan(z[60:]).all()
    assert count() == 60
    with pytest.raises(ValueError, match=r"row 60: the file .*broken"):
        encoder(count, store=store).fit(column)
    assert EmbeddingStore(store).info()["n_vectors"] == 60


def test_float_arrays_are_stored_with_the_range_of_their_fit(tmp_path):
    rng = np.random.default_rng(0)
    pictures = list(rng.random((4, 10, 10)))
    store = tmp_path / "store"
    narrow = ImageEncoder(store=store).fit(pictures)
    wide = ImageEncoder(store=store).fit([*pictures, 200 * pictures[0]])
    assert narrow.ranges_ != wide.ranges_
    expected = ImageEncoder().fit([*pictures, 200 * pictures[0]]).transform(pictures)
    np.testing.assert_array_equal(wide.transform(pictures), expected)


# -- above encoders --------------------------------------------------------------------


@pytest.fixture
def table(photos):
    rng = np.random.default_rng(1)
    X = pd.DataFrame({"photo": photos, "size": rng.random(60)})
    return X, np.arange(60) % 2


def test_a_composition_hands_its_store_to_encoders_that_name_none(
    count, table, tmp_path
):
    X, _ = table
    own = EmbeddingStore(tmp_path / "own")
    encode = ModalityTransformer(
        [
            ("plain", encoder(count), "photo"),
            ("piped", make_pipeline(encoder(count), PCA(2)), "photo"),
            ("own", encoder(count, store=own), "photo"),
            ("size", TabularEncoder(), ["size"]),
        ],
        store=tmp_path / "shared",
    )
    encode.fit(X)
    assert count() == 120
    assert EmbeddingStore(tmp_path / "shared").info()["n_vectors"] == 60
    assert own.info()["n_vectors"] == 60
    assert encode.transformers[0][1].store is None  # the user's object stays his
    encode.transform(X)
    assert count() == 0
    assert clone(encode).store == tmp_path / "shared"
    assert pickle.loads(pickle.dumps(encode)).transform(X).equals(encode.transform(X))


def test_folds_of_a_pipeline_share_a_store(count, table, tmp_path):
    X, y = table
    model = multimodal_pipeline(
        "classifier",
        modalities={"photo": encoder(count)},
        store=tmp_path / "store",
        max_epochs=1,
    )
    cross_val_score(model, X, y, cv=3)
    assert count() == 60


def test_a_search_with_two_processes_encodes_each_cell_once(count, table, tmp_path):
    X, y = table
    encode = ModalityTransformer(
        [("photo", encoder(count), "photo"), ("size", TabularEncoder(), ["size"])],
        store=str(tmp_path / "store"),
    )
    search = GridSearchCV(
        make_pipeline(encode, LogisticRegression()),
        {"logisticregression__C": [0.1, 1.0, 10.0]},
        cv=3,
        n_jobs=2,
        refit=False,
    )
    get_reusable_executor().shutdown(wait=True)  # workers know the module of the test
    for most in (66, 0):  # cold: a tenth more than there are; warm: none
        search.fit(X, y)
        assert count() <= most
    get_reusable_executor().shutdown(wait=True)
    assert EmbeddingStore(tmp_path / "store").info()["n_vectors"] == 60
