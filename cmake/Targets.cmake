# How every target of the project is built: warnings, sanitizers, and one way to declare a folder.

add_library(pgfanout_flags INTERFACE)
target_compile_options(pgfanout_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor
  -Woverloaded-virtual -Wcast-align -Wformat=2 -Wimplicit-fallthrough)
# g++ 12 sees overlapping and overlong copies in std::string's moves and operator+ (GCC bug 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(pgfanout_flags INTERFACE -Wno-restrict -Wno-array-bounds
    -Wno-stringop-overflow -Wno-stringop-overread)
endif()
if(PGFANOUT_WERROR)
  target_compile_options(pgfanout_flags INTERFACE -Werror)
endif()
if(PGFANOUT_CRASH_POINTS)
  target_compile_definitions(pgfanout_flags INTERFACE PGFANOUT_CRASH_POINTS)
endif()
if(PGFANOUT_SANITIZE)
  # The tests' own sources, which can do without, have this property; see pgfanout_test_flags().
  set(if_sanitized $<NOT:$<BOOL:$<TARGET_PROPERTY:PGFANOUT_PLAIN>>>)
  set(sanitize_options -fsanitize=${PGFANOUT_SANITIZE} -fno-sanitize-recover=all)
  target_compile_options(pgfanout_flags INTERFACE
    "$<${if_sanitized}:${sanitize_options}>" -fno-omit-frame-pointer -g1)
  target_link_options(pgfanout_flags INTERFACE -fsanitize=${PGFANOUT_SANITIZE})
  target_compile_definitions(pgfanout_flags INTERFACE PGFANOUT_SANITIZED)
endif()

# Builds that start from nothing each time, and with costly flags, are quicker when a folder's files
# are compiled several at a time. Then names in unnamed namespaces must differ within a folder, and
# a local name may be that of another file's constant.
if(PGFANOUT_UNITY)
  target_compile_options(pgfanout_flags INTERFACE -Wno-shadow)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(pgfanout_flags INTERFACE -Wno-subobject-linkage)
  endif()
endif()
# In these folders short names of one file hide another's, or one file costs most of the time.
set(folders_without_unity cli harness bench_insert)
# The tests' own, and what only some of their programs link.
set(folders_of_tests harness bench_insert)

# The headers that most files spend their compile time on, parsed once: one set for the folders'
# libraries, one for the tests. Builds without them (preset clang) find a missing include.
function(pgfanout_headers name)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/${name}.cc CONTENT "// Holds precompiled headers.\n")
  add_library(${name} OBJECT ${CMAKE_BINARY_DIR}/${name}.cc)
  target_link_libraries(${name} PRIVATE pgfanout_flags tl::expected fmt::fmt)
  target_precompile_headers(${name} PRIVATE <algorithm> <array> <atomic> <charconv> <chrono>
    <functional> <map> <memory> <mutex> <optional> <string> <string_view> <thread> <variant>
    <vector> <fmt/format.h> <tl/expected.hpp> ${ARGN})
endfunction()
if(PGFANOUT_PCH)
  pgfanout_headers(pgfanout_common_headers)
endif()

# For a target of the tests' own sources, which are most of what there is to compile. Nothing depends
# on their speed. With -fsanitize=thread all must be instrumented, or there are false alarms.
function(pgfanout_test_flags target)
  if(NOT PGFANOUT_SANITIZE MATCHES "thread")
    set_target_properties(${target} PROPERTIES PGFANOUT_PLAIN ON)
    if(CMAKE_BUILD_TYPE STREQUAL "Debug")
      target_compile_options(${target} PRIVATE -O0)
    endif()
  endif()
endfunction()

# pgfanout_library(NAME FOLDER [LIBRARY...]): every source of the folder but main.cc.
function(pgfanout_library name folder)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.cc)
  list(FILTER sources EXCLUDE REGEX "/main\\.cc$")
  if(sources)
    add_library(pgfanout_${name} STATIC ${sources})
    target_link_libraries(pgfanout_${name} PUBLIC ${ARGN} PRIVATE pgfanout_flags)
    if(PGFANOUT_PCH)
      target_precompile_headers(pgfanout_${name} REUSE_FROM pgfanout_common_headers)
    endif()
    if(NOT name IN_LIST folders_of_tests)
      set_property(GLOBAL APPEND PROPERTY PGFANOUT_INSTRUMENTED pgfanout_${name})
    endif()
    if(PGFANOUT_UNITY AND NOT name IN_LIST folders_without_unity)
      set_target_properties(pgfanout_${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
    endif()
  else()
    add_library(pgfanout_${name} INTERFACE)
    target_link_libraries(pgfanout_${name} INTERFACE ${ARGN})
  endif()
endfunction()

# Flags and, where wanted, the allocator. Only executables know about mimalloc.
function(pgfanout_executable target)
  target_link_libraries(${target} PRIVATE pgfanout_flags)
  if(PGFANOUT_MIMALLOC AND NOT PGFANOUT_SANITIZE)
    target_link_libraries(${target} PRIVATE mimalloc)
    target_compile_definitions(${target} PRIVATE PGFANOUT_MIMALLOC)
  endif()
endfunction()
