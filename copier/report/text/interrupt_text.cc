#include "copier/report/text/interrupt_text.h"

namespace pgfanout {
namespace {

std::string copy_text(CommitMode mode) {
  switch (mode) {
    case CommitMode::by_leaf:
      return "stops at once; the same command copies what is not committed anew";
    case CommitMode::by_epoch:
      return "finishes the epoch, then stops; the same command goes on behind it";
    case CommitMode::unknown:
      break;
  }
  return "finishes an epoch and goes on later; by leaf, the copy begins anew";
}

}  // namespace

std::string interrupt_text(std::string_view command, std::string_view stage, CommitMode mode) {
  const std::string_view last = stage.substr(stage.rfind('/') + 1);
  if (command == "run" && last == stage && last == "preflight") {
    return "stops at once; nothing was changed";
  }
  if (command == "rollback" || command == "cleanup") {
    return "stops; the same command goes on with the rest";
  }
  if (last == "swap") return "before its commit no name has changed; the same command tries again";
  if (last == "repair") return "stops at once; what is repaired stays, verify again";
  if (command == "verify") return "stops at once; nothing was changed";
  if (last == "copy") return copy_text(mode);
  if (last == "read-back") {
    return "stops at once; the rows stay, the same command reads them back";
  }
  if (last == "index" || last == "constraints") {
    return "stops at once; steps done stay done, the same command does the rest";
  }
  return "stops; the same command goes on with this stage";
}

}  // namespace pgfanout
