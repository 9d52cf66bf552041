//! Rows of the calls that have no shim: the kernel is asked, and what its answer is worth to a guest that believes
//! itself root. Where a real root would get another answer, the reason says so.

use super::Shim::Kernel;
use super::Support::Passed;
use super::{Case, Entry, Row};

/// Rows without a shim: a reason, and the calls that it holds for, which exist in both ABIs or in one of them.
macro_rules! passed {
    ($(#[$doc:meta])* $title:ident = $(
        $why:literal: $(both [$($both:ident)*])? $(x86_64 [$($amd64:ident)*])? $(i386 [$($i386:ident)*])?;
    )*) => {
        $(#[$doc])*
        pub const $title: &[Row] = &[$(
            $($(row!($both, Passed($why), x86_64: Kernel, i386: Kernel),)*)?
            $($(row!($amd64, Passed($why), x86_64: Kernel),)*)?
            $($(row!($i386, Passed($why), i386: Kernel),)*)?
        )*];
    };
}

passed! {
    /// What is in files, and where they are.
    FILES =
    "contents, not owners": both [
        close close_range copy_file_range dup dup2 dup3 fadvise64 fdatasync flock fsync lseek pread64 preadv preadv2
        read readahead readv sync sync_file_range syncfs tee cachestat
    ] i386 [_llseek fadvise64_64];
    "a file without a name belongs to root, whoever makes it": both [pipe pipe2 memfd_create memfd_secret];
    "a write takes capabilities, and by a user set-id bits, unless through a descriptor older than the user": both [
        write writev pwrite64 pwritev pwritev2 sendfile splice vmsplice fallocate
        io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents
    ] i386 [sendfile64 io_pgetevents_time64];
    "no ring exists: io_uring_setup is refused": both [io_uring_enter io_uring_register];
    "permissions are checked for the real owner: a task that has dropped root may do more than its virtual ids allow":
        both [access faccessat faccessat2 chdir fchdir];
    "nothing about owners": both [
        getcwd readlink readlinkat umask statfs fstatfs ustat sysfs name_to_handle_at
        inotify_init inotify_init1 inotify_add_watch inotify_rm_watch
    ] i386 [statfs64 fstatfs64 readdir];
    "needs root of the machine for whole mounts and for file handles: EPERM": both [
        fanotify_init fanotify_mark open_by_handle_at
    ];
    "owners by F_SETOWN are processes; leases are checked for the real owner": both [fcntl] i386 [fcntl64];
    "what needs root of the machine (immutable files, devices, networks of other namespaces) is refused": both [
        ioctl file_getattr file_setattr
    ];
    "quotas are the machine's, by real ids: EPERM": both [quotactl quotactl_fd];
    "mounts that a user namespace may make, also by a task that has dropped root; none without a namespace": both [
        umount2 fsconfig fsmount fspick open_tree open_tree_attr move_mount mount_setattr statmount listmount
    ] i386 [umount];
}

passed! {
    /// Memory.
    MEMORY =
    "a task's own memory, within the limits of an ordinary user": both [
        brk mmap munmap mprotect mremap msync madvise mincore mlock mlock2 munlock mlockall munlockall mseal
        remap_file_pages pkey_alloc pkey_free pkey_mprotect map_shadow_stack membarrier rseq userfaultfd
        mbind get_mempolicy set_mempolicy set_mempolicy_home_node migrate_pages move_pages
        modify_ldt set_thread_area get_thread_area arch_prctl
    ] i386 [mmap2];
    "among tasks of one real user, whatever their virtual ids": both [process_madvise process_mrelease];
}

passed! {
    /// Life and death of tasks, signals.
    TASKS =
    "the engine follows by itself": both [fork vfork exit exit_group];
    "nothing about ids": both [
        wait4 waitid getpid getppid gettid getpgid setpgid getpgrp getsid setsid set_tid_address restart_syscall
        pause personality uname rt_sigaction rt_sigpending rt_sigprocmask rt_sigreturn rt_sigsuspend rt_sigtimedwait
        sigaltstack signalfd signalfd4 pidfd_open
    ] i386 [
        waitpid sigaction signal sigpending sigprocmask sigreturn sigsuspend sgetmask ssetmask rt_sigtimedwait_time64
        olduname oldolduname
    ];
    "a guest is traced already: strace and gdb get EPERM for it": both [ptrace];
    "security modules judge the real ids": both [
        landlock_create_ruleset landlock_add_rule landlock_restrict_self
        lsm_get_self_attr lsm_set_self_attr lsm_list_modules
    ];
    "hostnames of a UTS namespace that is the guest's own, also by a task that has dropped root: EPERM elsewhere": both [sethostname setdomainname];
}

passed! {
    /// Waiting, time, scheduling, limits.
    WAITING =
    "nothing about ids": both [
        futex futex_wait futex_wake futex_waitv futex_requeue set_robust_list get_robust_list poll ppoll select pselect6
        epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 eventfd eventfd2
        alarm getitimer setitimer nanosleep clock_nanosleep clock_gettime clock_getres gettimeofday time times
        timer_create timer_delete timer_getoverrun timer_gettime timer_settime
        timerfd_create timerfd_gettime timerfd_settime getrandom sysinfo getrusage getcpu
        sched_yield sched_getattr sched_getparam sched_getscheduler sched_get_priority_max sched_get_priority_min
        sched_rr_get_interval getrlimit
    ] i386 [
        futex_time64 _newselect ppoll_time64 pselect6_time64 clock_nanosleep_time64 clock_gettime64
        clock_getres_time64 timer_gettime64 timer_settime64 timerfd_gettime64 timerfd_settime64
        sched_rr_get_interval_time64 ugetrlimit
    ];
    "raising a priority or a hard limit needs root of the machine": both [setrlimit] i386 [nice];
    "a user's tasks are those of the real id": both [ioprio_get];
    "clocks are the machine's: EPERM to set them": both [settimeofday clock_settime adjtimex clock_adjtime] i386 [
        stime clock_settime64 clock_adjtime64
    ];
}

passed! {
    /// Sockets and messages between processes.
    COMMUNICATION =
    "nothing about ids": both [
        shutdown getsockname getpeername accept4 sendto recvfrom
    ] x86_64 [accept];
    "raw and packet sockets need a network namespace that is the guest's own: EPERM elsewhere": both [socket];
    "owners of IPC objects are real ids: root's, whoever makes them; others cannot be set": both [
        semget semctl shmget shmctl shmat shmdt msgget msgctl msgsnd msgrcv
        mq_open mq_unlink mq_timedsend mq_timedreceive mq_notify mq_getsetattr
    ] x86_64 [semop semtimedop] i386 [ipc semtimedop_time64 mq_timedsend_time64 mq_timedreceive_time64];
    "owners of keys are real ids: root's, whoever makes them; others cannot be set": both [add_key request_key keyctl];
}

passed! {
    /// What belongs to the machine and not to a namespace.
    MACHINE =
    "belongs to root of the machine: EPERM": both [
        acct swapon swapoff kexec_load init_module finit_module delete_module syslog iopl ioperm vhangup
    ] x86_64 [kexec_file_load];
    "ends a PID namespace that is the guest's own: EPERM elsewhere": both [reboot];
    "as far as the machine lets ordinary users": both [bpf perf_event_open];
    "for the kernel's own use: an error for programs": x86_64 [uprobe uretprobe];
    "not in kernels of today: ENOSYS": both [
        _sysctl afs_syscall create_module get_kernel_syms getpmsg lookup_dcookie nfsservctl putpmsg query_module
        uselib vserver
    ] x86_64 [epoll_ctl_old epoll_wait_old security tuxcall] i386 [
        r#break bdflush ftime gtty idle lock mpx prof profil stty ulimit vm86 vm86old
    ];
}
