//! What the server costs when nobody comes: memory, time to start, its file.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use tokio::time::sleep;

use super::booker::preload;
use crate::load::ms;
use crate::report::Section;
use crate::stage::event::{Event, Plan};
use crate::stage::memory::{megabytes, resident};
use crate::stage::{Bench, Ground, Setup};

/// Memory and time of a server that nobody uses; its binary
#[derive(Clone, Debug, Args)]
pub(crate) struct Idle {
    /// How many starts are measured
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) starts: u32,
    /// How many bookings the database holds
    #[arg(long, default_value_t = 1000)]
    pub(crate) preload: usize,
}

/// What every Linux with glibc has.
const LIBC: [&str; 8] =
    ["linux-vdso", "ld-linux", "libc.so", "libm.so", "libgcc_s.so", "libpthread.so", "libdl.so", "librt.so"];

/// Measures it.
///
/// # Errors
/// If the drill may not start the server.
pub(crate) async fn run(bench: &Bench, ground: &Ground, options: &Idle) -> Result<Section> {
    let mut stage = bench.stage(ground, Setup::default()).await?;
    let mut section = Section::new("idle", "A server that nobody uses");
    section.setting("engine", ground.name());
    let binary = stage.program()?.binary().to_path_buf();
    let event = Event::publish(&mut stage.api(), &stage.people.organizer, &Plan::plenty("Idle")).await?;
    if options.preload > 0 {
        preload(bench, &stage, event.booking(1), options.preload, &mut section).await?;
    }
    let mut ready = Vec::new();
    for _ in 0..options.starts {
        stage.kill_server().await?;
        ready.push(ms(stage.restart_server().await?));
    }
    ready.sort_by(f64::total_cmp);
    section.figure("ready", "ready after start, in the middle", ready[ready.len() / 2], "ms");
    section.figure("ready_max", "ready after start, at most", ready[ready.len() - 1], "ms");
    bench.progress.step("  letting it idle for 5 s");
    sleep(Duration::from_secs(5)).await;
    if let Some(bytes) = stage.pid().and_then(resident) {
        section.figure("memory", "resident memory", megabytes(bytes), "MB");
    }
    section.figure("binary", "size of the binary", megabytes(std::fs::metadata(&binary)?.len()), "MB");
    let needed = libraries(&String::from_utf8_lossy(&Command::new("ldd").arg(&binary).output()?.stdout));
    let foreign: Vec<&String> =
        needed.iter().filter(|name| !LIBC.iter().any(|known| name.starts_with(known))).collect();
    section.note(format!("libraries needed at run time: {}", needed.iter().cloned().collect::<Vec<_>>().join(", ")));
    section.figure("foreign", "libraries beyond libc", foreign.len() as f64, "");
    stage.close(&mut section).await?;
    Ok(section)
}

/// The names that `ldd` lists, without their folders.
fn libraries(listing: &str) -> BTreeSet<String> {
    listing
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| name.contains(".so"))
        .map(|name| name.rsplit('/').next().unwrap_or(name).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_from_ldd() {
        let listing = "\tlinux-vdso.so.1 (0x1)\n\tlibc.so.6 => /lib/libc.so.6 (0x2)\n\t/lib64/ld-linux-x86-64.so.2 (0x3)\n\tlibssl.so.3 => not found\n";
        let names: Vec<String> = libraries(listing).into_iter().collect();
        assert_eq!(names, ["ld-linux-x86-64.so.2", "libc.so.6", "libssl.so.3", "linux-vdso.so.1"]);
        assert!(libraries("\tstatically linked\n").is_empty());
    }
}
