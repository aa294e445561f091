/* slipway's C API: load a trained model or an engine, run it. Opaque handles; no function throws; a failure returns a
 * status, and slipway_last_error() tells the sentence on the same thread. Handles must not be null unless it says so. */
#ifndef SLIPWAY_SLIPWAY_H
#define SLIPWAY_SLIPWAY_H

#include <stddef.h> /* NOLINT(modernize-deprecated-headers) */
#include <stdint.h> /* NOLINT(modernize-deprecated-headers) */

#ifdef __cplusplus
#define SLIPWAY_NOEXCEPT noexcept
extern "C" {
#else
#define SLIPWAY_NOEXCEPT
#endif
#define SLIPWAY_API __attribute__((visibility("default")))

#define SLIPWAY_MAX_RANK 16

typedef enum slipway_status {
  SLIPWAY_OK = 0,
  SLIPWAY_INVALID_ARGUMENT = 1, /* names, shapes, types or options of the caller are wrong */
  SLIPWAY_INVALID_MODEL = 2,    /* a file says something that cannot be */
  SLIPWAY_UNSUPPORTED = 3,      /* valid, but this build cannot do it */
  SLIPWAY_NOT_FOUND = 4,
  SLIPWAY_IO = 5,
  SLIPWAY_LIMIT = 6,      /* a named limit would be exceeded, or a buffer is too small */
  SLIPWAY_DATA_FAULT = 7, /* the data itself: index out of range, division by zero, ... */
  SLIPWAY_CANCELLED = 8,
  SLIPWAY_DEADLINE = 9,
  SLIPWAY_UNAVAILABLE = 10,
  SLIPWAY_INTERNAL = 11, /* a defect of slipway */
  SLIPWAY_NO_MEMORY = 12
} slipway_status;

/* Numbered as ONNX's TensorProto.DataType. */
typedef enum slipway_type {
  SLIPWAY_UNDEFINED = 0,
  SLIPWAY_F32 = 1,
  SLIPWAY_U8 = 2,
  SLIPWAY_I8 = 3,
  SLIPWAY_U16 = 4,
  SLIPWAY_I16 = 5,
  SLIPWAY_I32 = 6,
  SLIPWAY_I64 = 7,
  SLIPWAY_STRING = 8,
  SLIPWAY_BOOL = 9,
  SLIPWAY_F16 = 10,
  SLIPWAY_F64 = 11,
  SLIPWAY_U32 = 12,
  SLIPWAY_U64 = 13,
  SLIPWAY_C64 = 14,
  SLIPWAY_C128 = 15,
  SLIPWAY_BF16 = 16,
  SLIPWAY_F8E4M3FN = 17,
  SLIPWAY_F8E4M3FNUZ = 18,
  SLIPWAY_F8E5M2 = 19,
  SLIPWAY_F8E5M2FNUZ = 20,
  SLIPWAY_U4 = 21,
  SLIPWAY_I4 = 22,
  SLIPWAY_F4E2M1 = 23,
  SLIPWAY_F8E8M0 = 24,
  SLIPWAY_U2 = 25,
  SLIPWAY_I2 = 26
} slipway_type;

/* A row-major array in memory of the caller or, for an output that came without data, of the session. Strings: `data` is an array
 * of `const char*`, each ended by a NUL. */
typedef struct slipway_tensor {
  void* data;
  size_t bytes; /* size of the buffer at `data`; on return the bytes that the tensor takes */
  slipway_type type;
  int32_t rank;
  int64_t dims[SLIPWAY_MAX_RANK];
} slipway_tensor;

/* One input or output of an engine; the pointers live as long as the engine. */
typedef struct slipway_port {
  const char* name;
  const char* text;               /* type and shape to read, such as "f32[batch,3,224,224]" */
  slipway_type type;              /* SLIPWAY_UNDEFINED: not a tensor */
  int32_t rank;                   /* -1: any rank */
  int64_t dims[SLIPWAY_MAX_RANK]; /* -1: any extent */
} slipway_port;

typedef struct slipway_options slipway_options; /* how to make an engine; not thread-safe */
typedef struct slipway_engine slipway_engine;   /* a model made ready; thread-safe */
typedef struct slipway_session slipway_session; /* one caller's handle on an engine; one thread at a time */
typedef struct slipway_cancel slipway_cancel;   /* a flag that ends runs; thread-safe */

/* Both may stay zero. A run looks at them between its steps. */
typedef struct slipway_run_options {
  int64_t timeout_us; /* 0: none; else the run fails with SLIPWAY_DEADLINE after so long */
  const slipway_cancel* cancel;
} slipway_run_options;

typedef enum slipway_log_level {
  SLIPWAY_LOG_DEBUG = 0,
  SLIPWAY_LOG_INFO = 1,
  SLIPWAY_LOG_WARNING = 2,
  SLIPWAY_LOG_ERROR = 3,
  SLIPWAY_LOG_OFF = 4
} slipway_log_level;
/* Called from any thread, several at a time; `text` lives during the call. */
typedef void (*slipway_log_function)(slipway_log_level level, const char* text, void* user);

SLIPWAY_API const char* slipway_version(void) SLIPWAY_NOEXCEPT;
/* The best instruction set of this CPU: "portable", "avx2", "avx512", "avx512_vnni" or "avx512_bf16". */
SLIPWAY_API const char* slipway_cpu_isa(void) SLIPWAY_NOEXCEPT;
/* The sentence of this thread's latest failure, "" before the first; valid until the next failure on this thread. */
SLIPWAY_API const char* slipway_last_error(void) SLIPWAY_NOEXCEPT;
/* "invalid_model" and the like. */
SLIPWAY_API const char* slipway_status_name(slipway_status status) SLIPWAY_NOEXCEPT;
/* "f32" and the like. */
SLIPWAY_API const char* slipway_type_name(slipway_type type) SLIPWAY_NOEXCEPT;
/* Bits of one element; 0 for strings. */
SLIPWAY_API int32_t slipway_type_bits(slipway_type type) SLIPWAY_NOEXCEPT;
/* Sends log lines of at least this level to `function` (null: to nobody, as at the start), for the whole process. */
SLIPWAY_API slipway_status slipway_set_log(slipway_log_function function, slipway_log_level least, void* user) SLIPWAY_NOEXCEPT;

/* Null when memory is short. */
SLIPWAY_API slipway_options* slipway_options_create(void) SLIPWAY_NOEXCEPT;
SLIPWAY_API void slipway_options_destroy(slipway_options* options) SLIPWAY_NOEXCEPT; /* null is fine */
/* Keys: "isa" (a word of slipway_cpu_isa), "threads" (0: every CPU), "deterministic", "passes", "verify_weights" (on or off),
 * "skip_pass" (a name; may be set several times). */
SLIPWAY_API slipway_status slipway_options_set(slipway_options* options, const char* key, const char* value) SLIPWAY_NOEXCEPT;

/* A model (ONNX) or an engine file, told apart by content. `options` may be null. */
SLIPWAY_API slipway_status slipway_engine_load(const char* path, const slipway_options* options,
                                               slipway_engine** engine) SLIPWAY_NOEXCEPT;
/* The same from memory. With `release` the bytes are used in place until release(user) is called, which happens once, whether the
 * load succeeds or not; without it they are copied. */
SLIPWAY_API slipway_status slipway_engine_load_memory(const void* data, size_t bytes, void (*release)(void* user), void* user,
                                                      const slipway_options* options, slipway_engine** engine) SLIPWAY_NOEXCEPT;
SLIPWAY_API slipway_status slipway_engine_save(const slipway_engine* engine, const char* path) SLIPWAY_NOEXCEPT;
/* Null is fine; sessions of the engine stay good. */
SLIPWAY_API void slipway_engine_destroy(slipway_engine* engine) SLIPWAY_NOEXCEPT;
SLIPWAY_API size_t slipway_engine_input_count(const slipway_engine* engine) SLIPWAY_NOEXCEPT;
SLIPWAY_API size_t slipway_engine_output_count(const slipway_engine* engine) SLIPWAY_NOEXCEPT;
/* Null when there is no such one. */
SLIPWAY_API const slipway_port* slipway_engine_input(const slipway_engine* engine, size_t index) SLIPWAY_NOEXCEPT;
SLIPWAY_API const slipway_port* slipway_engine_output(const slipway_engine* engine, size_t index) SLIPWAY_NOEXCEPT;
/* The position of a name, -1 when there is none. */
SLIPWAY_API ptrdiff_t slipway_engine_find_input(const slipway_engine* engine, const char* name) SLIPWAY_NOEXCEPT;
SLIPWAY_API ptrdiff_t slipway_engine_find_output(const slipway_engine* engine, const char* name) SLIPWAY_NOEXCEPT;
/* The model's own key-value pairs, sorted by key. */
SLIPWAY_API size_t slipway_engine_metadata_count(const slipway_engine* engine) SLIPWAY_NOEXCEPT;
SLIPWAY_API slipway_status slipway_engine_metadata_at(const slipway_engine* engine, size_t index, const char** key,
                                                      const char** value) SLIPWAY_NOEXCEPT;
/* The value of a key, null when there is none. */
SLIPWAY_API const char* slipway_engine_metadata(const slipway_engine* engine, const char* key) SLIPWAY_NOEXCEPT;

/* threads 0: as many as the engine was made for. */
SLIPWAY_API slipway_status slipway_session_create(const slipway_engine* engine, int32_t threads,
                                                  slipway_session** session) SLIPWAY_NOEXCEPT;
SLIPWAY_API void slipway_session_destroy(slipway_session* session) SLIPWAY_NOEXCEPT; /* null is fine */
/* Runs the model on `inputs`, in the engine's order, read in place (an input off its element's alignment is copied). An output
 * with data is written there: type and dims that equal what the model makes save a copy, any others only say how large the buffer
 * is. An output without data gets memory of the session, good until its next run or its end. On return each output tells its
 * type, dims and bytes; on failure they are unspecified. `options` may be null. */
SLIPWAY_API slipway_status slipway_session_run(slipway_session* session, const slipway_tensor* inputs, size_t input_count,
                                               slipway_tensor* outputs, size_t output_count,
                                               const slipway_run_options* options) SLIPWAY_NOEXCEPT;
/* Bytes of working memory after the latest run. */
SLIPWAY_API size_t slipway_session_arena_bytes(const slipway_session* session) SLIPWAY_NOEXCEPT;

/* Null when memory is short. */
SLIPWAY_API slipway_cancel* slipway_cancel_create(void) SLIPWAY_NOEXCEPT;
SLIPWAY_API void slipway_cancel_destroy(slipway_cancel* cancel) SLIPWAY_NOEXCEPT; /* null is fine; no run may use it any more */
SLIPWAY_API void slipway_cancel_request(slipway_cancel* cancel) SLIPWAY_NOEXCEPT;
SLIPWAY_API void slipway_cancel_reset(slipway_cancel* cancel) SLIPWAY_NOEXCEPT;

#ifdef __cplusplus
}
#endif
#endif
