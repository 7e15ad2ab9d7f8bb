//! Files of node groups, and of the autoscaler's settings that go with them: read, checked field by
//! field, and completed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use plimsoll_core::SimDuration;
use serde_json::{Map, Value, json};

use super::ImportError;

/// The API version of Plimsoll's own kinds.
pub(crate) const PLIMSOLL_API_VERSION: &str = "plimsoll.dev/v1alpha1";

/// The label by which a node belongs to a group.
pub(crate) const NODE_GROUP_LABEL: &str = "plimsoll.dev/node-group";

/// What a file given with `--groups` holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct GroupsFile {
    /// The `NodeGroup` documents, completed.
    pub(crate) groups: Vec<Value>,
    /// The `AutoscalerSettings` document, if there is one.
    pub(crate) settings: Option<Value>,
}

/// Reads the documents of a YAML file. Each group comes back with its quantities as texts, with
/// `capacity` and `allocatable` both filled, and with the group's label on its template.
pub(crate) fn read(file: &Path) -> Result<GroupsFile, ImportError> {
    let text = fs::read_to_string(file).map_err(ImportError::read(file))?;
    let mut names = BTreeSet::new();
    let mut found = GroupsFile::default();
    for (line, mut document) in read_documents(file, &text)? {
        let refuse = |what: String| ImportError::document(file, Some(line), what);
        if kind_of(&document) == (PLIMSOLL_API_VERSION, "AutoscalerSettings") {
            complete_settings(&mut document).map_err(refuse)?;
            if found.settings.replace(document).is_some() {
                return Err(refuse("there are two AutoscalerSettings".to_owned()));
            }
            continue;
        }
        complete(&mut document).map_err(refuse)?;
        let name = name_of(&document).to_owned();
        if !names.insert(name.clone()) {
            return Err(refuse(format!("node group {name}: there are two groups of this name")));
        }
        found.groups.push(document);
    }
    if found.groups.is_empty() {
        return Err(ImportError::document(file, None, "holds no NodeGroup"));
    }
    Ok(found)
}

impl GroupsFile {
    /// The documents as they go into a history: groups first.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &Value> {
        self.groups.iter().chain(&self.settings)
    }
}

/// The documents of a YAML text with the line on which each starts; empty ones are left out.
pub(crate) fn read_documents(file: &Path, text: &str) -> Result<Vec<(u64, Value)>, ImportError> {
    let documents: Vec<serde_saphyr::Spanned<Value>> =
        serde_saphyr::from_multiple(text).map_err(|error| {
            let line = error.location().map(|location| location.line());
            let what = error.without_snippet().to_string();
            let first_line = what.lines().next().unwrap_or_default();
            ImportError::document(file, line, format!("not YAML: {first_line}"))
        })?;
    Ok(documents
        .into_iter()
        .filter(|document| !document.value.is_null())
        .map(|document| (document.referenced.line(), document.value))
        .collect())
}

/// The name of a group.
pub(crate) fn name_of(group: &Value) -> &str {
    group.pointer("/metadata/name").and_then(Value::as_str).unwrap_or("")
}

/// A label of the nodes that a group makes.
pub(crate) fn template_label<'a>(group: &'a Value, label: &str) -> Option<&'a str> {
    group.pointer("/spec/template/metadata/labels")?.get(label)?.as_str()
}

/// Gives the nodes of a group `quantity` of an extended resource.
pub(crate) fn add_resource(group: &mut Value, resource: &str, quantity: &str) {
    for list in ["capacity", "allocatable"] {
        group["spec"]["template"]["status"][list][resource] = json!(quantity);
    }
}

/// The same where the group's template says nothing about that resource.
pub(crate) fn add_missing_resource(group: &mut Value, resource: &str, quantity: &str) {
    let status = &group["spec"]["template"]["status"];
    let is_known = ["capacity", "allocatable"].iter().any(|list| !status[list][resource].is_null());
    if !is_known {
        add_resource(group, resource, quantity);
    }
}

/// Checks a group and fills in what follows from the rest. The error says which group and field.
fn complete(group: &mut Value) -> Result<(), String> {
    let (api_version, kind) = kind_of(group);
    if (api_version, kind) != (PLIMSOLL_API_VERSION, "NodeGroup") {
        return Err(format!(
            "expected apiVersion {PLIMSOLL_API_VERSION} and kind NodeGroup or AutoscalerSettings, \
             found {api_version:?} and {kind:?}"
        ));
    }
    let name = name_of(group).to_owned();
    if name.is_empty() {
        return Err("node group without metadata.name".to_owned());
    }
    let in_group = |what: String| format!("node group {name}: {what}");
    let spec = group.get_mut("spec").and_then(Value::as_object_mut);
    let spec = spec.ok_or_else(|| in_group("spec is missing".to_owned()))?;
    check_sizes(spec).map_err(in_group)?;
    check_price(spec).map_err(in_group)?;
    check_boot_delay(spec).map_err(in_group)?;
    if let Some(capacity_type) = spec.get("capacityType")
        && !matches!(capacity_type.as_str(), Some("on-demand" | "spot"))
    {
        return Err(in_group(format!(
            "spec.capacityType: {capacity_type} is neither on-demand nor spot"
        )));
    }
    complete_template(spec, &name).map_err(in_group)?;
    if group.pointer("/status/targetSize").is_none() {
        group["status"]["targetSize"] = json!(0);
    }
    Ok(())
}

/// Checks a settings document. What its flags mean is checked when it is replayed, as flags given on
/// the command line take their place.
fn complete_settings(settings: &mut Value) -> Result<(), String> {
    if !settings.get("spec").is_some_and(Value::is_object) {
        return Err("AutoscalerSettings: spec is not a mapping of flags to values".to_owned());
    }
    if name_of(settings).is_empty() {
        match settings.get("metadata") {
            None | Some(Value::Null) => settings["metadata"] = json!({"name": "default"}),
            Some(_) => return Err("AutoscalerSettings without metadata.name".to_owned()),
        }
    }
    Ok(())
}

/// The `apiVersion` and `kind` of a document; empty where it has none.
fn kind_of(document: &Value) -> (&str, &str) {
    let text = |field: &str| document.get(field).and_then(Value::as_str).unwrap_or("");
    (text("apiVersion"), text("kind"))
}

fn check_sizes(spec: &mut Map<String, Value>) -> Result<(), String> {
    spec.entry("minSize").or_insert(json!(0));
    let size = |field: &str| match spec.get(field) {
        None => Err(format!("spec.{field} is missing")),
        Some(value) => value
            .as_u64()
            .ok_or_else(|| format!("spec.{field}: {value} is not a whole number of at least 0")),
    };
    let (min_size, max_size) = (size("minSize")?, size("maxSize")?);
    if min_size > max_size {
        return Err(format!("spec.minSize {min_size} is above spec.maxSize {max_size}"));
    }
    Ok(())
}

fn check_price(spec: &mut Map<String, Value>) -> Result<(), String> {
    let Some(price) = spec.get_mut("pricePerHour") else { return Ok(()) };
    let text = match &*price {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        other => other.to_string(),
    };
    let is_decimal = !text.is_empty()
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
        && text.bytes().filter(|&byte| byte == b'.').count() <= 1;
    if !is_decimal {
        return Err(format!("spec.pricePerHour: {text:?} is not a price in USD such as \"0.214\""));
    }
    *price = json!(text);
    Ok(())
}

fn check_boot_delay(spec: &Map<String, Value>) -> Result<(), String> {
    let check = |field: &str, value: &Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        match SimDuration::parse(&text) {
            Ok(delay) if delay >= SimDuration::ZERO => Ok(()),
            Ok(_) => Err(format!("{field}: {text} is below 0")),
            Err(error) => Err(format!("{field}: {error}")),
        }
    };
    match spec.get("bootDelay") {
        None => Ok(()),
        Some(Value::Object(quantiles)) => quantiles
            .iter()
            .try_for_each(|(quantile, value)| check(&format!("spec.bootDelay.{quantile}"), value)),
        Some(value) => check("spec.bootDelay", value),
    }
}

fn complete_template(spec: &mut Map<String, Value>, name: &str) -> Result<(), String> {
    let template = spec.get_mut("template").filter(|template| template.is_object());
    let template = template.ok_or_else(|| "spec.template is missing".to_owned())?;
    let lists: Vec<(&str, Option<Value>)> = ["capacity", "allocatable"]
        .into_iter()
        .map(|list| (list, template.pointer(&format!("/status/{list}")).cloned()))
        .collect();
    let known = lists.iter().rev().find_map(|(_, list)| list.clone());
    let known = known
        .ok_or_else(|| "spec.template.status has neither capacity nor allocatable".to_owned())?;
    for (list, value) in lists {
        let mut value = value.unwrap_or_else(|| known.clone());
        let quantities = value
            .as_object_mut()
            .ok_or_else(|| format!("spec.template.status.{list} is not a list of quantities"))?;
        for (resource, quantity) in quantities {
            let text = quantity.as_str().map_or_else(|| quantity.to_string(), str::to_owned);
            if !is_quantity(&text) {
                return Err(format!(
                    "spec.template.status.{list}.{resource}: {text:?} is not a quantity \
                     such as 16, 500m or 64Gi"
                ));
            }
            *quantity = json!(text);
        }
        template["status"][list] = value;
    }
    let label = &mut template["metadata"]["labels"][NODE_GROUP_LABEL];
    match label.as_str() {
        None => *label = json!(name),
        Some(labelled) if labelled == name => {}
        Some(labelled) => {
            return Err(format!(
                "spec.template.metadata.labels.{NODE_GROUP_LABEL} names another group, {labelled}"
            ));
        }
    }
    Ok(())
}

/// Whether `text` is a Kubernetes quantity of at least 0.
fn is_quantity(text: &str) -> bool {
    const SUFFIXES: [&str; 15] =
        ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi"];
    let digits_end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits_end);
    let is_number = number.bytes().any(|byte| byte.is_ascii_digit())
        && number.bytes().filter(|&byte| byte == b'.').count() <= 1;
    let is_exponent = suffix.strip_prefix(['e', 'E']).is_some_and(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
    });
    is_number && (SUFFIXES.contains(&suffix) || suffix == "Ei" || is_exponent)
}
