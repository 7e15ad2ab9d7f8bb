//! `KubeSchedulerConfiguration`: the file that kube-scheduler is started with.
//!
//! Decoding is strict, as upstream's: an unknown field is an error. What does not bear on decisions
//! (leader election, clients, profiling) is checked for its type and forgotten.
//!
//! Source: `pkg/scheduler/apis/config/{v1,validation}` and `pkg/scheduler/framework/runtime`.

mod arguments;
mod plugins;

use serde_json::Value;

use super::error::{FieldError, ObjectError, ObjectName};
use super::fields::{self, Fields, Read};
use super::invalid::{duplicate, forbidden, invalid, missing};
use crate::scheduling::profile::DEFAULT_SCHEDULER_NAME;
use crate::scheduling::{Backoff, ExtensionPoint, Plugin, SchedulerProfile, SchedulerProfiles};
use crate::time::SimDuration;
use plugins::PluginLists;

/// The `apiVersion` of a scheduler's configuration.
pub const SCHEDULER_CONFIGURATION_API_VERSION: &str = "kubescheduler.config.k8s.io/v1";
/// Its kind.
const KIND: &str = "KubeSchedulerConfiguration";

/// Reads a scheduler's configuration, with kube-scheduler's defaults.
///
/// # Errors
/// [`ObjectError`] for the first field that kube-scheduler would refuse to start with, and for
/// extenders: those are programs of their own, which cannot be asked here.
pub fn read_scheduler_configuration(document: &Value) -> Result<SchedulerProfiles, ObjectError> {
    let name = ObjectName { kind: KIND.to_owned(), ..ObjectName::default() };
    read(document).map_err(|error| ObjectError::new(name, error))
}

fn read(document: &Value) -> Read<SchedulerProfiles> {
    let fields = Fields::of(document)?;
    for (field, wanted) in [("apiVersion", SCHEDULER_CONFIGURATION_API_VERSION), ("kind", KIND)] {
        fields.required(field, |value| expect_text(value, wanted))?;
    }
    fields.only(&[
        "apiVersion",
        "kind",
        "parallelism",
        "leaderElection",
        "clientConnection",
        "enableProfiling",
        "enableContentionProfiling",
        "percentageOfNodesToScore",
        "podInitialBackoffSeconds",
        "podMaxBackoffSeconds",
        "profiles",
        "extenders",
        "delayCacheUntilActive",
    ])?;
    check_surroundings(fields)?;
    let percentage = fields.optional("percentageOfNodesToScore", percentage)?.unwrap_or(0);
    let profiles = fields.items("profiles", |value| ProfileFields::read(Fields::of(value)?))?;
    let profiles = name_profiles(profiles)?;
    refuse_unlike_queues(&profiles)?;
    let backoff = read_backoff(fields)?;
    if !fields.items("extenders", Ok)?.is_empty() {
        let why = "extenders are programs of their own, which cannot be asked here";
        return Err(forbidden(why).within("extenders"));
    }
    let set_up = profiles.into_iter().enumerate().map(|(index, profile)| {
        let place = |error: FieldError| error.within_item(index).within("profiles");
        profile.set_up(percentage).map_err(place)
    });
    Ok(SchedulerProfiles { profiles: set_up.collect::<Read<_>>()?, backoff })
}

fn expect_text(value: &Value, wanted: &str) -> Read<()> {
    if value.as_str() == Some(wanted) {
        return Ok(());
    }
    Err(fields::expected(wanted, value))
}

/// What says how the scheduler runs, not what it decides.
fn check_surroundings(fields: Fields<'_>) -> Read<()> {
    fields.optional("parallelism", |value| match fields::whole_32(value)? {
        number if number > 0 => Ok(()),
        number => Err(invalid(number, "should be an integer value greater than zero")),
    })?;
    for name in ["enableProfiling", "enableContentionProfiling", "delayCacheUntilActive"] {
        fields.optional(name, fields::flag)?;
    }
    fields.inside("leaderElection", |election| {
        election.only(&[
            "leaderElect",
            "leaseDuration",
            "renewDeadline",
            "retryPeriod",
            "resourceLock",
            "resourceName",
            "resourceNamespace",
        ])?;
        election.optional("leaderElect", fields::flag)?;
        for name in ["leaseDuration", "renewDeadline", "retryPeriod"] {
            election.optional(name, fields::duration)?;
        }
        for name in ["resourceLock", "resourceName", "resourceNamespace"] {
            election.optional(name, fields::text)?;
        }
        Ok(())
    })?;
    fields.inside("clientConnection", |client| {
        client.only(&["kubeconfig", "acceptContentTypes", "contentType", "qps", "burst"])?;
        for name in ["kubeconfig", "acceptContentTypes", "contentType"] {
            client.optional(name, fields::text)?;
        }
        client.optional("qps", |value| {
            value.as_f64().map(|_| ()).ok_or_else(|| fields::expected("a number", value))
        })?;
        client.optional("burst", fields::whole_32).map(|_| ())
    })?;
    Ok(())
}

fn read_backoff(fields: Fields<'_>) -> Read<Backoff> {
    /// A hundred years: doubled as often as attempts are counted, it is still a duration.
    const MOST_SECONDS: i64 = u32::MAX as i64;
    let seconds = |name, default| {
        let read = fields.optional(name, fields::whole)?;
        Ok(read.unwrap_or(default).min(MOST_SECONDS))
    };
    let initial: i64 = seconds("podInitialBackoffSeconds", 1)?;
    let most: i64 = seconds("podMaxBackoffSeconds", 10)?;
    if initial <= 0 {
        let error = invalid(initial, "must be greater than 0");
        return Err(error.within("podInitialBackoffSeconds"));
    }
    if most < initial {
        let error = invalid(most, "must be greater than or equal to PodInitialBackoffSeconds");
        return Err(error.within("podMaxBackoffSeconds"));
    }
    Ok(Backoff { initial: SimDuration::from_secs(initial), max: SimDuration::from_secs(most) })
}

fn percentage(value: &Value) -> Read<u8> {
    let number = fields::whole_32(value)?;
    u8::try_from(number)
        .ok()
        .filter(|percent| *percent <= 100)
        .ok_or_else(|| invalid(number, "not in valid range [0-100]"))
}

/// A profile as it is written, its plugins not called up yet.
struct ProfileFields<'a> {
    scheduler_name: Option<String>,
    percentage: Option<u8>,
    lists: PluginLists,
    arguments: Vec<(&'a str, Option<&'a Value>)>,
}

impl<'a> ProfileFields<'a> {
    fn read(fields: Fields<'a>) -> Read<ProfileFields<'a>> {
        fields.only(&["schedulerName", "percentageOfNodesToScore", "plugins", "pluginConfig"])?;
        let arguments = fields.items("pluginConfig", |value| {
            let fields = Fields::of(value)?;
            fields.only(&["name", "args"])?;
            let name = fields.required("name", |name| {
                name.as_str().ok_or_else(|| fields::expected("text", name))
            })?;
            Ok((name, fields.raw("args")))
        })?;
        for (index, (name, _)) in arguments.iter().enumerate() {
            if arguments[..index].iter().any(|(before, _)| before == name) {
                return Err(duplicate(*name, "").within_item(index).within("pluginConfig"));
            }
        }
        Ok(ProfileFields {
            scheduler_name: fields.optional("schedulerName", fields::text)?,
            percentage: fields.optional("percentageOfNodesToScore", percentage)?,
            lists: fields.inside("plugins", PluginLists::read)?.unwrap_or_default(),
            arguments,
        })
    }

    /// Calls up the plugins and reads their settings.
    fn set_up(self, percentage_of_all: u8) -> Read<SchedulerProfile> {
        let name = self.scheduler_name.unwrap_or_default();
        let arguments = arguments::read(&self.arguments)?;
        let lists = self.lists.expand(&name).map_err(|error| error.within("plugins"))?;
        let weight = |plugin: &Plugin| (*plugin, lists.weight(*plugin));
        Ok(SchedulerProfile {
            pre_enqueue: lists.at(ExtensionPoint::PreEnqueue).to_vec(),
            pre_filters: lists.at(ExtensionPoint::PreFilter).to_vec(),
            filters: lists.at(ExtensionPoint::Filter).to_vec(),
            post_filters: lists.at(ExtensionPoint::PostFilter).to_vec(),
            pre_scores: lists.at(ExtensionPoint::PreScore).to_vec(),
            scores: lists.at(ExtensionPoint::Score).iter().map(weight).collect(),
            percentage_of_nodes_to_score: self.percentage.unwrap_or(percentage_of_all),
            scheduler_name: name,
            arguments,
        })
    }
}

/// No profile at all is one with all defaults, and a single one needs no name.
fn name_profiles(mut profiles: Vec<ProfileFields<'_>>) -> Read<Vec<ProfileFields<'_>>> {
    if profiles.is_empty() {
        profiles.push(ProfileFields {
            scheduler_name: None,
            percentage: None,
            lists: PluginLists::default(),
            arguments: Vec::new(),
        });
    }
    if let [only] = profiles.as_mut_slice() {
        only.scheduler_name.get_or_insert_with(|| DEFAULT_SCHEDULER_NAME.to_owned());
    }
    for (index, profile) in profiles.iter().enumerate() {
        let refused = match profile.scheduler_name.as_deref() {
            None | Some("") => missing(""),
            Some(name) => {
                let same = |one: &ProfileFields<'_>| one.scheduler_name.as_deref() == Some(name);
                if !profiles[..index].iter().any(same) {
                    continue;
                }
                duplicate(name, "")
            }
        };
        return Err(refused.within("schedulerName").within_item(index).within("profiles"));
    }
    Ok(profiles)
}

/// There is one queue for all profiles, so all must sort it alike.
fn refuse_unlike_queues(profiles: &[ProfileFields<'_>]) -> Read<()> {
    let queue = |profile: &ProfileFields<'_>| profile.lists.own(ExtensionPoint::QueueSort);
    let first = queue(&profiles[0]);
    if first.enabled_count() > 1 {
        let error = invalid(first.enabled_count(), "only one queue sort plugin can be enabled");
        let error = error.within("Enabled").within("queueSort").within("plugins");
        return Err(error.within_item(0).within("profiles"));
    }
    for (index, profile) in profiles.iter().enumerate().skip(1) {
        if queue(profile) != first {
            let error = invalid(queue(profile).to_json(), "must be the same for all profiles");
            let error = error.within("queueSort").within("plugins");
            return Err(error.within_item(index).within("profiles"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
