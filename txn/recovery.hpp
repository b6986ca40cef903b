// Recovery: from a superblock and a journal to the state that was acknowledged.
//
//   pass 1   verifies the chain to its end and holds every slot that its records name, so that nothing that
//            replay itself writes can land there
//   pass 2   replays whole transactions into the overlay
//
// Until both are through nothing is written over that the former state needs: pass 2 puts pages into free slots
// when its buffer is full, and no more.  What recovery then writes is a checkpoint with a fresh journal
// generation, so a crash inside it leaves either the former superblock with its whole journal or the new one.
// A read-only open stops before that.
#pragma once

#include "journal/journal.hpp"
#include "txn/core.hpp"

namespace coffer::txn {

struct Recovered {
  bool replayed = false;  ///< commits were found in the journal
  bool dropped = false;   ///< and behind them something that is not part of the history
  journal::JournalEnd end;
};

Recovered recover(Core& core);

}  // namespace coffer::txn
