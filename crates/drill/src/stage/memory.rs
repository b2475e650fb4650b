//! What the kernel says about processes.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::sleep;

/// Resident memory of a process in bytes.
pub(crate) fn resident(pid: u32) -> Option<u64> {
    bytes_of(&format!("/proc/{pid}/status"), "VmRSS:")
}

/// Memory of this machine in bytes.
pub(crate) fn of_machine() -> Option<u64> {
    bytes_of("/proc/meminfo", "MemTotal:")
}

fn bytes_of(file: &str, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// Processor time that the drill itself has used.
pub(crate) fn own_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // the name in parentheses may hold blanks; user and system ticks are 12 and 13 fields after it
    let ticks: u64 = stat
        .rsplit(')')
        .next()
        .into_iter()
        .flat_map(|rest| rest.split_whitespace().skip(11).take(2))
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    Duration::from_millis(ticks * 10)
}

/// Raises the limit of open files as far as it goes, for us and the servers we start.
pub(crate) fn raise_open_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // if it cannot be raised, opening the connections says so clearly enough
    let _ = setrlimit(Resource::Nofile, limit);
}

/// Watches the memory of a process; stops when dropped.
#[derive(Debug)]
pub(crate) struct MemoryWatch {
    highest: Rc<Cell<u64>>,
    task: JoinHandle<()>,
}

impl MemoryWatch {
    /// Watches this process.
    pub(crate) fn start(pid: u32) -> Self {
        let highest = Rc::new(Cell::new(0));
        let seen = Rc::clone(&highest);
        let task = spawn_local(async move {
            loop {
                seen.set(seen.get().max(resident(pid).unwrap_or(0)));
                sleep(Duration::from_millis(200)).await;
            }
        });
        Self { highest, task }
    }

    /// The most it had so far, in megabytes.
    pub(crate) fn highest_mb(&self) -> f64 {
        megabytes(self.highest.get())
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Bytes in megabytes.
pub(crate) fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_process_has_memory_and_time() {
        assert!(resident(std::process::id()).unwrap() > 100_000);
        assert_eq!(resident(u32::MAX), None);
        let mut sum = 0_u64;
        while own_cpu().is_zero() {
            sum = sum.wrapping_add(std::hint::black_box(1));
        }
    }
}
