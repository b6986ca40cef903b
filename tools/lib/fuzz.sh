# Fuzzing: each target for a share of the time.  Sourced by tools/campaign for --fuzz.

# Those in memory first: they are fast.
fuzz_targets=(records nodes fragments trees formats key_header superblock pages journal backups api)

# build_fuzz TARGET...: with clang++ and the sanitizers.
build_fuzz() {
  local log=$build_root/fuzz-build.log
  if ! { configure fuzz clang++ -Dbuildtype=debugoptimized -Dfuzz=true -Db_sanitize=address,undefined \
    -Db_lundef=false -Ddefault_library=static -Dunity=on -Dunity_size=1000 &&
    ninja -C "$build_root/fuzz" -j "$jobs" "${@/#/tests/fuzz/fuzz_}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    fail "the build failed; see $log"
  fi
}

# run_fuzz_merge [TARGET...]: adds to each corpus in the tree what runs on this machine have found and it lacks, as few and
# small inputs as reach the same edges.
run_fuzz_merge() {
  local target targets=("$@")
  [ "${#targets[@]}" -gt 0 ] || targets=("${fuzz_targets[@]}")
  build_fuzz "${targets[@]}"
  for target in "${targets[@]}"; do
    mkdir -p "$build_root/fuzz-corpus/$target" "$root/tests/fuzz/corpus/$target"
    "$build_root/fuzz/tests/fuzz/fuzz_$target" -set_cover_merge=1 -use_counters=0 -max_len=600 \
      "$root/tests/fuzz/corpus/$target" "$build_root/fuzz-corpus/$target" >"$build_root/fuzz-merge-$target.log" 2>&1 </dev/null ||
      fail "the merge failed; see $build_root/fuzz-merge-$target.log"
    tail -n 1 "$build_root/fuzz-merge-$target.log"
  done
}

# run_fuzz SECONDS [TARGET...]: builds the targets with clang++ and the sanitizers, and runs each; what it finds is left in
# $build_root/fuzz-findings.  A table of executions and coverage at the end.
run_fuzz() {
  local seconds=$1 target log status failed=0 total=0 executions
  shift
  local targets=("$@")
  [ "${#targets[@]}" -gt 0 ] || targets=("${fuzz_targets[@]}")
  build_fuzz "${targets[@]}"
  mkdir -p "$build_root/fuzz-findings"
  printf '%-12s %14s %9s %10s %9s  %s\n' target executions 'a second' edges features findings
  for target in "${targets[@]}"; do
    # What is new is kept in a corpus of this machine's own; the one in the tree is where it begins.
    mkdir -p "$build_root/fuzz-corpus/$target"
    log=$build_root/fuzz-$target.log
    status=0
    UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
      "$build_root/fuzz/tests/fuzz/fuzz_$target" "$build_root/fuzz-corpus/$target" "$root/tests/fuzz/corpus/$target" \
      -max_total_time="$((seconds / ${#targets[@]}))" -timeout=10 -rss_limit_mb=3000 -print_final_stats=1 \
      -artifact_prefix="$build_root/fuzz-findings/$target-" >"$log" 2>&1 </dev/null || status=$?
    executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    total=$((total + ${executions:-0}))
    printf '%-12s %14s %9s %10s %9s  %s\n' "$target" "${executions:-0}" \
      "$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")" \
      "$(grep -oE 'cov: [0-9]+' "$log" | tail -n 1 | cut -c6-)" "$(grep -oE 'ft: [0-9]+' "$log" | tail -n 1 | cut -c5-)" \
      "$([ "$status" -eq 0 ] && printf none || printf 'see %s' "$log")"
    [ "$status" -eq 0 ] || failed=1
  done
  printf '%s executions\n' "$total"
  return "$failed"
}
