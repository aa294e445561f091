"""Sequences, optionals and maps as inputs and outputs of the program: what one run writes another one reads."""
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

ML = helper.make_opsetid("ai.onnx.ml", 3)


def saved(path, nodes, inputs, outputs):
    graph = helper.make_graph(nodes, "g", inputs, [onnx.ValueInfoProto(name=name) for name in outputs])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18), ML], ir_version=9), path)
    return path


def test_sequences(slipway, tmp_path):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])
    s = helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, None)
    np.save(tmp_path / "x.npy", np.array([1, 2], np.float32))
    pair = saved(tmp_path / "pair.onnx", [helper.make_node("SequenceConstruct", ["x", "x"], ["s"])], [x], ["s"])
    slipway("run", pair, "--input", f"x={tmp_path / 'x.npy'}", "--output-dir", tmp_path)
    written = onnx.SequenceProto.FromString((tmp_path / "s.pb").read_bytes())
    np.testing.assert_array_equal(numpy_helper.to_list(written), [[1, 2], [1, 2]])
    length = saved(tmp_path / "length.onnx", [helper.make_node("SequenceLength", ["s"], ["n"])], [s], ["n"])
    slipway("run", length, "--input", f"s={tmp_path / 's.pb'}", "--output-dir", tmp_path)
    assert np.load(tmp_path / "n.npy") == 2


def test_maps(slipway, tmp_path):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])
    np.save(tmp_path / "x.npy", np.array([[0.25, 0.75]], np.float32))
    zipped = saved(tmp_path / "zip.onnx", [helper.make_node("ZipMap", ["x"], ["m"], domain="ai.onnx.ml", classlabels_strings=["a", "b"])], [x], ["m"])
    slipway("run", zipped, "--input", f"x={tmp_path / 'x.npy'}", "--output-dir", tmp_path)
    (one,) = onnx.SequenceProto.FromString((tmp_path / "m.pb").read_bytes()).map_values
    assert numpy_helper.to_dict(one) == {b"a": 0.25, b"b": 0.75}
    kind = onnx.TypeProto()
    kind.map_type.key_type = TensorProto.STRING
    kind.map_type.value_type.tensor_type.elem_type = TensorProto.FLOAT
    (tmp_path / "one.pb").write_bytes(one.SerializeToString())
    words = helper.make_node("DictVectorizer", ["m"], ["v"], domain="ai.onnx.ml", string_vocabulary=["b", "c", "a"])
    vector = saved(tmp_path / "vector.onnx", [words], [helper.make_value_info("m", kind)], ["v"])
    slipway("run", vector, "--input", f"m={tmp_path / 'one.pb'}", "--output-dir", tmp_path)
    np.testing.assert_array_equal(np.load(tmp_path / "v.npy").ravel(), [0.75, 0, 0.25])


def test_optionals(slipway, tmp_path):
    kind = helper.make_optional_type_proto(helper.make_tensor_type_proto(TensorProto.FLOAT, [2]))
    none = saved(tmp_path / "none.onnx", [helper.make_node("Optional", [], ["o"], type=kind.optional_type.elem_type)], [], ["o"])
    slipway("run", none, "--output-dir", tmp_path)
    has = saved(tmp_path / "has.onnx", [helper.make_node("OptionalHasElement", ["o"], ["h"])], [helper.make_value_info("o", kind)], ["h"])
    slipway("run", has, "--input", f"o={tmp_path / 'o.pb'}", "--output-dir", tmp_path)
    assert not np.load(tmp_path / "h.npy")


def test_words_and_packed_numbers(slipway, tmp_path):
    x = helper.make_tensor_value_info("x", TensorProto.STRING, [2])
    words = numpy_helper.from_array(np.array(["Ä", ""], dtype=object))
    (tmp_path / "x.pb").write_bytes(words.SerializeToString())
    model = saved(tmp_path / "words.onnx", [helper.make_node("Identity", ["x"], ["y"])], [x], ["y"])
    slipway("run", model, "--input", f"x={tmp_path / 'x.pb'}", "--output-dir", tmp_path)
    assert numpy_helper.to_array(onnx.load_tensor(tmp_path / "y.pb")).tolist() == ["Ä", ""]


def test_division_of_the_lowest_number(slipway, tmp_path):
    """Known when the model is read: an error of the node, no signal."""
    low, minus = (helper.make_node("Constant", [], [name], value_ints=[value]) for name, value in (("a", -(2**63)), ("b", -1)))
    model = saved(tmp_path / "div.onnx", [low, minus, helper.make_node("Div", ["a", "b"], ["y"], name="halved")], [], ["y"])
    assert "lowest number by -1; in node 'halved'" in slipway("run", model, status=1).stderr
