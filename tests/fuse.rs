//! File systems that are served by guests, which the tracer stops while it looks at what they serve: nobody hangs, and
//! what is seen is what real root sees. Likewise where the server is somebody else, who may never answer.

mod support;

use std::path::PathBuf;
use std::process::Command;

use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use support::{Lab, Machine, NOBODY_WE_KNOW, can_compile, is_root, skipped};

/// A lab with the guest program, a node for /dev/fuse that everybody may open, and an empty directory.
struct Place {
    lab: Lab,
    guest: PathBuf,
    device: PathBuf,
    home: PathBuf,
}

impl Place {
    /// `None`: skipped by name.
    fn new(test: &str) -> Option<Place> {
        if !is_root() {
            skipped(test, "it mounts, and makes a device node");
            return None;
        }
        if !can_compile(test, Machine::X86_64) {
            return None;
        }
        let lab = Lab::new();
        let guest = lab.guest("fuse", Machine::X86_64);
        let device = lab.path().join("fuse-device");
        let mode = Mode::from_bits_truncate(0o666);
        // Documentation/admin-guide/devices.txt: misc, 229.
        let made = mknod(&device, SFlag::S_IFCHR, mode, makedev(10, 229));
        let chmod = Command::new("chmod").arg("666").arg(&device).status();
        if made.is_err()
            || !chmod.is_ok_and(|status| status.success())
            || std::fs::File::open(&device).is_err()
        {
            skipped(test, "there is no FUSE here");
            return None;
        }
        let home = lab.home("home");
        std::fs::create_dir(home.join("mnt")).expect("a new directory");
        std::os::unix::fs::chown(home.join("mnt"), Some(NOBODY_WE_KNOW), Some(NOBODY_WE_KNOW))
            .expect("chown");
        Some(Place { lab, guest, device, home })
    }

    fn mount_point(&self) -> PathBuf {
        self.home.join("mnt")
    }

    fn prepare(&self, command: &mut Command) {
        command.env("FUSE_DEVICE", &self.device).current_dir(&self.home);
    }

    /// What the guest prints natively, as real root.
    fn natively(&self, what: &str) -> String {
        let home = self.lab.path().join("native");
        std::fs::create_dir_all(home.join("mnt")).expect("a new directory");
        let mut command = Command::new("timeout");
        command.args(["--kill-after=5", "60"]).arg(&self.guest).arg("here").arg(home.join("mnt")).arg(what);
        self.prepare(&mut command);
        text(command.current_dir(home))
    }

    /// What it prints under remainroot, which mounts and serves by itself.
    fn ours(&self, what: &str) -> String {
        let mut command = self.lab.unprivileged("timeout");
        command.args(["--kill-after=5", "60"]).arg(self.lab.remainroot()).arg("--");
        command.arg(&self.guest).arg("here").arg(self.mount_point()).arg(what);
        self.prepare(&mut command);
        text(&mut command)
    }

    /// What it prints where real root has mounted, and serves or lets the guest serve (`how`).
    fn with_mount(&self, how: &str, inside: &str, what: &str) -> String {
        let mut command = Command::new("timeout");
        // The guest becomes the user before it starts remainroot.
        command.env("XDG_STATE_HOME", self.lab.path().join("state"));
        command.args(["--kill-after=5", "60"]).arg(&self.guest).arg(how).arg(NOBODY_WE_KNOW.to_string());
        command.arg(self.mount_point()).arg(self.lab.remainroot()).arg("--");
        command.arg(&self.guest).arg(inside).arg(self.mount_point()).arg(what);
        self.prepare(&mut command);
        text(command.env("FUSE_OWNER", NOBODY_WE_KNOW.to_string()))
    }
}

/// What a command prints, and that it ends well.
fn text(command: &mut Command) -> String {
    let output = command.output().expect("timeout runs");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!((output.status.code(), err.as_ref()), (Some(0), ""), "{command:?} printed\n{out}");
    out.into_owned()
}

/// What "stuck" and "killed" print before anybody is killed.
const BESIDE: &str = "chown beside it: done\nfile: done 100644 33:44\nstill waiting: 0\n";

fn without_last_line(text: &str) -> &str {
    text.trim_end().rsplit_once('\n').map_or("", |(before, _)| before)
}

#[test]
fn a_guests_own_file_system_is_what_root_sees() {
    let Some(place) = Place::new("a_guests_own_file_system_is_what_root_sees") else { return };
    assert_eq!(place.ours("use"), place.natively("use"));
}

#[test]
fn tasks_are_seen_through_a_guests_own_file_system() {
    let Some(place) = Place::new("tasks_are_seen_through_a_guests_own_file_system") else { return };
    let natively = place.natively("proc");
    assert!(natively.contains("openat2 0x2: done TracerPid:\t0\n"), "{natively}");
    assert_eq!(place.ours("proc"), natively);
}

#[test]
fn a_server_that_does_not_answer_holds_up_nobody_else() {
    let Some(place) = Place::new("a_server_that_does_not_answer_holds_up_nobody_else") else { return };
    let natively = place.natively("stuck");
    assert_eq!(natively, format!("{BESIDE}ended: ECONNABORTED\numount: done\n"));
    assert_eq!(place.ours("stuck"), natively);
}

#[test]
fn a_guest_that_waits_for_its_file_system_can_be_killed() {
    let Some(place) = Place::new("a_guest_that_waits_for_its_file_system_can_be_killed") else { return };
    assert_eq!(place.ours("killed"), format!("{BESIDE}ended: killed\numount: done\n"));
}

#[test]
fn a_file_system_that_others_have_mounted() {
    let Some(place) = Place::new("a_file_system_that_others_have_mounted") else { return };
    let natively = place.natively("use");
    let expected = without_last_line(&natively);
    assert_eq!(place.with_mount("mount", "given", "use").trim_end(), expected, "served by a guest");
    assert_eq!(place.with_mount("serve", "visit", "use").trim_end(), expected, "served by others");
}

#[test]
fn others_who_do_not_answer() {
    let Some(place) = Place::new("others_who_do_not_answer") else { return };
    assert_eq!(place.with_mount("serve", "visit", "killed"), format!("{BESIDE}ended: killed\n"));
}
