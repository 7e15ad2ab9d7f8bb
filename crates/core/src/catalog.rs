//! Interned descriptions: what many pods or nodes have in common is held once and named by a
//! small number. The catalog only grows; forgetting costs more than it frees.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::ids::{
    FitId, ImageId, ImagesId, ResourceId, RulesId, ShapeId, SurfaceId, TaintsId, TemplateId,
};
use crate::labels::{Labels, NodeSelectorTerm, Operator, Requirement};
use crate::node::{HOSTNAME_LABEL, NodeImage, NodeSpec};
use crate::pod::{HostPort, PodSpec, ResourceMap};
use crate::scheduling::Rulebook;
use crate::scheduling::profile::{SchedulerProfile, SchedulerProfiles};
use crate::taints::{Taint, Toleration};

/// The resource `cpu`, in milli-CPU.
pub const CPU: ResourceId = ResourceId(0);
/// The resource `memory`, in bytes.
pub const MEMORY: ResourceId = ResourceId(1);
/// The resource `ephemeral-storage`, in bytes.
pub const EPHEMERAL_STORAGE: ResourceId = ResourceId(2);
/// The resource `pods`, a count; every pod takes one.
pub const PODS: ResourceId = ResourceId(3);

/// Everything interned.
#[derive(Clone, Debug)]
pub struct Catalog {
    shapes: Interner<PodSpec>,
    shape_fits: Vec<FitId>,
    fits: Interner<Fit>,
    rules: Interner<Rules>,
    templates: Interner<NodeTemplate>,
    /// By template: what pods may use, by resource.
    template_sizes: Vec<Arc<[(ResourceId, i64)]>>,
    taints: Interner<Vec<Taint>>,
    surfaces: Interner<Surface>,
    resources: Interner<String>,
    image_names: Interner<String>,
    images: Interner<Vec<(ImageId, i64)>>,
    /// The default profile, for pods whose scheduler is not known, then those of the configuration.
    rulebooks: Vec<Arc<Rulebook>>,
}

/// Which scheduler profile pods are judged by. The first is the default profile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProfileId(u32);

/// What decides whether a pod fits a node, other pods' whereabouts aside.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fit {
    /// Where it may go whatever the room.
    pub rules: RulesId,
    /// What it asks for, by resource, each more than 0, in the order of `NodeResourcesFit`'s
    /// reasons: cpu, memory, ephemeral-storage, then the others by name. Without `pods`.
    pub requests: Vec<(ResourceId, i64)>,
    /// The cpu request that the score counts with.
    pub scoring_cpu_milli: i64,
    /// The memory request that the score counts with.
    pub scoring_memory_bytes: i64,
    /// The cpu (milli) and memory (bytes) that scores of others see once the pod is placed.
    pub placed_scoring: (i64, i64),
    /// Host ports.
    pub ports: Vec<HostPort>,
}

/// Where a pod may go whatever the room, and where it would rather go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rules {
    /// From `nodeSelector`.
    pub selector: Labels,
    /// One of the terms must match, when there are any terms.
    pub required: Option<Vec<NodeSelectorTerm>>,
    /// Preferred terms with their weights.
    pub preferred: Vec<(i64, NodeSelectorTerm)>,
    /// Tolerations.
    pub tolerations: Vec<Toleration>,
    /// What the node must declare that it can do, sorted.
    pub features: Vec<String>,
    /// The profile that judges.
    pub profile: ProfileId,
    /// The only nodes that the required terms leave, by name, where they name some in every term.
    pub named_nodes: Option<Vec<String>>,
}

impl Fit {
    /// What is asked of a resource; 0 when nothing is.
    #[must_use]
    #[inline]
    pub fn request(&self, resource: ResourceId) -> i64 {
        self.requests.iter().find(|(one, _)| *one == resource).map_or(0, |(_, amount)| *amount)
    }
}

impl Rules {
    /// Whether nodes of one surface may get different answers, because a rule looks at the
    /// hostname label or at the name.
    #[must_use]
    pub fn look_at_single_nodes(&self) -> bool {
        self.selector.contains_key(HOSTNAME_LABEL)
            || self.required.iter().flatten().any(looks_at_single_nodes)
            || self.preferred.iter().any(|(_, one)| looks_at_single_nodes(one))
    }

    /// Whether the pod tolerates a cordon.
    #[must_use]
    pub fn tolerate_cordon(&self) -> bool {
        let cordon = Taint {
            key: "node.kubernetes.io/unschedulable".into(),
            value: String::new(),
            effect: crate::taints::TaintEffect::NoSchedule,
        };
        self.tolerations.iter().any(|one| one.covers(&cordon))
    }

    /// Whether no node can match, as the names that the terms ask for exclude each other.
    #[must_use]
    pub fn contradict_themselves(&self) -> bool {
        self.named_nodes.as_ref().is_some_and(Vec::is_empty)
    }
}

/// The names that `metadata.name In` fields narrow the nodes down to, sorted, when every required
/// term has such a field; upstream's PreFilter. No term at all narrows nothing down: then it is the
/// filter that refuses every node.
fn named_nodes(required: Option<&[NodeSelectorTerm]>) -> Option<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for term in required.filter(|terms| !terms.is_empty())? {
        let mut named: Option<Vec<&String>> = None;
        for field in &term.fields {
            if field.key == "metadata.name" && field.operator == Operator::In {
                let values = field.values.iter();
                named = Some(match named {
                    None => values.collect(),
                    Some(before) => values.filter(|value| before.contains(value)).collect(),
                });
            }
        }
        names.extend(named?.into_iter().cloned());
    }
    names.sort_unstable();
    names.dedup();
    Some(names)
}

/// Whether a term tells nodes apart that have all other labels in common.
pub(crate) fn looks_at_single_nodes(term: &NodeSelectorTerm) -> bool {
    let by_hostname = |one: &Requirement| one.key == HOSTNAME_LABEL;
    !term.fields.is_empty() || term.expressions.iter().any(by_hostname)
}

/// What nodes of one kind have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeTemplate {
    /// The labels without the hostname.
    pub labels: Labels,
    /// What the machine has.
    pub capacity: ResourceMap,
    /// What pods may use.
    pub allocatable: ResourceMap,
    /// What the software can do beyond the ordinary, by name, sorted.
    pub declared_features: Vec<String>,
}

/// All that static predicates see of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Surface {
    /// Its labels and size.
    pub template: TemplateId,
    /// Its taints.
    pub taints: TaintsId,
    /// Cordoned.
    pub unschedulable: bool,
}

impl Default for Catalog {
    fn default() -> Catalog {
        let mut resources = Interner::default();
        for name in ["cpu", "memory", "ephemeral-storage", "pods"] {
            resources.intern(name.to_owned());
        }
        let mut catalog = Catalog {
            shapes: Interner::default(),
            shape_fits: Vec::new(),
            fits: Interner::default(),
            rules: Interner::default(),
            templates: Interner::default(),
            template_sizes: Vec::new(),
            taints: Interner::default(),
            surfaces: Interner::default(),
            resources,
            image_names: Interner::default(),
            images: Interner::default(),
            rulebooks: Vec::new(),
        };
        catalog.set_profiles(&SchedulerProfiles::default());
        catalog
    }
}

impl Catalog {
    /// Judges pods by these profiles from now on.
    ///
    /// # Panics
    /// When shapes are known already: their rules name profiles.
    pub(crate) fn set_profiles(&mut self, profiles: &SchedulerProfiles) {
        assert_eq!(self.shape_count(), 0, "profiles are set before pods are known");
        let known = [SchedulerProfile::default()].into_iter().chain(profiles.profiles.clone());
        let books: Vec<SchedulerProfile> = known.collect();
        self.rulebooks = books
            .into_iter()
            .map(|profile| Arc::new(Rulebook::new(profile, |name| self.intern_resource(name))))
            .collect();
    }

    /// The profile of pods with this `schedulerName`; the default one for a name that nobody knows.
    fn profile_named(&self, scheduler_name: &str) -> ProfileId {
        let named = |book: &Arc<Rulebook>| book.profile.scheduler_name == scheduler_name;
        let place = self.rulebooks.iter().rposition(named).unwrap_or(0);
        ProfileId(u32::try_from(place).expect("profiles are few"))
    }

    /// Whether one of the profiles that were set has this name.
    pub(crate) fn knows_scheduler(&self, scheduler_name: &str) -> bool {
        self.rulebooks.iter().skip(1).any(|book| book.profile.scheduler_name == scheduler_name)
    }

    /// What a profile says.
    #[must_use]
    #[inline]
    pub(crate) fn rulebook(&self, id: ProfileId) -> &Arc<Rulebook> {
        &self.rulebooks[id.0 as usize]
    }

    /// The shape of pods with this spec.
    pub fn intern_shape(&mut self, spec: &PodSpec) -> ShapeId {
        if let Some(known) = self.shapes.find(spec) {
            return ShapeId(known);
        }
        let rules = self.rules.intern(Rules {
            selector: spec.node_selector.clone(),
            required: spec.required_node_terms.clone(),
            preferred: spec.preferred_node_terms.clone(),
            tolerations: spec.tolerations.clone(),
            features: spec.required_node_features.clone(),
            profile: self.profile_named(&spec.scheduler_name),
            named_nodes: named_nodes(spec.required_node_terms.as_deref()),
        });
        let requests = self.ordered_requests(&spec.requests);
        let fit = self.fits.intern(Fit {
            rules: RulesId(rules),
            requests,
            scoring_cpu_milli: spec.scoring_cpu_milli,
            scoring_memory_bytes: spec.scoring_memory_bytes,
            placed_scoring: spec
                .placed_scoring
                .unwrap_or((spec.scoring_cpu_milli, spec.scoring_memory_bytes)),
            ports: spec.host_ports.clone(),
        });
        self.shape_fits.push(FitId(fit));
        ShapeId(self.shapes.intern(spec.clone()))
    }

    fn ordered_requests(&mut self, requests: &ResourceMap) -> Vec<(ResourceId, i64)> {
        let fixed = ["cpu", "memory", "ephemeral-storage"];
        let rank = |name: &str| fixed.iter().position(|one| *one == name).unwrap_or(fixed.len());
        let mut named: Vec<(&String, i64)> = requests
            .iter()
            .filter(|(name, amount)| **amount > 0 && *name != "pods")
            .map(|(name, amount)| (name, *amount))
            .collect();
        named.sort_by_key(|(name, _)| (rank(name), *name));
        named.into_iter().map(|(name, amount)| (self.intern_resource(name), amount)).collect()
    }

    /// The id of a resource name.
    pub fn intern_resource(&mut self, name: &str) -> ResourceId {
        ResourceId(self.resources.intern(name.to_owned()))
    }

    /// The id of a resource name that was seen before.
    #[must_use]
    pub fn resource(&self, name: &str) -> Option<ResourceId> {
        self.resources.find(&name.to_owned()).map(ResourceId)
    }

    /// The template of nodes with these labels (hostname aside) and this size, and the hostname.
    pub fn intern_template(&mut self, spec: &NodeSpec) -> (TemplateId, Option<String>) {
        let mut labels = spec.labels.clone();
        let hostname = labels.remove(HOSTNAME_LABEL);
        let template = NodeTemplate {
            labels,
            capacity: spec.capacity.clone(),
            allocatable: spec.allocatable.clone(),
            declared_features: spec.declared_features.clone(),
        };
        let id = TemplateId(self.templates.intern(template));
        if self.template_sizes.len() <= id.index() {
            let sizes = spec.allocatable.iter();
            let sizes = sizes.map(|(name, amount)| (self.intern_resource(name), *amount)).collect();
            self.template_sizes.push(sizes);
        }
        (id, hostname)
    }

    /// What pods may use of nodes of a template.
    #[must_use]
    #[inline]
    pub fn template_sizes(&self, id: TemplateId) -> &Arc<[(ResourceId, i64)]> {
        &self.template_sizes[id.index()]
    }

    /// The id of what a node has of images. Images differ from node to node, and only a score looks
    /// at them, so they are no part of the template.
    pub fn intern_images(&mut self, images: &[NodeImage]) -> ImagesId {
        let mut sizes: Vec<(ImageId, i64)> = Vec::new();
        for image in images {
            for name in &image.names {
                sizes.push((self.intern_image_name(name), image.size_bytes));
            }
        }
        // A name that two images claim has the size of the first.
        sizes.sort_by_key(|(image, _)| *image);
        sizes.dedup_by_key(|(image, _)| *image);
        ImagesId(self.images.intern(sizes))
    }

    /// The id of an image's name.
    pub fn intern_image_name(&mut self, name: &str) -> ImageId {
        ImageId(self.image_names.intern(name.to_owned()))
    }

    /// The id of an image's name that was seen before.
    #[must_use]
    pub fn image_name(&self, name: &str) -> Option<ImageId> {
        self.image_names.find(&name.to_owned()).map(ImageId)
    }

    /// The images of a node with their sizes in bytes, by id: each name once.
    #[must_use]
    #[inline]
    pub fn images(&self, id: ImagesId) -> &Arc<Vec<(ImageId, i64)>> {
        self.images.get(id.0)
    }

    /// How many names of images there are.
    #[must_use]
    pub fn image_name_count(&self) -> usize {
        self.image_names.len()
    }

    /// The id of a list of taints; the order counts.
    pub fn intern_taints(&mut self, taints: &[Taint]) -> TaintsId {
        TaintsId(self.taints.intern(taints.to_vec()))
    }

    /// The id of a surface.
    pub fn intern_surface(&mut self, surface: Surface) -> SurfaceId {
        SurfaceId(self.surfaces.intern(surface))
    }

    /// The spec behind a shape.
    #[must_use]
    #[inline]
    pub fn shape(&self, id: ShapeId) -> &Arc<PodSpec> {
        self.shapes.get(id.0)
    }

    /// What decides where pods of a shape fit.
    #[must_use]
    #[inline]
    pub fn fit_of(&self, shape: ShapeId) -> FitId {
        self.shape_fits[shape.index()]
    }

    /// The parts of a fit.
    #[must_use]
    #[inline]
    pub fn fit(&self, id: FitId) -> &Arc<Fit> {
        self.fits.get(id.0)
    }

    /// The rules behind an id.
    #[must_use]
    #[inline]
    pub fn rules(&self, id: RulesId) -> &Arc<Rules> {
        self.rules.get(id.0)
    }

    /// The template behind an id.
    #[must_use]
    #[inline]
    pub fn template(&self, id: TemplateId) -> &Arc<NodeTemplate> {
        self.templates.get(id.0)
    }

    /// The taints behind an id.
    #[must_use]
    #[inline]
    pub fn taints(&self, id: TaintsId) -> &Arc<Vec<Taint>> {
        self.taints.get(id.0)
    }

    /// The surface behind an id.
    #[must_use]
    #[inline]
    pub fn surface(&self, id: SurfaceId) -> Surface {
        **self.surfaces.get(id.0)
    }

    /// The name of a resource.
    #[must_use]
    pub fn resource_name(&self, id: ResourceId) -> &str {
        self.resources.get(id.0)
    }

    /// How many resource names there are.
    #[must_use]
    pub fn resource_count(&self) -> usize {
        self.resources.len()
    }

    /// How many shapes there are.
    #[must_use]
    pub fn shape_count(&self) -> usize {
        self.shapes.len()
    }
}

/// Values held once, named in the order of their first appearance.
#[derive(Clone, Debug)]
struct Interner<T> {
    ids: FxHashMap<Arc<T>, u32>,
    values: Vec<Arc<T>>,
}

impl<T> Default for Interner<T> {
    fn default() -> Interner<T> {
        Interner { ids: FxHashMap::default(), values: Vec::new() }
    }
}

impl<T: Eq + std::hash::Hash> Interner<T> {
    fn find(&self, value: &T) -> Option<u32> {
        self.ids.get(value).copied()
    }

    fn intern(&mut self, value: T) -> u32 {
        if let Some(known) = self.ids.get(&value) {
            return *known;
        }
        let id = u32::try_from(self.values.len()).expect("fewer than 2^32 values fit into memory");
        let value = Arc::new(value);
        self.ids.insert(Arc::clone(&value), id);
        self.values.push(value);
        id
    }

    #[inline]
    fn get(&self, id: u32) -> &Arc<T> {
        &self.values[id as usize]
    }

    fn len(&self) -> usize {
        self.values.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(names: &[&str], size_bytes: i64) -> NodeImage {
        NodeImage { names: names.iter().map(|name| (*name).to_owned()).collect(), size_bytes }
    }

    #[test]
    fn nodes_share_a_list_of_images_whatever_its_order() {
        let mut catalog = Catalog::default();
        let (web, db) = (image(&["web:1", "web@sha256:1"], 70), image(&["db:1"], 30));
        let one = catalog.intern_images(&[web.clone(), db.clone()]);
        assert_eq!(catalog.intern_images(&[db.clone(), web.clone()]), one);
        let name = |name| catalog.image_name(name).expect("the name was seen");
        let expected = [(name("web:1"), 70), (name("web@sha256:1"), 70), (name("db:1"), 30)];
        assert_eq!(catalog.images(one).as_slice(), expected);
        assert_eq!(catalog.image_name("web:2"), None);
        // A name that is there twice counts once, with the size it has first.
        let twice = catalog.intern_images(&[image(&["web:1"], 5), web]);
        let name = |name| catalog.image_name(name).expect("the name was seen");
        let expected = [(name("web:1"), 5), (name("web@sha256:1"), 70)];
        assert_eq!(catalog.images(twice).as_slice(), expected);
    }

    #[test]
    fn required_terms_narrow_nodes_down_to_names_only_if_every_one_has_some() {
        let named = |names: &[&str]| {
            let one = |name: &&str| Requirement {
                key: "metadata.name".to_owned(),
                operator: Operator::In,
                values: vec![(*name).to_owned()],
            };
            let fields = names.iter().map(one).collect();
            NodeSelectorTerm { fields, ..NodeSelectorTerm::default() }
        };
        let names = |terms: &[NodeSelectorTerm]| named_nodes(Some(terms));
        assert_eq!(names(&[named(&["b"]), named(&["a"])]), Some(vec!["a".into(), "b".into()]));
        assert_eq!(names(&[named(&["a", "b"])]), Some(Vec::new()));
        assert_eq!(names(&[named(&["a"]), NodeSelectorTerm::default()]), None);
        assert_eq!(names(&[]), None);
    }

    #[test]
    fn images_do_not_tell_templates_apart_and_features_do() {
        let mut catalog = Catalog::default();
        let plain = NodeSpec::default();
        let stocked = NodeSpec { images: vec![image(&["web:1"], 70)], ..NodeSpec::default() };
        let able = NodeSpec { declared_features: vec!["A".to_owned()], ..NodeSpec::default() };
        let template = catalog.intern_template(&plain).0;
        assert_eq!(catalog.intern_template(&stocked).0, template);
        let other = catalog.intern_template(&able).0;
        assert_ne!(other, template);
        assert_eq!(catalog.template(other).declared_features, ["A"]);
    }
}
