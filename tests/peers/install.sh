#!/bin/sh
# Installs the real servers and user agents that tests/peers run against (Debian; root, or a user with sudo).
set -eu
cd "$(dirname "$0")"
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo

missing=
for package in kamailio kamailio-websocket-modules kamailio-tls-modules kamailio-outbound-modules jq; do
  dpkg -s "$package" >/dev/null 2>&1 || missing="$missing $package"
done
command -v node >/dev/null 2>&1 || missing="$missing nodejs"
command -v npm >/dev/null 2>&1 || missing="$missing npm"
if [ -n "$missing" ]; then
  $sudo apt-get update -qq
  # shellcheck disable=SC2086  # the names are a list on purpose
  DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing
fi
if [ ! -d node_modules/jssip ] || [ ! -d node_modules/sip.js ] || [ ! -d node_modules/ws ]; then
  npm install --no-package-lock --no-audit --no-fund --silent
fi
