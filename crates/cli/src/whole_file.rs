//! Files that appear whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Writes a file under another name beside it and gives it its own once it is complete, so that
/// whoever finds `path` finds all of it. A file that was there is replaced; a device or a pipe is
/// written to, as it must not be replaced.
///
/// # Errors
/// Names the file; then nothing has changed at `path`, and nothing is left beside it.
pub(crate) fn write(
    path: &Path,
    content: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    // Follows links, so that one to a device counts as the device.
    if fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
        return write_device(path, content)
            .with_context(|| format!("{}: could not write", path.display()));
    }
    let partial = partial_path(path);
    let written = write_partial(&partial, content).and_then(|()| fs::rename(&partial, path));
    if written.is_err() {
        // It may not even have come into being; the error that counts is the first one.
        let _gone = fs::remove_file(&partial);
    }
    written.with_context(|| format!("{}: could not write", path.display()))
}

/// Writes a text as [`write()`] does.
///
/// # Errors
/// As [`write()`].
pub(crate) fn write_text(path: &Path, text: &str) -> anyhow::Result<()> {
    write(path, &mut |out| out.write_all(text.as_bytes()))
}

/// Devices and pipes are opened as they are, and cannot all be synchronised.
fn write_device(
    path: &Path,
    content: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut out = BufWriter::new(File::options().write(true).open(path)?);
    content(&mut out)?;
    out.flush()
}

fn write_partial(
    partial: &Path,
    content: &mut dyn FnMut(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(partial)?);
    content(&mut out)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

/// Beside the file, as a rename must not cross file systems.
fn partial_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_device_is_written_to_and_stays_a_device() {
        use std::os::unix::fs::FileTypeExt;

        let full = Path::new("/dev/full");
        let error = format!("{:#}", write_text(full, "a report").expect_err("it is always full"));
        assert!(error.starts_with("/dev/full: could not write: No space left"), "{error}");
        write_text(Path::new("/dev/null"), "a report").expect("it takes everything");
        for device in [full, Path::new("/dev/null")] {
            let kind = fs::metadata(device).expect("there").file_type();
            assert!(kind.is_char_device(), "{}", device.display());
        }
    }

    #[test]
    fn a_file_that_could_not_be_completed_leaves_the_old_one_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("report.json");
        write_text(&path, "old").expect("written");
        let failed = write(&path, &mut |out| {
            out.write_all(b"half of the ne")?;
            Err(io::Error::other("disk full"))
        });
        let error = format!("{:#}", failed.expect_err("refused"));
        assert!(error.ends_with("report.json: could not write: disk full"), "{error}");
        assert_eq!(fs::read_to_string(&path).expect("there"), "old");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }
}
