//! Which system calls workloads may make: all but those that only administer a machine, and those that open large parts of the
//! kernel to people without privileges, user namespaces first among them. Written as a classic BPF program (seccomp(2)), which
//! bubblewrap loads last of all.

use std::fs;
use std::io;
use std::path::Path;

/// Answer of the filter: let it pass.
const ALLOW: u32 = 0x7fff_0000;
/// Answer of the filter: fail with the error number in the low bits.
const FAIL: u32 = 0x0005_0000;
/// Answer of the filter: end the process.
const KILL: u32 = 0x8000_0000;
const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

/// Where the filter finds the call's number, its architecture, and the low half of its first argument.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;

/// `CLONE_NEW…`: any namespace.
const NAMESPACES: u32 = 0x7e02_0080;

/// Codes of instructions: load a word, jump when equal, jump when at least, jump when a bit is set, answer.
const LOAD: u16 = 0x20;
const IF_EQUAL: u16 = 0x15;
const IF_AT_LEAST: u16 = 0x35;
const IF_ANY_BIT: u16 = 0x45;
const ANSWER: u16 = 0x06;

/// System calls of one architecture.
struct Calls {
    architecture: u32,
    /// Numbers from here on are of another convention of the same architecture.
    first_foreign: u32,
    clone: u32,
    unshare: u32,
    /// Takes its flags from memory, where no filter sees them; the C library falls back to `clone`.
    clone3: u32,
    denied: &'static [u32],
}

/// acct, add_key, bpf, chroot, clock_adjtime, clock_settime, delete_module, fanotify_init, finit_module, init_module, ioperm, iopl,
/// kexec_file_load, kexec_load, keyctl, mount, open_by_handle_at, perf_event_open, pivot_root, quotactl, reboot, request_key,
/// setdomainname, sethostname, setns, settimeofday, swapoff, swapon, syslog, umount2, userfaultfd, vhangup; then those that have
/// the same number everywhere: io_uring (3), open_tree, move_mount, fsopen, fsconfig, fsmount, fspick, mount_setattr,
/// quotactl_fd.
const X86_64: Calls = Calls {
    architecture: 0xc000_003e,
    first_foreign: 0x4000_0000,
    clone: 56,
    unshare: 272,
    clone3: 435,
    denied: &[
        163, 248, 321, 161, 305, 227, 176, 300, 313, 175, 173, 172, 320, 246, 250, 165, 304, 298,
        155, 179, 169, 249, 171, 170, 308, 164, 168, 167, 103, 166, 323, 153, 425, 426, 427, 428,
        429, 430, 431, 432, 433, 442, 443,
    ],
};

/// As above, without ioperm and iopl, which are of x86.
const AARCH64: Calls = Calls {
    architecture: 0xc000_00b7,
    first_foreign: u32::MAX,
    clone: 220,
    unshare: 97,
    clone3: 435,
    denied: &[
        89, 217, 280, 51, 266, 112, 106, 262, 273, 105, 294, 104, 219, 40, 265, 241, 41, 60, 142,
        218, 162, 161, 268, 170, 225, 224, 116, 39, 282, 58, 425, 426, 427, 428, 429, 430, 431,
        432, 433, 442, 443,
    ],
};

/// Writes the filter for this machine to `path`.
///
/// # Errors
/// In words: that the architecture is not known, or what the file system says.
pub(crate) fn write(path: &Path) -> Result<(), String> {
    let calls = match std::env::consts::ARCH {
        "x86_64" => &X86_64,
        "aarch64" => &AARCH64,
        other => return Err(format!("there is no filter of system calls for {other}")),
    };
    let write = || -> io::Result<()> { fs::write(path, bytes(&program(calls))) };
    write().map_err(|error| format!("{}: {error}", path.display()))
}

/// Loads a filter that was written by [`write`] for this process and all that comes of it. It may not gain privileges any more.
///
/// # Errors
/// Those of the system.
#[expect(
    unsafe_code,
    reason = "no library here has a safe way to load a filter; the kernel only reads what is passed"
)]
pub(crate) fn load(filter: &[u8]) -> io::Result<()> {
    let mut program: Vec<libc::sock_filter> = filter
        .chunks_exact(8)
        .filter_map(|bytes| {
            let [a, b, jt, jf, c, d, e, f] = *bytes.first_chunk()?;
            Some(libc::sock_filter {
                code: u16::from_ne_bytes([a, b]),
                jt,
                jf,
                k: u32::from_ne_bytes([c, d, e, f]),
            })
        })
        .collect();
    let filter = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(io::Error::other)?,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: the structure and the instructions that it points to outlive the call, and its length is theirs.
    let loaded = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const filter,
        )
    };
    if loaded == 0 {
        return Ok(());
    }
    Err(io::Error::last_os_error())
}

/// One instruction: what, with which number, and how many instructions to skip when it holds and when not.
#[derive(Clone, Copy, Debug)]
struct Instruction {
    code: u16,
    holds: u8,
    fails: u8,
    number: u32,
}

fn bytes(program: &[Instruction]) -> Vec<u8> {
    let encode = |instruction: &Instruction| {
        let [a, b] = instruction.code.to_ne_bytes();
        let [c, d, e, f] = instruction.number.to_ne_bytes();
        [a, b, instruction.holds, instruction.fails, c, d, e, f]
    };
    program.iter().flat_map(encode).collect()
}

fn program(calls: &Calls) -> Vec<Instruction> {
    let step = |code, number| Instruction {
        code,
        holds: 0,
        fails: 0,
        number,
    };
    // Skips the answer that follows unless the condition holds.
    let unless = |code, number| Instruction {
        code,
        holds: 0,
        fails: 1,
        number,
    };
    let fail = |error| step(ANSWER, FAIL | error);
    let mut program = vec![
        step(LOAD, ARCHITECTURE),
        Instruction {
            code: IF_EQUAL,
            holds: 1,
            fails: 0,
            number: calls.architecture,
        },
        step(ANSWER, KILL),
        step(LOAD, NUMBER),
        unless(IF_AT_LEAST, calls.first_foreign),
        fail(ENOSYS),
        unless(IF_EQUAL, calls.clone3),
        fail(ENOSYS),
    ];
    for call in calls.denied {
        program.extend([unless(IF_EQUAL, *call), fail(EPERM)]);
    }
    program.extend([
        // Both calls that make namespaces; others pass.
        Instruction {
            code: IF_EQUAL,
            holds: 1,
            fails: 0,
            number: calls.clone,
        },
        Instruction {
            code: IF_EQUAL,
            holds: 0,
            fails: 3,
            number: calls.unshare,
        },
        step(LOAD, FIRST_ARGUMENT),
        unless(IF_ANY_BIT, NAMESPACES),
        fail(EPERM),
        step(ANSWER, ALLOW),
    ]);
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would answer.
    fn answer(program: &[Instruction], architecture: u32, number: u32, argument: u32) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let instruction = program[at];
            at += 1;
            let jump = match instruction.code {
                LOAD => {
                    let words = [
                        (NUMBER, number),
                        (ARCHITECTURE, architecture),
                        (FIRST_ARGUMENT, argument),
                    ];
                    value = words
                        .iter()
                        .find(|(place, _)| *place == instruction.number)
                        .unwrap()
                        .1;
                    continue;
                }
                ANSWER => return instruction.number,
                IF_EQUAL => value == instruction.number,
                IF_AT_LEAST => value >= instruction.number,
                IF_ANY_BIT => value & instruction.number != 0,
                other => panic!("{other}"),
            };
            at += usize::from(if jump {
                instruction.holds
            } else {
                instruction.fails
            });
        }
    }

    #[test]
    fn what_administers_is_denied_and_the_rest_passes() {
        for calls in [&X86_64, &AARCH64] {
            let program = program(calls);
            let ask = |number, argument| answer(&program, calls.architecture, number, argument);
            for denied in calls.denied {
                assert_eq!(ask(*denied, 0), FAIL | EPERM, "{denied}");
            }
            assert_eq!(ask(calls.clone3, 0), FAIL | ENOSYS);
            for passes in [0, 1, 59, 202, 318, 424, 436, 450] {
                assert_eq!(ask(passes, 0), ALLOW, "{passes}");
            }
            // A thread, a child, and each kind of namespace.
            assert_eq!(
                (ask(calls.clone, 0x003d_0f00), ask(calls.clone, 17)),
                (ALLOW, ALLOW)
            );
            assert_eq!(ask(calls.unshare, 0x200), ALLOW);
            for namespace in [
                0x80,
                0x2_0000,
                0x200_0000,
                0x400_0000,
                0x800_0000,
                0x1000_0000,
                0x2000_0000,
                0x4000_0000,
            ] {
                assert_eq!(
                    ask(calls.clone, namespace | 17),
                    FAIL | EPERM,
                    "{namespace:x}"
                );
                assert_eq!(ask(calls.unshare, namespace), FAIL | EPERM, "{namespace:x}");
            }
            assert_eq!(answer(&program, calls.architecture ^ 1, 1, 0), KILL);
        }
        assert_eq!(
            answer(&program(&X86_64), X86_64.architecture, 0x4000_0001, 0),
            FAIL | ENOSYS
        );
    }
}
