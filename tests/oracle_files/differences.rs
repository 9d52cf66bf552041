//! Sequences that are known to differ, each with the reason, and sequences that must not.

/// Why, and the operations that show it.
pub const KNOWN: &[(&str, &str)] = &[
    (
        "who writes is not seen at the write: a descriptor from before root was dropped leaves set-id bits",
        "0 create a 0 04755\n0 bequeath a\n0 stat a 1\n",
    ),
    (
        "a user who opens a file and writes nothing to it: the next write, by root, counts as the user's",
        "0 create a 0 0644\n0 chmod a 0 04777\n1 write a 3\n0 write a 0\n",
    ),
    (
        "the kernel lets the tracer's user in where it would refuse the virtual one",
        "0 create a 0 0600\n1 read a\n",
    ),
    (
        "while nothing is recorded, nobody reads names of attributes, not even to find one without an end",
        "0 getxattr a 0 trusted. 0\n0 create a 0 0644\n0 getxattr a 0 trusted. 0\n",
    ),
];

/// What it is about, and the operations.
pub const FIXED: &[(&str, &str)] = &[
    (
        "a file made through a dangling link has its group from the directory that it is in",
        "0 mkdir d 0777\n0 chown d 0 50 50\n0 chmod d 0 02777\n0 symlink d/l ../f\n0 create d/l 0 0644\n\
         0 symlink l d/f\n0 create l 0 0644\n0 stat d/f 1\n",
    ),
    (
        "debootstrap makes devices, and looks whether null swallows what is written to it",
        "0 mkdir dev 0755\n0 mknod dev/null 0020666 0x103\n0 chmod dev/null 0 0666\n0 write dev/null\n0 read dev/null\n\
         0 mknod dev/zero 0020666 0x105\n0 read dev/zero\n0 ls dev\n0 rename dev/null dev/n\n0 read dev/n\n\
         0 unlink dev/n\n0 unlink dev/zero\n0 rmdir dev\n",
    ),
    (
        "a device that is not there has an owner, a mode and names, but cannot be opened, truncated or written to",
        "0 mknod a 0060660 0xf001\n0 chown a 0 33 33\n0 chmod a 0 0666\n0 read a\n0 write a\n0 truncate a 0\n0 ls .\n\
         0 setxattr a 0 user.x 61 0\n0 link a b\n0 rename b c\n1 read c\n0 create c 0 0644\n0 create c 1 0644\n\
         0 mknod t 0020660 0xf002\n0 read t\n0 unlink t\n",
    ),
    (
        "a write takes a file's capabilities away, whoever makes it",
        "0 create a 0 0755\n0 setxattr a 0 security.capability 0100000200040000000000000000000000000000 0\n\
         0 write a 3\n0 getxattr a 0 security.capability 100\n0 write a 0\n0 getxattr a 0 security.capability 100\n\
         0 listxattr a 0 4096\n0 setxattr a 0 security.capability 0100000200040000000000000000000000000000 2\n\
         0 setxattr a 0 security.capability 0100000200040000000000000000000000000000 0\n0 truncate a 0\n\
         0 removexattr a 0 security.capability\n",
    ),
    (
        "a write by root leaves set-id bits, one by a user takes them, until they are given back",
        "1 create a 0 0644\n1 chmod a 0 04777\n0 write a 0\n0 truncate a 1\n1 stat a 1\n2 write a 3\n1 stat a 1\n2 write a 1\n\
         1 stat a 1\n1 chmod a 0 06777\n4 write a 0\n1 stat a 0\n1 truncate a 0\n1 stat a 0\n",
    ),
    (
        "two devices of one kind have owners and modes of their own",
        "0 mknod a 0020600 0x103\n0 mknod b 0020666 0x103\n0 chown a 0 33 33\n0 stat b 1\n0 rename a c\n0 stat c 1\n",
    ),
    (
        "tar gives files to their owners, then sets their modes",
        "0 create a 1 0600\n0 chown a 6 33 50\n0 chmod a 0 04755\n0 symlink l a\n0 chown l 5 33 33\n0 stat l 1\n",
    ),
    (
        "a file keeps its owner under a new name",
        "2 create a 0 0644\n0 link a b\n0 unlink a\n0 rename b c\n0 create a 0 0644\n",
    ),
    (
        "directories hand their group down",
        "0 mkdir d 0777\n0 chown d 0 0 50\n0 chmod d 0 02777\n0 mkdir d/e 0777\n0 create d/e/f 0 0644\n0 chmod d 0 0777\n\
         0 create d/g 0 0644\n",
    ),
];
