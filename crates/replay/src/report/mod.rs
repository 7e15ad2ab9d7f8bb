//! What a replay found, as JSON, as text for a terminal, as an HTML page, and held against others.
//!
//! [`model`] is the document; the replay's runner fills it with the help of [`pending`], [`money`],
//! [`rounding`], [`step_series`], [`batches`] and [`backtest`], so that every number is rounded once, when the report is made, and
//! never when it is shown. [`text`], [`html`] and [`compare`] only read it.

pub mod backtest;
pub mod batches;
pub mod clock_text;
pub mod compare;
pub mod divergence;
pub mod explanations;
pub mod figures;
pub mod html;
pub mod json_path;
pub mod labels;
pub mod load;
pub mod model;
pub mod money;
pub mod pending;
pub mod prose;
pub mod rounding;
#[cfg(test)]
mod sample;
pub mod seconds;
pub mod serde_time;
pub mod snapshot;
pub mod sparkline;
pub mod step_series;
pub mod text;

pub use compare::{CompareError, Comparison};
pub use explanations::Explanations;
pub use load::{LoadError, load_reports, parse_reports};
pub use model::{
    API_VERSION, Backtest, GroupScaleUp, GroupTotals, LoopDecision, NeverScheduled, NodeScaleDown,
    OwnerWaits, REPLAY_REPORT_KIND, ReplayMode, ReplayReport, ScaleUpBurst, SeriesPoint,
    SeriesValue, Totals,
};
pub use money::{CostMeter, MicroUsd};
pub use pending::PendingSeconds;
pub use rounding::{node_hours, rounded, rounded_ratio};
pub use seconds::Seconds;
pub use snapshot::{
    ClusterSnapshot, SnapshotNode, SnapshotNodeGroup, SnapshotPod, SnapshotPriorityClass,
    SnapshotTaint,
};
pub use step_series::StepSeries;
