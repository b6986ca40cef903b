// Which fault is planted, where the environment says so (mutation.hpp).  Nothing in any other build.
#include "platform/mutation.hpp"

#if COFFER_MUTATION_FROM_ENVIRONMENT
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace coffer {
namespace {

struct Named {
  Mutation mutation;
  std::string_view name;
};
constexpr std::array kNamed = {
    Named{Mutation::none, "none"},
    Named{Mutation::skip_directory_sync, "skip_directory_sync"},
    Named{Mutation::skip_name_sync, "skip_name_sync"},
    Named{Mutation::acknowledge_before_sync, "acknowledge_before_sync"},
    Named{Mutation::ignore_failed_sync, "ignore_failed_sync"},
    Named{Mutation::retry_failed_sync, "retry_failed_sync"},
    Named{Mutation::ignore_failed_page_sync, "ignore_failed_page_sync"},
    Named{Mutation::skip_reference_sync, "skip_reference_sync"},
    Named{Mutation::skip_checkpoint_sync, "skip_checkpoint_sync"},
    Named{Mutation::skip_second_superblock_sync, "skip_second_superblock_sync"},
    Named{Mutation::skip_settling, "skip_settling"},
    Named{Mutation::skip_hardening, "skip_hardening"},
    Named{Mutation::recycle_early, "recycle_early"},
    Named{Mutation::reuse_slot_early, "reuse_slot_early"},
    Named{Mutation::forget_journal_hold, "forget_journal_hold"},
    Named{Mutation::forget_version_hold, "forget_version_hold"},
    Named{Mutation::forget_reader, "forget_reader"},
    Named{Mutation::replay_uncommitted_tail, "replay_uncommitted_tail"},
    Named{Mutation::drop_previous_tag, "drop_previous_tag"},
    Named{Mutation::ignore_generation, "ignore_generation"},
    Named{Mutation::keep_generation, "keep_generation"},
    Named{Mutation::ignore_proof, "ignore_proof"},
    Named{Mutation::skip_base_check, "skip_base_check"},
    Named{Mutation::take_older_superblock, "take_older_superblock"},
    Named{Mutation::accept_differing_copies, "accept_differing_copies"},
    Named{Mutation::skip_anchor_history, "skip_anchor_history"},
    Named{Mutation::accept_zeros, "accept_zeros"},
    Named{Mutation::leave_out_role, "leave_out_role"},
    Named{Mutation::leave_out_epoch, "leave_out_epoch"},
    Named{Mutation::leave_out_place, "leave_out_place"},
    Named{Mutation::skip_commitment, "skip_commitment"},
    Named{Mutation::skip_header_mac, "skip_header_mac"},
    Named{Mutation::trust_suite_in_file, "trust_suite_in_file"},
    Named{Mutation::reuse_nonce, "reuse_nonce"},
    Named{Mutation::forget_frame_wipe, "forget_frame_wipe"},
    Named{Mutation::keep_frame, "keep_frame"},
    Named{Mutation::forget_key_wipe, "forget_key_wipe"},
    Named{Mutation::skip_backup_end, "skip_backup_end"},
    Named{Mutation::skip_parent_check, "skip_parent_check"}};

Mutation chosen() {
  const char* const wanted = std::getenv("COFFER_MUTATION");
  if (wanted == nullptr) return Mutation::none;
  for (const Named& named : kNamed) {
    if (named.name == wanted) return named.mutation;
  }
  std::fprintf(stderr, "COFFER_MUTATION: there is no mutation %s\n", wanted);
  std::abort();
}

}  // namespace

bool planted(Mutation mutation) noexcept {
  static const Mutation planted_now = chosen();
  return mutation == planted_now && mutation != Mutation::none;
}

}  // namespace coffer
#endif
