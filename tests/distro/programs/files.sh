#!/bin/bash
# Those who give files away, pack and unpack them, or hang something on them: install, tar, cpio, cp, rsync, setcap, …
. "$(dirname "$0")/lib.sh"
needs install tar cpio cp rsync setcap getcap setpriv setfacl getfacl chacl setfattr getfattr python3 dpkg-statoverride \
    systemd-sysusers systemd-tmpfiles man mandb whatis sudo find stat

check install <<'X'
install -o www-data -g audio -m 4750 /bin/true t; install -d -o 33 -g 34 -m 2775 d e/f; install -D -o 1 -m 600 /etc/hostname g/h; owners .
X
check a-tree-of-all-kinds <<'X'
mkdir /var/tmp/kinds; cd /var/tmp/kinds
mkdir -m 2770 dir; echo content > dir/file; ln -s file dir/link; ln dir/file hard; mkfifo -m 600 pipe; mknod char c 250 3; mknod -m 600 disk b 8 1
chown 33:34 dir dir/file; chown -h 35:36 dir/link; chown 37:38 pipe; chown 39:40 char; chown 41:42 disk; chmod 6755 hard
cp /bin/true able; setcap cap_net_raw,cap_chown+ep able; setfacl -m u:33:rw,g:34:r hard; setfacl -d -m u:35:rwx dir
setfattr -n trusted.test -v one hard; setfattr -n user.test -v two hard; setfattr -n security.test -v three hard
touch -d '2020-01-02 03:04:05.678' hard dir/file; touch -h -d '2021-02-03' dir/link; touch -d 2022-03-04 pipe char disk able dir .
owners .; stat -c '%n %F %t,%T %Y %h' * dir/*; getfattr -d -m - -R . | sort; getfacl -nR .; getcap -r .
X
check tar <<'X'
tar --xattrs --xattrs-include='*' --acls --sort=name --format=pax --pax-option=delete=atime,delete=ctime -C /var/tmp -cf k.tar kinds
tar -tvf k.tar; tar --numeric-owner --full-time -tvf k.tar | sha256sum
mkdir x; tar --xattrs --xattrs-include='*' --acls -xpf k.tar -C x; owners x; getfattr -d -m - -R x | sort; getfacl -nR x/kinds; getcap -r x
mkdir y; tar -xf k.tar -C y --no-same-owner --no-same-permissions; owners y
tar --owner=alien:7777 --group=8888 --mode=0640 -cf z.tar -C /var/tmp kinds/hard; tar -tvf z.tar
setpriv --reuid 33 --regid 33 --clear-groups sh -c 'mkdir /var/tmp/by33; tar -xf k.tar -C /var/tmp/by33 kinds/hard kinds/dir 2>&1 | sort'; owners /var/tmp/by33; rm -r /var/tmp/by33
X
check cpio <<'X'
(cd /var/tmp && find kinds | sort | cpio -o -H newc --reproducible > "$OLDPWD/k.cpio"); cpio -tv < k.cpio
mkdir x; cd x; cpio -idm < ../k.cpio; owners .; stat -c '%n %t,%T %Y' kinds/{able,char,disk,hard,pipe}; cd ..; mkdir y; cd y; cpio -id -R 7:8 < ../k.cpio; owners .
mkdir ../z; cd /var/tmp; find kinds | cpio -pdm "$OLDPWD/../z"; owners "$OLDPWD/../z" | sed 's|.*/z||'
X
check cp <<'X'
cp -a /var/tmp/kinds a; owners a; getfattr -d -m - -R a | sort; getfacl -nR a; getcap -r a; stat -c '%n %t,%T %Y' a/*
cp -r /var/tmp/kinds/dir r; owners r; cp --preserve=mode,ownership /var/tmp/kinds/hard m; owners m; mv a b; owners b
cp -a b/char n; owners n; mknod null c 1 3; cp -a null null2; echo gone > null2; cat null2; owners null2
X
check rsync <<'X'
rsync -aHAX --devices --specials /var/tmp/kinds a; owners a; getfattr -d -m - -R a | sort; getfacl -nR a; getcap -r a; stat -c '%n %t,%T %Y %h' a/kinds/*
rsync -a --chown=games:audio --chmod=D755,F640 /var/tmp/kinds c; owners c; rsync -a --usermap=33:44 --groupmap=34:55 /var/tmp/kinds m; owners m
rsync -aHAXi --devices --specials --dry-run /var/tmp/kinds a; chown 1 a/kinds/hard; rsync -aHAXi /var/tmp/kinds a; rsync -a --fake-super /var/tmp/kinds f; owners f
mkdir -m 777 open; rsync -a --copy-as=33:34 /etc/hostname open/as33; owners open/as33
X
check setcap <<'X'
chmod 755 .; cp /usr/bin/chown give; cp /usr/bin/env env; setcap cap_chown+ep give; getcap give; getcap -n give; setcap -v cap_chown+ep give; setcap -v cap_chown+p give
touch f; setpriv --reuid 33 --regid 33 --clear-groups ./give 44:45 f; stat -c %u:%g f; setpriv --reuid 33 --regid 33 --clear-groups chown 46:47 f; stat -c %u:%g f
setcap cap_net_raw,cap_setuid+eip env; setpriv --reuid 33 --regid 33 --clear-groups ./env bash -c ids; setpriv --reuid 33 --regid 33 --clear-groups ./env grep Cap /proc/self/status
setpriv --reuid 33 --regid 33 --clear-groups ./env setpriv --reuid 0 id || echo refused
setcap cap_net_raw+p env; setpriv --reuid 33 --regid 33 --clear-groups --inh-caps +chown ./env grep Cap /proc/self/status
cp /usr/bin/grep g; setcap cap_setuid,cap_chown+ep g; setpriv --reuid 33 --regid 33 --clear-groups ./g Cap /proc/self/status
setcap cap_chown+ie g; setpriv --reuid 33 --regid 33 --clear-groups --inh-caps +chown ./g Cap /proc/self/status
setpriv --reuid 33 --regid 33 --clear-groups --no-new-privs ./g Cap /proc/self/status; setpriv --bounding-set -chown --reuid 33 --clear-groups --regid 33 ./g Cap /proc/self/status
setpriv --reuid 33 --regid 33 --clear-groups setcap cap_chown+ep give; chown 33 g; getcap g; setcap -n 1000 cap_chown+ep g; getcap -n g; setcap -r g; getcap g; setcap -r give; getcap give
X
check setuid-programs <<'X'
cp /usr/bin/id i; chmod 755 .; chown 44:45 i; chmod 6755 i; setpriv --reuid 33 --regid 33 --clear-groups ./i; setpriv --reuid 33 --regid 33 --clear-groups --no-new-privs ./i; ./i
cp /usr/bin/bash b; chown root b; chmod 4755 b; setpriv --reuid 33 --regid 33 --clear-groups ./b -p -c ids; chmod 2755 b; chown :audio b; setpriv --reuid 33 --regid 33 --clear-groups ./b -p -c ids
chmod 2755 b; chown :audio b; stat -c %a:%G b; echo >> b; stat -c %a b; chmod 6777 b; setpriv --reuid 33 --regid 33 --clear-groups sh -c 'echo >> b'; stat -c %a b
X
check acl <<'X'
touch f; setfacl -m u:33:rw,g:34:r,m::rw f; getfacl f; getfacl -n f; stat -c %a f; ls -l f | cut -c 1-11; chmod 600 f; getfacl -nc f; setfacl -x u:33 f; setfacl -b f; getfacl -nc f; stat -c %a f
mkdir d; setfacl -d -m u:www-data:rwX,g:audio:r d; touch d/f; mkdir d/s; getfacl -R d; getfacl -R d > saved; setfacl -Rb d; setfacl --restore=saved; getfacl -nR d
setpriv --reuid 33 --regid 33 --clear-groups setfacl -m u:34:rw f; chown 33 f; setpriv --reuid 33 --regid 33 --clear-groups setfacl -m u:34:rw f; getfacl -n f; chacl u::rwx,g::r--,o::---,u:50:r--,m::r-- f; chacl -l f
X
check xattr <<'X'
touch f; for s in trusted security user system; do setfattr -n $s.a -v $s f; done; getfattr -d -m - f; getfattr -n trusted.a f
setpriv --reuid 33 --regid 33 --clear-groups getfattr -d -m - f; setpriv --reuid 33 --regid 33 --clear-groups getfattr -n trusted.a f; setpriv --reuid 33 --regid 33 --clear-groups setfattr -n security.b -v x f
chown 33 f; setpriv --reuid 33 --regid 33 --clear-groups setfattr -n user.b -v x f; ln -s f l; setfattr -h -n trusted.l -v y l; setfattr -h -n user.l -v y l; getfattr -hd -m - l; setfattr -x trusted.a f; setfattr -x trusted.a f
getfattr -d -m - f; python3 -c 'import os; print(sorted(os.listxattr("f")), os.getxattr("f", "security.a"))'
X
check chattr <<'X'
mkdir d; chmod g+s d; chgrp audio d; touch d/f; mkdir d/s; owners d; setpriv --reuid 33 --regid 33 --clear-groups sh -c 'cd /tmp; touch mine; chown :audio mine; chown 34 mine; chmod 2755 mine; stat -c "%a %u:%g" mine; rm mine'
chmod 1777 d; touch d/roots; setpriv --reuid 33 --regid 33 --clear-groups sh -c 'rm -f d/roots; mv d/roots d/x; chmod 777 d/roots;'; ls d; test -O d/f && echo mine; chown --from=root:audio 7:8 d/f; chown --reference=d/f d/s; owners d
X
check dpkg-statoverride <<'X'
dpkg-statoverride --update --add www-data audio 4750 /usr/bin/gpasswd; stat -c '%a %U:%G' /usr/bin/gpasswd; dpkg-statoverride --list
dpkg-statoverride --update --add '#4321' '#4322' 0640 /etc/issue.net; stat -c '%a %u:%g' /etc/issue.net
dpkg-statoverride --remove /usr/bin/gpasswd; dpkg-statoverride --remove /etc/issue.net; chown root:root /etc/issue.net /usr/bin/gpasswd; chmod 4755 /usr/bin/gpasswd; chmod 644 /etc/issue.net
X
check systemd-sysusers <<'X'
printf 'g crew 777\nu droid 666:crew "A droid" /var/lib/droid /bin/sh\nu machine - "A machine"\nm droid audio\n' > s.conf; systemd-sysusers "$PWD/s.conf"
getent passwd droid; id droid; id -un machine; stat -c '%n %U:%G %a' /etc/passwd /etc/shadow /etc/group /etc/gshadow
X
check systemd-tmpfiles <<'X'
cat > t.conf <<T
d /var/lib/droid 2750 droid crew -
f /var/lib/droid/file 0640 droid audio - content
L /var/lib/droid/link - - - - file
p /var/lib/droid/pipe 0600 droid crew -
c /var/lib/droid/null 0666 root root - 1:3
b /var/lib/droid/disk 0660 droid crew - 8:1
Z /var/lib/droid/file 4711 droid crew -
a+ /var/lib/droid/file - - - - u:33:rw
t /var/lib/droid/file - - - - user.test=yes trusted.test=sure
h /var/lib/droid - - - - +d
C /var/lib/droid/copy 0600 games games - /etc/skel
T
systemd-tmpfiles --create "$PWD/t.conf"; owners /var/lib/droid; getfacl -n /var/lib/droid/file; getfattr -d -m 'test' /var/lib/droid/file; stat -c '%n %t,%T' /var/lib/droid/null /var/lib/droid/disk
systemd-tmpfiles --create; echo $?; owners /run /tmp -maxdepth 2 | grep -v -e '^/tmp/' -e '/run/[a-z]*\.pid' -e /run/user; rm -r /var/lib/droid; userdel droid; userdel machine; groupdel crew
X
check mandb <<'X'
rm -rf /var/cache/man/*; mkdir -p /usr/share/man/man1; printf '.TH TEST 1\n.SH NAME\ntest-page \\- a page\n' > /usr/share/man/man1/test-page.1
mandb --quiet; owners /var/cache/man | grep -v CACHEDIR; man test-page | cat -s; whatis test-page; setpriv --reuid 33 --regid 33 --clear-groups man -k test-page; man -w test-page; sudo -u man mandb -q; stat -c %U:%G /var/cache/man/index.db; rm /usr/share/man/man1/test-page.1
X
check views <<'X'
ls -ln /var/tmp/kinds | cut -d ' ' -f 1,3-6; find /var/tmp/kinds -uid 39 -o -gid 42; find /var/tmp/kinds -nouser | sort; find /var/tmp/kinds -perm -4000; find /var/tmp/kinds -type c -o -type b | sort; test -c /var/tmp/kinds/char && test -b /var/tmp/kinds/disk && echo devices; rm -r /var/tmp/kinds
X
echo 'END of files.sh'
