// Planted faults: what the engine would be if one of its rules had been forgotten.  A gate that is worth something
// catches such an engine (docs/testing.md, "Planted faults").
//
// Meson's option `mutation` names the fault of a build; `none` is what everybody uses, and then `planted` is false
// before anything is compiled.  With `from_environment` the variable COFFER_MUTATION names it when the program
// starts, so that one build serves to look at all of them.
#pragma once

#include <cstdint>

#include "platform/mutation_choice.hpp"

namespace coffer {

enum class Mutation : std::uint8_t {
  none,
  // What reaches the disk, and when.
  skip_directory_sync,          ///< a journal segment's name is not made durable
  skip_name_sync,               ///< nor is a new store's
  acknowledge_before_sync,      ///< a commit counts as durable without a sync
  ignore_failed_sync,           ///< ... or after one that failed
  retry_failed_sync,            ///< a journal whose sync failed is synced again, and then believed
  ignore_failed_page_sync,      ///< a failed sync of the page file is passed over
  skip_reference_sync,          ///< a record names a slot that was not synced
  skip_checkpoint_sync,         ///< a superblock names slots that were not synced
  skip_second_superblock_sync,  ///< copy B is not synced
  skip_settling,  ///< an opening takes a superblock as durable that may be in the system's memory only
  skip_hardening,  ///< ... and a journal
  recycle_early,   ///< journal segments are used again before the checkpoint is in force
  // Which slots may be written.
  reuse_slot_early,     ///< the former checkpoint's, while the next one is being made
  forget_journal_hold,  ///< those that a journal record names
  forget_version_hold,  ///< those that snapshots need
  forget_reader,        ///< rule V without the readers
  // What recovery and opening believe.
  replay_uncommitted_tail,  ///< fragments without a commit mark count
  drop_previous_tag,        ///< fragments are not chained
  ignore_generation,        ///< fragments of former openings count
  keep_generation,          ///< an opening that writes goes on under the former one's generation
  ignore_proof,             ///< a missing commit that was durable is taken for a torn tail
  skip_base_check,          ///< a delta is applied to whatever version is there
  take_older_superblock,    ///< of two copies
  accept_differing_copies,  ///< two superblocks with one number
  skip_anchor_history,      ///< only the anchor's commit number is looked at
  // Cryptography.
  accept_zeros,         ///< a unit of zeros opens as zeros
  leave_out_role,       ///< of the additional data
  leave_out_epoch,      ///< likewise
  leave_out_place,      ///< likewise: page number, position, ...
  skip_commitment,      ///< a key slot opens without having committed to the key
  skip_header_mac,      ///< the key header is not authenticated
  trust_suite_in_file,  ///< an unencrypted store opens though a key was given
  reuse_nonce,          ///< the counter of a run stands still
  // Plaintext in memory.
  forget_frame_wipe,  ///< a frame that becomes free keeps what it held
  keep_frame,         ///< a frame stays when the last transaction that used it ends
  forget_key_wipe,    ///< keys that only opening needs stay
  // Backups.
  skip_backup_end,    ///< a logical backup counts as whole without its end
  skip_parent_check,  ///< an increment follows whatever stands before it
};

#if COFFER_MUTATION_FROM_ENVIRONMENT
/// Ends the process when the variable names no mutation.
[[nodiscard]] bool planted(Mutation mutation) noexcept;
#else
[[nodiscard]] consteval bool planted(Mutation mutation) noexcept {
  return mutation == Mutation::COFFER_MUTATION;
}
#endif

}  // namespace coffer
