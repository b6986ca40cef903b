// Recovery's entry (invariants C1 to C4 in scan.hpp, the decision in recovery.hpp).
#include "journal/scan.hpp"

namespace coffer::journal {

ScanResult scan_journal(const JournalFiles& files, const crypto::Sealer& sealer,
                        const JournalStart& start, std::span<std::byte> body_buffer,
                        RecordVisitor& visitor, const JournalEnd* until) {
  Scan<TheRules> scan(files, sealer, start, body_buffer, visitor);
  return until == nullptr ? scan.to_the_end() : scan.until(*until);
}

}  // namespace coffer::journal
