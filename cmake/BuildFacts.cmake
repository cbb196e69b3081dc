# The facts that `pgfanout --version` names: how the program was built, and with which libraries.
pkg_check_modules(prometheus_core REQUIRED prometheus-cpp-core)
file(STRINGS ${tomlplusplus_include}/toml++/impl/version.h toml_lines
  REGEX "^#define TOML_LIB_(MAJOR|MINOR|PATCH) ")
string(REGEX REPLACE "[^0-9;]" "" toml_version "${toml_lines}")
string(REPLACE ";" "." toml_version "${toml_version}")
if(PGFANOUT_MIMALLOC AND NOT PGFANOUT_SANITIZE)
  set(mimalloc_text ${mimalloc_VERSION})
else()
  set(mimalloc_text none)
endif()
string(TOUPPER "${CMAKE_BUILD_TYPE}" upper_type)
string(STRIP "${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${upper_type}}" build_flags)
string(STRIP "${CMAKE_BUILD_TYPE} (${build_flags})" build_text)
if(PGFANOUT_SANITIZE)
  set(sanitizers_text ${PGFANOUT_SANITIZE})
else()
  set(sanitizers_text none)
endif()
set_source_files_properties(copier/report/text/tool_version.cc PROPERTIES COMPILE_DEFINITIONS
  "PGFANOUT_BUILD=\"${build_text}\";PGFANOUT_SANITIZERS=\"${sanitizers_text}\";\
PGFANOUT_LIBPQ=\"${libpq_VERSION}\";PGFANOUT_TBB=\"${TBB_VERSION}\";\
PGFANOUT_XXHASH=\"${xxhash_VERSION}\";PGFANOUT_MIMALLOC_TEXT=\"${mimalloc_text}\";\
PGFANOUT_FMT=\"${fmt_VERSION}\";PGFANOUT_JSON=\"${nlohmann_json_VERSION}\";\
PGFANOUT_TOML=\"${toml_version}\";\
PGFANOUT_PROMETHEUS=\"${prometheus_core_VERSION}\"")
add_custom_target(pgfanout_git_commit
  COMMAND ${CMAKE_COMMAND} -DSOURCE=${CMAKE_SOURCE_DIR} -DOUTPUT=${CMAKE_BINARY_DIR}/git_commit.cc
    -P ${CMAKE_SOURCE_DIR}/cmake/GitCommit.cmake
  BYPRODUCTS ${CMAKE_BINARY_DIR}/git_commit.cc)
