//! Metrics as data: families of samples, and their text for Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::families::{Family, Kind, PREFIX};
use super::go_text::go_float;

/// The samples of all metrics that have any, by name.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    families: BTreeMap<&'static str, MetricFamily>,
}

/// One metric and its samples.
#[derive(Clone, Debug)]
pub struct MetricFamily {
    /// Its name, type and labels.
    pub family: &'static Family,
    /// By the values of its labels, in the order of [`Family::labels`].
    pub samples: BTreeMap<Vec<String>, Sample>,
}

/// What one combination of labels came to. All of them are whole numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sample {
    /// Of a gauge or a counter.
    Value(i64),
    /// Of a histogram.
    Observations {
        /// How many were at most each bound, in the order of the bounds.
        at_most: Vec<u64>,
        /// How many there were.
        count: u64,
        /// All of them added up.
        sum: i64,
    },
}

impl Metrics {
    /// All metrics that have samples, in the order of their names.
    pub fn families(&self) -> impl Iterator<Item = &MetricFamily> {
        self.families.values()
    }

    /// The value of a gauge or counter; 0 without a sample.
    #[must_use]
    pub fn value(&self, family: &'static Family, labels: &[&str]) -> i64 {
        let labels: Vec<String> = labels.iter().map(|one| (*one).to_owned()).collect();
        let samples = self.families.get(family.name).map(|found| &found.samples);
        match samples.and_then(|samples| samples.get(&labels)) {
            Some(Sample::Value(value)) => *value,
            _ => 0,
        }
    }

    /// Sets a gauge.
    pub fn set(&mut self, family: &'static Family, labels: &[&str], value: i64) {
        *self.sample(family, labels) = Sample::Value(value);
    }

    /// Sets a gauge to 1 or 0.
    pub fn set_flag(&mut self, family: &'static Family, labels: &[&str], is_set: bool) {
        self.set(family, labels, i64::from(is_set));
    }

    /// Adds to a counter; adding 0 makes it show.
    pub fn add(&mut self, family: &'static Family, labels: &[&str], amount: u64) {
        if let Sample::Value(value) = self.sample(family, labels) {
            *value = value.saturating_add(i64::try_from(amount).unwrap_or(i64::MAX));
        }
    }

    /// Adds an observation to a histogram.
    pub fn observe(&mut self, family: &'static Family, labels: &[&str], value: i64) {
        let Kind::Histogram(bounds) = family.kind else { return };
        if let Sample::Observations { at_most, count, sum } = self.sample(family, labels) {
            for (bound, below) in bounds.iter().zip(at_most) {
                *below += u64::from(value <= *bound);
            }
            *count += 1;
            *sum += value;
        }
    }

    fn sample(&mut self, family: &'static Family, labels: &[&str]) -> &mut Sample {
        debug_assert_eq!(labels.len(), family.labels.len(), "labels of {}", family.name);
        let fresh = || MetricFamily { family, samples: BTreeMap::new() };
        let samples = &mut self.families.entry(family.name).or_insert_with(fresh).samples;
        let labels = labels.iter().map(|one| (*one).to_owned()).collect();
        samples.entry(labels).or_insert_with(|| match family.kind {
            Kind::Gauge | Kind::Counter => Sample::Value(0),
            Kind::Histogram(bounds) => {
                Sample::Observations { at_most: vec![0; bounds.len()], count: 0, sum: 0 }
            }
        })
    }

    /// Everything in Prometheus' text format 0.0.4.
    #[must_use]
    pub fn exposition(&self) -> String {
        let mut out = String::new();
        for one in self.families.values() {
            let Family { name, kind, help, .. } = *one.family;
            let help = escaped(help, false);
            let kind = kind.as_str();
            write_line(&mut out, format_args!("# HELP {PREFIX}{name} {help}"));
            write_line(&mut out, format_args!("# TYPE {PREFIX}{name} {kind}"));
            for (labels, sample) in &one.samples {
                write_sample(&mut out, one.family, labels, sample);
            }
        }
        out
    }
}

fn write_sample(out: &mut String, family: &Family, labels: &[String], sample: &Sample) {
    let name = family.name;
    let pairs: Vec<String> = family
        .labels
        .iter()
        .zip(labels)
        .map(|(label, value)| format!("{label}=\"{}\"", escaped(value, true)))
        .collect();
    let set = if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) };
    match sample {
        Sample::Value(value) => {
            let value = number(*value);
            write_line(out, format_args!("{PREFIX}{name}{set} {value}"));
        }
        Sample::Observations { at_most, count, sum } => {
            let Kind::Histogram(bounds) = family.kind else { return };
            let bounds = bounds.iter().map(|bound| number(*bound)).chain(["+Inf".to_owned()]);
            for (bound, below) in bounds.zip(at_most.iter().chain([count])) {
                let mut pairs = pairs.clone();
                pairs.push(format!("le=\"{bound}\""));
                let set = pairs.join(",");
                write_line(out, format_args!("{PREFIX}{name}_bucket{{{set}}} {below}"));
            }
            let sum = number(*sum);
            write_line(out, format_args!("{PREFIX}{name}_sum{set} {sum}"));
            write_line(out, format_args!("{PREFIX}{name}_count{set} {count}"));
        }
    }
}

fn write_line(out: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(out, "{line}").expect("writing to a string cannot fail");
}

/// Samples are floats to Prometheus, and are written as Go writes these.
#[expect(clippy::cast_precision_loss, reason = "the format holds float64 only")]
fn number(value: i64) -> String {
    go_float(value as f64)
}

/// Backslashes and line breaks, and in the values of labels quotes too, are escaped.
fn escaped(text: &str, is_label: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if is_label => out.push_str("\\\""),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::super::families::{
        BINPACKING_HETEROGENEITY, CLUSTER_MEMORY_CURRENT_BYTES, NODE_GROUP_BACKOFF_STATUS,
    };
    use super::*;

    #[test]
    fn samples_are_sorted_and_labels_escaped() {
        let mut metrics = Metrics::default();
        metrics.set(&NODE_GROUP_BACKOFF_STATUS, &["b", "say \"no\"\\\nmore"], 1);
        metrics.set(&NODE_GROUP_BACKOFF_STATUS, &["a", "timeout"], 0);
        metrics.set(&CLUSTER_MEMORY_CURRENT_BYTES, &[], 17_179_869_184);
        for value in [1, 3, 40] {
            metrics.observe(&BINPACKING_HETEROGENEITY, &["4", "m5.xlarge", "2"], value);
        }
        expect![[r#"
            # HELP cluster_autoscaler_binpacking_heterogeneity Groups of like pods that one estimate looked at.
            # TYPE cluster_autoscaler_binpacking_heterogeneity histogram
            cluster_autoscaler_binpacking_heterogeneity_bucket{cpu_count="4",instance_type="m5.xlarge",namespace_count="2",le="1"} 1
            cluster_autoscaler_binpacking_heterogeneity_bucket{cpu_count="4",instance_type="m5.xlarge",namespace_count="2",le="2"} 1
            cluster_autoscaler_binpacking_heterogeneity_bucket{cpu_count="4",instance_type="m5.xlarge",namespace_count="2",le="4"} 2
            cluster_autoscaler_binpacking_heterogeneity_bucket{cpu_count="4",instance_type="m5.xlarge",namespace_count="2",le="8"} 2
            cluster_autoscaler_binpacking_heterogeneity_bucket{cpu_count="4",instance_type="m5.xlarge",namespace_count="2",le="16"} 2
            cluster_autoscaler_binpacking_heterogeneity_bucket{cpu_count="4",instance_type="m5.xlarge",namespace_count="2",le="32"} 2
            cluster_autoscaler_binpacking_heterogeneity_bucket{cpu_count="4",instance_type="m5.xlarge",namespace_count="2",le="+Inf"} 3
            cluster_autoscaler_binpacking_heterogeneity_sum{cpu_count="4",instance_type="m5.xlarge",namespace_count="2"} 44
            cluster_autoscaler_binpacking_heterogeneity_count{cpu_count="4",instance_type="m5.xlarge",namespace_count="2"} 3
            # HELP cluster_autoscaler_cluster_memory_current_bytes Memory of the nodes that are not being deleted.
            # TYPE cluster_autoscaler_cluster_memory_current_bytes gauge
            cluster_autoscaler_cluster_memory_current_bytes 1.7179869184e+10
            # HELP cluster_autoscaler_node_group_backoff_status 1 while a group is in back-off for a reason, else 0.
            # TYPE cluster_autoscaler_node_group_backoff_status gauge
            cluster_autoscaler_node_group_backoff_status{node_group="a",reason="timeout"} 0
            cluster_autoscaler_node_group_backoff_status{node_group="b",reason="say \"no\"\\\nmore"} 1
        "#]]
        .assert_eq(&metrics.exposition());
    }
}
