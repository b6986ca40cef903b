// The out-of-line destructors of what Coffer throws: they pin each class's type information to this
// one object file, so that an exception crosses a shared library's boundary and is still caught.
#include <coffer/error.hpp>

namespace coffer {

Error::~Error() = default;
WrongKey::~WrongKey() = default;
Tampered::~Tampered() = default;
Corrupted::~Corrupted() = default;
MemoryLockError::~MemoryLockError() = default;
IoError::~IoError() = default;
NoSpace::~NoSpace() = default;
Busy::~Busy() = default;
VersionUnsupported::~VersionUnsupported() = default;
InvalidArgument::~InvalidArgument() = default;
Poisoned::~Poisoned() = default;
Conflict::~Conflict() = default;
Cancelled::~Cancelled() = default;

}  // namespace coffer
