#!/usr/bin/env bash
# Starts Manta on this machine with the document classifier, from a fresh clone: installs what is missing, builds, starts, deploys; Ctrl-C ends it all.
#
# Settings: MANTA_PORT (6380), MANTA_ADMIN_PORT (8265), MANTA_HTTP_PORT (8000), MANTA_DIRECTORY (durable files), MANTA_CPUS, MANTA_GPUS,
# MANTA_SERVE_CONFIG (config/serve.yaml), MANTA_SKIP_INSTALL=1 (install no packages).
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=deploy/install.sh
. deploy/install.sh

port=${MANTA_PORT:-6380}
admin_port=${MANTA_ADMIN_PORT:-8265}
http_port=${MANTA_HTTP_PORT:-8000}
configuration=${MANTA_SERVE_CONFIG:-config/serve.yaml}

need_swift
need_port "$port" MANTA_PORT
need_port "$admin_port" MANTA_ADMIN_PORT
need_port "$http_port" MANTA_HTTP_PORT
[ -n "${MANTA_SKIP_INSTALL:-}" ] || need_packages libzmq3-dev libmicrohttpd-dev libjansson-dev libsqlite3-dev pkg-config curl

echo "==> Building (release; the first build takes some minutes)"
for product in manta DocumentClassifier PostTitles; do
  swift build -c release --product "$product" || fail "the build of $product failed; the compiler's messages are above."
done
programs=$(swift build -c release --show-bin-path)
manta=$programs/manta

arguments=(--port "$port" --admin-port "$admin_port" --http-port "$http_port")
[ -z "${MANTA_DIRECTORY:-}" ] || arguments+=(--directory "$MANTA_DIRECTORY")
[ -z "${MANTA_CPUS:-}" ] || arguments+=(--cpus "$MANTA_CPUS")
[ -z "${MANTA_GPUS:-}" ] || arguments+=(--gpus "$MANTA_GPUS")

stop() {
  trap '' INT TERM
  trap - EXIT
  echo
  echo "==> Stopping"
  "$manta" stop --port "$port"
  exit "${1:-0}"
}
trap 'stop 0' INT TERM
trap 'stop $?' EXIT

echo "==> Starting head, node and proxy"
"$manta" start --head "${arguments[@]}"
export MANTA_ADDRESS=tcp://127.0.0.1:$port
"$manta" serve deploy "$configuration"

cat <<TEXT

Manta is running.
  cluster    $MANTA_ADDRESS
  dashboard  http://127.0.0.1:$admin_port
  HTTP       http://127.0.0.1:$http_port

Try it:
  curl -d 'Attention Is All You Need [cs.CL]' http://127.0.0.1:$http_port/classify
  curl http://127.0.0.1:$http_port/topics/compsci
  $programs/PostTitles --url http://127.0.0.1:$http_port
  $manta list actors

Ctrl-C stops everything.
TEXT

# Waiting for a child, and not in it, lets the traps run at once.
sleep infinity &
waiting=$!
trap 'kill "$waiting" 2>/dev/null; stop 0' INT TERM
wait "$waiting"
