/* The C API: load a model, run it into a buffer of ours, see what an error looks like.
 *   example_c_api examples/linear.onnx */
#include <slipway/slipway.h>
#include <stdio.h>

static int failed(const char* what) {
  fprintf(stderr, "%s: %s\n", what, slipway_last_error());
  return 1;
}

int main(int argc, char** argv) {
  slipway_engine* engine = NULL;
  slipway_session* session = NULL;
  float x[2][4] = {{1, 2, 3, 4}, {-1, 0, 1, 0}};
  float y[2][3];
  slipway_tensor input = {x, sizeof x, SLIPWAY_F32, 2, {2, 4}};
  slipway_tensor output = {y, sizeof y, SLIPWAY_F32, 2, {2, 3}};
  if (argc != 2) {
    fprintf(stderr, "usage: %s MODEL\n", argv[0]);
    return 2;
  }
  printf("slipway %s on %s\n", slipway_version(), slipway_cpu_isa());
  if (slipway_engine_load(argv[1], NULL, &engine) != SLIPWAY_OK) return failed("load");
  for (size_t i = 0; i < slipway_engine_input_count(engine); ++i) {
    const slipway_port* port = slipway_engine_input(engine, i);
    printf("input %s: %s\n", port->name, port->text);
  }
  if (slipway_session_create(engine, 1, &session) != SLIPWAY_OK) return failed("session");
  if (slipway_session_run(session, &input, 1, &output, 1, NULL) != SLIPWAY_OK) return failed("run");
  for (int row = 0; row < 2; ++row) printf("y[%d] = %g %g %g\n", row, y[row][0], y[row][1], y[row][2]);

  input.dims[1] = 3;
  const slipway_status status = slipway_session_run(session, &input, 1, &output, 1, NULL);
  printf("a wrong shape: %s: %s\n", slipway_status_name(status), slipway_last_error());
  slipway_session_destroy(session);
  slipway_engine_destroy(engine);
  return status == SLIPWAY_INVALID_ARGUMENT ? 0 : 1;
}
