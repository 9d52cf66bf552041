#!/bin/bash
# Those who become somebody else, and those who make somebody: su, sudo, setpriv, …, adduser, passwd, …
. "$(dirname "$0")/lib.sh"
needs su sudo visudo runuser setpriv gosu s6-setuidgid s6-applyuidgid s6-envuidgid start-stop-daemon capsh chroot sg newgrp \
    login script busybox busybox-32 useradd usermod userdel groupadd groupmod groupdel adduser addgroup deluser delgroup \
    gpasswd passwd chpasswd chage chsh chfn unix_chkpwd crontab getent ps

check useradd <<'X'
useradd --create-home --shell /bin/bash --uid 1234 alice
useradd --create-home --shell /bin/bash --groups www-data,audio bob
id alice; id bob
owners /home
touch /home/alice/.hushlogin /home/bob/.hushlogin
getent passwd alice bob; getent group alice bob
stat -c '%n %U:%G %a' /etc/passwd /etc/shadow /etc/group /etc/gshadow /etc/subuid /etc/subgid
X
check adduser <<'X'
adduser --disabled-password --gecos 'Carol' carol
adduser --system --group --home /var/lib/robot robot
adduser carol audio
id carol; id robot; owners /home/carol /var/lib/robot
X
check addgroup <<'X'
addgroup --gid 4000 builders; groupadd --gid 4001 crew; gpasswd -a alice crew; gpasswd -A bob crew; groupmod -n team crew
getent group builders team
X
check usermod <<'X'
touch /home/carol/file; chown carol: /home/carol/file
usermod --append --groups games,builders carol
usermod --uid 5005 --move-home --home /home/karol carol
groupmod --gid 5006 carol
id carol; owners /home/karol
X
check passwords <<'X'
echo 'alice:Sesam-1' | chpasswd
printf 'Sesam-2\nSesam-2\n' | passwd bob
passwd -S alice | cut -d ' ' -f 1,2
passwd -l carol; passwd -S carol | cut -d ' ' -f 1,2
chage --mindays 1 --maxdays 90 alice; chage -l alice | tail -3
chsh -s /bin/sh carol; chfn -f 'Carol C.' carol; getent passwd carol
stat -c '%n %U:%G %a' /etc/shadow /etc/shadow-
X
check passwd-by-a-user <<'X'
printf 'Sesam-1\nNeues-Wort-7\nNeues-Wort-7\n' | setpriv --reuid alice --regid alice --init-groups passwd
stat -c '%n %U:%G %a' /etc/shadow
chage -M 91 alice; chage -m 0 alice
printf 'Sesam-1\nNeues-Wort-7\nNeues-Wort-7\n' | setpriv --reuid alice --regid alice --init-groups passwd
setpriv --reuid alice --regid alice --init-groups chage -M 10 alice
setpriv --reuid alice --regid alice --init-groups passwd root
X
check unix_chkpwd <<'X'
printf 'Neues-Wort-7\0' | setpriv --reuid alice --regid alice --init-groups /usr/sbin/unix_chkpwd alice nullok; echo $?
printf 'wrong\0' | setpriv --reuid alice --regid alice --init-groups /usr/sbin/unix_chkpwd alice nullok; echo $?
X
check su <<'X'
su alice -c ids
su - bob -c 'ids; pwd; echo $HOME $USER $SHELL'
su www-data -s /bin/sh -c 'id; echo $HOME'
su -g audio -G games alice -c id
su - -c 'id; pwd; echo $HOME $USER'
echo 'id; pwd' | su - alice
su bob <<< ids
su alice -c 'su -c id' < /dev/null
su -c ids
su nobody -c id
X
check su-with-a-password <<'X'
echo Neues-Wort-7 | setpriv --reuid bob --regid bob --init-groups su alice -c ids
echo wrong | setpriv --reuid bob --regid bob --init-groups su alice -c ids
X
check sudo <<'X'
printf 'alice ALL=(ALL) NOPASSWD: ALL\nbob ALL=(www-data) NOPASSWD: /usr/bin/id\n' > /etc/sudoers.d/test; chmod 440 /etc/sudoers.d/test
sudo -u alice bash -c ids
sudo -u '#4242' -g '#4243' id
sudo -u www-data -g audio id
sudo -u alice sudo bash -c ids
sudo -u alice sudo -u bob -i bash -c 'id; pwd; env | grep -E "^(HOME|USER|LOGNAME|SUDO_)" | sort'
sudo -u bob sudo -n -u www-data id
sudo -u bob sudo -n id
sudo -u alice sudo -l
su alice -c 'sudo -k; sudo -n chown bob:audio /home/alice/.hushlogin; stat -c %U:%G /home/alice/.hushlogin'
chmod 666 /etc/sudoers.d/test; sudo -u alice sudo -n id; chmod 440 /etc/sudoers.d/test
chown alice /etc/sudoers.d/test; sudo -u alice sudo -n id; chown root /etc/sudoers.d/test
visudo -c; rm /etc/sudoers.d/test
X
check runuser <<'X'
runuser -u alice -- bash -c ids
runuser -l bob -c 'id; pwd'
runuser -u www-data -g audio -G games -- id
runuser -u alice -- runuser -u bob id
X
check setpriv <<'X'
touch f
setpriv --reuid 33 --regid 33 --clear-groups bash -c ids
setpriv --reuid alice --regid alice --init-groups bash -c ids
setpriv --reuid 33 --keep-groups --regid 34 bash -c ids
setpriv --ruid 33 --euid 34 --rgid 35 --egid 36 --groups 1,2,3 setpriv --dump
setpriv --reuid 33 --regid 33 --clear-groups --inh-caps +net_admin,+chown --ambient-caps +chown bash -c 'ids; chown 34 f; stat -c %u f'
setpriv --bounding-set -all,+chown,+setuid bash -c ids
setpriv --bounding-set -setgid --inh-caps -all setpriv --dump
setpriv --securebits +noroot,+noroot_locked,+keep_caps_locked setpriv --dump
setpriv --securebits +noroot bash -c ids
setpriv --securebits +no_setuid_fixup --reuid 33 setpriv --dump
setpriv --no-new-privs --reuid alice --regid alice --clear-groups bash -c 'ids; su -c id; sudo -n id'
setpriv --reuid 33 --regid 33 --clear-groups setpriv --reuid 0 id || echo refused
setpriv --pdeathsig TERM setpriv --dump
X
check capsh <<'X'
capsh --print
capsh --user=alice -- -c ids
capsh --gid=34 --uid=33 -- -c ids
capsh --gid=34 --groups=1,2 --uid=33 --print
capsh --drop=cap_chown,cap_setuid -- -c 'ids; touch f; chown 33 f; setpriv --reuid 33 id || echo refused'
capsh --inh=cap_chown --print
capsh --keep=1 --uid=33 --caps=cap_chown+ep --print
capsh --iab='^cap_chown,!cap_sys_admin' --print
capsh --caps=cap_setuid,cap_setgid,cap_chown+eip --mode=NOPRIV --print
capsh --secbits=0x2f --print
capsh --has-p=cap_chown --is-uid=0 -- -c 'echo yes'
capsh --current --supports=cap_chown
X
check gosu <<'X'
gosu alice bash -c ids; gosu www-data id; gosu 33:34 id; gosu bob:audio id; gosu nobody gosu root id
X
check s6 <<'X'
s6-setuidgid alice bash -c ids; s6-setuidgid 33:34 id; s6-applyuidgid -u 33 -g 34 -G 1,2,3 id
s6-envuidgid alice s6-applyuidgid -U bash -c 'id; echo $UID $GID'
s6-setuidgid alice s6-setuidgid bob id
X
check start-stop-daemon <<'X'
start-stop-daemon --start --chuid alice --pidfile /nonexistent --startas /usr/local/bin/ids
start-stop-daemon --start --chuid www-data:audio --umask 027 --chdir /tmp --pidfile /nonexistent --startas /usr/bin/env -- sh -c 'id; umask; pwd'
rm -f /run/sleeper.pid; start-stop-daemon --start --background --make-pidfile --pidfile /run/sleeper.pid --chuid alice --startas /bin/sleep -- 300
stat -c %U:%G /run/sleeper.pid
for i in $(seq 600); do [ "$(ps -o comm= -p "$(cat /run/sleeper.pid)")" = sleep ] && break; sleep 0.1; done
ps -o user=,group=,args= -p "$(cat /run/sleeper.pid)"
start-stop-daemon --status --pidfile /run/sleeper.pid --user bob; echo $?
start-stop-daemon --status --pidfile /run/sleeper.pid --user alice; echo $?
start-stop-daemon --stop --pidfile /run/sleeper.pid --user alice --retry 60; echo $?
start-stop-daemon --status --pidfile /run/sleeper.pid; echo $?
X
check chroot <<'X'
chroot --userspec=alice / bash -c ids; chroot --userspec=33:34 --groups=1,2 / id; chroot --userspec=bob --skip-chdir / id
chroot --groups=audio / id
X
check sg <<'X'
sg audio -c ids; setpriv --reuid bob --regid bob --init-groups sg audio -c ids
setpriv --reuid alice --regid alice --init-groups sg team -c id
printf '\n' | setpriv --reuid alice --regid alice --init-groups sg disk -c id
X
check newgrp <<'X'
echo ids | newgrp games; echo ids | su bob -c 'newgrp www-data'; echo id | su bob -c newgrp
X
check login <<'X'
script -qec 'login -f alice' /dev/null <<< 'ids; pwd; stat -c %U:%G:%a "$(tty)"; exit' | tr -d '\r' | grep -E '^(uid|Uid|Gid|Gro|Cap|/home|alice:|root)'
X
check crontab <<'X'
echo '0 5 * * * true' | crontab -u alice -; crontab -u alice -l; stat -c '%n %U:%G %a' /var/spool/cron/crontabs /var/spool/cron/crontabs/alice
echo '0 6 * * * false' | su alice -c 'crontab -'; su alice -c 'crontab -l'; stat -c '%U:%G %a' /var/spool/cron/crontabs/alice
su bob -c 'crontab -u alice -l'; crontab -u alice -r; owners /var/spool/cron/crontabs
X
for busybox in busybox busybox-32; do # both static
    check $busybox <<X
busybox() { command $busybox "\$@"; }
busybox su alice -c id; busybox su - bob -s /bin/sh -c 'id; pwd'
touch bb; busybox chown alice:audio bb; busybox stat -c '%U:%G %u:%g' bb; busybox ls -l bb | cut -c 1-30
busybox chown -R 33:34 .; busybox chgrp 3 bb; busybox chmod 4755 bb; owners .
mkdir sub; touch sub/f; busybox chown 33:34 sub/f; busybox tar -cf t.tar sub; mkdir x; busybox tar -xf t.tar -C x; owners x; busybox tar -tvf t.tar | cut -c 1-30
busybox id bob; busybox passwd -l bob; busybox passwd -u bob; busybox start-stop-daemon -S -c 33:34 -x /usr/bin/id
busybox mknod null c 1 3; busybox stat -c '%F %t %T' null; find sub null | busybox cpio -o -H newc > c; mkdir y; cd y; busybox cpio -idm < ../c; owners .
busybox chroot / id
X
done
for bits in 32 64; do # 32: dynamic, 64: static by musl
    check "becoming, $bits bits" <<X
chmod 777 .; cp /root/programs/become-$bits . && ./become-$bits
rm given*; chmod 6755 become-$bits && chown alice:audio become-$bits && setpriv --reuid 33 --regid 33 --clear-groups ./become-$bits
X
done
check userdel <<'X'
touch /var/mail/{alice,bob}; chown bob:mail /var/mail/bob; userdel --remove bob; deluser --remove-home carol; groupdel team; delgroup builders; deluser robot
id bob; id robot; owners /home /var/spool/mail
userdel -r alice; getent passwd | tail -3; getent group | tail -3; grep alice /etc/subuid /etc/subgid
X
echo 'END of users.sh'
