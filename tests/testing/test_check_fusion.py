"""A sound fusion passes; a broken one fails the check that is named for its fault."""

import functools
import gc
import subprocess
import sys
import textwrap

import pytest
import torch
from torch import nn

from skmultimodal.fusion import (
    ConcatFusion,
    FiLMFusion,
    GatedFusion,
    LatentFusion,
    NeuralFusion,
)
from skmultimodal.fusion._base import known_fusions
from skmultimodal.testing import check_fusion, parametrize_with_fusion_checks
from skmultimodal.testing._check_fusion import CHECKS

from . import _broken as modules
from ._broken import own_fusion

NAMES = [check.__name__ for check in CHECKS]


def cases_of(decorator):
    """{(fusion, name of the check): (check, marks)} of a pytest.mark.parametrize."""
    names, cases = decorator.args
    assert names == ("fusion", "check")
    return {
        (repr(fusion), check.__name__): (functools.partial(check, fusion), marks)
        for (fusion, check), marks, _ in cases
    }


def only(name, fusion):
    """One check of a fusion, as pytest runs it."""
    run, _ = cases_of(parametrize_with_fusion_checks([fusion]))[repr(fusion), name]
    return run()


def ungiving(modalities, embed_dim, n_outputs, dropout):
    class ThreeOutputs(nn.Module):
        def forward(self, out, present):
            return out.fused[:, :3], {}

    return ThreeOutputs()


BROKEN = {  # module or attribute, the check that finds it, what that says
    "ignores a modality": (
        {"module": modules.IgnoresOne},
        {
            "check_gradient_reaches_every_modality": "No gradient reaches .*'image'",
            "check_modalities_are_heard": "of the modality 'image' change nothing",
            "check_absence_is_told": "with and without its modality 'image'",
            "check_shuffling_hurts": "decides, a FusionClassifier scores 0.[4-7]",
        },
    ),
    "cuts the gradient": (
        {"module": modules.CutsTheGradient},
        {"check_gradient_reaches_every_modality": "'text' after two steps.*no detach"},
    ),
    "two gates from zero": (
        {"module": modules.NeverOpens},
        {"check_gradient_reaches_every_modality": r"\['gates'\] started at zero"},
    ),
    "hears some rows": (
        {"module": modules.HearsSomeRowsOnly},
        {"check_modalities_are_heard": "'image' change nothing in rows"},
    ),
    "keeps something from call to call": (
        {"module": modules.Remembers},
        {"check_absent_values": "at predict.*keep nothing from one call"},
    ),
    "reads absent steps": (
        {"module": modules.ReadsAbsentSteps},
        {"check_masked_steps": "masked change fused.*pool_tokens"},
    ),
    "reads one step, there or not": (
        {"module": modules.ReadsOneStep},
        {"check_masked_steps": "with and without its mask"},
    ),
    "divides by what is there": (
        {"module": modules.DividesByWhatIsThere},
        {
            "check_all_absent": "All absent gives NaN.*denominators above zero",
            "check_rows_without_anything": "NaN|not finite|diverged",
        },
    ),
    "needs pairs": (
        {"module": modules.NeedsPairs},
        {"check_one_modality": "sets min_modalities = 2"},
    ),
    "mixes rows": (
        {"module": modules.MixesRows},
        {"check_order_of_rows": "Rows mix.*its own tokens alone"},
    ),
    "centres the batch": (
        {"module": modules.CentresTheBatch},
        {
            "check_batch_size": "in another batch.*its own tokens alone",
            "check_rows_without_anything": "A row alone gets another answer",
        },
    ),
    "says another width": (
        {"module": modules.SaysAnotherWidth},
        {"check_output": r"d_out = 24, and fused has shape \(8, 8\) for 8 rows"},
    ),
    "gives a tensor": (
        {"module": modules.GivesATensor},
        {"check_output": r"gives a Tensor. Return FusionOutput\(fused\)"},
    ),
    "gives flat streams": (
        {"module": modules.GivesFlatStreams},
        {"check_output": r"per_modality has the shapes .*'audio': \(8, 32\)"},
    ),
    "gives a loss a row": (
        {"module": modules.GivesALossARow},
        {"check_output": r"loss has shape \(8,\). Give a scalar"},
    ),
    "gives a module of torch": (
        {"module": lambda modalities, d, dropout: nn.Identity()},
        {"check_output": "build gives a Identity. Derive it from FusionModule"},
    ),
    "draws weights by NumPy": (
        {"module": modules.DrawsByNumPy},
        {"check_seed": "mix differs between two builds with one seed"},
    ),
    "seeds itself": (
        {"module": modules.SeedsItself},
        {"check_seed": "is the same with another seed"},
    ),
    "takes dropout of torch": (
        {"module": modules.TakesDropoutOfTorch},
        {"check_dropout": r"\['dropout'\] are torch's.*skmultimodal.nn"},
    ),
    "drops at its own rate": (
        {"module": modules.DropsAtItsOwnRate},
        {"check_dropout": "With dropout=0.35 it has the rates .*0.1"},
    ),
    "drops at one rate": (
        {"module": modules.DropsAtOneRate},
        {"check_stack": "with dropout=0 drops something"},
    ),
    "indexes by a mask": (
        {"module": modules.IndexesByMask},
        {
            "check_stack": "not run under torch.func.vmap.*torch.where, not by ind",
            "check_stack_in_head": "not run under torch.func.vmap",
        },
    ),
    "branches on values": (
        {"module": modules.BranchesOnValues},
        {"check_stack": "vmap.*Branch on no value of a tensor"},
    ),
    "keeps a ModuleDict": (
        {"module": modules.KeepsAModuleDict},
        {"check_modality_names": r"\('type', 'values'\).*PerModality"},
    ),
    "an output of the wrong width": (
        {"build_output": staticmethod(ungiving)},
        {"check_tasks": "has to give|raised"},
    ),
    "a task that is none": (
        {"tasks": ("ranking",)},
        {"check_class_attributes": r"tasks = \('ranking',\). Give a tuple of some of"},
    ),
    "tasks as a string": (
        {"tasks": "regression"},
        {"check_class_attributes": "tasks = 'regression'. Give a tuple"},
    ),
    "a level that is none": (
        {"level": "early"},
        {"check_class_attributes": "level = 'early', and not one of .*'feature'"},
    ),
    "no modality": (
        {"min_modalities": 0},
        {"check_class_attributes": "min_modalities = 0. Give .* 1 or more"},
    ),
    "constraints of nothing": (
        {"_parameter_constraints": {"rank": [int]}},
        {"check_class_attributes": r"names \['rank'\], which __init__ does not take"},
    ),
}


@pytest.mark.parametrize(
    ("fault", "name"),
    [(fault, name) for fault, (_, said) in BROKEN.items() for name in said],
)
def test_a_broken_fusion_fails_the_check_named_for_it(fault, name):
    changes, said = BROKEN[fault]
    fusion = own_fusion(**{"module": modules.Sound} | changes)()
    with pytest.raises(AssertionError, match=rf"(?s)^{name}: .*{said[name]}"):
        only(name, fusion)


def test_every_check_can_fail():
    """Those of names and parameters are below; one needs a GPU."""
    caught = {name for _, said in BROKEN.values() for name in said}
    assert set(NAMES) - caught == {"check_name", "check_parameters", "check_cuda"}


class TestParameters:
    def test_one_that_is_not_stored_as_it_is(self):
        class ListFusion(own_fusion(modules.Sound)):
            def __init__(self, order=()):
                self.order = list(order)

        with pytest.raises(AssertionError, match=r"check_parameters.*modifies param"):
            only("check_parameters", ListFusion())

    def test_more_than_parameters(self):
        class DerivedFusion(own_fusion(modules.Sound)):
            def __init__(self, rank=2):
                self.rank = rank
                self.double = 2 * rank

        with pytest.raises(AssertionError, match=r"holds \['double'\], which are no"):
            only("check_parameters", DerivedFusion())

    def test_one_without_a_default(self):
        class NeedyFusion(own_fusion(modules.Sound)):
            def __init__(self, rank):
                self.rank = rank

        with pytest.raises(AssertionError, match=r"check_name: .*\['rank'\] have no"):
            only("check_name", NeedyFusion(2))
        with pytest.raises(ValueError, match=r"'needy' stands for .*\['rank'\] have n"):
            check_fusion("needy")

    def test_values_that_are_not_the_defaults(self):
        class ManyFusion(own_fusion(modules.Sound)):
            def __init__(self, flag=False, name="a", size=2.0, order=None, top=None):
                self.flag, self.name, self.size = flag, name, size
                self.order, self.top = order, top

        only("check_parameters", ManyFusion())
        changed = ManyFusion(True, "b", float("inf"), ["a", "b"], {"a": 1})
        only("check_parameters", changed)
        assert changed.get_params() == {
            "flag": True,
            "name": "b",
            "size": float("inf"),
            "order": ["a", "b"],
            "top": {"a": 1},
        }

    def test_one_that_is_not_allowed(self):
        with pytest.raises(AssertionError, match="'n_latents' parameter of Latent"):
            only("check_class_attributes", LatentFusion(n_latents=0))


class TestName:
    def test_of_a_fusion_of_the_package(self):
        gated = type("GatedFusion", (own_fusion(modules.Sound),), {})
        with pytest.raises(
            AssertionError, match=r"'gated' is also the name of .*_gate"
        ):
            only("check_name", gated())
        del gated
        gc.collect()  # or it is "gated" in other tests

    def test_that_lets_a_head_choose(self):
        auto = type("AutoFusion", (own_fusion(modules.Sound),), {})
        with pytest.raises(AssertionError, match="'auto', which lets a head choose"):
            only("check_name", auto())
        del auto
        gc.collect()

    def test_a_class_that_is_written_again_is_no_rival(self):
        """As a notebook's cell that runs twice."""
        classes = [own_fusion(modules.Sound) for _ in range(2)]
        only("check_name", classes[1]())


class TestCheckFusion:
    def test_a_sound_fusion_passes(self):
        results = check_fusion(own_fusion(modules.Sound)())
        assert [r["check_name"] for r in results] == NAMES
        states = {r["check_name"]: r["status"] for r in results}
        cuda = states.pop("check_cuda")
        assert cuda == ("passed" if torch.cuda.is_available() else "skipped")
        assert set(states.values()) == {"passed"}
        assert not any(r["expected_to_fail"] for r in results)

    @pytest.mark.parametrize(
        "tasks", [("regression",), ("multilabel",), ("representation",)]
    )
    @pytest.mark.parametrize("least", [1, 2, 5])
    def test_for_each_task_and_number_of_modalities(self, tasks, least):
        cls = own_fusion(modules.Sound, tasks=tasks, min_modalities=least)
        states = {r["check_name"]: r["status"] for r in check_fusion(cls())}
        states.pop("check_cuda")
        learns = states.pop("check_shuffling_hurts")
        assert learns == ("skipped" if tasks == ("representation",) else "passed")
        assert set(states.values()) == {"passed"}

    def test_pairs_are_enough_for_one_that_says_so(self):
        check_fusion(own_fusion(modules.NeedsPairs, min_modalities=2)())

    def test_raises_after_all_have_run(self):
        fusion = own_fusion(modules.MixesRows)()
        with pytest.raises(AssertionError) as raised:
            check_fusion(fusion)
        first, *_, last = str(raised.value).splitlines()
        assert first.startswith("check_order_of_rows: OwnFusion() breaks a promise")
        assert last.startswith("Also failed: check_batch_size, ")
        results = check_fusion(fusion, on_fail=None)
        failed = [r for r in results if r["status"] == "failed"]
        assert f"Also failed: {', '.join(r['check_name'] for r in failed[1:])}." == last
        assert all(isinstance(r["exception"], AssertionError) for r in failed)

    def test_an_error_of_the_module_is_a_failure(self):
        def broken(modalities, d, dropout):
            raise KeyError("text")

        with pytest.raises(
            AssertionError, match=r"check_output.*raised KeyError: 'tex"
        ):
            check_fusion(own_fusion(broken)())

    def test_expected_failures(self):
        fusion = own_fusion(modules.BranchesOnValues)()
        why = dict.fromkeys(["check_stack", "check_stack_in_head"], "as it should")
        results = check_fusion(fusion, expected_failed_checks=why)
        found = {r["check_name"]: r for r in results if r["status"] == "xfail"}
        assert set(found) == set(why)
        assert found["check_stack"]["expected_to_fail_reason"] == "as it should"
        assert isinstance(found["check_stack"]["exception"], AssertionError)

    def test_leaves_no_trace(self):
        fusion = GatedFusion()
        state = torch.random.get_rng_state()
        check_fusion(fusion)
        assert torch.equal(torch.random.get_rng_state(), state)
        assert fusion == GatedFusion()

    @pytest.mark.parametrize(
        ("fusion", "said"),
        [
            (GatedFusion, r"GatedFusion is a class; give an instance"),
            ("gatd", "'gatd' is not known"),
            (3, "'fusion' parameter of check_fusion must be"),
        ],
    )
    def test_what_is_no_fusion(self, fusion, said):
        with pytest.raises(ValueError, match=said):
            check_fusion(fusion)

    def test_expected_failures_that_are_no_checks(self):
        with pytest.raises(ValueError, match=r"\['check_stak'\], which are no checks"):
            check_fusion("gated", expected_failed_checks={"check_stak": "?"})


class TestParametrize:
    def test_without_an_argument_it_takes_every_fusion(self):
        cls = own_fusion(modules.Sound)
        cases = cases_of(parametrize_with_fusion_checks())
        assert cases.keys() == {
            (f"{known.__name__}()", name)
            for known in known_fusions().values()
            for name in NAMES
        }
        assert ("OwnFusion()", "check_seed") in cases
        cases["OwnFusion()", "check_seed"][0]()
        del cls

    def test_some(self):
        cases = cases_of(parametrize_with_fusion_checks(["gated", FiLMFusion("text")]))
        found = {fusion for fusion, _ in cases}
        assert found == {"GatedFusion()", "FiLMFusion(condition='text')"}
        assert len(cases) == 2 * len(CHECKS)
        assert cases_of(parametrize_with_fusion_checks("gated")).keys() < cases.keys()

    def test_expected_failures_are_marked(self):
        def expected(fusion):
            gated = isinstance(fusion, GatedFusion)
            return {"check_stack": "has an LSTM"} if gated else {}

        decorator = parametrize_with_fusion_checks(
            [GatedFusion(), ConcatFusion()], expected_failed_checks=expected
        )
        marks = {key: marks for key, (_, marks) in cases_of(decorator).items() if marks}
        assert list(marks) == [("GatedFusion()", "check_stack")]
        (mark,) = marks["GatedFusion()", "check_stack"]
        assert mark.name == "xfail"
        assert mark.kwargs["reason"] == "has an LSTM"

    def test_a_class(self):
        with pytest.raises(ValueError, match="ConcatFusion is a class"):
            parametrize_with_fusion_checks([ConcatFusion])

    def test_pytest_finds_the_class_of_a_user(self, tmp_path):
        """In a module of its own, beside a test of three lines."""
        (tmp_path / "test_own.py").write_text(
            textwrap.dedent(
                """
                import torch
                from skmultimodal.fusion import *
                from skmultimodal.testing import parametrize_with_fusion_checks

                class Last(FusionModule):
                    def __init__(self, d):
                        super().__init__()
                        self.d_out = d

                    def forward(self, tokens, present):
                        joined = torch.cat(list(tokens.values()), dim=1)
                        return FusionOutput(joined[:, -1])

                class MineFusion(NeuralFusion):
                    def build(self, modalities, embed_dim, dropout):
                        return Last(embed_dim)

                @parametrize_with_fusion_checks()
                def test_fusion(fusion, check):
                    check(fusion)
                """
            )
        )
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        command += ["-k", "Mine and (seed or heard) or Gated and seed", str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
        assert "1 failed, 2 passed" in done.stdout, done.stdout + done.stderr
        assert "test_fusion[MineFusion()-check_modalities_are_heard]" in done.stdout
        assert "Its tokens have to enter fused in every row" in done.stdout


def test_abstract_fusions_are_not_tested():
    class HalfFusion(NeuralFusion):
        pass

    assert not {
        fusion
        for fusion, _ in cases_of(parametrize_with_fusion_checks())
        if fusion.startswith("Half")
    }
