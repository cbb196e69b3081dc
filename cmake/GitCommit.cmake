# Writes the commit of the tree at SOURCE into OUTPUT, a C++ source; only if it differs, so that
# nothing is compiled in vain. Run at every build. Outside a git tree the commit is empty.
set(commit "")
find_program(git git)
if(git)
  execute_process(COMMAND ${git} describe --always --abbrev=12 --dirty "--exclude=*"
    WORKING_DIRECTORY ${SOURCE} OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE
    ERROR_QUIET RESULT_VARIABLE failure)
  if(failure OR NOT commit MATCHES "^[0-9a-f]+(-dirty)?$")
    set(commit "")
  endif()
endif()
file(CONFIGURE OUTPUT ${OUTPUT} @ONLY CONTENT [[
#include "copier/cli/process.h"

const char* const pgfanout::git_commit = "@commit@";
]])
