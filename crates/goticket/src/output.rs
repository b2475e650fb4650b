//! The only place that prints: what a command answers on standard output, and why it failed on standard error.
#![expect(clippy::print_stderr, reason = "errors of the command line belong there")]

use std::io::{self, Write};

/// Prints text to standard output. A reader that has seen enough, like `head`, is no error.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Prints a line to standard output.
///
/// # Errors
/// If it cannot be written.
pub(crate) fn line(text: &str) -> io::Result<()> {
    print(&format!("{text}\n"))
}

/// Prints why the command failed: all causes in one line.
pub(crate) fn failure(error: &anyhow::Error) {
    eprintln!("error: {}", causes(error));
}

/// An error with its causes, none of them twice.
pub(crate) fn causes(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(ToString::to_string) {
        if !line.ends_with(&cause) {
            let separator = if line.is_empty() { "" } else { ": " };
            line.push_str(separator);
            line.push_str(&cause);
        }
    }
    line.replace('\n', " ")
}
