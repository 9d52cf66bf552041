//! How a call travels between guest and kernel: ABIs, arguments, errnos, ids, struct layouts.

mod ids;
mod layout;

pub use ids::{Gid, KeepGid, KeepUid, Uid};
pub use layout::{
    FromStatx, OLDSTAT_I386, STAT_I386, STAT_MAX, STAT_X86_64, STAT64_I386, STATX, STATX_SIZE, StatFields,
    StatLayout, major, makedev, minor, stat_from_statx,
};
pub use syscalls::Errno;

/// Which system-call interface a call came in by. One task may use several (a 64-bit program can execute
/// `int 0x80`), so this belongs to the call and not to the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Abi {
    /// AMD64, `AUDIT_ARCH_X86_64` without the x32 bit.
    X86_64,
    /// Intel 386 and its compatibility mode, `AUDIT_ARCH_I386`.
    I386,
}

impl Abi {
    /// Every ABI that the table has rows for.
    pub const ALL: [Abi; 2] = [Abi::X86_64, Abi::I386];

    /// The kernel's `AUDIT_ARCH_*` value, as in `struct seccomp_data` and `struct ptrace_syscall_info`.
    pub const fn audit_arch(self) -> u32 {
        match self {
            Abi::X86_64 => 0xC000_003E,
            Abi::I386 => 0x4000_0003,
        }
    }

    /// The ABI of an `AUDIT_ARCH_*` value, if we know it.
    pub fn from_audit_arch(arch: u32) -> Option<Abi> {
        Abi::ALL.into_iter().find(|abi| abi.audit_arch() == arch)
    }

    /// Bytes in a pointer, a `long` and a `size_t`.
    pub const fn word_size(self) -> usize {
        match self {
            Abi::X86_64 => 8,
            Abi::I386 => 4,
        }
    }

    /// The name in documentation and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Abi::X86_64 => "x86_64",
            Abi::I386 => "i386",
        }
    }
}

/// One system call as the guest made it: registers decoded by ABI, nothing interpreted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The interface it came in by.
    pub abi: Abi,
    /// Its number in that ABI.
    pub nr: u32,
    /// Its arguments, zero-extended to 64 bits on 32-bit ABIs.
    pub args: [u64; 6],
}

impl Call {
    /// Argument `n` as a C `int` (file descriptors, flags): the kernel looks at the low 32 bits only.
    pub fn int(&self, n: usize) -> i32 {
        self.args[n] as i32
    }

    /// Argument `n` as a C `unsigned int`.
    pub fn uint(&self, n: usize) -> u32 {
        self.args[n] as u32
    }

    /// Argument `n` as a pointer or a `long`, unchanged.
    pub fn word(&self, n: usize) -> u64 {
        self.args[n]
    }

    /// Argument `n` as a uid, or "keep" for (uid_t)-1.
    pub fn keep_uid(&self, n: usize) -> KeepUid {
        KeepUid::from_raw(self.uint(n))
    }

    /// Argument `n` as a gid, or "keep" for (gid_t)-1.
    pub fn keep_gid(&self, n: usize) -> KeepGid {
        KeepGid::from_raw(self.uint(n))
    }

    /// The same call with argument `n` replaced.
    pub fn with(mut self, n: usize, value: u64) -> Call {
        self.args[n] = value;
        self
    }
}
