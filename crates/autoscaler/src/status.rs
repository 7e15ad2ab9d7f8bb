//! Status, events and metrics in Cluster Autoscaler's own shapes and words, so that dashboards and
//! alerts made for it carry over.
//!
//! [`ClusterAutoscaler::record_status`] turns the book-keeping on; then [`config_map()`], [`events()`]
//! and [`metrics()`] tell what upstream would have written after the last loop and what was carried
//! out of it. Nothing in here decides anything.

pub mod conditions;
pub mod config_map;
mod deletions;
pub mod events;
pub mod families;
pub mod go_text;
mod gpu;
pub mod metrics;
mod observation;
mod recorder;
#[cfg(test)]
mod tests;
pub mod yaml;

pub use conditions::{ClusterStatus, NodeCounts, ScaleUpError};
pub use events::{Event, EventObject, EventType};
pub use metrics::Metrics;
pub use recorder::Recorder;
pub(crate) use recorder::{Sight, growths};

use plimsoll_core::{Cluster, SimTime};

use crate::ClusterAutoscaler;

/// The ConfigMap `kube-system/cluster-autoscaler-status` as YAML, as of the last loop. `now` is when
/// it is written where no loop has run, or nothing is recorded: it then says `Initializing`.
#[must_use]
pub fn config_map(autoscaler: &ClusterAutoscaler, cluster: &Cluster, now: SimTime) -> String {
    let status = match autoscaler.recorder() {
        Some(recorder) => recorder.status(sight(autoscaler, cluster), now),
        None => ClusterStatus::initializing(now, ""),
    };
    config_map::config_map_yaml(&status)
}

/// The events since the last loop began, in order; none where nothing is recorded.
#[must_use]
pub fn events(autoscaler: &ClusterAutoscaler) -> &[Event] {
    autoscaler.recorder().map_or(&[], Recorder::events)
}

/// All metrics in Prometheus' text format 0.0.4; empty where nothing is recorded.
#[must_use]
pub fn metrics(autoscaler: &ClusterAutoscaler, cluster: &Cluster) -> String {
    let recorder = autoscaler.recorder();
    recorder.map_or_else(String::new, |recorder| {
        recorder.metrics(sight(autoscaler, cluster)).exposition()
    })
}

fn sight<'a>(autoscaler: &'a ClusterAutoscaler, cluster: &'a Cluster) -> Sight<'a> {
    Sight { cluster, settings: autoscaler.settings(), registry: autoscaler.registry() }
}
