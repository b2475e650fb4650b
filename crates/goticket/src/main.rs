//! The program: everything is in the library, so that tests can compose an instance of their own.

use std::process::ExitCode;

/// Of all allocators that were tried it keeps the least of what ten thousand connections once needed.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    goticket::run()
}
