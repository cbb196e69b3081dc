// The program: signals, then one session.
#include <string>
#include <vector>

#include "copier/cli/session.h"
#include "copier/cli/signals.h"
#include "copier/lifecycle/copy_job.h"
#include "copier/lifecycle/key_command.h"
#include "copier/lifecycle/verify_job.h"

int main(int argc, char** argv) {
  static pgfanout::Cancellation cancellation;
  pgfanout::handle_signals(cancellation);
  const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  return pgfanout::run_session(words, {pgfanout::run_copy, pgfanout::run_verify, pgfanout::run_key},
                               {}, cancellation);
}
