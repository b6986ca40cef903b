// Backups of each kind: label, records, compressed chunks, manifest, tables of slots and ends altered, and sealed again
// under the backup's own key; alone and as the last link of a chain.
#include <algorithm>

#include "backup/backup_key.hpp"
#include "backup/chunked_file.hpp"
#include "backup/logical_chain.hpp"
#include "backup/snapshot_format.hpp"
#include "backup/snapshot_restore.hpp"
#include "crypto/chunk_stream.hpp"
#include "crypto/seal_format.hpp"
#include "tests/campaign/tamper/backups.hpp"
#include "tests/fuzz/forge.hpp"

namespace coffer::fuzz {
namespace {

namespace format = backup::format;
using campaign::tamper::BackedUp;
using campaign::tamper::Chain;

/// A sealed message of a stream, with what is beside it.
struct Message {
  Bytestring in_front;  ///< a length, of a compressed chunk
  Bytestring beside;
  Bytestring plain;
};

/// A genuine backup, taken apart.
struct Parts {
  Chain chain;
  Bytestring header;
  std::vector<Message> messages;
};

struct World {
  World() {
    for (const Chain& chain : backed_up.chains()) genuine.push_back(take_apart(chain));
  }

  backup::BackupHeader open(Bytestring header) {
    return backup::open_header(*machine, std::move(header), &key, heap, platform::LockPolicy::abort,
                               "backup");
  }

  Parts take_apart(const Chain& chain) {
    const Bytestring file = machine->contents(chain.last());
    Parts parts{chain, Bytestring(file.begin(), file.begin() + format::kHeaderBytes), {}};
    const backup::BackupHeader header = open(parts.header);
    crypto::StreamHeader stream;
    std::copy_n(&parts.header[format::kStreamHeaderAt], stream.size(), stream.begin());
    crypto::ChunkOpener opener(header.suite, header.key_bytes(), stream, backup::context_of(header),
                               heap);
    std::size_t at = format::kHeaderBytes;
    const auto message = [&](std::size_t in_front, std::size_t beside, std::size_t plain) {
      Message m;
      const auto take = [&](Bytestring& into, std::size_t bytes) {
        into.assign(&file[at], &file[at] + bytes);
        at += bytes;
      };
      take(m.in_front, in_front);
      take(m.beside, beside);
      Bytestring sealed;
      take(sealed, format::sealed(plain));
      m.plain.resize(plain);
      if (opener.open(m.plain, sealed, m.beside) == crypto::ChunkOpener::Outcome::forged)
        std::abort();
      parts.messages.push_back(std::move(m));
    };
    if (backup::is_snapshot(header.label.kind)) {
      const std::size_t behind =
          format::sealed(format::group_table_bytes(4096)) + format::sealed(format::kEndRecordBytes);
      message(0, 0, format::kManifestBytes);
      message(0, file.size() - at - behind, format::group_table_bytes(4096));
      message(0, 0, format::kEndRecordBytes);
    } else {
      const std::size_t in_front = header.label.compressed ? format::kChunkLengthBytes : 0;
      message(in_front, 0, file.size() - at - in_front - crypto::kChunkOverheadBytes);
    }
    return parts;
  }

  /// The file that these parts make.
  Bytestring put_together(const Parts& parts) {
    backup::BackupHeader header = open(parts.header);
    crypto::ChunkSealer sealer(header.suite, header.key_bytes(), heap);
    std::ranges::copy(sealer.header(), &header.bytes[format::kStreamHeaderAt]);
    sealer.bind(backup::context_of(header));
    Bytestring file = header.bytes;
    for (std::size_t i = 0; i < parts.messages.size(); ++i) {
      const Message& m = parts.messages[i];
      Bytestring sealed(format::sealed(m.plain.size()));
      sealer.seal(sealed, m.plain, i + 1 == parts.messages.size(), m.beside);
      Bytestring in_front(m.in_front.size());
      if (!in_front.empty()) {
        crypto::seal_format::put_little_endian(in_front.data(),
                                               static_cast<std::uint32_t>(sealed.size()));
      }
      for (const Bytestring* piece :
           std::initializer_list<const Bytestring*>{&in_front, &m.beside, &sealed})
        file.insert(file.end(), piece->begin(), piece->end());
    }
    return file;
  }

  std::unique_ptr<platform::SimulatedPlatform> machine = platform::SimulatedPlatform::make(3);
  Key key = campaign::tamper::key_of(9);
  BackedUp backed_up{*machine, key, 3, "/backups"};
  platform::LockedHeap heap{machine->memory(), 1 << 20, platform::LockPolicy::abort, "fuzzing"};
  std::vector<Parts> genuine;
};

void restore(World& world, const Parts& parts, bool into_a_store) {
  const bool snapshots = parts.chain.kind == "snapshot" || parts.chain.kind == "increment";
  auto& machine = *world.machine;
  answered([&] {
    if (snapshots) {
      static_cast<void>(backup::verify_snapshots(machine, parts.chain.files, &world.key, {}));
    } else {
      campaign::tamper::Verifier verifier(machine, world.key);
      if (verifier.said_of(parts.chain.files) == "other") std::abort();
    }
  });
  if (!into_a_store || !snapshots) return;
  RestoreOptions options;
  options.store = campaign::tamper::small_options();
  const bool done = answered([&] {
    static_cast<void>(
        backup::restore_snapshots(machine, parts.chain.files, &world.key, "/restored", options));
  });
  // It appears whole or not at all.
  if (machine.files().exists("/restored") != done) std::abort();
  if (!done) return;
  for (const std::string& name : machine.files().list("/restored"))
    machine.files().remove(platform::Path("/restored") / name);
  machine.files().remove_directory("/restored");
}

}  // namespace
}  // namespace coffer::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace coffer;
  using namespace coffer::fuzz;
  static World world;
  FuzzedDataProvider input(data, size);
  Parts parts = world.genuine[input.ConsumeIntegral<std::uint8_t>() % world.genuine.size()];
  const auto how = input.ConsumeIntegral<std::uint8_t>();
  // The label: what stands in front of the salt, and the ids.
  if (how % 8 == 0) alter(std::span(parts.header).first(32), input, 2);
  if (how % 8 == 1) alter(std::span(parts.header).subspan(format::kIdAt, 48), input, 2);
  Message& message = parts.messages[input.ConsumeIntegral<std::uint8_t>() % parts.messages.size()];
  if (how % 16 > 7) {
    // All of it as the input has it, or cut.
    if ((how & 32) != 0)
      message.plain.resize(input.ConsumeIntegralInRange<std::size_t>(1, message.plain.size()));
    alter(message.plain, input);
  } else if (parts.messages.size() == 1) {
    const std::size_t at = input.ConsumeIntegralInRange<std::size_t>(0, message.plain.size());
    message.plain.resize(at);
    const Bytestring rest = input.ConsumeRemainingBytes<std::byte>();
    message.plain.insert(message.plain.end(), rest.begin(), rest.end());
    if (message.plain.empty()) message.plain.push_back(std::byte{0});
    if (message.plain.size() > format::kChunkBytes) message.plain.resize(format::kChunkBytes);
  } else {
    alter(message.plain, input);
  }
  Bytestring file;
  if (!answered([&] { file = world.put_together(parts); })) return 0;
  const Bytestring before = world.machine->contents(parts.chain.last());
  world.machine->set_contents(parts.chain.last(), file);
  restore(world, parts, (how & 64) != 0);
  world.machine->set_contents(parts.chain.last(), before);
  return 0;
}
