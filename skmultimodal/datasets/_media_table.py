"""A table and the files that its keys name, joined to one raw frame."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from sklearn.utils import Bunch

from skmultimodal._cells import refuse_repeated_columns, to_pandas
from skmultimodal._optional import import_optional
from skmultimodal.datasets._media_files import Listing, Match, match_media
from skmultimodal.datasets._media_patterns import Pattern, key_texts, parse_patterns
from skmultimodal.datasets._media_report import complaints, make_report

_ACTIONS = ("raise", "warn", "ignore")
_PACKED = (".gz", ".bz2", ".zip", ".xz", ".zst")


def read_media_table(
    table: Any,
    media: Mapping[str, Any],
    *,
    root: Any = None,
    dtype: Any = None,
    paths: Literal["absolute", "relative"] = "absolute",
    on_missing: Literal["raise", "warn", "ignore"] = "warn",
    on_orphan: Literal["raise", "warn", "ignore"] = "warn",
    on_duplicate: Literal["raise", "warn", "ignore"] = "ignore",
) -> Bunch:
    """Join a table with the media files that its keys name.

    Parameters
    ----------
    table : str, path or DataFrame
        A CSV or TSV file (packed or not, as in ``.csv.gz``), a Parquet file (needs
        ``pip install 'skmultimodal[parquet]'``), or a pandas or polars DataFrame.
    media : dict of str to str or list of str
        For each new column the pattern of its files, below `root` and with ``/``
        between folders. ``{column}`` stands for the row's cell in that column, in a
        format at wish (``{id:05d}``). ``*`` stands for any part of one name: the cell
        is then a list of all files that fit, in natural order. A list of patterns is
        tried in order, and the first that has a file counts:
        ``["photos/{id}.jpg", "photos/{id}.png"]``.
    root : str or path, default=None
        The folder where patterns start. None takes the table's folder, or the current
        one for a DataFrame.
    dtype : dtype or dict of column to dtype, default=None
        Types of the columns of a CSV or TSV file, as in :func:`pandas.read_csv`.
        ``dtype=str`` keeps the zeros of a key such as 007.
    paths : {"absolute", "relative"}, default="absolute"
        Absolute paths are read by encoders as they are. Paths relative to `root` are
        shorter, stay right when the folder moves, and are what an encoder with
        ``root=`` takes: give it ``root=result.root``.
    on_missing : {"raise", "warn", "ignore"}, default="warn"
        What rows do whose key has no file: raise a ValueError, warn, or only stand in
        the report. Their cell is None in any case. A row whose key is empty says itself
        that it lacks the medium, and only stands in the report.
    on_orphan : {"raise", "warn", "ignore"}, default="warn"
        The same for files that fit a pattern, but that no row uses.
    on_duplicate : {"raise", "warn", "ignore"}, default="ignore"
        The same for rows that share their key with another row.

    Returns
    -------
    :class:`~sklearn.utils.Bunch`
        Dictionary-like object with these attributes.

        data : DataFrame of shape (n_samples, n_columns + len(media))
            A pandas frame: the columns of the table, then one of paths for each medium;
            None where a row has no file.
        root : str
            The absolute path of the folder where patterns start.
        report : MediaReport
            Prints what was found. Its frames are ``summary`` (counts, one row a
            medium), ``missing`` (rows without a file, the reason, and a file that
            differs in little, if there is one), ``empty`` (rows with an empty key),
            ``duplicated`` (rows that share a key) and ``orphaned`` (files of no row).
            Files are relative to `root`.

    Raises
    ------
    FileNotFoundError
        If there is no such table or `root` is no folder.
    ImportError
        If the table is a Parquet file and neither pyarrow nor polars is there.
    ValueError
        If a pattern names no column, one that the table does not have, or a place
        outside `root`; if a new column would replace another that its pattern does not
        name; or if something is wrong that a parameter says to raise.

    Notes
    -----
    Each folder is listed once and no file is opened, so that 100,000 rows take a second
    or two, and a few more with ``*``. Files whose name starts with a dot are no
    orphans, nor is the table itself.

    Keys may come from strangers: one that leads out of `root`, as ``../x`` or ``/x``
    does, has no file, and the report says why. An asterisk in a key is an asterisk.
    Links are followed, as the owner of the folder set them; encoders with ``root=``
    follow none that leads out.

    A file that fits the ``*`` of several rows belongs to the one that says most of its
    name: ``1_2_a.jpg`` is of row ``1_2``, not of row ``1``.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pandas as pd
    >>> from skmultimodal.datasets import read_media_table
    >>> root = Path(tempfile.mkdtemp())
    >>> for name in ["a1.jpg", "a2.jpg", "a9.jpg"]:
    ...     _ = (root / name).write_bytes(b"...")
    >>> table = pd.DataFrame({"id": [1, 2, 3], "price": [9.5, 3.0, 7.2]})
    >>> read = read_media_table(
    ...     table, {"photo": "a{id}.jpg"}, root=root, paths="relative",
    ...     on_missing="ignore", on_orphan="ignore",
    ... )
    >>> read.data
       id  price   photo
    0   1    9.5  a1.jpg
    1   2    3.0  a2.jpg
    2   3    7.2    None
    >>> read.report.orphaned
       media    path
    0  photo  a9.jpg
    """
    actions = {"missing": on_missing, "orphaned": on_orphan, "duplicated": on_duplicate}
    _check_options(media, paths, actions)
    frame = _read_table(table, dtype)
    folder = _root(table, root)
    patterns = {
        name: parse_patterns(name, given, list(frame.columns))
        for name, given in media.items()
    }
    _check_new_columns(frame, patterns)
    texts = {
        field: key_texts(frame, field)
        for listed in patterns.values()
        for pattern in listed
        for field in pattern.fields
    }
    listing = Listing(folder)
    matches = {
        name: match_media(listed, texts, listing, len(frame))
        for name, listed in patterns.items()
    }
    own = _inside(folder, table)
    report = make_report(frame.index, matches, patterns, texts, listing, own)
    said = complaints(report, patterns)
    _complain({kind: said[kind] for kind in actions if kind in said}, actions)
    above = os.path.join(folder, "") if paths == "absolute" else ""
    data = frame.assign(
        **{name: _cells(m, above, frame) for name, m in matches.items()}
    )
    return Bunch(data=data, root=folder, report=report)


def _check_options(media: Any, paths: Any, actions: dict[str, Any]) -> None:
    if not isinstance(media, Mapping) or not media:
        raise TypeError(
            "media= is a dict of one pattern for each new column, as in "
            f"{{'photo': 'photos/{{id}}.jpg'}}; got {media!r:.100}."
        )
    odd = [name for name in media if not isinstance(name, str)]
    if odd:
        raise TypeError(f"media= names the column {odd[0]!r}, expected a string.")
    if paths not in ("absolute", "relative"):
        raise ValueError(f"paths={paths!r} is unknown; it is 'absolute' or 'relative'.")
    for kind, action in actions.items():
        if action not in _ACTIONS:
            name = {"orphaned": "on_orphan", "duplicated": "on_duplicate"}.get(kind)
            raise ValueError(
                f"{name or 'on_missing'}={action!r} is unknown; it is one of "
                f"{list(_ACTIONS)}."
            )


def _read_table(table: Any, dtype: Any) -> pd.DataFrame:
    frame = to_pandas(table)
    if isinstance(frame, pd.DataFrame):
        if dtype is not None:
            raise ValueError(
                "dtype= says how a CSV or TSV file is read; this table is a DataFrame. "
                "Change its types with astype, or read the file with dtype=."
            )
    elif isinstance(frame, (str, os.PathLike)):
        frame = _read_file(Path(os.fspath(frame)).expanduser(), dtype)
    else:
        raise TypeError(
            f"table is a {type(table).__name__}; expected the path of a CSV, TSV or "
            "Parquet file, or a pandas or polars DataFrame."
        )
    refuse_repeated_columns(frame)
    return frame


def _read_file(file: Path, dtype: Any) -> pd.DataFrame:
    if not file.is_file():
        raise FileNotFoundError(
            f"There is no file {str(file)!r} (relative paths start at "
            f"{os.getcwd()!r}). Correct the path; a URL must be downloaded first."
        )
    suffixes = [suffix.lower() for suffix in file.suffixes]
    if suffixes and suffixes[-1] in _PACKED:
        suffixes.pop()
    suffix = suffixes[-1] if suffixes else ""
    if suffix in (".csv", ".tsv"):
        return pd.read_csv(file, sep="," if suffix == ".csv" else "\t", dtype=dtype)
    if suffix not in (".parquet", ".pq"):
        raise ValueError(
            f"{str(file)!r} is no .csv, .tsv or .parquet file. Read it with pandas and "
            "give the DataFrame."
        )
    if dtype is not None:
        raise ValueError(
            f"dtype= says how a CSV or TSV file is read; {str(file)!r} has its own "
            "types. Read it with pandas.read_parquet, change them, and give the frame."
        )
    return _read_parquet(file)


def _read_parquet(file: Path) -> pd.DataFrame:
    try:
        import_optional("pyarrow", extra="parquet", purpose="A Parquet file")
    except ImportError as error:
        try:
            polars = import_optional("polars", extra="parquet", purpose="it")
        except ImportError:
            raise error from None
        return to_pandas(polars.read_parquet(file))
    return pd.read_parquet(file, engine="pyarrow")


def _root(table: Any, root: Any) -> str:
    if root is None:
        is_path = isinstance(table, (str, os.PathLike))
        root = Path(os.fspath(table)).expanduser().parent if is_path else "."
    folder = os.path.abspath(Path(os.fspath(root)).expanduser())
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"root={folder!r} is no folder. Correct the path.")
    return folder


def _check_new_columns(frame: pd.DataFrame, patterns: dict[str, list[Pattern]]) -> None:
    for name, listed in patterns.items():
        used = {field.column for pattern in listed for field in pattern.fields}
        if name in frame.columns and name not in used:
            raise ValueError(
                f"The table has a column {name!r} already, and the pattern "
                f"{listed[0].text!r} does not use it. Give the column of paths another "
                f"name, or write {{{name}}} where its cells belong."
            )


def _complain(said: dict[str, str], actions: dict[str, Any]) -> None:
    raised = [text for kind, text in said.items() if actions[kind] == "raise"]
    if raised:
        raise ValueError(f"Rows and files do not fit. {'. '.join(raised)}.")
    warned = [text for kind, text in said.items() if actions[kind] == "warn"]
    if warned:
        warnings.warn(
            f"Rows and files do not fit. {'. '.join(warned)}. See `report` of the "
            "result; on_missing= and on_orphan= say what happens in such a case.",
            stacklevel=3,
        )


def _inside(folder: str, table: Any) -> str:
    """Where the table's own file lies in the folder, if it does: it is no orphan."""
    if not isinstance(table, (str, os.PathLike)):
        return ""
    file = Path(os.path.abspath(Path(os.fspath(table)).expanduser()))
    return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else ""


def _cells(match: Match, above: str, frame: pd.DataFrame) -> pd.Series:
    cells = [
        [above + path for path in cell]
        if isinstance(cell, list)
        else cell and above + cell
        for cell in match.cells
    ]
    return pd.Series(cells, index=frame.index, dtype=object)
