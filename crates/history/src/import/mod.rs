//! Turning traces, Gardener scenarios and the output of `kubectl get` into a history.

mod csv_table;
mod dlrm;
mod error;
mod gardener;
mod gardener_components;
mod gardener_objects;
mod gardener_scenario;
mod groups;
mod machines;
mod objects;
mod openb;
mod pod;
mod surf;
mod timeline;

use std::path::{Path, PathBuf};

use plimsoll_core::SimTime;

pub use error::ImportError;

use crate::{History, RecordingInfo, RecordingMeta, Writer};

/// Imports `files` as a history at `output`. Whatever goes wrong, nothing new is at `output`; a
/// history that is there already is replaced only by a whole new one.
///
/// `progress` is called now and then, and once at the end.
///
/// # Errors
/// [`ImportError`] names the file, and the row and column or the document and field.
pub fn run(
    format: Format,
    files: &[PathBuf],
    options: &ImportOptions,
    output: &Path,
    progress: &mut dyn FnMut(ImportProgress),
) -> Result<ImportSummary, ImportError> {
    if std::fs::metadata(output).is_ok_and(|there| !there.is_file()) {
        // A finished history takes the place of what was there; a device must keep its own.
        let shown = output.display();
        return Err(ImportError::usage(format!("{shown}: is no file, so no history can be there")));
    }
    check_options(format, files, options)?;
    let notes = match format {
        Format::Dlrm => dlrm::import(files, options, output, progress),
        Format::Surf => surf::import(files, options, output, progress),
        Format::Openb => openb::import(files, options, output, progress),
        Format::Gardener => gardener::import(files, output, progress),
        Format::Objects => objects::import(files, options, output, progress),
    }?;
    let info = History::open(output)?.info().clone();
    Ok(ImportSummary { info, notes })
}

/// What a file to be imported holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Alibaba's GPU-disaggregated DLRM trace (NSDI'25): one CSV file of instances.
    Dlrm,
    /// Jobs of the SURF Lisa cluster as OpenDC has them: one CSV file.
    Surf,
    /// Alibaba's GPU v2023 trace: a CSV file of pods and one of nodes, in any order.
    Openb,
    /// Scenarios of gardener scaling-history: JSON files.
    Gardener,
    /// `kubectl get -o json` or `-o yaml`: one file per snapshot of the cluster.
    Objects,
}

impl Format {
    /// Every format.
    pub const ALL: [Format; 5] =
        [Format::Dlrm, Format::Surf, Format::Openb, Format::Gardener, Format::Objects];

    /// The word for it on the command line and in [`RecordingInfo::format`].
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Format::Dlrm => "dlrm",
            Format::Surf => "surf",
            Format::Openb => "openb",
            Format::Gardener => "gardener",
            Format::Objects => "objects",
        }
    }

    /// The format called `name`.
    ///
    /// # Errors
    /// [`ImportError::Usage`] that lists the known formats.
    pub fn parse(name: &str) -> Result<Format, ImportError> {
        Format::ALL.into_iter().find(|format| format.name() == name).ok_or_else(|| {
            let known = Format::ALL.map(Format::name).join(", ");
            ImportError::usage(format!("unknown format {name:?}; known are {known}"))
        })
    }
}

/// What the user asked for besides the files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportOptions {
    /// A YAML file of `NodeGroup` documents and at most one `AutoscalerSettings`, for traces that name
    /// no machines.
    pub groups: Option<PathBuf>,
    /// Divides every time of a trace, counted from its start, by this number.
    pub compress: Option<f64>,
    /// Multiplies the load of a trace: row `i` (from 0) is played
    /// `floor((i + 1) × inflate) - floor(i × inflate)` times.
    pub inflate: Option<f64>,
}

/// How far an import has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImportProgress {
    /// Steps done.
    pub done: u64,
    /// Steps in all.
    pub total: u64,
}

/// What an import made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportSummary {
    /// What the new history says about itself.
    pub info: RecordingInfo,
    /// What the user should know about how the source was read, one sentence each.
    pub notes: Vec<String>,
}

/// Time 0 of a trace that counts seconds from its own beginning.
const RELATIVE_START: SimTime = SimTime(1_735_689_600_000); // 2025-01-01T00:00:00Z

fn check_options(
    format: Format,
    files: &[PathBuf],
    options: &ImportOptions,
) -> Result<(), ImportError> {
    let name = format.name();
    let (fewest, most) = match format {
        Format::Dlrm | Format::Surf => (1, 1),
        Format::Openb => (2, 2),
        Format::Gardener | Format::Objects => (1, usize::MAX),
    };
    if files.len() < fewest || files.len() > most {
        let wanted = match format {
            Format::Dlrm => "the CSV file of instances",
            Format::Surf => "the CSV file of jobs",
            Format::Openb => "two files, the CSV of pods and the CSV of nodes",
            Format::Gardener => "at least one JSON file",
            Format::Objects => "at least one file",
        };
        let given = files.len();
        return Err(ImportError::usage(format!("{name} needs {wanted}; {given} files were given")));
    }
    let is_trace = matches!(format, Format::Dlrm | Format::Surf | Format::Openb);
    for (flag, value) in [("--compress", options.compress), ("--inflate", options.inflate)] {
        match value {
            Some(_) if !is_trace => {
                return Err(ImportError::usage(format!("{flag} makes no sense for {name}")));
            }
            Some(number) if !number.is_finite() || number <= 0.0 => {
                return Err(ImportError::usage(format!(
                    "{flag} must be a number above 0, not {number}"
                )));
            }
            _ => {}
        }
    }
    if format == Format::Gardener && options.groups.is_some() {
        return Err(ImportError::usage(
            "gardener scenarios bring their own node groups".to_owned(),
        ));
    }
    if matches!(format, Format::Dlrm | Format::Surf) && options.groups.is_none() {
        return Err(ImportError::usage(format!(
            "{name} names no machines: --groups is needed, for example examples/groups/{name}.yaml"
        )));
    }
    Ok(())
}

/// Starts the history of an import.
fn create_writer(
    output: &Path,
    format: Format,
    cluster: &str,
    files: &[PathBuf],
    start: SimTime,
) -> Result<Writer, ImportError> {
    let names: Vec<String> = files.iter().map(|file| file_name(file)).collect();
    let recording = RecordingMeta {
        cluster: cluster.to_owned(),
        format: format.name().to_owned(),
        source: names.join(", "),
        start,
    };
    Ok(Writer::create(output, &recording)?)
}

/// The name of a file without its folder, so that a history does not depend on where it was made.
fn file_name(file: &Path) -> String {
    file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// Refuses a row whose times contradict each other.
fn check_order(row: &csv_table::Row<'_>, life: timeline::Life) -> Result<(), ImportError> {
    if let (Some(created), Some(scheduled)) = (life.created, life.scheduled)
        && scheduled < created
    {
        return Err(row.error("scheduled_time", "is before creation_time"));
    }
    match (life.scheduled.or(life.created), life.deleted) {
        (Some(earlier), Some(deleted)) if deleted < earlier => {
            Err(row.error("deletion_time", "is before the instance was created or scheduled"))
        }
        _ => Ok(()),
    }
}
