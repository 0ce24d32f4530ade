import sys

import numpy as np
import pytest
from PIL import Image

from skmultimodal.datasets import load_easy_vqa


@pytest.mark.parametrize(
    ("subset", "n_questions", "n_images"),
    [("train", 38_575, 4_000), ("test", 9_673, 1_000), ("all", 48_248, 5_000)],
)
def test_every_row_has_picture_question_answer_and_group(subset, n_questions, n_images):
    vqa = load_easy_vqa(subset=subset)

    assert vqa.data.shape == (n_questions, 2)
    assert list(vqa.data.columns) == vqa.feature_names
    assert not vqa.data.isna().any(axis=None)
    assert vqa.target.shape == vqa.groups.shape == (n_questions,)
    assert len(np.unique(vqa.groups)) == vqa.data["image"].nunique() == n_images
    assert set(vqa.target) == set(vqa.target_names)
    assert len(vqa.target_names) == 13
    with Image.open(vqa.data["image"].iloc[-1]) as picture:
        assert picture.size == (64, 64)


def test_a_drawn_picture_keeps_all_its_questions():
    whole = load_easy_vqa(subset="test")
    drawn = load_easy_vqa(subset="test", n_images=20, random_state=3)
    again = load_easy_vqa(subset="test", n_images=20, random_state=3)
    other = load_easy_vqa(subset="test", n_images=20, random_state=4)

    kept = np.isin(whole.groups, drawn.groups)
    assert len(np.unique(drawn.groups)) == 20
    assert drawn.data["question"].tolist() == whole.data["question"][kept].tolist()
    np.testing.assert_array_equal(drawn.target, whole.target[kept])
    np.testing.assert_array_equal(drawn.groups, again.groups)
    assert set(drawn.groups) != set(other.groups)


def test_pictures_of_both_parts_stay_apart():
    vqa = load_easy_vqa(subset="all")
    by_group = vqa.data["image"].groupby(vqa.groups).nunique()
    assert (by_group == 1).all()


def test_a_seeded_draw_leaves_the_global_random_state_alone():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    load_easy_vqa(subset="test", n_images=5, random_state=0)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_a_question_alone_answers_about_two_in_three():
    vqa = load_easy_vqa(subset="all")
    train = np.char.startswith(vqa.groups, "train")
    question = vqa.data["question"].to_numpy(dtype=object)
    table = {
        q: max(set(a := list(vqa.target[train & (question == q)])), key=a.count)
        for q in set(question[train])
    }
    right = [table.get(q) == a for q, a in zip(question[~train], vqa.target[~train])]
    assert 0.6 < np.mean(right) < 0.7


def test_unknown_subset_is_named():
    with pytest.raises(ValueError, match=r"subset='valid' is unknown.*'train'"):
        load_easy_vqa(subset="valid")


@pytest.mark.parametrize("n_images", [0, 1001])
def test_too_few_or_many_pictures(n_images):
    with pytest.raises(ValueError, match=f"n_images={n_images} is not between 1 and 1"):
        load_easy_vqa(subset="test", n_images=n_images)


def test_absent_package_gives_the_install_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "easy_vqa", None)
    with pytest.raises(ImportError, match=r"pip install 'skmultimodal\[demo\]'"):
        load_easy_vqa()


@pytest.mark.data
def test_agrees_with_the_copy_among_the_real_data(real_data):
    ours, theirs = load_easy_vqa(subset="all"), real_data("easy_vqa")
    assert sorted(ours.data["question"]) == sorted(theirs["modalities"]["text"])
    assert sorted(ours.target) == sorted(theirs["y"])
    assert len(theirs["image_bank"]) == len(np.unique(ours.groups))
