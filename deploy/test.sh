#!/usr/bin/env bash
# Runs all tests from a fresh clone: installs what they need, builds in debug mode, runs every test target; those of Tests/ProcessTests drive the built
# programs from outside.
#
# Arguments go to `swift test`, for example --filter ProcessTests. Settings: MANTA_SKIP_INSTALL=1 (install no packages), MANTA_RINGS=0 (all messages go
# through ZeroMQ, also those within the machine).
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=deploy/install.sh
. deploy/install.sh

need_swift
packages=(libzmq3-dev libmicrohttpd-dev libjansson-dev libsqlite3-dev pkg-config curl)
[ ! -d Tests/BrowserTests ] || packages+=(chromium)
[ -n "${MANTA_SKIP_INSTALL:-}" ] || need_packages "${packages[@]}"

for script in deploy/*.sh .ci/run; do
  bash -n "$script" || fail "$script is not valid bash."
done

# An address of the caller's cluster must not reach the tests.
unset MANTA_ADDRESS MANTA_ROLE MANTA_DIRECTORY MANTA_RUNTIME_DIRECTORY MANTA_HTTP_PORT MANTA_ADMIN_PORT

echo "==> Building (debug; the first build takes some minutes)"
swift build --build-tests || fail "the build failed; the compiler's messages are above."
echo "==> Testing"
if [ $# -gt 0 ]; then
  swift test --skip-build "$@" || fail "tests failed; they are named above."
  exit 0
fi
# A process has one session, and tests with deadlines or real processes want the machine for themselves: each such target runs in a process of its own.
alone=(SimulationTests MantaHTTPTests MantaAdminTests MantaHeadTests IntegrationTests ObjectTests SchedulingTests MantaServeTests BrowserTests ProcessTests ChaosTests)
skipped=()
for target in "${alone[@]}"; do skipped+=(--skip "^$target\\."); done
log=$(mktemp)
trap 'rm -f "$log"' EXIT
failed=()
# Runs the tests that the arguments after the name choose; what failed is kept, to be told together at the end.
run_tests() {
  local name=$1
  shift
  echo "==> Testing: $name"
  if ! swift test --skip-build "$@" 2>&1 | tee "$log"; then
    failed+=("$name")
    failures+=$'\n'"$name:"$'\n'"$(grep -aE 'recorded an issue|failed after|Fatal error|Program crashed|error:' "$log" | head -n 40)"
  fi
}
failures=""
run_tests "the unit tests" "${skipped[@]}"
for target in "${alone[@]}"; do run_tests "$target" --filter "^$target\\."; done
if [ ${#failed[@]} -gt 0 ]; then
  echo "==> What failed:$failures"
  fail "tests failed in: ${failed[*]}."
fi
