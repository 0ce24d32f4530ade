"""A table and its files: what is joined, what is reported, what is refused."""

import glob
import os
import random
import re
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
from PIL import Image

from skmultimodal.datasets import read_media_table
from skmultimodal.encoders import ImageEncoder

QUIET = {"on_missing": "ignore", "on_orphan": "ignore"}


@pytest.fixture
def put(tmp_path):
    def make(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(b"content")
        return tmp_path

    return make


def read(root, table, media, **options):
    options = {"paths": "relative", **QUIET, **options}
    return read_media_table(pd.DataFrame(table), media, root=root, **options)


def test_rows_meet_their_files(put):
    root = put("photos/a.jpg", "photos/c.jpg", "rec/b.wav", "rec/c.wav")
    table = {"id": ["a", "b", "c"], "price": [1, 2, 3]}
    media = {"photo": "photos/{id}.jpg", "voice": "rec/{id}.wav"}
    found = read(root, table, media)

    assert list(found.data.columns) == ["id", "price", "photo", "voice"]
    assert found.data["photo"].tolist() == ["photos/a.jpg", None, "photos/c.jpg"]
    assert found.data["voice"].tolist() == [None, "rec/b.wav", "rec/c.wav"]
    assert found.data["price"].tolist() == [1, 2, 3]
    assert found.report.missing[["media", "row", "path"]].values.tolist() == [
        ["photo", 1, "photos/b.jpg"],
        ["voice", 0, "rec/a.wav"],
    ]
    assert len(found.report.orphaned) == len(found.report.duplicated) == 0


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.tsv", "t.TSV.bz2"])
def test_tables_are_read_beside_their_files(put, name):
    root = put("7.jpg")
    sep = "\t" if "tsv" in name.lower() else ","
    pd.DataFrame({"id": [7], "note": ["x, y"]}).to_csv(
        root / name, sep=sep, index=False
    )
    found = read_media_table(str(root / name), {"photo": "{id}.jpg"})
    assert found.data["photo"].tolist() == [str(root / "7.jpg")]
    assert found.data["note"].tolist() == ["x, y"]
    assert found.root == str(root)


@pytest.mark.parametrize("engine", ["pyarrow", "polars"])
def test_parquet_needs_pyarrow_or_polars(put, monkeypatch, engine):
    pytest.importorskip(engine)
    root = put("7.jpg")
    table = pl.DataFrame({"id": [7, None], "note": ["x", None]})
    table.write_parquet(root / "t.parquet")
    if engine == "polars":
        monkeypatch.setitem(sys.modules, "pyarrow", None)
    found = read_media_table(root / "t.parquet", {"photo": "{id}.jpg"})
    assert found.data["photo"].tolist() == [str(root / "7.jpg"), None]
    assert found.report.empty["row"].tolist() == [1]


def test_parquet_without_either_gives_the_install_line(put, monkeypatch):
    root = put("t.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "polars", None)
    with pytest.raises(ImportError, match=r"pip install 'skmultimodal\[parquet\]'"):
        read_media_table(root / "t.parquet", {"photo": "{id}.jpg"})


def test_a_polars_frame_gives_the_same_as_a_pandas_frame(put):
    root = put("1.jpg", "3.jpg")
    table = {"id": [1, 2, 3], "note": ["a", "b", "c"]}
    ours = read(root, table, {"photo": "{id}.jpg"}).data
    theirs = read_media_table(
        pl.DataFrame(table), {"photo": "{id}.jpg"}, root=root, paths="relative", **QUIET
    ).data
    pd.testing.assert_frame_equal(ours, theirs)


def test_the_frame_keeps_its_index_and_stays_as_it_was(put):
    root = put("a.jpg", "b.jpg")
    table = pd.DataFrame({"id": ["b", "x", "a"]}, index=["r", "s", "r"])
    before = table.copy()
    found = read(root, table, {"photo": "{id}.jpg"})
    assert found.data["photo"].tolist() == ["b.jpg", None, "a.jpg"]
    assert found.data.index.tolist() == ["r", "s", "r"]
    assert found.report.missing["row"].tolist() == ["s"]
    pd.testing.assert_frame_equal(table, before)


def test_both_sorts_of_paths_load(tmp_path):
    for name, colour in [("a", "red"), ("b", "blue")]:
        Image.new("RGB", (8, 8), colour).save(tmp_path / f"{name}_1.png")
    for pattern in ["{id}_1.png", "{id}_*.png"]:
        found = {
            paths: read(tmp_path, {"id": ["a", "b"]}, {"photo": pattern}, paths=paths)
            for paths in ["absolute", "relative"]
        }
        absolute = ImageEncoder().fit_transform(found["absolute"].data["photo"])
        inside = ImageEncoder(root=found["relative"].root)
        relative = inside.fit_transform(found["relative"].data["photo"])
        np.testing.assert_array_equal(absolute, relative)
        assert not np.array_equal(absolute[0], absolute[1])


def test_relative_root_and_home_are_made_absolute(put, monkeypatch):
    root = put("photos/a.jpg")
    monkeypatch.chdir(root)
    found = read("photos", {"id": ["a"]}, {"p": "{id}.jpg"}, paths="absolute")
    assert found.root == str(root / "photos")
    assert found.data["p"].tolist() == [str(root / "photos" / "a.jpg")]
    monkeypatch.setenv("HOME", str(root))
    assert read("~/photos", {"id": ["a"]}, {"p": "{id}.jpg"}).root == found.root


# -- patterns -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "pattern", "name"),
    [
        ([7], "{id}.jpg", "7.jpg"),
        ([7], "{id:03d}.jpg", "007.jpg"),
        ([7.0], "{id}.jpg", "7.jpg"),
        ([7.5], "{id}.jpg", "7.5.jpg"),
        ([np.int64(7)], "{id:02d}.jpg", "07.jpg"),
        (["007"], "{id}.jpg", "007.jpg"),
        (["a.b"], "{id}", "a.b"),
        ([True], "{id}.jpg", "True.jpg"),
        (["{x}"], "{id}.jpg", "{x}.jpg"),
        (["x"], "{{{id}}}.jpg", "{x}.jpg"),
        (["sub/x"], "{id}.jpg", "sub/x.jpg"),
        (["./x"], "a/{id}.jpg", "a/x.jpg"),
        (["x"], "./a//{id}.jpg", "a/x.jpg"),
        (["x"], "{id}/{id}.jpg", "x/x.jpg"),
        (["Ünï ☃"], "{id}.jpg", "Ünï ☃.jpg"),
        (["[x]?"], "{id}.jpg", "[x]?.jpg"),
        (pd.to_datetime(["2024-02-03"]), "{id:%Y/%m-%d}.jpg", "2024/02-03.jpg"),
        (pd.Categorical(["x"]), "{id}.jpg", "x.jpg"),
    ],
)
def test_what_a_key_puts_in_the_place_of_its_braces(put, keys, pattern, name):
    found = read(put(name), {"id": keys}, {"photo": pattern})
    assert found.data["photo"].tolist() == [name]
    assert len(found.report.missing) == len(found.report.orphaned) == 0


def test_whole_numbers_beside_a_gap_stay_whole(put):
    found = read(put("7.jpg"), {"id": [7, None]}, {"photo": "{id}.jpg"})
    assert found.data["photo"].tolist() == ["7.jpg", None]
    assert found.report.empty[["media", "row"]].values.tolist() == [["photo", 1]]


def test_several_columns_make_a_path(put):
    root = put("x/1.jpg", "y/1.jpg", "y/2.jpg")
    found = read(root, {"a": ["x", "y"], "b": [1, 1]}, {"p": "{a}/{b}.jpg"})
    assert found.data["p"].tolist() == ["x/1.jpg", "y/1.jpg"]
    assert found.report.orphaned["path"].tolist() == ["y/2.jpg"]
    assert len(found.report.duplicated) == 0


def test_a_column_of_names_is_replaced_by_its_paths(put):
    found = read(put("in/a.jpg"), {"photo": ["a.jpg", None]}, {"photo": "in/{photo}"})
    assert found.data.columns.tolist() == ["photo"]
    assert found.data["photo"].tolist() == ["in/a.jpg", None]


def test_patterns_are_tried_in_order(put):
    root = put("a.jpg", "b.png", "c.jpg", "c.png")
    patterns = ["{id}.png", "{id}.jpg"]
    found = read(root, {"id": ["a", "b", "c", "d"]}, {"photo": patterns})
    assert found.data["photo"].tolist() == ["a.jpg", "b.png", "c.png", None]
    assert found.report.orphaned["path"].tolist() == ["c.jpg"]
    assert found.report.missing["path"].tolist() == ["d.png"]


def test_a_star_gives_all_files_in_natural_order(put):
    root = put(*(f"p/a_{k}.jpg" for k in [10, 9, 1]), "p/b_1.jpg", "p/b_1.png")
    found = read(root, {"id": ["a", "b", "c"]}, {"photo": "p/{id}_*.jpg"})
    assert found.data["photo"].tolist() == [
        ["p/a_1.jpg", "p/a_9.jpg", "p/a_10.jpg"],
        ["p/b_1.jpg"],
        None,
    ]
    assert found.report.summary.loc["photo", "files"] == 4


def test_a_star_stands_for_folders_too(put):
    root = put("x/1.jpg", "y/2.jpg", "y/1.jpg", "deep/er/2.jpg")
    found = read(root, {"id": [1, 2, 3]}, {"photo": "*/{id}.jpg"})
    assert found.data["photo"].tolist() == [["x/1.jpg", "y/1.jpg"], ["y/2.jpg"], None]


def test_a_file_belongs_to_the_row_that_says_most_of_its_name(put):
    root = put("1_a.jpg", "1_2_a.jpg", "1_2_b.jpg")
    found = read(root, {"id": ["1", "1_2", "1_3"]}, {"photo": "{id}_*.jpg"})
    assert found.data["photo"].tolist() == [
        ["1_a.jpg"],
        ["1_2_a.jpg", "1_2_b.jpg"],
        None,
    ]


def test_an_asterisk_in_a_key_is_an_asterisk(put):
    root = put("a_1.jpg", "*_1.jpg")
    for pattern, expected in [("{id}_*.jpg", ["*_1.jpg"]), ("{id}_1.jpg", "*_1.jpg")]:
        found = read(root, {"id": ["*"]}, {"photo": pattern})
        assert found.data["photo"].tolist() == [expected]


@pytest.mark.parametrize(
    "pattern", ["d/{id}_*.txt", "*/{id}.txt", "d/*{id}*.txt", "*/*_{id}", "d/{id}*_*b"]
)
def test_stars_agree_with_glob(tmp_path, pattern):
    rng = random.Random(0)
    names = {
        f"{rng.choice('de')}/" + "".join(rng.choices("ab_1", k=rng.randint(1, 5))) + end
        for end in ["", ".txt"]
        for _ in range(200)
    }
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    keys = ["a", "b", "1", "ab", "a_", "a_b"]
    found = read(tmp_path, {"id": keys}, {"x": pattern})
    fits = {
        key: set(glob.glob(pattern.replace("{id}", key), root_dir=tmp_path))
        for key in keys
    }
    assert any(fits.values())
    for key, cell in zip(keys, found.data["x"]):
        longer = [other for other in keys if len(other) > len(key)]
        left = fits[key].difference(*(fits[other] for other in longer))
        assert set(cell or ()) == left


# -- what is reported -----------------------------------------------------------------


def test_the_report_counts_and_names(put):
    root = put("a.jpg", "b.jpg", "z.jpg")
    table = pd.DataFrame({"id": ["a", "a", "b", "c", None, " "]})
    found = read(root, table, {"photo": "{id}.jpg"})
    report = found.report
    counts = report.summary.loc["photo"]
    assert counts.to_dict() == {
        "rows": 6,
        "found": 3,
        "missing": 1,
        "empty": 2,
        "duplicated": 2,
        "orphaned": 1,
        "files": 2,
    }
    assert report.missing["row"].tolist() == [3]
    assert report.missing["reason"].tolist() == ["no such file"]
    assert report.empty["row"].tolist() == [4, 5]
    assert report.duplicated["row"].tolist() == [0, 1]
    assert report.orphaned["path"].tolist() == ["z.jpg"]
    shown = repr(report)
    for word in ["id='c'", "c.jpg", "z.jpg", "missing:", "duplicated:", "orphaned:"]:
        assert word in shown


def test_a_long_report_is_shown_in_part(put):
    report = read(put("x.txt"), {"id": range(1000)}, {"photo": "{id}.jpg"}).report
    assert "... and 995 more" in repr(report)
    assert len(repr(report).splitlines()) < 15


@pytest.mark.parametrize(
    ("key", "name", "difference"),
    [
        (7, "007.jpg", "leading zeros"),
        ("007", "7.jpg", "leading zeros"),
        ("img07b", "img7b.jpg", "leading zeros"),
        ("a", "A.jpg", "case"),
        ("a", "a.JPG", "case"),
        ("a ", "a.jpg", "spaces"),
        ("é", "e\u0301.jpg", "Unicode form"),
        ("a", "a.png", "suffix"),
        ("A07", "a7.jpeg", "more than one of these"),
    ],
)
def test_a_near_miss_is_named(put, key, name, difference):
    root = put(name)
    with pytest.warns(UserWarning, match="differs in") as caught:
        found = read(root, {"id": [key]}, {"photo": "{id}.jpg"}, on_missing="warn")
    assert found.data["photo"].tolist() == [None]
    near = found.report.missing.iloc[0]
    assert (near["near"], near["differs_in"]) == (name, difference)
    assert repr(name) in str(caught[0].message)


def test_lost_zeros_are_found_by_dtype(put):
    root = put("007.jpg", "010.jpg")
    (root / "t.csv").write_text("id\n007\n010\n")
    with pytest.warns(UserWarning, match="dtype=str"):
        lost = read_media_table(root / "t.csv", {"photo": "{id}.jpg"})
    assert lost.data["photo"].tolist() == [None, None]
    found = read_media_table(root / "t.csv", {"photo": "{id}.jpg"}, dtype=str)
    assert found.data["photo"].notna().all()
    padded = read_media_table(root / "t.csv", {"photo": "{id:03d}.jpg"})
    assert padded.data["photo"].tolist() == found.data["photo"].tolist()


def test_a_near_miss_of_a_star(put):
    found = read(put("007_1.jpg"), {"id": [7]}, {"photo": "{id}_*.jpg"})
    near = found.report.missing.iloc[0]
    assert near[["near", "differs_in"]].tolist() == ["007_1.jpg", "leading zeros"]
    assert near["path"] == "7_*.jpg"


def test_a_file_of_another_row_or_medium_is_neither_orphan_nor_near(put):
    root = put("1.jpg", "1_mask.jpg", "01.jpg")
    media = {"photo": "{id}.jpg", "mask": "{id}_mask.jpg"}
    found = read(root, {"id": ["1", "01", "001"]}, media)
    assert len(found.report.orphaned) == 0
    missing = found.report.missing
    assert missing[missing["media"] == "photo"]["near"].tolist() == [None]


def test_hidden_files_and_the_table_itself_are_no_orphans(put):
    root = put("a.csv", ".hidden.csv")
    (root / "table.csv").write_text("id\na\n")
    found = read_media_table(root / "table.csv", {"x": "{id}.csv"})
    assert found.data["x"].tolist() == [str(root / "a.csv")]


def test_what_is_no_file_is_missing_with_its_reason(put):
    root = put("a.jpg")
    (root / "folder.jpg").mkdir()
    (root / "dangling.jpg").symlink_to(root / "nowhere")
    (root / "circle.jpg").symlink_to(root / "circle.jpg")
    os.mkfifo(root / "pipe.jpg")
    (root / "link.jpg").symlink_to(root / "a.jpg")
    keys = [
        "folder",
        "dangling",
        "circle",
        "pipe",
        "link",
        "n" * 3000,
        "sub/a",
        "nul\0",
    ]
    found = read(root, {"id": keys}, {"photo": "{id}.jpg"})
    assert found.data["photo"].notna().tolist() == [key == "link" for key in keys]
    reasons = found.report.missing["reason"].tolist()
    assert reasons[0] == "is a folder, expected a file"
    assert reasons[1:4] == ["is a link to nothing, or no regular file"] * 3
    assert reasons[4] == "no such file"
    assert reasons[5] == "the folder 'sub' does not exist"


def test_a_folder_that_is_absent_is_said(put):
    found = read(put("a.jpg"), {"id": ["a"]}, {"photo": "fotos/{id}.jpg"})
    reason = found.report.missing["reason"].iloc[0]
    assert reason == "the folder 'fotos' does not exist"


# -- what is refused ------------------------------------------------------------------


@pytest.mark.parametrize(
    "key", ["../secret", "a/../../secret", "..\\secret", "{out}/secret", "\\secret"]
)
@pytest.mark.parametrize("pattern", ["{id}.jpg", "in/{id}.jpg", "{id}*.jpg"])
def test_no_key_leads_out_of_root(put, key, pattern):
    root = put("secret.jpg", "root/in/a.jpg", "root/a.jpg")
    key = key.replace("{out}", str(root))
    found = read(root / "root", {"id": [key]}, {"photo": pattern})
    assert found.data["photo"].tolist() == [None]
    reason = found.report.missing["reason"].iloc[0]
    if not (pattern.startswith("in/") and key[0] in "/\\"):
        assert reason == "leads out of root"


@pytest.mark.parametrize("pattern", ["../{id}.jpg", "/x/{id}.jpg", "a/../../{id}.jpg"])
def test_no_pattern_leads_out_of_root(put, pattern):
    with pytest.raises(ValueError, match=r"leads out of root.*another root="):
        read(put("a.jpg"), {"id": ["a"]}, {"photo": pattern})


@pytest.mark.parametrize(
    ("media", "message"),
    [
        ({"p": "{no}.jpg"}, r"names the column 'no'.*columns are \['id', 'p2'\]"),
        ({"p": "{id}.{jpg,png}"}, r"list of patterns: \['{id}.jpg', '{id}.png'\]"),
        ({"p": "a.jpg"}, "names no column"),
        ({"p": "{id.jpg"}, "Put a column's name in braces"),
        ({"p": "{}.jpg"}, "names the column ''"),
        ({"p": "{id!r}.jpg"}, "in braces stand a column"),
        ({"p": "{id.__class__}.jpg"}, r"names the column 'id.__class__'"),
        ({"p": "**/{id}.jpg"}, r"'\*\*' is not understood"),
        ({"p2": "{id}.jpg"}, "has a column 'p2' already"),
        ({"p": "{p2:03d}.jpg"}, "Column 'p2' holds 'x', which the format '03d'"),
    ],
)
def test_odd_patterns_say_what_is_expected(put, media, message):
    with pytest.raises(ValueError, match=message):
        read(put("a.jpg"), {"id": ["a"], "p2": ["x"]}, media)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"media": {}}, TypeError, "dict of one pattern"),
        ({"media": {"p": 3}}, TypeError, "expected a pattern"),
        ({"media": {"p": []}}, TypeError, "expected a pattern"),
        ({"media": {3: "{id}"}}, TypeError, "expected a string"),
        ({"paths": "both"}, ValueError, "'absolute' or 'relative'"),
        ({"on_missing": "drop"}, ValueError, "on_missing='drop' is unknown"),
        ({"on_orphan": None}, ValueError, "on_orphan=None is unknown"),
        ({"dtype": str}, ValueError, "this table is a DataFrame"),
        ({"root": "nowhere"}, FileNotFoundError, "is no folder"),
        ({"table": "nowhere.csv"}, FileNotFoundError, "There is no file"),
        ({"table": "https://x.y/z.csv"}, FileNotFoundError, "URL must be downloaded"),
        ({"table": 3}, TypeError, "table is a int"),
        ({"table": pd.DataFrame({"id": [[1]]})}, TypeError, "'id' cannot be a key"),
        ({"table": pd.DataFrame({"id": [b"a"]})}, TypeError, "of type bytes"),
        (
            {"table": pd.DataFrame([[1, 2]], columns=["id", "id"])},
            ValueError,
            "more than one column 'id'",
        ),
    ],
)
def test_odd_arguments_say_what_is_expected(tmp_path, options, error, message):
    options = {
        "table": pd.DataFrame({"id": ["a"]}),
        "media": {"p": "{id}.jpg"},
        "root": tmp_path,
        **options,
    }
    with pytest.raises(error, match=message):
        read_media_table(**options)


def test_an_unknown_sort_of_table_is_named(put):
    with pytest.raises(ValueError, match=r"t\.xlsx' is no \.csv"):
        read_media_table(put("t.xlsx") / "t.xlsx", {"p": "{id}"})


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("on_missing", r"'p': 1 of 3 rows has no file \(first: row 2, id='c'"),
        ("on_orphan", r"'p': 2 files fit '{id}.jpg', but no row \(first: 'x.jpg'"),
        ("on_duplicate", r"'p': 2 rows share their key .*first: row 0, id='a'"),
    ],
)
def test_each_fault_raises_warns_or_is_ignored(put, option, message):
    root = put("a.jpg", "x.jpg", "y.jpg")
    table, media = {"id": ["a", "a", "c"]}, {"p": "{id}.jpg"}
    with pytest.raises(ValueError, match=message):
        read(root, table, media, **{option: "raise"})
    with pytest.warns(UserWarning, match=message):
        read(root, table, media, **{option: "warn"})
    read(root, table, media, **{option: "ignore"})


def test_by_default_what_is_missing_or_orphaned_warns_once(put):
    root = put("a.jpg", "x.jpg")
    table = pd.DataFrame({"id": ["a", "a", "c", None]})
    with pytest.warns(UserWarning, match="Rows and files do not fit") as caught:
        read_media_table(table, {"p": "{id}.jpg"}, root=root)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    said = str(caught[0].message)
    assert re.search(r"has no file.*but no row", said)
    assert "share" not in said


def test_an_empty_table_is_no_fault(put):
    found = read(put("a.jpg"), {"id": []}, {"p": "{id}.jpg"}, on_missing="raise")
    assert found.data.shape == (0, 2)
    assert found.report.orphaned["path"].tolist() == ["a.jpg"]


def test_each_folder_is_listed_once(put, monkeypatch):
    root = put(*(f"p{k % 3}/{k}.jpg" for k in range(30)))
    looks, scandir = [], os.scandir

    def counted(path):
        looks.append(str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", counted)
    monkeypatch.setattr(os, "stat", lambda *a, **k: pytest.fail("a stat for each row"))
    table = {"id": range(30), "part": [k % 3 for k in range(30)]}
    media = {"p": "p{part}/{id}.jpg", "q": "p{part}/{id}*.jpg"}
    monkeypatch.setattr(os.path, "isdir", lambda path: True)
    found = read(root, table, media)
    assert found.data.notna().all(axis=None)
    assert len(looks) == len(set(looks)) == 4
