"""All checks of a fusion, by one call or as tests of pytest."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any
from unittest import SkipTest

import torch
from sklearn.utils._param_validation import StrOptions, validate_params

from skmultimodal._optional import import_optional
from skmultimodal.fusion._base import NeuralFusion, known_fusions, make_fusion
from skmultimodal.testing._head_checks import (
    check_modality_names,
    check_rows_without_anything,
    check_shuffling_hurts,
    check_tasks,
)
from skmultimodal.testing._module_checks import (
    check_batch_size,
    check_cuda,
    check_dropout,
    check_gradient_reaches_every_modality,
    check_modalities_are_heard,
    check_order_of_rows,
    check_output,
    check_seed,
)
from skmultimodal.testing._presence_checks import (
    check_absence_is_told,
    check_absent_values,
    check_all_absent,
    check_masked_steps,
    check_one_modality,
)
from skmultimodal.testing._specification_checks import (
    check_class_attributes,
    check_name,
    check_parameters,
)
from skmultimodal.testing._stack_checks import check_stack, check_stack_in_head

Check = Callable[[NeuralFusion], None]

# What others stand on comes first: it is the first failure that is raised.
CHECKS: tuple[Check, ...] = (
    check_name,
    check_class_attributes,
    check_parameters,
    check_output,
    check_gradient_reaches_every_modality,
    check_modalities_are_heard,
    check_absent_values,
    check_masked_steps,
    check_absence_is_told,
    check_all_absent,
    check_one_modality,
    check_order_of_rows,
    check_batch_size,
    check_seed,
    check_dropout,
    check_stack,
    check_cuda,
    check_tasks,
    check_modality_names,
    check_shuffling_hurts,
    check_rows_without_anything,
    check_stack_in_head,
)


@validate_params(
    {
        "fusion": [str, NeuralFusion, type],
        "expected_failed_checks": [dict, None],
        "on_fail": [StrOptions({"raise"}), None],
    },
    prefer_skip_nested_validation=True,
)
def check_fusion(
    fusion: Any,
    *,
    expected_failed_checks: dict[str, str] | None = None,
    on_fail: str | None = "raise",
) -> list[dict[str, Any]]:
    """Check that a neural fusion keeps what heads and users rely on.

    These are the checks that every fusion of the package passes: the gradient reaches
    each modality, a value under an absent one changes nothing, rows do not depend on
    their neighbours, and so on. It is to fusions what
    :func:`~sklearn.utils.estimator_checks.check_estimator` is to estimators, and takes
    a second or two.

    The modalities of the checks are ``"text"`` and ``"image"``, vectors, and
    ``"audio"``, a sequence of 4 steps, in tokens of width 8 and 16; ``"extra0"`` and so
    on follow where `min_modalities` asks for more. A parameter that names modalities
    should be left at its default, or name these.

    Parameters
    ----------
    fusion : str or NeuralFusion
        The specification to check, or its name.
    expected_failed_checks : dict of str to str, default=None
        Names of checks that may fail, each with the reason why.
    on_fail : {"raise"} or None, default="raise"
        Whether a failure is raised, after all checks have run. With None, look for it
        in what is returned.

    Returns
    -------
    results : list of dict
        A dict for each check, with ``"fusion"``, ``"check_name"``, ``"status"`` (one of
        "passed", "failed", "skipped" and "xfail"), ``"exception"`` (None, or what was
        raised), ``"expected_to_fail"`` and ``"expected_to_fail_reason"``.

    Raises
    ------
    AssertionError
        If a check fails that is not expected to. It names the check, says what is wrong
        and what a module has to do, and lists the other checks that failed.
    ValueError
        If `fusion` is no fusion, or `expected_failed_checks` names no check.

    See Also
    --------
    parametrize_with_fusion_checks : The same as tests of pytest.
    skmultimodal.fusion.NeuralFusion : The base class of neural fusions.

    Examples
    --------
    >>> from skmultimodal.fusion import GatedFusion
    >>> from skmultimodal.testing import check_fusion
    >>> results = check_fusion(GatedFusion())
    >>> {result["status"] for result in results} <= {"passed", "skipped"}
    True
    """
    fusion = _as_fusion(fusion)
    expected = expected_failed_checks or {}
    _refuse_unknown(expected)
    results = [_try(check, fusion, expected) for check in CHECKS]
    failed = [r for r in results if r["status"] == "failed"]
    if failed and on_fail == "raise":
        first = failed[0]["exception"]
        others = [r["check_name"] for r in failed[1:]]
        also = f"\nAlso failed: {', '.join(others)}." if others else ""
        raise AssertionError(f"{first}{also}") from first
    return results


def parametrize_with_fusion_checks(
    fusions: Any = None,
    *,
    expected_failed_checks: Callable[[NeuralFusion], dict[str, str]] | None = None,
) -> Any:
    """Make each check of each fusion a test of pytest.

    Without an argument it takes every neural fusion there is, found by its base class,
    so that a class which is imported where the test stands is tested with the rest.

    Parameters
    ----------
    fusions : list of NeuralFusion or str, default=None
        Specifications or names. None takes all classes derived from
        :class:`~skmultimodal.fusion.NeuralFusion` that have been imported, with their
        defaults.
    expected_failed_checks : callable, default=None
        Takes a specification, and gives a dict of the names of checks that may fail to
        the reasons why. Those are marked xfail.

    Returns
    -------
    decorator : pytest.MarkDecorator
        ``pytest.mark.parametrize`` of the arguments ``fusion`` and ``check``.

    Raises
    ------
    ImportError
        If pytest is not installed.
    ValueError
        If a fusion is none, lacks a default while it goes by its class, or
        `expected_failed_checks` names no check.

    See Also
    --------
    check_fusion : All checks by one call.

    Examples
    --------
    >>> from skmultimodal.fusion import ConcatFusion
    >>> from skmultimodal.testing import parametrize_with_fusion_checks
    >>> @parametrize_with_fusion_checks([ConcatFusion(), "gated"])
    ... def test_fusion(fusion, check):
    ...     check(fusion)
    """
    pytest = import_optional(
        "pytest", extra="test", purpose="parametrize_with_fusion_checks"
    )
    if fusions is None:
        fusions = list(known_fusions())
    elif isinstance(fusions, str | type | NeuralFusion):
        fusions = [fusions]
    cases = []
    for fusion in map(_as_fusion, fusions):
        expected = expected_failed_checks(fusion) if expected_failed_checks else {}
        _refuse_unknown(expected)
        for check in CHECKS:
            name = check.__name__
            label = f"{' '.join(repr(fusion).split())}-{name}"
            marks: Any = ()
            if name in expected:
                marks = pytest.mark.xfail(reason=expected[name])
            cases.append(pytest.param(fusion, _named(check), marks=marks, id=label))
    return pytest.mark.parametrize(("fusion", "check"), cases)


def _as_fusion(fusion: Any) -> NeuralFusion:
    """A specification as it is: whether it can be cloned is for a check to say."""
    return fusion if isinstance(fusion, NeuralFusion) else make_fusion(fusion)


def _refuse_unknown(names: Iterable[str]) -> None:
    known = [check.__name__ for check in CHECKS]
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ValueError(
            f"expected_failed_checks names {unknown}, which are no checks. Those are "
            f"{known}."
        )


def _try(
    check: Check, fusion: NeuralFusion, expected: dict[str, str]
) -> dict[str, Any]:
    name = check.__name__
    exception: Exception | None = None
    status = "passed"
    try:
        _named(check)(fusion)
    except SkipTest as skipped:
        exception, status = skipped, "skipped"
    except AssertionError as failure:
        exception, status = failure, "xfail" if name in expected else "failed"
    return {
        "fusion": fusion,
        "check_name": name,
        "status": status,
        "exception": exception,
        "expected_to_fail": name in expected,
        "expected_to_fail_reason": expected.get(name),
    }


def _named(check: Check) -> Check:
    """The check with draws of its own; whatever it raises says whose promise it is."""

    @functools.wraps(check)
    def run(fusion: NeuralFusion) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            try:
                check(fusion)
            except SkipTest:
                raise
            except Exception as error:
                what = str(error)
                if not isinstance(error, AssertionError):
                    what = f"It raised {type(error).__name__}: {what}"
                promise = (inspect.getdoc(check) or "").partition("\n")[0]
                raise AssertionError(
                    f"{check.__name__}: {fusion!r} breaks a promise of fusions. "
                    f"“{promise}” {what}"
                ) from error

    return run
