include("${CMAKE_CURRENT_LIST_DIR}/slipwayTargets.cmake")
