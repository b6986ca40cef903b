// Which symbols the shared library shows.  Everything else is built with hidden visibility.
#pragma once

#if defined(_WIN32)
#if defined(COFFER_BUILDING_SHARED)
#define COFFER_API __declspec(dllexport)
#elif defined(COFFER_USING_SHARED)
#define COFFER_API __declspec(dllimport)
#else
#define COFFER_API
#endif
#else
#define COFFER_API __attribute__((visibility("default")))
#endif
