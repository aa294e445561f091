"""Operators of com.microsoft, those that ONNX has removed, and old forms of the others: slipway answers as onnxruntime does."""
import math

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

MICROSOFT = "com.microsoft"
RANDOM = np.random.default_rng(0)


def noise(*shape, dtype=np.float32, low=-1.0, high=1.0):
    values = RANDOM.uniform(low, high, shape)
    return np.floor(values).astype(dtype) if np.issubdtype(dtype, np.integer) else values.astype(dtype)


def u8(*shape):
    return noise(*shape, dtype=np.uint8, low=0, high=255)


def i8(*shape):
    return noise(*shape, dtype=np.int8, low=-100, high=100)


def i32(*values):
    return np.array(values, dtype=np.int32)


def i64(*values):
    return np.array(values, dtype=np.int64)


def f32(value):
    return np.float32(value)


def described(name, typed):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, None) if typed else onnx.ValueInfoProto(name=name)


class Case:
    """One node. `inputs`: arrays, None where absent. `fixed`: places of those that stand as initialisers. `typed`: the model says
    that its outputs are floats."""

    def __init__(self, op, inputs, outputs=1, *, domain=MICROSOFT, version=17, fixed=(), rtol=1e-4, atol=1e-5, name="", typed=False, **attributes):
        self.typed = typed
        self.op, self.inputs, self.outputs, self.fixed = op, [None if x is None else np.asarray(x) for x in inputs], outputs, fixed
        self.domain, self.version, self.rtol, self.atol, self.attributes, self.name = domain, version, rtol, atol, attributes, name

    def __str__(self):
        return f"{self.op}-{self.name}" if self.name else self.op

    def model(self):
        names = ["" if x is None else f"x{i}" for i, x in enumerate(self.inputs)]
        outputs = [f"y{i}" for i in range(self.outputs)]
        node = helper.make_node(self.op, names, outputs, domain=self.domain, **self.attributes)
        kind = helper.np_dtype_to_tensor_dtype
        given = [
            helper.make_tensor_value_info(n, TensorProto.STRING if x.dtype.kind in "UO" else kind(x.dtype), x.shape)
            for i, (n, x) in enumerate(zip(names, self.inputs, strict=True))
            if x is not None and i not in self.fixed
        ]
        fixed = [numpy_helper.from_array(self.inputs[i], f"x{i}") for i in self.fixed]
        graph = helper.make_graph([node], "g", given, [described(o, self.typed) for o in outputs], fixed)
        imports = [helper.make_opsetid("", self.version), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=imports, ir_version=8)

    def feeds(self):
        return {f"x{i}": x for i, x in enumerate(self.inputs) if x is not None and i not in self.fixed}


def attention(**kw):
    return Case("Attention", kw.pop("inputs"), rtol=1e-3, num_heads=2, **kw)


B, S, N, H = 2, 4, 2, 16
HIDDEN = N * H
X, W, BIAS = noise(B, S, HIDDEN), noise(HIDDEN, 3 * HIDDEN), noise(3 * HIDDEN)
Q, K, V = noise(B, S, HIDDEN), noise(B, 6, HIDDEN), noise(B, 6, HIDDEN)
COS, SIN = noise(16, H // 2), noise(16, H // 2)
PAST = noise(B, N, 3, H), noise(B, N, 3, H)
MASK = i32([1, 1, 1, 0], [1, 1, 1, 1])


def group_query(name, inputs, heads=4, outputs=3, **attributes):
    return Case("GroupQueryAttention", inputs, outputs, name=name, rtol=1e-3, num_heads=heads, kv_num_heads=2, **attributes)


GQ, GK, GV = noise(B, S, 4 * H), noise(B, S, 2 * H), noise(B, S, 2 * H)
ONE = noise(B, 1, 4 * H), noise(B, 1, 2 * H), noise(B, 1, 2 * H)
CACHE = noise(B, 2, 8, H), noise(B, 2, 8, H)

def quantised_caches():
    """A token behind a cache of bytes or packed nibbles, with one scale or one a column."""
    for bits in 8, 4:
        for kind, shape in ("PER_TENSOR", (1,)), ("PER_CHANNEL", (1, 2, 1, H)):
            past = [i8(B, 2, 8, H) if bits == 8 else u8(B, 2, 8, H // 2) for _ in range(2)]
            scales = [noise(*shape, low=0.1, high=0.2) for _ in range(2)]
            yield group_query(f"{kind}{bits}".lower(), [*ONE, *past, i32(8, 5), i32(9), COS, SIN, None, None, None, *scales], do_rotary=1,
                              k_quant_type=kind, v_quant_type=kind, kv_cache_bit_width=bits)


ATTENTION = [
    attention(name="plain", inputs=[X, W, BIAS]),
    attention(name="no_bias", inputs=[X, W, None]),
    attention(name="mask2", inputs=[X, W, BIAS, MASK]),
    attention(name="mask3", inputs=[X, W, BIAS, np.tile(MASK[:, None], (1, S, 1))]),
    attention(name="ends", inputs=[X, W, BIAS, i32(2, 4)]),
    attention(name="packed_spans", inputs=[X, W, BIAS, i32(3, 4, 0, 3, 7, 0, 4, 8)]),
    attention(name="spans", inputs=[X, W, BIAS, i32(3, 4, 1, 0)]),
    attention(name="causal", inputs=[X, W, BIAS], unidirectional=1),
    attention(name="past", inputs=[X, W, BIAS, None, np.stack(PAST)], outputs=2, unidirectional=1),
    attention(name="bias", inputs=[X, W, BIAS, None, None, noise(B, N, S, S)], scale=0.3),
    attention(name="sizes", inputs=[X, noise(HIDDEN, 2 * HIDDEN + 6), noise(2 * HIDDEN + 6)], qkv_hidden_sizes=[HIDDEN, HIDDEN, 6]),
    Case("MultiHeadAttention", [Q, K, V], name="cross", num_heads=N, rtol=1e-3),
    Case("MultiHeadAttention", [Q, K, V, BIAS], name="bias", num_heads=N, rtol=1e-3),
    Case("MultiHeadAttention", [Q, K, V, None, i32([1, 1, 1, 1, 1, 0], [1, 1, 0, 0, 0, 0])], name="mask", num_heads=N, rtol=1e-3),
    Case("MultiHeadAttention", [Q, K, V, None, None, noise(1, N, S, 6)], name="added", num_heads=N, rtol=1e-3),
    Case("MultiHeadAttention", [Q, noise(B, S, HIDDEN), noise(B, S, HIDDEN), None, None, None, *PAST], 3, name="past", num_heads=N, rtol=1e-3),
    Case("MultiHeadAttention", [Q, noise(B, N, 6, H), noise(B, N, 6, H)], name="cached", num_heads=N, rtol=1e-3),
    Case("MultiHeadAttention", [Q, noise(B, S, HIDDEN), noise(B, S, HIDDEN)], name="causal", num_heads=N, unidirectional=1, rtol=1e-3),
    Case("MultiHeadAttention", [Q, K, V], 4, name="scores", typed=True, num_heads=N, rtol=1e-3),
    group_query("prompt", [GQ, GK, GV, None, None, i32(S - 1, S - 1), i32(S)]),
    group_query("packed", [noise(B, S, 8 * H), None, None, None, None, i32(S - 1, S - 1), i32(S)]),
    group_query("rotary", [GQ, GK, GV, None, None, i32(S - 1, S - 1), i32(S), COS, SIN], do_rotary=1),
    group_query("interleaved", [GQ, GK, GV, None, None, i32(S - 1, S - 1), i32(S), COS, SIN], do_rotary=1, rotary_interleaved=1),
    group_query("token", [*ONE, *CACHE, i32(8, 8), i32(9), COS, SIN], do_rotary=1),
    group_query("uneven", [*ONE, *CACHE, i32(8, 5), i32(9)]),
    group_query("window", [GQ, GK, GV, None, None, i32(S - 1, S - 1), i32(S)], local_window_size=2),
    group_query("softcap", [GQ, GK, GV, None, None, i32(S - 1, S - 1), i32(S)], softcap=0.7, scale=0.5),
    group_query("smooth", [GQ, GK, GV, None, None, i32(S - 1, S - 1), i32(S)], smooth_softmax=1),
    group_query("bias", [GQ, GK, GV, None, None, i32(S - 1, S - 1), i32(S), None, None, None, noise(B, 1, S, S)]),
    group_query("sink", [GQ, GK, GV, None, None, i32(S - 1, S - 1), i32(S), None, None, None, None, noise(4)]),
    group_query("given_places", [GQ, GK, GV, None, None, i32(S - 1, S - 1), i32(S), COS, SIN, i64([1, 2, 3, 4], [3, 4, 5, 6])], do_rotary=1),
    group_query("short_window", [*ONE, *CACHE, i32(8, 8), i32(9)], local_window_size=3),
    group_query("packed_token", [noise(B, 1, 8 * H), None, None, *CACHE, i32(8, 6), i32(9), COS, SIN], do_rotary=1),
    group_query("buffer", [*ONE, noise(B, 2, 16, H), noise(B, 2, 16, H), i32(5, 5), i32(6)]),
    group_query("scores", [GQ, GK, GV, None, None, i32(S - 1, S - 1), i32(S)], outputs=4, qk_output=1),
    Case("RotaryEmbedding", [noise(B, S, HIDDEN), i64(2), COS, SIN], name="first"),
    Case("RotaryEmbedding", [noise(B, N, S, H), i64([0, 1, 2, 3], [4, 5, 6, 15]), COS, SIN], name="all", interleaved=1),
    Case("RotaryEmbedding", [noise(B, S, HIDDEN), i64(0), noise(16, 2), noise(16, 2)], name="part", num_heads=N, rotary_embedding_dim=4),
    Case("MultiHeadAttention", [noise(B, 1, HIDDEN)] * 3 + [None] * 3 + [noise(B, N, 10, H)] * 2 + [i32(3)], 3, name="buffer", num_heads=N, rtol=1e-3),
    group_query("window_cache", [*ONE, noise(B, 2, 4, H), noise(B, 2, 4, H), i32(9, 7), i32(10)], sliding_window_cache=1, local_window_size=4),
    *quantised_caches(),
    Case(
        "QAttention",
        [u8(B, S, HIDDEN), i8(HIDDEN, 3 * HIDDEN), BIAS, f32(0.02), f32(0.01), MASK, np.uint8(100), np.int8(2)],
        fixed=(1, 2, 3, 4, 6, 7),
        num_heads=N,
        rtol=1e-3,
        atol=1e-4,
    ),
]

PLAIN = [
    Case("Gelu", [noise(3, 7)]),
    Case("FastGelu", [noise(3, 7), noise(7)]),
    Case("BiasGelu", [noise(3, 7), noise(7)]),
    Case("QuickGelu", [noise(3, 7)], alpha=1.5),
    Case("FusedMatMul", [noise(2, 5, 3), noise(2, 4, 5)], transA=1, transB=1, alpha=0.5),
    Case("FusedGemm", [noise(3, 5), noise(5, 4), noise(4)], activation="LeakyRelu", activation_alpha=0.2, alpha=0.7),
    Case("FusedConv", [noise(1, 3, 6, 6), noise(4, 3, 3, 3), noise(4)], fixed=(1, 2), activation="Relu", pads=[1, 1, 1, 1]),
    Case("SkipLayerNormalization", [noise(2, 3, 8), noise(2, 3, 8), noise(8), noise(8), noise(8)], epsilon=1e-5),
    Case("SkipSimplifiedLayerNormalization", [noise(2, 3, 8), noise(2, 3, 8), noise(8)], epsilon=1e-5),
    Case("SimplifiedLayerNormalization", [noise(2, 3, 8), noise(8)], domain="", axis=-1, epsilon=1e-5),
    Case("LayerNormalization", [noise(2, 3, 8), noise(8), noise(8)], domain="", version=11, axis=-1),
    Case(
        "EmbedLayerNormalization",
        [i32([1, 4, 2], [0, 3, 3]), i32([0, 1, 0], [0, 0, 1]), noise(6, 8), noise(5, 8), noise(2, 8), noise(8), noise(8), i32([1, 1, 0], [1, 1, 1])],
        2,
    ),
    Case("Inverse", [noise(2, 4, 4) + 3 * np.eye(4, dtype=np.float32)], rtol=1e-3),
    Case("Trilu", [noise(2, 3, 4), np.int64(1)], upper=0),
    Case("Unique", [np.array([2, 1, 1, 3, 4, 3], np.float32)], 3),
    Case("GatherND", [noise(3, 4, 2), i32([0, 1], [2, 3])]),
    Case("Pad", [noise(2, 3), i64(1, 0, 0, 2), np.float32(0.5)], fixed=(1,)),
    Case("Pad", [noise(3, 4), i64(1, 1, 2, 0)], fixed=(1,), name="reflect", mode="reflect"),
    *(Case("FusedGemm", [noise(3, 5), noise(5, 4), noise(4)], name=name, activation=name, activation_alpha=0.6, activation_beta=0.7, activation_gamma=1.1)
      for name in ("Selu", "ThresholdedRelu", "ScaledTanh", "ParametricSoftplus")),
    Case("CropAndResize", [noise(2, 3, 5, 6), noise(4, 4, low=-0.2, high=1.2), i32(1, 0, 1, 0), i32(4, 3)], extrapolation_value=3.5),
    Case("CropAndResize", [noise(2, 3, 5, 6), noise(4, 4, low=0, high=1), i32(1, 0, 1, 0), i32(1, 7)], name="nearest", mode="nearest"),
    Case("GridSample", [noise(1, 2, 4, 5), noise(1, 3, 2, 2)], mode="bilinear", padding_mode="reflection"),
    Case("GridSample", [noise(1, 2, 4, 5), noise(1, 3, 2, 2)], name="bicubic", mode="bicubic", align_corners=1),
    Case("Range", [i32(1), i32(9)], name="by_one"),
    Case("Range", [f32(1), f32(2), f32(0.25)]),
    Case("ExpandDims", [noise(2, 3), np.array(-1, np.int32)], fixed=(1,)),
    Case("CDist", [noise(3, 5), noise(4, 5)], rtol=1e-3),
    Case("CDist", [noise(3, 5), noise(4, 5)], name="euclidean", metric="euclidean"),
    Case("NhwcMaxPool", [u8(1, 6, 5, 3)], kernel_shape=[3, 2], strides=[2, 1], pads=[1, 0, 1, 0]),
    Case("WordConvEmbedding", [i32([1, 2, 3, 0], [5, 1, 0, 0], [4, 0, 0, 0]), noise(5, 1, 2, 3), noise(5), noise(6, 3)], fixed=(1, 2, 3)),
    Case("MatMulNBits", [noise(3, 32), u8(6, 2, 8), noise(12, low=0.01, high=0.1)], fixed=(1, 2), K=32, N=6, bits=4, block_size=16, rtol=1e-3, atol=1e-4),
]

WORDS = np.array(["Hello World", "I love computer science !", "a  b"], dtype=object)
TEXT = [
    Case("Tokenizer", [WORDS], mark=0, mincharnum=1, pad_value="#", separators=[" "], name="separators"),
    Case("Tokenizer", [WORDS], mark=1, mincharnum=1, pad_value="", separators=[" ", "[oe]"], name="two_marked"),
    Case("Tokenizer", [WORDS.reshape(1, 3)], mark=0, mincharnum=2, pad_value="-", tokenexp="[a-z]+", name="pattern"),
    Case("Tokenizer", [WORDS], mark=0, mincharnum=1, pad_value="", separators=[""], name="characters"),
]

XS, YS, ZX, ZY = f32(0.02), f32(0.03), np.uint8(120), np.uint8(90)
QUANTISED = [
    Case("QLinearAdd", [u8(3, 5), XS, ZX, u8(3, 5), YS, ZY, f32(0.05), np.uint8(100)], fixed=(1, 2, 4, 5, 6, 7)),
    Case("QLinearMul", [u8(3, 5), XS, ZX, u8(3, 5), YS, ZY, f32(0.05), np.uint8(100)], fixed=(1, 2, 4, 5, 6, 7)),
    Case("QLinearConcat", [YS, ZY, u8(2, 3), XS, ZX, u8(2, 2), YS, ZY], fixed=(0, 1, 3, 4, 6, 7), axis=1),
    Case("QLinearGlobalAveragePool", [u8(1, 3, 5, 5), XS, ZX, YS, ZY], fixed=(1, 2, 3, 4), channels_last=0),
    Case("QLinearAveragePool", [u8(1, 3, 6, 6), XS, ZX, YS, ZY], fixed=(1, 2, 3, 4), kernel_shape=[2, 2], strides=[2, 2]),
    Case("QLinearSigmoid", [u8(3, 5), XS, ZX, f32(1 / 256), np.uint8(0)], fixed=(1, 2, 3, 4)),
    Case("QLinearLeakyRelu", [u8(3, 5), XS, ZX, YS, ZY], fixed=(1, 2, 3, 4), alpha=0.1),
    Case("QLinearSoftmax", [u8(3, 5), XS, ZX, f32(1 / 256), np.uint8(0)], fixed=(1, 2, 3, 4), axis=-1, opset=13),
    Case("QLinearWhere", [RANDOM.random((3, 5)) < 0.5, u8(3, 5), XS, ZX, u8(3, 5), YS, ZY, f32(0.05), np.uint8(100)], fixed=(2, 3, 5, 6, 7, 8)),
    *(Case("QLinearConv", [u8(1, 5, 7, 6) if last else u8(1, 6, 5, 7), XS, ZX, i8(4, 3, 3, 3), noise(4, low=0.005, high=0.01), np.zeros(4, np.int8),
                           f32(0.05), np.uint8(7), noise(4, dtype=np.int32, low=-100, high=100)],
           name=f"channels_last{last}", fixed=range(1, 9), channels_last=last, group=2, pads=[1, 1, 0, 1], strides=[2, 1]) for last in (0, 1)),
    Case("QGemm", [u8(3, 5), XS, ZX, u8(5, 4), YS, ZY, i32(1, 20, -300, 4), f32(0.05), np.uint8(100)], fixed=(1, 2, 3, 4, 5, 6, 7, 8)),
]
REAL_FROM_QUANTISED = [
    Case("DynamicQuantizeMatMul", [noise(3, 5), u8(5, 4), YS, ZY, noise(4)], fixed=(1, 2, 3, 4), rtol=1e-3),
    Case("MatMulIntegerToFloat", [u8(3, 5), u8(5, 4), XS, YS, ZX, ZY, noise(4)], fixed=(1, 2, 3, 4, 5, 6), rtol=1e-3),
    # onnxruntime rounds the hidden state to bytes at each step as well
    Case("DynamicQuantizeLSTM", [noise(3, 2, 5), u8(1, 5, 16), u8(1, 4, 16), noise(1, 32), None, None, None, None,
                                 np.float32([0.004]), np.uint8([120]), np.float32([0.005]), np.uint8([130])],
         fixed=(1, 2, 3, 8, 9, 10, 11), outputs=3, rtol=3e-2, hidden_size=4),
    *(Case("MatMulBnb4", [noise(3, 30), u8(75), noise(10)], name=f"type{kind}", fixed=(1, 2), K=30, N=5, block_size=16, quant_type=kind, rtol=1e-3)
      for kind in (0, 1)),
    *(Case("GatherBlockQuantized", [u8(7, 4 * bits), i64([0, 6], [3, -1]), noise(7, 2), u8(7, max(1, bits // 4))], name=f"{bits}_bits", version=21,
           fixed=(0, 2, 3), bits=bits, block_size=16) for bits in (2, 4, 8)),
    Case("QEmbedLayerNormalization", [i32([1, 4, 2], [0, 3, 3]), i32([0, 1, 0], [0, 0, 1]), u8(6, 8), u8(5, 8), u8(2, 8), u8(8), u8(8),
                                      i32([1, 1, 0], [1, 1, 1]), *[f32(0.01)] * 5, *[np.uint8(120)] * 5],
         2, fixed=(*range(2, 7), *range(8, 18))),
    Case("QuantizeLinear", [noise(3, 5), XS, np.uint16(30000)], fixed=(1, 2)),
    Case("DequantizeLinear", [u8(3, 5), XS, ZX], fixed=(1, 2)),
]

IMAGE = noise(1, 3, 5, 6)
REMOVED = [
    Case("Affine", [noise(2, 3)], domain="", version=7, alpha=1.5, beta=0.5),
    Case("ParametricSoftplus", [noise(2, 3)], domain="", version=7, alpha=1.5, beta=0.5),
    Case("ScaledTanh", [noise(2, 3)], domain="", version=7, alpha=1.5, beta=0.5),
    Case("ThresholdedRelu", [noise(2, 3)], domain="", version=7, alpha=0.2),
    Case("Scale", [noise(2, 3)], domain="", version=7, scale=2.5),
    Case("ImageScaler", [IMAGE], domain="", version=7, scale=2.0, bias=[0.5, -1.0, 2.0]),
    Case("Crop", [IMAGE], domain="", version=7, border=[1, 2, 1, 0]),
    Case("Crop", [IMAGE], domain="", version=7, name="size", border=[2, 1, 0, 0], scale=[3, 2]),
    Case("DynamicSlice", [noise(4, 5), i64(1, 0), i64(3, 4), i64(0, 1)], domain="", version=7),
    Case("Upsample", [noise(1, 2, 3, 4)], domain="", version=7, mode="nearest", scales=[1.0, 1.0, 2.0, 3.0]),
    Case("Scatter", [noise(3, 3), i64([1, 0, 2]), noise(1, 3)], domain="", version=9, axis=0),
]

CUBE = noise(2, 3, 4)


def old(op, version, inputs, outputs=1, **attributes):
    return Case(op, inputs, outputs, domain="", version=version, name=str(version), **attributes)


# Forms that later versions have replaced: attributes that became inputs, other defaults, other meanings.
OLD = [
    old("Slice", 9, [CUBE], axes=[1, 2], starts=[1, -3], ends=[3, 9]),
    old("Clip", 10, [CUBE], min=-0.3, max=0.4),
    old("TopK", 9, [CUBE], 2, k=2, axis=1),
    old("TopK", 10, [CUBE, i64(2)], 2, fixed=(1,), axis=2),
    old("Pad", 10, [CUBE], pads=[0, 1, 2, 1, 0, 0], mode="constant", value=0.5),
    old("Squeeze", 11, [noise(1, 3, 1)], axes=[0, -1]),
    old("Unsqueeze", 11, [noise(3)], axes=[0, 2]),
    old("Split", 11, [CUBE], 2, axis=2, split=[1, 3]),
    old("ReduceSum", 11, [CUBE], axes=[1], keepdims=0),
    old("ReduceMean", 13, [CUBE], axes=[0, 2]),
    old("Softmax", 11, [CUBE]),
    old("LogSoftmax", 11, [CUBE], axis=0),
    old("Hardmax", 11, [CUBE]),
    old("Dropout", 7, [CUBE], ratio=0.3),
    old("BatchNormalization", 8, [noise(2, 3, 5), noise(3), noise(3), noise(3), noise(3, low=0.5, high=2)], spatial=1),
    old("BatchNormalization", 9, [noise(2, 3, 5), noise(3), noise(3), noise(3), noise(3, low=0.5, high=2)]),
    old("Upsample", 9, [noise(1, 2, 3, 4), np.array([1, 1, 2, 1.5], np.float32)], fixed=(1,), mode="linear"),
    old("Resize", 10, [noise(1, 2, 3, 4), np.array([1, 1, 2, 0.5], np.float32)], fixed=(1,), mode="nearest"),
    old("Resize", 11, [noise(1, 2, 3, 4), np.zeros(0, np.float32), np.array([1, 1, 2, 3], np.float32)], fixed=(1, 2), mode="linear",
        coordinate_transformation_mode="half_pixel"),
    old("ArgMax", 11, [CUBE], axis=1, keepdims=0),
    old("Gemm", 7, [noise(3, 4), noise(4, 5), noise(5)], alpha=0.5, beta=2.0),
    old("PRelu", 7, [noise(2, 3, 4), noise(3, 1)]),
    old("Flatten", 8, [CUBE], axis=2),
    old("AveragePool", 7, [IMAGE], kernel_shape=[2, 2], pads=[1, 0, 0, 1], count_include_pad=1),
    old("MaxPool", 8, [IMAGE], 2, kernel_shape=[2, 3], strides=[1, 2]),
    old("OneHot", 9, [i64(1, 0, 2), np.array(3, np.int64), np.array([0, 5], np.float32)], fixed=(1,), axis=0),
    old("LSTM", 7, [noise(4, 2, 3), noise(1, 20, 3), noise(1, 20, 5)], 3, hidden_size=5),
    old("GRU", 7, [noise(4, 2, 3), noise(1, 15, 3), noise(1, 15, 5)], 2, hidden_size=5, linear_before_reset=1),
    old("DepthToSpace", 10, [noise(1, 8, 2, 3)], blocksize=2),
    old("Sum", 8, [CUBE, noise(4), noise(3, 1)]),
    old("GatherND", 11, [CUBE, i64([0, 1], [1, -1])]),
    old("CumSum", 11, [CUBE, np.array(1, np.int32)], fixed=(1,), exclusive=1, reverse=1),
    old("GroupNormalization", 18, [noise(2, 4, 5), noise(2), noise(2)], num_groups=2),
]


@pytest.mark.parametrize("case", ATTENTION + PLAIN + TEXT + REAL_FROM_QUANTISED + REMOVED + OLD, ids=str)
def test_answers_as_onnxruntime(verify, case):
    model = case.model()
    expected = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, case.feeds())
    verify(model, case.feeds().values(), expected, rtol=case.rtol, atol=case.atol)


@pytest.mark.parametrize("case", QUANTISED, ids=str)
def test_quantised_answers_within_one_step(verify, case):
    model = case.model()
    (expected,) = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, case.feeds())
    # The result as a real number of steps: rounding may fall to either side.
    model.graph.node.append(helper.make_node("Cast", ["y0"], ["steps"], to=TensorProto.FLOAT))
    model.graph.output[0].name = "steps"
    verify(model, case.feeds().values(), [expected.astype(np.float32)], rtol=0, atol=1)


def test_pytorch_calls_are_refused_with_what_to_do(slipway, tmp_path):
    node = helper.make_node("ATen", ["x"], ["y"], domain="org.pytorch.aten", operator="special_thing")
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2])], [onnx.ValueInfoProto(name="y")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("org.pytorch.aten", 1)])
    onnx.save(model, tmp_path / "model.onnx")
    done = slipway("inspect", tmp_path / "model.onnx", status=1)
    assert "export the model again" in done.stderr


def silu(x):
    return x / (1 + np.exp(-x))


def group_norm(x, gamma, beta, groups):
    """Of [N, H, W, C]."""
    n, h, w, c = x.shape
    parts = x.reshape(n, h, w, groups, c // groups)
    mean, variance = (f(parts, axis=(1, 2, 4), keepdims=True) for f in (np.mean, np.var))
    return ((parts - mean) / np.sqrt(variance + 1e-5)).reshape(x.shape) * gamma + beta


def test_diffusion_operators(verify):
    """onnxruntime has these on other devices only."""
    x, gamma, beta, skip, bias = noise(2, 3, 5, 8), noise(8), noise(8), noise(2, 8), noise(8)
    normal = group_norm(x, gamma, beta, 4)
    verify(Case("GroupNorm", [x, gamma, beta], groups=4, activation=1).model(), [x, gamma, beta], [silu(normal)])
    total = x + skip[:, None, None] + bias
    inputs = [x, gamma, beta, skip, bias]
    verify(Case("SkipGroupNorm", inputs, 2, groups=2, activation=0).model(), inputs, [group_norm(total, gamma, beta, 2), total])
    rows, more = noise(2, 3, 8), noise(2, 3, 8)
    verify(Case("BiasAdd", [rows, bias, more]).model(), [rows, bias, more], [rows + bias + more])
    left, right = np.split(rows + bias, 2, axis=-1)
    erf = np.vectorize(math.erf)
    gelu = (right * 0.5 * (1 + erf(right / np.sqrt(2)))).astype(np.float32)
    verify(Case("BiasSplitGelu", [rows, bias]).model(), [rows, bias], [left * gelu])
    weights, shift = noise(4, 8, 3, 3), noise(4)
    first = x.transpose(0, 3, 1, 2)
    plain = Case("Conv", [first, weights, shift], domain="", pads=[1, 1, 1, 1])
    (y,) = onnxruntime.InferenceSession(plain.model().SerializeToString()).run(None, plain.feeds())
    y = y.transpose(0, 2, 3, 1)
    last = weights.transpose(0, 2, 3, 1)
    verify(Case("NhwcConv", [x, last, shift], pads=[1, 1, 1, 1]).model(), [x, last, shift], [y])
    fused = Case("NhwcFusedConv", [x, weights, shift, y], pads=[1, 1, 1, 1], activation="Relu")
    verify(fused.model(), [x, weights, shift, y], [np.maximum(y + y, 0)])
