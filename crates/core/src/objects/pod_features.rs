//! What a pod needs its node's software to be able to do.
//!
//! Source: `k8s.io/component-helpers/nodedeclaredfeatures`, the features that bear on scheduling.

use serde_json::Value;

use super::fields::{self, Fields, Read};
use super::invalid::forbidden;

/// The action of a container's restart rule that restarts the whole pod.
const RESTART_ALL: &str = "RestartAllContainers";
/// The feature behind it.
const RESTART_ALL_FEATURE: &str = "RestartAllContainersOnContainerExits";

/// The features that a node must declare, by name, sorted. Features whose gate is off by default
/// are not here: the API server refuses pods that use them.
pub(super) fn required(spec: Fields<'_>) -> Read<Vec<String>> {
    refuse_shared_network(spec)?;
    let mut restarts = spec.items("containers", |value| restarts_all(Fields::of(value)?))?;
    restarts.extend(spec.items("initContainers", |value| restarts_all(Fields::of(value)?))?);
    Ok(if restarts.contains(&true) { vec![RESTART_ALL_FEATURE.to_owned()] } else { Vec::new() })
}

/// Users of its own on the node's network: behind a gate (`UserNamespacesHostNetworkSupport`) that
/// is off.
fn refuse_shared_network(spec: Fields<'_>) -> Read<()> {
    let own_users = spec.optional("hostUsers", fields::flag)? == Some(false);
    if own_users && spec.or_default("hostNetwork", fields::flag)? {
        return Err(forbidden("when `hostUsers` is false").within("hostNetwork"));
    }
    Ok(())
}

fn restarts_all(container: Fields<'_>) -> Read<bool> {
    let rules = container.items("restartPolicyRules", |rule: &Value| {
        Ok(Fields::of(rule)?.or_default("action", fields::text)? == RESTART_ALL)
    })?;
    Ok(rules.contains(&true))
}
