#include "copier/plan/preflight.h"
namespace pgfanout {
Result<CarryPlan> make_carry_plan(const CarryRequest&, Connection&, Connection&) { return CarryPlan(); }
Result<Preflight> check_before_window(const JobDescription&, const CopyPlan&, const CarryPlan&, Connection&, Connection&, const Cancellation&) { return Preflight(); }
}
