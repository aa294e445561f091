"""Profiles and reports: every step with its time and the roof that binds it."""
import json
import re


def test_profile_and_report(models, slipway, tmp_path):
    text = slipway("run", models / "squeezenet1_1.onnx", "--profile", tmp_path / "p.json", "--report", tmp_path / "r.html").stdout
    profile = json.loads((tmp_path / "p.json").read_text())
    assert len(profile["steps"]) > 20
    assert sum(step["us"] for step in profile["steps"]) - profile["total_us"] < 1
    convolutions = [step for step in profile["steps"] if step["op"] in ("Conv", "conv")]
    # 1x3x224x224, valid 3x3 with stride 2: 64 x 111 x 111 outputs of 27 products, doubled for the sums
    assert convolutions[0]["flops"] >= 2 * 64 * 111 * 111 * 27
    assert all(step["limit_us"] > 0 and step["bound"] for step in convolutions)
    assert f"us in {len(profile['steps'])} steps" in text

    page = (tmp_path / "r.html").read_text()
    assert page.count("<details>") == len(profile["steps"])
    assert "Roofline" in page and "x64.conv_direct" in page
    assert not re.search(r"(src|href)=|https?://", page), "the page stands alone"


def test_names_are_escaped(slipway, tmp_path):
    import onnx
    from onnx import TensorProto, helper

    node = helper.make_node("Relu", ["x"], ["y"], name='<script>"&\'')
    values = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [4]) for n in "xy"]
    model = helper.make_model(helper.make_graph([node], "g", values[:1], values[1:]), opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, tmp_path / "m.onnx")
    slipway("run", tmp_path / "m.onnx", "--profile", tmp_path / "p.json", "--report", tmp_path / "r.html")
    assert len(json.loads((tmp_path / "p.json").read_text())["steps"]) == 1
    assert "<script>\"" not in (tmp_path / "r.html").read_text()
