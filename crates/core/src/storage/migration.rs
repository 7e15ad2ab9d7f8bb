//! In-tree disks in the eyes of the CSI drivers that took them over.
//!
//! Source: `k8s.io/csi-translation-lib`; the migrations that kube-scheduler 1.36 has switched on.

use crate::labels::{Labels, NodeSelectorTerm, Operator, Requirement};
use crate::storage::{InTreeDisk, PersistentVolumeObject};

/// The zone label of nodes and volumes, and its older name.
pub(super) const ZONE_LABEL: &str = "topology.kubernetes.io/zone";
pub(super) const BETA_ZONE_LABEL: &str = "failure-domain.beta.kubernetes.io/zone";
/// The region label of nodes and volumes, and its older name.
pub(super) const REGION_LABEL: &str = "topology.kubernetes.io/region";
pub(super) const BETA_REGION_LABEL: &str = "failure-domain.beta.kubernetes.io/region";
/// Between the zones of a volume that lies in several.
pub(super) const ZONE_DELIMITER: &str = "__";

/// A volume plugin whose work a CSI driver does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MigratedPlugin {
    AwsElasticBlockStore,
    GcePersistentDisk,
    AzureDisk,
    Cinder,
    Portworx,
}

/// Provisioners that have a driver as well, of which the scheduler counts no volume.
const UNCOUNTED_PROVISIONERS: [&str; 2] =
    ["kubernetes.io/azure-file", "kubernetes.io/vsphere-volume"];
/// What the GCE driver writes where the old plugin did not know.
const UNSPECIFIED: &str = "UNSPECIFIED";

impl MigratedPlugin {
    const ALL: [MigratedPlugin; 5] = [
        MigratedPlugin::AwsElasticBlockStore,
        MigratedPlugin::GcePersistentDisk,
        MigratedPlugin::AzureDisk,
        MigratedPlugin::Cinder,
        MigratedPlugin::Portworx,
    ];

    /// The plugin of a disk; `None` for those that were never taken over.
    pub(super) fn of(disk: &InTreeDisk) -> Option<MigratedPlugin> {
        Some(match disk {
            InTreeDisk::AwsElasticBlockStore { .. } => MigratedPlugin::AwsElasticBlockStore,
            InTreeDisk::GcePersistentDisk { .. } => MigratedPlugin::GcePersistentDisk,
            InTreeDisk::AzureDisk { .. } => MigratedPlugin::AzureDisk,
            InTreeDisk::Cinder { .. } => MigratedPlugin::Cinder,
            InTreeDisk::Portworx { .. } => MigratedPlugin::Portworx,
            InTreeDisk::Iscsi { .. } | InTreeDisk::Rbd { .. } => return None,
        })
    }

    /// The plugin's own name.
    pub(super) fn name(self) -> &'static str {
        match self {
            MigratedPlugin::AwsElasticBlockStore => "kubernetes.io/aws-ebs",
            MigratedPlugin::GcePersistentDisk => "kubernetes.io/gce-pd",
            MigratedPlugin::AzureDisk => "kubernetes.io/azure-disk",
            MigratedPlugin::Cinder => "kubernetes.io/cinder",
            MigratedPlugin::Portworx => "kubernetes.io/portworx-volume",
        }
    }

    /// The driver that took over.
    pub(super) fn driver(self) -> &'static str {
        match self {
            MigratedPlugin::AwsElasticBlockStore => "ebs.csi.aws.com",
            MigratedPlugin::GcePersistentDisk => "pd.csi.storage.gke.io",
            MigratedPlugin::AzureDisk => "disk.csi.azure.com",
            MigratedPlugin::Cinder => "cinder.csi.openstack.org",
            MigratedPlugin::Portworx => "pxd.portworx.com",
        }
    }

    /// The driver's own zone label on nodes, when it translates zones at all.
    fn zone_key(self) -> Option<&'static str> {
        match self {
            MigratedPlugin::AwsElasticBlockStore => Some("topology.ebs.csi.aws.com/zone"),
            MigratedPlugin::GcePersistentDisk => Some("topology.gke.io/zone"),
            MigratedPlugin::Cinder => Some("topology.cinder.csi.openstack.org/zone"),
            MigratedPlugin::AzureDisk | MigratedPlugin::Portworx => None,
        }
    }
}

/// Who makes the volumes of a class, as far as attached volumes are counted by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Provisioner {
    /// The driver of this name.
    Driver,
    /// The driver that took over from the plugin of this name.
    Migrated(MigratedPlugin),
    /// Nothing that is counted.
    Uncounted,
}

impl Provisioner {
    pub(super) fn of(name: &str) -> Provisioner {
        if let Some(plugin) = MigratedPlugin::ALL.into_iter().find(|one| one.name() == name) {
            return Provisioner::Migrated(plugin);
        }
        let uncounted = UNCOUNTED_PROVISIONERS.contains(&name);
        if uncounted { Provisioner::Uncounted } else { Provisioner::Driver }
    }
}

/// What the driver calls a disk that a pod names itself.
///
/// # Errors
/// Upstream's text when the driver has no name for it.
pub(super) fn handle_of_inline(disk: &InTreeDisk) -> Result<String, String> {
    handle(disk, &Labels::new())
}

/// What the driver calls a volume, and which nodes reach it in the driver's words.
///
/// # Errors
/// Upstream's text when the driver has no name for it.
pub(super) fn translate(
    plugin: MigratedPlugin,
    volume: &PersistentVolumeObject,
    disk: &InTreeDisk,
) -> Result<(String, Option<Vec<NodeSelectorTerm>>), String> {
    let handle = handle(disk, &volume.labels)?;
    let terms = volume.node_affinity.clone();
    let affinity = match plugin.zone_key() {
        Some(key) => translate_zones(terms, &volume.labels, key),
        None => terms,
    };
    Ok((handle, affinity))
}

fn handle(disk: &InTreeDisk, labels: &Labels) -> Result<String, String> {
    match disk {
        InTreeDisk::AwsElasticBlockStore { id } => ebs_volume_id(id)
            .map_err(|error| format!("failed to translate Kubernetes ID to EBS Volume ID {error}")),
        InTreeDisk::GcePersistentDisk { name, .. } => gce_handle(name, labels),
        InTreeDisk::AzureDisk { uri, managed: true } => Ok(uri.clone()),
        InTreeDisk::AzureDisk { .. } => {
            Err("kind(not Managed) is not supported in csi migration".to_owned())
        }
        InTreeDisk::Cinder { id } | InTreeDisk::Portworx { id } => Ok(id.clone()),
        InTreeDisk::Iscsi { .. } | InTreeDisk::Rbd { .. } => {
            Err("could not find in-tree plugin translation logic".to_owned())
        }
    }
}

/// `vol-1` of `vol-1`, `aws:///vol-1` and `aws://zone/vol-1`.
fn ebs_volume_id(id: &str) -> Result<String, String> {
    let Some(url) = id.strip_prefix("aws://") else { return Ok(id.to_owned()) };
    let path = url.split_once('/').map_or("", |(_, path)| path);
    let path = path.split(['?', '#']).next().unwrap_or_default().trim_matches('/');
    if path.starts_with("vol-") && !path.contains('/') {
        return Ok(path.to_owned());
    }
    Err(format!("Invalid format for AWS volume ({id})"))
}

/// A disk of one zone, of a region (when its label lists several zones), or of who knows where.
fn gce_handle(name: &str, labels: &Labels) -> Result<String, String> {
    let label = |key: &str| labels.get(key).filter(|value| !value.is_empty());
    let zones = label(BETA_ZONE_LABEL).or_else(|| label(ZONE_LABEL));
    let zones: Vec<&str> =
        zones.map_or_else(Vec::new, |value| value.split(ZONE_DELIMITER).collect());
    match zones.as_slice() {
        [] => Ok(format!("projects/{UNSPECIFIED}/zones/{UNSPECIFIED}/disks/{name}")),
        [zone] => Ok(format!("projects/{UNSPECIFIED}/zones/{zone}/disks/{name}")),
        zones => {
            let region = gce_region(zones)
                .map_err(|error| format!("failed to get region from zones: {error}"))?;
            Ok(format!("projects/{UNSPECIFIED}/regions/{region}/disks/{name}"))
        }
    }
}

/// The region of zones such as `europe-west1-b`, all of which must lie in one.
fn gce_region<'a>(zones: &[&'a str]) -> Result<&'a str, String> {
    let mut regions = Vec::new();
    for zone in zones {
        let region = zone.rsplit_once('-').map(|(region, _)| region);
        let region = region.filter(|_| zone.matches('-').count() == 2).ok_or_else(|| {
            format!(
                "zone in unexpected format, expected: {{locale}}-{{region}}-{{zone}}, got: {zone}"
            )
        })?;
        regions.push(region);
    }
    regions.sort_unstable();
    regions.dedup();
    match regions.as_slice() {
        [region] => Ok(region),
        several => Err(format!("multiple or no regions gotten from zones, got: {several:?}")),
    }
}

/// The terms with the driver's zone label in place of Kubernetes'; where they name no zone, the
/// volume's zone label is added to each.
fn translate_zones(
    terms: Option<Vec<NodeSelectorTerm>>,
    labels: &Labels,
    zone_key: &str,
) -> Option<Vec<NodeSelectorTerm>> {
    let (zone_label, is_beta) = zone_label_of(terms.as_deref().unwrap_or_default(), labels);
    let named = |terms: &[NodeSelectorTerm], key: &str| {
        let mut requirements = terms.iter().flat_map(|term| &term.expressions);
        requirements.any(|one| one.key == key && !one.values.is_empty())
    };
    let mut terms = terms;
    if named(terms.as_deref().unwrap_or_default(), zone_label) {
        rename_key(terms.as_mut(), zone_label, zone_key);
    } else if let Some(value) = labels.get(zone_label) {
        let zones = value.split(ZONE_DELIMITER).map(str::trim).filter(|zone| !zone.is_empty());
        let values: Vec<String> = zones.map(str::to_owned).collect();
        if !values.is_empty() {
            let list = terms.get_or_insert_default();
            if list.is_empty() {
                list.push(NodeSelectorTerm::default());
            }
            for term in list {
                let (key, values) = (zone_key.to_owned(), values.clone());
                term.expressions.push(Requirement { key, operator: Operator::In, values });
            }
        }
    }
    if is_beta && named(terms.as_deref().unwrap_or_default(), BETA_REGION_LABEL) {
        rename_key(terms.as_mut(), BETA_REGION_LABEL, REGION_LABEL);
    }
    terms
}

fn rename_key(terms: Option<&mut Vec<NodeSelectorTerm>>, from: &str, to: &str) {
    for one in terms.into_iter().flatten().flat_map(|term| &mut term.expressions) {
        if one.key == from {
            to.clone_into(&mut one.key);
        }
    }
}

/// Which of the two zone labels a volume uses, and whether it is the old one: its terms decide
/// before its labels, the new one before the old.
fn zone_label_of(terms: &[NodeSelectorTerm], labels: &Labels) -> (&'static str, bool) {
    let in_terms =
        |key: &str| terms.iter().flat_map(|term| &term.expressions).any(|one| one.key == key);
    let is_beta = !in_terms(ZONE_LABEL)
        && (in_terms(BETA_ZONE_LABEL)
            || (!labels.contains_key(ZONE_LABEL) && labels.contains_key(BETA_ZONE_LABEL)));
    if is_beta { (BETA_ZONE_LABEL, true) } else { (ZONE_LABEL, false) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn term(key: &str, values: &[&str]) -> NodeSelectorTerm {
        let values = values.iter().map(|one| (*one).to_owned()).collect();
        let requirement = Requirement { key: key.to_owned(), operator: Operator::In, values };
        NodeSelectorTerm { expressions: vec![requirement], fields: Vec::new() }
    }

    /// Source: `KubernetesVolumeIDToEBSVolumeID`.
    #[test]
    fn an_ebs_volume_has_one_handle_however_it_is_written() {
        for (id, expected) in [
            ("vol-1", Ok("vol-1".to_owned())),
            ("anything", Ok("anything".to_owned())),
            ("aws:///vol-1", Ok("vol-1".to_owned())),
            ("aws://us-east-1a/vol-1", Ok("vol-1".to_owned())),
            ("aws://us-east-1a/disk", Err("Invalid format for AWS volume (aws://us-east-1a/disk)")),
            ("aws://vol-1", Err("Invalid format for AWS volume (aws://vol-1)")),
        ] {
            assert_eq!(ebs_volume_id(id), expected.map_err(str::to_owned), "{id}");
        }
    }

    /// Source: `gcePersistentDiskCSITranslator.TranslateInTreePVToCSI`.
    #[test]
    fn a_gce_disk_is_named_by_its_zone_or_region() {
        for (zone, expected) in [
            ("", Ok("projects/UNSPECIFIED/zones/UNSPECIFIED/disks/d")),
            ("a-b-c", Ok("projects/UNSPECIFIED/zones/a-b-c/disks/d")),
            ("a-b-c__a-b-d", Ok("projects/UNSPECIFIED/regions/a-b/disks/d")),
            (
                "a-b-c__a-x-d",
                Err("failed to get region from zones: multiple or no regions gotten from zones, \
                     got: [\"a-b\", \"a-x\"]"),
            ),
        ] {
            let handle = gce_handle("d", &labels(&[(ZONE_LABEL, zone)]));
            assert_eq!(handle.as_deref().map_err(String::as_str), expected, "{zone}");
        }
    }

    /// Source: `translateTopologyFromInTreeToCSI`.
    #[test]
    fn zones_become_the_drivers_zones() {
        let none = labels(&[]);
        let zonal = labels(&[(ZONE_LABEL, "a__b")]);
        let beta = labels(&[(BETA_ZONE_LABEL, "a")]);
        for (terms, labels, expected) in [
            (Some(vec![term(ZONE_LABEL, &["a"])]), &none, Some(vec![term("z", &["a"])])),
            (Some(vec![term(BETA_ZONE_LABEL, &["a"])]), &zonal, Some(vec![term("z", &["a"])])),
            (None, &zonal, Some(vec![term("z", &["a", "b"])])),
            (None, &beta, Some(vec![term("z", &["a"])])),
            (None, &none, None),
            (Some(vec![term("rack", &["1"])]), &none, Some(vec![term("rack", &["1"])])),
        ] {
            assert_eq!(translate_zones(terms.clone(), labels, "z"), expected, "{terms:?}");
        }
    }
}
