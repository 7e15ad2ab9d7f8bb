//! Why a pod does not fit a node, in kube-scheduler's words.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use super::profile::Plugin;

/// The first filter that refuses a pod on a node, and what it says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Refusal {
    /// The plugin.
    pub plugin: Plugin,
    /// Its reasons, one by one, as they are counted in the pod's condition.
    pub reasons: Vec<Cow<'static, str>>,
    /// Whether other pods' leaving the node could help; false is upstream's
    /// `UnschedulableAndUnresolvable`.
    pub resolvable: bool,
    /// Whether the pod is refused as a whole, before any node is looked at.
    pub of_whole_pod: bool,
}

impl Refusal {
    /// A refusal for one reason that could go away with other pods.
    #[must_use]
    pub fn new(plugin: Plugin, reason: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal { plugin, reasons: vec![reason.into()], resolvable: true, of_whole_pod: false }
    }

    /// A refusal for one reason that stays whatever pods leave the node.
    #[must_use]
    pub fn unresolvable(plugin: Plugin, reason: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal { resolvable: false, ..Refusal::new(plugin, reason) }
    }

    /// A refusal of the pod as a whole.
    #[must_use]
    pub fn of_pod(plugin: Plugin, reason: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal { of_whole_pod: true, ..Refusal::unresolvable(plugin, reason) }
    }

    /// The plugin's name.
    #[must_use]
    pub fn plugin(&self) -> &'static str {
        self.plugin.name()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reasons.join(", "))
    }
}

/// The text of the PodScheduled condition: reasons counted over the nodes, sorted as strings. What
/// refuses the pod as a whole is said once.
///
/// Source: `framework.FitError.Error`.
#[must_use]
pub fn describe_refusals<'a>(refusals: impl Iterator<Item = &'a Refusal>) -> String {
    let mut tally = RefusalTally::default();
    refusals.for_each(|refusal| tally.add(refusal));
    tally.text()
}

/// Refusals of nodes, counted by reason.
#[derive(Clone, Debug, Default)]
pub(super) struct RefusalTally<'a> {
    counts: BTreeMap<Cow<'a, str>, usize>,
    nodes: usize,
    of_whole_pod: Option<String>,
}

impl<'a> RefusalTally<'a> {
    /// One more node refuses.
    pub(super) fn add(&mut self, refusal: &'a Refusal) {
        if refusal.of_whole_pod {
            self.of_whole_pod = Some(refusal.to_string());
        }
        self.add_nodes(1, refusal.reasons.iter().map(|reason| Cow::Borrowed(&**reason)));
    }

    /// So many more nodes refuse for these reasons.
    pub(super) fn add_nodes(
        &mut self,
        nodes: usize,
        reasons: impl IntoIterator<Item = Cow<'a, str>>,
    ) {
        self.nodes += nodes;
        for reason in reasons {
            *self.counts.entry(reason).or_default() += nodes;
        }
    }

    /// See [`describe_refusals`].
    pub(super) fn text(&self) -> String {
        let nodes = self.nodes;
        if nodes == 0 {
            return "no nodes available to schedule pods".to_owned();
        }
        if let Some(refusal) = &self.of_whole_pod {
            return format!("0/{nodes} nodes are available: {refusal}.");
        }
        let mut parts: Vec<String> =
            self.counts.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        parts.sort();
        format!("0/{nodes} nodes are available: {}.", parts.join(", "))
    }
}
