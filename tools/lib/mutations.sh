# Planted faults: which gate catches each, and after how long.  Sourced by tools/campaign for --mutations.
#
# One build has all of them in it, and the environment chooses (platform/mutation.hpp).  `--mutations-each` builds each
# one by itself instead, as Meson's option `mutation` does it: slower, and the same places in the code.

mutation_names() {
  sed -n "/^option('mutation'/,/^)/p" "$root/meson_options.txt" | grep -o "'[a-z_]*'" | tr -d "'" |
    grep -vx -e mutation -e combo -e none -e from_environment -e choices
}

# Gates in the order in which they are tried: what is quick first.
mutation_gates=(tamper-bindings tamper-envelopes hostile-journals plaintext-residues tamper-rollbacks disk-nonces
  tamper-backups tamper-replays tamper-structured faults held-slots kill-then-cut crash-images nested-crashes model-operations seeds)

# build_mutation DIRECTORY NAME: the campaign's program with a fault planted.
build_mutation() {
  local directory=$1 name=$2 log=$build_root/$1-build.log
  if ! { configure "$directory" g++ -Dbuildtype=release -Ddefault_library=static "-Dmutation=$name" &&
    ninja -C "$build_root/$directory" -j "$jobs" tests/campaign/campaign; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    fail "the build failed; see $log"
  fi
}

# catch_mutation PROGRAM NAME SECONDS: runs the gates until one catches it, each for a moment first and then for as long as
# it may take; "GATE SECONDS FINDING", or fails.
catch_mutation() {
  local program=$1 name=$2 seconds=$3 round gate begin status finding
  local -a gates
  mapfile -t gates < <(printf '%s\n' "${mutation_gates[@]}" && "$program" --list | awk '{ print $1 }')
  mapfile -t gates < <(printf '%s\n' "${gates[@]}" | awk '!seen[$0]++')
  for round in 2 "$seconds"; do
    for gate in "${gates[@]}"; do
      begin=$(now)
      status=0
      COFFER_MUTATION=$name timeout "$((round * 4 + 10))" "$program" "$gate" --seconds "$round" --violations 1 \
        >"$build_root/mutation.log" 2>&1 </dev/null || status=$?
      [ "$status" -ne 0 ] || continue
      finding=$(tr '\r' '\n' <"$build_root/mutation.log" |
        grep -m 1 -oE '(VIOLATION in|[a-z-]+: case|coffer: broken|terminate called).*' || true)
      printf '%s\t%s\t%s\n' "$gate" "$(elapsed "$begin")" "${finding:-it ended with status $status}"
      return 0
    done
  done
  return 1
}

# run_mutations each|all SECONDS [NAME...]
run_mutations() {
  local how=$1 seconds=$2 name directory=mutations caught=0 missed=0 line
  shift 2
  local names=("$@")
  [ "${#names[@]}" -gt 0 ] || mapfile -t names < <(mutation_names)
  [ "$how" = each ] || build_mutation mutations from_environment
  # Without a fault every gate must pass, or catching means nothing.
  if [ "$how" = all ]; then
    if line=$(catch_mutation "$build_root/mutations/tests/campaign/campaign" none "$seconds"); then
      fail "without a planted fault a gate finds one: $line"
    fi
  fi
  printf '%-30s %-20s %9s  %s\n' 'planted fault' 'caught by' 'seconds' 'what it said'
  for name in "${names[@]}"; do
    if [ "$how" = each ]; then
      directory=mutation
      build_mutation mutation "$name"
    fi
    if line=$(catch_mutation "$build_root/$directory/tests/campaign/campaign" "$name" "$seconds"); then
      caught=$((caught + 1))
      IFS=$'\t' read -r gate took finding <<<"$line"
      printf '%-30s %-20s %9s  %s\n' "$name" "$gate" "$took" "${finding:0:160}"
    else
      missed=$((missed + 1))
      printf '%-30s %-20s\n' "$name" 'NOTHING'
    fi
  done
  printf '%s caught, %s not\n' "$caught" "$missed"
  [ "$missed" -eq 0 ]
}
