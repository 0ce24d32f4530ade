"""A conversation with a fitted pipeline, from raw columns on."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline

from skmultimodal.compose import ModalityTransformer
from skmultimodal.encoders import (
    DialogueHistoryEncoder,
    ImageEncoder,
    TabularEncoder,
)
from skmultimodal.heads import (
    FusionGenerator,
    reply,
    reply_log_likelihood,
    reply_perplexity,
    sample_replies,
)

COLORS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}


def picture(color):
    return np.full((8, 8, 3), COLORS[color], dtype=np.uint8)


def frame(n, seed):
    """Asked for the colour, one says it; asked for the name, what was told."""
    rng = np.random.default_rng(seed)
    colors = rng.choice(list(COLORS), n)
    names = rng.choice(["ann", "bob", "cleo"], n)
    asks = rng.choice(["which colour", "which name"], n)
    talk = [
        [("user", f"call it {name}"), ("model", "ok"), ("user", ask)]
        for name, ask in zip(names, asks)
    ]
    X = pd.DataFrame({"age": rng.normal(size=n)})
    X["image"] = pd.Series([picture(c) for c in colors], dtype=object)
    X["talk"] = pd.Series(talk, dtype=object)
    y = np.where(asks == "which colour", colors, names).astype(object)
    return X, y


def pipeline(**params):
    encode = ModalityTransformer(
        [
            ("age", TabularEncoder(), ["age"]),
            ("image", ImageEncoder(n_components=2, random_state=0), ["image"]),
            ("talk", DialogueHistoryEncoder(), "talk"),
        ]
    )
    head = FusionGenerator(max_epochs=60, dropout=0.0, random_state=0, **params)
    return Pipeline([("encode", encode), ("head", head)])


@pytest.fixture(scope="module")
def model():
    return pipeline().fit(*frame(240, 0))


def test_a_conversation(model):
    history = [("user", "call it bob"), ("model", "ok"), ("user", "which name")]
    assert reply(model, history, image=picture("red"), age=0.1) == "bob"
    history[-1] = ("user", "which colour")
    for color in COLORS:
        assert reply(model, history, image=picture(color), age=0.1) == color


def test_one_reply_is_that_of_the_whole_frame(model):
    X, _ = frame(10, 1)
    said = [
        reply(model, talk, age=age, image=image)
        for age, image, talk in X.itertuples(index=False)
    ]
    assert said == list(model.predict(X))


def test_what_is_not_given_is_missing(model):
    X, _ = frame(1, 1)
    X["image"] = pd.Series([None], dtype=object)
    X["age"] = [np.nan]
    assert reply(model, X["talk"][0]) == model.predict(X)[0]
    assert isinstance(reply(model, []), str)


def test_a_search_answers_with_its_best(model):
    X, y = frame(30, 0)
    search = GridSearchCV(
        pipeline().set_params(head__max_epochs=1), {"head__lr": [1e-3]}, cv=2
    ).fit(X, y)
    talk = X["talk"][0]
    assert reply(search, talk) == reply(search.best_estimator_, talk)


def test_columns_that_are_not_there(model):
    with pytest.raises(ValueError, match=r"'picture' is none of its columns.*'image'"):
        reply(model, [], picture=picture("red"))
    with pytest.raises(ValueError, match="'talk' holds the history"):
        reply(model, [], talk="hi")


def test_columns_without_names_are_given_by_their_position():
    X, y = frame(40, 0)
    encode = ModalityTransformer(
        [("age", TabularEncoder(), slice(0, 1)), ("talk", DialogueHistoryEncoder(), 2)]
    )
    head = FusionGenerator(max_epochs=2, random_state=0)
    raw = X.to_numpy()
    model = Pipeline([("encode", encode), ("head", head)]).fit(raw, y)
    said = [reply(model, row[2], **{"0": row[0]}) for row in raw[:5]]
    assert said == list(model.predict(raw[:5]))
    with pytest.raises(ValueError, match=r"'2' holds the history.*\['0', '1'\]"):
        reply(model, [], **{"2": "hi"})


def test_a_column_may_have_the_name_of_a_parameter():
    X, y = frame(20, 0)
    X = X.rename(columns={"age": "history", "image": "pipeline"})
    encode = ModalityTransformer(
        [
            ("age", TabularEncoder(), ["history"]),
            ("talk", DialogueHistoryEncoder(), "talk"),
        ]
    )
    head = FusionGenerator(max_epochs=1, random_state=0)
    model = Pipeline([("encode", encode), ("head", head)]).fit(X, y)
    said = reply(model, X["talk"][0], history=X["history"][0])
    assert said == model.predict(X[:1])[0]


def test_what_is_no_pipeline_of_dialogues(model):
    with pytest.raises(TypeError, match="whose last step is a FusionGenerator; got"):
        reply(model[-1], [])
    with pytest.raises(TypeError, match="ends in LogisticRegression"):
        sample_replies(make_pipeline(LogisticRegression()), [[0]])
    with pytest.raises(NotFittedError):
        reply(pipeline(), [])
    without = Pipeline(
        [
            ("encode", ModalityTransformer([("age", TabularEncoder(), ["age"])])),
            ("head", FusionGenerator(max_epochs=1, random_state=0)),
        ]
    )
    X, y = frame(20, 0)
    with pytest.raises(ValueError, match="needs a column of dialogues"):
        reply(without.fit(X[["age"]], y), [])


def test_raw_rows_are_as_encoded_ones(model):
    X, y = frame(20, 2)
    Z, head = model[:-1].transform(X), model[-1]
    np.testing.assert_array_equal(
        sample_replies(model, X, n=3, temperature=0.8, top_p=0.9, random_state=1),
        head.sample(Z, 3, 0.8, 0.9, 1),
    )
    likelihood = head.log_likelihood(Z, y)
    np.testing.assert_array_equal(reply_log_likelihood(model, X, y), likelihood)
    assert reply_perplexity(model, X, y) == head.perplexity(Z, y)
    assert reply_perplexity(model, X, y) < 1.5
