//! Which priority a pod gets from its class, as the API server's admission gives it.

use std::collections::BTreeMap;

use super::error::FieldError;
use super::fields::{self, Fields, Read};
use super::nearest::with_nearest;
use crate::workload::PriorityClassObject;

/// The two classes of every cluster, and their priorities.
const BUILT_IN: [(&str, i32); 2] =
    [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];
/// Whether a pod may evict others.
const PREEMPTION_POLICIES: [(&str, bool); 2] = [("PreemptLowerPriority", true), ("Never", false)];

/// The PriorityClasses of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriorityClasses {
    by_name: BTreeMap<String, Standing>,
    /// Of pods that name no class.
    default: Standing,
}

/// How a pod stands among others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) priority: i32,
    /// Nobody gave it one: it counts as 0.
    pub(super) is_unset: bool,
    pub(super) preempts: bool,
}

/// A priority that a class or the pod itself gives.
const GIVEN: Standing = Standing { priority: 0, is_unset: false, preempts: true };
/// Of pods without a class where no class is the default.
const UNSET: Standing = Standing { priority: 0, is_unset: true, preempts: true };

impl PriorityClasses {
    /// `system-cluster-critical` and `system-node-critical`; pods without a class have priority 0.
    #[must_use]
    pub fn built_in() -> PriorityClasses {
        let by_name = BUILT_IN
            .iter()
            .map(|(name, priority)| ((*name).to_owned(), Standing { priority: *priority, ..GIVEN }))
            .collect();
        PriorityClasses { by_name, default: UNSET }
    }

    /// The built-in classes and these. Of several global defaults the lowest counts, as upstream.
    #[must_use]
    pub fn with(classes: &[PriorityClassObject]) -> PriorityClasses {
        let mut all = PriorityClasses::built_in();
        let mut lowest_default: Option<Standing> = None;
        for class in classes {
            let standing = Standing { priority: class.value, preempts: class.preempts, ..GIVEN };
            all.by_name.insert(class.name.clone(), standing);
            if class.global_default && lowest_default.is_none_or(|one| class.value < one.priority) {
                lowest_default = Some(standing);
            }
        }
        all.default = lowest_default.unwrap_or(all.default);
        all
    }

    /// The standing of a pod with this `spec`: what it says itself (an API server has put it there),
    /// else its class's, else the default class's.
    pub(super) fn standing(&self, spec: Fields<'_>) -> Read<Standing> {
        let own_priority = spec.optional("priority", fields::whole_32)?;
        let own_policy =
            spec.optional("preemptionPolicy", |value| fields::word(value, &PREEMPTION_POLICIES))?;
        let class_name = spec.or_default("priorityClassName", fields::text)?;
        let class = self.by_name.get(&class_name).copied();
        if class.is_none() && !class_name.is_empty() && own_priority.is_none() {
            let known = self.by_name.keys().map(String::as_str);
            let message =
                with_nearest(&format!("no PriorityClass {class_name:?}"), &class_name, known);
            return Err(FieldError::here(message).within("priorityClassName"));
        }
        // A pod that carries its priority was admitted without the default class unless it says so.
        let fallback = match own_priority {
            Some(priority) => Standing { priority, ..GIVEN },
            None => self.default,
        };
        let standing = class.unwrap_or(fallback);
        Ok(Standing {
            priority: own_priority.unwrap_or(standing.priority),
            is_unset: own_priority.is_none() && standing.is_unset,
            preempts: own_policy.unwrap_or(standing.preempts),
        })
    }
}
