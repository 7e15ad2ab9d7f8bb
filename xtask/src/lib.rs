//! Chores of the workspace, as functions: `src/main.rs` is their command line, `tests/tidy.rs`
//! runs the tidy rules with every `cargo test`.

pub mod gate;
pub mod goldens;
pub mod output;
pub mod tidy;

use std::path::Path;

/// The root folder of the workspace this program was built from.
#[must_use]
pub fn workspace_root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask/ lies directly in the workspace's root")
}

/// The cargo that runs us, so that nested calls use the same toolchain.
#[must_use]
pub fn cargo_program() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
