# A room of src/ is one static library; its tests link only it and what it may call, so a call upwards fails to link.
#   add_room(NAME SOURCES a.cpp b.cpp DEPS io records fmt::fmt)     DEPS: room names or CMake targets
#   add_room_test(NAME LABEL fast SOURCES a_test.cpp DEPS records)  one executable per room: tests/NAME -> NAME_test
set(CIRCUITDIFF_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Wno-missing-field-initializers -Werror
    -Wno-restrict)  # g++ 12 warns falsely on "literal" + std::string (GCC bug 105651)

# Files of a room compiled together read its headers once: a third of the work where these are libtorch's. Names that are local to
# a file must then be no other file's.
option(CIRCUITDIFF_UNITY "compile the files of a room in batches" OFF)
set(CIRCUITDIFF_UNITY_BATCH 10 CACHE STRING "files in a batch")
set(CIRCUITDIFF_APART jinja kernels records)  # rooms that share such names still

function(room_targets OUT)
  set(targets)
  foreach(dep IN LISTS ARGN)
    if(dep MATCHES "::" OR TARGET ${dep})
      list(APPEND targets ${dep})
    else()
      list(APPEND targets room_${dep})
    endif()
  endforeach()
  set(${OUT} ${targets} PARENT_SCOPE)
endfunction()

function(own_code TARGET)
  # g++ 12 leaves empty cold halves of functions behind; lld 14 then drops the unwind entry of whatever shares their address,
  # and an exception thrown through it ends the program instead of being caught.
  target_compile_options(${TARGET} PRIVATE ${CIRCUITDIFF_WARNINGS} -fno-reorder-blocks-and-partition)
  string(REGEX REPLACE "^room_|_test$" "" room ${TARGET})
  if(CIRCUITDIFF_UNITY AND NOT room IN_LIST CIRCUITDIFF_APART)
    set_target_properties(${TARGET} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${CIRCUITDIFF_UNITY_BATCH})
  endif()
  if(CIRCUITDIFF_SANITIZE)
    target_compile_options(${TARGET} PUBLIC -fsanitize=address,undefined -fno-omit-frame-pointer)
    target_link_options(${TARGET} PUBLIC -fsanitize=address,undefined)
  endif()
endfunction()

function(add_room NAME)
  cmake_parse_arguments(ROOM "" "" "SOURCES;DEPS" ${ARGN})
  room_targets(deps ${ROOM_DEPS})
  add_library(room_${NAME} STATIC ${ROOM_SOURCES})
  target_include_directories(room_${NAME} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(room_${NAME} PUBLIC ${deps})
  own_code(room_${NAME})
endfunction()

# Threads that spin while they wait take the processor from the test that runs beside them: tests of small tensors take nine times
# as long.
set(CIRCUITDIFF_TEST_ENVIRONMENT OMP_WAIT_POLICY=passive)

function(add_room_test NAME)
  cmake_parse_arguments(TEST "" "LABEL;TIMEOUT" "SOURCES;DEPS" ${ARGN})
  room_targets(deps ${NAME} ${TEST_DEPS})
  add_executable(${NAME}_test ${TEST_SOURCES})
  target_include_directories(${NAME}_test PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_compile_definitions(${NAME}_test PRIVATE CIRCUITDIFF_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
  target_link_libraries(${NAME}_test PRIVATE ${deps} GTest::gmock GTest::gtest_main)
  own_code(${NAME}_test)
  target_compile_options(${NAME}_test PRIVATE -O0)  # what is tested is in the rooms; this halves the time to build the tests
  add_test(NAME ${NAME} COMMAND ${NAME}_test)
  if(NOT TEST_TIMEOUT)
    set(TEST_TIMEOUT 600)
  endif()
  set_tests_properties(${NAME} PROPERTIES LABELS "${TEST_LABEL}" TIMEOUT ${TEST_TIMEOUT} SKIP_RETURN_CODE 77
    ENVIRONMENT "${CIRCUITDIFF_TEST_ENVIRONMENT}")
endfunction()
