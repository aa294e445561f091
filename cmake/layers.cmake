# One static library per layer, from every .cpp under its folder; a layer links only what it may include
# (tools/check_layers.py reads the includes and holds the same table).
function(slipway_layer name)
  cmake_parse_arguments(LAYER "" "DIR" "DEPS;LIBS;EXCLUDE" ${ARGN})
  if(NOT LAYER_DIR)
    set(LAYER_DIR ${name})
  endif()
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${LAYER_DIR}/*.cpp)
  if(NOT sources)
    return()
  endif()
  add_library(slipway_${name} STATIC ${sources})
  target_include_directories(slipway_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)
  foreach(dep ${LAYER_DEPS})
    if(TARGET slipway_${dep})
      target_link_libraries(slipway_${name} PUBLIC slipway_${dep})
    endif()
  endforeach()
  target_link_libraries(slipway_${name} PUBLIC ${LAYER_LIBS})
endfunction()

# Writes a table of functions found by file name: every FILES entry STEM.cpp must define `KIND NAMESPACE::STEM();`.
# Adding a file is all it takes to add a row.
function(slipway_table target)
  cmake_parse_arguments(TABLE "" "OUTPUT;NAMESPACE;KIND;HEADER;FUNCTION" "FILES" ${ARGN})
  set(declarations "")
  set(rows "")
  foreach(file ${TABLE_FILES})
    get_filename_component(stem ${file} NAME_WE)
    string(APPEND declarations "${TABLE_KIND} ${stem}();\n")
    string(APPEND rows "    ${stem},\n")
  endforeach()
  set(text "// Generated from file names; do not edit.\n#include \"${TABLE_HEADER}\"\n\nnamespace ${TABLE_NAMESPACE} {\n${declarations}
std::span<${TABLE_KIND} (*const)()> ${TABLE_FUNCTION}() {
  static constexpr ${TABLE_KIND} (*kRows[])() = {\n${rows}  };\n  return kRows;\n}\n}  // namespace ${TABLE_NAMESPACE}\n")
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/generated/${TABLE_OUTPUT} CONTENT "${text}" @ONLY)
  target_sources(${target} PRIVATE ${CMAKE_BINARY_DIR}/generated/${TABLE_OUTPUT})
endfunction()
