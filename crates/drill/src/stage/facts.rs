//! The machine and the versions, without which a figure says nothing.

use std::path::Path;
use std::process::Command;

/// One fact: its name and what it is.
pub(crate) type Fact = (String, String);

/// Everything a reader needs to compare a run with another.
pub(crate) fn gather(server: Option<&Path>, seed: u64) -> Vec<Fact> {
    let mut facts = vec![
        fact("started", command("date", &["-u", "+%Y-%m-%dT%H:%M:%SZ"])),
        fact("command", std::env::args().skip(1).fold("drill".to_owned(), |line, word| line + " " + &shown(&word))),
        fact("cores", std::thread::available_parallelism().map_or_else(|_| "?".to_owned(), |cores| cores.to_string())),
        fact("processor", line_of("/proc/cpuinfo", "model name")),
        fact("memory", line_of("/proc/meminfo", "MemTotal")),
        fact("kernel", std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned()),
        fact("file system", command("stat", &["-f", "-c", "%T", &std::env::temp_dir().display().to_string()])),
        fact("rustc", command("rustc", &["--version"])),
        fact("PostgreSQL", postgres_version()),
        fact(
            "drill",
            format!(
                "{} ({})",
                env!("CARGO_PKG_VERSION"),
                if cfg!(debug_assertions) { "debug build: figures mean nothing" } else { "release" }
            ),
        ),
        fact("seed", seed.to_string()),
    ];
    if let Some(server) = server {
        facts.push(fact("server", command(&server.display().to_string(), &["--version"])));
    }
    facts
}

fn fact(name: &str, value: String) -> Fact {
    (name.to_owned(), value)
}

/// A word of the command line as it may be shown: without a password in a URL.
fn shown(word: &str) -> String {
    match (word.find("://"), word.rfind('@')) {
        (Some(scheme), Some(at)) if scheme < at => format!("{}://***{}", &word[..scheme], &word[at..]),
        _ => word.to_owned(),
    }
}

fn command(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output
        .ok()
        .filter(|output| output.status.success())
        .map_or_else(|| "not found".to_owned(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn line_of(file: &str, name: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.split_once(':')).map_or("?", |(_, value)| value.trim()).to_owned()
}

fn postgres_version() -> String {
    let newest = super::postgres::installed();
    newest.map_or_else(
        |_| "not installed".to_owned(),
        |bin| command(&bin.join("postgres").display().to_string(), &["--version"]),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        assert_eq!(shown("postgres://u:secret@127.0.0.1/x"), "postgres://***@127.0.0.1/x");
        assert_eq!(shown("--seconds"), "--seconds");
    }

    #[test]
    fn a_missing_program_is_no_failure() {
        assert_eq!(command("no-such-program-here", &[]), "not found");
        assert!(gather(None, 7).iter().any(|(name, value)| name == "seed" && value == "7"));
    }
}
