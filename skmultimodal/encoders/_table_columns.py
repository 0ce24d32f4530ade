"""Numbers and dates of a table: parsed and scaled in float64, then cast to float32."""

from __future__ import annotations

import datetime
import warnings
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype
from skrub import DatetimeEncoder, SquashingScaler, ToDatetime
from skrub.core import RejectColumn

_SECOND = pd.Timedelta(1, "s")


class NumberColumn:
    """A column of numbers, bools or durations, or of strings that hold numbers."""

    kind = "number"

    def fit(self, column: pd.Series) -> np.ndarray:
        """Values (n, 1) float64, NaN where missing."""
        self.outputs = [str(column.name)]
        return self.transform(column)

    def transform(self, column: pd.Series) -> np.ndarray:
        """Values (n, 1) float64, NaN where missing or not a number."""
        return as_numbers(column)[:, None]


class DateColumn:
    """Dates, or strings that hold dates: calendar features and seconds since 1970."""

    kind = "date"

    def __init__(self, parser: ToDatetime) -> None:
        self.parser = parser
        self.calendar = DatetimeEncoder(
            add_weekday=True, add_total_seconds=False, periodic_encoding="circular"
        )

    def fit(self, column: pd.Series) -> np.ndarray:
        """Features (n, k) float64, NaN where the date is missing."""
        dates = self._dates(column)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            calendar = self.calendar.fit_transform(dates)
        self.outputs = [f"{column.name}_total_seconds", *map(str, calendar.columns)]
        return self._features(dates, calendar)

    def transform(self, column: pd.Series) -> np.ndarray:
        """Features (n, k) float64, NaN where the date is missing or not one."""
        dates = self._dates(column)
        return self._features(dates, self.calendar.transform(dates))

    def _dates(self, column: pd.Series) -> pd.Series:
        if is_numeric_dtype(column) and column.notna().any():
            raise ValueError(
                f"held dates in fit, now {column.dtype} numbers. Convert it, for "
                "instance by pd.to_datetime(column, unit='s')"
            )
        if column.dtype.kind != "M":
            column = column.astype(object).map(_plain)
            column = column.where(
                [isinstance(cell, (str, datetime.date)) for cell in column], None
            )
        return self.parser.transform(column)

    def _features(self, dates: pd.Series, calendar: pd.DataFrame) -> np.ndarray:
        zone = getattr(dates.dt, "tz", None)
        seconds = (dates - pd.Timestamp(0, tz=zone)) / _SECOND
        features = np.column_stack([seconds, calendar]).astype(np.float64)  # (n, k)
        features[dates.isna()] = np.nan
        return features


def as_numbers(column: pd.Series) -> np.ndarray:
    """The values of a column in float64; NaN for what is no number."""
    if column.dtype.kind == "M" and column.notna().any():
        raise ValueError(
            f"held numbers in fit, now {column.dtype}. Convert it to numbers, as in "
            "the data of the fit"
        )
    if column.dtype.kind == "m":
        return (column / _SECOND).to_numpy(np.float64, na_value=np.nan)
    if column.dtype.kind not in "biuf":
        if isinstance(column.dtype, pd.CategoricalDtype):
            column = column.astype(object)
        column = pd.to_numeric(column, errors="coerce")
    return column.to_numpy(np.float64, na_value=np.nan)


def parse_column(
    column: pd.Series, missing: np.ndarray
) -> NumberColumn | DateColumn | None:
    """The reader of a column of numbers or dates; None where it holds categories."""
    kind = column.dtype.kind
    if kind in "biufm":
        return NumberColumn()
    if kind == "c":
        raise ValueError(
            f"TabularEncoder: column {column.name!r}: complex data not supported."
        )
    if isinstance(column.dtype, pd.CategoricalDtype):
        return None
    held = column[~missing].infer_objects()
    kind = held.dtype.kind
    if kind != "M" and not np.isnan(as_numbers(held)).any():
        return None if _are_codes(held) else NumberColumn()
    parser = ToDatetime()
    try:
        parser.fit_transform(held.map(_plain))
    except RejectColumn:
        return None
    return DateColumn(parser)


def _plain(cell: Any) -> Any:
    """NumPy's strings as Python's: what parses dates takes no subclass."""
    return str(cell) if isinstance(cell, str) else cell


def _are_codes(held: pd.Series) -> bool:
    """Whether strings are codes, such as zip codes: digits only, all of one length."""
    lengths = {
        len(cell) if isinstance(cell, str) and cell.isdigit() else 0 for cell in held
    }
    return len(lengths) == 1 and 0 not in lengths


class NumberBlock:
    """Impute, mark what was missing, scale: fitted on (n, k) float64.

    `markable` are the columns whose gaps may be marked: one for each column of X.
    """

    def __init__(self, scale: bool, markable: np.ndarray) -> None:
        self.scale = scale
        self.markable = markable

    def fit(self, values: np.ndarray) -> np.ndarray:
        """Learn and give (n, k + marked) float32."""
        missing = np.isnan(values)
        self.marked = self.markable[missing[:, self.markable].any(axis=0)]
        self.median = np.nanmedian(values, axis=0)
        if self.scale and values.shape[1]:
            self.scaler = SquashingScaler().fit(values)
        return self.transform(values)

    def transform(self, values: np.ndarray) -> np.ndarray:
        """Give (n, k + marked) float32."""
        missing = np.isnan(values)
        filled = np.where(missing, self.median, values)
        if self.scale and values.shape[1]:
            filled = self.scaler.transform(filled)
        with np.errstate(over="ignore"):
            return np.hstack([filled, missing[:, self.marked]], dtype=np.float32)
