# How every target of the project is built: warnings, sanitizers, and one way to declare a folder.

add_library(pgfanout_flags INTERFACE)
target_compile_options(pgfanout_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor
  -Woverloaded-virtual -Wcast-align -Wformat=2 -Wimplicit-fallthrough)
# g++ 12 sees overlapping copies in std::string's operator+ at -O2 (GCC bug 105651).
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(pgfanout_flags INTERFACE -Wno-restrict)
endif()
if(PGFANOUT_WERROR)
  target_compile_options(pgfanout_flags INTERFACE -Werror)
endif()
if(PGFANOUT_SANITIZE)
  target_compile_options(pgfanout_flags INTERFACE
    -fsanitize=${PGFANOUT_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all -g1)
  target_link_options(pgfanout_flags INTERFACE -fsanitize=${PGFANOUT_SANITIZE})
endif()

# pgfanout_library(NAME FOLDER [LIBRARY...]): every source of the folder but main.cc.
function(pgfanout_library name folder)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.cc)
  list(FILTER sources EXCLUDE REGEX "/main\\.cc$")
  if(sources)
    add_library(pgfanout_${name} STATIC ${sources})
    target_link_libraries(pgfanout_${name} PUBLIC ${ARGN} PRIVATE pgfanout_flags)
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
  endif()
endfunction()
