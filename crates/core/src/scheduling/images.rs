//! ImageLocality: nodes that have a pod's images already, so that less must be pulled.
//!
//! Source: `pkg/scheduler/framework/plugins/imagelocality`.

use super::scores::MAX_NODE_SCORE;
use super::topology::Plan;
use crate::cluster::Cluster;
use crate::ids::{ImageId, ImagesId, NodeId};

const MIB: i64 = 1024 * 1024;
/// Less than this scores nothing: pulling it takes no time worth mentioning.
const THRESHOLD_MIN_BYTES: i64 = 23 * MIB;
/// So much for each container scores all.
const THRESHOLD_MAX_BYTES: i64 = 1000 * MIB;

/// How many nodes have each image, and its size.
#[derive(Clone, Debug, Default)]
pub(crate) struct ImageSpread {
    by_image: Vec<ImageState>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct ImageState {
    nodes: u32,
    /// As the first node that has it reports it.
    size_bytes: i64,
}

impl ImageSpread {
    pub(crate) fn node_came(&mut self, images: &[(ImageId, i64)]) {
        for (image, size_bytes) in images {
            if self.by_image.len() <= image.index() {
                self.by_image.resize(image.index() + 1, ImageState::default());
            }
            let state = &mut self.by_image[image.index()];
            if state.nodes == 0 {
                state.size_bytes = *size_bytes;
            }
            state.nodes += 1;
        }
    }

    pub(crate) fn node_left(&mut self, images: &[(ImageId, i64)]) {
        for (image, _) in images {
            self.by_image[image.index()].nodes -= 1;
        }
    }

    /// The sizes that go with a node though others reported them: of images that nobody else has.
    pub(crate) fn sizes_lost_with(&self, images: &[(ImageId, i64)]) -> Vec<(ImageId, i64)> {
        let states = images.iter().map(|(image, own_size)| (*image, *own_size, self.of(*image)));
        states
            .filter(|(_, own_size, state)| state.nodes == 1 && state.size_bytes != *own_size)
            .map(|(image, _, state)| (image, state.size_bytes))
            .collect()
    }

    /// Undoes that sizes went with a node that is back.
    pub(crate) fn put_sizes_back(&mut self, sizes: &[(ImageId, i64)]) {
        for (image, size_bytes) in sizes {
            self.by_image[image.index()].size_bytes = *size_bytes;
        }
    }

    fn of(&self, image: ImageId) -> ImageState {
        self.by_image.get(image.index()).copied().unwrap_or_default()
    }
}

/// What the scores of a pod's images depend on besides the node. Equal states mean equal scores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ImageSituation {
    states: Vec<ImageState>,
    /// 0 when no node has any of the images: then the number does not matter.
    nodes: usize,
}

impl Cluster {
    pub(super) fn image_situation(&self, plan: &Plan) -> ImageSituation {
        let states: Vec<ImageState> =
            plan.images.iter().map(|image| self.nodes.image_spread.of(*image)).collect();
        if states.iter().all(|state| state.nodes == 0) {
            return ImageSituation::default();
        }
        ImageSituation { states, nodes: self.node_count() }
    }

    /// The score of a node, 0–100: the bytes of the pod's images that it has, each scaled by the
    /// share of nodes that have it, between the thresholds.
    #[expect(clippy::cast_precision_loss, reason = "upstream computes these in float64")]
    #[expect(clippy::cast_possible_truncation, reason = "a share of a size is no larger than it")]
    pub(super) fn image_score(&self, plan: &Plan, node: NodeId) -> i64 {
        if plan.images.is_empty() || plan.image_container_count == 0 {
            return 0;
        }
        let id: ImagesId = self.nodes.get(node).images;
        let there = self.catalog.images(id);
        if there.is_empty() {
            return 0;
        }
        let scaled = |image: &ImageId| -> i64 {
            if there.binary_search_by_key(image, |(one, _)| *one).is_err() {
                return 0;
            }
            let state = self.nodes.image_spread.of(*image);
            let share = f64::from(state.nodes) / self.node_count() as f64;
            (state.size_bytes as f64 * share) as i64
        };
        let sum: i64 = plan.images.iter().map(scaled).sum();
        let most = THRESHOLD_MAX_BYTES * i64::from(plan.image_container_count);
        let sum = sum.clamp(THRESHOLD_MIN_BYTES, most);
        MAX_NODE_SCORE * (sum - THRESHOLD_MIN_BYTES) / (most - THRESHOLD_MIN_BYTES)
    }
}

#[cfg(test)]
mod tests;
