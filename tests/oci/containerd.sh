#!/bin/sh
# A containerd of its own that runs an image with remainroot: containerd.sh LAB IMAGE ID
#
# By root, in mount and pid namespaces that end with it. What is printed is for the test to look at.
set -eu
lab=$1 image=$2 id=$3
dir=$lab/containerd

mkdir "$dir" "$dir/bin"
# Not in sight: cgroups of the newer kind beside older ones, and the sockets of a daemon that is not ours.
if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi
mount -t tmpfs tmpfs /run
cat > "$dir/config.toml" <<EOT
version = 2
root = "$dir/root"
state = "$dir/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "$dir/grpc"
[ttrpc]
address = "$dir/ttrpc"
[plugins."io.containerd.internal.v1.opt"]
path = "$dir/opt"
EOT
ln -s "$lab/remainroot" "$dir/remainroot-runc"
# ctr 1.6 forgets --runc-binary where there is --uidmap, and containerd's shim then calls runc.
cat > "$dir/bin/runc" <<EOT
#!/bin/sh
exec "$lab/remainroot" oci runtime --runtime-path "$(command -v runc)" "\$@"
EOT
chmod +x "$dir/bin/runc"
PATH=$dir/bin:$PATH containerd --config "$dir/config.toml" > "$dir/log" 2>&1 &
trap 'status=$?; [ $status = 0 ] || cat "$dir/log" >&2; kill $!; wait' EXIT
ctr() {
    command ctr --address "$dir/grpc" "$@"
}
tries=600
until ctr version > /dev/null 2>&1; do
    tries=$((tries - 1))
    [ $tries -gt 0 ]
    sleep 0.1
done

umoci config --image "$image:latest" --config.user 33:33
tar -C "$image" -c . | ctr images import --snapshotter native --base-name example.org/test - >&2
name=example.org/test:latest
ctr images check "name==$name" >&2
run() {
    ctr run --snapshotter native --cgroup "" "$@"
}
# Real root's containers have all ids, and are left alone.
run --rm --runc-binary "$dir/remainroot-runc" $name c1 sh -c 'echo "all ids: $(id)"; grep -q "TracerPid:.*\<0$" /proc/self/status'
# As in a pod without privileges: some user, no_new_privs, the default profile, which forbids namespaces and all of
# ptrace's kin but ptrace(2).
pod='echo "pod: $(id)"; touch /dev/shm/f; chown 4:5 /dev/shm/f; stat -c %u:%g /dev/shm/f'
run --rm --seccomp --mount "type=bind,src=$lab/remainroot,dst=/run/remainroot,options=rbind:ro" $name c4 \
    /run/remainroot --store memory --userns none -- sh -c "$pod"
one="--uidmap 0:$id:1 --gidmap 0:$id:1"
# shellcheck disable=SC2086 # words of their own
run --rm $one --seccomp $name c2 sh -c 'echo "one id: $(id)"; touch /tmp/f; stat -c %u:%g /tmp/f'
# shellcheck disable=SC2086
run --detach $one $name c3 sh -c 'while :; do sleep 0.1; done'
ctr task exec --exec-id e1 --user 0:4 c3 sh -c 'echo "exec: $(id)"; touch /tmp/g; chown 33:4 /tmp/g'
ctr task exec --exec-id e2 --user 33:4 c3 sh -c 'echo "exec: $(id)"; stat -c %u:%g /tmp/g'
ctr task kill --signal SIGKILL c3
until [ "$(ctr task ls | awk '$1 == "c3" { print $3 }')" = STOPPED ]; do sleep 0.1; done
ctr task delete c3 2>&1 | sed 's/.*msg="\(.*\)"/\1/'
ctr container delete c3
