// From logical pages to sealed slots: the page file, the page table, the free map, the superblock.
//
// The page file is an array of slots of `page_bytes`.  A slot in use holds [nonce
// 24][ciphertext][filler]; everything needed to open it (tag, sealed length, epoch) stands in the
// *reference* to it.  The page table maps a logical page to such a reference; its nodes, like those
// of the free map, are sealed in slots of their own, and their references form a tree whose root
// stands in the superblock.  So every byte that is believed has been verified against a tag that
// was itself verified, up to the superblock.
//
// Invariants
//   G1  A slot is written only while nothing refers to it (SlotLedger::reusable is the one predicate).
//   G2  A reference is published (table, journal) only after the slot it names was synced.
//   G3  The free map of checkpoint N marks exactly the slots that checkpoint N's page table, table
//       nodes, free-map nodes and value chunks occupy.
//   G4  Copy A of the superblock is written and synced, then copy B, and only then may anything that
//       only the former checkpoint needed be used again.
//   G5  Nothing read is used before its tag verified; then it is still checked for sense.
//
// A checkpoint, in the order that keeps G1 to G4 (the transaction layer's):
//
//   Metadata::prepare -> PageFile::sync -> write_superblock 0, sync -> write_superblock 1, sync
//     -> Metadata::install -> SlotLedger::install_checkpoint
//
// and on failure before copy 0 was written Metadata::abandon; after it nobody knows which
// checkpoint a reopening would find, so that nothing may be released.
#pragma once

#include "pager/metadata.hpp"
#include "pager/page_file.hpp"
#include "pager/slot.hpp"
#include "pager/slot_ledger.hpp"
#include "pager/superblock.hpp"
