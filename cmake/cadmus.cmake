# SPDX-License-Identifier: Apache-2.0
# How every target of Cadmus is made: cadmus_library for a folder, cadmus_proto for its schemas,
# cadmus_test for the tests of a folder.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

find_program(CADMUS_CCACHE ccache)
if(CADMUS_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Without these ccache keeps nothing that uses a precompiled header.
  set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_SLOPPINESS=pch_defines,time_macros ${CADMUS_CCACHE})
endif()

find_package(Threads REQUIRED)
# Inside our binaries and unseen from outside: libsentencepiece.so exports another version of protobuf, and the two must
# not meet.
set(Protobuf_USE_STATIC_LIBS ON)
foreach(library Protobuf_LIBRARY Protobuf_LIBRARY_RELEASE Protobuf_LIBRARY_DEBUG)
  if("${${library}}" MATCHES "[.]so$")  # found by an earlier version of this file
    unset(${library} CACHE)
  endif()
endforeach()
find_package(Protobuf REQUIRED)

# The compile options that every target of ours shares.
add_library(cadmus_options INTERFACE)
target_include_directories(cadmus_options INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(cadmus_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:
  -Wall -Wextra -Wnon-virtual-dtor -Woverloaded-virtual -Werror
  # Argument structs are filled by name; what is left out keeps its default.
  -Wno-missing-field-initializers
  # One rounding per operation on every machine: results do not depend on what a compiler fuses.
  -ffp-contract=off>
  # Clang compiles for the sanitizers, and need not vectorise what GCC is asked to.
  $<$<COMPILE_LANG_AND_ID:CXX,Clang>:-Wno-unknown-pragmas -Wno-pass-failed>)
# A local name shadows none of another source, though the two compile together.
target_compile_options(cadmus_options INTERFACE
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<NOT:$<BOOL:$<TARGET_PROPERTY:UNITY_BUILD>>>>:-Wshadow>)
target_link_libraries(cadmus_options INTERFACE Threads::Threads)
target_link_options(cadmus_options INTERFACE LINKER:--exclude-libs,libprotobuf.a)

# Compiles several sources of a target as one, those of ALONE excepted: most of what a source costs is the headers that all
# include. Tests are always built so, the products only where CADMUS_TOGETHER says so: their optimised build shows that each
# stands alone.
function(cadmus_compile_together name)
  set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
  # A type of a source is not one of a header, though it is included here.
  target_compile_options(${name} PRIVATE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-subobject-linkage>)
  if(ARGN)
    set_source_files_properties(${ARGN} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  endif()
endfunction()

# What most sources include. Parsed once for all targets of the same options: cadmus_precompile(tests_precompiled
# LINK GTest::gmock HEADERS <gmock/gmock.h> OPTIONS -O1), which they take by REUSE_FROM.
set(CADMUS_COMMON_HEADERS <algorithm> <array> <chrono> <cmath> <filesystem> <fstream> <functional> <map> <memory> <mutex>
  <optional> <set> <span> <string> <string_view> <thread> <unordered_map> <utility> <vector>)
function(cadmus_precompile name)
  cmake_parse_arguments(ARG "" "" "LINK;HEADERS;OPTIONS" ${ARGN})
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/${name}.cc CONTENT "// Nothing but the headers.\n")
  add_library(${name} OBJECT ${CMAKE_BINARY_DIR}/${name}.cc)
  target_link_libraries(${name} PRIVATE cadmus_options cadmus_sanitize ${ARG_LINK})
  target_compile_options(${name} PRIVATE ${ARG_OPTIONS})
  target_precompile_headers(${name} PRIVATE ${CADMUS_COMMON_HEADERS} ${ARG_HEADERS})
endfunction()

# cadmus_library(kernels_base SOURCES a.cc b.cc LINK other_target PRIVATE_LINK vendor ALONE b.cc)
# One target per folder; LINK is the folder's include permission made visible to the linker. ALONE: cadmus_compile_together.
# SEPARATE: compile options of its own, and no two sources together.
function(cadmus_library name)
  cmake_parse_arguments(ARG "SEPARATE" "" "SOURCES;LINK;PRIVATE_LINK;ALONE" ${ARGN})
  if(ARG_SOURCES)
    add_library(${name} STATIC ${ARG_SOURCES})
    if(CADMUS_TOGETHER AND ARG_SEPARATE)
      target_precompile_headers(${name} PRIVATE ${CADMUS_COMMON_HEADERS})
    elseif(CADMUS_TOGETHER)
      cadmus_compile_together(${name} ${ARG_ALONE})
      target_precompile_headers(${name} REUSE_FROM products_precompiled)
    endif()
    target_link_libraries(${name} PUBLIC cadmus_options cadmus_sanitize ${ARG_LINK} PRIVATE ${ARG_PRIVATE_LINK})
  else()
    add_library(${name} INTERFACE)
    target_link_libraries(${name} INTERFACE cadmus_options cadmus_sanitize ${ARG_LINK})
  endif()
endfunction()

# cadmus_proto(runtime_optim_proto optimizer_config.proto LINK other_proto_target)
# Generated headers are included from the repository root: "runtime/optim/optimizer_config.pb.h".
function(cadmus_proto name)
  cmake_parse_arguments(ARG "" "" "LINK" ${ARGN})
  set(sources)
  foreach(proto ${ARG_UNPARSED_ARGUMENTS})
    file(RELATIVE_PATH dir ${CMAKE_SOURCE_DIR} ${CMAKE_CURRENT_SOURCE_DIR})
    get_filename_component(stem ${proto} NAME_WE)
    set(out ${CMAKE_BINARY_DIR}/proto/${dir}/${stem})
    file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/proto/${dir})
    add_custom_command(OUTPUT ${out}.pb.cc ${out}.pb.h
      COMMAND protobuf::protoc -I${CMAKE_SOURCE_DIR} --cpp_out=${CMAKE_BINARY_DIR}/proto
              ${CMAKE_CURRENT_SOURCE_DIR}/${proto}
      DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${proto} VERBATIM)
    list(APPEND sources ${out}.pb.cc ${out}.pb.h)
  endforeach()
  add_library(${name} STATIC ${sources})
  target_include_directories(${name} SYSTEM PUBLIC ${CMAKE_BINARY_DIR}/proto ${Protobuf_INCLUDE_DIRS})
  target_compile_features(${name} PUBLIC cxx_std_20)
  target_link_libraries(${name} PUBLIC protobuf::libprotobuf cadmus_sanitize ${ARG_LINK})
endfunction()

# Tests are compiled once and run once: what optimising them costs is more than what it brings.
set(CADMUS_TEST_OPTIONS $<IF:$<CONFIG:Sanitize>,-O0,-O1>)

# All tests that the label cpu names, for builds that run no others.
add_custom_target(cpu_tests)

# cadmus_test(kernels_base_test SOURCES philox_test.cc LINK kernels_base LABELS cpu ALONE philox_test.cc)
# One binary for the tests of one folder; every case is a test of ctest. Each case may take TIMEOUT seconds (120). Those of
# the highest COST (0) start first: a long one that started last would leave the other cores idle.
function(cadmus_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT;COST" "SOURCES;LINK;LABELS;ALONE" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  if(NOT ARG_COST)
    set(ARG_COST 0)
  endif()
  if(NOT ARG_LABELS)
    set(ARG_LABELS cpu)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE cadmus_options cadmus_sanitize ${ARG_LINK} GTest::gmock_main)
  target_compile_options(${name} PRIVATE ${CADMUS_TEST_OPTIONS})
  target_precompile_headers(${name} REUSE_FROM tests_precompiled)
  cadmus_compile_together(${name} ${ARG_ALONE})
  if("cpu" IN_LIST ARG_LABELS)
    add_dependencies(cpu_tests ${name})
  endif()
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST
    PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT} COST ${ARG_COST})
endfunction()

# cadmus_test_library(tests_layouts SOURCES … LINK …): what several tests share. As cadmus_library, but its sources need not
# stand alone.
function(cadmus_test_library name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK;PRIVATE_LINK;ALONE" ${ARGN})
  cadmus_library(${name} ${ARGN})
  cadmus_compile_together(${name} ${ARG_ALONE})
endfunction()

# cadmus_mpi_test(collectives_mpi_test RANKS 2 4 SOURCES … LINK …): a binary with its own main, run whole under mpirun
# with each number of ranks.
function(cadmus_mpi_test name)
  cmake_parse_arguments(ARG "" "TIMEOUT" "SOURCES;LINK;RANKS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 120)
  endif()
  add_executable(${name} ${ARG_SOURCES})
  target_link_libraries(${name} PRIVATE cadmus_options cadmus_sanitize ${ARG_LINK} GTest::gmock)
  target_compile_options(${name} PRIVATE ${CADMUS_TEST_OPTIONS})
  target_precompile_headers(${name} REUSE_FROM tests_precompiled)
  cadmus_compile_together(${name})
  foreach(ranks ${ARG_RANKS})
    add_test(NAME ${name}.${ranks}_ranks
      COMMAND ${CMAKE_SOURCE_DIR}/tests/support/mpirun.sh ${ranks} $<TARGET_FILE:${name}>)
    set_tests_properties(${name}.${ranks}_ranks PROPERTIES
      LABELS mpi TIMEOUT ${ARG_TIMEOUT} SKIP_RETURN_CODE 77 PROCESSORS 2)
  endforeach()
endfunction()
