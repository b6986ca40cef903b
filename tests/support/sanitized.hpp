// COFFER_TEST_SANITIZED is defined under the address and thread sanitizers, as either compiler has them.
// Their runtimes take mlock for themselves and do nothing, and handle the signals of faults.
#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define COFFER_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define COFFER_TEST_SANITIZED 1
#endif
#endif

namespace coffer::test {

#ifdef COFFER_TEST_SANITIZED
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace coffer::test
