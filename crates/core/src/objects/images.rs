//! Container images: those that a pod runs, and those that a node has.
//!
//! Source: `pkg/scheduler/framework/plugins/imagelocality`.

use serde_json::Value;

use super::fields::{self, Fields, Read};
use super::invalid::invalid;
use crate::node::NodeImage;

/// The images of a pod: of init containers, of containers, of image volumes, each as often as it
/// is there.
pub(super) fn of_pod(spec: Fields<'_>) -> Read<Vec<String>> {
    let image = |value| Fields::of(value)?.or_default("image", fields::text);
    let mut images = spec.items("initContainers", image)?;
    images.extend(spec.items("containers", image)?);
    images.extend(spec.items("volumes", |value| {
        let source = Fields::of(value)?
            .inside("image", |source| source.or_default("reference", fields::text))?;
        Ok(source.unwrap_or_default())
    })?);
    // A template may leave the image to somebody else; no node has one without a name.
    images.retain(|image| !image.is_empty());
    Ok(images.iter().map(|image| with_tag(image)).collect())
}

/// How many containers, init containers among them, the score is stretched over.
pub(super) fn container_count(spec: Fields<'_>) -> Read<u32> {
    let containers = spec.items("containers", Fields::of)?.len();
    let init_containers = spec.items("initContainers", Fields::of)?.len();
    Ok(u32::try_from(containers + init_containers).unwrap_or(u32::MAX))
}

/// The images that a node's `status` lists.
pub(super) fn of_node(status: Fields<'_>) -> Read<Vec<NodeImage>> {
    status.items("images", |value: &Value| {
        let fields = Fields::of(value)?;
        Ok(NodeImage {
            names: fields.items("names", fields::text)?,
            size_bytes: fields.or_default("sizeBytes", |value| match fields::whole(value)? {
                bytes if bytes >= 0 => Ok(bytes),
                bytes => Err(invalid(bytes, "must be greater than or equal to 0")),
            })?,
        })
    })
}

/// A name without a tag means the latest.
fn with_tag(image: &str) -> String {
    if image.rfind(':') <= image.rfind('/') { format!("{image}:latest") } else { image.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_without_a_tag_means_the_latest() {
        for (image, full) in [
            ("nginx", "nginx:latest"),
            ("nginx:1.27", "nginx:1.27"),
            ("host:5000/nginx", "host:5000/nginx:latest"),
            ("host:5000/nginx:1", "host:5000/nginx:1"),
            ("nginx@sha256:abc", "nginx@sha256:abc"),
        ] {
            assert_eq!(with_tag(image), full);
        }
    }
}
