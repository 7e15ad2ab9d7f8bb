//! Our AutoscalerState: what a first loop of the autoscaler cannot know.

use std::collections::BTreeMap;

use serde_json::Value;

use super::fields::{self, Fields, Read};
use super::metadata;
use super::node_group::ERROR_CLASSES;
use crate::time::SimTime;

/// What happened before the loop that is asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AutoscalerState {
    /// Increases asked for and not finished; the groups' target sizes already have them.
    pub scale_up_requests: Vec<ScaleUpRequest>,
    /// Increases that failed, in the order in which they did.
    pub failed_scale_ups: Vec<FailedScaleUp>,
    /// The last increase; `None`: an hour before.
    pub last_scale_up: Option<SimTime>,
    /// The last deletion of a node; `None`: an hour before.
    pub last_scale_down_delete: Option<SimTime>,
    /// The last deletion that failed; `None`: an hour before.
    pub last_scale_down_fail: Option<SimTime>,
    /// The same snapshot was looked at at each of these times; the answer is the last one's.
    pub loops: Vec<SimTime>,
    /// The text with which the cloud refuses any increase of a group, by group.
    pub cloud_errors: BTreeMap<String, String>,
}

/// An increase asked for and not finished.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScaleUpRequest {
    /// The group.
    pub group: String,
    /// By how many nodes.
    pub nodes: u32,
    /// When it was asked for.
    pub time: SimTime,
}

/// An increase that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedScaleUp {
    /// The group.
    pub group: String,
    /// When it failed.
    pub time: SimTime,
    /// True for class OutOfResources, false for Other.
    pub out_of_resources: bool,
    /// The cloud's code.
    pub code: String,
}

/// Reads a plimsoll.dev/v1alpha1 AutoscalerState.
pub(super) fn read(object: Fields<'_>) -> Read<AutoscalerState> {
    object.only(&["apiVersion", "kind", "metadata", "spec"])?;
    metadata::read_own_name(object)?;
    Ok(object.inside("spec", read_spec)?.unwrap_or_default())
}

fn read_spec(spec: Fields<'_>) -> Read<AutoscalerState> {
    spec.only(&[
        "scaleUpRequests",
        "failedScaleUps",
        "lastScaleUp",
        "lastScaleDownDelete",
        "lastScaleDownFail",
        "loops",
        "cloudErrors",
    ])?;
    Ok(AutoscalerState {
        scale_up_requests: spec.items("scaleUpRequests", read_request)?,
        failed_scale_ups: spec.items("failedScaleUps", read_failure)?,
        last_scale_up: spec.optional("lastScaleUp", fields::time)?,
        last_scale_down_delete: spec.optional("lastScaleDownDelete", fields::time)?,
        last_scale_down_fail: spec.optional("lastScaleDownFail", fields::time)?,
        loops: spec.items("loops", fields::time)?,
        cloud_errors: spec.entries("cloudErrors", fields::text)?,
    })
}

fn read_request(value: &Value) -> Read<ScaleUpRequest> {
    let fields = Fields::of(value)?;
    fields.only(&["group", "nodes", "time"])?;
    Ok(ScaleUpRequest {
        group: fields.required("group", fields::name)?,
        nodes: fields.required("nodes", fields::count)?,
        time: fields.required("time", fields::time)?,
    })
}

fn read_failure(value: &Value) -> Read<FailedScaleUp> {
    let fields = Fields::of(value)?;
    fields.only(&["group", "time", "class", "code"])?;
    Ok(FailedScaleUp {
        group: fields.required("group", fields::name)?,
        time: fields.required("time", fields::time)?,
        out_of_resources: fields.required("class", |one| fields::word(one, &ERROR_CLASSES))?,
        code: fields.or_default("code", fields::text)?,
    })
}
