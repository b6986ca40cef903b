// Everything that an embedder includes.
#pragma once

#include <coffer/backup.hpp>
#include <coffer/bytes.hpp>
#include <coffer/error.hpp>
#include <coffer/key.hpp>
#include <coffer/options.hpp>
#include <coffer/statistics.hpp>
#include <coffer/store.hpp>
#include <coffer/transaction.hpp>
#include <coffer/tree.hpp>
#include <coffer/value.hpp>
