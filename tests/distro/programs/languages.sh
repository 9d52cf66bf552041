#!/bin/bash
# What languages have for it: ids of the process, of a child, of files.
. "$(dirname "$0")/lib.sh"
needs python3 perl ruby node php java id

check python <<'X'
cat > p.py <<'P'
import grp, os, pwd, shutil, subprocess, sys, tarfile
sys.stdout.reconfigure(line_buffering=True)
def say(*what):
    print(*what, os.getresuid(), os.getresgid(), sorted(os.getgroups()))
def attempt(what, *arguments):
    try:
        say(what.__name__, what(*arguments))
    except OSError as error:
        say(what.__name__, error)
say("start")
run = lambda **how: subprocess.run(["id"], **how)
run(user="www-data"); run(user=33, group=34); run(user=33, group="audio", extra_groups=["games", 70000]); run(extra_groups=[])
run(user=33, group=33, extra_groups=[], preexec_fn=lambda: os.setgroups([]) if os.geteuid() == 0 else None)
open("f", "w").close()
shutil.chown("f", "www-data", "audio"); print(os.stat("f").st_uid, os.stat("f").st_gid, pwd.getpwuid(os.stat("f").st_uid).pw_name)
os.chown("f", 2**31 + 5, 2**32 - 2); print(os.stat("f")[:6][4:], os.stat("f").st_uid)
os.mkdir("open"); os.chmod("open", 0o777); os.mkfifo("pipe"); os.mknod("null", 0o20666, os.makedev(1, 3)); os.lchown("pipe", 5, 6); print([(e.name, e.stat().st_uid, oct(e.stat().st_mode), e.stat().st_rdev) for e in sorted(os.scandir("."), key=lambda e: e.name)])
with tarfile.open("t.tar", "w") as tar: tar.add("f"); tar.add("null"); tar.add("pipe")
os.mkdir("x"); tarfile.open("t.tar").extractall("x"); print([(n, os.stat("x/" + n)[4:6], oct(os.stat("x/" + n).st_mode)) for n in sorted(os.listdir("x"))])
if os.fork() == 0:
    os.initgroups("backup", 4); attempt(os.setegid, 34); attempt(os.seteuid, 33); attempt(os.chown, "f", 0, 0); attempt(os.seteuid, 0)
    attempt(os.setresgid, 1, 2, 3); attempt(os.setreuid, 33, 34); attempt(os.setuid, 0); attempt(os.setgroups, [1]); os._exit(0)
os.wait()
os.setgroups([33]); os.setgid(33); os.setuid(33); say("dropped"); attempt(os.setuid, 0); attempt(os.setgid, 0); attempt(os.chown, "f", 33, 33); attempt(os.mknod, "open/null", 0o20666, os.makedev(1, 3))
print(os.access("f", os.F_OK), os.path.expanduser("~root"), pwd.getpwuid(os.getuid()).pw_name)
P
python3 p.py
X
check python-threads <<'X'
cat > t.py <<'P'
import os, threading
def become(): os.setresuid(33, 33, 0)
t = threading.Thread(target=become); t.start(); t.join(); print(os.getresuid())
seen = []
ts = [threading.Thread(target=lambda: seen.append(os.getresuid())) for _ in range(5)]
[t.start() for t in ts]; [t.join() for t in ts]; print(set(seen))
P
python3 t.py
X
check perl <<'X'
cat > p.pl <<'P'
use POSIX ();
$| = 1; sub say_ { print "@_: $< $> ", join(" ", (split ' ', $()[0]), " ", join(" ", (split ' ', $))[0]), " [", join(",", sort { $a <=> $b } (split ' ', $))[1..20]), "]\n" }
no warnings; say_("start"); open F, ">f"; close F; print chown(33, 34, "f"), " ", join(":", (stat "f")[4, 5]), "\n";
if (!fork) { $) = "33 33 4 5"; say_("egid"); $( = 33; say_("gid"); $> = 33; say_("euid $!"); $! = 0; $> = 0; say_("back $!"); $> = 33; $< = 33; say_("uid"); $! = 0; $> = 0; say_("euid 0: $!"); $! = 0; $) = 0; say_("egid 0: $!"); $! = 0; print chown(0, 0, "f"), " $!\n"; exit }
wait; if (!fork) { ($<, $>) = (34, 35); say_("both"); exit } wait; if (!fork) { ($<, $>) = ($>, $<); POSIX::setgid(8); POSIX::setuid(7); say_("posix"); system "id"; exit } wait;
print join(" ", getpwuid($<)), "\n";
P
perl p.pl
X
check ruby <<'X'
cat > p.rb <<'P'
require "etc"; require "fileutils"; $stdout.sync = true
def say(what) = puts("#{what}: #{Process.uid} #{Process.euid} #{Process.gid} #{Process.egid} #{Process.groups.sort}")
def attempt(what) = say("#{what} #{begin; yield; rescue SystemCallError => e; e.message; end}")
say "start"; File.write("f", ""); FileUtils.chown("www-data", "audio", "f"); p [File.stat("f").uid, File.stat("f").gid, File.stat("f").owned?]; File.lchown(5, 6, "f"); p File.stat("f").uid
fork { Process::Sys.setresgid(34, 35, 36); attempt("setreuid") { Process::Sys.setreuid(33, 34) }; attempt("setuid 0") { Process::Sys.setuid(0) } }; Process.wait
fork { Process.initgroups("backup", 4); Process::GID.change_privilege(34); Process::UID.change_privilege(33); say "changed"; attempt("euid=") { Process.euid = 0 }; attempt("chown") { File.chown(0, 0, "f") }; system "id" }; Process.wait
fork { Process::UID.grant_privilege(33); say "granted"; Process::UID.re_exchange; say "exchanged"; attempt("eid=") { Process::UID.eid = 0 } }; Process.wait
fork { Process::UID.eid = 44; Process::UID.switch { say "switched" }; say "and back" }; Process.wait
fork { Process.groups = [1, 2, 3]; Process.uid = 33; say "uid="; attempt("groups=") { Process.groups = [] } }; Process.wait
p Etc.getpwuid(File.stat("/etc/shadow").uid).name, Etc.getgrgid(File.stat("/etc/shadow").gid).name
P
ruby p.rb
X
check node <<'X'
cat > p.js <<'P'
const fs = require("fs"), { spawnSync, execSync } = require("child_process");
const say = (what) => console.log(what, process.getuid(), process.geteuid(), process.getgid(), process.getegid(), process.getgroups().sort());
const attempt = (what, f) => { try { f(); say(what); } catch (e) { say(what + " " + e.code); } };
say("start"); const id = (o) => { const r = spawnSync("id", o); console.log(r.error ? r.error.code : r.stdout.toString().trim()); };
id({ uid: 33, gid: 34 }); id({ uid: 33 }); id({ gid: 34 }); id({ uid: 70000, gid: 2147483647 });
fs.writeFileSync("f", ""); fs.chownSync("f", 33, 34); const s = fs.statSync("f"); console.log(s.uid, s.gid); fs.lchownSync("f", 5, 6); console.log(fs.lstatSync("f").uid);
fs.promises.chown("f", 7, 8).then(() => fs.promises.stat("f")).then((s) => { console.log(s.uid, s.gid);
process.initgroups("backup", 4); process.setgroups([1, "audio"]); process.setegid(35); process.setgid("games"); process.seteuid(33); say("seteuid"); process.seteuid(0); process.setuid("www-data"); say("dropped");
attempt("setuid", () => process.setuid(0)); attempt("setgid", () => process.setgid(0)); attempt("setgroups", () => process.setgroups([])); attempt("chown", () => fs.chownSync("f", 0, 0)); id({ uid: 33 }); id({ uid: 0 });
fs.promises.chown("f", 0, 0).catch((e) => console.log("from a thread:", e.code)); console.log(execSync("id").toString().trim(), require("os").userInfo().username); });
P
node p.js
X
check php <<'X'
cat > p.php <<'P'
<?php function say($w) { $g = posix_getgroups(); sort($g); echo "$w: ", posix_getuid(), " ", posix_geteuid(), " ", posix_getgid(), " ", posix_getegid(), " ", implode(",", $g), "\n"; }
say("start"); touch("f"); chown("f", "www-data"); chgrp("f", "audio"); clearstatcache(); echo fileowner("f"), ":", filegroup("f"), "\n"; symlink("f", "l"); lchown("l", 5); clearstatcache(); echo lstat("l")["uid"], "\n";
posix_initgroups("backup", 4); say("initgroups"); posix_setegid(34); posix_seteuid(33); say("effective"); posix_seteuid(0); posix_setgid(34); posix_setuid(33); say("dropped");
var_dump(posix_setuid(0), posix_strerror(posix_get_last_error()), posix_setgid(0), @chown("f", 0)); say("end"); echo posix_getpwuid(posix_geteuid())["name"], " ", get_current_user(), "\n"; passthru("id");
P
php p.php
X
check java <<'X'
cat > Owners.java <<'P'
import java.io.IOException;
import java.nio.file.*;
import java.nio.file.attribute.*;
import java.util.Set;
import java.util.TreeMap;

class Owners {
    interface Deed { void run() throws IOException; }
    static void attempt(String what, Deed deed) {
        try { deed.run(); System.out.println(what + ": done"); }
        catch (FileSystemException e) { System.out.println(what + ": " + e.getClass().getSimpleName() + " " + e.getReason()); }
        catch (IOException e) { System.out.println(what + ": " + e); }
    }
    static void look(String name) throws IOException {
        var a = Files.readAttributes(Path.of(name), PosixFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
        var unix = new TreeMap<>(Files.readAttributes(Path.of(name), "unix:uid,gid,mode,nlink", LinkOption.NOFOLLOW_LINKS));
        System.out.println(name + " " + a.owner() + ":" + a.group() + " " + PosixFilePermissions.toString(a.permissions()) + " " + unix);
    }
    public static void main(String[] arguments) throws Exception {
        var users = FileSystems.getDefault().getUserPrincipalLookupService();
        var f = Path.of("f");
        System.out.println(System.getProperty("user.name") + " " + System.getProperty("user.home"));
        if (arguments.length == 0) {
            Files.createFile(f); look("f");
            Files.setOwner(f, users.lookupPrincipalByName("www-data")); System.out.println(Files.getOwner(f)); look("f");
            Files.getFileAttributeView(f, PosixFileAttributeView.class).setGroup(users.lookupPrincipalByGroupName("audio"));
            Files.setPosixFilePermissions(f, PosixFilePermissions.fromString("rw-r-----")); look("f");
            Files.createSymbolicLink(Path.of("l"), f); Files.getFileAttributeView(Path.of("l"), PosixFileAttributeView.class, LinkOption.NOFOLLOW_LINKS).setOwner(users.lookupPrincipalByName("games")); look("l"); look("f");
            Files.copy(f, Path.of("copy"), StandardCopyOption.COPY_ATTRIBUTES); look("copy");
            Files.setAttribute(f, "unix:uid", 70000); Files.setAttribute(f, "unix:gid", 70001); look("f");
            Files.setAttribute(f, "unix:mode", 06711); look("f");
            Files.getFileAttributeView(f, UserDefinedFileAttributeView.class).write("test", java.nio.ByteBuffer.wrap(new byte[] {65})); System.out.println(Files.getFileAttributeView(f, UserDefinedFileAttributeView.class).list());
            Files.setOwner(f, users.lookupPrincipalByName("www-data"));
        }
        attempt("owner", () -> Files.setOwner(f, users.lookupPrincipalByName("root")));
        attempt("owner", () -> Files.setOwner(f, users.lookupPrincipalByName("www-data")));
        attempt("group", () -> Files.getFileAttributeView(f, PosixFileAttributeView.class).setGroup(users.lookupPrincipalByGroupName("games")));
        attempt("mode", () -> Files.setPosixFilePermissions(f, Set.of(PosixFilePermission.OWNER_READ))); look("f");
        attempt("another's mode", () -> Files.setPosixFilePermissions(Path.of("copy"), Set.of(PosixFilePermission.OWNER_READ))); attempt("nobody", () -> users.lookupPrincipalByName("no-such-user"));
        System.out.print(new String(new ProcessBuilder("id").start().getInputStream().readAllBytes()));
    }
}
P
java -cp /usr/share/java/ecj.jar org.eclipse.jdt.internal.compiler.batch.Main -11 -d . Owners.java; chmod 755 .; export JAVA_TOOL_OPTIONS='-Xshare:auto -XX:TieredStopAtLevel=1 -XX:+UseSerialGC'
java -cp . Owners 2>&1 | grep -v ^Picked; chown 0:0 copy; setpriv --reuid 33 --regid 33 --clear-groups java -cp . Owners dropped 2>&1 | grep -v ^Picked; owners . | grep -v class
X
echo 'END of languages.sh'
