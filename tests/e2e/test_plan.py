"""Plans of real models: how many steps, nothing left to the references, an arena near its lower bound."""
import re

import pytest

MOST_STEPS = {"resnet50": 56, "mobilenet_v2": 54, "deit_tiny": 95}
HEAD = re.compile(r"== plan: (\d+) steps, (\d+) host nodes.*arena ([\d.]+) MiB \(live peak ([\d.]+) MiB")


@pytest.mark.parametrize("name", MOST_STEPS)
def test_steps_and_arena(name, models, slipway):
    plan = HEAD.search(slipway("explain", models / f"{name}.onnx").stdout)
    assert int(plan[1]) <= MOST_STEPS[name]
    assert int(plan[2]) == 0
    assert float(plan[3]) <= 1.1 * float(plan[4])


def test_explain_names_refusals(models, slipway):
    """Every stage stands in explain: passes, graph, and for a node each tactic's cost or the reason of its refusal."""
    text = slipway("explain", models / "resnet50.onnx", "--isa", "avx2").stdout
    assert "== passes" in text and "== graph" in text and "== plan" in text
    assert re.search(r"\* x64\.conv_direct", text)
    assert re.search(r"no: \S+", text)


def test_stop_after(models, slipway):
    """Patches can be bisected: with none the graph is as imported."""
    text = slipway("explain", models / "squeezenet1_1.onnx", "--stop-after", 0).stdout
    assert re.search(r"== passes: (\d+) -> \1 nodes, 0 patches", text)


def test_skip_pass(models, slipway):
    with_tails = slipway("explain", models / "squeezenet1_1.onnx").stdout
    without = slipway("explain", models / "squeezenet1_1.onnx", "--skip-pass", "tail").stdout
    steps = [int(HEAD.search(text)[1]) for text in (with_tails, without)]
    assert steps[1] > steps[0]
