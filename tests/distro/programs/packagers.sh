#!/bin/bash
# Those who bring files of others with them, or check whose they are: rpm, dnf, pacman, makepkg, pip, npm, git, ssh.
. "$(dirname "$0")/lib.sh"
needs rpm rpmbuild rpm2cpio createrepo_c dnf pacman makepkg bsdtar fakeroot pip npm git ssh sshd ssh-keygen ssh-agent ssh-add \
    useradd runuser setpriv

check rpm <<'X'
mkdir -p top/SPECS; cat > top/SPECS/owned.spec <<S
Name: owned
Version: 1
Release: 1
Summary: files of many owners
License: none
Provides: /bin/sh
%description
none
%install
mkdir -p %{buildroot}/opt/owned/dir; echo a > %{buildroot}/opt/owned/file; echo b > %{buildroot}/opt/owned/setuid; echo c > %{buildroot}/opt/owned/able; ln -s file %{buildroot}/opt/owned/link
%files
%attr(2770, games, audio) %dir /opt/owned/dir
%attr(0640, www-data, backup) /opt/owned/file
%attr(4755, root, audio) /opt/owned/setuid
%caps(cap_net_raw=ep) %attr(0755, root, root) /opt/owned/able
%attr(-, news, news) /opt/owned/link
%pre
id -u
%post
stat -c %%U:%%G:%%a /opt/owned/file
S
rpmbuild --define "_topdir $PWD/top" --define '__os_install_post %{nil}' -bb top/SPECS/owned.spec > log 2>&1 || tail -20 log
rpm -qp --qf '[%{FILENAMES} %{FILEMODES:perms} %{FILEUSERNAME}:%{FILEGROUPNAME} %{FILECAPS}\n]' top/RPMS/x86_64/owned-1-1.x86_64.rpm
rpm --nodeps -i top/RPMS/x86_64/owned-1-1.x86_64.rpm; owners /opt/owned; getcap /opt/owned/*; rpm --nodeps -V owned; echo $?
chown 1 /opt/owned/file; rpm --nodeps -V owned; rpm --restore owned; rpm --setugids owned; rpm --nodeps -V owned; owners /opt/owned; rpm --nodeps -e owned; ls /opt; rpm2cpio top/RPMS/x86_64/owned-1-1.x86_64.rpm | cpio -t; cp top/RPMS/x86_64/owned-1-1.x86_64.rpm /var/tmp
X
check dnf <<'X'
mkdir repo; mv /var/tmp/owned-1-1.x86_64.rpm repo; createrepo_c --quiet repo; owners repo | grep -v -e '/[0-9a-f]*-'
options=(--quiet --assumeyes --noplugins --setopt=reposdir= --setopt=cachedir="$PWD/cache" --setopt=persistdir="$PWD/state" --setopt=logdir="$PWD/log" --repofrompath="local,file://$PWD/repo" --repo=local --nogpgcheck --releasever=1); dnf() { command dnf "${options[@]}" "$@" 2>&1; }
dnf install owned | grep -v -e '^Install' -e '^$'; echo "${PIPESTATUS[0]}"; owners /opt/owned; getcap /opt/owned/*; rpm -q owned; chown 1 /opt/owned/file; dnf reinstall owned > /dev/null; owners /opt/owned; dnf remove owned > /dev/null; ls /opt; rpm -q owned
mkdir x; dnf --installroot="$PWD/x" --setopt=tsflags=noscripts install owned > /dev/null; echo $?; owners x/opt; getcap x/opt/owned/*
chmod -R a+rwX .; HOME=$PWD setpriv --reuid 33 --regid 33 --clear-groups dnf "${options[@]}" install owned
X
check pacman <<'X'
touch /opt/keep; mkdir -p p/opt/paced/dir root/var/lib/pacman; cd p; echo a > opt/paced/file; chown 33:34 opt/paced/file; chmod 2755 opt/paced/dir; chown 5:6 opt/paced/dir; cp /bin/true opt/paced/able; setcap cap_chown+ep opt/paced/able; chmod 755 .
printf 'pkgname = paced\npkgver = 1-1\npkgdesc = x\nurl = x\nbuilddate = 0\npackager = x\nsize = 3\narch = any\n' > .PKGINFO; printf 'post_install() { id -u; }\n' > .INSTALL
tar --sort=name --xattrs --xattrs-include='*' -cf ../paced-1-1-any.pkg.tar .PKGINFO .INSTALL opt; cd ..
sed 's/^SigLevel.*/SigLevel = Never/; s/^CheckSpace/#&/; s/^LocalFileSigLevel.*//' /etc/pacman.conf > pacman.conf
pacman --noconfirm --noprogressbar --config pacman.conf --dbpath "$PWD/root/var/lib/pacman" --logfile /dev/null --cachedir "$PWD" -U paced-1-1-any.pkg.tar; owners /opt/paced; getcap /opt/paced/able
pacman --config pacman.conf --dbpath "$PWD/root/var/lib/pacman" -Q; pacman --noconfirm --config pacman.conf --dbpath "$PWD/root/var/lib/pacman" --logfile /dev/null -R paced; ls /opt; rm /opt/keep
X
check makepkg-after-a-drop <<'X'
mkdir -p /var/lib/pacman; rm -rf /opt/owned
useradd -m builder; mkdir b; cat > b/PKGBUILD <<P
pkgname=made
pkgver=1
pkgrel=1
pkgdesc=x
arch=(any)
options=(!strip)
package() { install -Dm 644 /etc/hostname "\$pkgdir/opt/made/file"; chown 33:34 "\$pkgdir/opt/made/file"; }
P
chown -R builder: b; cd b; makepkg --nodeps --nocheck --force; echo $?; PKGEXT=.pkg.tar runuser -u builder -- env HOME=/home/builder makepkg --nodeps --force > log 2>&1 || tail -20 log; owners .; tar -tvf made-*.pkg.tar* | sed -n 's/ [0-9 ]* 20.* opt/ opt/p'; id builder; install -o builder /dev/null /var/mail/builder; userdel -r builder
X
check fakeroot-inside <<'X'
runuser -u www-data -- fakeroot sh -c 'cd /tmp && touch fr && chown 5:6 fr && stat -c %u:%g fr && id -u && rm fr'; fakeroot sh -c 'touch fr; chown 5:6 fr; stat -c %u:%g fr'; stat -c %u:%g fr
X
check pip <<'X'
mkdir -p pkg/hello; echo 'print("hello")' > pkg/hello/__init__.py; printf 'from setuptools import setup\nsetup(name="hello", version="1", packages=["hello"])\n' > pkg/setup.py
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INDEX=1 PIP_NO_CACHE_DIR=1
pip install --break-system-packages --no-build-isolation ./pkg 2>&1 | sed -n 's/-[0-9a-z_]*$//; /Success/p; /WARN/p; /rror/p'; python3 -c 'import hello'; owners /usr/local/lib/python3*/dist-packages | grep -v pycache; pip uninstall --break-system-packages -y hello 2>&1 | tail -1
chmod 755 .; cp -r pkg p33; chown -R 33:33 p33; mkdir home; chown 33:33 home; mkdir t; chown 33 t; HOME=$PWD/home setpriv --reuid 33 --regid 33 --clear-groups pip install --target t --no-build-isolation ./p33 2>&1 | grep -e ERR -e Success; owners t | grep -v pycache
chown 33 home; HOME=$PWD/home pip install --target tr --no-build-isolation ./pkg 2>&1 | grep -i -e warning -e owned
X
check npm <<'X'
export npm_config_offline=true npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false npm_config_cache=$PWD/cache npm_config_prefix=$PWD/prefix npm_config_foreground_scripts=true npm_config_progress=false
chmod 755 .; mkdir -p hello/bin app; echo '{"name":"hello","version":"1.0.0","bin":"bin/hello","scripts":{"install":"id; id -u > made; stat -c %u:%g .","postinstall":"touch made-after"}}' > hello/package.json; printf '#!/usr/bin/env node\nconsole.log("hello", process.getuid())\n' > hello/bin/hello
plain() { sed -e "s|$PWD|HERE|" -e 's/ in [0-9.]*m\?s$//'; }
npm pack ./hello 2>&1 | tail -1; chown -R 33:34 hello; npm install --global ./hello-1.0.0.tgz 2>&1 | plain; prefix/bin/hello; owners prefix
cd app; echo '{"name":"app","version":"1.0.0","dependencies":{"hello":"file:../hello-1.0.0.tgz"}}' > package.json; chown -R 33:33 .; npm install 2>&1 | plain; owners .
chown -R 33:33 . ../cache; HOME=$PWD setpriv --reuid 33 --regid 33 --clear-groups npm ci 2>&1 | plain; owners .
X
check git <<'X'
export GIT_CONFIG_COUNT=2 GIT_CONFIG_KEY_0=user.email GIT_CONFIG_VALUE_0=a@b GIT_CONFIG_KEY_1=user.name GIT_CONFIG_VALUE_1=a GIT_CONFIG_NOSYSTEM=1 HOME=/nonexistent
chmod 755 .; git init -q repo; cd repo; echo a > a; git add a; git commit -qm a --date 2020-01-01T00:00:00; git status -s; owners .git/HEAD a
chown -R 33:33 .; git status 2>&1 | sed "s|$PWD|REPO|"; echo ${PIPESTATUS[0]}; setpriv --reuid 33 --regid 33 --clear-groups git status -s; setpriv --reuid 34 --regid 34 --clear-groups git log 2>&1 | sed "s|$PWD|REPO|"
git -c safe.directory="$PWD" status -s; GIT_CONFIG_COUNT=3 GIT_CONFIG_KEY_2=safe.directory GIT_CONFIG_VALUE_2='*' git log --format=%s; SUDO_UID=33 git log --format=%s; chown 0 . .git; git log --format=%s; git clone -q . ../c; owners ../c/a; git init -q --shared=group ../s; owners ../s/.git/HEAD ../s/.git/objects
X
check ssh-keygen <<'X'
useradd -m keys; ssh-keygen -q -t ed25519 -N '' -f k -C c; owners k k.pub; runuser -u keys -- ssh-keygen -q -t ed25519 -N '' -f /home/keys/k; owners /home/keys/k /home/keys/k.pub
chmod 644 k; ssh-keygen -y -f k 2>&1 | grep -c -e UNPROTECTED -e 'bad permissions'; chmod 600 k; ssh-keygen -y -f k | cut -c 1-20; chown 33 k; ssh-keygen -y -f k | cut -c 1-20; chown 0 k; chmod 640 k; ssh-keygen -y -f k 2>&1 | grep -c -i permissions
echo 'Host x' > config; mkdir -p /home/keys/.ssh; cp config /home/keys/.ssh/config; chown keys /home/keys/.ssh/config; runuser -u keys -- ssh -G x | grep ^hostname; chmod 666 /home/keys/.ssh/config; runuser -u keys -- ssh -G x; chown 33 /home/keys/.ssh/config; chmod 644 /home/keys/.ssh/config; runuser -u keys -- ssh -G x
eval "$(ssh-agent -s)" > /dev/null; chmod 600 k; chown 0 k; ssh-add -q k; ssh-add -l | cut -d ' ' -f 4; chmod 777 "$SSH_AUTH_SOCK" "$(dirname "$SSH_AUTH_SOCK")"; (runuser -u keys -- ssh-add -l) > /dev/null 2>&1 || echo refused; stat -c %U:%G "$SSH_AUTH_SOCK"; ssh-agent -k > /dev/null; install -o keys /dev/null /var/mail/keys; userdel -r keys
X
check ssh <<'X'
chmod 755 .; useradd -m -p '*' keys; mkdir -p /run/sshd; ssh-keygen -q -t ed25519 -N '' -f host; ssh-keygen -q -t ed25519 -N '' -f key -C c; echo "h $(cat host.pub)" > known
printf 'HostKey %s\nUsePAM no\nStrictModes yes\nPidFile none\nLogLevel ERROR\n' "$PWD/host" > sshd_config; install -d -m 700 -o keys -g keys /home/keys/.ssh /root/.ssh-test; install -m 600 -o keys -g keys key.pub /home/keys/.ssh/authorized_keys
log() { ssh -F none -o "ProxyCommand=/usr/sbin/sshd -i -e -f $PWD/sshd_config" -o UserKnownHostsFile="$PWD/known" -o BatchMode=yes -o IdentitiesOnly=yes -i key "$@" 2>&1 | sed -e "s|$PWD|HERE|" | grep -v '^Connection closed'; }
log keys@h 'id; pwd; stat -c %U:%G:%a .ssh'; chmod 640 key; log keys@h id; chmod 600 key; chown 33 key; log keys@h id; chmod 644 key; log keys@h id; chown 0 key; chmod 600 key
for spoil in 'chown games' 'chmod 622' 'chown keys'; do $spoil /home/keys/.ssh/authorized_keys; log keys@h echo "$spoil"; done; chmod 600 /home/keys/.ssh/authorized_keys
for spoil in 'chown games' 'chmod 777' 'chown keys' 'chmod 755'; do $spoil /home/keys; log keys@h echo "$spoil"; done; chown games host; log keys@h id; chown 0 host; chmod 644 host; log keys@h id | tail -1
install -o keys /dev/null /var/mail/keys; userdel -r keys
X
echo 'END of packagers.sh'
