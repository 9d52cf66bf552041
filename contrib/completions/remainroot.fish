# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_remainroot_global_optspecs
    string join \n rootfs= bind= workdir= env= clear-env user= groups= capabilities= no-new-privs userns= engine= store= owner-xattr= proc= summary= summary-file= explain= explain-only= h/help V/version
end

function __fish_remainroot_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_remainroot_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_remainroot_using_subcommand
    set -l cmd (__fish_remainroot_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c remainroot -n "__fish_remainroot_needs_command" -l rootfs -d 'Run CMD with DIR as its root directory' -r -f -a "(__fish_complete_directories)"
complete -c remainroot -n "__fish_remainroot_needs_command" -l bind -d 'Make SRC visible at DST (default: the same path); repeatable' -r
complete -c remainroot -n "__fish_remainroot_needs_command" -l workdir -d 'Directory to start CMD in (default: the present one, or / with --rootfs)' -r -f -a "(__fish_complete_directories)"
complete -c remainroot -n "__fish_remainroot_needs_command" -l env -d 'Set an environment variable; repeatable' -r
complete -c remainroot -n "__fish_remainroot_needs_command" -l user -d 'The first identity: a name from the guest\'s passwd and group files, or a number' -r -f -a "(__fish_complete_users)"
complete -c remainroot -n "__fish_remainroot_needs_command" -l groups -d 'Supplementary groups, by number, instead of those in the group file; "" for none' -r
complete -c remainroot -n "__fish_remainroot_needs_command" -l capabilities -d 'What CMD has in one of the sets bounding, permitted, effective, inheritable and ambient; repeatable' -r
complete -c remainroot -n "__fish_remainroot_needs_command" -l userns -d 'Which user namespace to run in' -r -f -a "auto\t'Keep the present namespace if this process is its root, else make one'
new\t'Make one'
keep\t'Stay in the present one'
none\t'Use none at all, as fakeroot does: for hosts that forbid them'"
complete -c remainroot -n "__fish_remainroot_needs_command" -l engine -d 'What stops the guest to answer its system calls' -r -f -a "auto\t'The best that there is'
ptrace\t'ptrace(2)'"
complete -c remainroot -n "__fish_remainroot_needs_command" -l store -d 'Where the owners of files are kept: memory (until CMD ends), a directory, or auto' -r -f -a "(__fish_complete_directories)"
complete -c remainroot -n "__fish_remainroot_needs_command" -l owner-xattr -d 'The attribute in which files and directories carry their owners themselves, unless --store is memory' -r -f -a "rootlesscontainers\t'user.rootlesscontainers, as umoci and others have it'
override\t'user.containers.override_stat, as containers/storage and fuse-overlayfs have it'
none\t'No attribute: neither written nor read'"
complete -c remainroot -n "__fish_remainroot_needs_command" -l proc -d 'Who sees virtual ids, capabilities and maps in files of /proc/PID: status, uid_map, gid_map, setgroups, loginuid' -r -f -a "auto\t'Those who have dropped root, and those who look at tasks'
full\t'Everybody'"
complete -c remainroot -n "__fish_remainroot_needs_command" -l summary -d 'Say at the end what calls were stopped for, how often and for how long, and what became of them' -r -f -a "text\t'A table'
json\t'An object'"
complete -c remainroot -n "__fish_remainroot_needs_command" -l summary-file -d 'Write the summary to FILE, as text unless --summary says otherwise' -r -F
complete -c remainroot -n "__fish_remainroot_needs_command" -l explain -d 'Write a line for each call that is answered, with its arguments, its answer, and the rule that decided: to FILE, or on stderr' -r -F
complete -c remainroot -n "__fish_remainroot_needs_command" -l explain-only -d 'Write lines of such calls alone, as --explain does; repeatable' -r
complete -c remainroot -n "__fish_remainroot_needs_command" -l clear-env -d 'Start from an environment of PATH, HOME, USER, LOGNAME, SHELL and the present TERM alone'
complete -c remainroot -n "__fish_remainroot_needs_command" -l no-new-privs -d 'Start CMD with no_new_privs: neither set-id bits nor capabilities of files give it more than it has'
complete -c remainroot -n "__fish_remainroot_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c remainroot -n "__fish_remainroot_needs_command" -s V -l version -d 'Print version'
complete -c remainroot -n "__fish_remainroot_needs_command" -a "run" -d 'Run a program (the same as naming no subcommand)'
complete -c remainroot -n "__fish_remainroot_needs_command" -a "doctor" -d 'Find out what this machine allows, by trying it, and what would mend what it does not'
complete -c remainroot -n "__fish_remainroot_needs_command" -a "syscalls" -d 'Print what becomes of each system call'
complete -c remainroot -n "__fish_remainroot_needs_command" -a "owners" -d 'Look at the owners of the files in a tree, and move them elsewhere'
complete -c remainroot -n "__fish_remainroot_needs_command" -a "oci" -d 'Put remainroot before the programs of containers'
complete -c remainroot -n "__fish_remainroot_using_subcommand run" -l rootfs -d 'Run CMD with DIR as its root directory' -r -f -a "(__fish_complete_directories)"
complete -c remainroot -n "__fish_remainroot_using_subcommand run" -l bind -d 'Make SRC visible at DST (default: the same path); repeatable' -r
complete -c remainroot -n "__fish_remainroot_using_subcommand run" -l workdir -d 'Directory to start CMD in (default: the present one, or / with --rootfs)' -r -f -a "(__fish_complete_directories)"
complete -c remainroot -n "__fish_remainroot_using_subcommand run" -l env -d 'Set an environment variable; repeatable' -r
complete -c remainroot -n "__fish_remainroot_using_subcommand run" -l user -d 'The first identity: a name from the guest\'s passwd and group files, or a number' -r -f -a "(__fish_complete_users)"
complete -c remainroot -n "__fish_remainroot_using_subcommand run" -l groups -d 'Supplementary groups, by number, instead of those in the group file; "" for none' -r
complete -c remainroot -n "__fish_remainroot_using_subcommand run" -l capabilities -d 'What CMD has in one of the sets bounding, permitted, effective, inheritable and ambient; repeatable' -r
complete -c remainroot -n "__fish_remainroot_using_subcommand run" -l userns -d 'Which user namespace to run in' -r -f -a "auto\t'Keep the present namespace if this process is its root, else make one'
new\t'Make one'
keep\t'Stay in the present one'
none\t'Use none at all, as fakeroot does: for hosts that forbid them'"
complete -c remainroot -n "__fish_remainroot_using_subcommand run" -l engine -d 'What stops the guest to answer its system calls' -r -f -a "auto\t'The best that there is'
ptrace\t'ptrace(2)'"
complete -c remainroot -n "__fish_remainroot_using_subcommand run" -l store -d 'Where the owners of files are kept: memory (until CMD ends), a directory, or auto' -r -f -a "(__fish_complete_directories)"
complete -c remainroot -n "__fish_remainroot_using_subcommand run" -l owner-xattr -d 'The attribute in which files and directories carry their owners themselves, unless --store is memory' -r -f -a "rootlesscontainers\t'user.rootlesscontainers, as umoci and others have it'
override\t'user.containers.override_stat, as containers/storage and fuse-overlayfs have it'
none\t'No attribute: neither written nor read'"
complete -c remainroot -n "__fish_remainroot_using_subcommand run" -l proc -d 'Who sees virtual ids, capabilities and maps in files of /proc/PID: status, uid_map, gid_map, setgroups, loginuid' -r -f -a "auto\t'Those who have dropped root, and those who look at tasks'
full\t'Everybody'"
complete -c remainroot -n "__fish_remainroot_using_subcommand run" -l summary -d 'Say at the end what calls were stopped for, how often and for how long, and what became of them' -r -f -a "text\t'A table'
json\t'An object'"
complete -c remainroot -n "__fish_remainroot_using_subcommand run" -l summary-file -d 'Write the summary to FILE, as text unless --summary says otherwise' -r -F
complete -c remainroot -n "__fish_remainroot_using_subcommand run" -l explain -d 'Write a line for each call that is answered, with its arguments, its answer, and the rule that decided: to FILE, or on stderr' -r -F
complete -c remainroot -n "__fish_remainroot_using_subcommand run" -l explain-only -d 'Write lines of such calls alone, as --explain does; repeatable' -r
complete -c remainroot -n "__fish_remainroot_using_subcommand run" -l clear-env -d 'Start from an environment of PATH, HOME, USER, LOGNAME, SHELL and the present TERM alone'
complete -c remainroot -n "__fish_remainroot_using_subcommand run" -l no-new-privs -d 'Start CMD with no_new_privs: neither set-id bits nor capabilities of files give it more than it has'
complete -c remainroot -n "__fish_remainroot_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c remainroot -n "__fish_remainroot_using_subcommand doctor" -l json -d 'Print an object for programs (docs/DOCTOR.md)'
complete -c remainroot -n "__fish_remainroot_using_subcommand doctor" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c remainroot -n "__fish_remainroot_using_subcommand syscalls" -l format -d 'How to print it' -r -f -a "text\t'Aligned columns'
json\t'An array of objects, one for each call'
markdown\t'The text of docs/SYSCALLS.md'"
complete -c remainroot -n "__fish_remainroot_using_subcommand syscalls" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and not __fish_seen_subcommand_from show set diff verify repair prune import export" -s h -l help -d 'Print help'
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and not __fish_seen_subcommand_from show set diff verify repair prune import export" -f -a "show" -d 'Show owners, modes, devices and attributes, and where each is known from: index, attribute, or the file itself'
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and not __fish_seen_subcommand_from show set diff verify repair prune import export" -f -a "set" -d 'Record an owner, and a mode, of files that there are'
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and not __fish_seen_subcommand_from show set diff verify repair prune import export" -f -a "diff" -d 'Tell what differs between two trees: types, owners, modes, devices, links and attributes'
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and not __fish_seen_subcommand_from show set diff verify repair prune import export" -f -a "verify" -d 'Compare the index with the attributes of files, and both with the tree'
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and not __fish_seen_subcommand_from show set diff verify repair prune import export" -f -a "repair" -d 'Make the index of a tree anew from the attributes of its files, and tell what they cannot say'
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and not __fish_seen_subcommand_from show set diff verify repair prune import export" -f -a "prune" -d 'Forget the records of files that are gone: what is in none of the trees, though on their file systems'
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and not __fish_seen_subcommand_from show set diff verify repair prune import export" -f -a "import" -d 'Take over what other programs have written down of the owners of a tree'
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and not __fish_seen_subcommand_from show set diff verify repair prune import export" -f -a "export" -d 'Write a tree with its owners, devices, ACLs and capabilities in a form that other programs read'
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from show" -l store -d 'Where owners are kept: a directory, auto (as in a run), or memory: only what files carry themselves' -r -f -a "(__fish_complete_directories)"
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from show" -l owner-xattr -d 'The attribute in which files and directories carry their owners themselves' -r -f -a "rootlesscontainers\t'user.rootlesscontainers, as umoci and others have it'
override\t'user.containers.override_stat, as containers/storage and fuse-overlayfs have it'
none\t'No attribute: neither written nor read'"
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from show" -s r -l recursive -d 'Show all that is below a directory, too'
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from set" -l store -d 'Where owners are kept: a directory, auto (as in a run), or memory: only what files carry themselves' -r -f -a "(__fish_complete_directories)"
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from set" -l owner-xattr -d 'The attribute in which files and directories carry their owners themselves' -r -f -a "rootlesscontainers\t'user.rootlesscontainers, as umoci and others have it'
override\t'user.containers.override_stat, as containers/storage and fuse-overlayfs have it'
none\t'No attribute: neither written nor read'"
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from set" -s r -l recursive -d 'Do so for all that is below a directory, too'
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from diff" -l store -d 'Where owners are kept: a directory, auto (as in a run), or memory: only what files carry themselves' -r -f -a "(__fish_complete_directories)"
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from diff" -l owner-xattr -d 'The attribute in which files and directories carry their owners themselves' -r -f -a "rootlesscontainers\t'user.rootlesscontainers, as umoci and others have it'
override\t'user.containers.override_stat, as containers/storage and fuse-overlayfs have it'
none\t'No attribute: neither written nor read'"
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from diff" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from verify" -l store -d 'Where owners are kept: a directory, auto (as in a run), or memory: only what files carry themselves' -r -f -a "(__fish_complete_directories)"
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from verify" -l owner-xattr -d 'The attribute in which files and directories carry their owners themselves' -r -f -a "rootlesscontainers\t'user.rootlesscontainers, as umoci and others have it'
override\t'user.containers.override_stat, as containers/storage and fuse-overlayfs have it'
none\t'No attribute: neither written nor read'"
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from repair" -l store -d 'Where owners are kept: a directory, auto (as in a run), or memory: only what files carry themselves' -r -f -a "(__fish_complete_directories)"
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from repair" -l owner-xattr -d 'The attribute in which files and directories carry their owners themselves' -r -f -a "rootlesscontainers\t'user.rootlesscontainers, as umoci and others have it'
override\t'user.containers.override_stat, as containers/storage and fuse-overlayfs have it'
none\t'No attribute: neither written nor read'"
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from repair" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from prune" -l store -d 'Where owners are kept: a directory, auto (as in a run), or memory: only what files carry themselves' -r -f -a "(__fish_complete_directories)"
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from prune" -l owner-xattr -d 'The attribute in which files and directories carry their owners themselves' -r -f -a "rootlesscontainers\t'user.rootlesscontainers, as umoci and others have it'
override\t'user.containers.override_stat, as containers/storage and fuse-overlayfs have it'
none\t'No attribute: neither written nor read'"
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from prune" -s n -l dry-run -d 'Say how many there are, and forget none'
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from prune" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from import" -l format -d 'What FILE is' -r -f -a "fakeroot\t'The save file of fakeroot -s; files are known by their inodes'
pseudo\t'files.db of pseudo; files are known by their inodes'
tar\t'The headers of a tar archive, plain or packed with gzip or zstd; files are known by their paths'
mtree\t'mtree(5); files are known by their paths'
attributes\t'user.rootlesscontainers and user.containers.override_stat, on the files themselves'"
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from import" -l store -d 'Where owners are kept: a directory, auto (as in a run), or memory: only what files carry themselves' -r -f -a "(__fish_complete_directories)"
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from import" -l owner-xattr -d 'The attribute in which files and directories carry their owners themselves' -r -f -a "rootlesscontainers\t'user.rootlesscontainers, as umoci and others have it'
override\t'user.containers.override_stat, as containers/storage and fuse-overlayfs have it'
none\t'No attribute: neither written nor read'"
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from import" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from export" -l format -d 'What to write' -r -f -a "tar\t'A tar archive with extended headers (pax)'
oci\t'An OCI image of one layer'
mtree\t'mtree(5), with digests of contents'
squashfs-pseudo\t'Definitions for mksquashfs -pf'
fakeroot\t'The save file of fakeroot -s and -i'"
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from export" -s o -l output -d 'Where to write it (default: standard output; an image needs a name)' -r -F
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from export" -l compression -d 'How the layer of an image is packed' -r -f -a "none\t'Not at all'
gzip\t'gzip, which everybody reads'
zstd\t'Zstandard: faster and smaller'"
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from export" -l tag -d 'The name of an image in its layout' -r
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from export" -l store -d 'Where owners are kept: a directory, auto (as in a run), or memory: only what files carry themselves' -r -f -a "(__fish_complete_directories)"
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from export" -l owner-xattr -d 'The attribute in which files and directories carry their owners themselves' -r -f -a "rootlesscontainers\t'user.rootlesscontainers, as umoci and others have it'
override\t'user.containers.override_stat, as containers/storage and fuse-overlayfs have it'
none\t'No attribute: neither written nor read'"
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from export" -l nanoseconds -d 'Keep fractions of seconds where the format can'
complete -c remainroot -n "__fish_remainroot_using_subcommand owners; and __fish_seen_subcommand_from export" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c remainroot -n "__fish_remainroot_using_subcommand oci; and not __fish_seen_subcommand_from runtime hook install" -s h -l help -d 'Print help'
complete -c remainroot -n "__fish_remainroot_using_subcommand oci; and not __fish_seen_subcommand_from runtime hook install" -f -a "runtime" -d 'Be an OCI runtime: hand every call on to runc, crun or youki, with remainroot before the container\'s programs'
complete -c remainroot -n "__fish_remainroot_using_subcommand oci; and not __fish_seen_subcommand_from runtime hook install" -f -a "hook" -d 'Be a hook that changes the description of a container: podman\'s precreate'
complete -c remainroot -n "__fish_remainroot_using_subcommand oci; and not __fish_seen_subcommand_from runtime hook install" -f -a "install" -d 'Have podman or buildah run all of your containers by remainroot, without more options'
complete -c remainroot -n "__fish_remainroot_using_subcommand oci; and __fish_seen_subcommand_from runtime" -l runtime-path -d 'The runtime to hand on to (default: $REMAINROOT_RUNTIME, else the first of crun, runc, youki in PATH)' -r -F
complete -c remainroot -n "__fish_remainroot_using_subcommand oci; and __fish_seen_subcommand_from runtime" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c remainroot -n "__fish_remainroot_using_subcommand oci; and __fish_seen_subcommand_from hook" -l store -d 'Keep owners in this directory, or until the container ends ("memory")' -r -f -a "(__fish_complete_directories)"
complete -c remainroot -n "__fish_remainroot_using_subcommand oci; and __fish_seen_subcommand_from hook" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c remainroot -n "__fish_remainroot_using_subcommand oci; and __fish_seen_subcommand_from install" -l engine -d 'Which engine. Both read the settings of either' -r -f -a "podman\t'podman(1)'
buildah\t'buildah(1)'"
complete -c remainroot -n "__fish_remainroot_using_subcommand oci; and __fish_seen_subcommand_from install" -l runtime -d 'The runtime to hand on to (default: the first of crun, runc, youki in PATH; crun last where cgroups are mounted in the hybrid way, which it refuses)' -r -f -a "crun\t'crun(1)'
runc\t'runc(8)'
youki\t'youki'"
complete -c remainroot -n "__fish_remainroot_using_subcommand oci; and __fish_seen_subcommand_from install" -l remove -d 'Remove what was written. Containers that were made with it cannot be started any more'
complete -c remainroot -n "__fish_remainroot_using_subcommand oci; and __fish_seen_subcommand_from install" -l dry-run -d 'Say what would be done, and do nothing'
complete -c remainroot -n "__fish_remainroot_using_subcommand oci; and __fish_seen_subcommand_from install" -s h -l help -d 'Print help (see more with \'--help\')'
