#!/bin/sh
# Runs a command in a container as `runc spec --rootless` describes it: env-runc.sh TREE REMAINROOT CMD...
#
# It leaves three capabilities (CAP_AUDIT_WRITE, CAP_KILL, CAP_NET_BIND_SERVICE) and sets no_new_privs. Changed is
# only what every user has to change: the root, which is made writable, the command, no terminal; and resolv.conf and
# REMAINROOT are mounted in.
set -eu
tree=$1 binary=$2
shift 2

bundle=$(mktemp -d "${HOME:?}/runc-XXXXXX")
trap 'rm -rf "$bundle"' EXIT
runc spec --rootless --bundle "$bundle"
python3 - "$bundle/config.json" "$tree" "$binary" "$@" <<'EOF'
import json, sys

path, tree, binary, *command = sys.argv[1:]
config = json.load(open(path))
config["root"] = {"path": tree, "readonly": False}
config["process"]["terminal"] = False
config["process"]["args"] = command
for source, target in (("/etc/resolv.conf",) * 2, (binary, "/usr/local/bin/remainroot")):
    config["mounts"].append({"destination": target, "type": "bind", "source": source, "options": ["bind", "ro"]})
json.dump(config, open(path, "w"))
EOF
runc --root "$bundle/state" run --bundle "$bundle" "remainroot-test-$$" < /dev/null
